// Package bench is the root of the benchmark harness: honest throughput and
// tail latency, with peers and physical limits beside every figure.
//
// The command `millrace bench` drives it. Its parts, from the bottom:
//
//	latency    histograms without locks, per second and in total
//	target     what is measured: the interfaces that we and all peers implement
//	machine    what the machine is and what it could do at best
//	change     statistics: ratios of pairs, change points, the gate
//	load       the open-loop generator, the closed loop, the hiccup meter
//	scenario   what to do, in YAML
//	result     what came out, as one JSON document
//	runner     runs a scenario on a target
//	worker     a runner in a process of its own, told what to do on stdin
//	capacity   the highest rate that keeps a bound, by search
//	gate       two revisions in turns: has something become slower?
//	history    what was measured of each revision, and where it changed
//	requests   a client of the Kinesis API as thin as can be, for ours and others
//	ours       Millrace as a target: the log, the engine, a server
//	versus     interleaved runs of us and the peers
//	report     tables, charts, HTML, Markdown, PNG
//	peers/     the peers, in Go modules of their own
package bench
