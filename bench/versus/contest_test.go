package versus

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/millrace-io/millrace/bench/result"
	"github.com/millrace-io/millrace/bench/scenario"
	"github.com/millrace-io/millrace/bench/target"
	"github.com/millrace-io/millrace/bench/target/targettest"
	"github.com/millrace-io/millrace/bench/worker"
)

// playWorker is the variable that makes this binary a worker.
const playWorker = "VERSUS_TEST_WORKER"

func TestMain(m *testing.M) {
	if os.Getenv(playWorker) != "" {
		worker.Main(fakes())
	}
	goleak.VerifyTestMain(m)
}

// Appends of the fakes take as long as these.
const (
	fast   = time.Millisecond
	middle = 10 * time.Millisecond
	slow   = 150 * time.Millisecond
)

// fakes are us, and the peers.
func fakes() []target.Target {
	return []target.Target{
		&targettest.Log{Name: "us", Service: middle},
		&targettest.Log{Name: "us-engine", Service: fast},
		&targettest.Log{Name: "us-broker", Kind: "broker", Service: middle},
		&targettest.Log{Name: "fast", Service: fast, Durabilities: synced},
		&targettest.Log{Name: "slow", Service: slow},
		&targettest.Log{Name: "interval", Service: slow, Durabilities: []target.Durability{target.Interval}},
		&targettest.Log{Name: "missing", Missing: "no licence"},
		&targettest.Log{Name: "stuck", Service: time.Hour, Durabilities: synced},
		&targettest.Log{Name: "failing", Faults: targettest.Faults{FailEvery: 1}},
		&targettest.Log{Name: "fast-broker", Kind: "broker", Service: fast},
	}
}

// contenders are the fakes in workers, by name.
func contenders(t *testing.T) map[string]Contender {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	all, _, err := Contenders(t.Context(), []worker.Program{{Path: path, Env: []string{playWorker + "=1"}}})
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]Contender{}
	for _, c := range all {
		byName[c.Name] = c
	}
	return byName
}

// contest is us against some peers.
func contest(t *testing.T, peers ...string) (*Contest, *result.Document) {
	t.Helper()
	all := contenders(t)
	base := scenario.Scenario{
		Kind: scenario.Traffic, Topics: 1, PartitionsPerTopic: 1, MessageSize: 1024, BatchSize: 1, InFlight: 16,
		ProducersPerTopic: 1, TestDuration: scenario.Duration(100 * time.Millisecond),
	}
	closed := named(base, "closed", "As fast as it goes.")
	open := named(base, "open", "At 20 a second, which takes appends of less than 50 ms.")
	open.ProducerRate, open.TestDuration = 20, scenario.Duration(time.Second)
	classes := []target.Durability{target.Group, target.Interval}
	limit := func(limits map[string]result.Limit, _ result.Machine, bytes int) float64 {
		return limits["known"].Value / float64(bytes)
	}
	c := &Contest{
		Log: all["us"], Engine: all["us-engine"], Broker: all["us-broker"], Dir: t.TempDir(), Seed: 7,
		Measures: []Measure{
			{Scenario: closed, Kind: "log", Durabilities: classes, Rounds: 2, Figures: []Figure{throughput("throughput", "the limit", limit)}},
			{Scenario: open, Kind: "log", Durabilities: synced, Rounds: 1, Figures: []Figure{latencies("latency")[0]}},
			{Scenario: closed, Kind: "broker", Durabilities: classes, Rounds: 1, Figures: []Figure{throughput("broker throughput", "unknown", perRecord("unknown"))}},
		},
	}
	for _, name := range peers {
		c.Peers = append(c.Peers, all[name])
	}
	return c, &result.Document{Limits: []result.Limit{{Name: "known", Value: 1 << 20}}}
}

func TestContest(t *testing.T) {
	if testing.Short() {
		t.Skip("its programs take their time, which under the race detector is minutes; without -short it runs")
	}
	c, d := contest(t, "fast", "slow", "interval", "missing", "failing", "fast-broker")
	var told []string
	c.Progress = func(text string) { told = append(told, text) }
	if err := c.Run(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	rows := map[string]result.Row{}
	for _, row := range d.Rows {
		rows[row.Measure+" "+row.Peer+" "+row.Durability] = row
	}
	// However busy the machine is, nobody is faster than its appends.
	for key, theirs := range map[string]time.Duration{
		"throughput fast group": fast, "throughput slow group": slow, "throughput interval interval": slow,
		"latency, p50 fast group": fast, "broker throughput fast-broker group": fast,
	} {
		row, found := rows[key]
		if !found || len(row.Ratios) == 0 || row.Low > row.Median || row.Median > row.High || tooGood(row, row.Ours, middle) || tooGood(row, row.Theirs, theirs) {
			t.Errorf("%s: got %+v", key, row)
		}
	}
	if row := rows["latency, p50 slow group"]; len(row.Ratios) != 0 || row.Theirs != 0 || row.Ours <= 0 || row.Notes != "did not keep up with the planned rate" {
		t.Errorf("slow at a planned rate: got %+v", row)
	}
	if len(rows) != 6 {
		t.Errorf("more rows: %v", rows)
	}
	for _, row := range d.Rows {
		switch row.Measure {
		case "throughput":
			if row.Limit != 1024 || row.LimitName != "the limit" || len(row.Ratios) != 2 {
				t.Errorf("got %+v", row)
			}
		case "broker throughput":
			if row.Limit != 0 || row.LimitName != "" {
				t.Errorf("a limit that was not measured: %+v", row)
			}
		}
	}
	checkPairs(t, d, rows["throughput fast group"], rows["throughput slow group"])
	checkSkips(t, d)
	if len(told) < len(d.Runs) || !strings.Contains(strings.Join(told, "\n"), "missing did not run") {
		t.Errorf("told only %q", told)
	}
	left, err := os.ReadDir(c.Dir)
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// tooGood says that a figure of appends that take so long cannot be right.
func tooGood(row result.Row, figure float64, service time.Duration) bool {
	const rounding = 1.01
	if row.Better == "lower" {
		return figure*rounding < float64(service)
	}
	return figure <= 0 || figure > rounding/service.Seconds()
}

// checkPairs checks that each ratio is that of a peer's run and of the run of ours
// right before or behind it.
func checkPairs(t *testing.T, d *result.Document, rows ...result.Row) {
	t.Helper()
	for _, row := range rows {
		var ratios []float64
		for i, run := range d.Runs {
			if run.Target != row.Peer || run.Scenario != "closed" {
				continue
			}
			for _, beside := range d.Runs[i-1 : i+2] {
				if beside.Target == "us" && slices.Contains(row.Ratios, beside.RecordRate()/run.RecordRate()) {
					ratios = append(ratios, beside.RecordRate()/run.RecordRate())
					break
				}
			}
		}
		if diff := cmp.Diff(row.Ratios, ratios); diff != "" {
			t.Errorf("%s: ratios of runs that are not beside each other (-row +neighbours):\n%s", row.Peer, diff)
		}
	}
}

// checkSkips checks that who cannot take part is named once for each measure, and
// that all others ran in every round.
func checkSkips(t *testing.T, d *result.Document) {
	t.Helper()
	skipped := map[string]string{}
	for _, s := range d.Skipped {
		if skipped[s.What] != "" {
			t.Errorf("%s is skipped twice", s.What)
		}
		skipped[s.What] = s.Reason
	}
	if skipped["missing: closed"] != "no licence" || skipped["missing: open"] != "no licence" || len(skipped) != 4 ||
		!strings.Contains(skipped["failing: closed"], "planted") || !strings.Contains(skipped["failing: open"], "planted") {
		t.Errorf("skipped %v", skipped)
	}
	runs := map[string]int{}
	for _, r := range d.Runs {
		if r.Target != "us" && r.Target != "us-broker" {
			runs[r.Scenario+" "+r.Target+" "+r.Durability]++
		}
	}
	want := map[string]int{
		"closed fast group": 2, "closed slow group": 2, "closed interval interval": 2,
		"open fast group": 1, "open slow group": 1, "closed fast-broker group": 1,
	}
	if diff := cmp.Diff(want, runs); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestNobodyIsLeft stops measuring us when there is nobody to compare with.
func TestNobodyIsLeft(t *testing.T) {
	c, d := contest(t, "missing")
	c.Measures = c.Measures[:1]
	c.Measures[0].Rounds = 50
	if err := c.Run(t.Context(), d); err != nil || len(d.Runs) > 2 || len(d.Rows) != 0 || len(d.Skipped) != 1 {
		t.Errorf("%d runs, %d rows, skipped %v, %v", len(d.Runs), len(d.Rows), d.Skipped, err)
	}
}

func TestContestsFailWithUs(t *testing.T) {
	c, d := contest(t, "fast")
	c.Log = contenders(t)["failing"]
	if err := c.Run(t.Context(), d); err == nil || !strings.Contains(err.Error(), "our own run") || !strings.Contains(err.Error(), "planted") {
		t.Errorf("got %v", err)
	}
}

func TestContestsEndWithTheirContext(t *testing.T) {
	c, d := contest(t, "fast")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c.Progress = func(text string) {
		if strings.Contains(text, "fast") {
			cancel()
		}
	}
	if err := c.Run(ctx, d); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestClasses(t *testing.T) {
	peer := func(name, kind string, durabilities ...target.Durability) Contender {
		return Contender{About: target.About{Name: name, Kind: kind, Durabilities: durabilities}}
	}
	c := &Contest{Peers: []Contender{
		peer("all", "log", target.Group, target.Interval, target.None), peer("synced", "log", target.Group),
		peer("interval", "log", target.Interval, target.Group), peer("broker", "broker", target.None),
	}}
	for _, test := range []struct {
		kind         string
		durabilities []target.Durability
		want         map[target.Durability][]string
	}{
		{"log", []target.Durability{target.None, target.Interval}, map[target.Durability][]string{target.None: {"all"}, target.Interval: {"interval"}}},
		{"log", []target.Durability{target.Group}, map[target.Durability][]string{target.Group: {"all", "synced", "interval"}}},
		{"broker", []target.Durability{target.Group, target.None}, map[target.Durability][]string{target.None: {"broker"}}},
		{"broker", []target.Durability{target.Group}, map[target.Durability][]string{}},
	} {
		got := map[target.Durability][]string{}
		for _, found := range c.classes(Measure{Kind: test.kind, Durabilities: test.durabilities}) {
			for _, o := range found.others {
				got[found.durability] = append(got[found.durability], o.label)
			}
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s %v (-want +got):\n%s", test.kind, test.durabilities, diff)
		}
	}
}

// TestOnlySomePeers names those who take part.
func TestOnlySomePeers(t *testing.T) {
	all := []target.Durability{target.Group}
	c := &Contest{Peers: []Contender{
		{About: target.About{Name: "a", Kind: "log", Durabilities: all}}, {About: target.About{Name: "b", Kind: "log", Durabilities: all}},
	}}
	got := c.classes(Measure{Kind: "log", Durabilities: synced, Peers: []string{"b", "c"}})
	if len(got) != 1 || len(got[0].others) != 1 || got[0].others[0].label != "b" {
		t.Errorf("got %+v", got)
	}
	if got := c.classes(Measure{Kind: "log", Durabilities: synced, Peers: []string{"c"}}); len(got) != 0 {
		t.Errorf("got %+v", got)
	}
}

// ownContest measures two variants of ours, and one alone.
func ownContest(t *testing.T) (*Contest, *result.Document) {
	t.Helper()
	c, d := contest(t)
	two := c.Measures[0].Scenario
	one := named(two, "one", "One appender.")
	two.ProducersPerTopic = 2
	woke := throughput("alone", "", nil)
	woke.LimitName, woke.LimitOf = "twice of it", func(r *result.Run) float64 { return 2 * r.RecordRate() }
	c.Measures = []Measure{
		{Scenario: two, Kind: "log", Variants: []Variant{{"one appender", one}}, Durabilities: synced, Rounds: 2, Figures: []Figure{throughput("two appenders", "", nil)}},
		{Scenario: one, Kind: "engine", Alone: true, Durabilities: synced, Rounds: 3, Figures: []Figure{woke, alone("none", "lower", "ns", "missing")}},
	}
	return c, d
}

func TestVariantsOfOurOwn(t *testing.T) {
	c, d := ownContest(t)
	if err := c.Run(t.Context(), d); err != nil || len(d.Rows) != 2 || len(d.Skipped) != 0 {
		t.Fatalf("%d rows, skipped %v, %v", len(d.Rows), d.Skipped, err)
	}
	if r := d.Rows[0]; !r.Own || r.Peer != "one appender" || len(r.Ratios) != 2 || r.Durability != "group" || tooGood(r, r.Ours, middle/2) || tooGood(r, r.Theirs, middle) {
		t.Errorf("two appenders at a time: got %+v", r)
	}
	if r := d.Rows[1]; !r.Own || r.Peer != "" || r.Ratios != nil || r.Ours <= 0 || r.Theirs != 0 || r.Limit != 2*r.Ours || r.LimitName != "twice of it" {
		t.Errorf("alone: got %+v", r)
	}
	targets := map[string]int{}
	for _, run := range d.Runs {
		targets[run.Target+" "+run.Scenario]++
	}
	if diff := cmp.Diff(map[string]int{"us closed": 4, "us one": 2, "us-engine one": 3}, targets); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestOwnFailuresAreSkips: they are unfair to nobody.
func TestOwnFailuresAreSkips(t *testing.T) {
	c, d := ownContest(t)
	c.Log = contenders(t)["failing"]
	if err := c.Run(t.Context(), d); err != nil || len(d.Rows) != 1 || len(d.Skipped) != 1 || d.Skipped[0].What != "failing: closed" || !strings.Contains(d.Skipped[0].Reason, "planted") {
		t.Errorf("%d rows, skipped %v, %v", len(d.Rows), d.Skipped, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Run(ctx, d); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// TestContestGoesOnWithoutTheStuck: a peer whose run does not end is asked once.
func TestContestGoesOnWithoutTheStuck(t *testing.T) {
	c, d := contest(t, "stuck", "fast")
	for i := range c.Measures {
		c.Measures[i].Patience = 5 * time.Second
	}
	asked := 0
	c.Progress = func(text string) {
		if strings.HasPrefix(text, "round") && strings.HasSuffix(text, "stuck") {
			asked++
		}
	}
	if err := c.Run(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	reasons := map[string]string{}
	for _, s := range d.Skipped {
		reasons[s.What] = s.Reason
	}
	const reason = `"closed" took more than 5s`
	if asked != 1 || reasons["stuck: closed"] != reason || reasons["stuck: open"] != reason {
		t.Errorf("asked %d times, skipped %q", asked, reasons)
	}
	if len(d.Rows) == 0 {
		t.Error("the others have no rows")
	}
}
