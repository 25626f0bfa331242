package vfs

import (
	"fmt"
	"io"
	"io/fs"
	"os"
)

// OS returns the file system of the operating system. Errors carry the
// operating system's error number, so errors.Is(err, syscall.ENOSPC) holds when
// a device is full.
func OS() FS { return osFS{} }

type osFS struct{}

func (osFS) OpenFile(name string, flag int, perm fs.FileMode) (File, error) {
	f, err := os.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return &osFile{f: f}, nil
}

func (osFS) Remove(name string) error { return os.Remove(name) }

func (osFS) Rename(oldName, newName string) error { return os.Rename(oldName, newName) }

func (osFS) MkdirAll(dir string, perm fs.FileMode) error { return os.MkdirAll(dir, perm) }

func (osFS) ReadDir(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(entries))
	for i, entry := range entries {
		names[i] = entry.Name()
	}
	return names, nil
}

func (osFS) SyncDir(dir string) error { return syncDir(dir) }

func (osFS) Lock(name string) (io.Closer, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	if err := lockFile(f); err != nil {
		return nil, closeAfter(f, &fs.PathError{Op: "lock", Path: name, Err: err})
	}
	// Closing the descriptor releases the lock; the file stays, because
	// removing it would let two processes lock two different inodes.
	return f, nil
}

// osFile is a file of the operating system. What differs between systems
// (allocate, punchHole, written, dataSync, startWriteback, dropCache) lives in one file
// per system.
type osFile struct {
	f *os.File
}

func (f *osFile) ReadAt(p []byte, off int64) (int, error)  { return f.f.ReadAt(p, off) }
func (f *osFile) WriteAt(p []byte, off int64) (int, error) { return f.f.WriteAt(p, off) }
func (f *osFile) Close() error                             { return f.f.Close() }
func (f *osFile) Fd() uintptr                              { return f.f.Fd() }

func (f *osFile) Size() (int64, error) {
	info, err := f.f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (f *osFile) Allocate(size int64) error { return f.wrap("allocate", allocate(f.f, size)) }

func (f *osFile) PunchHole(off, n int64) error {
	size, err := f.Size()
	if err != nil {
		return err
	}
	if off < 0 || n < 0 {
		return f.wrap("punch hole", fs.ErrInvalid)
	}
	n = min(n, size-off)
	if n <= 0 {
		return nil
	}
	return f.wrap("punch hole", punchHole(f.f, off, n))
}

func (f *osFile) Sync() error { return f.wrap("fdatasync", dataSync(f.f)) }

func (f *osFile) StartWriteback(off, n int64) error {
	return f.wrap("start writeback", startWriteback(f.f, off, n))
}

func (f *osFile) DropCache() error { return f.wrap("drop cache", dropCache(f.f)) }

// Written implements Sparse.
func (f *osFile) Written(off int64) (from, to int64, err error) {
	size, err := f.Size()
	if err != nil || off >= size {
		return size, size, err
	}
	from, to, err = written(f.f, off, size)
	return from, to, f.wrap("find data", err)
}

// wrap names the operation and the file, unless err already does.
func (f *osFile) wrap(operation string, err error) error {
	if err == nil {
		return nil
	}
	if _, named := err.(*fs.PathError); named { //nolint:errorlint // only an error that is already complete at the top needs no second name
		return err
	}
	return &fs.PathError{Op: operation, Path: f.f.Name(), Err: err}
}

// zeroBlock is written where the file system cannot allocate or punch.
var zeroBlock [256 << 10]byte

// writeZeros stores n zero bytes at off: the slow way to allocate blocks or to
// clear them, for file systems that have no better one.
func writeZeros(f *os.File, off, n int64) error {
	for n > 0 {
		block := zeroBlock[:min(n, int64(len(zeroBlock)))]
		written, err := f.WriteAt(block, off)
		if err != nil {
			return err
		}
		off += int64(written)
		n -= int64(written)
	}
	return nil
}

// extendWithZeros allocates by writing everything between the present end and
// size. It is what remains when the file system refuses fallocate.
func extendWithZeros(f *os.File, size int64) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return writeZeros(f, info.Size(), size-info.Size())
}

// closeAfter closes c because of err and returns err, joined with the close
// error if that fails too.
func closeAfter(c io.Closer, err error) error {
	if closeErr := c.Close(); closeErr != nil {
		return fmt.Errorf("%w (and close: %w)", err, closeErr)
	}
	return err
}
