package versus

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace-io/millrace/bench/result"
	"github.com/millrace-io/millrace/bench/target"
)

// figure is read from the values of a run.
func figure(better string) Figure {
	f := value("figure", better, "1/s", "value", "", nil)
	of := f.Of
	f.Of = func(r *result.Run) (float64, bool) {
		if r.Values["value"] == TooSlow {
			return TooSlow, true
		}
		return of(r)
	}
	return f
}

// runOf is a run with the figure; one of 0 lacks it.
func runOf(value float64) *result.Run {
	return &result.Run{Values: map[string]float64{"value": value}}
}

// pairsOf makes pairs of ours and theirs, in turns.
func pairsOf(values ...float64) []pair {
	var pairs []pair
	for i := 0; i < len(values); i += 2 {
		pairs = append(pairs, pair{ours: runOf(values[i]), theirs: runOf(values[i+1])})
	}
	return pairs
}

func TestRows(t *testing.T) {
	for name, c := range map[string]struct {
		better string
		pairs  []pair
		want   result.Row
	}{
		"more is better":   {"higher", pairsOf(30, 10, 20, 10, 80, 20), result.Row{Ours: 30, Theirs: 10, Ratios: []float64{3, 2, 4}, Median: 3, Low: 2, High: 4}},
		"less is better":   {"lower", pairsOf(10, 30, 10, 20), result.Row{Ours: 10, Theirs: 25, Ratios: []float64{3, 2}, Median: 2.5, Low: 2, High: 3}},
		"we lose":          {"lower", pairsOf(30, 15), result.Row{Ours: 30, Theirs: 15, Ratios: []float64{0.5}, Median: 0.5, Low: 0.5, High: 0.5}},
		"one lacks it":     {"higher", pairsOf(30, 10, 20, 0), result.Row{Ours: 30, Theirs: 10, Ratios: []float64{3}, Median: 3, Low: 3, High: 3}},
		"we lack it":       {"higher", pairsOf(30, 10, 0, 10), result.Row{Theirs: 10, Notes: "we have no figure"}},
		"they are slow":    {"lower", pairsOf(10, 30, 20, TooSlow), result.Row{Ours: 15, Notes: "did not keep up with the planned rate"}},
		"we are slow":      {"lower", pairsOf(10, 30, TooSlow, 40), result.Row{Theirs: 35, Notes: "we did not keep up with the planned rate"}},
		"we are only slow": {"lower", pairsOf(TooSlow, 40), result.Row{Theirs: 40, Notes: "we did not keep up with the planned rate"}},
		"both are slow":    {"lower", pairsOf(TooSlow, TooSlow), result.Row{Notes: "did not keep up with the planned rate; we did not keep up with the planned rate"}},
	} {
		f := figure(c.better)
		c.want.Measure, c.want.Better, c.want.Unit, c.want.Peer, c.want.Durability = "figure", c.better, "1/s", "peer", "group"
		got, ok := rowOf(f, "peer", "group", c.pairs)
		if diff := cmp.Diff(c.want, got); diff != "" || !ok {
			t.Errorf("%s: %v (-want +got):\n%s", name, ok, diff)
		}
	}
	for _, pairs := range [][]pair{nil, pairsOf(30, 0), pairsOf(0, 0), pairsOf(TooSlow, 0)} {
		if got, ok := rowOf(figure("higher"), "peer", "group", pairs); ok {
			t.Errorf("nobody has it, and the row is %+v", got)
		}
	}
}

func TestRowsTellOfFailures(t *testing.T) {
	pairs := pairsOf(30, 10, 30, 10)
	pairs[0].theirs.Errors, pairs[1].theirs.Errors = 2, 3
	pairs[1].theirs.Values["records_not_delivered"] = 7
	pairs[0].ours.Errors = 1
	got, ok := rowOf(figure("higher"), "peer", "group", pairs)
	if want := "5 of their operations failed; 7 of their records were not delivered; 1 of our operations failed"; !ok || got.Notes != want || got.Median != 3 {
		t.Errorf("got %q, %g", got.Notes, got.Median)
	}
}

func TestKeptUp(t *testing.T) {
	const second = 1e9
	latency := &result.Latency{Count: 1, P50: 5, P99: 7}
	for name, c := range map[string]struct {
		run   result.Run
		value float64
		ok    bool
	}{
		"kept up":      {result.Run{Operations: 1900, Duration: 2 * second, PlannedRate: 1000, Latency: latency}, 7, true},
		"too slow":     {result.Run{Operations: 1899, Duration: 2 * second, PlannedRate: 1000, Latency: latency}, TooSlow, true},
		"closed loop":  {result.Run{Operations: 1, Duration: 2 * second, Latency: latency}, 7, true},
		"not measured": {result.Run{Operations: 2000, Duration: 2 * second, PlannedRate: 1000}, 0, false},
	} {
		value, ok := keptUp(&c.run, c.run.Latency, p99)
		if value != c.value || ok != c.ok {
			t.Errorf("%s: got %g, %v", name, value, ok)
		}
	}
}

// TestReadersAreTold checks that rows of reading say who checks, and others do
// not.
func TestReadersAreTold(t *testing.T) {
	peer := func(name string, checks bool) other {
		return other{Contender: Contender{About: target.About{Name: name, Checks: checks}}, label: name}
	}
	table := &table{
		others: []other{peer("careful", true), peer("careless", false), {label: "our own", own: true}, peer("absent", true)},
		pairs:  [][]pair{pairsOf(10, 20), pairsOf(10, TooSlow), pairsOf(10, 20), nil},
	}
	plain, read := figure("higher"), reading(figure("higher"))
	read.Name = "read"
	want := map[string]string{
		"figure careful": "", "figure careless": "did not keep up with the planned rate", "figure our own": "",
		"read careful": "checks what it reads", "read careless": "reads unchecked; did not keep up with the planned rate", "read our own": "",
	}
	got := map[string]string{}
	for _, row := range table.rows(Measure{Figures: []Figure{plain, read}}, class{durability: target.Group}, result.Machine{}, nil) {
		got[row.Measure+" "+row.Peer] = row.Notes
		if row.Own != (row.Peer == "our own") {
			t.Errorf("%s is our own: %v", row.Peer, row.Own)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestAloneRows have no ratio, and a limit that the runs measured.
func TestAloneRows(t *testing.T) {
	f := figure("lower")
	f.LimitName, f.LimitOf = "half of it", func(r *result.Run) float64 { return r.Values["value"] / 2 }
	for name, c := range map[string]struct {
		values []float64
		want   *result.Row
	}{
		"all":      {[]float64{10, 30, 20}, &result.Row{Ours: 20, Limit: 10, LimitName: "half of it"}},
		"one slow": {[]float64{10, TooSlow}, &result.Row{Limit: 5, LimitName: "half of it", Notes: "we did not keep up with the planned rate"}},
		"none":     {[]float64{0, 0}, nil},
		"nobody":   {nil, nil},
	} {
		table := new(table)
		for _, value := range c.values {
			table.alone = append(table.alone, runOf(value))
		}
		got := table.rows(Measure{Figures: []Figure{f}}, class{durability: target.Group}, result.Machine{}, nil)
		var want []result.Row
		if c.want != nil {
			c.want.Measure, c.want.Better, c.want.Unit, c.want.Durability, c.want.Own = "figure", "lower", "1/s", "group", true
			want = []result.Row{*c.want}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
