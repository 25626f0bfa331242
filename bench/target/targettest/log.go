package targettest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/millrace-io/millrace/bench/target"
)

// ErrPlanted is the error of operations that were made to fail.
var ErrPlanted = errors.New("targettest: a planted failure")

// RecordCPU is what a session says its server took for each record. There is no
// server.
const RecordCPU = time.Microsecond

// Log is a target. Its zero value but for the name works as it should.
type Log struct {
	Name string
	// Kind is as in target.About; default "log".
	Kind string
	// Durabilities are those it claims to have; default all. It has none.
	Durabilities []target.Durability
	// Checks is as in target.About.
	Checks bool
	// Service is how long every append takes.
	Service time.Duration
	// AppendOnly hides everything that a session can do besides appending.
	AppendOnly bool
	// Missing is the reason why it is not available, if it is not.
	Missing string
	// Faults are planted.
	Faults Faults
	// Appended is called before each append, with how many there were before
	// it, if it is set. Any goroutine may call it.
	Appended func(number int64)
}

// Faults are what a target may do wrong. A fault that is Every n happens to
// every n-th, and never if n is 0.
type Faults struct {
	// FailEvery is of appends that fail, LoseEvery of records that are
	// acknowledged and not there, HideEvery of records that followers do not
	// get.
	FailEvery, LoseEvery, HideEvery int64
	// Forget empties the log when it is opened again.
	Forget bool
	// NotReopened fails when it is opened again.
	NotReopened bool
	// FollowFails ends followers with ErrPlanted, before they are ready or
	// at their first record; FollowEnds ends them at the first record without
	// an error; NeverReady keeps them from getting ready.
	FollowFailsEarly, FollowFails, FollowEnds, NeverReady bool
	// ScanFails has the first scan of a session fail.
	ScanFails bool
	// GetsOther visits the record before the one that was asked for.
	GetsOther bool
	// CloseFails has Close fail, having closed.
	CloseFails bool
}

// About implements target.Target.
func (l *Log) About() target.About {
	about := target.About{Name: l.Name, Version: "1", Kind: "log", Durabilities: l.Durabilities, Notes: "a fake", Checks: l.Checks}
	if l.Kind != "" {
		about.Kind = l.Kind
	}
	if about.Durabilities == nil {
		about.Durabilities = []target.Durability{target.Group, target.Interval, target.None}
	}
	return about
}

// Open implements target.Target.
func (l *Log) Open(ctx context.Context, c target.Config) (target.Session, error) {
	switch {
	case l.Missing != "":
		return nil, &target.UnavailableError{Target: l.Name, Reason: l.Missing}
	case c.Reopen && l.Faults.NotReopened:
		return nil, fmt.Errorf("open again: %w", ErrPlanted)
	case ctx.Err() != nil:
		return nil, ctx.Err()
	}
	s := &session{log: l, sends: make(chan func(), sendsMax)}
	for i := range max(c.Shards, 1) {
		opened, err := openShard(c.Dir, i, c.Reopen && !l.Faults.Forget)
		if err != nil {
			return nil, errors.Join(err, s.closeShards())
		}
		s.shards = append(s.shards, opened)
	}
	s.sending.Go(func() {
		for send := range s.sends {
			send()
		}
	})
	if l.AppendOnly {
		return struct{ target.Session }{s}, nil
	}
	return s, nil
}

// sendsMax is how many records may wait to be sent.
const sendsMax = 1024

// session is an open log.
type session struct {
	log              *Log
	shards           []*shard
	appends, records atomic.Int64
	scanned          atomic.Bool
	sends            chan func()
	sending          sync.WaitGroup
}

// Append implements target.Session.
func (s *session) Append(ctx context.Context, shard int, records [][]byte) error {
	number := s.appends.Add(1) - 1
	if s.log.Appended != nil {
		s.log.Appended(number)
	}
	if s.log.Service > 0 {
		timer := time.NewTimer(s.log.Service)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if nth(s.log.Faults.FailEvery, number) {
		return fmt.Errorf("append %d: %w", number, ErrPlanted)
	}
	return s.shards[shard].append(records, func() bool {
		return !nth(s.log.Faults.LoseEvery, s.records.Add(1)-1)
	})
}

// nth reports whether number, counted from 0, is one of every so many.
func nth(every, number int64) bool { return every > 0 && number%every == every-1 }

// Send implements target.Sender.
func (s *session) Send(ctx context.Context, shard int, record []byte, done func(error)) error {
	own := [][]byte{append([]byte(nil), record...)}
	select {
	case s.sends <- func() { done(s.Append(ctx, shard, own)) }:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Flush implements target.Sender. What was sent is given up if ctx ends, so it
// does not take long to wait for it.
func (s *session) Flush(context.Context) error {
	flushed := make(chan struct{})
	s.sends <- func() { close(flushed) }
	<-flushed
	return nil
}

// Follow implements target.Follower.
func (s *session) Follow(ctx context.Context, shard int, ready func(), deliver func([]byte)) error {
	faults := &s.log.Faults
	if faults.FollowFailsEarly {
		return ErrPlanted
	}
	from := s.shards[shard].position()
	if !faults.NeverReady {
		ready()
	}
	for number := int64(0); ; {
		end, changed := s.shards[shard].state()
		err := s.shards[shard].visit(ctx, from, end, func(record []byte) {
			if !nth(faults.HideEvery, number) && !faults.FollowFails && !faults.FollowEnds {
				deliver(record)
			}
			number++
		})
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		case number > 0 && faults.FollowFails:
			return ErrPlanted
		case number > 0 && faults.FollowEnds:
			return nil
		}
		from = end
		select {
		case <-changed:
		case <-ctx.Done():
			return nil
		}
	}
}

// Scan implements target.Scanner.
func (s *session) Scan(ctx context.Context, shard int, visit func([]byte)) error {
	if !s.scanned.Swap(true) && s.log.Faults.ScanFails {
		return ErrPlanted
	}
	return s.shards[shard].visit(ctx, 0, s.shards[shard].position(), visit)
}

// Get implements target.Getter.
func (s *session) Get(ctx context.Context, shard int, number uint64, visit func([]byte)) error {
	if s.log.Faults.GetsOther && number > 0 {
		number--
	}
	begin, end, err := s.shards[shard].place(number)
	if err != nil {
		return err
	}
	return s.shards[shard].visit(ctx, begin, end, visit)
}

// GetAt implements target.TimeGetter. Every record was appended just now.
func (s *session) GetAt(ctx context.Context, shard int, _ time.Time, visit func([]byte)) error {
	return s.Get(ctx, shard, 0, visit)
}

// Recovered implements target.Recoverer.
func (s *session) Recovered() int64 {
	var bytes int64
	for _, opened := range s.shards {
		bytes += opened.found
	}
	return bytes
}

// ServerCPU implements target.Server.
func (s *session) ServerCPU() (time.Duration, error) {
	return time.Duration(s.records.Load()) * RecordCPU, nil
}

// ServerMemory implements target.Server.
func (s *session) ServerMemory() (int64, error) { return 1 << 20, nil }

// Close implements target.Session.
func (s *session) Close() error {
	close(s.sends)
	s.sending.Wait()
	err := s.closeShards()
	if s.log.Faults.CloseFails {
		err = errors.Join(err, ErrPlanted)
	}
	return err
}

func (s *session) closeShards() error {
	var err error
	for _, opened := range s.shards {
		err = errors.Join(err, opened.file.Close())
	}
	return err
}
