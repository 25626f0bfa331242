// Package machine says what the machine is, as far as it is known to move
// results, and what it could do at best: the physical limits that stand beside
// every figure.
//
//	describe.go  processor, kernel, file system, settings, commit
//	limits.go    memory, page cache, device and loopback, without any log
//	writes.go    writes into new files, syncs of several files at once
//	mapped.go    the limits of mappings
package machine
