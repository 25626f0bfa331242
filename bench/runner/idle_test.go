package runner_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace-io/millrace/bench/target/targettest"
)

func TestIdle(t *testing.T) {
	got := must(t, "kind: idle, partitionsPerTopic: 7, producersPerTopic: 3, testDuration: 10ms", &targettest.Log{Name: "fake"})
	if got.Values["open_clean_ns"] <= 0 || time.Duration(got.Duration) != 10*time.Millisecond || got.Latency != nil {
		t.Errorf("took %s, %v", time.Duration(got.Duration), got.Values)
	}
	// The fake says that it has a server of 1 MiB, which takes a microsecond
	// for each record, and there is none.
	for _, name := range []string{"resident_per_shard_bytes", "resident_per_used_shard_bytes"} {
		if per := got.Values[name]; per != float64(1<<20)/7 {
			t.Errorf("%s is %g", name, per)
		}
	}
	for _, name := range []string{"idle_cpu_ns", "idle_cpu_used_ns", "idle_cpu_alone_ns"} {
		if cpu, found := got.Values[name]; cpu != 0 || !found {
			t.Errorf("%s is %g", name, cpu)
		}
	}
	own := must(t, "kind: idle, partitionsPerTopic: 7, testDuration: 10ms", &targettest.Log{Name: "fake", AppendOnly: true})
	if _, known := own.Values["resident_per_shard_bytes"]; known && own.Values["idle_cpu_alone_ns"] <= 0 {
		t.Errorf("this process takes nothing: %v", own.Values)
	}
}

// TestIdleRestsAsLongAsItIsTold and no longer, in virtual time.
func TestIdleRestsAsLongAsItIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		must(t, "kind: idle, testDuration: 5s", &targettest.Log{Name: "fake", AppendOnly: true})
		if took := time.Since(start); took != 17*time.Second {
			t.Errorf("rested for %s, alone and twice with the shard", took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := run(ctx, t, "kind: idle, testDuration: 1h", &targettest.Log{Name: "fake"}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

func TestIdleFailures(t *testing.T) {
	for name, c := range map[string]struct {
		faults targettest.Faults
		want   string
	}{
		"cannot append": {targettest.Faults{FailEvery: 1}, "planted"},
		"not reopened":  {targettest.Faults{NotReopened: true}, "opened again"},
		"cannot close":  {targettest.Faults{CloseFails: true}, "planted"},
	} {
		on := &targettest.Log{Name: "fake", Faults: c.faults}
		if _, err := run(t.Context(), t, "kind: idle, partitionsPerTopic: 2, testDuration: 10ms", on); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}
