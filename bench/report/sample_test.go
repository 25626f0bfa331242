package report

import (
	"math"
	"slices"
	"time"

	"github.com/millrace-io/millrace/bench/result"
)

// sample is a document with everything that a report can show: scenarios in
// open and closed loops with two rounds each, all distributions, a search for
// the capacity, rows of two measures that go either way, and what did not run.
// It is the same at every call.
func sample() *result.Document {
	d := &result.Document{
		Version: result.Version, Title: "bench peers --quick", Started: time.Date(2026, 5, 4, 10, 30, 0, 0, time.UTC),
		Machine: sampleMachine(),
		Limits: []result.Limit{
			{Name: "memcpy", Value: 9.1e9, Unit: "B/s"},
			{Name: "pwrite-1KiB", Value: 1.2e9, Unit: "B/s"},
			{Name: "fdatasync-4KiB", Value: 181_000, Unit: "ns", P99: 1.2e6},
			{Name: "loopback-round-trip", Value: 28_000, Unit: "ns", P99: 61_000},
		},
		Rows: slices.Concat(sampleThroughput(), sampleLatency(), sampleOwn()),
		Skipped: []result.Skip{
			{What: "kafka", Reason: "no Java runtime was found"},
			{What: "wal-full/strict", Reason: "needs a device that may be filled"},
		},
	}
	for round := 1; round <= 2; round++ {
		d.Runs = append(d.Runs,
			sampleRun("wal-append-steady/group", "wal", round, 10_000),
			sampleRun("wal-append-steady/group", "tidwall/wal", round, 10_000),
			sampleRun("wal-append/none", "wal", round, 0),
		)
	}
	for step, planned := range []float64{1000, 2000, 4000, 8000} {
		run := sampleRun("native-endtoend", "native", 1, planned)
		run.EndToEnd = sampleLatencyOf(300_000*float64(step+1), 4000)
		d.Runs = append(d.Runs, run)
	}
	return d
}

func sampleMachine() result.Machine {
	return result.Machine{
		CPU: "Example 9000", Cores: 2, Memory: 8 << 30, Kernel: "6.8.0", Governor: "performance",
		FileSystem: "ext4", Mount: "rw,relatime", Device: "nvme0n1", FreeBytes: 50 << 30,
		Dirty: map[string]string{"vm.dirty_ratio": "20", "vm.dirty_background_ratio": "10"},
		Go:    "go1.26.0", GOGC: "100", GOMEMLIMIT: "off", GOMAXPROCS: 2, Commit: "0123456789ab", Modified: true,
		SyncP50: 181_000, SyncP99: 1_200_000, Load1: 0.12,
	}
}

// sampleRun is a run of five seconds; without a planned rate its loop is
// closed.
func sampleRun(scenario, target string, round int, planned float64) result.Run {
	loop, rate := "open", planned
	if planned == 0 {
		loop, rate = "closed", 158_000
	}
	const seconds = 5
	slower := 1.0
	if target != "wal" {
		slower = 2.5
	}
	records := int64(rate * seconds)
	return result.Run{
		Scenario: scenario, Target: target, TargetVersion: "v1.2.3", Durability: "group", Loop: loop, Round: round,
		RecordBytes: 1024, Batch: 1, Shards: 1, Writers: 64, PlannedRate: planned,
		Started:  time.Date(2026, 5, 4, 10, 30, round, 0, time.UTC),
		Duration: int64(seconds * time.Second), Operations: records, Records: records, Bytes: records * 1024,
		Errors: int64(round - 1), FirstError: []string{"", "no space left on device"}[round-1],
		Latency: sampleLatencyOf(slower*(180_000+5000*float64(round)+planned), records),
		Hiccup:  sampleLatencyOf(20_000, 5000),
		Jitter:  sampleLatencyOf(9_000, records),
		Values:  map[string]float64{"server_cpu_ns_per_record": 2150, "records_not_delivered": 0},
		Notes:   "one file for each shard",
	}
}

// sampleLatencyOf is a distribution with a median of typical nanoseconds and a
// tail that grows with each nine.
func sampleLatencyOf(typical float64, count int64) *result.Latency {
	at := func(quantile float64) int64 {
		return int64(typical * (0.5 - 1.6*math.Log10(max(1-quantile, 0.1/float64(count)))))
	}
	l := &result.Latency{
		Count: count, Mean: 1.1 * typical, Min: at(0),
		P50: at(0.5), P90: at(0.9), P99: at(0.99), P999: at(0.999), P9999: at(0.9999), Max: at(1),
	}
	for i := 0; math.Pow(10, -float64(i)/8)*float64(count) >= 1; i++ {
		quantile := 1 - math.Pow(10, -float64(i)/8)
		l.Curve = append(l.Curve, result.Point{Quantile: quantile, Value: at(quantile)})
	}
	l.Curve = append(l.Curve, result.Point{Quantile: 1, Value: l.Max})
	for second := range 5 {
		wave := 1 + 0.2*float64(second%3)
		scaled := func(value int64) int64 { return int64(wave * float64(value)) }
		s := result.Second{
			At: second + 1, Count: count / 5, P50: scaled(l.P50), P99: scaled(l.P99), P999: scaled(l.P999), Max: scaled(l.Max),
		}
		bucket := math.Ceil(2 * math.Log2(float64(s.P50)))
		for i, share := range []float64{0.6, 0.3, 0.09, 0.01} {
			s.Heat = append(s.Heat, result.Point{Quantile: share, Value: int64(math.Round(math.Pow(2, (bucket+float64(i))/2)))})
		}
		l.Seconds = append(l.Seconds, s)
	}
	return l
}

// sampleThroughput is a measure that we win, one that is even and one that we
// lose, by far.
func sampleThroughput() []result.Row {
	row := result.Row{
		Measure: "append throughput, 1 a call", Better: "higher", Unit: "1/s", Durability: "none",
		Ours: 510_000, Limit: 1_180_000, LimitName: "pwrite 1 KiB",
	}
	return []result.Row{
		withPeer(row, "tidwall/wal", 158_000, 3.1, 3.2, 3.4),
		withPeer(row, "hashicorp/raft-wal", 500_000, 0.98, 1.02, 1.05),
		withPeer(row, "prometheus/tsdb wal", 1_020_000, 0.45, 0.5, 0.52),
	}
}

// sampleLatency is a measure in which less is better; one peer was too slow.
func sampleLatency() []result.Row {
	row := result.Row{
		Measure: "append at 10 k/s, p99", Better: "lower", Unit: "ns", Durability: "group",
		Ours: 1.31e6, Limit: 1.2e6, LimitName: "fdatasync p99",
	}
	slow := row
	slow.Peer, slow.Notes = "hashicorp/raft-wal", "did not keep up with the planned rate"
	return []result.Row{
		withPeer(row, "tidwall/wal", 48e6, 30, 36.6, 40),
		slow,
		withPeer(row, "prometheus/tsdb wal", 1.2e6, 0.85, 0.92, 0.97),
	}
}

// sampleOwn is a variant of ours beside another one, and one that stands alone.
func sampleOwn() []result.Row {
	variants := result.Row{Measure: "16 logs at once", Better: "higher", Unit: "1/s", Durability: "group", Own: true, Ours: 60_000}
	alone := result.Row{
		Measure: "memory of an idle shard", Better: "lower", Unit: "B", Durability: "group", Own: true, Ours: 40 << 10,
	}
	return []result.Row{withPeer(variants, "1 log", 120_000, 0.4, 0.5, 0.6), alone}
}

// withPeer fills in the side of a peer; the ratios are three, sorted.
func withPeer(row result.Row, peer string, theirs, low, middle, high float64) result.Row {
	row.Peer, row.Theirs, row.Ratios = peer, theirs, []float64{low, middle, high}
	row.Low, row.Median, row.High = low, middle, high
	return row
}
