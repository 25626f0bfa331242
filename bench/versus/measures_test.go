package versus

import (
	"testing"

	"github.com/millrace-io/millrace/bench/result"
)

// limitNames are those of package machine.
var limitNames = []string{
	"memcpy", "mapped-write", "crc32c-scan", "pwrite-1KiB", "pwrite-64KiB", "pwrite-1MiB",
	"fdatasync-4KiB", "sync-write-64KiB", "sync-write-1MiB", "loopback-round-trip", "loopback-stream",
}

func TestMeasures(t *testing.T) {
	limits := map[string]result.Limit{}
	for _, name := range limitNames {
		limits[name] = result.Limit{Name: name, Value: 1 << 20}
	}
	machine := result.Machine{SyncP50: 10, SyncP99: 20}
	for name, effort := range map[string]Effort{"quick": Quick(), "thorough": Thorough()} {
		seen := map[string]bool{}
		unique := func(what string) {
			if seen[what] {
				t.Errorf("%s: %s is there twice", name, what)
			}
			seen[what] = true
		}
		for _, m := range Measures(effort) {
			unique("scenario " + m.Scenario.Name)
			if m.Rounds < 1 || len(m.Durabilities) == 0 || len(m.Figures) == 0 || m.Scenario.Description == "" || m.Kind != "log" && m.Kind != "broker" {
				t.Errorf("%s: got %+v", name, m)
			}
			for _, durability := range m.Durabilities {
				s := m.Scenario
				s.Durability = durability
				if err := s.Check(); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
			for _, f := range m.Figures {
				unique("figure " + f.Name)
				if f.Better != "higher" && f.Better != "lower" || f.Unit == "" {
					t.Errorf("%s: %s is better %s in %q", name, f.Name, f.Better, f.Unit)
				}
				if (f.Limit == nil) != (f.LimitName == "") {
					t.Errorf("%s: %s has a limit without a name, or a name without a limit", name, f.Name)
				}
				if f.Limit != nil && f.Limit(limits, machine, messageSize) <= 0 {
					t.Errorf("%s: %s has a limit that nobody measures", name, f.Name)
				}
				if value, ok := f.Of(&result.Run{}); ok {
					t.Errorf("%s: %s of nothing is %g", name, f.Name, value)
				}
			}
		}
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
