package versus

import (
	"time"

	"github.com/millrace-io/millrace/bench/scenario"
	"github.com/millrace-io/millrace/bench/target"
)

// Measure is a scenario that some contenders run, for some figures. Without
// Variants it is run by us and the peers; Alone, by us.
type Measure struct {
	Scenario scenario.Scenario
	// Kind is which contenders take part: log or broker; engine, of which there is
	// only ours; and kinesis, brokers beside our server by the API of that name.
	Kind string
	// Peers are the names of those who take part; all of the kind if it is empty.
	Peers []string
	// Variants are other scenarios of our own, which stand where peers would.
	Variants []Variant
	Alone    bool
	// Durabilities are tried in this order: the first one that a peer has is
	// its class, and ours beside it.
	Durabilities []target.Durability
	// Ours is what our own acknowledgements promise, where that is more than those
	// of the peers. Empty: the same.
	Ours target.Durability
	// Rounds is how often each peer runs.
	Rounds int
	// Patience is how long one run may take. A peer that takes longer is asked
	// for nothing else in the contest. 0 is no bound.
	Patience time.Duration
	Figures  []Figure
}

// Variant is a scenario of our own to be compared with.
type Variant struct {
	// Name stands in the table.
	Name     string
	Scenario scenario.Scenario
}

// own says that no peer takes part.
func (m *Measure) own() bool { return m.Alone || len(m.Variants) > 0 }

// Effort says how long a contest may take.
type Effort struct {
	// Rounds of throughput and latency measures; LongRounds of those that write
	// a whole backlog.
	Rounds, LongRounds int
	Warmup, Test       time.Duration
	Backlog            int64
	// SmallBacklog is that of small records, of which there are many.
	SmallBacklog  int64
	BrokerBacklog int64
	// Idle is how long nothing is done, to see what that costs.
	Idle time.Duration
	// Patience is that of measures with servers, LongPatience that of logs.
	Patience, LongPatience time.Duration
}

// Quick is the effort of --quick for the peers' set: all in ten minutes.
func Quick() Effort {
	return Effort{
		Rounds: 2, LongRounds: 1, Warmup: 150 * time.Millisecond, Test: 800 * time.Millisecond,
		Backlog: 1 << 30, BrokerBacklog: 64 << 20, Patience: 15 * time.Second, LongPatience: 90 * time.Second,
	}
}

// Thorough is the effort without --quick.
func Thorough() Effort {
	return Effort{
		Rounds: 5, LongRounds: 3, Warmup: 2 * time.Second, Test: 6 * time.Second,
		Backlog: 1 << 30, BrokerBacklog: 512 << 20, Patience: 2 * time.Minute, LongPatience: 10 * time.Minute,
	}
}

// log is a measure of embedded logs.
func (e Effort) log(s scenario.Scenario, durabilities []target.Durability, figures ...Figure) Measure {
	return Measure{Scenario: s, Kind: "log", Durabilities: durabilities, Rounds: e.Rounds, Patience: e.LongPatience, Figures: figures}
}

// broker is a measure of servers.
func (e Effort) broker(s scenario.Scenario, durabilities []target.Durability, figures ...Figure) Measure {
	return Measure{Scenario: s, Kind: "broker", Durabilities: durabilities, Rounds: e.Rounds, Patience: e.Patience, Figures: figures}
}

// long is a measure that is repeated less often, because it writes a whole
// backlog.
func (e Effort) long(m Measure) Measure {
	m.Rounds = e.LongRounds
	return m
}

// messageSize is the record of all measures.
const messageSize = 1024

// steadyRate is the planned load of latency measures, records a second.
const steadyRate = 10_000

// Measures returns what a contest of that effort measures.
func Measures(e Effort) []Measure {
	return append(logMeasures(baseOf(e), e), brokerMeasures(baseOf(e), e)...)
}

// baseOf is what scenarios of an effort have in common.
func baseOf(e Effort) scenario.Scenario {
	return scenario.Scenario{
		Kind: scenario.Traffic, Topics: 1, PartitionsPerTopic: 1, MessageSize: messageSize, BatchSize: 1,
		InFlight: 4096, CatchUpPasses: 2, WarmupDuration: scenario.Duration(e.Warmup), TestDuration: scenario.Duration(e.Test),
	}
}

// logMeasures are those of embedded logs.
func logMeasures(base scenario.Scenario, e Effort) []Measure {
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
		e.log(batched, unsynced, throughput("append throughput, 64 a call", "pwrite 64 KiB", perRecord("pwrite-64KiB"))),
		e.log(single, unsynced, throughput("append throughput, 1 a call", "pwrite 1 KiB", perRecord("pwrite-1KiB"))),
		e.log(group, synced, throughput("group commit throughput, 64 waiting", "64 KiB write + sync", perRecord("sync-write-64KiB"))),
		e.log(steady, synced, latencies("append at 10 k/s")...),
		e.log(tail, unsynced, endToEnd("tail at 10 k/s, end to end", 0.5), endToEnd("tail at 10 k/s, end to end", 0.99)),
		e.long(e.log(backlog, unsynced,
			reading(value("catch-up read", "higher", "1/s", "scan_records_per_second", "CRC32C over a map", perRecord("crc32c-scan"))),
			value("open after 1 GiB, closed", "lower", "ns", "open_clean_first_append_ns", "", nil),
			value("open after 1 GiB, crashed", "lower", "ns", "open_crash_first_append_ns", "", nil),
		)),
	}
}

// brokerMeasures are those of servers.
func brokerMeasures(base scenario.Scenario, e Effort) []Measure {
	unsynced := []target.Durability{target.None, target.Interval}
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
		e.broker(produce, unsynced, throughput("broker produce", "loopback stream", perRecord("loopback-stream")), cpu),
		e.broker(produceSynced, synced, throughput("broker produce, durable", "1 MiB write + sync", perRecord("sync-write-1MiB"))),
		e.broker(endToEndAt, unsynced, brokerLatencies("broker at 10 k/s, end to end")...),
		e.broker(endToEndSynced, synced, brokerLatencies("broker at 10 k/s, durable, end to end")...),
		e.long(e.broker(catchUp, unsynced,
			value("broker catch-up read", "higher", "1/s", "scan_records_per_second", "loopback stream", perRecord("loopback-stream")),
		)),
	}
}

func named(s scenario.Scenario, name, description string) scenario.Scenario {
	s.Name, s.Description = name, description
	return s
}
