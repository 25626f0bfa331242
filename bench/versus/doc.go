// Package versus runs us and the peers in turns on one machine and makes one
// table of it.
//
// Figures of one program, taken one after the other, drift with the machine.
// So every run of a peer stands beside a run of ours, and only the ratio of
// such a pair is believed: its median and its spread over the rounds are what a
// row says. Pairs share everything that the harness can set: record, batch,
// clients, durability class, processor budget.
//
//	schedule.go   the order of the runs, and which of them are pairs
//	sets.go       the sets of measures, and how long they may take
//	measures.go   what is measured: the peers' set
//	engine.go     the engine's set, with variants of our own where no peer can
//	kinesis.go    the set of servers that speak the API of Kinesis
//	goals.go      what that set must show
//	figures.go    which figures that gives
//	rows.go       from pairs to rows
//	versus.go     the contest
//	programs.go   finding and building the workers of the peers
package versus
