package result_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace-io/millrace/bench/result"
)

var update = flag.Bool("update", false, "rewrite testdata/document.json")

var golden = filepath.Join("testdata", "document.json")

// document has every member set, each of a kind to a value of its own, so that
// members that change places are noticed. The figures mean nothing.
func document() *result.Document {
	started := time.Date(2026, 3, 4, 5, 6, 7, 89_000_000, time.UTC)
	return &result.Document{
		Version: result.Version, Title: "bench peers --quick", Started: started,
		Machine: result.Machine{
			CPU: "CPU 3000", Cores: 8, Memory: 16 << 30, Kernel: "Linux 6.12.1", Governor: "performance",
			FileSystem: "ext4", Mount: "rw,noatime", Device: "/dev/nvme0n1p2", FreeBytes: 100 << 30,
			Dirty: map[string]string{"dirty_ratio": "20", "dirty_background_ratio": "10"},
			Go:    "go1.26.8", GOGC: "100", GOMEMLIMIT: "off", GOMAXPROCS: 7, Commit: "0123456789ab", Modified: true,
			SyncP50: 51_000, SyncP99: 99_000, Load1: 0.25,
		},
		Limits: []result.Limit{{Name: "loopback-round-trip", Value: 20_500, Unit: "ns", P99: 45_250.5}},
		Runs: []result.Run{{
			Scenario: "end to end at 10 k/s", Target: "engine", TargetVersion: "v0.1.0", Durability: "group", Loop: "open",
			Round: 2, RecordBytes: 1024, Batch: 4, Shards: 3, Writers: 64, PlannedRate: 2500,
			Started: started.Add(time.Second), Duration: int64(1200 * time.Millisecond),
			Operations: 2999, Records: 11_996, Bytes: 12_283_904, Errors: 1, FirstError: "no space left on device",
			Latency: distribution(1), EndToEnd: distribution(2), Hiccup: distribution(3), Jitter: distribution(4),
			Values: map[string]float64{"server_cpu_ns_per_record": 812.5, "records_not_delivered": 4},
			Notes:  "records are in the page cache",
		}},
		Rows: []result.Row{{
			Measure: "append at 10 k/s, p50", Better: "lower", Unit: "ns", Peer: "other-log", Own: true, Durability: "none",
			Ours: 150_000, Theirs: 300_000, Ratios: []float64{1.5, 2, 4}, Median: 2, Low: 1.5, High: 4,
			Limit: 51_000, LimitName: "fdatasync p50", Notes: "5 of their operations failed",
		}},
		Skipped: []result.Skip{{What: "some-broker: produce", Reason: "it is not installed"}},
	}
}

// distribution has values that depend on n.
func distribution(n int64) *result.Latency {
	return &result.Latency{
		Count: 2990 + n, Mean: 1000.5 * float64(n), Min: 10 * n, P50: 500 * n, P90: 900 * n, P99: 990 * n,
		P999: 999 * n, P9999: 9999 * n, Max: int64(time.Minute) + n, OutOfRange: n,
		Curve: []result.Point{{Quantile: 0.5, Value: 501 * n}, {Quantile: 1, Value: 10_000 * n}},
		Seconds: []result.Second{{
			At: 1, Count: 2000 + n, P50: 502 * n, P99: 992 * n, P999: 994 * n, Max: 1002 * n,
			Heat: []result.Point{{Quantile: 0.75, Value: 512 * n}, {Quantile: 0.25, Value: 724 * n}},
		}},
	}
}

// unset returns the paths of all that is zero or empty in v.
func unset(path string, v reflect.Value) []string {
	if v.IsZero() {
		return []string{path}
	}
	var paths []string
	switch v.Kind() {
	case reflect.Pointer:
		return unset(path, v.Elem())
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return nil
		}
		for i := range v.NumField() {
			paths = append(paths, unset(path+"."+v.Type().Field(i).Name, v.Field(i))...)
		}
	case reflect.Slice:
		for i := range v.Len() {
			paths = append(paths, unset(fmt.Sprintf("%s[%d]", path, i), v.Index(i))...)
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			paths = append(paths, unset(fmt.Sprintf("%s[%v]", path, key), v.MapIndex(key))...)
		}
	default:
		return nil
	}
	if v.Kind() != reflect.Struct && v.Len() == 0 {
		paths = append(paths, path)
	}
	return paths
}

func TestUnset(t *testing.T) {
	for want, plant := range map[string]func(*result.Document){
		".Title":                           func(d *result.Document) { d.Title = "" },
		".Started":                         func(d *result.Document) { d.Started = time.Time{} },
		".Machine.Modified":                func(d *result.Document) { d.Machine.Modified = false },
		".Machine.Dirty":                   func(d *result.Document) { d.Machine.Dirty = map[string]string{} },
		".Runs[0].Values[a]":               func(d *result.Document) { d.Runs[0].Values["a"] = 0 },
		".Runs[0].Jitter":                  func(d *result.Document) { d.Runs[0].Jitter = nil },
		".Runs[0].EndToEnd.Curve":          func(d *result.Document) { d.Runs[0].EndToEnd.Curve = []result.Point{} },
		".Runs[0].Latency.Seconds[0].P999": func(d *result.Document) { d.Runs[0].Latency.Seconds[0].P999 = 0 },
		".Rows[0].Ratios[1]":               func(d *result.Document) { d.Rows[0].Ratios[1] = 0 },
		".Skipped":                         func(d *result.Document) { d.Skipped = nil },
	} {
		d := document()
		plant(d)
		if got := unset("", reflect.ValueOf(*d)); !slices.Equal(got, []string{want}) {
			t.Errorf("got %v, want %s", got, want)
		}
	}
}

// TestGolden checks that documents look as they always did. Whoever changes the
// golden file on purpose sees docs/format/bench-result.md for what that means for the
// version.
func TestGolden(t *testing.T) {
	d := document()
	if missing := unset("", reflect.ValueOf(*d)); missing != nil {
		t.Fatalf("the golden document must have all members set: add %v to document()", missing)
	}
	var written bytes.Buffer
	if err := d.Write(&written); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(golden, written.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), written.String()); diff != "" {
		t.Errorf("documents are written differently (-golden +now); if that is meant, run the test with -update:\n%s", diff)
	}
	got, err := result.Read(bytes.NewReader(want))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(d, got); diff != "" {
		t.Errorf("read from the golden file (-want +got):\n%s", diff)
	}
}
