// Package wal keeps logs: append-only sequences of records in segment files,
// with group commit, recovery, cursors and retention.
//
//	l, err := wal.Open("data", wal.Options{}, wal.LogOptions{}) // record.Group: an append returns after fdatasync
//	r, err := l.Append(ctx, records, protocol.Producer{})
//	c, err := l.Cursor(record.TrimHorizon())
//	for c.Next(ctx) {
//		v := c.View()
//	}
//
// # Model
//
// A [Dir] is a data directory with one writer. It holds any number of logs;
// their bookkeeping is in one MANIFEST. A [Log] gives each record the next
// sequence number, from 1 on. A batch is one frame and is atomic. What an
// acknowledgement means is the log's record.Durability:
//
//   - record.Group: fdatasync has returned. Readers see durable records only.
//   - record.Interval: the kernel has the bytes, the device has them within
//     the interval. The process may die; power may not fail.
//   - record.None: the kernel has the bytes.
//
// The end of a log can be replaced: [Log.CutAfter] removes the newest records, and
// their sequence numbers are given to others. A replica needs that; a log that
// nobody cuts never uses a number twice once it was acknowledged by the device.
//
// # What is promised after a crash
//
// A log reopens to a prefix of what was appended, and with record.Group that
// prefix holds everything acknowledged. Bytes behind the last good frame are
// the torn tail of a write nobody was promised, unless a later frame proves
// that they were durable: then the log opens for reading only, and a human
// decides. Nothing is appended to a segment of an earlier opening, no byte is
// rewritten, and no file is truncated.
//
// # Caveats
//
// Slices from a [Cursor] alias mapped memory: they are valid until the cursor
// moves or closes, and must not be written to. A failed write or sync makes
// the log refuse appends for good (failure.Poisoned); a full disk does not
// (failure.NoSpace). When a context ends during an append its outcome is
// unknown; a protocol.Producer makes repeating it safe.
//
// # File map
//
//	open.go      the form for a single log
//	dir.go       the directory: lock, logs, shared pools
//	manifest*.go the bookkeeping file; catalogue.go what it says
//	room.go      room in that file, promised before a roll
//	log.go       the state of one log; wait.go its waiters
//	append.go    placing frames into staging buffers; direct.go into the segment; each.go many batches
//	commit.go    writing and syncing them; roll.go changing segments; spare.go their files
//	journal*.go  one sync for small commits of many logs: format, commits, files, what an opening puts back
//	behind.go    segments that the manifest does not know yet
//	recover.go   opening after an end of any kind
//	check.go     verifying by files; repair.go ending damaged logs; scrub.go in the background
//	compress.go  compressing closed segments; pace.go the rate of what goes on in the background
//	snapshot.go  what to copy for a backup
//	cursor.go    reading; seek.go where it begins; tail.go waiting for more
//	producers.go idempotence
//	trim.go      giving up the beginning of a log; cut.go its end
package wal
