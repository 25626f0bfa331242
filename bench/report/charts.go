package report

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/millrace-io/millrace/bench/report/chart"
	"github.com/millrace-io/millrace/bench/result"
)

// Chart is one chart of a document; its Name is fit for a file name.
type Chart = chart.Chart

// Charts returns the charts of d: bars for the rows, percentile curves and
// rates for each scenario, and, unless there are rows, each series over time.
// Names are unique and the order is that of the document.
func Charts(d *result.Document) []Chart {
	charts := rowCharts(d)
	for _, g := range groupsOf(d.Runs) {
		charts = append(charts, g.curves(), g.rates())
		if len(d.Rows) == 0 {
			charts = append(charts, g.overTime()...)
		}
	}
	return named(charts)
}

// PNG writes a chart as an image on light paper. The error is chart.ErrEmpty or
// that of w.
func PNG(w io.Writer, c Chart) error { return chart.PNG(w, c) }

// named leaves out charts that have nothing to show, and makes names unique.
func named(charts []Chart) []Chart {
	charts = slices.DeleteFunc(charts, func(c Chart) bool { return len(c.Lines)+len(c.Bars)+len(c.Heat) == 0 })
	taken := map[string]bool{}
	for i := range charts {
		name := charts[i].Name
		for number := 2; taken[charts[i].Name]; number++ {
			charts[i].Name = fmt.Sprintf("%s-%d", name, number)
		}
		taken[charts[i].Name] = true
	}
	return charts
}

// slug makes a name fit for files and anchors.
func slug(parts ...string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(strings.Join(parts, "-")) {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	return strings.TrimSuffix(b.String(), "-")
}

// linesMax is how many labelled lines a chart has at most; more cannot be told
// apart.
const linesMax = 12

// some returns at most linesMax series, evenly chosen, ours first.
func (g group) some() (chosen []*series, left int) {
	sorted := slices.Clone(g.series)
	slices.SortStableFunc(sorted, func(a, b *series) int {
		return cmp.Or(boolean(isOurs(b.target))-boolean(isOurs(a.target)), cmp.Compare(a.plannedRate, b.plannedRate))
	})
	if len(sorted) <= linesMax {
		return sorted, 0
	}
	for i := range linesMax {
		chosen = append(chosen, sorted[i*(len(sorted)-1)/(linesMax-1)])
	}
	return chosen, len(sorted) - linesMax
}

// colours gives each series its colour: ours has the first.
func colours(all []*series) []int {
	list := make([]int, len(all))
	next := 1
	taken := false
	for i, s := range all {
		if isOurs(s.target) && !taken {
			taken = true
			continue
		}
		list[i] = next
		next++
	}
	return list
}

// curves is the percentile curves of a scenario: the typical round of each
// series, the other rounds faintly behind it, and how late the machine woke.
func (g group) curves() Chart {
	c := Chart{
		Name: slug("curve", g.scenario), Title: g.scenario + ": latency by percentile",
		X: chart.Axis{Label: "percentile, one step for each nine", Scale: chart.Nines, Format: chart.Percent},
		Y: chart.Axis{Label: "latency, logarithmic", Scale: chart.Log, Format: tickQuantity("ns")},
	}
	notes := []string{}
	chosen, left := g.some()
	paint := colours(chosen)
	closed, slow := false, false
	for i, s := range chosen {
		typical := s.typical()
		closed, slow = closed || typical.Loop != "open", slow || !typical.KeptUp()
		for _, r := range s.runs {
			line := curveLine(judged(r))
			if line.Y == nil {
				continue
			}
			line.Series, line.Faint = paint[i], r != typical
			if r == typical {
				line.Label = g.label(s)
				if !r.KeptUp() {
					line.Label += " †"
				}
			}
			line.Title = fmt.Sprintf("%s, round %d: p99 %s, p99.9 %s", g.label(s), r.Round, nanoseconds(judged(r).P99), nanoseconds(judged(r).P999))
			c.Lines = append(c.Lines, line)
		}
	}
	if len(c.Lines) == 0 {
		return c
	}
	if line, found := g.hiccups(); found {
		c.Lines = append(c.Lines, line)
		notes = append(notes, "Dashed: how late the machine woke a sleeper")
	}
	if closed {
		notes = append(notes, "Closed loops omit coordinated waiting")
	}
	if slow {
		notes = append(notes, "† did not keep up with the planned rate")
	}
	if left > 0 {
		notes = append(notes, fmt.Sprintf("%d series are left out", left))
	}
	c.Note = strings.Join(notes, ". ")
	return c
}

// judged is the latency that a run is judged by: end to end where records were
// followed.
func judged(r *result.Run) *result.Latency {
	if r.EndToEnd != nil {
		return r.EndToEnd
	}
	return r.Latency
}

// curveLine makes a line of a curve; without a Y if there is none.
func curveLine(l *result.Latency) chart.Line {
	var line chart.Line
	if l == nil {
		return line
	}
	for _, p := range l.Curve {
		q := p.Quantile
		if q >= 1 {
			// The maximum is one of Count values.
			q = 1 - 1/math.Max(float64(l.Count), 2)
		}
		line.X, line.Y = append(line.X, q), append(line.Y, float64(max(p.Value, 1)))
	}
	return line
}

// hiccups is the curve of the run whose sleepers were woken latest: what no
// target on this machine can be held responsible for.
func (g group) hiccups() (line chart.Line, found bool) {
	var worst *result.Latency
	for _, s := range g.series {
		for _, r := range s.runs {
			if r.Hiccup != nil && len(r.Hiccup.Curve) > 0 && (worst == nil || r.Hiccup.P999 > worst.P999) {
				worst = r.Hiccup
			}
		}
	}
	line = curveLine(worst)
	line.Label, line.Series, line.Dashed = "machine", chart.Neutral, true
	return line, worst != nil
}

// rates is throughput against p99, for targets that ran at several rates.
func (g group) rates() Chart {
	c := Chart{
		Name: slug("rate", g.scenario), Title: g.scenario + ": p99 by rate",
		Note: "One point for each planned rate: the round with the median p99",
		X:    chart.Axis{Label: "records done a second", Format: tickQuantity("1/s")},
		Y:    chart.Axis{Label: "p99, logarithmic", Scale: chart.Log, Format: tickQuantity("ns")},
	}
	byTarget := map[string][]*series{}
	for _, s := range g.series {
		if r := s.typical(); s.plannedRate > 0 && judged(r) != nil {
			byTarget[s.target+", "+s.durability] = append(byTarget[s.target+", "+s.durability], s)
		}
	}
	next := 1
	for _, name := range slices.Sorted(maps.Keys(byTarget)) {
		all := byTarget[name]
		const ratesLeast = 3
		if len(all) < ratesLeast {
			continue
		}
		line := chart.Line{Label: name, Dots: true}
		if !isOurs(all[0].target) {
			line.Series = next
			next++
		}
		slices.SortFunc(all, func(a, b *series) int { return cmp.Compare(a.plannedRate, b.plannedRate) })
		for _, s := range all {
			r := s.typical()
			line.X, line.Y = append(line.X, r.RecordRate()), append(line.Y, float64(max(judged(r).P99, 1)))
		}
		c.Lines = append(c.Lines, line)
	}
	return c
}

// rowCharts are bars for each block of rows.
func rowCharts(d *result.Document) []Chart {
	var charts []Chart
	for _, b := range blocksOf(d.Rows) {
		charts = append(charts, b.chart())
	}
	return charts
}

// chart shows us and the peers of a block, best first, and the limit.
func (b *block) chart() Chart {
	c := Chart{
		Name: slug("peers", b.measure, b.durability), Title: b.measure,
		Note: fmt.Sprintf("Durability %s, %s is better. Medians; behind a peer: how many times better Millrace is", b.durability, b.better),
		X:    chart.Axis{Label: axisLabel(b.unit), Format: tickQuantity(b.unit)},
	}
	ours := chart.Bar{Label: "Millrace", Value: b.ours(), Text: side(b.ours(), b.unit), Missing: b.ours() <= 0}
	if ours.Missing {
		ours.Text = "no figure"
	}
	c.Bars = append(c.Bars, ours)
	for _, r := range b.rows {
		if judge(r) != oursAlone {
			c.Bars = append(c.Bars, peerBar(r))
		}
	}
	slices.SortStableFunc(c.Bars, func(x, y chart.Bar) int {
		order := cmp.Compare(y.Value, x.Value)
		if b.better == "lower" {
			order = -order
		}
		return cmp.Or(boolean(x.Missing)-boolean(y.Missing), order)
	})
	c.Limit, c.LimitName = b.limit()
	if c.Limit > 0 {
		c.LimitName += ", " + quantity(c.Limit, b.unit)
	}
	if wide(c) {
		c.X.Scale = chart.Log
		c.X.Label += ", logarithmic"
	}
	return c
}

// peerBar is the bar of one peer; one that is ahead has a colour.
func peerBar(r *result.Row) chart.Bar {
	bar := chart.Bar{Label: peerText(r), Value: r.Theirs, Series: chart.Neutral, Missing: r.Theirs <= 0}
	switch judge(r) {
	case noRatio:
		bar.Text = side(r.Theirs, r.Unit)
		if bar.Missing {
			bar.Text = "no figure"
			if r.Notes != "" {
				bar.Text = r.Notes
			}
		}
		return bar
	case peerWins:
		bar.Series = 1
	}
	bar.Text = fmt.Sprintf("%s, %s", side(r.Theirs, r.Unit), ratio(r.Median))
	if len(r.Ratios) > 1 {
		bar.Text += fmt.Sprintf(" (%s)", spread(r.Low, r.High))
	}
	return bar
}

// wide says that bars on a linear axis would be too short to be seen.
func wide(c Chart) bool {
	const tooWide = 20
	low, high := math.Inf(1), 0.0
	for _, b := range c.Bars {
		if !b.Missing {
			low, high = min(low, b.Value), max(high, b.Value)
		}
	}
	if c.Limit > 0 {
		low, high = min(low, c.Limit), max(high, c.Limit)
	}
	return high > tooWide*low
}

// axisLabel names a unit.
func axisLabel(unit string) string {
	switch unit {
	case "1/s":
		return "records a second"
	case "B/s":
		return "bytes a second"
	case "B":
		return "bytes"
	case "ns":
		return "time"
	}
	return unit
}
