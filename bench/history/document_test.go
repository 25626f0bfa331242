package history

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace-io/millrace/bench/change"
	"github.com/millrace-io/millrace/bench/result"
)

// document returns what a run of everything may have left.
func document() *result.Document {
	closed := func(round int, records int64) result.Run {
		return result.Run{
			Scenario: "append", Target: "wal", Durability: "none", Loop: "closed", Round: round,
			Duration: int64(2 * time.Second), Operations: records, Records: records,
			Latency: &result.Latency{Count: records, P50: 100, P99: 200, P999: 300},
		}
	}
	open := func(round int, operations, p99 int64) result.Run {
		return result.Run{
			Scenario: "tail", Target: "engine", Durability: "group", Loop: "open", Round: round, PlannedRate: 100,
			Duration: int64(time.Second), Operations: operations, Records: operations,
			EndToEnd: &result.Latency{Count: operations, P50: 10, P99: p99, P999: 1000},
			Values:   map[string]float64{"server_cpu_ns_per_record": 50, "operations_unsent": 3, "scan_bytes_per_second": 1e6},
		}
	}
	failed := closed(4, 1_000_000)
	failed.Errors = 1
	return &result.Document{
		Version: result.Version, Started: time.Date(2026, 1, 2, 4, 4, 5, 0, time.FixedZone("", 3600)),
		Machine: result.Machine{CPU: "AMD EPYC 7763 ", Cores: 2, Kernel: "Linux 6.1.0-13-amd64", FileSystem: "ext4", Commit: "0123abc"},
		Runs: []result.Run{
			closed(1, 1000), closed(2, 5000), closed(3, 2000), failed,
			open(1, 99, 70), open(2, 100, 90), open(3, 50, 900_000), // the last one did not keep up
		},
		Rows: []result.Row{
			{Measure: "append", Better: "higher", Unit: "1/s", Peer: "a", Durability: "none", Ours: 50, Limit: 100, Median: 2.5},
			{Measure: "append", Better: "higher", Unit: "1/s", Peer: "b", Durability: "none", Ours: 60, Limit: 100, Median: 3},
			{Measure: "append p50", Better: "lower", Unit: "ns", Peer: "a", Durability: "group", Ours: 200, Limit: 100, Median: 0.9},
			{Measure: "append p99", Better: "lower", Unit: "ns", Peer: "c", Durability: "group", Ours: 200}, // the peer did not keep up
		},
	}
}

func TestFromDocument(t *testing.T) {
	got, err := FromDocument(document())
	if err != nil {
		t.Fatal(err)
	}
	higher := func(value float64, unit string) Figure { return Figure{value, unit, change.Higher} }
	lower := func(value float64) Figure { return Figure{value, "ns", change.Lower} }
	want := Entry{
		Commit: "0123abc", Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Machine: "AMD EPYC 7763, 2 cores, Linux 6.1, ext4",
		Figures: map[string]Figure{
			"append wal none: records":                    higher(1000, "1/s"),
			"append wal none: p50":                        lower(100),
			"append wal none: p99":                        lower(200),
			"append wal none: p99.9":                      lower(300),
			"tail engine group: end to end p50":           lower(10),
			"tail engine group: end to end p99":           lower(80),
			"tail engine group: end to end p99.9":         lower(1000),
			"tail engine group: server_cpu_ns_per_record": lower(50),
			"tail engine group: scan_bytes_per_second":    higher(1e6, "B/s"),
			"ratio: append vs a, none":                    higher(2.5, "x"),
			"ratio: append vs b, none":                    higher(3, "x"),
			"ratio: append p50 vs a, group":               higher(0.9, "x"),
			"limit: append, none":                         higher(0.55, "x"),
			"limit: append p50, group":                    higher(0.5, "x"),
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("entry (-want +got):\n%s", diff)
	}
	if err := Append(filepath.Join(t.TempDir(), "history.jsonl"), got); err != nil {
		t.Error(err)
	}
}

func TestFromDocumentRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*result.Document)
		want  error
	}{
		"a modified checkout": {func(d *result.Document) { d.Machine.Modified = true }, ErrModified},
		"no commit":           {func(d *result.Document) { d.Machine.Commit = "" }, ErrEntry},
		"no time":             {func(d *result.Document) { d.Started = time.Time{} }, ErrEntry},
		"no figures":          {func(d *result.Document) { d.Runs, d.Rows = nil, nil }, ErrEntry},
	} {
		d := document()
		c.spoil(d)
		if _, err := FromDocument(d); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
}

func TestMachineID(t *testing.T) {
	for kernel, want := range map[string]string{
		"Linux 6.1.0-13-amd64": "CPU, 4 cores, Linux 6.1, xfs",
		"Linux 6.18":           "CPU, 4 cores, Linux 6.18, xfs",
		"darwin":               "CPU, 4 cores, darwin, xfs",
	} {
		if got := MachineID(result.Machine{CPU: "CPU", Cores: 4, Kernel: kernel, FileSystem: "xfs"}); got != want {
			t.Errorf("kernel %q: got %q, want %q", kernel, got, want)
		}
	}
}
