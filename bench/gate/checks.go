package gate

import (
	"fmt"
	"time"

	"github.com/millrace-io/millrace/bench/change"
	"github.com/millrace-io/millrace/bench/result"
	"github.com/millrace-io/millrace/bench/scenario"
)

// Figure is one number of a run.
type Figure struct {
	Name   string
	Better change.Direction
	// Of returns the number; ok is false when the run does not have it, or did
	// not keep up with its plan: then it says nothing about the target.
	Of func(*result.Run) (value float64, ok bool)
}

// Check is a scenario and the figures that must not become worse.
type Check struct {
	Scenario scenario.Scenario
	Figures  []Figure
}

// Rate is records a second.
func Rate() Figure {
	return Figure{Name: "records/s", Better: change.Higher, Of: func(r *result.Run) (float64, bool) {
		return r.RecordRate(), r.Records > 0 && r.Errors == 0
	}}
}

// Median is the median latency of operations.
func Median() Figure {
	return Figure{Name: "p50 latency", Better: change.Lower, Of: func(r *result.Run) (float64, bool) {
		if r.Latency == nil {
			return 0, false
		}
		return float64(r.Latency.P50), r.Latency.Count > 0 && r.KeptUp()
	}}
}

// Delivery is the median time from the planned sending to delivery.
func Delivery() Figure {
	return Figure{Name: "p50 end to end", Better: change.Lower, Of: func(r *result.Run) (float64, bool) {
		if r.EndToEnd == nil {
			return 0, false
		}
		return float64(r.EndToEnd.P50), r.EndToEnd.Count > 0 && r.KeptUp()
	}}
}

// scanRate is records a second of a reader that catches up.
func scanRate() Figure {
	return Figure{Name: "scanned records/s", Better: change.Higher, Of: func(r *result.Run) (float64, bool) {
		v, ok := r.Values["scan_records_per_second"]
		return v, ok && v > 0
	}}
}

// Lengths of one run: many short pairs say more than few long ones, because
// what disturbs a machine lasts for seconds.
const (
	warmup   = 100 * time.Millisecond
	duration = 500 * time.Millisecond
)

// Short returns the scenario with the lengths of a gate's runs.
func Short(s scenario.Scenario) scenario.Scenario {
	s.WarmupDuration, s.TestDuration = scenario.Duration(warmup), scenario.Duration(duration)
	return s
}

// Standard returns what `make bench-gate` compares: builtin scenarios, made
// short. The figures are rates and medians: quantiles further out are too few
// values in so short a run, and are watched by the history.
func Standard() ([]Check, error) {
	builtin, err := scenario.Builtin()
	if err != nil {
		return nil, fmt.Errorf("gate: %w", err)
	}
	var checks []Check
	for _, wanted := range []struct {
		name    string
		set     [][2]string
		figures []Figure
	}{
		{"wal-append-batch/1/1KiB/none", nil, []Figure{Rate()}},
		{"wal-append-batch/100/1KiB/none", nil, []Figure{Rate()}},
		{"wal-append/1KiB/group", nil, []Figure{Rate(), Median()}},
		{"wal-tail/none", nil, []Figure{Delivery()}},
		{"wal-catchup", [][2]string{{"backlog", "64MiB"}}, []Figure{scanRate()}},
		{"native-produce/1KiB/none", nil, []Figure{Rate()}},
	} {
		found, err := scenario.Select(builtin, wanted.name)
		if err != nil {
			return nil, fmt.Errorf("gate: %w", err)
		}
		s := Short(found[0])
		for _, pair := range wanted.set {
			if s, err = s.With(pair[0], pair[1]); err != nil {
				return nil, fmt.Errorf("gate: %w", err)
			}
		}
		checks = append(checks, Check{Scenario: s, Figures: wanted.figures})
	}
	return checks, nil
}
