// Package worker makes measurements in processes of their own, so that no
// target's garbage, goroutines or mappings are in the way of another one.
//
// A worker is a program with some targets linked in: `millrace bench worker`
// has ours, the programs in bench/peers the others. Its protocol:
//
//	PROGRAM about    prints a JSON array of target.About
//	PROGRAM run      reads one JSON runner.Job from standard input, makes the
//	                 measurement, prints one JSON answer; it gives up when
//	                 standard input ends, so that it does not outlive its parent
//	PROGRAM leave    reads one JSON runner.Job, writes its backlog into the job's
//	                 directory, prints "left", closes nothing and waits to be
//	                 killed, or until standard input ends
//
// Main is the worker's side, Program the other one.
package worker
