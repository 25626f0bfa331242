// Package shard turns one log into one shard of a stream.
//
// A [Shard] owns a slice of the 128-bit hash space and the [wal.Log] that keeps
// its records. It adds what the log must not know about: that every record of a
// batch belongs into the slice, how fast the shard may be written, how its
// sequence numbers look to the outside, and whose name stands on its errors.
// It starts no goroutine and holds no lock while the log works.
//
// # Writing
//
// [Shard.Put] encodes records and returns when they are as durable as the log
// promises. [Shard.Stage] takes a batch that already is canonical bytes, starts
// its commit and returns, so that one goroutine may keep many shards busy;
// [Shard.Wait] then tells when a staged batch is safe.
//
// # The end
//
// A split or a merge closes a shard in two steps, so that it can be undone between
// them: [Shard.Suspend] makes appends wait and fixes the last record, and
// [Shard.Finish] sends them to the children. A closed shard is read like any other;
// [Shard.End] says where it ends.
//
// # Reading
//
// [Shard.Cursor] opens a cursor of the log. What a cursor yields aliases the
// log's memory: see the caveats there. Errors of a cursor do not know the shard
// they came from; [Shard.Explain] adds that.
package shard
