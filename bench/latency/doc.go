// Package latency gathers latencies in HDR histograms without a lock on the way:
// one Recorder for each goroutine, one Set for each kind of latency of a run.
//
// A recorder fills a histogram of its own. Where a second ends it hands the
// histogram over and takes an empty one, and a goroutine of the set adds up
// what was handed over: total and, if wanted, second by second. Recording
// itself allocates nothing and shares no memory with other goroutines.
//
// Values are 1 ns to 60 s with three digits. What is larger is never dropped:
// it counts as 60 s, is counted as out of range, and the exact maximum is kept.
//
//	set.go      Set and Recorder
//	summary.go  quantiles, percentile curve, heat
//	files.go    .hlog and .hgrm, the formats of the HdrHistogram tools
package latency
