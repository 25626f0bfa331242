// Package etcdraft keeps the log, the hard state and the snapshot of one
// go.etcd.io/raft/v3 node in package wal.
//
//	storage, err := etcdraft.Open("data/raft", wal.Options{})
//	node, err := raft.NewRawNode(&raft.Config{ID: 1, Storage: storage, ...})
//	for node.HasReady() {
//		ready := node.Ready()
//		err := storage.Save(ready) // before any message of ready is sent
//		...
//		node.Advance(ready)
//	}
//
// [Storage] is a raft.Storage with the methods of raft.MemoryStorage, durable.
// An index of Raft is the sequence number of the record that holds the entry, so
// that nothing has to be looked up.
//
// # Two logs
//
// Entries are in one log with the durability group. Term, vote, commit index,
// snapshot and the place up to which the log was compacted are in a second log of the
// same directory (package wal/stable), whose durability is none but for what
// asks for more: it is synced when term or vote change, and for snapshots and
// compactions. A commit index alone is written and not synced; Raft finds it
// again. Thus a round that only appends costs one sync, as it would with both in
// one log, a change of the term costs two, and an entry keeps the number that
// Raft gives it, which it could not beside records of another kind.
//
// # What is promised
//
// Append, SetHardState with another term or vote, ApplySnapshot, CreateSnapshot
// and Compact return after fdatasync. A conflicting suffix is removed by
// wal.Log.CutAfter, a snapshot is installed by wal.Log.Restart. If the power is
// cut in between, the suffix is gone and the entries that replace it are not yet
// there, which Raft takes for a follower that lacks them; a snapshot is
// installed whole or not at all. A commit index that says more than the entries on
// disk is lowered when the storage is opened.
//
// After a failed write or sync every change returns an error of kind
// failure.Poisoned: the node must stop, and open the storage again. On a full
// disk (failure.NoSpace) nothing is lost; the same Save may be repeated. A
// damaged entry is failure.Corrupt when it is read, and ends the raft instance:
// replace the node rather than its files.
//
// # Limits
//
// An entry may have 16 MiB less 1 KiB. A snapshot with its data may have 8 MiB
// less 4 KiB (failure.TooLarge otherwise): put what is larger into a file, and its
// name into the data. Where raft.MemoryStorage panics, this returns an error.
//
// # File map
//
//	storage.go  reading: what raft.Storage asks
//	save.go     writing
//	entry.go    the bytes of entries and values
package etcdraft
