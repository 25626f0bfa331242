// Package hashicorpraft keeps the log and the stable values of one
// github.com/hashicorp/raft server in package wal.
//
//	store, err := hashicorpraft.Open("data/raft", wal.Options{})
//	r, err := raft.NewRaft(config, machine, store, store, snapshots, transport)
//
// [Store] is a raft.LogStore, a raft.MonotonicLogStore and a raft.StableStore.
// An index of Raft is the sequence number of the record that holds the entry,
// so that nothing has to be looked up. The stable values (term and vote) are in
// a second log of the same directory, by package wal/stable.
//
// # What is promised
//
// StoreLogs, DeleteRange, Set and SetUint64 return after fdatasync. StoreLogs
// with many entries costs one write and one sync; if it fails, none of them is
// in the log. A suffix is removed by wal.Log.CutAfter and a snapshot is
// installed by wal.Log.Restart: no byte of an entry is ever rewritten. A prefix
// is removed at once for every reader, and its files as soon as all their entries
// are in it.
//
// After a failed write or sync every change returns an error of kind
// failure.Poisoned until the store is opened again: hashicorp/raft steps down
// and does not answer votes. On a full disk (failure.NoSpace) nothing is lost
// and changes work again once there is room. Entries are checked when they are
// read; one that is damaged is an error of kind failure.Corrupt, which ends
// raft.NewRaft: replace the server rather than its files.
//
// # Limits
//
// An entry with its extensions may have 16 MiB less 1 KiB. Entries have no gaps
// (IsMonotonic returns true), so that of the benchmarks in raft/bench
// DeleteRange, which stores with gaps, does not apply. AppendedAt keeps
// nanoseconds and loses its time zone and monotonic reading.
//
// # File map
//
//	store.go  the store
//	entry.go  the bytes of an entry
package hashicorpraft
