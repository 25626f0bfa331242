package metric_test

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/server/metric"
	"github.com/millrace-io/millrace/server/native"
	"github.com/millrace-io/millrace/shard"
	"github.com/millrace-io/millrace/stream"
	"github.com/millrace-io/millrace/wal"
)

func source() metric.Source {
	stats := func(id record.ShardID, records uint64) stream.ShardStats {
		return stream.ShardStats{ID: id, Shard: shard.Stats{Log: wal.Stats{Records: records}}}
	}
	return metric.Source{
		Store: func() (stream.Stats, bool) {
			return stream.Stats{Streams: []stream.StreamStats{{Name: "a", Shards: []stream.ShardStats{stats(0, 1), stats(1, 2)}}}}, true
		},
		Native: func() (native.Stats, bool) { return native.Stats{Appends: 7}, true },
		HTTP: func() *metric.Requests {
			r := metric.NewRequests("PutRecord", "GetRecords")
			r.Count(metric.Request{Operation: "PutRecord", Status: 200, Took: time.Second, RequestBytes: 100, AnswerBytes: 10})
			r.Count(metric.Request{Operation: "PutRecord", Status: 400, Took: time.Second, RequestBytes: 50, AnswerBytes: 5})
			r.Count(metric.Request{Operation: "Made up by a client", Status: 999})
			return r
		},
	}
}

// gather returns the metrics of a collector by name.
func gather(t *testing.T, c *metric.Collector) map[string]*dto.MetricFamily {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(c)
	gathered, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	families := make(map[string]*dto.MetricFamily)
	for _, family := range gathered {
		families[family.GetName()] = family
	}
	return families
}

func TestShardsAreSummedPerStream(t *testing.T) {
	families := gather(t, metric.NewCollector(source(), false))
	records := families["millrace_stream_incoming_records_total"].GetMetric()
	if len(records) != 1 || records[0].GetCounter().GetValue() != 3 || records[0].GetLabel()[0].GetValue() != "a" {
		t.Errorf("records: %v", records)
	}
	appends := families["millrace_native_appends_total"].GetMetric()
	if len(appends) != 1 || appends[0].GetCounter().GetValue() != 7 {
		t.Errorf("appends: %v", appends)
	}
}

// Requests are told apart by operation and class of code; what nobody asked for has no series, and
// names that a client makes up share one.
func TestRequestsAreToldApart(t *testing.T) {
	got := make(map[string]float64)
	families := gather(t, metric.NewCollector(source(), false))
	for _, name := range []string{"millrace_http_requests_total", "millrace_http_incoming_bytes_total", "millrace_http_outgoing_bytes_total", "millrace_http_request_seconds"} {
		for _, m := range families[name].GetMetric() {
			key := strings.TrimPrefix(name, "millrace_http_")
			for _, label := range m.GetLabel() {
				key += " " + label.GetValue()
			}
			got[key] = m.GetCounter().GetValue() + m.GetHistogram().GetSampleSum()
		}
	}
	want := map[string]float64{
		"requests_total 2xx PutRecord": 1, "requests_total 4xx PutRecord": 1, "requests_total 5xx PutRecord": 0,
		"requests_total 2xx other": 0, "requests_total 4xx other": 0, "requests_total 5xx other": 1,
		"incoming_bytes_total PutRecord": 150, "outgoing_bytes_total PutRecord": 15, "request_seconds PutRecord": 2,
		"incoming_bytes_total other": 0, "outgoing_bytes_total other": 0, "request_seconds other": 0,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestCountingAllocatesNothing(t *testing.T) {
	r := metric.NewRequests("PutRecord")
	request := metric.Request{Operation: "PutRecord", Status: 200, Took: time.Millisecond, RequestBytes: 1, AnswerBytes: 1}
	if n := testing.AllocsPerRun(100, func() { r.Count(request) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Every metric that is listed is collected under its kind, and the other way
// round; the names follow the rules.
func TestListedMetricsAreThoseCollected(t *testing.T) {
	collected := make(map[string]metric.Kind)
	for _, family := range gather(t, metric.NewCollector(source(), true)) {
		collected[family.GetName()] = metric.Kind(strings.ToLower(family.GetType().String()))
	}
	pattern := regexp.MustCompile(`^millrace_(store|stream|wal|native|http)_[a-z_]+$`)
	for _, m := range metric.Metrics() {
		if collected[m.Name] != m.Kind {
			t.Errorf("%s is listed as %s and collected as %q", m.Name, m.Kind, collected[m.Name])
		}
		if (m.Kind == metric.Counter) != strings.HasSuffix(m.Name, "_total") || !pattern.MatchString(m.Name) || !strings.HasSuffix(m.Help, ".") {
			t.Errorf("%s breaks the rules of names", m.Name)
		}
		delete(collected, m.Name)
	}
	if len(collected) != 0 {
		t.Errorf("collected and not listed: %v", collected)
	}
}

func TestNothingToReadYet(t *testing.T) {
	none := metric.Source{
		Store:  func() (stream.Stats, bool) { return stream.Stats{}, false },
		Native: func() (native.Stats, bool) { return native.Stats{}, false },
		HTTP:   func() *metric.Requests { return nil },
	}
	for _, source := range []metric.Source{{}, none} {
		if n := len(gather(t, metric.NewCollector(source, false))); n != 0 {
			t.Errorf("%d metrics from nothing", n)
		}
	}
}

// The reference page lists exactly the metrics that there are.
func TestReferencePage(t *testing.T) {
	const path = "../../docs/reference/metrics.md"
	var table strings.Builder
	table.WriteString("| metric | kind | meaning |\n|---|---|---|\n")
	sorted := slices.SortedFunc(slices.Values(metric.Metrics()), func(a, b metric.Metric) int { return strings.Compare(a.Name, b.Name) })
	for _, m := range sorted {
		fmt.Fprintf(&table, "| `%s` | %s | %s |\n", m.Name, m.Kind, m.Help)
	}
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(page), table.String()) {
		t.Errorf("%s should have this table:\n%s", path, table.String())
	}
}
