package report

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace-io/millrace/bench/result"
	"github.com/millrace-io/millrace/internal/render"
	"github.com/millrace-io/millrace/internal/units"
)

// Text writes the runs of d for a terminal: the machine, each run with its
// load, each of its distributions with what machine and generator added, the
// limits, and what was skipped. The error is that of w.
func Text(w io.Writer, d *result.Document) error {
	var b strings.Builder
	heading(&b, d)
	if len(d.Runs) > 0 {
		b.WriteString("\n" + runTable(d.Runs).String())
		if table := latencyTable(d.Runs); len(table.Rows) > 0 {
			b.WriteString("\n" + table.String())
			b.WriteString(loopNote(d.Runs))
		}
		if table := valueTable(d.Runs); len(table.Rows) > 0 {
			b.WriteString("\n" + table.String())
		}
		b.WriteString(runNotes(d.Runs))
	}
	b.WriteString(limitsAndSkips(d))
	return write(w, b.String())
}

func write(w io.Writer, text string) error {
	if _, err := io.WriteString(w, text); err != nil {
		return fmt.Errorf("report: write: %w", err)
	}
	return nil
}

// heading writes what every text begins with.
func heading(b *strings.Builder, d *result.Document) {
	fmt.Fprintf(b, "%s\n%s\n%s\n", oneLine(d.Title), oneLine(machineLine(d.Machine)), oneLine(buildLine(d)))
}

// oneLine keeps a text from elsewhere in its line, its control characters from
// the terminal, and what XML cannot hold from pages.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r < ' ', r >= 0x7f && r < 0xa0, r == '\u2028', r == '\u2029':
			return ' '
		case r == 0xfffe, r == 0xffff:
			return '?'
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
}

// runTable has a line for each run.
func runTable(runs []result.Run) render.Table {
	t := render.Table{Columns: []string{
		">RUN", "SCENARIO", "TARGET", "DURABILITY", "LOOP", ">ROUND", ">PLANNED", ">DONE", ">RECORDS", ">BYTES", ">ERRORS",
	}}
	for i := range runs {
		r := &runs[i]
		t.Rows = append(t.Rows, []string{
			strconv.Itoa(i + 1), oneLine(r.Scenario), oneLine(r.Target), oneLine(r.Durability), oneLine(r.Loop), strconv.Itoa(r.Round),
			planned(r), rate(operationRate(r)), rate(r.RecordRate()), scaled(r.ByteRate(), "B/s"), units.Count(r.Errors),
		})
	}
	return t
}

// planned is the planned operations a second of an open loop.
func planned(r *result.Run) string {
	if r.PlannedRate <= 0 {
		return none
	}
	return rate(r.PlannedRate)
}

// operationRate is operations a second.
func operationRate(r *result.Run) float64 {
	if r.Duration <= 0 {
		return 0
	}
	return float64(r.Operations) / (float64(r.Duration) / 1e9)
}

// distribution is one of the latencies of a run.
type distribution struct {
	name    string
	latency *result.Latency
}

// distributions of a run, those that were measured: what is judged first, then
// what machine and generator added to it.
func distributions(r *result.Run) []distribution {
	operations := "operations, from the planned time"
	if r.Loop != "open" {
		operations = "operations, closed loop *"
	}
	var found []distribution
	for _, one := range []distribution{
		{operations, r.Latency},
		{"records, end to end", r.EndToEnd},
		{"machine: woke late", r.Hiccup},
		{"generator: sent late", r.Jitter},
	} {
		if one.latency != nil {
			found = append(found, one)
		}
	}
	return found
}

// latencyTable has a line for each distribution.
func latencyTable(runs []result.Run) render.Table {
	t := render.Table{Columns: []string{">RUN", "LATENCY OF", ">COUNT", ">P50", ">P90", ">P99", ">P99.9", ">MAX"}}
	for i := range runs {
		for _, one := range distributions(&runs[i]) {
			l := one.latency
			t.Rows = append(t.Rows, []string{
				strconv.Itoa(i + 1), one.name, units.Count(l.Count),
				nanoseconds(l.P50), nanoseconds(l.P90), nanoseconds(l.P99), nanoseconds(l.P999), nanoseconds(l.Max),
			})
		}
	}
	return t
}

// closedLoopNote is the caveat of all latencies of closed loops.
const closedLoopNote = "In a closed loop an operation begins when the one before it has ended: its latency omits the waiting of operations that were never sent."

// loopNote explains the mark of closed loops, where there are any.
func loopNote(runs []result.Run) string {
	for i := range runs {
		if runs[i].Loop != "open" && runs[i].Latency != nil {
			return "* " + closedLoopNote + "\n"
		}
	}
	return ""
}

// valueTable has a line for each further figure.
func valueTable(runs []result.Run) render.Table {
	t := render.Table{Columns: []string{">RUN", "FURTHER", ">VALUE"}}
	for i := range runs {
		for _, name := range slices.Sorted(maps.Keys(runs[i].Values)) {
			t.Rows = append(t.Rows, []string{strconv.Itoa(i + 1), oneLine(valueName(name)), valueText(name, runs[i].Values[name])})
		}
	}
	return t
}

// slowNote is the caveat of the latencies of runs that fell behind.
const slowNote = "did not keep up with the planned rate: its latency is the length of a queue that grew until the run ended"

// runNotes are what a reader must know of the runs: first failures, rates not
// kept up with, values out of range, and the notes of targets, each once.
func runNotes(runs []result.Run) string {
	var b, targets strings.Builder
	seen := map[string]bool{}
	for i := range runs {
		r := &runs[i]
		if r.FirstError != "" {
			fmt.Fprintf(&b, "run %d: %s of %s operations failed, the first with: %s\n", i+1, units.Count(r.Errors), units.Count(r.Errors+r.Operations), oneLine(r.FirstError))
		}
		if !r.KeptUp() {
			fmt.Fprintf(&b, "run %d: %s\n", i+1, slowNote)
		}
		for _, one := range distributions(r) {
			if one.latency.OutOfRange > 0 {
				fmt.Fprintf(&b, "run %d: %s: %s values were beyond the histogram's range; quantiles count them as its end, the maximum is exact\n", i+1, strings.TrimSuffix(one.name, " *"), units.Count(one.latency.OutOfRange))
			}
		}
		note := r.Target + " " + r.TargetVersion + ": " + r.Notes
		if r.Notes != "" && !seen[note] {
			seen[note] = true
			fmt.Fprintf(&targets, "%s\n", oneLine(note))
		}
	}
	if b.Len()+targets.Len() == 0 {
		return ""
	}
	return "\n" + b.String() + targets.String()
}

// limitsAndSkips end every text.
func limitsAndSkips(d *result.Document) string {
	var b strings.Builder
	if len(d.Limits) > 0 {
		t := render.Table{Columns: []string{"LIMIT OF THE MACHINE", ">VALUE"}}
		for _, l := range d.Limits {
			t.Rows = append(t.Rows, []string{oneLine(l.Name), limitText(l)})
		}
		b.WriteString("\n" + t.String())
	}
	if len(d.Skipped) > 0 {
		b.WriteString("\nskipped:\n")
		for _, s := range d.Skipped {
			fmt.Fprintf(&b, "  %s: %s\n", oneLine(s.What), oneLine(s.Reason))
		}
	}
	return b.String()
}
