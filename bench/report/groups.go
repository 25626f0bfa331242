package report

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/millrace-io/millrace/bench/result"
)

// series is the runs of one thing: all rounds of one target under one load.
type series struct {
	scenario, target, durability string
	plannedRate                  float64
	runs                         []*result.Run
}

// seriesOf sorts runs into series, in the order of their first runs.
func seriesOf(runs []result.Run) []*series {
	var all []*series
	for i := range runs {
		run := &runs[i]
		at := slices.IndexFunc(all, func(s *series) bool { return s.has(run) })
		if at < 0 {
			all = append(all, &series{scenario: run.Scenario, target: run.Target, durability: run.Durability, plannedRate: run.PlannedRate})
			at = len(all) - 1
		}
		all[at].runs = append(all[at].runs, run)
	}
	return all
}

func (s *series) has(r *result.Run) bool {
	return s.scenario == r.Scenario && s.target == r.Target && s.durability == r.Durability && s.plannedRate == r.PlannedRate
}

// typical is the run whose p99 is the median one, the lower of two; of runs
// without latencies, the first.
func (s *series) typical() *result.Run {
	sorted := slices.Clone(s.runs)
	slices.SortStableFunc(sorted, func(a, b *result.Run) int { return cmp.Compare(p99(a), p99(b)) })
	return sorted[(len(sorted)-1)/2]
}

// p99 is that by which a run is judged.
func p99(r *result.Run) int64 {
	if l := judged(r); l != nil {
		return l.P99
	}
	return 0
}

// group is the series of one scenario.
type group struct {
	scenario string
	series   []*series
}

// groupsOf sorts series by scenario, in the order of their first runs.
func groupsOf(runs []result.Run) []group {
	var groups []group
	for _, s := range seriesOf(runs) {
		at := slices.IndexFunc(groups, func(g group) bool { return g.scenario == s.scenario })
		if at < 0 {
			groups = append(groups, group{scenario: s.scenario})
			at = len(groups) - 1
		}
		groups[at].series = append(groups[at].series, s)
	}
	return groups
}

// label names a series among the others of its scenario: no more than tells
// them apart.
func (g group) label(s *series) string {
	label := s.target
	differ := func(other func(*series) bool) bool { return slices.ContainsFunc(g.series, other) }
	if differ(func(o *series) bool { return o.durability != s.durability }) {
		label += ", " + s.durability
	}
	if differ(func(o *series) bool { return o.target == s.target && o.plannedRate != s.plannedRate }) {
		if s.plannedRate > 0 {
			label += fmt.Sprintf(", %s planned", tickQuantity("1/s")(s.plannedRate))
		} else {
			label += ", closed loop"
		}
	}
	return label
}

// isOurs says that a target is one of Millrace: package bench/ours names them.
func isOurs(target string) bool {
	return slices.Contains([]string{"wal", "engine", "native", "kinesis"}, target)
}
