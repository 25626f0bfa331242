// Package load generates load and measures how long it takes.
//
// In an open loop, operations have planned times, that of operation n being
// n/rate after the start, and latency counts from the planned time, whenever the
// operation could really begin. Requests that were planned while a target stalled
// are part of the figures, as they are part of its users' lives: there is no
// coordinated omission. An operation is taken by the next worker that is
// free, and none is left out: when the planned time is over, what is overdue is
// still done, for a bounded time, and what even then has not begun is counted
// with the time it waited so far.
//
// In a closed loop, each worker sends when it has its answer. That finds the
// highest throughput; its latencies omit what was never sent, and reports
// name the loop.
//
// Waiting for a planned time sleeps until shortly before and then spins,
// because timers are late by up to a millisecond on an idle machine; how late
// operations began although a worker was waiting for them is recorded as
// jitter of the generator itself.
//
//	plan.go    what to do
//	run.go     blocking operations, by workers
//	async.go   operations that are acknowledged later
//	pace.go    waiting for a planned time
//	hiccup.go  how late a sleeper of this process wakes
//	stall.go   a target with a planted stall, and what must be found of it
package load
