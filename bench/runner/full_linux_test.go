package runner_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/millrace-io/millrace/bench/target"
	"github.com/millrace-io/millrace/bench/target/targettest"
)

func TestFull(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting a tmpfs needs root")
	}
	const text = "kind: full, producersPerTopic: 4, partitionsPerTopic: 2, room: 1MiB, testDuration: 1m"
	got := must(t, text, &targettest.Log{Name: "fake"})
	// 1 MiB has room for somewhat less than 1,024 records of 1 KiB.
	if got.Records < 900 || got.Records > 1024 || got.Operations != got.Records || got.Bytes != got.Records<<10 {
		t.Errorf("%d records, %d operations, %d bytes", got.Records, got.Operations, got.Bytes)
	}
	if got.Errors != 400 || !strings.Contains(got.FirstError, "no space left") {
		t.Errorf("%d refusals, first %q", got.Errors, got.FirstError)
	}
	if got.Values["records_read_back"] != float64(got.Records) || got.Values["refusal_p50_ns"] <= 0 || got.Latency.Count != got.Records {
		t.Errorf("%v, latency %+v", got.Values, got.Latency)
	}
	for name, c := range map[string]struct {
		text   string
		faults targettest.Faults
		want   string
	}{
		"not filled": {"kind: full, producersPerTopic: 1, room: 1GiB, testDuration: 1ms", targettest.Faults{}, "were not filled"},
		"lost":       {text, targettest.Faults{LoseEvery: 100}, "can be read"},
		"unreadable": {text, targettest.Faults{ScanFails: true}, "planted"},
	} {
		on := &targettest.Log{Name: "fake", Faults: c.faults}
		if _, err := run(t.Context(), t, c.text, on); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
	_, err := run(t.Context(), t, text, &targettest.Log{Name: "fake", AppendOnly: true})
	var unavailable *target.UnavailableError
	if !errors.As(err, &unavailable) {
		t.Errorf("got %v", err)
	}
}
