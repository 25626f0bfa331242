// Package runner runs one scenario on one target and says what came out.
//
// Files:
//
//	runner.go   the job, and which kind of scenario does what
//	traffic.go  producers, followers and readers that catch up
//	payload.go  what is in the records: a stamp, so that latency is known when
//	            they come out again, and noise
//	backlog.go  records that are there before anything is measured
//	restart.go  fill, end, open again, read
//	lookup.go   reading single records at random
//	idle.go     what shards cost that nobody uses; usage*.go what a process takes
//	settle*.go  getting everything to the device in between
//	full.go     a file system without room
package runner
