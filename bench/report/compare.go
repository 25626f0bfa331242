package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/millrace-io/millrace/bench/change"
	"github.com/millrace-io/millrace/bench/result"
	"github.com/millrace-io/millrace/internal/render"
)

// Compare writes what became of the runs of before in after: runs of the same
// scenario, target, durability and planned rate, by throughput and latency.
// Figures are medians over the rounds; a ratio is above 1 where after is
// better, and its spread is what the most distant rounds would give. Ranges
// that overlap are within the noise.
//
// Documents of different machines, and runs of different durability, are not
// compared: a note says so, and that is no error. The error is that of w.
func Compare(w io.Writer, before, after *result.Document) error {
	var b strings.Builder
	fmt.Fprintf(&b, "before: %s, %s\nafter:  %s, %s\n", oneLine(before.Title), oneLine(buildLine(before)), oneLine(after.Title), oneLine(buildLine(after)))
	if differences := machineDifferences(before.Machine, after.Machine); len(differences) > 0 {
		b.WriteString("\nnot compared, the machines differ: figures of one say nothing about the other\n")
		for _, difference := range differences {
			fmt.Fprintf(&b, "  %s\n", oneLine(difference))
		}
		return write(w, b.String())
	}
	left, right := seriesOf(before.Runs), seriesOf(after.Runs)
	t := render.Table{Columns: []string{"SCENARIO", "TARGET", "DURABILITY", "FIGURE", ">BEFORE", ">AFTER", ">RATIO", ">SPREAD", ""}}
	for _, old := range left {
		if at := slices.IndexFunc(right, func(s *series) bool { return s.has(old.runs[0]) }); at >= 0 {
			t.Rows = append(t.Rows, compareSeries(old, right[at])...)
		}
	}
	if len(t.Rows) > 0 {
		b.WriteString("\n" + t.String())
		b.WriteString("ratios are above 1 where after is better\n")
	}
	if alone := unmatched(left, right); len(alone) > 0 {
		b.WriteString("\nnot compared:\n")
		for _, line := range alone {
			fmt.Fprintf(&b, "  %s\n", oneLine(line))
		}
	}
	return write(w, b.String())
}

// machineDifferences are those that forbid a comparison.
func machineDifferences(before, after result.Machine) []string {
	var list []string
	note := func(what string, a, b any) {
		if a != b {
			list = append(list, fmt.Sprintf("%s: %v before, %v after", what, a, b))
		}
	}
	note("processor", before.CPU, after.CPU)
	note("cores", before.Cores, after.Cores)
	note("kernel", before.Kernel, after.Kernel)
	return list
}

// comparedFigure is one line of the comparison of two series.
type comparedFigure struct {
	name, unit string
	lower      bool // is better
	of         func(*result.Run) float64
}

// comparedFigures are all of them.
func comparedFigures() []comparedFigure {
	figures := []comparedFigure{{"records", "1/s", false, func(r *result.Run) float64 { return r.RecordRate() }}}
	for _, kind := range []struct {
		name string
		of   func(*result.Run) *result.Latency
	}{
		{"", func(r *result.Run) *result.Latency { return r.Latency }},
		{"end to end ", func(r *result.Run) *result.Latency { return r.EndToEnd }},
	} {
		for _, quantile := range []struct {
			name string
			of   func(*result.Latency) int64
		}{
			{"p50", func(l *result.Latency) int64 { return l.P50 }},
			{"p99", func(l *result.Latency) int64 { return l.P99 }},
			{"p99.9", func(l *result.Latency) int64 { return l.P999 }},
		} {
			figures = append(figures, comparedFigure{kind.name + quantile.name, "ns", true, func(r *result.Run) float64 {
				if l := kind.of(r); l != nil {
					return float64(quantile.of(l))
				}
				return 0
			}})
		}
	}
	return figures
}

// compareSeries makes the lines of two series.
func compareSeries(before, after *series) [][]string {
	var lines [][]string
	target := before.target
	if before.plannedRate > 0 {
		target += " at " + rate(before.plannedRate)
	}
	for _, f := range comparedFigures() {
		old, next := f.values(before.runs), f.values(after.runs)
		if len(old) == 0 || len(next) == 0 {
			continue
		}
		c := f.compare(old, next)
		if slow := fellBehind(before, after); f.lower && slow != "" {
			c = comparison{spread: none, verdict: slow}
		}
		lines = append(lines, []string{
			oneLine(before.scenario), oneLine(target), oneLine(before.durability), f.name,
			quantity(change.Median(old), f.unit), quantity(change.Median(next), f.unit), ratio(c.middle), c.spread, c.verdict,
		})
	}
	return lines
}

// fellBehind says which side has a run that did not keep up with the planned
// rate; empty when none has. Such latencies are not compared.
func fellBehind(before, after *series) string {
	slow := func(s *series) bool {
		return slices.ContainsFunc(s.runs, func(r *result.Run) bool { return !r.KeptUp() })
	}
	switch {
	case slow(before) && slow(after):
		return "neither side kept up with the planned rate"
	case slow(before):
		return "before did not keep up with the planned rate"
	case slow(after):
		return "after did not keep up with the planned rate"
	}
	return ""
}

// values are those of the runs that have the figure.
func (f comparedFigure) values(runs []*result.Run) []float64 {
	var values []float64
	for _, r := range runs {
		if value := f.of(r); value > 0 {
			values = append(values, value)
		}
	}
	return values
}

// comparison is the end of a line.
type comparison struct {
	middle          float64
	spread, verdict string
}

// compare judges the values of both sides.
func (f comparedFigure) compare(before, after []float64) comparison {
	better, worse := after, before
	if f.lower {
		better, worse = before, after
	}
	c := comparison{middle: change.Median(better) / change.Median(worse)}
	if len(before) < 2 || len(after) < 2 {
		c.spread, c.verdict = none, "one round, spread unknown"
		return c
	}
	low, high := slices.Min(better)/slices.Max(worse), slices.Max(better)/slices.Min(worse)
	c.spread = spread(low, high)
	switch {
	case low > 1:
		c.verdict = "better"
	case high < 1:
		c.verdict = "WORSE"
	default:
		c.verdict = "within the noise"
	}
	return c
}

// unmatched says which series have no counterpart, and why.
func unmatched(before, after []*series) []string {
	var lines []string
	alone := func(side string, all, others []*series) {
		for _, s := range all {
			if slices.ContainsFunc(others, func(o *series) bool { return o.has(s.runs[0]) }) {
				continue
			}
			why := "only " + side
			if at := slices.IndexFunc(others, func(o *series) bool {
				return o.scenario == s.scenario && o.target == s.target && o.durability != s.durability && o.plannedRate == s.plannedRate
			}); at >= 0 {
				why += ", the other side has durability " + others[at].durability
			}
			line := fmt.Sprintf("%s on %s, durability %s", s.scenario, s.target, s.durability)
			if s.plannedRate > 0 {
				line += fmt.Sprintf(", %s planned", rate(s.plannedRate))
			}
			lines = append(lines, line+": "+why)
		}
	}
	alone("before", before, after)
	alone("after", after, before)
	return lines
}
