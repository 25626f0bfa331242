package report

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace-io/millrace/bench/result"
)

func names(d *result.Document) (list []string) {
	for _, c := range Charts(d) {
		list = append(list, c.Name)
	}
	return list
}

func TestChartsOfASample(t *testing.T) {
	want := []string{
		"peers-append-throughput-1-a-call-none", "peers-append-at-10-k-s-p99-group", "peers-16-logs-at-once-group", "peers-memory-of-an-idle-shard-group",
		"curve-wal-append-steady-group", "curve-wal-append-none", "curve-native-endtoend", "rate-native-endtoend",
	}
	if diff := cmp.Diff(want, names(sample())); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for _, name := range []string{"seconds-wal-append-none-wal", "heat-wal-append-none-wal"} {
		if !slices.Contains(names(eventful()), name) {
			t.Errorf("runs without rows have no %s", name)
		}
	}
}

func TestNamesOfChartsAreFileNames(t *testing.T) {
	d := sample()
	d.Runs[0].Scenario = "../../etc/passwd\x00<b>"
	d.Rows[0].Measure = "a/b: c?"
	d.Rows[1].Measure = "a b c"
	seen := map[string]bool{}
	for _, name := range names(d) {
		if name == "" || filepath.Base(name) != name || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			t.Errorf("the name %q is not fit for a file", name)
		}
		if seen[name] {
			t.Errorf("two charts are named %q", name)
		}
		seen[name] = true
	}
}

func TestChartsWithoutDataAreLeftOut(t *testing.T) {
	if list := names(&result.Document{}); len(list) != 0 {
		t.Errorf("an empty document has %q", list)
	}
	d := sample()
	for i := range d.Runs {
		d.Runs[i].Latency, d.Runs[i].EndToEnd, d.Runs[i].Hiccup, d.Runs[i].Jitter = nil, nil, nil, nil
	}
	d.Rows = nil
	if list := names(d); len(list) != 0 {
		t.Errorf("there are charts without latencies: %q", list)
	}
}

func TestChartsLeaveTheDocumentAlone(t *testing.T) {
	d := sample()
	Charts(d)
	if diff := cmp.Diff(sample(), d); diff != "" {
		t.Error(diff)
	}
}

// Documents come from files that anyone may have edited: whatever they hold,
// charts are drawn or left out.
func TestOddValuesDoNotHurt(t *testing.T) {
	odd := map[string]func(d *result.Document){
		"zero latencies": func(d *result.Document) {
			*d.Runs[0].Latency = result.Latency{Count: 1, Curve: []result.Point{{}, {Quantile: 1}}, Seconds: []result.Second{{}}}
		},
		"negative values": func(d *result.Document) {
			d.Runs[0].Latency.Curve[0].Value = -5
			d.Runs[0].Latency.Seconds[0].P50 = -5
			for i := range d.Runs[0].Latency.Seconds {
				d.Runs[0].Latency.Seconds[i].At = -200 * i
			}
			d.Runs[0].Duration, d.Runs[1].Duration = -1, 0
			d.Rows[0].Ours, d.Rows[0].Theirs, d.Rows[0].Limit = -1, -1, -1
		},
		"quantiles out of range": func(d *result.Document) {
			d.Runs[0].Latency.Curve[1].Quantile = 7
			d.Runs[0].Latency.Curve[2].Quantile = -7
			d.Runs[0].Latency.Seconds[0].Heat[0] = result.Point{Quantile: 9, Value: -3}
		},
		"largest values": func(d *result.Document) {
			d.Runs[0].Latency.Curve[3].Value = math.MaxInt64
			d.Runs[0].Latency.Seconds[1].Max = math.MaxInt64
			d.Runs[0].Latency.Seconds[4].At = math.MaxInt
			d.Runs[0].PlannedRate = math.MaxFloat64
			d.Rows[0].Ours = math.MaxFloat64
			d.Rows[4].Theirs = math.MaxFloat64
		},
		"one peer": func(d *result.Document) { d.Rows = d.Rows[:1] },
		"no peer has a figure": func(d *result.Document) {
			for i := range d.Rows {
				d.Rows[i].Ours, d.Rows[i].Theirs, d.Rows[i].Ratios = 0, 0, nil
			}
		},
	}
	for name, change := range odd {
		t.Run(name, func(t *testing.T) {
			d := sample()
			change(d)
			content := page(t, d)
			parse(t, content)
			for _, bad := range []string{"NaN", "Inf"} {
				if strings.Contains(content, bad) {
					t.Errorf("the page has %s", bad)
				}
			}
			if name != "largest values" && name != "quantiles out of range" {
				return // images are drawn like pages, and are slow to encode
			}
			for _, c := range kinds(d) {
				picture(t, c)
			}
		})
	}
}

// kinds returns one chart of each kind that d has, with rows and without.
func kinds(d *result.Document) []Chart {
	runs := *d
	runs.Rows = nil
	var list []Chart
	seen := map[string]bool{}
	for _, c := range append(Charts(d), Charts(&runs)...) {
		kind, _, _ := strings.Cut(c.Name, "-")
		if !seen[kind] {
			seen[kind] = true
			list = append(list, c)
		}
	}
	return list
}

// A series with many rates has no more lines than can be told apart.
func TestCurvesAreNotTooMany(t *testing.T) {
	d := &result.Document{}
	for i := range 40 {
		d.Runs = append(d.Runs, sampleRun("search", "wal", 1, float64(1000*(i+1))))
	}
	labels := 0
	for _, l := range Charts(d)[0].Lines {
		if l.Label != "" {
			labels++
		}
	}
	if labels != linesMax+1 { // and the machine
		t.Errorf("%d labels, want %d", labels, linesMax+1)
	}
	if note := Charts(d)[0].Note; !strings.Contains(note, "28 series are left out") {
		t.Errorf("the note is %q", note)
	}
}

// A long run has a bounded number of columns, and each column's shares are
// those of all its operations.
func TestHeatOfALongRun(t *testing.T) {
	var seconds []result.Second
	for i := range 900 {
		seconds = append(seconds, result.Second{At: i, Count: int64(1 + i%3), Heat: []result.Point{
			{Quantile: 0.75, Value: 1024}, {Quantile: 0.25, Value: int64(2048 << (i % 4))},
		}})
	}
	shares := map[float64]float64{}
	for _, c := range cells(seconds) {
		shares[c.Left] += c.Share
	}
	if len(shares) == 0 || len(shares) > columnsMax {
		t.Fatalf("%d columns, want 1 to %d", len(shares), columnsMax)
	}
	for left, sum := range shares {
		if math.Abs(sum-1) > 1e-9 {
			t.Errorf("the shares at %v add up to %v", left, sum)
		}
	}
}

// picture draws a chart and decodes it again.
func picture(t *testing.T, c Chart) image.Image {
	t.Helper()
	content := rendered(t, func(w io.Writer) error { return PNG(w, c) })
	drawn, err := png.Decode(strings.NewReader(content))
	if err != nil {
		t.Fatalf("%s: %v", c.Name, err)
	}
	return drawn
}

// coloured counts the pixels of an area that are neither white nor grey: those
// of lines, bars and cells, but not of axes and texts.
func coloured(drawn image.Image, area image.Rectangle) int {
	n := 0
	for y := area.Min.Y; y < area.Max.Y; y++ {
		for x := area.Min.X; x < area.Max.X; x++ {
			c := color.NRGBAModel.Convert(drawn.At(x, y)).(color.NRGBA)
			if max(c.R, c.G, c.B)-min(c.R, c.G, c.B) > 40 {
				n++
			}
		}
	}
	return n
}

func TestPNGShowsEveryKindOfChart(t *testing.T) {
	charts := kinds(sample())
	const kindCount = 5
	if len(charts) != kindCount {
		t.Fatalf("%d kinds of charts, want %d", len(charts), kindCount)
	}
	for _, c := range charts {
		drawn := picture(t, c)
		size := drawn.Bounds().Size()
		if r, g, b, a := drawn.At(1, 1).RGBA(); r != 0xffff || g != 0xffff || b != 0xffff || a != 0xffff {
			t.Errorf("%s: the paper is not white", c.Name)
		}
		middle := image.Rect(size.X/6, size.Y/10, size.X*5/6, size.Y*9/10)
		if n := coloured(drawn, middle); n < 200 {
			t.Errorf("%s: only %d coloured pixels", c.Name, n)
		}
	}
}

func TestPNGOfNothing(t *testing.T) {
	if err := PNG(&bytes.Buffer{}, Chart{Name: "nothing"}); err == nil {
		t.Error("a chart without data was drawn")
	}
}
