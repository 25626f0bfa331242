// Package crashfs is a file system on the heap that can lose power.
//
// It keeps, beside what a running program sees, everything a disk could hold
// instead: for each 4 KiB page the durable content and the contents it had
// since, for each file its earlier lengths, for each directory the changes that
// no SyncDir has covered. [FS.Crash] picks one of those states and returns it
// as a new file system that shares nothing with the first, so one run of a
// program yields any number of crash images, also while it keeps writing.
//
// # The disk it models
//
//   - What was written before a Sync began is there after it returned. What was
//     written while it ran may or may not be.
//   - A page not covered by a Sync holds any of its versions since the last one,
//     whatever its neighbours hold. Now and then each 512-byte sector of it
//     chooses for itself.
//   - The length of a file is any it had since the last Sync.
//   - A directory entry is as durable as the last SyncDir of its directory;
//     syncing the file does nothing for its name. A rename happened entirely or
//     not at all. Changes of one name keep their order, others do not.
//   - Blocks that were never written read as zero: the file systems the engine
//     supports do not expose stale blocks.
//
// # What it does not model
//
// A device that loses what it acknowledged, or damages what it was not asked to
// write. Flip bits in a copy for that.
//
// # Mapped files
//
// Files implement vfs.Memory. After Allocate the slice it returns is the file:
// WriteAt stores into that array and it never moves. A file whose image has been
// handed out cannot grow any more; growing it is an error instead of a stale
// image. Storing into the slice directly would bypass the bookkeeping, and the
// stored bytes would look durable: only WriteAt writes.
//
// Memory use is bounded: a page keeps at most Options.VersionsMax contents. When
// it has more, some in-between content is forgotten, never the durable one.
package crashfs
