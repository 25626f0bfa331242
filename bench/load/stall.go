package load

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/millrace-io/millrace/bench/result"
)

// Stall is a target with a planted fault: every Period the whole of it stands
// still for Length, at the end of the period; otherwise an operation takes
// Service, and one goes on at a time for each worker. It shows what a loop sees
// of such a target.
type Stall struct {
	Period, Length, Service time.Duration
}

// PlantedStall is the fault of the self-test: 200 ms every 5 s.
func PlantedStall() Stall {
	return Stall{Period: 5 * time.Second, Length: 200 * time.Millisecond, Service: 0}
}

// end returns when an operation ends that begins at now.
func (s Stall) end(now time.Duration) time.Duration {
	into := now % s.Period
	if stalled := s.Period - s.Length; into >= stalled {
		now += s.Period - into
	}
	return now + s.Service
}

// operation is the target, running on the pacer's clock.
func (s Stall) operation(pace pacer, wait func(until time.Duration)) Operation {
	return func(context.Context, int, int64, time.Duration) error {
		now := pace.now()
		if end := s.end(now); end > now {
			wait(end)
		}
		return nil
	}
}

// Quantile computes what the quantile of an open loop must be: the dumb twin,
// one operation after the other, sorted.
func (s Stall) Quantile(p Plan, quantile float64) time.Duration {
	var latencies []time.Duration
	for number := range p.total() {
		if planned := p.planned(number); planned >= p.Warmup {
			latencies = append(latencies, s.end(planned)-planned)
		}
	}
	slices.Sort(latencies)
	rank := int(math.Ceil(quantile*float64(len(latencies)))) - 1
	return latencies[min(max(rank, 0), len(latencies)-1)]
}

// SelfReport is what the self-test found.
type SelfReport struct {
	// True is the p99.9 that an open loop must find, Open what it found and
	// Closed what a closed loop says about the same target.
	True, Open, Closed time.Duration
	// Error is the open loop's relative error.
	Error float64
	// Jitter is that of the open loop's generator.
	Jitter *result.Latency
	// RateOneCore is how many operations a second one worker planned, called
	// and recorded, with a target that does nothing, OverheadJitter how late
	// they were at a tenth of that rate.
	RateOneCore    float64
	OverheadJitter *result.Latency
}

// SelfTest shows on this machine what the generator is worth: that it sees a
// planted stall, which a closed loop does not, and what it can generate. It
// takes about twice the duration, which should be a multiple of 5 s.
func SelfTest(ctx context.Context, duration time.Duration) (SelfReport, error) {
	var report SelfReport
	stall := PlantedStall()
	open := Plan{Rate: 2000, Workers: 8, Duration: duration}
	found, err := stall.measure(ctx, open)
	if err != nil {
		return report, err
	}
	report.True = stall.Quantile(open, 0.999)
	latency := found.Latency.Result()
	report.Open, report.Jitter = time.Duration(latency.P999), found.Jitter.Result()
	report.Error = math.Abs(float64(report.Open-report.True)) / float64(report.True)
	found, err = stall.measure(ctx, Plan{Workers: 1, Duration: duration})
	if err != nil {
		return report, err
	}
	report.Closed = time.Duration(found.Latency.Result().P999)
	report.RateOneCore, report.OverheadJitter, err = overhead(ctx)
	return report, err
}

// measure runs a plan against the target in real time. A stalled operation
// waits on the runtime's timers, all of them for the same moment.
func (s Stall) measure(ctx context.Context, p Plan) (*Outcome, error) {
	start := time.Now()
	pace := newPrecise(start, p.Spin)
	defer pace.close()
	outcome, err := run(ctx, p, s.operation(pace, func(end time.Duration) { time.Sleep(end - pace.now()) }), start, pace)
	if err != nil {
		return nil, fmt.Errorf("load: self-test: %w", err)
	}
	return outcome, nil
}

// overheadSeconds is how long the generator runs flat out.
const overheadSeconds = 2

// overhead plans more than can be done and counts what was done.
func overhead(ctx context.Context) (rate float64, jitter *result.Latency, err error) {
	nothing := func(context.Context, int, int64, time.Duration) error { return nil }
	const fast = 1e9
	ctx, cancel := context.WithTimeout(ctx, overheadSeconds*time.Second)
	defer cancel()
	outcome, err := Run(ctx, Plan{Rate: fast, Workers: 1, Duration: time.Minute}, nothing)
	if outcome == nil {
		return 0, nil, err
	}
	rate = float64(outcome.Operations) / outcome.Elapsed.Seconds()
	calm, err := Run(context.WithoutCancel(ctx), Plan{Rate: rate / 10, Workers: 1, Duration: time.Second}, nothing)
	if err != nil {
		return rate, nil, err
	}
	return rate, calm.Jitter.Result(), nil
}
