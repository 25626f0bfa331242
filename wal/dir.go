package wal

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	crand "crypto/rand"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/internal/vfs"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/segment"
)

const (
	lockName    = "LOCK"
	logPrefix   = "log-"
	sparePrefix = "spare-"
	spareSuffix = ".tmp"
	segSuffix   = ".seg"
)

// Dir is an open data directory: the logs in it share its lock, its manifest,
// a pool of staging buffers and a bound on concurrent syncs. Its methods may be
// called concurrently.
type Dir struct {
	path     string
	options  Options
	readOnly bool
	opened   time.Time
	lock     io.Closer // nil when read-only
	manifest *manifest // nil when read-only
	journal  *journal  // nil when read-only
	logs     catalogue // what the manifest said, when read-only

	syncs   chan struct{} // one token per running fdatasync
	buffers buffers
	waiters sync.Pool // of *waiter

	mu     sync.Mutex // guards the fields below; taken before the manifest's lock and never with a log's
	open   map[uint64]*Log
	closed bool

	saltMu sync.Mutex // guards random
	random *rand.Rand // nil: salts come from the system

	background sync.WaitGroup // goroutines that release segments
	scrubber   *scrubber      // nil unless asked for
	compressor *compressor    // nil unless asked for
}

// OpenDir opens path for writing, creating it if it is missing. Only one
// process at a time may do so: another gets an error of kind
// failure.Conflict. Logs are opened one by one with OpenLog.
func OpenDir(path string, o Options) (*Dir, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	d := newDir(path, o)
	if err := makeDurableDir(o.FS, path); err != nil {
		return nil, spaceOr(failure.Unavailable, "wal: create "+path, err)
	}
	d.lock, err = o.FS.Lock(filepath.Join(path, lockName))
	if errors.Is(err, vfs.ErrLocked) {
		return nil, failure.Wrap(failure.Conflict, "open "+path, err)
	}
	if err != nil {
		return nil, spaceOr(failure.Unavailable, "open "+path, err)
	}
	if d.manifest, err = openManifest(o.FS, path, d.newSalt); err != nil {
		return nil, errors.Join(spaceOr(failure.Unavailable, "open "+path, err), d.lock.Close())
	}
	if err := d.removeStrayLogs(); err != nil {
		return nil, errors.Join(spaceOr(failure.Unavailable, "open "+path, err), d.manifest.close(), d.lock.Close())
	}
	d.journal = newJournal(d)
	if err := d.journal.replay(d.manifest.logs); err != nil {
		return nil, errors.Join(spaceOr(failure.Unavailable, "open "+path, err), d.manifest.close(), d.lock.Close())
	}
	d.scrubber, d.compressor = startScrubber(d), startCompressor(d)
	return d, nil
}

// OpenDirReadOnly opens path as it is, beside a live writer or not. It takes no
// lock and changes nothing. Its logs show what was in them when they were
// opened.
func OpenDirReadOnly(path string, o Options) (*Dir, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	d := newDir(path, o)
	d.readOnly = true
	number, logs, err := readManifest(o.FS, path)
	if err != nil {
		return nil, spaceOr(failure.Unavailable, "open "+path, err)
	}
	if number == 0 {
		return nil, failure.New(failure.NotFound, "open "+path, "it holds no MANIFEST: this is not a data directory")
	}
	if err := checkJournals(o.FS, path, logs); err != nil {
		return nil, spaceOr(failure.Unavailable, "open "+path, err)
	}
	d.logs = logs
	return d, nil
}

// makeDurableDir makes path and its missing parents, and makes their names
// durable: a log whose folder a power cut takes back is lost with its folder.
func makeDurableDir(files vfs.FS, path string) error {
	parents := []string{filepath.Dir(path)}
	for {
		top := parents[len(parents)-1]
		if _, err := files.ReadDir(top); err == nil || top == filepath.Dir(top) {
			break
		}
		parents = append(parents, filepath.Dir(top))
	}
	if err := files.MkdirAll(path, 0o750); err != nil {
		return err
	}
	for _, parent := range parents {
		if err := files.SyncDir(parent); err != nil && !errors.Is(err, fs.ErrPermission) {
			return err
		}
	}
	return nil
}

func newDir(path string, o Options) *Dir {
	d := &Dir{
		path: path, options: o, opened: time.Now(), open: make(map[uint64]*Log),
		syncs:   make(chan struct{}, o.SyncsMax),
		buffers: newBuffers(o.StagingBytes),
		waiters: sync.Pool{New: newWaiter},
	}
	if o.Seed != 0 {
		d.random = rand.New(rand.NewPCG(o.Seed, o.Seed))
	}
	return d
}

// newSalt returns a number that no earlier segment of the same file is likely
// to have had.
func (d *Dir) newSalt() uint32 {
	if d.random != nil {
		d.saltMu.Lock()
		defer d.saltMu.Unlock()
		return d.random.Uint32()
	}
	var b [4]byte
	_, _ = crand.Read(b[:]) // it cannot fail: see its documentation
	return binary.LittleEndian.Uint32(b[:])
}

func logDirName(id uint64) string { return logPrefix + strconv.FormatUint(id, 10) }

func logID(name string) (uint64, bool) {
	digits, ok := strings.CutPrefix(name, logPrefix)
	if !ok {
		return 0, false
	}
	id, err := strconv.ParseUint(digits, 10, 64)
	return id, err == nil && logDirName(id) == name
}

func (d *Dir) logPath(id uint64) string { return filepath.Join(d.path, logDirName(id)) }

// Logs returns the ids of the logs, sorted.
func (d *Dir) Logs() []uint64 {
	if d.readOnly {
		return d.logs.ids()
	}
	d.manifest.mu.Lock()
	defer d.manifest.mu.Unlock()
	return d.manifest.logs.ids()
}

// CreateLogs adds empty logs, all or none. Ids are chosen by the caller, are
// not 0, and must not be reused after RemoveLog: a stale reader could mistake
// one log for another.
func (d *Dir) CreateLogs(ids ...uint64) error {
	if d.readOnly {
		return errReadOnly
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	edits := make([]edit, 0, len(ids))
	for _, id := range ids {
		if _, exists := d.manifest.entry(id); exists || id == 0 {
			return failure.New(failure.AlreadyExists, "create log", "id %d is in use or 0", id)
		}
		if err := d.options.FS.MkdirAll(d.logPath(id), 0o750); err != nil {
			return spaceOr(failure.Internal, "create log", err)
		}
		edits = append(edits, edit{kind: editLogAdded, log: id, fields: [4]uint64{1, 1, 0}})
	}
	if err := d.options.FS.SyncDir(d.path); err != nil {
		return spaceOr(failure.Internal, "create log", err)
	}
	if err := d.manifest.commit(edits...); err != nil {
		return spaceOr(failure.Poisoned, "create log", err)
	}
	return nil
}

// OpenLog opens a log, recovering it if it was not closed. A log is opened
// once; opening it again while it is open is an error of kind
// failure.Conflict.
//
// A log with damage in the middle opens all the same: reads work up to the
// damage and appends fail with the [*CorruptionError], until an operator has
// decided.
func (d *Dir) OpenLog(id uint64, o LogOptions) (*Log, error) {
	if o.SyncInterval <= 0 {
		o.SyncInterval = syncIntervalDefault
	}
	entry, err := d.claim(id)
	if err != nil {
		return nil, err
	}
	l := newLog(d, id, o)
	if err = l.openWitness(); err == nil {
		err = l.recover(entry)
	}
	if err == nil {
		err = l.beginWitness()
	}
	if err != nil {
		l.commits.Wait()
		l.release()
		d.mu.Lock()
		delete(d.open, id)
		d.mu.Unlock()
		return nil, spaceOr(failure.Unavailable, "open log", fmt.Errorf("wal: open log %d: %w", id, err))
	}
	d.mu.Lock()
	closed := d.closed
	d.open[id] = l
	d.mu.Unlock()
	if closed {
		return nil, errors.Join(errClosed, l.Close())
	}
	return l, nil
}

// claim reserves the id in the table of open logs and returns its bookkeeping.
func (d *Dir) claim(id uint64) (logEntry, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return logEntry{}, errClosed
	}
	if _, isOpen := d.open[id]; isOpen {
		return logEntry{}, failure.New(failure.Conflict, "open log", "log %d is open already", id)
	}
	var entry logEntry
	var exists bool
	if d.readOnly {
		if exists = d.logs.has(id); exists {
			entry = *d.logs[id]
		}
	} else {
		entry, exists = d.manifest.entry(id)
	}
	if !exists {
		return logEntry{}, failure.New(failure.NotFound, "open log", "there is no log %d", id)
	}
	d.open[id] = nil
	return entry, nil
}

// RemoveLog closes the log, if it is open, and deletes its data. Cursors that
// are open keep what they have pinned until they are closed.
func (d *Dir) RemoveLog(id uint64) error {
	if d.readOnly {
		return errReadOnly
	}
	d.mu.Lock()
	l, isOpen := d.open[id]
	if d.closed || isOpen && l == nil {
		d.mu.Unlock()
		return failure.New(failure.Conflict, "remove log", "log %d is being opened or the directory is closed", id)
	}
	d.mu.Unlock()
	if _, exists := d.manifest.entry(id); !exists {
		return failure.New(failure.NotFound, "remove log", "there is no log %d", id)
	}
	if isOpen {
		// What the log held is going away: an error of its last sync is moot.
		_ = l.Close()
	}
	if err := d.manifest.commit(edit{kind: editLogRemoved, log: id}); err != nil {
		return spaceOr(failure.Poisoned, "remove log", err)
	}
	return spaceOr(failure.Unavailable, "remove log", d.removeLogFiles(id))
}

func (d *Dir) removeLogFiles(id uint64) error {
	path := d.logPath(id)
	names, err := d.options.FS.ReadDir(path)
	if err == nil {
		names = append(names, "") // the folder itself comes last
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("wal: remove log %d: %w", id, err)
	}
	for _, name := range names {
		if err := d.options.FS.Remove(filepath.Join(path, name)); err != nil {
			return fmt.Errorf("wal: remove log %d: %w", id, err)
		}
	}
	// Only when the folder is gone for good may the manifest forget the log.
	if err := d.options.FS.SyncDir(d.path); err != nil {
		return fmt.Errorf("wal: remove log %d: %w", id, err)
	}
	d.manifest.forget(id)
	return nil
}

// removeStrayLogs deletes the folders of logs that do not exist: CreateLogs did
// not get to its edit, or RemoveLog got past it. A log that the manifest never
// heard of has no frames; one that has some means that the manifest lost its
// end, and nothing is deleted.
func (d *Dir) removeStrayLogs() error {
	names, err := d.options.FS.ReadDir(d.path)
	if err != nil {
		return fmt.Errorf("wal: list %s: %w", d.path, err)
	}
	for _, name := range names {
		id, ok := logID(name)
		if !ok || d.manifest.logs.has(id) {
			continue
		}
		if d.manifest.logs[id] == nil {
			if err := d.checkNeverFilled(id); err != nil {
				return err
			}
		}
		if err := d.removeLogFiles(id); err != nil {
			return err
		}
	}
	return nil
}

// checkNeverFilled returns an error if a segment in the folder holds a frame.
func (d *Dir) checkNeverFilled(id uint64) error {
	folder := d.logPath(id)
	names, err := d.options.FS.ReadDir(folder)
	if err != nil {
		return fmt.Errorf("wal: list %s: %w", folder, err)
	}
	for _, name := range names {
		if _, segment, ok := parseSegmentName(name); ok {
			path := filepath.Join(folder, name)
			if used, _, err := holdsFrame(d.options.FS, path); err != nil || used {
				return cmp.Or(err, unlisted(path, id, segment))
			}
		}
	}
	return nil
}

// Close closes all logs and gives the lock back. It returns the first error of
// their last syncs.
func (d *Dir) Close() error {
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		return nil
	}
	d.closed = true
	logs := slices.Collect(maps.Values(d.open))
	d.mu.Unlock()
	if d.scrubber != nil {
		d.scrubber.end()
	}
	if d.compressor != nil {
		d.compressor.end()
	}
	var errs []error
	if !d.readOnly {
		d.journal.end()
	}
	for _, l := range logs {
		if l != nil {
			errs = append(errs, l.Close())
		}
	}
	d.background.Wait()
	if !d.readOnly {
		errs = append(errs, d.journal.close(), d.manifest.close(), d.lock.Close())
	}
	return errors.Join(errs...)
}

// unpin gives a reference to a segment back. Unmapping a large one takes
// time, so that the last reference is released in the background.
func (d *Dir) unpin(s *segment.Segment) {
	if release := s.Unpin(); release != nil {
		// An error of unmap, or of closing a file that is synced or only
		// read, leaves nothing to do.
		d.background.Go(func() { _ = release() })
	}
}

// segmentName returns the file name of a segment: names sort by base sequence.
func segmentName(base, id uint64) string { return fmt.Sprintf("%020d-%016x%s", base, id, segSuffix) }

// readAccess is how segments of the backend are read.
func (o Options) readAccess() segment.Access {
	switch o.Backend {
	case BackendPread:
		return segment.AccessPread
	case BackendHeap:
		return segment.AccessHeap
	}
	return segment.AccessMapped
}

// writeAccess is how the segment of a log that is appended to is reached.
func (o Options) writeAccess(direct bool) segment.Access {
	if o.Backend == BackendMmap && (direct || o.Store == StoreMapped) {
		return segment.AccessMappedStore
	}
	return o.readAccess()
}

// storesDirectly reports whether a log of that durability has no staging.
func (o Options) storesDirectly(d record.Durability) bool {
	switch o.Store {
	case StoreAuto:
		return d == record.None && o.Backend != BackendPread
	case StoreDirect:
		return d == record.None
	}
	return false
}

// createFlags open a file that must not exist yet.
const createFlags = os.O_RDWR | os.O_CREATE | os.O_EXCL
