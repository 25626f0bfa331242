package versus

import (
	"time"

	"github.com/millrace-io/millrace/bench/requests"
	"github.com/millrace-io/millrace/bench/scenario"
	"github.com/millrace-io/millrace/bench/target"
)

// KinesisSet is the name of the set of servers that speak the API of Kinesis, and
// KinesisPeers the name of the module that has the others.
const (
	KinesisSet   = "kinesis"
	KinesisPeers = "kinesis"
)

// kindKinesis is the kind of measures of that set.
const kindKinesis = "kinesis"

// Names of what goals speak of.
const (
	putRecordsFigure = "PutRecords of 500 x 1 KiB"
	getRecordsFigure = "GetRecords of 500 x 1 KiB"
	putRecordFigure  = "PutRecord at 1,000/s"
	subscribeFigure  = "SubscribeToShard at 10 k/s"
)

// emulators are the peers of the set.
var emulators = []string{"kinesalite", "kinesis-mock", "ferrokinesis"}

const (
	kinesisShards = 4
	// kinesisConnections is enough for every server to have the next request at
	// hand when it is done with one.
	kinesisConnections = 4
	kinesisBatch       = 500
	kinesisRate        = 1_000
	// subscribeBatch is records in a request of those that are pushed to a
	// consumer: 1,000 requests a second.
	subscribeBatch = 10
)

// KinesisMeasures returns the measures of servers that speak the API of Kinesis:
// one client for all of them, which makes its requests beforehand, over connections
// that are kept. Ours syncs, the others need not.
func KinesisMeasures(e Effort) []Measure {
	base := baseOf(e)
	base.PartitionsPerTopic, base.Prepared = kinesisShards, true
	base.Options = map[string]string{requests.ClientOption: requests.Thin}
	put := named(base, "PutRecords, 500 x 1 KiB", "Four connections, four shards. Closed loop.")
	put.ProducersPerTopic, put.BatchSize = kinesisConnections, kinesisBatch
	get := named(base, "GetRecords, 500 x 1 KiB", "Four connections, each reads one of four shards again and again. Closed loop.")
	get.Backlog, get.CatchUpReaders = scenario.Size(e.BrokerBacklog), kinesisShards
	one := named(base, "PutRecord at 1 k/s, 1 KiB", "Planned, one shard, which takes no more by AWS's limits; 64 connections: latency from the planned time.")
	one.PartitionsPerTopic, one.ProducersPerTopic, one.ProducerRate = 1, 64, kinesisRate
	push := named(base, "SubscribeToShard at 10 k/s", "PutRecords of 10 at planned times, one shard, one subscription: from the planned time to delivery.")
	push.PartitionsPerTopic, push.Prepared, push.SubscriptionsPerTopic = 1, false, 1
	push.ProducersPerTopic, push.BatchSize, push.ProducerRate = kinesisConnections, subscribeBatch, steadyRate

	delivery := e.kinesis(push, target.Interval, endToEnd(subscribeFigure, 0.5), endToEnd(subscribeFigure, 0.99), endToEnd(subscribeFigure, 0.999), perRecordCPU(subscribeFigure))
	delivery.Durabilities, delivery.Peers, delivery.Alone = []target.Durability{target.Interval}, nil, true
	return []Measure{
		e.kinesis(put, target.Group, throughput(putRecordsFigure, "1 MiB write + sync", perRecord("sync-write-1MiB")), perRecordCPU(putRecordsFigure)),
		e.kinesis(get, target.Group, value(getRecordsFigure, "higher", "1/s", "scan_records_per_second", "loopback stream", perRecord("loopback-stream")), perRecordCPU(getRecordsFigure)),
		e.kinesis(one, target.Group, append(latencies(putRecordFigure), perRecordCPU(putRecordFigure))...),
		delivery,
	}
}

// kinesis is a measure of the set, in which ours makes that promise.
func (e Effort) kinesis(s scenario.Scenario, promise target.Durability, figures ...Figure) Measure {
	m := only(e.broker(s, unsynced, figures...), emulators...)
	m.Kind, m.Ours = kindKinesis, promise
	return m
}

// perRecordCPU is what the server takes for a record.
func perRecordCPU(name string) Figure {
	return value(name+", server CPU per record", "lower", "ns", "server_cpu_ns_per_record", "", nil)
}

// quickKinesis is the effort of --quick for the set.
func quickKinesis() Effort {
	return Effort{Rounds: 3, LongRounds: 3, Warmup: 500 * time.Millisecond, Test: 3 * time.Second, BrokerBacklog: 8 << 20, Patience: time.Minute}
}

// thoroughKinesis is the effort without --quick.
func thoroughKinesis() Effort {
	return Effort{Rounds: 7, LongRounds: 7, Warmup: time.Second, Test: 10 * time.Second, BrokerBacklog: 8 << 20, Patience: 2 * time.Minute}
}
