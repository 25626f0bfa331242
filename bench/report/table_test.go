package report

import (
	"io"
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/millrace-io/millrace/bench/result"
)

func TestJudge(t *testing.T) {
	for _, c := range []struct {
		low, middle, high float64
		want              outcome
	}{
		{1.1, 1.2, 1.3, weWin},
		{0.9, 1.2, 1.3, even},
		{1, 1, 1, even},
		{0.8, 0.9, 1.1, peerAhead},
		{0.8, 0.9, 1, peerAhead},
		{0.7, 0.8, 0.9, peerWins},
	} {
		r := withPeer(result.Row{}, "peer", 1, c.low, c.middle, c.high)
		if got := judge(&r); got != c.want {
			t.Errorf("%v to %v around %v: %s, want %s", c.low, c.high, c.middle, got, c.want)
		}
	}
	if got := judge(&result.Row{Ours: 1}); got != noRatio {
		t.Errorf("without ratios: %s", got)
	}
	for peer, want := range map[string]outcome{"1 log": ownRatio, "": oursAlone} {
		r := withPeer(result.Row{Own: true}, peer, 1, 0.7, 0.8, 0.9)
		if got := judge(&r); got != want {
			t.Errorf("our own beside %q: %s, want %s", peer, got, want)
		}
	}
	if got := judge(&result.Row{Own: true, Peer: "1 log", Ours: 1}); got != noRatio {
		t.Errorf("our own without ratios: %s", got)
	}
}

// Whatever the ratios are, a row that a peer wins is named in the closing list,
// and one that it does not win is not.
func TestEveryLossIsListed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		middle := rapid.Float64Range(0.01, 100).Draw(t, "ratio")
		low := middle * rapid.Float64Range(0.1, 1).Draw(t, "low")
		high := middle * rapid.Float64Range(1, 10).Draw(t, "high")
		row := withPeer(result.Row{Measure: "append", Better: "higher", Unit: "1/s", Durability: "group", Ours: 100}, "the-peer", 100, low, middle, high)
		d := &result.Document{Rows: []result.Row{row}}
		var out strings.Builder
		if err := Table(&out, d); err != nil {
			t.Fatal(err)
		}
		_, list, _ := strings.Cut(out.String(), "\nrows a peer wins:")
		list, _, _ = strings.Cut(list, "even rows")
		if listed := strings.Contains(list, "the-peer"); listed != (high < 1) {
			t.Fatalf("ratio %v, %v to %v: listed is %v in\n%s", middle, low, high, listed, out.String())
		}
	})
}

func TestBlocksBeginWithTheStrongestPeer(t *testing.T) {
	for _, b := range blocksOf(slices.Concat(sampleThroughput(), sampleLatency())) {
		if first := b.rows[0]; first.Peer != "prometheus/tsdb wal" {
			t.Errorf("%s begins with %s", b.measure, first.Peer)
		}
		last := b.rows[len(b.rows)-1]
		if b.better == "lower" && judge(last) != noRatio {
			t.Errorf("%s ends with %s, which has a ratio", b.measure, last.Peer)
		}
	}
}

func TestNumbers(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{quantity(158_000, "1/s"), "158 k/s"},
		{quantity(812, "1/s"), "812 /s"},
		{quantity(0, "1/s"), "0 /s"},
		{quantity(0.25, "1/s"), "0.25 /s"},
		{quantity(999.6, "1/s"), "1.00 k/s"},
		{quantity(999_499, "1/s"), "999 k/s"},
		{quantity(1.2e9, "B/s"), "1.20 GB/s"},
		{quantity(181_000, "ns"), "181 µs"},
		{quantity(1_204_000, "ns"), "1.20 ms"},
		{quantity(2.5, "ns"), "2.50 ns"},
		{quantity(-1, "ns"), none},
		{quantity(math.MaxFloat64, "ns"), none},
		{quantity(3, "apples"), "3 apples"},
		{quantity(40<<10, "B"), "40.0 KiB"},
		{tickQuantity("ns")(1e6), "1 ms"},
		{tickQuantity("ns")(2.5e6), "2.5 ms"},
		{tickQuantity("1/s")(200_000), "200 k/s"},
		{ratio(1), "1.00x"},
		{ratio(36.61), "36.6x"},
		{ratio(412.3), "412x"},
		{ratio(0.0123), "0.012x"},
		{ratio(0), none},
		{spread(0.5, 12.34), "0.50–12.3"},
		{spread(0, 0), none},
		{share(0.434), "43 %"},
		{share(0.0123), "1.2 %"},
		{valueText("open_ns", 2.5e6), "2.50 ms"},
		{valueText("server_cpu_ns_per_record", 2150), "2.15 µs"},
		{valueText("scan_records_per_second", 1.5e6), "1.50 M/s"},
		{valueText("scan_bytes_per_second", 1.5e9), "1.50 GB/s"},
		{valueText("server_memory_bytes", 1<<30), "1.0 GiB"},
		{valueText("records_read_back", 12), "12"},
		{valueName("open_crash_first_append_ns"), "open crash first append"},
		{valueName("server_cpu_ns_per_record"), "server cpu per record"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

func TestCompareJudges(t *testing.T) {
	higher, lower := comparedFigure{}, comparedFigure{lower: true}
	for name, c := range map[string]struct {
		figure        comparedFigure
		before, after []float64
		middle        float64
		verdict       string
	}{
		"faster":            {higher, []float64{10, 11}, []float64{20, 22}, 2, "better"},
		"slower":            {higher, []float64{20, 22}, []float64{10, 11}, 0.5, "WORSE"},
		"alike":             {higher, []float64{10, 14}, []float64{12, 13}, 12.5 / 12, "within the noise"},
		"touching":          {higher, []float64{10, 12}, []float64{12, 14}, 13. / 11, "within the noise"},
		"less latency":      {lower, []float64{20, 22}, []float64{10, 11}, 2, "better"},
		"more latency":      {lower, []float64{10, 11}, []float64{20, 22}, 0.5, "WORSE"},
		"one round a side":  {higher, []float64{10}, []float64{20}, 2, "one round, spread unknown"},
		"one round, before": {higher, []float64{10}, []float64{20, 21, 22}, 2.1, "one round, spread unknown"},
	} {
		got := c.figure.compare(c.before, c.after)
		if math.Abs(got.middle-c.middle) > 1e-9 || got.verdict != c.verdict {
			t.Errorf("%s: ratio %v, %q, want %v, %q", name, got.middle, got.verdict, c.middle, c.verdict)
		}
	}
}

// Durability is never mixed: the same scenario and target in another class is
// named, and has no ratio.
func TestCompareDoesNotMixDurabilities(t *testing.T) {
	before, after := sample(), sample()
	before.Runs, after.Runs = before.Runs[:1], after.Runs[:1]
	after.Runs[0].Durability = "none"
	text := rendered(t, func(w io.Writer) error { return Compare(w, before, after) })
	if strings.Contains(text, "RATIO") {
		t.Errorf("there are ratios:\n%s", text)
	}
	if !strings.Contains(text, "the other side has durability none") {
		t.Errorf("nothing says why:\n%s", text)
	}
}

func TestTypicalIsTheMedianRound(t *testing.T) {
	var runs []result.Run
	for round, p99 := range []int64{50, 10, 30, 20, 40} {
		runs = append(runs, result.Run{Scenario: "s", Target: "t", Round: round + 1, Latency: &result.Latency{P99: p99}})
	}
	all := seriesOf(runs)
	if len(all) != 1 || all[0].typical().Round != 3 {
		t.Errorf("%d series, typical round %d, want 1 and 3", len(all), all[0].typical().Round)
	}
}
