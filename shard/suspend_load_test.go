package shard_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/shard"
)

// While a shard is suspended nothing is appended; what waits goes on when it is resumed,
// and is sent away when it is closed. No record that was acknowledged is behind the end.
func TestSuspensionsUnderLoad(t *testing.T) {
	for _, mode := range []record.Durability{record.Group, record.None} {
		t.Run(mode.String(), func(t *testing.T) {
			s := open(t, mode, shard.Options{Range: whole()})
			var writers sync.WaitGroup
			var highest atomic.Uint64
			acknowledged := func(n uint64) {
				for seen := highest.Load(); n > seen && !highest.CompareAndSwap(seen, n); seen = highest.Load() {
				}
			}
			for i := range 6 {
				writers.Go(func() {
					for {
						last, err := append1(t.Context(), s, i%2 == 0)
						if err != nil {
							if !errors.Is(err, failure.WrongShard) {
								t.Error(err)
							}
							return
						}
						acknowledged(last)
					}
				})
			}
			var last uint64
			for i := range 20 {
				before := s.Next()
				for s.Next() < before+5 { // let them work
					if _, err := append1(t.Context(), s, true); err != nil {
						t.Fatal(err)
					}
				}
				ended, cancel := context.WithCancel(t.Context())
				if i%4 == 3 {
					cancel()
				}
				var err error
				last, err = s.Suspend(ended)
				cancel()
				if err != nil {
					if !errors.Is(err, context.Canceled) {
						t.Fatal(err)
					}
					continue
				}
				if next := s.Next(); next != last+1 {
					t.Errorf("suspended at %d, the next is %d", last, next)
				}
				if _, err := s.Suspend(t.Context()); !errors.Is(err, failure.Conflict) {
					t.Errorf("suspended twice: %v", err)
				}
				if _, err := append1(ended, s, true); !errors.Is(err, context.Canceled) {
					t.Errorf("an append that need not wait: %v", err)
				}
				if next := s.Next(); next != last+1 {
					t.Errorf("suspended at %d, later the next is %d", last, next)
				}
				if i < 18 {
					s.Resume()
				} else {
					break
				}
			}
			s.Finish()
			writers.Wait()
			if end, closed := s.End(); !closed || end != last || highest.Load() > end {
				t.Errorf("ended at %d, %v; suspended at %d, acknowledged up to %d", end, closed, last, highest.Load())
			}
			if _, err := s.Suspend(t.Context()); !errors.Is(err, failure.Conflict) {
				t.Errorf("suspending a closed shard: %v", err)
			}
		})
	}
}

// append1 appends a record in one of two ways.
func append1(ctx context.Context, s *shard.Shard, staged bool) (last uint64, err error) {
	if !staged {
		written, err := s.Put(ctx, records(1, 10), protocol.Producer{})
		return written.Last, err
	}
	pending, err := s.Stage(ctx, payload(records(1, 10)), 1, protocol.Producer{}, record.None)
	if err != nil {
		return 0, err
	}
	return pending.Range.Last, s.Wait(ctx, pending)
}
