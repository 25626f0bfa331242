package shard

import (
	"context"

	"github.com/millrace-io/millrace/failure"
)

// Suspend is the first of two steps that close a shard. It keeps appends out,
// waits for those that are under way, and for all records to be on the device,
// whatever the durability of the log: what follows in other shards must not
// outlive what came before. It returns the sequence number of the last record; 0
// if there was never one.
//
// Appends that come meanwhile wait for [Shard.Finish] or [Shard.Resume], as long as
// their contexts let them. A shard that is suspended or closed is
// failure.Conflict. After an error, also that of ctx, appends go on.
func (s *Shard) Suspend(ctx context.Context) (last uint64, err error) {
	shut, err := s.gate.shut(ctx)
	if err != nil {
		return 0, err
	}
	if !shut {
		err := failure.New(failure.Conflict, "shard: suspend", "the shard is suspended or closed already")
		err.Stream, err.Shard = s.options.Stream, s.options.ID.String()
		return 0, err
	}
	last = max(s.gate.placed.Load(), s.log.Next()-1)
	if last > 0 {
		if err := s.log.WaitDurable(ctx, last); err != nil {
			s.gate.open()
			return 0, s.Explain(err)
		}
	}
	return last, nil
}

// Resume takes a suspension back: the appends that wait go on.
func (s *Shard) Resume() { s.gate.open() }

// Finish makes a suspended shard a closed one, for good: the appends that wait
// fail with failure.WrongShard, and readers at the end learn that it is the end.
func (s *Shard) Finish() { s.gate.close() }

// Closed reports whether the shard refuses writes because its range belongs to
// its children.
func (s *Shard) Closed() bool { return s.gate.ended.Err() != nil }

// End returns whether the shard is closed, and if so the sequence number of its
// last record, ever; 0 if there was none. Retention may have removed it. Whoever
// has read that record has read the shard.
func (s *Shard) End() (last uint64, closed bool) {
	if !s.Closed() {
		return 0, false
	}
	return s.log.Next() - 1, true
}

// Ended returns a channel that is closed when the shard is, for those who wait at
// its end. All its records are readable by then.
func (s *Shard) Ended() <-chan struct{} { return s.gate.ended.Done() }

// UntilEnd returns a context that ends with ctx or when the shard is closed, for
// waiting at the end of the shard:
//
//	waiting, cancel := s.UntilEnd(ctx)
//	defer cancel()
//	for {
//		closed := s.Closed() // before the reading: then what is read is all
//		for cursor.TryNext() {
//			...
//		}
//		if closed || cursor.Err() != nil {
//			break
//		}
//		if err := cursor.Wait(waiting); err != nil && !s.Closed() {
//			break
//		}
//	}
//
// The caller cancels it when it is done.
func (s *Shard) UntilEnd(ctx context.Context) (context.Context, context.CancelFunc) {
	waiting, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(s.gate.ended, cancel)
	return waiting, func() {
		stop()
		cancel()
	}
}
