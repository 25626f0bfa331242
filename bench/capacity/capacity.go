package capacity

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/millrace-io/millrace/bench/result"
	"github.com/millrace-io/millrace/bench/runner"
	"github.com/millrace-io/millrace/bench/worker"
)

// Search is what to look for.
type Search struct {
	Program worker.Program
	// Job is run with other rates. Its scenario needs producers.
	Job runner.Job
	// Bound is what the quantile must not exceed.
	Bound time.Duration
	// EndToEnd judges delivery instead of acknowledgement.
	EndToEnd bool
	// Start is the first rate tried, records a second. Default 1,000.
	Start float64
	// Precision ends the search when the highest rate that passed and the
	// lowest that failed are that close. Default 0.05.
	Precision float64
	// Pause lets the target's device and caches cool off after a failure.
	Pause time.Duration
	// Progress is told of every step, if it is set.
	Progress func(step Step)
}

// Step is one rate that was tried.
type Step struct {
	Rate   float64
	Passed bool
	// Why it did not pass.
	Why string
	Run *result.Run
}

// Limits of the search: it ends whatever the target does.
const (
	stepsMax = 60
	rateMax  = 1e8
	// attempts is how often a rate may fail before it counts as failed. A
	// single hiccup of the machine must not decide.
	attempts = 2
	// keptUpShare is how much of the planned rate must have been done.
	keptUpShare = 0.98
)

// ErrNothingPassed is returned when even the lowest rate fails.
var ErrNothingPassed = errors.New("capacity: no rate keeps the bound")

// Find searches: it doubles the rate until one fails, then halves the gap. It
// returns the highest rate that passed and all steps.
func (s Search) Find(ctx context.Context) (best float64, steps []Step, err error) {
	if s.Start <= 0 {
		s.Start = 1000
	}
	if s.Precision <= 0 {
		s.Precision = 0.05
	}
	if s.Job.Scenario.Producers() == 0 {
		return 0, nil, fmt.Errorf("capacity: scenario %s has no producers", s.Job.Scenario.Name)
	}
	return find(ctx, s.Start, s.Precision, func(rate float64) (Step, error) { return s.try(ctx, rate) })
}

// find is the search itself, over anything that can be tried.
func find(ctx context.Context, start, precision float64, try func(rate float64) (Step, error)) (best float64, steps []Step, err error) {
	low, high, rate := 0.0, 0.0, start
	for len(steps) < stepsMax {
		if err := ctx.Err(); err != nil {
			return low, steps, err
		}
		step, err := try(rate)
		if err != nil {
			return low, steps, err
		}
		steps = append(steps, step)
		if step.Passed {
			low = rate
		} else {
			high = rate
		}
		switch {
		case high == 0 && low >= rateMax:
			return low, steps, nil // nothing faster can be planned
		case high == 0:
			rate = min(2*rate, rateMax)
		case low == 0:
			// Below a hundredth of the start there is nothing worth finding.
			if rate = high / 4; rate < start/100 {
				return 0, steps, fmt.Errorf("%w: the last rate was %.0f a second: %s", ErrNothingPassed, high, step.Why)
			}
		case high-low <= precision*low:
			return low, steps, nil
		default:
			rate = (low + high) / 2
		}
	}
	return low, steps, nil
}

// try runs one rate, a second time if it fails.
func (s Search) try(ctx context.Context, rate float64) (Step, error) {
	var step Step
	for attempt := 1; attempt <= attempts; attempt++ {
		job := s.Job
		job.Scenario.ProducerRate = rate
		job.Round = attempt
		run, err := s.Program.Run(ctx, job)
		if err != nil {
			return Step{}, err
		}
		step = s.judge(rate, run)
		if s.Progress != nil {
			s.Progress(step)
		}
		if step.Passed {
			return step, nil
		}
		if err := pause(ctx, s.Pause); err != nil {
			return Step{}, err
		}
	}
	return step, nil
}

// judge decides whether a run kept the promise.
func (s Search) judge(rate float64, run *result.Run) Step {
	step := Step{Rate: rate, Run: run}
	latency := run.Latency
	if s.EndToEnd {
		latency = run.EndToEnd
	}
	switch done := run.RecordRate(); {
	case latency == nil || latency.Count == 0:
		step.Why = "nothing was measured"
	case run.Errors > 0:
		step.Why = fmt.Sprintf("%d operations failed, the first with: %s", run.Errors, run.FirstError)
	case done < keptUpShare*rate:
		step.Why = fmt.Sprintf("only %.0f records a second were done", done)
	case latency.P99 > int64(s.Bound):
		step.Why = fmt.Sprintf("p99 was %s", time.Duration(latency.P99))
	default:
		step.Passed = true
	}
	return step
}

// pause waits, or returns the error of ctx.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
