package report

import (
	"fmt"
	"html/template"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	_ "embed"

	"github.com/millrace-io/millrace/bench/report/chart"
	"github.com/millrace-io/millrace/bench/result"
	"github.com/millrace-io/millrace/internal/units"
)

//go:embed page.html
var pageText string

// pageTemplate escapes all texts where they stand. The page is well-formed XML
// too, as long as it stays so: the tests parse it.
var pageTemplate = template.Must(template.New("page").Parse(pageText))

// pageData is what the template shows.
type pageData struct {
	Title, Machine, Build string
	Style                 template.CSS
	Facts                 [][2]string
	Method                []string
	Durabilities          [][2]string
	Tally                 string
	Losses, Aheads        []string
	Blocks                []pageBlock
	Scenarios             []pageScenario
	Targets               [][2]string
	Limits, Skipped       [][2]string
}

// pageBlock is a block of rows.
type pageBlock struct {
	Title, Limit string
	Chart        template.HTML
	Rows         []pageRow
}

// pageRow is one row.
type pageRow struct {
	Peer, Ours, Theirs, Ratio, Spread, Winner, Notes string
	Loss                                             bool
}

// pageScenario is the runs of one scenario.
type pageScenario struct {
	Name              string
	Anchor            string
	Charts, OverTime  []template.HTML
	Runs, Latencies   [][]string
	Values, RunsNotes [][]string
}

// HTML writes d as one page that needs nothing else: no script, no font, no
// file. The charts are those of Charts and, for all documents, those of each
// series over time. The error is that of w.
func HTML(w io.Writer, d *result.Document) error {
	p := pageData{
		Title: oneLine(d.Title), Machine: oneLine(machineLine(d.Machine)), Build: oneLine(buildLine(d)),
		Style: template.CSS(chart.Style()), Method: methodOf(d), //nolint:gosec // made of constants
	}
	for _, f := range facts(d) {
		p.Facts = append(p.Facts, [2]string{f.name, oneLine(f.value)})
	}
	for _, class := range durabilities(d) {
		p.Durabilities = append(p.Durabilities, [2]string{oneLine(class), meaning(class)})
	}
	for _, l := range d.Limits {
		p.Limits = append(p.Limits, [2]string{oneLine(l.Name), limitText(l)})
	}
	for _, s := range d.Skipped {
		p.Skipped = append(p.Skipped, [2]string{oneLine(s.What), oneLine(s.Reason)})
	}
	for _, about := range targetNotes(d.Runs) {
		p.Targets = append(p.Targets, [2]string{oneLine(about.name + " " + about.version), oneLine(about.notes)})
	}
	p.addRows(d.Rows)
	for _, g := range groupsOf(d.Runs) {
		p.Scenarios = append(p.Scenarios, scenarioOf(g))
	}
	if err := pageTemplate.Execute(w, p); err != nil {
		return fmt.Errorf("report: write page: %w", err)
	}
	return nil
}

// addRows shows the rows of the document.
func (p *pageData) addRows(rows []result.Row) {
	if len(rows) == 0 {
		return
	}
	p.Tally = tally(rows)
	for _, r := range won(rows, peerWins) {
		p.Losses = append(p.Losses, oneLine(against(r)))
	}
	for _, r := range won(rows, peerAhead) {
		p.Aheads = append(p.Aheads, oneLine(against(r)))
	}
	for _, b := range blocksOf(rows) {
		block := pageBlock{Title: oneLine(b.title()), Limit: oneLine(b.limitLine()), Chart: drawn(b.chart())}
		for _, r := range b.rows {
			block.Rows = append(block.Rows, pageRow{
				Peer: peerText(r), Ours: side(r.Ours, r.Unit), Theirs: side(r.Theirs, r.Unit), Ratio: ratio(r.Median),
				Spread: spreadText(r), Winner: string(judge(r)), Notes: oneLine(r.Notes), Loss: judge(r) == peerWins,
			})
		}
		p.Blocks = append(p.Blocks, block)
	}
}

// drawn is a chart as SVG; empty if it has nothing to show.
func drawn(c Chart) template.HTML {
	var b strings.Builder
	if err := chart.SVG(&b, c); err != nil {
		return ""
	}
	return template.HTML(b.String()) //nolint:gosec // package chart escapes
}

// scenarioOf shows the runs of one scenario.
func scenarioOf(g group) pageScenario {
	s := pageScenario{Name: oneLine(g.scenario), Anchor: slug("scenario", g.scenario)}
	for _, c := range []Chart{g.curves(), g.rates()} {
		if svg := drawn(c); svg != "" {
			s.Charts = append(s.Charts, svg)
		}
	}
	for _, c := range g.overTime() {
		s.OverTime = append(s.OverTime, drawn(c))
	}
	for _, one := range g.series {
		for _, r := range one.runs {
			s.addRun(r)
		}
	}
	return s
}

// addRun adds the lines of one run to the tables.
func (s *pageScenario) addRun(r *result.Run) {
	round := strconv.Itoa(r.Round)
	s.Runs = append(s.Runs, []string{
		oneLine(r.Target), oneLine(r.Durability), oneLine(r.Loop), round, planned(r),
		rate(operationRate(r)), rate(r.RecordRate()), scaled(r.ByteRate(), "B/s"), units.Count(r.Errors),
	})
	for _, one := range distributions(r) {
		l := one.latency
		s.Latencies = append(s.Latencies, []string{
			oneLine(r.Target), round, strings.TrimSuffix(one.name, " *"),
			nanoseconds(l.P50), nanoseconds(l.P90), nanoseconds(l.P99), nanoseconds(l.P999), nanoseconds(l.P9999), nanoseconds(l.Max),
		})
	}
	for _, name := range slices.Sorted(maps.Keys(r.Values)) {
		s.Values = append(s.Values, []string{oneLine(r.Target), round, oneLine(valueName(name)), valueText(name, r.Values[name])})
	}
	if !r.KeptUp() {
		s.RunsNotes = append(s.RunsNotes, []string{oneLine(r.Target), round, slowNote})
	}
	if r.FirstError != "" {
		s.RunsNotes = append(s.RunsNotes, []string{oneLine(r.Target), round, "the first failure: " + oneLine(r.FirstError)})
	}
}
