// Package millrace is an embeddable storage engine for ordered streams of
// records, durable by default.
//
// It is the engine of the Millrace server without the server: the same streams,
// shards and files, in your process.
//
// # Opening
//
// [Open] opens a data directory, or makes one, and takes its lock: one process
// at a time. A directory left behind by a crash is recovered on the way. The
// zero [Options] are good defaults.
//
//	engine, err := millrace.Open("data", millrace.Options{})
//	if err != nil {
//		return err
//	}
//	defer engine.Close()
//
// # Streams and shards
//
// A stream has a name and one or more shards. Each shard is one ordered
// sequence of records, kept in a log of its own; a record goes to the shard
// whose part of the hash space contains the MD5 of its partition key, or the
// explicit hash that the record brings along. Records of one partition key
// therefore keep their order, and shards are what may be written and read in
// parallel.
//
//	orders, err := engine.CreateStream(ctx, millrace.StreamConfig{Name: "orders", Shards: 4})
//
// # Writing
//
// [Stream.Put] writes one record and [Stream.PutBatch] many, to all shards at
// once. Both return when the records are as durable as the stream promises:
//
//   - [Group], the default: fdatasync has returned. Appends that arrive while one
//     sync runs share the next, so throughput grows with the number of callers.
//   - [Interval]: the records were handed to the operating system and are synced
//     every StreamConfig.SyncInterval. A crash of the process loses nothing, one
//     of the machine up to that interval.
//   - [None]: as Interval, without a sync until the segment is full.
//
// When a context ends an append early, the records may be written all the same.
//
// # Reading
//
// [Stream.Records] goes through a shard from any starting point and waits at the
// end for more, until its context ends; [Stream.Scan] ends there. Any number of
// readers may go over the same shard; none of them removes anything. Records
// disappear by retention only: whole segments at a time, after
// StreamConfig.RetentionTime or beyond StreamConfig.RetentionBytes.
//
//	for view, err := range orders.Records(ctx, shard, millrace.TrimHorizon()) {
//		if err != nil {
//			return err
//		}
//		handle(view.Key, view.Data)
//	}
//
// # Caveats
//
// The Key and Data of a [View] are not copies. They alias the memory map of a
// segment and are valid until the loop goes on; touching them later reads other
// bytes or faults. Copy what you keep:
//
//	kept := bytes.Clone(view.Data)
//
// They are read-only: a write to them faults.
//
// An open loop keeps its segment's file and map alive, also when retention has
// removed it. Do not park one for hours.
//
// The race detector does not see memory maps. Tests that want its help can use
// Options.Backend = [BackendPread].
//
// # Errors
//
// Errors say what happened by kind, to be asked for with errors.Is, and where:
//
//	if errors.Is(err, failure.Throttled) { ... }
//
// Package [github.com/millrace-io/millrace/failure] lists the kinds. A log that
// met an I/O error, or finds bytes damaged that were durable, takes no more
// records and says so (failure.Poisoned, failure.Corrupt) while everything else
// goes on: see [Engine.Damage].
//
// # Files
//
//	doc.go      this tour
//	millrace.go the engine and the handle of a stream
//	options.go  options, and names borrowed from the packages below
package millrace
