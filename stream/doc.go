// Package stream keeps streams: named sets of shards in one data directory.
//
// A [Store] opens the directory and owns everything in it: the catalogue of
// streams (catalogue.db), one log for every shard, and the goroutine that
// enforces retention. A [Stream] routes records to its shards by hash key.
//
// # The catalogue and the logs
//
// Which streams exist is said by the catalogue alone, which logs exist by the
// log directory alone, and no transaction spans the two. Creation and deletion
// therefore go through an intent that the catalogue commits first:
//
//	create: row "creating" with its log ids -> logs created -> row "active"
//	delete: row "deleting" -> logs removed -> row removed
//
// A stream that a crash leaves "creating" was never acknowledged, so [Open]
// removes its logs and its row; one left "deleting" is deleted to the end. Log
// ids come from a counter in the catalogue and are never used twice, so a row
// can only ever speak of its own logs. A log that no row mentions is reported,
// by [Store.OrphanLogs], and left alone: a catalogue restored from an old backup
// must not cost data.
//
// # Shards
//
// The shard list of a stream only grows, and the ranges of the open shards always
// cover the hash space. [Store.Split] and [Store.Merge] close parents, which keep
// their data until retention takes it, and append children that name them. That goes
// in these steps:
//
//  1. One transaction stores the intent: the children with the ids of their logs.
//  2. The logs are created and opened.
//  3. The parents are suspended: appends that come wait, those under way are waited
//     for until they are on the device, and the last record of each is known.
//  4. One transaction closes the parents and makes the children exist.
//  5. The new list is published; then the appends that wait are sent away from the
//     parents, and find their way by it.
//
// A crash before 4 leaves the old list, and the next [Open] removes what there is of
// the logs of the intent, and the intent; a crash behind it leaves the new list. A
// failure before 5 does the same at once, after the parents take appends again. If the
// undoing fails too, the intent stays, and with it the knowledge whose the logs are:
// the next split or merge of the stream, its deletion, or the next [Open] has to.
// Should a transaction that failed be on the disk all the same, then the children are
// empty, and all that was appended since stands in the parents, before them.
//
// So a record of a key in a parent always was acknowledged, or given up, before one
// in a child is appended; and what the parents hold is on the device before that,
// also where the stream promises less. [Stream.Put] and [Stream.PutBatch] do not show
// that anything happened. Others who append to a [shard.Shard] get
// failure.WrongShard, and route again.
//
// Sequence numbers, as Kinesis clients see them, grow from a parent to its child
// because they begin with the second of the shard's creation: the parents end and
// the children begin at the present, or one second after the youngest parent was
// created if that is later.
//
// docs/design/0024-resharding.md has the reasons.
//
// # Expiry
//
// A closed shard expires when it has been closed for longer than records are kept and
// none of its records is left. Its row is marked first, then its log is removed; a
// crash in between is finished by the next [Open]. It stays in the list, since its
// children name it, but has no log, and counts no more towards any limit.
//
// # Documents
//
// Layers above keep what they have to remember in [Documents], in the catalogue: of
// the store as a whole, and of each stream, created and removed with it.
//
// # Damage
//
// A shard whose log cannot be opened answers with that error, and everything
// else goes on: see [Store.Damage].
//
// # File map
//
//	store.go       the directory: opening, recovery, look-ups
//	control.go     creation and deletion
//	reshard.go     splits and merges
//	reconfigure.go changes of retention and limits
//	retention.go   removing what is too old; expire.go closed shards
//	stream.go      the handle of a stream; view.go what it is at one moment
//	put.go         appends
//	catalogue.go   the database; row.go what it says of a stream; documents.go the rest
//	snapshot.go    the catalogue for a backup
package stream
