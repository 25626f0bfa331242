// Package history keeps the figures of all landed revisions in one file and
// finds where they changed.
//
// bench/history.jsonl has one JSON object a line, one line for each revision and
// machine, in the order in which they landed (here broken into several):
//
//	{"commit":"0123abc","time":"2026-01-02T03:04:05Z",
//	 "machine":"AMD EPYC 7763, 2 cores, Linux 6.1, ext4",
//	 "figures":{"ratio: append throughput vs tidwall, none":{"value":2.5,"unit":"x","better":"higher"},
//	            "wal-append wal group: p99":{"value":812000,"unit":"ns","better":"lower"}}}
//
// Figures come from the document of a run ([FromDocument]) under these names:
//
//	ratio: MEASURE vs PEER, CLASS   median over pairs of how many times better we are
//	limit: MEASURE, CLASS           what share of the physical limit we reach
//	SCENARIO TARGET CLASS: FIGURE   median over rounds of a raw value
//
// The first two survive a change of the weather on the machine, as both sides
// are measured in it; raw values say what it was that changed. CLASS is the
// class of durability: figures of different classes have nothing to do with each
// other.
//
// Only figures of the same machine make a series ([Series]). [Changes] looks for
// places where the mean of a series changed for three revisions or more.
//
// Functions here may be called by several goroutines at once, except that
// Append to one file is for one caller at a time, of all processes.
//
// Files:
//
//	entry.go     the line of a revision: what it must have
//	document.go  from the document of a run to an entry
//	file.go      reading and appending
//	series.go    series and changes
package history
