package load

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// Send hands an operation to the target and returns. The target calls done once
// when the operation is acknowledged or has failed, from any goroutine. An error
// means that done will not be called. Planned is as in Operation.
type Send func(ctx context.Context, number int64, planned time.Duration, done func(error)) error

// RunAsync generates load with one goroutine that does not wait for
// acknowledgements: in an open loop it sends at the planned times, in a closed
// one whenever fewer than Plan.InFlight operations are under way. At the end it
// calls flush, which must return when done was called for everything sent.
func RunAsync(ctx context.Context, p Plan, send Send, flush func(context.Context) error) (*Outcome, error) {
	start := time.Now()
	pace := newPrecise(start, p.Spin)
	defer pace.close()
	return runAsync(ctx, p, send, flush, start, pace)
}

// sender is the state of an asynchronous run.
type sender struct {
	plan    Plan
	send    Send
	pace    pacer
	tally   tally
	stopped atomic.Bool
	// slots are taken by operations under way in a closed loop.
	slots chan struct{}
	free  sync.Pool

	mutex  sync.Mutex
	own    *lane // guarded by mutex: acknowledgements come from any goroutine
	closed bool  // guarded by mutex: what is acknowledged now comes too late
}

// pending is an operation under way, kept for the next one afterwards.
type pending struct {
	sender  *sender
	planned time.Duration
	done    func(error) // bound once, so that sending allocates nothing
}

func runAsync(ctx context.Context, p Plan, send Send, flush func(context.Context) error, start time.Time, pace pacer) (*Outcome, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	outcome := newOutcome(p, start)
	s := &sender{plan: p, send: send, pace: pace, own: newLane(outcome, p)}
	s.tally.stop = cancel
	s.free.New = func() any {
		o := &pending{sender: s}
		o.done = o.finish
		return o
	}
	defer context.AfterFunc(ctx, func() { s.stopped.Store(true) })()
	if p.Started != nil {
		p.Started(start)
	}
	jitter := outcome.Jitter.Recorder()
	if p.Rate > 0 {
		for number, total := int64(0), p.total(); number < total && !s.stopped.Load(); number++ {
			planned := p.planned(number)
			now := pace.now()
			if planned > now {
				pace.until(planned, &s.stopped)
				jitter.Record(planned, pace.now()-planned)
			} else if now > p.Warmup+p.Duration+p.grace() {
				s.record(planned, now-planned)
				if planned >= p.Warmup {
					outcome.Unsent++
				}
				continue
			}
			s.one(ctx, number, planned)
		}
	} else {
		s.slots = make(chan struct{}, p.InFlight)
		for number, now := int64(0), pace.now(); now < p.Warmup+p.Duration && !s.stopped.Load(); number, now = number+1, pace.now() {
			select {
			case s.slots <- struct{}{}:
				s.one(ctx, number, pace.now())
			case <-ctx.Done():
			}
		}
	}
	jitter.Close()
	err := flush(ctx)
	s.mutex.Lock()
	s.own.close(&s.tally)
	s.closed = true
	s.mutex.Unlock()
	cause := context.Cause(ctx)
	s.tally.into(outcome, p, cause != nil)
	if cause != nil {
		err = cause
	}
	return outcome, err
}

// one sends one operation.
func (s *sender) one(ctx context.Context, number int64, planned time.Duration) {
	o := s.free.Get().(*pending)
	o.planned = planned
	if err := s.send(ctx, number, planned, o.done); err != nil {
		o.finish(err)
	}
}

// finish counts an operation that has ended.
func (o *pending) finish(err error) {
	s := o.sender
	now, planned := s.pace.now(), o.planned
	s.free.Put(o)
	if s.slots != nil {
		<-s.slots
	}
	if err != nil {
		if !s.stopped.Load() {
			s.tally.failed(err)
		}
		return
	}
	if s.tally.inRow.Load() != 0 {
		s.tally.inRow.Store(0)
	}
	if planned < s.plan.Warmup {
		return
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.closed {
		return // a flush that gave up left it behind
	}
	s.own.latency.Record(planned, now-planned)
	s.own.operations++
	s.own.last = max(s.own.last, now)
}

// record counts the waiting of an operation that never began.
func (s *sender) record(planned, waited time.Duration) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.own.latency.Record(planned, waited)
}
