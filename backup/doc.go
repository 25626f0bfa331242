// Package backup copies the data directory of a running server to a store, and
// back.
//
//	to := directory.Open("/backup/millrace") // or an S3 bucket
//	made, err := backup.Create(ctx, "data", to, backup.Options{})
//	...
//	restored, err := backup.Restore(ctx, to, made.Name, "data2", backup.RestoreOptions{})
//
// # What a backup holds
//
// A backup is the data directory as it was at one moment, or rather as a machine
// would have left it that lost power then: opening it is an ordinary recovery. It
// holds every record that was acknowledged before the backup began, and each log
// is a prefix of what was appended, without a gap. It is taken by reading files,
// without a lock and without the server's knowing: sealed segments do not change,
// the open one only grows, the MANIFEST is append-only, and for the catalogue see
// stream.SnapshotCatalogue. What retention removes meanwhile makes it begin
// again, which is cheap.
//
// # Objects
//
// Files are stored as objects named by their SHA-256, so that none is stored
// twice, and a list of them as backups/<time>-<digest of the list>.json, last:
// a backup that was cut short does not exist. A segment that the last backup has,
// and that was closed then, is neither read nor sent again. The list is drawn in
// docs/format/backup.md.
//
// Restoring checks every byte against its digest, and the list against its name,
// and refuses what does not match.
//
// # Caveats
//
// One store, or prefix of one, is for one data directory: others work, and send
// more than they need to. Nothing is ever deleted from a store.
//
//	create.go   taking a backup
//	restore.go  restoring and verifying
//	list.go     the list of a backup, and the list of backups
package backup
