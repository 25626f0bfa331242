// Package mmap maps files into memory and turns the faults of mapped memory
// into errors.
//
// A load from a mapping can fail long after the mapping was made: the device
// reports an error, the file was cut, the disk is full. The kernel then raises
// SIGBUS, which ends a Go process. Two tools keep that from happening:
// [Map.PopulateRead] brings pages in by a system call, which returns an error,
// and [Guard] runs a function in which a fault becomes a [*FaultError].
//
// # Caveats
//
// The slice returned by [Map.Bytes] must not be touched after [Map.Close]: the
// addresses may belong to something else by then. Owners count references and
// close at zero. The race detector does not see mapped memory, which is why the
// log has a heap backend for tests. Systems other than Linux get
// [ErrUnsupported] and use pread instead.
package mmap
