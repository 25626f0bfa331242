package crashfs

import (
	"io"
	"io/fs"
	"runtime"

	"github.com/millrace-io/millrace/internal/vfs"
)

// file is an open file.
type file struct {
	fs       *FS
	node     *inode
	name     string
	life     uint64
	writable bool
	closed   bool // guarded by fs.mu
}

var (
	_ vfs.File   = (*file)(nil)
	_ vfs.Memory = (*file)(nil)
)

func (f *file) fail(operation vfs.Operation, err error) error {
	return &fs.PathError{Op: operation.String(), Path: f.name, Err: err}
}

// usable is called with the lock held, before anything else.
func (f *file) usable(write bool) error {
	switch {
	case f.closed || f.life != f.fs.life.Load():
		return fs.ErrClosed
	case write && !f.writable:
		return fs.ErrPermission
	}
	return nil
}

// ReadAt implements vfs.File.
func (f *file) ReadAt(p []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.usable(false); err != nil {
		return 0, f.fail(vfs.OperationRead, err)
	}
	if off < 0 {
		return 0, f.fail(vfs.OperationRead, fs.ErrInvalid)
	}
	n := copy(p, f.node.data[min(off, int64(len(f.node.data))):])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt implements vfs.File. On a full file system it writes what fits.
func (f *file) WriteAt(p []byte, off int64) (int, error) {
	f.fs.before(vfs.OperationWrite, f.name, off, int64(len(p)))
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.usable(true); err != nil {
		return 0, f.fail(vfs.OperationWrite, err)
	}
	if off < 0 {
		return 0, f.fail(vfs.OperationWrite, fs.ErrInvalid)
	}
	if len(p) == 0 {
		return 0, nil
	}
	first, last := pagesOf(off, int64(len(p)))
	fits, full := f.reserve(first, last)
	if full != nil {
		p = p[:max(0, int64(fits)*pageSize-off)]
	}
	if len(p) > 0 {
		stamp := f.fs.stamp.Add(1)
		end := max(off+int64(len(p)), int64(len(f.node.data)))
		if err := f.node.resize(end, stamp); err != nil {
			return 0, f.fail(vfs.OperationWrite, err)
		}
		f.node.write(p, off, stamp, f.fs.versionsMax, &f.fs.free)
	}
	if full != nil {
		return len(p), f.fail(vfs.OperationWrite, full)
	}
	return len(p), nil
}

// reserve takes blocks for the pages [first, last).
func (f *file) reserve(first, last int) (int, error) {
	left := max(0, f.fs.capacity-f.fs.used)
	before := left
	fits, err := f.node.reserve(first, last, &left)
	f.fs.used += before - left
	return fits, err
}

// Close implements vfs.File.
func (f *file) Close() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.usable(false); err != nil {
		return f.fail(vfs.OperationClose, err)
	}
	f.closed = true
	f.node.handles--
	if f.node.handles == 0 && !f.node.linked {
		f.fs.forget(f.node)
	}
	return nil
}

// Size implements vfs.File.
func (f *file) Size() (int64, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.usable(false); err != nil {
		return 0, f.fail(vfs.OperationSize, err)
	}
	return int64(len(f.node.data)), nil
}

// Allocate implements vfs.File. When there is not enough space it changes
// nothing.
func (f *file) Allocate(size int64) error {
	f.fs.before(vfs.OperationAllocate, f.name, 0, size)
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.usable(true); err != nil {
		return f.fail(vfs.OperationAllocate, err)
	}
	_, pages := pagesOf(0, size)
	fits, err := f.reserve(0, pages)
	if err != nil {
		f.giveBack(fits, pages)
		return f.fail(vfs.OperationAllocate, err)
	}
	if err := f.node.resize(max(size, int64(len(f.node.data))), f.fs.stamp.Add(1)); err != nil {
		return f.fail(vfs.OperationAllocate, err)
	}
	return nil
}

// giveBack returns the blocks of a failed Allocate that got as far as page
// fits: those of pages that never held anything.
func (f *file) giveBack(fits, pages int) {
	for p := (len(f.node.data) + pageSize - 1) / pageSize; p < min(fits, pages); p++ {
		if f.node.reserved.has(p) {
			f.node.reserved.unset(p)
			f.fs.used--
		}
	}
}

// PunchHole implements vfs.File.
func (f *file) PunchHole(off, n int64) error {
	f.fs.before(vfs.OperationPunchHole, f.name, off, n)
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.usable(true); err != nil {
		return f.fail(vfs.OperationPunchHole, err)
	}
	if off < 0 || n < 0 {
		return f.fail(vfs.OperationPunchHole, fs.ErrInvalid)
	}
	n = min(n, int64(len(f.node.data))-off)
	if n <= 0 {
		return nil
	}
	f.node.zero(off, n, f.fs.stamp.Add(1), f.fs.versionsMax, &f.fs.free)
	whole := int((off + n) / pageSize)
	if off+n == int64(len(f.node.data)) {
		_, whole = pagesOf(off, n)
	}
	for p := int((off + pageSize - 1) / pageSize); p < whole; p++ {
		if f.node.reserved.has(p) {
			f.node.reserved.unset(p)
			f.fs.used--
		}
	}
	return nil
}

// Sync implements vfs.File. It covers what was written before it was called,
// and nothing that others write while it runs.
func (f *file) Sync() error {
	limit := f.fs.stamp.Load()
	f.fs.before(vfs.OperationSync, f.name, 0, 0)
	runtime.Gosched() // let others write something that this call does not cover
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.usable(false); err != nil {
		return f.fail(vfs.OperationSync, err)
	}
	f.node.sync(limit, &f.fs.free)
	return nil
}

// StartWriteback implements vfs.File. It does nothing: a crash may find any
// unsynced write on the disk as it is.
func (f *file) StartWriteback(int64, int64) error { return nil }

// DropCache implements vfs.File. There is no cache.
func (f *file) DropCache() error { return nil }

// Fd implements vfs.File.
func (f *file) Fd() uintptr { return vfs.NoFd }

// Memory implements vfs.Memory. From now on the file keeps its length.
func (f *file) Memory() []byte {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	data := f.node.data
	f.node.mapped = f.node.mapped || len(data) > 0
	return data[:len(data):len(data)]
}
