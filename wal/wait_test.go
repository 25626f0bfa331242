package wal

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace-io/millrace/record"
)

func TestGatherFor(t *testing.T) {
	for name, c := range map[string]struct {
		sync   time.Duration
		each   float64
		target int
		want   time.Duration
	}{
		"nothing known":            {0, 0, 64, 0},
		"a sync, and nobody yet":   {time.Millisecond, 0, 64, 0},
		"a slow device":            {time.Millisecond, 2000, 64, 256 * time.Microsecond},
		"a fast one":               {80 * time.Microsecond, 2000, 64, 0},
		"a fast one, and few":      {100 * time.Microsecond, 2000, 4, 16 * time.Microsecond},
		"just long enough":         {70 * time.Microsecond, 1000, 100, 200 * time.Microsecond},
		"too short by a moment":    {70*time.Microsecond - 1, 1000, 100, 0},
		"those who seldom return":  {10 * time.Millisecond, 1e6, 64, 0},
		"so many that it takes ms": {time.Second, 1000, 4096, gatherMax},
	} {
		if got := gatherFor(c.sync, c.each, c.target); got != c.want {
			t.Errorf("%s: %v, not %v", name, got, c.want)
		}
	}
}

func TestComeback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		after := func(c *comeback, back int, each time.Duration) {
			for range back {
				time.Sleep(each) // virtual
				c.arrive()
			}
		}
		var c comeback
		c.begin(1)
		after(&c, 1, time.Second)
		if c.each != 0 {
			t.Errorf("one alone was measured: %v ns", c.each)
		}
		for range 100 {
			c.begin(10)
			after(&c, 12, time.Microsecond) // two more than were released
		}
		if c.each < 999 || c.each > 1000 {
			t.Errorf("one comes back each µs, measured %v ns", c.each)
		}
		c.begin(10)
		after(&c, 10, time.Second)
		if c.each > 1126 {
			t.Errorf("once they were held up for a second, measured %v ns", c.each)
		}
		for range 100 {
			c.begin(10)
			after(&c, 5, 4*time.Microsecond)
			c.end() // half of them have gone for good
		}
		if c.each < 3999 || c.each > 4000 {
			t.Errorf("one comes back every 4 µs, measured %v ns", c.each)
		}
		for range 100 {
			c.begin(10)
			time.Sleep(time.Millisecond) // virtual
			c.end()
		}
		if c.each < 0.99e6 {
			t.Errorf("nobody comes back within 1 ms, measured %v ns", c.each)
		}
	})
}

// TestContextsEndWhileAppendersAreReleased: whoever gives up in the moment in which
// it is woken leaves nothing behind, for others or for the pool.
func TestContextsEndWhileAppendersAreReleased(t *testing.T) {
	d := openDir(t, t.TempDir(), Options{})
	l := openLog(t, d, 1, LogOptions{Durability: record.Group})
	var appenders sync.WaitGroup
	for i := range 16 {
		appenders.Go(func() {
			for n := range 200 {
				ctx, cancel := context.WithCancel(t.Context())
				var canceller sync.WaitGroup
				canceller.Go(func() {
					for range (n*7 + i) % 64 {
						runtime.Gosched()
					}
					cancel()
				})
				if _, err := l.Append(ctx, makeRecords(n, 1, 100), none); err != nil && !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
				canceller.Wait()
				if _, err := l.Append(context.Background(), makeRecords(n, 1, 100), none); err != nil {
					t.Error(err)
				}
			}
		})
	}
	appenders.Wait()
	l.mu.Lock()
	waiting := len(l.waiters)
	l.mu.Unlock()
	if waiting != 0 {
		t.Errorf("%d wait for nothing", waiting)
	}
	if s := l.Stats(); s.Records < 16*200 {
		t.Errorf("%d records of at least %d", s.Records, 16*200)
	}
}

// TestContextsEndWhileASyncHangs: those who came before it was known to hang give up
// as well as those who came later, before and after their contexts end.
func TestContextsEndWhileASyncHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &heldSyncs{gate: make(chan struct{}), seen: make(map[string]bool)}
		disk, _, l := heap(t, Options{}, LogOptions{Durability: record.Group})
		disk.SetHook(h.hook)
		mustAppend(t, l, 1, 1, 100)
		h.mu.Lock()
		h.armed = true
		h.mu.Unlock()
		ended := make(chan error, 1)
		go func() {
			_, err := l.Append(t.Context(), makeRecords(2, 1, 100), none)
			ended <- err
		}()
		synctest.Wait()
		var waiting sync.WaitGroup
		gaveUp := make([]error, 3)
		begin := func(i int) context.CancelFunc {
			ctx, cancel := context.WithCancel(t.Context())
			waiting.Go(func() { _, gaveUp[i] = l.Append(ctx, makeRecords(3+i, 1, 100), none) })
			synctest.Wait()
			return cancel
		}
		early, middle := begin(0), begin(1)
		early()
		time.Sleep(2 * stallAfter) // virtual
		late := begin(2)
		middle()
		late()
		waiting.Wait()
		for i, err := range gaveUp {
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%d: %v", i, err)
			}
		}
		close(h.gate)
		if err := <-ended; err != nil {
			t.Error(err)
		}
		mustAppend(t, l, 6, 1, 100)
		l.mu.Lock()
		if len(l.waiters) != 0 || l.stalled {
			t.Errorf("%d wait for nothing, stalled %v", len(l.waiters), l.stalled)
		}
		l.mu.Unlock()
	})
}
