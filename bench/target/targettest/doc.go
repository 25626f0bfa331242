// Package targettest is a target for the tests of the harness: a log so plain
// that there is little to get wrong, with faults that can be planted in it. It
// shows that a loop reports what a target does, and finds what it does wrong.
//
//	log.go     the target, what it can do, and the faults
//	shard.go   one file for each shard
package targettest
