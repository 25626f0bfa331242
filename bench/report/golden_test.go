package report

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace-io/millrace/bench/result"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// rendered is what a function writes.
func rendered(t *testing.T, write func(io.Writer) error) string {
	t.Helper()
	var out bytes.Buffer
	if err := write(&out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// golden compares a text with a file in testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-golden +now); if that is meant, run the test with -update:\n%s", name, diff)
	}
}

// eventful is a document of runs in which things went wrong.
func eventful() *result.Document {
	d := sample()
	d.Title, d.Rows = "bench run", nil
	slow := sampleRun("wal-append-steady/group", "engine", 1, 50_000)
	slow.Operations /= 2
	slow.Latency.OutOfRange = 17
	slow.Values = map[string]float64{
		"scan_records_per_second": 1.5e6, "scan_bytes_per_second": 1.6e9, "server_memory_bytes": 1 << 30, "open_crash_ns": 2.5e6,
		"operations_unsent": 1234,
	}
	d.Runs = append(d.Runs, slow)
	return d
}

// later is sample, measured again: slower here, faster there, and otherwise
// alike.
func later() *result.Document {
	d := sample()
	d.Title, d.Machine.Commit, d.Machine.Modified = "bench peers", "fedcba987654", false
	for i := range d.Runs {
		r := &d.Runs[i]
		switch r.Scenario {
		case "wal-append-steady/group":
			r.Latency.P99 *= 2
			r.Latency.P50 /= 2
		case "wal-append/none":
			r.Durability = "none"
		case "native-endtoend":
			if r.PlannedRate == 8000 {
				r.Operations /= 4
			}
		}
	}
	return d
}

func TestGolden(t *testing.T) {
	empty := &result.Document{}
	images := []string{"images/curve-native-endtoend.png", "images/peers-append-throughput-1-a-call-none.png", "images/another.png"}
	otherMachine := later()
	otherMachine.Machine.CPU, otherMachine.Machine.Kernel = "Example 100", "6.9.0"
	for name, write := range map[string]func(io.Writer) error{
		"text.golden":            func(w io.Writer) error { return Text(w, eventful()) },
		"text-empty.golden":      func(w io.Writer) error { return Text(w, empty) },
		"table.golden":           func(w io.Writer) error { return Table(w, sample()) },
		"table-empty.golden":     func(w io.Writer) error { return Table(w, empty) },
		"markdown.golden":        func(w io.Writer) error { return Markdown(w, sample(), images) },
		"markdown-runs.golden":   func(w io.Writer) error { return Markdown(w, eventful(), nil) },
		"compare.golden":         func(w io.Writer) error { return Compare(w, sample(), later()) },
		"compare-refused.golden": func(w io.Writer) error { return Compare(w, sample(), otherMachine) },
	} {
		t.Run(name, func(t *testing.T) { golden(t, name, rendered(t, write)) })
	}
}

// broken fails after some bytes.
type broken struct{ left int }

var errBroken = errors.New("broken")

func (b *broken) Write(p []byte) (int, error) {
	if b.left -= len(p); b.left < 0 {
		return 0, errBroken
	}
	return len(p), nil
}

func TestFailedWritesAreReported(t *testing.T) {
	d := sample()
	for name, write := range map[string]func(io.Writer) error{
		"text":     func(w io.Writer) error { return Text(w, d) },
		"table":    func(w io.Writer) error { return Table(w, d) },
		"markdown": func(w io.Writer) error { return Markdown(w, d, nil) },
		"compare":  func(w io.Writer) error { return Compare(w, d, d) },
		"html":     func(w io.Writer) error { return HTML(w, d) },
		"png":      func(w io.Writer) error { return PNG(w, Charts(d)[0]) },
	} {
		if err := write(&broken{left: 20}); !errors.Is(err, errBroken) {
			t.Errorf("%s: the error is %v", name, err)
		}
	}
}

// Terminals obey control characters, so that texts from elsewhere must not have
// any.
func TestControlCharactersDoNotReachATerminal(t *testing.T) {
	d := sample()
	soil(d)
	d.Runs[0].FirstError, d.Runs[0].Errors = hostile, 1
	for name, write := range map[string]func(io.Writer) error{
		"text":     func(w io.Writer) error { return Text(w, d) },
		"table":    func(w io.Writer) error { return Table(w, d) },
		"markdown": func(w io.Writer) error { return Markdown(w, d, nil) },
		"compare":  func(w io.Writer) error { return Compare(w, d, sample()) },
	} {
		text := rendered(t, write)
		if !strings.Contains(text, "alert(1)") {
			t.Errorf("%s lost the hostile text", name)
		}
		if at := strings.IndexFunc(text, func(r rune) bool { return r < ' ' && r != '\n' || r >= 0x7f && r < 0xa0 }); at >= 0 {
			t.Errorf("%s: a control character behind %q", name, text[max(0, at-20):at])
		}
	}
}

func TestMarkdownKeepsTextsAsTexts(t *testing.T) {
	d := sample()
	d.Rows[0].Peer = "a|b](x) <script> `c` *d* _e_"
	text := rendered(t, func(w io.Writer) error { return Markdown(w, d, nil) })
	if want := "a\\|b\\](x) &lt;script&gt; \\`c\\` \\*d\\* \\_e\\_"; !strings.Contains(text, want) {
		t.Errorf("%s is not there", want)
	}
}
