package powercut

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	nodefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/millrace-io/millrace/internal/vfs"
	"github.com/millrace-io/millrace/internal/vfs/crashfs"
)

// cacheForever is how long the kernel may keep attributes and names: it alone
// changes them.
const cacheForever = time.Hour

// Options configure a mount.
type Options struct {
	// WriteBack lets the kernel keep written pages to itself until a sync, as it
	// does on a local disk. Otherwise every write reaches the disk, unsynced,
	// before it returns.
	WriteBack bool
	// CutAfter cuts the power at that many requests that change something or
	// make it durable; 0 is never. Random chooses what survives, and must not be
	// used by anybody else.
	CutAfter int64
	Random   *rand.Rand
}

// Fault is what happens to one request instead of its being carried out. The
// zero value is nothing special.
type Fault struct {
	// Err is the answer, if it is not 0.
	Err syscall.Errno
	// Lie answers that all is well and does nothing.
	Lie bool
	// Wait holds the request back until it is closed.
	Wait <-chan struct{}
}

// Disk is a mounted disk. Its methods may be called concurrently, except
// Unmount, which comes last.
type Disk struct {
	files  *crashfs.FS
	server *fuse.Server
	dir    string
	cutAt  int64
	random *rand.Rand

	fault    atomic.Pointer[func(vfs.Call) Fault]
	requests atomic.Int64
	dead     atomic.Bool
	cut      sync.Once
	survivor *crashfs.FS // written by cut, before gone is closed
	gone     chan struct{}
}

// Mount serves files at dir, which must exist.
func Mount(dir string, files *crashfs.FS, o Options) (*Disk, error) {
	d := &Disk{files: files, dir: dir, cutAt: o.CutAfter, random: o.Random, gone: make(chan struct{})}
	timeout := cacheForever
	options := &nodefs.Options{EntryTimeout: &timeout, AttrTimeout: &timeout}
	options.MountOptions = fuse.MountOptions{
		DirectMountStrict: true, FsName: "powercut", Name: "powercut",
		DisableXAttrs: true, ExplicitDataCacheControl: true, MaxWrite: 1 << 20,
		Logger: log.New(io.Discard, "", 0), // that a mount ended is no news
	}
	if o.WriteBack {
		options.ExtraCapabilities = fuse.CAP_WRITEBACK_CACHE
	}
	server, err := nodefs.Mount(dir, &node{disk: d}, options)
	if err != nil {
		return nil, fmt.Errorf("powercut: mount %s: %w", dir, err)
	}
	d.server = server
	return d, nil
}

// Unmount ends the mount. No process may have a file of it open.
func (d *Disk) Unmount() error {
	if err := d.server.Unmount(); err != nil {
		// It must not outlive the test, whatever still holds it.
		forced := syscall.Unmount(d.dir, syscall.MNT_FORCE|syscall.MNT_DETACH)
		return errors.Join(fmt.Errorf("powercut: unmount %s: %w", d.dir, err), forced)
	}
	return nil
}

// SetFault has choose decide about every later request that changes something
// or makes it durable; nil ends all faults. choose must be safe for concurrent
// use.
func (d *Disk) SetFault(choose func(vfs.Call) Fault) {
	if choose == nil {
		d.fault.Store(nil)
		return
	}
	d.fault.Store(&choose)
}

// Requests returns how many requests changed something or made it durable.
func (d *Disk) Requests() int64 { return d.requests.Load() }

// Gone is closed once the power is cut.
func (d *Disk) Gone() <-chan struct{} { return d.gone }

// Cut cuts the power, unless that has happened already, and returns what
// survived.
func (d *Disk) Cut(random *rand.Rand) *crashfs.FS {
	d.cut.Do(func() {
		// The order matters: a sync that is answered with success after this
		// line had been carried out before it, so that the survivor has it.
		d.dead.Store(true)
		d.survivor = d.files.Crash(random)
		close(d.gone)
	})
	<-d.gone
	return d.survivor
}

// change carries out a request that changes something or makes it durable.
func (d *Disk) change(operation vfs.Operation, name string, carryOut func() error) syscall.Errno {
	if d.requests.Add(1) == d.cutAt {
		d.Cut(d.random)
	}
	if choose := d.fault.Load(); choose != nil {
		fault := (*choose)(vfs.Call{Operation: operation, Name: name})
		if fault.Wait != nil {
			<-fault.Wait
		}
		if fault.Err != 0 || fault.Lie {
			return d.answer(fault.Err)
		}
	}
	if d.dead.Load() {
		return syscall.EIO
	}
	return d.answer(carryOut())
}

// answer is what the process hears of a request that ended with err. The dead
// do not answer: what was carried out after the cut is not in the survivor.
func (d *Disk) answer(err error) syscall.Errno {
	var number syscall.Errno
	switch {
	case d.dead.Load():
		return syscall.EIO
	case err == nil:
		return 0
	case errors.As(err, &number):
		return number
	case errors.Is(err, fs.ErrNotExist):
		return syscall.ENOENT
	case errors.Is(err, fs.ErrExist):
		return syscall.EEXIST
	}
	return syscall.EINVAL
}
