package versus

import (
	"time"

	"github.com/millrace-io/millrace/bench/result"
	"github.com/millrace-io/millrace/bench/scenario"
	"github.com/millrace-io/millrace/bench/target"
)

// Figure is one number that a run gives, and how to judge it.
type Figure struct {
	Name   string
	Better string // "higher" or "lower"
	Unit   string
	// Of returns the number; ok is false when the run does not have it.
	Of func(*result.Run) (value float64, ok bool)
	// Limit computes the physical limit in the figure's unit; 0 when there is
	// none. LimitName says what it is.
	Limit     func(limits map[string]result.Limit, m result.Machine, recordBytes int) float64
	LimitName string
}

// Measure is a scenario that some contenders run, for some figures.
type Measure struct {
	Scenario scenario.Scenario
	// Kind is which contenders take part: log or broker.
	Kind string
	// Durabilities are tried in this order: the first one that a peer has is
	// its class, and ours beside it.
	Durabilities []target.Durability
	// Rounds is how often each peer runs.
	Rounds int
	// Patience is how long one run may take. A peer that takes longer is asked
	// for nothing else in the contest. 0 is no bound.
	Patience time.Duration
	Figures  []Figure
}

// Effort says how long a contest may take.
type Effort struct {
	// Rounds of throughput and latency measures; LongRounds of those that write
	// a whole backlog.
	Rounds, LongRounds int
	Warmup, Test       time.Duration
	Backlog            int64
	BrokerBacklog      int64
	// Patience is that of measures with servers, LongPatience that of logs.
	Patience, LongPatience time.Duration
}

// Quick is the effort of `millrace bench peers --quick`: all in ten minutes.
func Quick() Effort {
	return Effort{
		Rounds: 2, LongRounds: 1, Warmup: 300 * time.Millisecond, Test: 1200 * time.Millisecond,
		Backlog: 1 << 30, BrokerBacklog: 64 << 20, Patience: 25 * time.Second, LongPatience: 90 * time.Second,
	}
}

// Thorough is the effort without --quick.
func Thorough() Effort {
	return Effort{
		Rounds: 5, LongRounds: 3, Warmup: 2 * time.Second, Test: 6 * time.Second,
		Backlog: 1 << 30, BrokerBacklog: 512 << 20, Patience: 2 * time.Minute, LongPatience: 10 * time.Minute,
	}
}

// messageSize is the record of all measures.
const messageSize = 1024

// steadyRate is the planned load of latency measures, records a second.
const steadyRate = 10_000

// Measures returns what a contest of that effort measures.
func Measures(e Effort) []Measure {
	base := scenario.Scenario{
		Kind: scenario.Traffic, Topics: 1, PartitionsPerTopic: 1, MessageSize: messageSize, BatchSize: 1,
		InFlight: 4096, CatchUpPasses: 2, WarmupDuration: scenario.Duration(e.Warmup), TestDuration: scenario.Duration(e.Test),
	}
	return append(logMeasures(base, e), brokerMeasures(base, e)...)
}

// logMeasures are those of embedded logs.
func logMeasures(base scenario.Scenario, e Effort) []Measure {
	unsynced, synced := []target.Durability{target.None}, []target.Durability{target.Group}
	batched := named(base, "append, no sync, 64 records a call", "One appender.")
	batched.ProducersPerTopic, batched.BatchSize = 1, 64
	single := named(base, "append, no sync, one record a call", "One appender.")
	single.ProducersPerTopic = 1
	group := named(base, "group commit, 64 appenders", "Each waits for durability.")
	group.ProducersPerTopic = 64
	steady := named(base, "append at 10 k/s, durable", "64 appenders, planned: latency from the planned time.")
	steady.ProducersPerTopic, steady.ProducerRate = 64, steadyRate
	tail := named(base, "tail at 10 k/s", "One appender, one reader at the end: end to end from the planned time.")
	tail.ProducersPerTopic, tail.ProducerRate, tail.SubscriptionsPerTopic = 1, steadyRate, 1
	tail.Spin = scenario.Duration(100 * time.Microsecond) // nothing else wants the second processor
	backlog := named(base, "catch-up and open", "A log of 1 GiB.")
	backlog.Kind, backlog.Backlog, backlog.Crash = scenario.Restart, scenario.Size(e.Backlog), true
	return []Measure{
		{batched, "log", unsynced, e.Rounds, e.LongPatience, []Figure{throughput("append throughput, 64 a call", "pwrite 64 KiB", perRecord("pwrite-64KiB"))}},
		{single, "log", unsynced, e.Rounds, e.LongPatience, []Figure{throughput("append throughput, 1 a call", "pwrite 1 KiB", perRecord("pwrite-1KiB"))}},
		{group, "log", synced, e.Rounds, e.LongPatience, []Figure{throughput("group commit throughput, 64 waiting", "64 KiB write + sync", perRecord("sync-write-64KiB"))}},
		{steady, "log", synced, e.Rounds, e.LongPatience, latencies("append at 10 k/s")},
		{tail, "log", unsynced, e.Rounds, e.LongPatience, []Figure{endToEnd("tail at 10 k/s, end to end", 0.5), endToEnd("tail at 10 k/s, end to end", 0.99)}},
		{backlog, "log", unsynced, e.LongRounds, e.LongPatience, []Figure{
			value("catch-up read", "higher", "1/s", "scan_records_per_second", "CRC32C over a map", perRecord("crc32c-scan")),
			value("open after 1 GiB, closed", "lower", "ns", "open_clean_first_append_ns", "", nil),
			value("open after 1 GiB, crashed", "lower", "ns", "open_crash_first_append_ns", "", nil),
		}},
	}
}

// brokerMeasures are those of servers.
func brokerMeasures(base scenario.Scenario, e Effort) []Measure {
	unsynced, synced := []target.Durability{target.None, target.Interval}, []target.Durability{target.Group}
	produce := named(base, "produce", "One asynchronous producer, as fast as it is acknowledged.")
	produce.Asynchronous, produce.ProducersPerTopic = true, 1
	endToEndAt := named(base, "end to end at 10 k/s", "One producer, one consumer, planned: end to end from the planned time.")
	endToEndAt.Asynchronous, endToEndAt.ProducersPerTopic, endToEndAt.SubscriptionsPerTopic, endToEndAt.ProducerRate = true, 1, 1, steadyRate
	produceSynced := named(produce, "produce, durable", produce.Description)
	endToEndSynced := named(endToEndAt, "end to end at 10 k/s, durable", endToEndAt.Description)
	catchUp := named(base, "consume a backlog", "A consumer reads everything there is.")
	catchUp.Backlog, catchUp.CatchUpReaders, catchUp.CatchUpPasses = scenario.Size(e.BrokerBacklog), 1, 1
	cpu := value("server CPU per record produced", "lower", "ns", "server_cpu_ns_per_record", "", nil)
	return []Measure{
		{produce, "broker", unsynced, e.Rounds, e.Patience, []Figure{throughput("broker produce", "loopback stream", perRecord("loopback-stream")), cpu}},
		{produceSynced, "broker", synced, e.Rounds, e.Patience, []Figure{throughput("broker produce, durable", "1 MiB write + sync", perRecord("sync-write-1MiB"))}},
		{endToEndAt, "broker", unsynced, e.Rounds, e.Patience, brokerLatencies("broker at 10 k/s, end to end")},
		{endToEndSynced, "broker", synced, e.Rounds, e.Patience, brokerLatencies("broker at 10 k/s, durable, end to end")},
		{catchUp, "broker", unsynced, e.LongRounds, e.Patience, []Figure{
			value("broker catch-up read", "higher", "1/s", "scan_records_per_second", "loopback stream", perRecord("loopback-stream")),
		}},
	}
}

func named(s scenario.Scenario, name, description string) scenario.Scenario {
	s.Name, s.Description = name, description
	return s
}

// throughput is records a second.
func throughput(name, limitName string, limit func(map[string]result.Limit, result.Machine, int) float64) Figure {
	return Figure{
		Name: name, Better: "higher", Unit: "1/s", LimitName: limitName, Limit: limit,
		Of: func(r *result.Run) (float64, bool) { return r.RecordRate(), r.Records > 0 },
	}
}

// value is one of the named values of a run.
func value(name, better, unit, key, limitName string, limit func(map[string]result.Limit, result.Machine, int) float64) Figure {
	return Figure{
		Name: name, Better: better, Unit: unit, LimitName: limitName, Limit: limit,
		Of: func(r *result.Run) (float64, bool) { v, ok := r.Values[key]; return v, ok && v > 0 },
	}
}

// latencies are the figures of appends at a planned rate.
func latencies(name string) []Figure {
	of := func(pick func(*result.Latency) int64) func(*result.Run) (float64, bool) {
		return func(r *result.Run) (float64, bool) { return keptUp(r, r.Latency, pick) }
	}
	return []Figure{
		{Name: name + ", p50", Better: "lower", Unit: "ns", Of: of(p50), LimitName: "fdatasync p50", Limit: syncP50},
		{Name: name + ", p99", Better: "lower", Unit: "ns", Of: of(p99), LimitName: "fdatasync p99", Limit: syncP99},
		{Name: name + ", p99.9", Better: "lower", Unit: "ns", Of: of(p999)},
	}
}

// endToEnd is a quantile from the planned time of sending to delivery.
func endToEnd(name string, quantile float64) Figure {
	pick, label := p50, ", p50"
	switch quantile {
	case 0.99:
		pick, label = p99, ", p99"
	case 0.999:
		pick, label = p999, ", p99.9"
	}
	return Figure{
		Name: name + label, Better: "lower", Unit: "ns",
		Of: func(r *result.Run) (float64, bool) { return keptUp(r, r.EndToEnd, pick) },
	}
}

// brokerLatencies are end to end figures with the loopback beside them.
func brokerLatencies(name string) []Figure {
	var figures []Figure
	for _, quantile := range []float64{0.5, 0.99, 0.999} {
		figures = append(figures, endToEnd(name, quantile))
	}
	figures[0].LimitName, figures[0].Limit = "loopback round trip", func(limits map[string]result.Limit, _ result.Machine, _ int) float64 {
		return limits["loopback-round-trip"].Value
	}
	return figures
}

// TooSlow is the value of a latency of a target that did not keep up.
const TooSlow = -1

// keptUp returns a quantile of l, or TooSlow.
func keptUp(r *result.Run, l *result.Latency, pick func(*result.Latency) int64) (float64, bool) {
	switch {
	case l == nil || l.Count == 0:
		return 0, false
	case !r.KeptUp():
		return TooSlow, true
	}
	return float64(pick(l)), true
}

func p50(l *result.Latency) int64  { return l.P50 }
func p99(l *result.Latency) int64  { return l.P99 }
func p999(l *result.Latency) int64 { return l.P999 }

func syncP50(_ map[string]result.Limit, m result.Machine, _ int) float64 { return float64(m.SyncP50) }

func syncP99(_ map[string]result.Limit, m result.Machine, _ int) float64 { return float64(m.SyncP99) }

// perRecord turns a bandwidth into records a second.
func perRecord(name string) func(map[string]result.Limit, result.Machine, int) float64 {
	return func(limits map[string]result.Limit, _ result.Machine, recordBytes int) float64 {
		return limits[name].Value / float64(recordBytes)
	}
}
