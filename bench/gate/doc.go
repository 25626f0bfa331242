// Package gate asks whether one revision of Millrace is slower than another, by
// interleaved runs on this machine, and says so only when it stays that way over
// three repeats.
//
// The statistics are those of package change. This package builds the two
// programs, runs the pairs and says what was found.
//
//	gate.go      runs the checks, pair by pair
//	checks.go    what is compared
//	build.go     programs of revisions and of the working tree
//	planted.go   a target with a planted slowdown: the gate's own test
package gate
