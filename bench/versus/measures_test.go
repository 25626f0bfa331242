package versus

import (
	"strings"
	"testing"

	"github.com/millrace-io/millrace/bench/result"
	"github.com/millrace-io/millrace/bench/scenario"
)

// limitNames are those of package machine.
var limitNames = []string{
	"memcpy", "mapped-write", "crc32c-scan", "pwrite-1KiB", "pwrite-64KiB", "pwrite-1MiB",
	"fresh-pwrite-6400B", "fresh-pwrite-64KiB", "fresh-pwrite-1MiB", "fdatasync-4KiB-16-files",
	"fdatasync-4KiB", "sync-write-64KiB", "sync-write-1MiB", "loopback-round-trip", "loopback-stream",
}

func TestMeasures(t *testing.T) {
	limits := map[string]result.Limit{}
	for _, name := range limitNames {
		limits[name] = result.Limit{Name: name, Value: 1 << 20}
	}
	machine := result.Machine{SyncP50: 10, SyncP99: 20}
	for _, set := range Sets() {
		for kind, effort := range map[string]Effort{"quick": set.Quick, "thorough": set.Thorough} {
			name := set.Name + ", " + kind
			seen := map[string]bool{}
			for _, m := range set.Measures(effort) {
				checkMeasure(t, name, &m, seen)
				for _, f := range m.Figures {
					checkFigure(t, name, f, seen)
					if f.Limit != nil && f.Limit(limits, machine, int(m.Scenario.MessageSize)) <= 0 {
						t.Errorf("%s: %s has a limit that nobody measures", name, f.Name)
					}
				}
			}
		}
	}
}

// checkMeasure checks a measure of a set, in which names are seen once.
func checkMeasure(t *testing.T, set string, m *Measure, seen map[string]bool) {
	t.Helper()
	scenarios := []scenario.Scenario{m.Scenario}
	for _, v := range m.Variants {
		if v.Name == "" || v.Scenario.Name == m.Scenario.Name {
			t.Errorf("%s: %s has a variant %q", set, m.Scenario.Name, v.Name)
		}
		scenarios = append(scenarios, v.Scenario)
	}
	if seen["scenario "+m.Scenario.Name] {
		t.Errorf("%s: %s is there twice", set, m.Scenario.Name)
	}
	seen["scenario "+m.Scenario.Name] = true
	if m.Rounds < 1 || len(m.Durabilities) == 0 || len(m.Figures) == 0 || m.Alone && m.Variants != nil ||
		m.Kind != "log" && m.Kind != "broker" && m.Kind != kindKinesis && (m.Kind != "engine" || !m.own()) {
		t.Errorf("%s: got %+v", set, m)
	}
	for _, s := range scenarios {
		if s.Description == "" {
			t.Errorf("%s: %s has no description", set, s.Name)
		}
		for _, durability := range m.Durabilities {
			s.Durability = durability
			if err := s.Check(); err != nil {
				t.Errorf("%s: %v", set, err)
			}
		}
	}
}

// checkFigure checks a figure of a set, in which names are seen once.
func checkFigure(t *testing.T, set string, f Figure, seen map[string]bool) {
	t.Helper()
	if seen["figure "+f.Name] {
		t.Errorf("%s: %s is there twice", set, f.Name)
	}
	seen["figure "+f.Name] = true
	if f.Better != "higher" && f.Better != "lower" || f.Unit == "" {
		t.Errorf("%s: %s is better %s in %q", set, f.Name, f.Better, f.Unit)
	}
	if (f.Limit == nil && f.LimitOf == nil) != (f.LimitName == "") || f.Limit != nil && f.LimitOf != nil {
		t.Errorf("%s: %s has a limit without a name, a name without a limit, or two limits", set, f.Name)
	}
	if f.LimitOf != nil && f.LimitOf(&result.Run{}) != 0 {
		t.Errorf("%s: %s has a limit that no run measured", set, f.Name)
	}
	if value, ok := f.Of(&result.Run{}); ok {
		t.Errorf("%s: %s of nothing is %g", set, f.Name, value)
	}
}

// TestFiguresPick checks that each figure reads what its name says.
func TestFiguresPick(t *testing.T) {
	run := &result.Run{
		Records: 50, Duration: 1e9,
		Latency:  &result.Latency{Count: 1, P50: 1, P99: 2, P999: 3},
		EndToEnd: &result.Latency{Count: 1, P50: 4, P99: 5, P999: 6},
		Values: map[string]float64{
			"scan_records_per_second": 7, "open_clean_first_append_ns": 8, "open_crash_first_append_ns": 9, "server_cpu_ns_per_record": 10,
		},
	}
	want := map[string]float64{
		"append throughput, 64 a call": 50, "append throughput, 1 a call": 50, "group commit throughput, 64 waiting": 50,
		"append at 10 k/s, p50": 1, "append at 10 k/s, p99": 2, "append at 10 k/s, p99.9": 3,
		"tail at 10 k/s, end to end, p50": 4, "tail at 10 k/s, end to end, p99": 5,
		"catch-up read": 7, "open after 1 GiB, closed": 8, "open after 1 GiB, crashed": 9,
		"broker produce": 50, "broker produce, durable": 50, "server CPU per record produced": 10,
		"broker at 10 k/s, end to end, p50": 4, "broker at 10 k/s, end to end, p99": 5, "broker at 10 k/s, end to end, p99.9": 6,
		"broker at 10 k/s, durable, end to end, p50": 4, "broker at 10 k/s, durable, end to end, p99": 5, "broker at 10 k/s, durable, end to end, p99.9": 6,
		"broker catch-up read": 7,
	}
	for _, m := range Measures(Quick()) {
		for _, f := range m.Figures {
			got, ok := f.Of(run)
			if expected, known := want[f.Name]; !known || !ok || got != expected {
				t.Errorf("%s: got %g, %v, want %g", f.Name, got, ok, expected)
			}
			delete(want, f.Name)
		}
	}
	if len(want) > 0 {
		t.Errorf("no measure has %v", want)
	}
}

// TestEngineFiguresPick checks those of the engine's set that read something of
// their own, and the sizes that go with them.
func TestEngineFiguresPick(t *testing.T) {
	run := &result.Run{
		Records: 50, Bytes: 3000, Duration: 1e9,
		Latency: &result.Latency{Count: 1, P50: 1, P99: 2}, EndToEnd: &result.Latency{Count: 1, P50: 4, P99: 5, P999: 6}, Hiccup: &result.Latency{P50: 7, P99: 8, P999: 9},
		Values: map[string]float64{
			"allocations_per_operation": 10, "scan_first_pass_records_per_second": 11, "scan_records_per_second": 12,
			"lookups_per_second": 13, "lookup_p50_ns": 14, "lookup_p99_ns": 15, "lookup_allocations": 16, "time_lookup_p50_ns": 17, "time_lookup_p99_ns": 18,
			"open_clean_first_append_ns": 19, "open_crash_first_append_ns": 20, "open_crash_checked_bytes": 21,
			"open_clean_ns": 22, "resident_per_shard_bytes": 23, "idle_cpu_ns": 24, "idle_cpu_alone_ns": 25, "server_cpu_ns_per_record": 26,
			"resident_per_used_shard_bytes": 27, "idle_cpu_used_ns": 28,
		},
	}
	want := map[string][2]float64{ // the figure and its limit
		"none, 1 x 100 B": {50, 0}, "none, 1 x 100 B, closed loop p50": {1, 0}, "none, 1 x 100 B, closed loop p99": {2, 0},
		"none, 16 x 64 KiB": {3000, 0}, "sync each, 1 KiB, allocations": {10, 0},
		"sequential read, 100 B, first pass": {11, 0}, "sequential read, 100 B, second pass": {12, 0},
		"random read by sequence, 1 KiB, throughput": {13, 0}, "random read by sequence, 1 KiB, p50": {14, 0}, "random read by sequence, 1 KiB, p99": {15, 0},
		"random read by sequence, 1 KiB, allocations": {16, 0}, "random read by time, 1 KiB, p50": {17, 0}, "random read by time, 1 KiB, p99": {18, 0},
		"open 1 GB, closed": {19, 0}, "open 1 GB, killed with a full segment": {20, 0}, "open 1 GB, killed: what was checked": {21, 0},
		"tail at 50 k/s, p50": {4, 7}, "tail at 50 k/s, p99": {5, 8}, "tail at 50 k/s, p99.9": {6, 9}, "tail at 50 k/s, spinning reader, p50": {4, 7},
		"open 4096 shards": {22, 0}, "memory of an idle shard": {27, 0}, "memory of an idle shard, opened again": {23, 0},
		"processor time in 5s of 4096 idle shards": {28, 25}, "processor time in 5s of 4096 idle shards, opened again": {24, 25},
		"server CPU per record produced, durable": {26, 0},
	}
	for _, m := range EngineMeasures(quickEngine()) {
		for _, f := range m.Figures {
			expected, known := want[f.Name]
			if !known {
				continue
			}
			delete(want, f.Name)
			got, ok := f.Of(run)
			limit := 0.0
			if f.LimitOf != nil {
				limit = f.LimitOf(run)
			}
			if !ok || got != expected[0] || limit != expected[1] {
				t.Errorf("%s: got %g within %g, %v, want %g", f.Name, got, limit, ok, expected)
			}
		}
	}
	if len(want) > 0 {
		t.Errorf("no measure has %v", want)
	}
}

func TestSetOf(t *testing.T) {
	if s, err := SetOf("engine"); err != nil || s.Name != "engine" {
		t.Errorf("got %v, %v", s.Name, err)
	}
	if _, err := SetOf("chairs"); err == nil || !strings.Contains(err.Error(), "peers, engine, kinesis") {
		t.Errorf("got %v", err)
	}
}
