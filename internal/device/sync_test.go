package device

import (
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestMeasureSyncLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	times, err := MeasureSync(dir, 5)
	if err != nil {
		t.Fatal(err)
	}
	if times.Count != 5 || times.Median <= 0 || times.Worst < times.P90 || times.P90 < times.Median {
		t.Errorf("got %+v", times)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("left %v, %v", entries, err)
	}
	if _, err := MeasureSync(dir+"/missing", 1); err == nil {
		t.Error("a missing directory is no error")
	}
}

func TestSummarize(t *testing.T) {
	var times []time.Duration
	for i := 101; i > 0; i-- {
		times = append(times, time.Duration(i))
	}
	want := SyncTimes{Count: 101, Median: 51, P90: 91, P99: 100, Worst: 101}
	if diff := cmp.Diff(want, summarize(times)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := summarize(nil); got != (SyncTimes{}) {
		t.Errorf("got %+v of nothing", got)
	}
}
