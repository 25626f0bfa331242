package load

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/millrace-io/millrace/bench/latency"
)

// Plan says what load to generate.
type Plan struct {
	// Rate is operations a second of all workers; 0 is a closed loop.
	Rate float64
	// Workers is how many goroutines operate. Default 1.
	Workers int
	// InFlight bounds operations without acknowledgement in RunAsync. Default
	// 4096 in a closed loop; in an open loop nothing bounds them but the target.
	InFlight int
	// Warmup is run first and left out of the figures, Duration is measured.
	Warmup, Duration time.Duration
	// Spin is for how long the generator keeps a processor busy before each
	// planned time, to be exact. Default 10 µs; see pace.go for what it costs.
	Spin time.Duration
	// Started is called with the time that planned times count from, before
	// the first operation.
	Started func(start time.Time)
	// Tag names the latency in files.
	Tag string
}

const (
	rateMax     = 1e9
	workersMax  = 1 << 16
	durationMax = 24 * time.Hour
	spinMax     = 10 * time.Millisecond
	// failuresMax is how many operations may fail one after the other before
	// a run is given up: the target is gone.
	failuresMax = 1000
)

// ErrTargetFailing is returned when a thousand operations failed in a row.
var ErrTargetFailing = errors.New("load: a thousand operations failed one after the other")

// check fills in what was left out.
func (p *Plan) check() error {
	p.Workers = max(p.Workers, 1)
	if p.InFlight <= 0 {
		p.InFlight = 4096
	}
	switch {
	case p.Rate < 0 || p.Rate > rateMax || math.IsNaN(p.Rate):
		return fmt.Errorf("load: a rate of %g is not within 0 and %g", p.Rate, rateMax)
	case p.Workers > workersMax:
		return fmt.Errorf("load: %d workers are more than %d", p.Workers, workersMax)
	case p.Spin < 0 || p.Spin > spinMax:
		return fmt.Errorf("load: a spin of %s is not within 0 and %s", p.Spin, spinMax)
	case p.Duration <= 0 || p.Warmup < 0 || p.Duration+p.Warmup > durationMax:
		return fmt.Errorf("load: a duration of %s with a warm-up of %s is not within 0 and %s", p.Duration, p.Warmup, durationMax)
	}
	return nil
}

// planned returns when operation number begins.
func (p *Plan) planned(number int64) time.Duration {
	return time.Duration(float64(number) / p.Rate * float64(time.Second))
}

// total is how many operations an open loop plans.
func (p *Plan) total() int64 {
	if p.Rate == 0 {
		return math.MaxInt64
	}
	return int64(math.Ceil(p.Rate * (p.Warmup + p.Duration).Seconds()))
}

// grace is how long overdue operations are still done after the planned time.
func (p *Plan) grace() time.Duration { return max(p.Duration/2, time.Second) }

// Outcome is what a run did.
type Outcome struct {
	// Start is when planned time began, Elapsed from the end of the warm-up to
	// the last acknowledgement, but at least the planned duration unless the run
	// was cut short.
	Start   time.Time
	Elapsed time.Duration
	// Operations that were planned after the warm-up and succeeded, and Errors
	// that failed.
	Operations, Errors int64
	FirstError         error
	// Unsent operations were planned and never began: the target did not keep
	// up. Their waiting is in Latency.
	Unsent int64
	// Latency is from the planned time, in a closed loop from the call, to the
	// end. Jitter is how late operations began although somebody waited for
	// their time; nil in a closed loop.
	Latency, Jitter *latency.Set
}

// tally counts what rarely happens, for all goroutines of a run, and adds up
// what each of them counted by itself.
type tally struct {
	mutex      sync.Mutex
	operations int64
	errors     int64
	first      error
	last       time.Duration
	inRow      atomic.Int64
	stop       context.CancelCauseFunc
}

// failed counts a failure, and ends the run at the limit.
func (t *tally) failed(err error) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	if t.first == nil {
		t.first = err
	}
	t.errors++
	if t.inRow.Add(1) >= failuresMax {
		t.stop(fmt.Errorf("%w: %w", ErrTargetFailing, err))
	}
}

// add takes over what one goroutine counted.
func (t *tally) add(operations int64, last time.Duration) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.operations += operations
	t.last = max(t.last, last)
}

// into moves the counts to an outcome. All goroutines must have ended; cut says
// that the run ended before its time.
func (t *tally) into(o *Outcome, p Plan, cut bool) {
	o.Operations, o.Errors, o.FirstError = t.operations, t.errors, t.first
	o.Elapsed = max(t.last-p.Warmup, 0)
	if !cut {
		// A target that fails from some time on did less in the whole of it.
		o.Elapsed = max(o.Elapsed, p.Duration)
	}
}

// lanesMax is how many goroutines count by themselves. A lane has histograms of
// 221 KiB each, which thousands of goroutines would have to fetch into the
// caches that the target needs: so many share lanes.
const lanesMax = 256

// lane is what one goroutine counts without meeting the others, or a few of
// them one after the other.
type lane struct {
	latency, jitter *latency.Recorder
	operations      int64
	last            time.Duration

	shared bool
	mutex  sync.Mutex // held while counting in a lane that is shared
}

// newLane returns a lane. Only an open loop has jitter.
func newLane(o *Outcome, p Plan) *lane {
	l := &lane{latency: o.Latency.Recorder()}
	if p.Rate > 0 {
		l.jitter = o.Jitter.Recorder()
	}
	return l
}

// newLanes returns lanes for the workers of a plan.
func newLanes(o *Outcome, p Plan) []*lane {
	lanes := make([]*lane, min(p.Workers, lanesMax))
	for i := range lanes {
		lanes[i] = newLane(o, p)
		lanes[i].shared = p.Workers > lanesMax
	}
	return lanes
}

// succeeded counts an operation.
func (l *lane) succeeded(planned, now time.Duration) {
	if l.shared {
		l.mutex.Lock()
		defer l.mutex.Unlock()
	}
	l.latency.Record(planned, now-planned)
	l.operations++
	l.last = max(l.last, now)
}

// neverBegan counts the waiting of an operation that was planned.
func (l *lane) neverBegan(planned, waited time.Duration) {
	if l.shared {
		l.mutex.Lock()
		defer l.mutex.Unlock()
	}
	l.latency.Record(planned, waited)
}

// close hands everything over.
func (l *lane) close(t *tally) {
	l.latency.Close()
	if l.jitter != nil {
		l.jitter.Close()
	}
	t.add(l.operations, l.last)
}
