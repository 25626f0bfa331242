package runner_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/millrace-io/millrace/bench/result"
	"github.com/millrace-io/millrace/bench/runner"
	"github.com/millrace-io/millrace/bench/target/targettest"
)

func TestHistograms(t *testing.T) {
	prefix := filepath.Join(t.TempDir(), "run")
	on := &targettest.Log{Name: "fake"}
	got, err := runner.Run(t.Context(), runner.Job{
		Scenario: parse(t, "producersPerTopic: 1, subscriptionsPerTopic: 1, producerRate: 1000, testDuration: 100ms"),
		Dir:      t.TempDir(), Histograms: prefix,
	}, on)
	if err != nil {
		t.Fatal(err)
	}
	for name, latency := range map[string]*result.Latency{prefix: got.Latency, prefix + ".end-to-end": got.EndToEnd} {
		if count := countLog(t, name+".hlog"); count != latency.Count {
			t.Errorf("%s.hlog has %d values of %d", name, count, latency.Count)
		}
		distribution, err := os.ReadFile(name + ".hgrm")
		if err != nil || !strings.Contains(string(distribution), fmt.Sprintf("Total count    = %12d", latency.Count)) {
			t.Errorf("%v:\n%s", err, distribution)
		}
	}
	if _, err := runner.Run(t.Context(), runner.Job{
		Scenario: parse(t, "producersPerTopic: 1, testDuration: 10ms"), Dir: t.TempDir(), Histograms: "/does/not/exist",
	}, on); err == nil || !strings.Contains(err.Error(), "/does/not/exist") {
		t.Errorf("got %v", err)
	}
}

// countLog returns how many values a log of histograms has.
func countLog(t *testing.T, path string) int64 {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	reader := hdrhistogram.NewHistogramLogReader(file)
	var count int64
	for {
		h, err := reader.NextIntervalHistogram()
		if err != nil {
			t.Fatal(err)
		}
		if h == nil {
			return count
		}
		count += h.TotalCount()
	}
}
