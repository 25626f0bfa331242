package runner_test

import (
	"strings"
	"testing"

	"github.com/millrace-io/millrace/bench/target/targettest"
)

func TestCatchUp(t *testing.T) {
	for _, text := range []string{
		"catchUpReaders: 1, backlog: 100000, messageSize: 100",
		"catchUpReaders: 3, catchUpPasses: 1, partitionsPerTopic: 7, backlog: 100099, messageSize: 100",
	} {
		got := must(t, text, &targettest.Log{Name: "fake"})
		readers := int64(1)
		if strings.Contains(text, "catchUpReaders: 3") {
			readers = 3
		}
		if got.Values["backlog_records"] != 1000 || got.Records != 1000*readers || got.Bytes != 100_000*readers || got.Duration <= 0 {
			t.Errorf("%s: %g in the backlog, %d records and %d bytes read", text, got.Values["backlog_records"], got.Records, got.Bytes)
		}
		for _, name := range []string{"backlog_records_per_second", "scan_first_pass_records_per_second", "scan_records_per_second", "scan_bytes_per_second"} {
			if got.Values[name] <= 0 {
				t.Errorf("%s: %s is %g", text, name, got.Values[name])
			}
		}
		if got.Latency != nil || got.Operations != 0 {
			t.Errorf("%s: operations that there were none of: %d, %v", text, got.Operations, got.Latency)
		}
	}
}

// TestLostRecordsAreFound plants the bug that a benchmark must not reward.
func TestLostRecordsAreFound(t *testing.T) {
	for name, c := range map[string]struct {
		text   string
		faults targettest.Faults
		want   string
	}{
		"lost while reading":    {"catchUpReaders: 1, backlog: 100KiB", targettest.Faults{LoseEvery: 60}, "99 records of 100"},
		"lost before restart":   {"kind: restart, backlog: 100KiB", targettest.Faults{LoseEvery: 60}, "99 records of 100"},
		"lost by opening again": {"kind: restart, backlog: 100KiB", targettest.Faults{Forget: true}, "0 records of 100"},
		"not opened again":      {"kind: restart, backlog: 100KiB, crash: true", targettest.Faults{NotReopened: true}, "open again"},
	} {
		on := &targettest.Log{Name: "fake", Faults: c.faults}
		if _, err := run(t.Context(), t, c.text, on); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

func TestRestart(t *testing.T) {
	got := must(t, "kind: restart, backlog: 100KiB, partitionsPerTopic: 3", &targettest.Log{Name: "fake"})
	for _, name := range []string{"open_clean_ns", "close_ns", "scan_records_per_second"} {
		if got.Values[name] <= 0 {
			t.Errorf("%s is %g", name, got.Values[name])
		}
	}
	if got.Values["open_clean_first_append_ns"] < got.Values["open_clean_ns"] {
		t.Errorf("appended before it was open: %v", got.Values)
	}
	if _, found := got.Values["open_crash_ns"]; found {
		t.Error("a crash that nobody asked for")
	}
	if appendOnly := must(t, "kind: restart, backlog: 100KiB, crash: true", &targettest.Log{Name: "fake", AppendOnly: true}); appendOnly.Values["open_crash_ns"] <= 0 {
		t.Errorf("what cannot be read is not measured: %v", appendOnly.Values)
	}
}

func TestRestartAfterACrash(t *testing.T) {
	got := must(t, "kind: restart, backlog: 100KiB, crash: true", &targettest.Log{Name: "fake"})
	if got.Values["open_crash_ns"] <= 0 || got.Values["open_crash_first_append_ns"] < got.Values["open_crash_ns"] || got.Values["open_crash_records"] != 100 {
		t.Errorf("got %v", got.Values)
	}
	got = must(t, "kind: restart, backlog: 100KiB, crash: true", &onlyClean{targettest.Log{Name: "fake"}})
	if _, found := got.Values["open_crash_ns"]; found || !strings.Contains(got.Notes, "what a crash leaves could not be opened") || got.Values["open_clean_ns"] <= 0 {
		t.Errorf("got %v, %s", got.Values, got.Notes)
	}
}

func TestCatchUpBesideTheLoad(t *testing.T) {
	got := must(t, "producersPerTopic: 2, producerRate: 1000, subscriptionsPerTopic: 1, catchUpReaders: 1, backlog: 100KiB, testDuration: 100ms", &targettest.Log{Name: "fake"})
	if got.Values["scan_records_per_second"] <= 0 || got.Latency.Count != 100 {
		t.Errorf("%d records, %v", got.Records, got.Values)
	}
	// The backlog is there before anybody follows, and is no delivery.
	if got.EndToEnd.Count != got.Records {
		t.Errorf("%d deliveries", got.EndToEnd.Count)
	}
}

func TestLookUps(t *testing.T) {
	const text = "kind: restart, lookupReaders: 2, partitionsPerTopic: 3, backlog: 100099, messageSize: 100, testDuration: 100ms"
	got := must(t, text, &targettest.Log{Name: "fake"})
	for _, name := range []string{"lookup", "time_lookup"} {
		v := got.Values
		if v[name+"_p50_ns"] <= 0 || v[name+"_p99_ns"] < v[name+"_p50_ns"] || v[name+"s_per_second"] <= 0 || v[name+"_allocations"] <= 0 {
			t.Errorf("%s: got %v", name, v)
		}
	}
	if got.Values["open_clean_checked_bytes"] != 1000*104 {
		t.Errorf("opening checked %g bytes", got.Values["open_clean_checked_bytes"])
	}
	appendOnly := must(t, text, &targettest.Log{Name: "fake", AppendOnly: true})
	if _, found := appendOnly.Values["lookup_p50_ns"]; found {
		t.Errorf("what cannot be read was read: %v", appendOnly.Values)
	}
	none := must(t, strings.Replace(text, "lookupReaders: 2", "lookupReaders: 0", 1), &targettest.Log{Name: "fake"})
	if _, found := none.Values["lookup_p50_ns"]; found {
		t.Errorf("read although nobody asked for it: %v", none.Values)
	}
}

// TestWrongRecordsAreFound plants the bug that would make reading fast.
func TestWrongRecordsAreFound(t *testing.T) {
	on := &targettest.Log{Name: "fake", Faults: targettest.Faults{GetsOther: true}}
	_, err := run(t.Context(), t, "kind: restart, lookupReaders: 1, backlog: 100KiB, testDuration: 20ms", on)
	if err == nil || !strings.Contains(err.Error(), "is not what was written") {
		t.Errorf("got %v", err)
	}
}
