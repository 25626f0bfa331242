package crashfs

import (
	"io"
	"io/fs"
	"maps"
	"math"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/millrace-io/millrace/internal/vfs"
)

// Options configure a file system. The zero value is an empty, endless one.
type Options struct {
	// Capacity in bytes, counted in pages of 4 KiB that hold or reserve data.
	// Allocate and WriteAt give syscall.ENOSPC beyond it. Default: no limit.
	Capacity int64
	// VersionsMax is how many contents of a page a crash may choose from,
	// the durable and the current one included. Default: 8, minimum: 3.
	VersionsMax int
	// Hook is called before every call that changes something or makes it
	// durable, with no lock held, on the caller's goroutine. It may call Crash.
	Hook func(vfs.Call)
}

// FS is a simulated file system. Its methods may be called concurrently.
type FS struct {
	versionsMax int
	hook        atomic.Pointer[func(vfs.Call)]
	// stamp counts changes. It is advanced with mu held and read without, by
	// Sync and SyncDir, to tell what came before them.
	stamp atomic.Uint64
	// life is advanced by Kill: files opened in an earlier life are closed.
	life atomic.Uint64

	mu       sync.Mutex
	capacity int64 // guarded by mu, in pages; 0: no limit
	used     int64 // guarded by mu, in pages
	root     *directory
	changes  []change // guarded by mu: directory changes not known durable
	locks    map[*inode]bool
	orphans  map[*inode]bool // guarded by mu: open files without a name
	free     freelist
}

var _ vfs.FS = (*FS)(nil)

// New returns an empty file system that has a durable root directory only.
func New(o Options) *FS {
	f := &FS{
		versionsMax: max(o.VersionsMax, 3),
		root:        newDirectory(),
		locks:       make(map[*inode]bool),
		orphans:     make(map[*inode]bool),
	}
	if o.VersionsMax == 0 {
		f.versionsMax = 8
	}
	f.SetCapacity(o.Capacity)
	f.SetHook(o.Hook)
	return f
}

// SetHook replaces Options.Hook.
func (f *FS) SetHook(hook func(vfs.Call)) {
	if hook == nil {
		hook = func(vfs.Call) {}
	}
	f.hook.Store(&hook)
}

// SetCapacity replaces Options.Capacity. Less than what is in use is legal and
// leaves a full file system.
func (f *FS) SetCapacity(bytes int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.capacity = bytes / pageSize
	if bytes <= 0 {
		f.capacity = math.MaxInt64
	}
}

// Used returns the bytes that count against the capacity.
func (f *FS) Used() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.used * pageSize
}

// SyncAll makes everything durable: the starting point of a test that is not
// about how its files came to be.
func (f *FS) SyncAll() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.changes {
		f.changes[i].apply(func(d *directory) map[string]node { return d.durable })
	}
	f.changes = nil
	f.eachFile(f.root, func(n *inode) { n.sync(everything, &f.free) })
}

func (f *FS) eachFile(d *directory, visit func(*inode)) {
	for _, child := range d.entries {
		if child.file != nil {
			visit(child.file)
		} else {
			f.eachFile(child.directory, visit)
		}
	}
}

// Kill is the death of the process: every open file is closed and every lock
// released, but nothing is lost and nothing becomes durable.
func (f *FS) Kill() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.life.Add(1)
	clear(f.locks)
	f.eachFile(f.root, func(n *inode) { n.handles, n.mapped = 0, false })
	for n := range f.orphans {
		f.forget(n)
	}
}

// before reports a call to the hook.
func (f *FS) before(operation vfs.Operation, name string, off, length int64) {
	(*f.hook.Load())(vfs.Call{Operation: operation, Name: name, Offset: off, Length: length})
}

// OpenFile implements vfs.FS. Permissions are ignored.
func (f *FS) OpenFile(name string, flag int, _ fs.FileMode) (vfs.File, error) {
	if flag&(os.O_CREATE|os.O_TRUNC) != 0 {
		f.before(vfs.OperationOpen, name, 0, 0)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.open(name, flag)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	n.handles++
	writable := flag&(os.O_WRONLY|os.O_RDWR) != 0
	return &file{fs: f, node: n, name: name, life: f.life.Load(), writable: writable}, nil
}

func (f *FS) open(name string, flag int) (*inode, error) {
	at, found, err := f.resolve(name)
	switch {
	case err != nil:
		return nil, err
	case found.directory != nil:
		return nil, syscall.EISDIR
	case found.file == nil && flag&os.O_CREATE == 0:
		return nil, fs.ErrNotExist
	case found.file != nil && flag&(os.O_CREATE|os.O_EXCL) == os.O_CREATE|os.O_EXCL:
		return nil, fs.ErrExist
	}
	n := found.file
	if n == nil {
		n = newInode()
		n.linked = true
		f.record(change{places: []place{at}, after: []node{{file: n}}})
	}
	if flag&os.O_TRUNC != 0 && len(n.data) > 0 {
		if n.mapped {
			return nil, errMapped
		}
		stamp := f.stamp.Add(1)
		n.zero(0, int64(len(n.data)), stamp, f.versionsMax, &f.free)
		f.release(n)
		return n, n.resize(0, stamp)
	}
	return n, nil
}

// release gives the blocks of n back.
func (f *FS) release(n *inode) {
	f.used -= int64(n.reserved.count())
	n.reserved = nil
}

// unlink drops the name of n; its blocks live as long as somebody has it open.
func (f *FS) unlink(n *inode) {
	n.linked = false
	f.orphans[n] = true
	if n.handles == 0 {
		f.forget(n)
	}
}

// forget ends a file that has neither a name nor an opener.
func (f *FS) forget(n *inode) {
	delete(f.orphans, n)
	f.release(n)
}

// Remove implements vfs.FS.
func (f *FS) Remove(name string) error {
	f.before(vfs.OperationRemove, name, 0, 0)
	f.mu.Lock()
	defer f.mu.Unlock()
	at, found, err := f.resolve(name)
	switch {
	case err != nil:
	case !found.exists():
		err = fs.ErrNotExist
	case at.directory == nil:
		err = fs.ErrInvalid // the root
	case found.directory != nil && len(found.directory.entries) > 0:
		err = syscall.ENOTEMPTY
	}
	if err != nil {
		return &fs.PathError{Op: "remove", Path: name, Err: err}
	}
	if found.file != nil {
		f.unlink(found.file)
	}
	f.record(change{places: []place{at}, after: []node{{}}})
	return nil
}

// Rename implements vfs.FS for files and directories; only a file is replaced.
func (f *FS) Rename(oldName, newName string) error {
	f.before(vfs.OperationRename, newName, 0, 0)
	f.mu.Lock()
	defer f.mu.Unlock()
	fail := func(err error) error {
		return &os.LinkError{Op: "rename", Old: oldName, New: newName, Err: err}
	}
	from, moved, err := f.resolve(oldName)
	if err != nil {
		return fail(err)
	}
	to, replaced, err := f.resolve(newName)
	switch {
	case err != nil:
		return fail(err)
	case !moved.exists():
		return fail(fs.ErrNotExist)
	case from.directory == nil || to.directory == nil:
		return fail(fs.ErrInvalid)
	case replaced.directory != nil:
		return fail(fs.ErrExist)
	case from == to:
		return nil
	}
	if replaced.file != nil {
		f.unlink(replaced.file)
	}
	f.record(change{places: []place{from, to}, after: []node{{}, moved}})
	return nil
}

// MkdirAll implements vfs.FS. Each directory it makes is an entry of its parent
// and needs a SyncDir of that parent.
func (f *FS) MkdirAll(dir string, _ fs.FileMode) error {
	f.before(vfs.OperationMkdir, dir, 0, 0)
	f.mu.Lock()
	defer f.mu.Unlock()
	d := f.root
	for _, name := range elements(dir) {
		next := d.entries[name]
		if next.file != nil {
			return &fs.PathError{Op: "mkdir", Path: dir, Err: syscall.ENOTDIR}
		}
		if next.directory == nil {
			next.directory = newDirectory()
			f.record(change{places: []place{{directory: d, name: name}}, after: []node{next}})
		}
		d = next.directory
	}
	return nil
}

// ReadDir implements vfs.FS.
func (f *FS) ReadDir(dir string) ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	d, err := f.lookup(elements(dir))
	if err != nil {
		return nil, &fs.PathError{Op: "readdir", Path: dir, Err: err}
	}
	return slices.Sorted(maps.Keys(d.entries)), nil
}

// SyncDir implements vfs.FS.
func (f *FS) SyncDir(dir string) error {
	limit := f.stamp.Load()
	f.before(vfs.OperationSyncDir, dir, 0, 0)
	runtime.Gosched() // let others change something that this call does not cover
	f.mu.Lock()
	defer f.mu.Unlock()
	d, err := f.lookup(elements(dir))
	if err != nil {
		return &fs.PathError{Op: "syncdir", Path: dir, Err: err}
	}
	f.syncDirectory(d, limit)
	return nil
}

// Lock implements vfs.FS. A lock holds until it is closed, or until Kill; a
// crash image has none.
func (f *FS) Lock(name string) (io.Closer, error) {
	f.before(vfs.OperationLock, name, 0, 0)
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.open(name, os.O_RDWR|os.O_CREATE)
	if err == nil && f.locks[n] {
		err = vfs.ErrLocked
	}
	if err != nil {
		return nil, &fs.PathError{Op: "lock", Path: name, Err: err}
	}
	f.locks[n] = true
	return &lock{fs: f, node: n, life: f.life.Load()}, nil
}

// lock is a held lock.
type lock struct {
	fs   *FS
	node *inode
	life uint64
}

func (l *lock) Close() error {
	l.fs.mu.Lock()
	defer l.fs.mu.Unlock()
	if l.life != l.fs.life.Load() || !l.fs.locks[l.node] {
		return fs.ErrClosed
	}
	delete(l.fs.locks, l.node)
	return nil
}
