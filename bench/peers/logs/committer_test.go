package main

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
)

// TestCommitterCombinesWhatWaits holds the first commit until others wait, one
// after the other, and looks at what is committed next.
func TestCommitterCombinesWhatWaits(t *testing.T) {
	const large = batchBytesMax/2 + 1
	many := make([]int, batchRequestsMax+1)
	for i := range many {
		many[i] = 1
	}
	tests := map[string]struct {
		sizes []int // of the records that wait, in order of arrival
		want  []int // records in each further commit
	}{
		"all of them":            {[]int{1, 2, 3}, []int{3}},
		"no more than its bytes": {[]int{1, large, large, 1}, []int{2, 2}},
		"the first one whole":    {[]int{2 * batchBytesMax, 1}, []int{1, 1}},
		"no more than its count": {many, []int{batchRequestsMax, 1}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				release := make(chan struct{})
				var commits [][]int // the lengths of the records of each commit
				c := committer{commit: func(records [][]byte) error {
					lengths := make([]int, 0, len(records))
					for _, record := range records {
						lengths = append(lengths, len(record))
					}
					commits = append(commits, lengths)
					<-release
					return nil
				}}
				var group sync.WaitGroup
				for _, size := range append([]int{0}, test.sizes...) {
					group.Go(func() {
						if err := c.put([][]byte{make([]byte, size)}); err != nil {
							t.Error(err)
						}
					})
					synctest.Wait()
				}
				close(release)
				group.Wait()
				want, rest := [][]int{{0}}, test.sizes
				for _, count := range test.want {
					want, rest = append(want, rest[:count]), rest[count:]
				}
				if diff := cmp.Diff(want, commits); diff != "" {
					t.Errorf("commits (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// TestCommitterLeadsOnce checks that who leads is done when its own records
// are, however many keep coming: each commit is held while the next one queues.
func TestCommitterLeadsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rounds = 20
		step := make(chan struct{})
		c := committer{commit: func([][]byte) error {
			<-step
			return nil
		}}
		done := make(chan int, rounds)
		for i := range rounds {
			go func() {
				if err := c.put([][]byte{{1}}); err != nil {
					t.Error(err)
				}
				done <- i
			}()
			synctest.Wait()
			if i == 0 {
				continue
			}
			step <- struct{}{}
			synctest.Wait()
			if len(done) == 0 {
				t.Fatalf("append %d is committed and does not return while append %d waits", i-1, i)
			}
			if first := <-done; first != i-1 {
				t.Fatalf("append %d returned, want %d", first, i-1)
			}
		}
		step <- struct{}{}
		<-done
	})
}

// TestCommitterTellsAllOfFailure checks that the error of a commit goes to those
// who are in it and to nobody else.
func TestCommitterTellsAllOfFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("no room")
		release, calls := make(chan struct{}), 0
		c := committer{commit: func([][]byte) error {
			calls++
			if calls == 1 {
				<-release
				return nil
			}
			return broken
		}}
		const waiting = 5
		failures := make(chan error, waiting+1)
		for range waiting + 1 {
			go func() { failures <- c.put([][]byte{{1}}) }()
			synctest.Wait()
		}
		close(release)
		failed := 0
		for range waiting + 1 {
			if err := <-failures; errors.Is(err, broken) {
				failed++
			}
		}
		if failed != waiting || calls != 2 {
			t.Errorf("%d appends failed in %d commits, want %d in 2", failed, calls, waiting)
		}
	})
}

func TestCommitterAllocatesNothing(t *testing.T) {
	c := committer{commit: func([][]byte) error { return nil }}
	records := [][]byte{make([]byte, 100)}
	if allocations := testing.AllocsPerRun(1000, func() { _ = c.put(records) }); allocations > 0 {
		t.Errorf("%g allocations for an append, want none", allocations)
	}
}

// TestCommittedStopsAtFailure checks that nothing is written behind an append
// that failed.
func TestCommittedStopsAtFailure(t *testing.T) {
	log := &brokenLog{after: 2}
	c := newCommitted(log, 0)
	for i := range 5 {
		err := c.put([][]byte{{1}, {2}})
		if wantError := i >= log.after; (err != nil) != wantError {
			t.Errorf("append %d: error %v, want one: %t", i, err, wantError)
		}
	}
	if want := []uint64{1, 3, 5}; !cmp.Equal(log.firsts, want) {
		t.Errorf("writes began at records %v, want %v", log.firsts, want)
	}
	if last := c.last.Load(); last != 4 {
		t.Errorf("the last record acknowledged is %d, want 4", last)
	}
}

// brokenLog fails after so many writes.
type brokenLog struct {
	writer
	after  int
	firsts []uint64
}

func (l *brokenLog) write(first uint64, _ [][]byte) error {
	l.firsts = append(l.firsts, first)
	if len(l.firsts) > l.after {
		return errors.New("no room")
	}
	return nil
}
