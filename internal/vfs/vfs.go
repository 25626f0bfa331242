package vfs

import (
	"errors"
	"io"
	"io/fs"
)

// ErrLocked is wrapped by [FS.Lock] when another process or another open holds
// the lock.
var ErrLocked = errors.New("locked by another process")

// NoFd is what [File.Fd] returns for a file that has no descriptor.
const NoFd = ^uintptr(0)

// FS names files and directories. Methods may be called concurrently.
// Errors wrap those of io/fs (fs.ErrNotExist and so on).
type FS interface {
	// OpenFile opens name with the flags of package os. A created file is
	// durable only after Sync of the file and SyncDir of its directory.
	OpenFile(name string, flag int, perm fs.FileMode) (File, error)
	// Remove unlinks a file or an empty directory; durable after SyncDir.
	Remove(name string) error
	// Rename atomically replaces newName; durable after SyncDir.
	Rename(oldName, newName string) error
	// MkdirAll makes dir and its missing parents.
	MkdirAll(dir string, perm fs.FileMode) error
	// ReadDir returns the base names in dir, sorted.
	ReadDir(dir string) ([]string, error)
	// SyncDir makes the creations, removals and renames in dir durable.
	SyncDir(dir string) error
	// Lock takes an exclusive advisory lock on name, creating the file. It
	// does not wait: an error wrapping ErrLocked means somebody else has it.
	Lock(name string) (io.Closer, error)
}

// File is an open file. ReadAt and WriteAt may be called concurrently on
// disjoint ranges; Close must be the last call.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// Size returns the length in bytes.
	Size() (int64, error)
	// Allocate reserves blocks for the first size bytes and sets the length
	// to at least size; new bytes read as zero. A full device is reported
	// here (syscall.ENOSPC) rather than by a later write or page fault.
	Allocate(size int64) error
	// PunchHole gives the blocks of [off, off+n) back; the range reads zero
	// and the length stays.
	PunchHole(off, n int64) error
	// Sync makes all written bytes and the length durable (fdatasync). After
	// an error nothing is known about any byte written since the last
	// successful Sync, and a retry proves nothing.
	Sync() error
	// StartWriteback asks the kernel to begin writing the range; it promises
	// no durability.
	StartWriteback(off, n int64) error
	// DropCache forgets clean cached pages, so that the next read comes from
	// the device.
	DropCache() error
	// Fd returns the descriptor for mapping, or NoFd.
	Fd() uintptr
}

// Cacher is implemented by file systems that can tell whether what was written is
// read back although it may not be on the device.
type Cacher interface {
	// CacheID names what the cached pages below dir belong to. While it stays the
	// same, a file reads as it was written, unless a sync of it failed. It is empty
	// where that is not known.
	CacheID(dir string) string
}

// Sparse is implemented by files that may know what was never written.
type Sparse interface {
	// Written returns the first range [from, to) at or behind off where something
	// may stand that is not zero. It is empty, at the length of the file, if there is
	// none, and everything behind off where that is not known. Reading what was
	// never written may make it count as written.
	Written(off int64) (from, to int64, err error)
}

// Memory is implemented by files that live on the heap. Memory returns the
// current image; the backing array does not move once Allocate has run, and
// WriteAt stores into it.
type Memory interface {
	Memory() []byte
}
