package load

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/millrace-io/millrace/bench/latency"
)

// Operation does one thing and returns when it is done. Worker numbers the
// goroutine, number the operation, and planned is its time since the start, in a
// closed loop the present one.
type Operation func(ctx context.Context, worker int, number int64, planned time.Duration) error

// Run generates the load and returns when all of it is done. Failed operations
// are counted; the error is that of ctx or ErrTargetFailing, and the outcome
// is there all the same.
func Run(ctx context.Context, p Plan, operate Operation) (*Outcome, error) {
	start := time.Now()
	pace := newPrecise(start, p.Spin)
	defer pace.close()
	return run(ctx, p, operate, start, pace)
}

// runner is the state that the workers of a run share.
type runner struct {
	plan    Plan
	operate Operation
	pace    pacer
	tally   tally
	next    atomic.Int64
	// turn is with the worker that takes the next planned operation and waits
	// for its time; the others rest. If all of them waited, each for a time of its
	// own, waiting would cost the target more than the load does.
	turn    chan struct{}
	total   int64
	unsent  atomic.Int64
	stopped atomic.Bool
	outcome *Outcome
}

func run(ctx context.Context, p Plan, operate Operation, start time.Time, pace pacer) (*Outcome, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r := &runner{plan: p, operate: operate, pace: pace, total: p.total(), outcome: newOutcome(p, start)}
	r.tally.stop = cancel
	r.turn = make(chan struct{}, 1)
	r.turn <- struct{}{}
	defer context.AfterFunc(ctx, func() { r.stopped.Store(true) })()
	if p.Started != nil {
		p.Started(start)
	}
	lanes := newLanes(r.outcome, p)
	var workers sync.WaitGroup
	for worker := range p.Workers {
		own := lanes[worker%len(lanes)]
		workers.Go(func() {
			if p.Rate > 0 {
				r.open(ctx, worker, own)
			} else {
				r.closed(ctx, worker, own)
			}
		})
	}
	workers.Wait()
	for _, own := range lanes {
		own.close(&r.tally)
	}
	cause := context.Cause(ctx)
	r.tally.into(r.outcome, p, cause != nil)
	r.outcome.Unsent = r.unsent.Load()
	return r.outcome, cause
}

func newOutcome(p Plan, start time.Time) *Outcome {
	o := latency.Options{Warmup: p.Warmup, Seconds: true, Tag: p.Tag}
	return &Outcome{Start: start, Latency: latency.NewSet(start, o), Jitter: latency.NewSet(start, latency.Options{Warmup: p.Warmup, Tag: "jitter"})}
}

// open takes planned operations until none is left.
func (r *runner) open(ctx context.Context, worker int, own *lane) {
	deadline := r.plan.Warmup + r.plan.Duration + r.plan.grace()
	now := r.pace.now()
	for {
		number, planned, began, ok := r.take(own, now)
		if !ok {
			return
		}
		if began > deadline {
			own.neverBegan(planned, began-planned)
			if planned >= r.plan.Warmup {
				r.unsent.Add(1)
			}
			continue
		}
		err := r.operate(ctx, worker, number, planned)
		now = r.pace.now()
		r.done(own, planned, now, err)
	}
}

// take returns the next operation when its time has come. The caller's last look
// at the clock may be old. Whoever has the turn is alone with the jitter of all
// lanes.
func (r *runner) take(own *lane, now time.Duration) (number int64, planned, began time.Duration, ok bool) {
	<-r.turn
	defer func() { r.turn <- struct{}{} }()
	if r.stopped.Load() {
		return 0, 0, 0, false
	}
	number = r.next.Add(1) - 1
	if number >= r.total {
		return 0, 0, 0, false
	}
	planned = r.plan.planned(number)
	if planned > now {
		if now = r.pace.now(); planned > now {
			r.pace.until(planned, &r.stopped)
			now = r.pace.now()
			own.jitter.Record(planned, now-planned)
		}
	}
	return number, planned, now, !r.stopped.Load()
}

// closed operates again and again until time is up.
func (r *runner) closed(ctx context.Context, worker int, own *lane) {
	end := r.plan.Warmup + r.plan.Duration
	for now := r.pace.now(); now < end && !r.stopped.Load(); {
		number := r.next.Add(1) - 1
		began := now
		err := r.operate(ctx, worker, number, began)
		now = r.pace.now()
		r.done(own, began, now, err)
	}
}

// done counts an operation that has ended.
func (r *runner) done(own *lane, planned, now time.Duration, err error) {
	if err != nil {
		if !r.stopped.Load() {
			r.tally.failed(err)
		}
		return
	}
	if r.tally.inRow.Load() != 0 {
		r.tally.inRow.Store(0)
	}
	if planned < r.plan.Warmup {
		return
	}
	own.succeeded(planned, now)
}
