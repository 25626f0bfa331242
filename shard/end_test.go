package shard_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/shard"
)

// While a shard is suspended its last record is the last one, and is on the device;
// appends that came meanwhile go on behind it, and none is lost.
func TestSuspensionFixesTheEnd(t *testing.T) {
	const rounds = 20
	for _, mode := range []record.Durability{record.Group, record.Interval, record.None} {
		t.Run(mode.String(), func(t *testing.T) {
			s := open(t, mode, shard.Options{Range: whole()})
			var stop atomic.Bool
			var appending sync.WaitGroup
			var appended atomic.Uint64
			for i := range 4 {
				appending.Go(func() {
					for !stop.Load() {
						err := appendOne(t.Context(), s, i%2 == 0)
						if errors.Is(err, failure.WrongShard) {
							return
						}
						if err != nil {
							t.Error(err)
						}
						appended.Add(1)
					}
				})
			}
			for round := range rounds {
				for before := appended.Load(); appended.Load() == before && !t.Failed(); {
					runtime.Gosched()
				}
				last, err := s.Suspend(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				for range 200 {
					runtime.Gosched()
					if log := s.Stats().Log; log.Durable != last || log.Written != last || s.Next() != last+1 {
						t.Errorf("round %d: last is %d, and then %+v", round, last, log)
						break
					}
				}
				if s.Closed() {
					t.Error("a suspended shard is closed")
				}
				if round < rounds-1 {
					s.Resume()
					continue
				}
				s.Finish()
				if end, closed := s.End(); end != last || !closed {
					t.Errorf("the end is %d, %v, want %d", end, closed, last)
				}
			}
			stop.Store(true)
			appending.Wait()
			if end, _ := s.End(); end != appended.Load() {
				t.Errorf("%d records were acknowledged, %d are there", appended.Load(), end)
			}
		})
	}
}

// appendOne appends a record in one of the two ways.
func appendOne(ctx context.Context, s *shard.Shard, stage bool) error {
	batch := []record.Record{{PartitionKey: "k"}}
	if !stage {
		_, err := s.Put(ctx, batch, protocol.Producer{})
		return err
	}
	pending, err := s.Stage(ctx, payload(batch), 1, protocol.Producer{}, record.None)
	if err != nil {
		return err
	}
	return s.Wait(ctx, pending)
}

func TestSuspendedShard(t *testing.T) {
	s := open(t, record.Group, shard.Options{Range: whole()})
	if last, err := s.Suspend(t.Context()); last != 0 || err != nil {
		t.Fatal(last, err)
	}
	if _, err := s.Suspend(t.Context()); !errors.Is(err, failure.Conflict) {
		t.Errorf("suspended twice: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, stage := range []bool{true, false} {
		if err := appendOne(ended, s, stage); !errors.Is(err, context.Canceled) {
			t.Errorf("an append whose context ends: %v", err)
		}
	}
	waiting := make(chan error, 1)
	go func() { waiting <- appendOne(context.Background(), s, true) }()
	s.Resume()
	if err := <-waiting; err != nil {
		t.Errorf("an append after the suspension: %v", err)
	}
	if last, err := s.Suspend(t.Context()); last != 1 || err != nil {
		t.Fatal(last, err)
	}
	select {
	case <-s.Ended():
		t.Error("it ended too early")
	default:
	}
	go func() { waiting <- appendOne(context.Background(), s, false) }()
	s.Finish()
	if err := <-waiting; !errors.Is(err, failure.WrongShard) {
		t.Errorf("an append behind the end: %v", err)
	}
	<-s.Ended()
	if _, err := s.Suspend(t.Context()); !errors.Is(err, failure.Conflict) {
		t.Errorf("suspending a closed shard: %v", err)
	}
}

func TestUntilEnd(t *testing.T) {
	s := open(t, record.Group, shard.Options{Range: whole()})
	waiting, cancel := s.UntilEnd(t.Context())
	if waiting.Err() != nil {
		t.Error("it has ended before anything did")
	}
	cancel()
	<-waiting.Done()
	waiting, cancel = s.UntilEnd(t.Context())
	defer cancel()
	if _, err := s.Suspend(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.Finish()
	<-waiting.Done()
	late, cancelLate := s.UntilEnd(t.Context())
	defer cancelLate()
	<-late.Done()
	closed := open(t, record.Group, shard.Options{Range: whole(), Closed: true})
	<-closed.Ended()
	if end, is := closed.End(); end != 0 || !is {
		t.Errorf("a shard closed before: %d, %v", end, is)
	}
}

func TestLimitsCanBeChanged(t *testing.T) {
	s := open(t, record.None, shard.Options{Range: whole()})
	throttled := func() bool {
		for range 2 {
			if _, err := s.Put(t.Context(), records(150, 1), protocol.Producer{}); err != nil {
				if !errors.Is(err, failure.Throttled) {
					t.Fatal(err)
				}
				return true
			}
		}
		return false
	}
	if throttled() {
		t.Error("throttled without limits")
	}
	if s.SetLimits(shard.Limits{RecordsPerSecond: 100}); !throttled() {
		t.Error("not throttled")
	}
	if s.SetLimits(shard.Limits{}); throttled() {
		t.Error("throttled after the limits were lifted")
	}
}

// A producer that did not hear of its acknowledgement before the shard was closed
// gets it from the closed shard, and does not write the batch to a child.
func TestClosedShardKnowsWhatItTook(t *testing.T) {
	s := open(t, record.Group, shard.Options{Range: whole()})
	p := protocol.Producer{ID: 5}
	batch := records(3, 1)
	placed, err := s.Put(t.Context(), batch, p)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Suspend(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.Finish()
	again, err := s.Put(t.Context(), batch, p)
	if err != nil || again != placed {
		t.Errorf("put again: %+v, %v, before: %+v", again, err, placed)
	}
	pending, err := s.Stage(t.Context(), protocol.AppendBatch(nil, batch, p), len(batch), p, record.Group)
	if err != nil || pending.Range != placed {
		t.Fatalf("staged again: %+v, %v", pending, err)
	}
	if err := s.Wait(t.Context(), pending); err != nil || !s.Acknowledged(pending) {
		t.Error(err)
	}
	for _, next := range []protocol.Producer{{}, {ID: 6}, {ID: 5, Sequence: 3}, {ID: 5, Sequence: 9}} {
		if _, err := s.Put(t.Context(), batch, next); !errors.Is(err, failure.WrongShard) {
			t.Errorf("%+v: %v", next, err)
		}
	}
	if _, err := s.Put(t.Context(), batch[:1], p); !errors.Is(err, failure.SequenceDuplicate) {
		t.Errorf("another batch with its number: %v", err)
	}
}
