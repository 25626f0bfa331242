package metric

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/millrace-io/millrace/server/native"
	"github.com/millrace-io/millrace/stream"
)

// Kind is what sort of number a metric is.
type Kind string

// The kinds.
const (
	Counter   Kind = "counter"
	Gauge     Kind = "gauge"
	Summary   Kind = "summary"
	Histogram Kind = "histogram"
)

// Metric describes one metric.
type Metric struct {
	Name string
	Kind Kind
	Help string
}

// shardMetric is a number that every shard has.
type shardMetric struct {
	Metric
	value func(s *stream.ShardStats) float64
}

// shardMetrics are summed over the shards of a stream unless shards are told
// apart.
var shardMetrics = []shardMetric{
	{
		Metric{"millrace_stream_incoming_records_total", Counter, "Records appended."},
		func(s *stream.ShardStats) float64 { return float64(s.Shard.Log.Records) },
	},
	{
		Metric{"millrace_stream_incoming_bytes_total", Counter, "Bytes of frames appended."},
		func(s *stream.ShardStats) float64 { return float64(s.Shard.Log.AppendedBytes) },
	},
	{
		Metric{"millrace_stream_outgoing_records_total", Counter, "Records handed to readers."},
		func(s *stream.ShardStats) float64 { return float64(s.ReadRecords) },
	},
	{
		Metric{"millrace_stream_outgoing_bytes_total", Counter, "Bytes handed to readers."},
		func(s *stream.ShardStats) float64 { return float64(s.ReadBytes) },
	},
	{
		Metric{"millrace_stream_write_throttled_total", Counter, "Batches refused by the shards' write limits."},
		func(s *stream.ShardStats) float64 { return float64(s.Shard.ThrottledAppends) },
	},
	{
		Metric{"millrace_stream_write_throttled_records_total", Counter, "Records refused by the shards' write limits."},
		func(s *stream.ShardStats) float64 { return float64(s.Shard.ThrottledRecords) },
	},
	{
		Metric{"millrace_stream_retained_records", Gauge, "Records kept."},
		func(s *stream.ShardStats) float64 { return float64(s.Shard.Log.Next - s.Shard.Log.First) },
	},
	{
		Metric{"millrace_wal_appends_total", Counter, "Batches appended to logs."},
		func(s *stream.ShardStats) float64 { return float64(s.Shard.Log.Appends) },
	},
	{
		Metric{"millrace_wal_retained_bytes", Gauge, "Bytes of frames kept in logs."},
		func(s *stream.ShardStats) float64 { return float64(s.Shard.Log.Bytes) },
	},
	{
		Metric{"millrace_wal_segments", Gauge, "Segment files of logs."},
		func(s *stream.ShardStats) float64 { return float64(s.Shard.Log.Segments) },
	},
	{
		Metric{"millrace_wal_compressed_segments", Gauge, "Segment files that are compressed."},
		func(s *stream.ShardStats) float64 { return float64(s.Shard.Log.Compressed) },
	},
	{
		Metric{"millrace_wal_stored_bytes", Gauge, "Bytes that the frames of logs take in their files: less than those kept where they are compressed."},
		func(s *stream.ShardStats) float64 { return float64(s.Shard.Log.StoredBytes) },
	},
	{
		Metric{"millrace_wal_journaled_commits_total", Counter, "Commits made durable by a sync that several logs shared."},
		func(s *stream.ShardStats) float64 { return float64(s.Shard.Log.JournaledCommits) },
	},
	{
		Metric{"millrace_wal_sync_stalls_total", Counter, "Calls of fdatasync that took longer than 100 ms."},
		func(s *stream.ShardStats) float64 { return float64(s.Shard.Log.SyncStalls) },
	},
	{
		Metric{"millrace_wal_sync_running_seconds", Gauge, "How long the calls of fdatasync that are at work have taken so far, added up."},
		func(s *stream.ShardStats) float64 { return s.Shard.Log.SyncRunning.Seconds() },
	},
	{
		Metric{"millrace_wal_scrubbed_bytes_total", Counter, "Bytes of closed segments that the scrubber has verified."},
		func(s *stream.ShardStats) float64 { return float64(s.Shard.Log.ScrubbedBytes) },
	},
	{
		Metric{"millrace_wal_damaged_segments", Gauge, "Closed segments that the scrubber found damaged."},
		func(s *stream.ShardStats) float64 { return float64(s.Shard.Log.DamagedSegments) },
	},
	{
		Metric{"millrace_wal_unsynced_bytes", Gauge, "Bytes written that a power cut would lose."},
		func(s *stream.ShardStats) float64 { return float64(s.Shard.Log.UnsyncedBytes) },
	},
	{
		Metric{"millrace_wal_read_only_logs", Gauge, "Logs that take no records any more, after an I/O error or because of damage."},
		func(s *stream.ShardStats) float64 {
			if s.Shard.Log.ReadOnly {
				return 1
			}
			return 0
		},
	},
}

// sync has two numbers, which is why it is not among shardMetrics.
var syncMetric = Metric{"millrace_wal_sync_seconds", Summary, "Time spent in fdatasync, and how many there were."}

var (
	storeStreams     = Metric{"millrace_store_streams", Gauge, "Streams that exist."}
	storeUnavailable = Metric{"millrace_store_unavailable_shards", Gauge, "Shards whose log could not be opened."}
	storeOrphans     = Metric{"millrace_store_orphan_logs", Gauge, "Logs that no stream of the catalogue owns."}

	appendSeconds = Metric{"millrace_native_append_seconds", Histogram, "From a batch having been read to its acknowledgement."}
)

// nativeMetric is a number of the native listener.
type nativeMetric struct {
	Metric
	value func(s *native.Stats) float64
}

var nativeMetrics = []nativeMetric{
	{
		Metric{"millrace_native_connections", Gauge, "Open connections."},
		func(s *native.Stats) float64 { return float64(s.Connections) },
	},
	{
		Metric{"millrace_native_subscriptions", Gauge, "Open subscriptions."},
		func(s *native.Stats) float64 { return float64(s.Subscriptions) },
	},
	{
		Metric{"millrace_native_connections_total", Counter, "Connections accepted."},
		func(s *native.Stats) float64 { return float64(s.Accepted) },
	},
	{
		Metric{"millrace_native_connections_refused_total", Counter, "Connections refused at the limit or while stopping."},
		func(s *native.Stats) float64 { return float64(s.Refused) },
	},
	{
		Metric{"millrace_native_appends_total", Counter, "Batches acknowledged."},
		func(s *native.Stats) float64 { return float64(s.Appends) },
	},
	{
		Metric{"millrace_native_errors_total", Counter, "Error messages sent."},
		func(s *native.Stats) float64 { return float64(s.Failures) },
	},
	{
		Metric{"millrace_native_incoming_bytes_total", Counter, "Bytes of batches read."},
		func(s *native.Stats) float64 { return float64(s.InBytes) },
	},
	{
		Metric{"millrace_native_outgoing_bytes_total", Counter, "Bytes of frames written."},
		func(s *native.Stats) float64 { return float64(s.OutBytes) },
	},
}

// Metrics lists all metrics of a [Collector].
func Metrics() []Metric {
	all := append([]Metric{storeStreams, storeUnavailable, storeOrphans, syncMetric, appendSeconds}, requestMetrics...)
	for _, m := range shardMetrics {
		all = append(all, m.Metric)
	}
	for _, m := range nativeMetrics {
		all = append(all, m.Metric)
	}
	return all
}

// Source yields the snapshots that a [Collector] reads. Either function may be
// nil or return false while there is nothing to read.
type Source struct {
	Store  func() (stream.Stats, bool)
	Native func() (native.Stats, bool)
	// HTTP yields nil while there is nothing to read.
	HTTP func() *Requests
}

// Collector is a prometheus.Collector over snapshots.
type Collector struct {
	source    Source
	perShard  bool
	labels    []string
	described map[string]*prometheus.Desc
}

// NewCollector returns a collector. With perShard every stream metric has a
// label for the shard, which multiplies the series; without it shards are summed.
func NewCollector(source Source, perShard bool) *Collector {
	c := &Collector{source: source, perShard: perShard, labels: []string{"stream"}, described: make(map[string]*prometheus.Desc)}
	if perShard {
		c.labels = append(c.labels, "shard")
	}
	for _, m := range Metrics() {
		c.described[m.Name] = prometheus.NewDesc(m.Name, m.Help, nil, nil)
	}
	for _, m := range append([]shardMetric{{Metric: syncMetric}}, shardMetrics...) {
		c.described[m.Name] = prometheus.NewDesc(m.Name, m.Help, c.labels, nil)
	}
	for _, m := range requestMetrics {
		c.described[m.Name] = prometheus.NewDesc(m.Name, m.Help, []string{"operation"}, nil)
	}
	c.described[requestsTotal.Name] = prometheus.NewDesc(requestsTotal.Name, requestsTotal.Help, []string{"operation", "code"}, nil)
	return c
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(descriptions chan<- *prometheus.Desc) {
	for _, m := range Metrics() {
		descriptions <- c.described[m.Name]
	}
}

// Collect implements prometheus.Collector.
func (c *Collector) Collect(metrics chan<- prometheus.Metric) {
	if c.source.Store != nil {
		if stats, ok := c.source.Store(); ok {
			c.collectStore(metrics, stats)
		}
	}
	if c.source.Native != nil {
		if stats, ok := c.source.Native(); ok {
			c.collectNative(metrics, &stats)
		}
	}
	if c.source.HTTP != nil {
		if requests := c.source.HTTP(); requests != nil {
			c.collectRequests(metrics, requests)
		}
	}
}

func (c *Collector) collectStore(metrics chan<- prometheus.Metric, stats stream.Stats) {
	metrics <- c.number(storeStreams, float64(len(stats.Streams)))
	metrics <- c.number(storeUnavailable, float64(stats.Unavailable))
	metrics <- c.number(storeOrphans, float64(stats.OrphanLogs))
	for i := range stats.Streams {
		of := &stats.Streams[i]
		if !c.perShard {
			c.collectShards(metrics, of.Shards, of.Name)
			continue
		}
		for at := range of.Shards {
			c.collectShards(metrics, of.Shards[at:at+1], of.Name, of.Shards[at].ID.String())
		}
	}
}

// collectShards sends the sums over some shards.
func (c *Collector) collectShards(metrics chan<- prometheus.Metric, shards []stream.ShardStats, labels ...string) {
	for _, m := range shardMetrics {
		sum := 0.0
		for i := range shards {
			sum += m.value(&shards[i])
		}
		metrics <- c.number(m.Metric, sum, labels...)
	}
	syncs, seconds := uint64(0), 0.0
	for i := range shards {
		syncs += shards[i].Shard.Log.Syncs
		seconds += shards[i].Shard.Log.SyncTime.Seconds()
	}
	metrics <- prometheus.MustNewConstSummary(c.described[syncMetric.Name], syncs, seconds, nil, labels...)
}

func (c *Collector) collectNative(metrics chan<- prometheus.Metric, stats *native.Stats) {
	for _, m := range nativeMetrics {
		metrics <- c.number(m.Metric, m.value(stats))
	}
	metrics <- c.latency(appendSeconds, &stats.AppendLatency)
}

// number makes a sample of a counter or gauge.
func (c *Collector) number(m Metric, value float64, labels ...string) prometheus.Metric {
	kind := prometheus.GaugeValue
	if m.Kind == Counter {
		kind = prometheus.CounterValue
	}
	return prometheus.MustNewConstMetric(c.described[m.Name], kind, value, labels...)
}
