package load

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/millrace-io/millrace/record"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeSink acknowledges in the background, except for record number failAt.
type fakeSink struct {
	waiting sync.WaitGroup
	count   uint64
	failAt  uint64
	delay   time.Duration
}

var errPlanted = errors.New("planted")

func (s *fakeSink) Produce(ctx context.Context, _ record.Record, done func(Position, error)) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	s.count++
	number := s.count
	s.waiting.Go(func() {
		time.Sleep(s.delay) // virtual
		if number == s.failAt {
			done(Position{}, errPlanted)
			return
		}
		done(Position{Shard: 1, Sequence: number}, nil)
	})
	return nil
}

func (s *fakeSink) Flush(ctx context.Context) error {
	s.waiting.Wait()
	return ctx.Err()
}

// endless is a source without an end.
type endless struct{}

func (endless) Next() (record.Record, error) {
	return record.Record{PartitionKey: "k", Data: []byte("1234")}, nil
}

func TestRunToTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mutex sync.Mutex
		positions := map[uint64]bool{}
		report, err := Run(t.Context(), t.Context(), NewSynthetic(1050, 100), &fakeSink{delay: time.Second}, func(_ record.Record, at Position) {
			mutex.Lock()
			defer mutex.Unlock()
			positions[at.Sequence] = true
		})
		if err != nil || report.Records != 11 || report.Bytes != 1050 || report.Failed != 0 || len(positions) != 11 {
			t.Errorf("got %+v, %v, %d positions", report, err, len(positions))
		}
		if got := report.String(); got != "11 records, 1.0 KiB in 1.00 s" {
			t.Errorf("got %q", got)
		}
		if got := report.Rates(); got != "11 /s, 0.0 MB/s\nacknowledged after p50 1.00 s, p99 1.00 s, p99.9 1.00 s, max 1.00 s" {
			t.Errorf("got %q", got)
		}
	})
}

func TestFailedRecordEndsTheLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		report, err := Run(t.Context(), t.Context(), Background(slow{}), &fakeSink{failAt: 3}, nil)
		if !errors.Is(err, errPlanted) || report.Failed != 1 || report.Records < 2 {
			t.Errorf("got %+v, %v", report, err)
		}
		if !strings.Contains(report.String(), "; 1 failed") {
			t.Errorf("got %q", report)
		}
		time.Sleep(2 * time.Second) // virtual: the read that is under way ends
	})
}

// slow gives one record a second of virtual time.
type slow struct{ endless }

func (s slow) Next() (record.Record, error) {
	time.Sleep(time.Second) // virtual
	return s.endless.Next()
}

func TestInterruptDrains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		drain, cancel := context.WithTimeout(t.Context(), 10*time.Second+time.Millisecond)
		defer cancel()
		report, err := Run(drain, t.Context(), Background(slow{}), &fakeSink{delay: time.Minute}, nil)
		if err != nil || report.Records != 10 {
			t.Errorf("got %+v, %v", report, err)
		}
		time.Sleep(2 * time.Second) // virtual: the read that is under way ends
	})
}

// broken fails at once.
type broken struct{}

func (broken) Next() (record.Record, error) { return record.Record{}, errPlanted }

func TestBrokenSource(t *testing.T) {
	if _, err := Run(t.Context(), t.Context(), Background(broken{}), &fakeSink{}, nil); !errors.Is(err, errPlanted) {
		t.Errorf("got %v", err)
	}
}

func TestStopEndsTheLoad(t *testing.T) {
	stop, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Run(t.Context(), stop, Background(endless{}), &fakeSink{}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// TestWhatWasReadIsSent ends a load when lines are read ahead of it.
func TestWhatWasReadIsSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		source := Background(slow{})
		if _, err := source.Next(ctx); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3*time.Second + time.Millisecond) // virtual: three more are read
		cancel()
		time.Sleep(2 * time.Second) // virtual: the read that is under way ends
		left := 0
		for {
			if _, err := source.Next(ctx); err != nil {
				break
			}
			left++
		}
		if left != 3 && left != 4 { // the read under way may still be handed over
			t.Errorf("%d records that were read before are sent", left)
		}
	})
}

func TestSynthetic(t *testing.T) {
	source := NewSynthetic(250, 100)
	seen := map[string]bool{}
	for _, want := range []int{100, 100, 50} {
		rec, err := source.Next(t.Context())
		if err != nil || len(rec.Data) != want || rec.PartitionKey == "" || seen[string(rec.Data)] {
			t.Errorf("got %d bytes, key %q, %v", len(rec.Data), rec.PartitionKey, err)
		}
		seen[string(rec.Data)] = true
	}
	if _, err := source.Next(t.Context()); !errors.Is(err, io.EOF) {
		t.Errorf("got %v", err)
	}
}
