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
// The shard list of a stream only grows. A split or a merge will close the
// parents, which keep their data until retention takes it, and append children
// that name them; the ranges of the open shards always cover the hash space.
//
// # Damage
//
// A shard whose log cannot be opened answers with that error, and everything
// else goes on: see [Store.Damage].
package stream
