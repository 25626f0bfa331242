package versus

import (
	"fmt"
	"time"

	"github.com/millrace-io/millrace/bench/result"
	"github.com/millrace-io/millrace/bench/scenario"
	"github.com/millrace-io/millrace/bench/target"
)

// What peers are asked for, in the order in which it is tried.
var (
	unsynced = []target.Durability{target.None}
	synced   = []target.Durability{target.Group}
	// either is for reading, where it makes no difference how records came to be.
	either = []target.Durability{target.None, target.Group}
)

// fullSegments is a backlog of 1 KiB records that ends shortly before our log
// changes from its third segment of 256 MiB to the fourth: a crash then leaves
// one that is full and not closed. It is 1.0 GB. Segments are of 4, 8, ... 128 and
// then of 256 MiB each, together 1,020 MiB; the run says what was checked.
const fullSegments = 980 << 20

// brokers are those that are measured against our server in the engine's set. The
// emulators of the Kinesis API are in the peers' set: they are slower by far.
var brokers = []string{"nats-async", "nats-fast", "redis-streams", "kafka", "rabbitmq-streams"}

// EngineMeasures returns the measures of the engine's set: our log and our
// server at the limit, with every size of record and batch; what only we can do
// is measured alone or beside another variant of ours.
func EngineMeasures(e Effort) []Measure {
	base := baseOf(e)
	var all []Measure
	for _, part := range [][]Measure{
		appendMeasures(base, e), durableMeasures(base, e), readMeasures(base, e), tailMeasures(base, e),
		serverMeasures(base, e), shardMeasures(base, e),
	} {
		all = append(all, part...)
	}
	return all
}

// sized is a scenario with records of that size, batches and appenders.
func sized(base scenario.Scenario, name string, size scenario.Size, batch, appenders int) scenario.Scenario {
	s := named(base, name, fmt.Sprintf("%d appenders, %d records of %s an append. Closed loop.", appenders, batch, size))
	if appenders == 1 {
		s.Description = fmt.Sprintf("One appender, %d records of %s an append. Closed loop.", batch, size)
	}
	s.MessageSize, s.BatchSize, s.ProducersPerTopic = size, batch, appenders
	return s
}

// appendMeasures are those of appends without sync.
func appendMeasures(base scenario.Scenario, e Effort) []Measure {
	var all []Measure
	for _, c := range []struct {
		name  string
		size  scenario.Size
		batch int
		rate  Figure
	}{
		{"none, 1 x 100 B", 100, 1, throughput("none, 1 x 100 B", "stores into a mapping", perRecord("mapped-write"))},
		{"none, 1 x 1 KiB", 1 << 10, 1, throughput("none, 1 x 1 KiB", "stores into a mapping", perRecord("mapped-write"))},
		{"none, 64 x 100 B", 100, 64, throughput("none, 64 x 100 B", "pwrite 6400 B into a new file", perRecord("fresh-pwrite-6400B"))},
		{"none, 64 x 1 KiB", 1 << 10, 64, throughput("none, 64 x 1 KiB", "pwrite 64 KiB into a new file", perRecord("fresh-pwrite-64KiB"))},
		{"none, 16 x 64 KiB", 64 << 10, 16, byteThroughput("none, 16 x 64 KiB", "pwrite 1 MiB into a new file", "fresh-pwrite-1MiB")},
	} {
		all = append(all, e.log(sized(base, c.name, c.size, c.batch, 1), unsynced,
			c.rate, closedLoop(c.name, 0.5), closedLoop(c.name, 0.99), allocated(c.name)))
	}
	return all
}

// allocated is what an operation of ours allocates.
func allocated(name string) Figure {
	return alone(name+", allocations", "lower", "/append", "allocations_per_operation")
}

// durableMeasures are those of appends that wait for the device.
func durableMeasures(base scenario.Scenario, e Effort) []Measure {
	const each, most = "sync each, 1 KiB", "group, 4096 appenders, 1 KiB"
	all := []Measure{e.log(
		sized(base, each, 1<<10, 1, 1), synced,
		throughput(each, "4 KiB write + sync", plain("fdatasync-4KiB")),
		within(closedLoop(each, 0.5), "fdatasync p50", syncP50), within(closedLoop(each, 0.99), "fdatasync p99", syncP99), allocated(each),
	)}
	for _, c := range []struct {
		name string
		size scenario.Size
		rate Figure
	}{
		{"group, 64 appenders, 100 B", 100, throughput("group, 64 appenders, 100 B", "64 records a sync of 4 KiB", times(64, "fdatasync-4KiB"))},
		{"group, 64 appenders, 1 KiB", 1 << 10, throughput("group, 64 appenders, 1 KiB", "64 KiB write + sync", perRecord("sync-write-64KiB"))},
		{"group, 64 appenders, 64 KiB", 64 << 10, byteThroughput("group, 64 appenders, 64 KiB", "1 MiB write + sync", "sync-write-1MiB")},
	} {
		all = append(all, e.log(sized(base, c.name, c.size, 1, 64), synced,
			c.rate, closedLoop(c.name, 0.5), closedLoop(c.name, 0.99), allocated(c.name)))
	}
	inFlight := named(base, "group, 4096 in flight, 1 KiB", "One appender that does not wait, 4096 records under way. Closed loop.")
	inFlight.ProducersPerTopic, inFlight.Asynchronous = 1, true
	limit := perRecord("sync-write-1MiB")
	return append(
		all,
		e.log(sized(base, most, 1<<10, 1, 4096), synced, throughput(most, "1 MiB write + sync", limit)),
		// Who of the peers cannot send without waiting would only be skipped.
		only(e.log(inFlight, synced, throughput(inFlight.Name, "1 MiB write + sync", limit), allocated(inFlight.Name)), "pebble"),
		logsMeasure(base, e),
	)
}

// only is a measure in which not all peers take part.
func only(m Measure, peers ...string) Measure {
	m.Peers = peers
	return m
}

// logsMeasure is several logs at once against one.
func logsMeasure(base scenario.Scenario, e Effort) Measure {
	const logs, appenders = 16, 4
	one := sized(base, "1 log, 4 appenders, group", 1<<10, 1, appenders)
	many := sized(base, "16 logs, 4 appenders each, group", 1<<10, 1, logs*appenders)
	many.PartitionsPerTopic, many.Touched = logs, true
	m := e.log(many, synced, throughput(many.Name, "4 records a sync of 16 files at once", times(appenders, "fdatasync-4KiB-16-files")))
	m.Variants = []Variant{{Name: "1 log", Scenario: one}}
	return m
}

// readMeasures are those of reading a log that was opened again, and of opening
// it.
func readMeasures(base scenario.Scenario, e Effort) []Measure {
	small := named(base, "sequential read, 100 B", "A log of 100 B records, opened again: two passes.")
	small.Kind, small.Backlog, small.MessageSize = scenario.Restart, scenario.Size(e.SmallBacklog), 100
	large := named(base, "open, sequential and random read, 1 KiB", "A log of 1 GB, opened again: two passes, then single records in random order. And opened after a crash.")
	large.Kind, large.Backlog, large.Crash, large.LookupReaders = scenario.Restart, scenario.Size(e.Backlog), true, 1
	random := func(name, better, unit, key string) Figure {
		return reading(value("random read by sequence, 1 KiB, "+name, better, unit, key, "", nil))
	}
	return []Measure{
		// raft-wal takes minutes for so many records, and is not among the fast.
		e.long(e.log(small, unsynced, scans("100 B")...)),
		e.long(e.log(large, either, append(
			scans("1 KiB"),
			random("throughput", "higher", "1/s", "lookups_per_second"),
			random("p50", "lower", "ns", "lookup_p50_ns"),
			random("p99", "lower", "ns", "lookup_p99_ns"),
			alone("random read by sequence, 1 KiB, allocations", "lower", "/read", "lookup_allocations"),
			alone("random read by time, 1 KiB, p50", "lower", "ns", "time_lookup_p50_ns"),
			alone("random read by time, 1 KiB, p99", "lower", "ns", "time_lookup_p99_ns"),
			value("open 1 GB, closed", "lower", "ns", "open_clean_first_append_ns", "", nil),
			value("open 1 GB, killed with a full segment", "lower", "ns", "open_crash_first_append_ns", "", nil),
			alone("open 1 GB, killed: what was checked", "lower", "B", "open_crash_checked_bytes"),
		)...)),
	}
}

// scans are the two passes over a log. Of ours the first checks every frame, and
// the second finds all of them checked.
func scans(size string) []Figure {
	return []Figure{
		reading(value("sequential read, "+size+", first pass", "higher", "1/s", "scan_first_pass_records_per_second", "CRC32C over a map", perRecord("crc32c-scan"))),
		reading(value("sequential read, "+size+", second pass", "higher", "1/s", "scan_records_per_second", "", nil)),
	}
}

// tailRate is the planned load of measures at the tail, records a second.
const tailRate = 50_000

// tailMeasures are those of a reader at the end of the log.
func tailMeasures(base scenario.Scenario, e Effort) []Measure {
	waiting := named(base, "tail at 50 k/s", "One appender, one reader that waits at the end: end to end from the planned time.")
	waiting.ProducersPerTopic, waiting.ProducerRate, waiting.SubscriptionsPerTopic = 1, tailRate, 1
	waiting.Spin = scenario.Duration(100 * time.Microsecond) // nothing else wants the second processor
	spinning := named(waiting, "tail at 50 k/s, spinning reader", "One appender, one reader that asks for the next record again and again.")
	spinning.Options = map[string]string{"reader": "spin"}
	m := e.log(spinning, unsynced, tailFigures("tail at 50 k/s, spinning reader")...)
	m.Variants = []Variant{{Name: "waiting reader", Scenario: waiting}}
	return []Measure{e.log(waiting, unsynced, append(tailFigures("tail at 50 k/s"), allocated("tail at 50 k/s"))...), m}
}

// tailFigures have beside them how late the machine woke a sleeper in the same
// runs.
func tailFigures(name string) []Figure {
	var figures []Figure
	for _, quantile := range []float64{0.5, 0.99, 0.999} {
		pick, label := quantileOf(quantile)
		f := endToEnd(name, quantile)
		f.LimitName, f.LimitOf = "a sleeper woke late,"+label, func(r *result.Run) float64 {
			if r.Hiccup == nil {
				return 0
			}
			return float64(pick(r.Hiccup))
		}
		figures = append(figures, f)
	}
	return figures
}

// serverMeasures are those of the peers' set that ask how fast a server is
// reached.
func serverMeasures(base scenario.Scenario, e Effort) []Measure {
	var all []Measure
	for _, m := range brokerMeasures(base, e) {
		if m.Scenario.Backlog > 0 {
			continue
		}
		m.Scenario.Name = "native, " + m.Scenario.Name
		if m.Scenario.ProducerRate == 0 && m.Durabilities[0] == target.Group {
			m.Figures = append(m.Figures, value("server CPU per record produced, durable", "lower", "ns", "server_cpu_ns_per_record", "", nil))
		}
		// Starting servers takes longer than measuring them.
		all = append(all, e.long(only(m, brokers...)))
	}
	return all
}

// shardMeasures are those of many shards in the embedded engine.
func shardMeasures(base scenario.Scenario, e Effort) []Measure {
	const appenders = 64
	one := sized(base, "1 shard, group", 1<<10, 1, appenders)
	one.Touched = true
	var all []Measure
	for _, shards := range []int{256, 4096} {
		many := sized(base, fmt.Sprintf("%d shards, group", shards), 1<<10, 1, appenders)
		many.PartitionsPerTopic, many.Touched = shards, true
		m := e.log(many, synced, throughput(many.Name, "", nil))
		m.Kind, m.Variants = "engine", []Variant{{Name: "1 shard", Scenario: one}}
		all = append(all, m)
	}
	return append(all, idleMeasure(base, e))
}

// idleMeasure is what shards cost that nobody uses: right after they were, and
// once they were opened again.
func idleMeasure(base scenario.Scenario, e Effort) Measure {
	idle := named(base, "4096 idle shards", "4096 shards with a record each, then the same opened again, and nothing happens.")
	idle.Kind, idle.PartitionsPerTopic, idle.ProducersPerTopic, idle.TestDuration = scenario.Idle, 4096, 16, scenario.Duration(e.Idle)
	processor := func(name, key string) Figure {
		f := alone(fmt.Sprintf("processor time in %s of 4096 %s", e.Idle, name), "lower", "ns", key)
		f.LimitName, f.LimitOf = "the process without them", func(r *result.Run) float64 { return r.Values["idle_cpu_alone_ns"] }
		return f
	}
	m := e.long(e.log(
		idle, synced, alone("open 4096 shards", "lower", "ns", "open_clean_ns"),
		alone("memory of an idle shard", "lower", "B", "resident_per_used_shard_bytes"),
		alone("memory of an idle shard, opened again", "lower", "B", "resident_per_shard_bytes"),
		processor("idle shards", "idle_cpu_used_ns"), processor("idle shards, opened again", "idle_cpu_ns"),
	))
	m.Kind, m.Alone = "engine", true
	return m
}
