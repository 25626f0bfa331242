// Package metric turns the snapshots of the engine into Prometheus metrics.
//
// The engine keeps plain counters and knows no metrics library. A [Collector]
// reads a snapshot whenever it is scraped and names its numbers
// millrace_SUBSYSTEM_THING_UNIT, in base units, with labels for the stream and,
// if asked for, the shard. Requests of the API of AWS have no snapshot to be read: [Requests] counts
// them. [Metrics] lists every name with its meaning.
package metric
