package capacity

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/millrace-io/millrace/bench/result"
)

// breakingAt returns a target that keeps its promise up to a rate.
func breakingAt(limit float64, tried *int) func(float64) (Step, error) {
	return func(rate float64) (Step, error) {
		*tried++
		return Step{Rate: rate, Passed: rate <= limit, Why: "too fast"}, nil
	}
}

func TestFindEndsNearTheLimit(t *testing.T) {
	for _, limit := range []float64{20, 1000, 12_345, 999_999, 7e7} {
		tried := 0
		best, steps, err := find(t.Context(), 1000, 0.05, breakingAt(limit, &tried))
		if err != nil || best > limit || best < limit/1.051 {
			t.Errorf("limit %g: found %g, %v", limit, best, err)
		}
		if tried != len(steps) || tried > 40 {
			t.Errorf("limit %g: %d tries, %d steps", limit, tried, len(steps))
		}
	}
}

func TestFindGivesUp(t *testing.T) {
	tried := 0
	if _, _, err := find(t.Context(), 1000, 0.05, breakingAt(0, &tried)); !errors.Is(err, ErrNothingPassed) || tried > 10 {
		t.Errorf("got %v after %d tries", err, tried)
	}
	if best, _, err := find(t.Context(), 1000, 0.05, breakingAt(1e12, &tried)); err != nil || best < rateMax/2 {
		t.Errorf("without a limit: %g, %v", best, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := find(ctx, 1000, 0.05, breakingAt(10, &tried)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestJudge(t *testing.T) {
	good := result.Run{Duration: int64(time.Second), Records: 1000, Latency: &result.Latency{Count: 1000, P99: 900}}
	late, slow, failing, empty := good, good, good, good
	late.Latency = &result.Latency{Count: 1000, P99: 1100}
	slow.Records = 900
	failing.Errors, failing.FirstError = 1, "no space"
	empty.Latency = nil
	s := Search{Bound: 1000}
	for _, c := range []struct {
		run *result.Run
		why string
	}{{&good, ""}, {&late, "p99 was 1.1µs"}, {&slow, "only 900"}, {&failing, "no space"}, {&empty, "nothing"}} {
		step := s.judge(1000, c.run)
		if step.Passed != (c.why == "") || !strings.Contains(step.Why, c.why) {
			t.Errorf("%q: got %+v", c.why, step)
		}
	}
}
