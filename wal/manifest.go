package wal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/internal/vfs"
)

const (
	manifestPrefix = "MANIFEST-"
	manifestTemp   = "MANIFEST.tmp"
	// manifestRoom is allocated at a time behind the last record: see room.go.
	manifestRoom = 64 << 10
	// manifestRewrite is the size above which a manifest is rewritten once it
	// holds four times what a fresh one would.
	manifestRewrite = 1 << 20
)

// manifest is the open MANIFEST file of a directory: an append-only list of
// edits, each durable before it counts.
type manifest struct {
	fs   vfs.FS
	dir  string
	salt func() uint32

	mu       sync.Mutex // guards the fields below; taken before that of room
	file     vfs.File
	fileSalt uint32
	number   uint64
	fresh    int64 // size right after the last rewrite
	logs     catalogue
	failed   error // sticky: a failed write leaves the file's end unknown

	room room // has a lock of its own
}

// readManifest finds the newest manifest of dir and replays it. number is 0
// and the catalogue empty when there is none.
func readManifest(files vfs.FS, dir string) (number uint64, logs catalogue, err error) {
	// A live writer may replace the file between the listing and the open.
	for range 10 {
		number, logs, err = tryReadManifest(files, dir)
		if !errors.Is(err, fs.ErrNotExist) {
			return number, logs, err
		}
	}
	return number, logs, err
}

func tryReadManifest(files vfs.FS, dir string) (uint64, catalogue, error) {
	names, err := files.ReadDir(dir)
	if err != nil {
		return 0, nil, fmt.Errorf("wal: list %s: %w", dir, err)
	}
	newest, logDirs := uint64(0), 0
	for _, name := range names {
		if n, ok := manifestNumber(name); ok {
			newest = max(newest, n)
		}
		if _, ok := logID(name); ok {
			logDirs++
		}
	}
	if newest == 0 {
		if logDirs > 0 {
			return 0, nil, failure.New(failure.Corrupt, "wal", "%s holds %d logs but no MANIFEST; restore it from a backup", dir, logDirs)
		}
		return 0, catalogue{}, nil
	}
	path := filepath.Join(dir, manifestName(newest))
	b, err := readFile(files, path)
	if err != nil {
		return 0, nil, err
	}
	logs, err := parseManifest(b)
	if err != nil {
		return 0, nil, fmt.Errorf("wal: %s: %w", path, err)
	}
	return newest, logs, nil
}

func readFile(files vfs.FS, path string) ([]byte, error) {
	file, err := files.OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		return nil, fmt.Errorf("wal: open %s: %w", path, err)
	}
	defer file.Close()
	size, err := file.Size()
	if err != nil {
		return nil, fmt.Errorf("wal: %s: %w", path, err)
	}
	b := make([]byte, size)
	if n, err := file.ReadAt(b, 0); err != nil && (!errors.Is(err, io.EOF) || int64(n) < size) {
		return nil, fmt.Errorf("wal: read %s: %w", path, err)
	}
	return b, nil
}

func manifestName(number uint64) string { return fmt.Sprintf("%s%d", manifestPrefix, number) }

func manifestNumber(name string) (uint64, bool) {
	digits, ok := strings.CutPrefix(name, manifestPrefix)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	return n, err == nil && n > 0
}

// openManifest replays the newest manifest and begins a new file, so that no
// record is ever appended behind a torn one.
func openManifest(files vfs.FS, dir string, salt func() uint32) (*manifest, error) {
	number, logs, err := readManifest(files, dir)
	if err != nil {
		return nil, err
	}
	names, err := files.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("wal: list %s: %w", dir, err)
	}
	m := &manifest{fs: files, dir: dir, salt: salt, number: number, logs: logs}
	if err := m.forgetGone(names); err != nil {
		return nil, err
	}
	if err := m.rewrite(); err != nil {
		return nil, err
	}
	for _, name := range names {
		if n, ok := manifestNumber(name); ok && n < m.number {
			if err := files.Remove(filepath.Join(dir, name)); err != nil {
				return nil, fmt.Errorf("wal: remove old manifest: %w", err)
			}
		}
	}
	return m, nil
}

// rewrite writes the catalogue into the file of the next number: complete and
// synced under a temporary name, then renamed.
func (m *manifest) rewrite() error {
	number, salt := m.number+1, m.salt()
	var snapshot []byte
	if edits := m.logs.snapshot(); len(edits) > 0 {
		snapshot = encodeRecord(salt, edits)
	}
	b := append(encodeManifestHeader(number, salt, uint32(len(snapshot))), snapshot...)
	temp, final := filepath.Join(m.dir, manifestTemp), filepath.Join(m.dir, manifestName(number))
	file, err := m.fs.OpenFile(temp, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		return fmt.Errorf("wal: write manifest: %w", err)
	}
	allocated := int64(len(b)) + m.room.promisedBytes() + manifestRoom
	err = file.Allocate(allocated)
	if err == nil {
		_, err = file.WriteAt(b, 0)
	}
	if err == nil {
		err = file.Sync()
	}
	if err == nil {
		if err = m.fs.Rename(temp, final); err == nil {
			err = m.fs.SyncDir(m.dir)
		}
		if err != nil {
			// The new name may be there or not, and an open would prefer it:
			// nothing may be added to the old file any more.
			m.failed = failure.Wrap(failure.Poisoned, "wal manifest", err)
		}
	}
	if err != nil {
		file.Close()
		return fmt.Errorf("wal: write manifest: %w", err)
	}
	if m.file != nil {
		m.file.Close()
		// A leftover is removed by the next open.
		_ = m.fs.Remove(filepath.Join(m.dir, manifestName(m.number)))
	}
	m.file, m.fileSalt, m.number = file, salt, number
	m.fresh = int64(len(b))
	m.room.reset(int64(len(b)+7)&^7, allocated)
	return nil
}

// commit makes the edits durable as one record and applies them. Without room
// for them it changes nothing, and its error is that of a full disk.
func (m *manifest) commit(edits ...edit) error { return m.commitPromised(0, edits...) }

// commitPromised is commit with room that was promised, and is used up by it.
func (m *manifest) commitPromised(promised int64, edits ...edit) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.failed != nil {
		return m.failed
	}
	// What cannot be applied must not be written: every later open would fail.
	after := m.logs.copyOf(edits)
	for _, e := range edits {
		if err := after.apply(e); err != nil {
			return failure.Wrap(failure.Internal, "wal manifest: refused an edit", err)
		}
	}
	b := encodeRecord(m.fileSalt, edits)
	size := int64(len(b)+7) &^ 7
	if err := m.makeRoomLocked(size-promised, freesSpace(edits)); err != nil {
		return err
	}
	_, err := m.file.WriteAt(b, m.room.endOffset())
	if err == nil {
		err = m.file.Sync()
	}
	if err != nil {
		m.failed = failure.Wrap(failure.Poisoned, "wal manifest", err)
		return m.failed
	}
	m.logs.install(edits, after)
	if end := m.room.use(size, promised); end > manifestRewrite && end > 4*m.fresh {
		// The old file stays good if this fails before the rename, for
		// instance on a full disk. After it, the failure is in m.failed and
		// the edits above are in both files.
		_ = m.rewrite()
	}
	return nil
}

// entry returns a copy of the bookkeeping of one log.
func (m *manifest) entry(id uint64) (logEntry, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.logs.has(id) {
		return logEntry{}, false
	}
	l := m.logs[id]
	e := *l
	e.segments = append([]segmentEntry(nil), l.segments...)
	return e, true
}

// forget drops a log that was removed and of which nothing is left.
func (m *manifest) forget(id uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if l := m.logs[id]; l != nil && l.removed {
		delete(m.logs, id)
	}
}

// forgetGone drops the removed logs that have no folder among the names of the
// directory, once their folders are gone for good.
func (m *manifest) forgetGone(names []string) error {
	synced := false
	for id, l := range m.logs {
		if !l.removed || slices.Contains(names, logDirName(id)) {
			continue
		}
		if !synced {
			if err := m.fs.SyncDir(m.dir); err != nil {
				return fmt.Errorf("wal: %s: %w", m.dir, err)
			}
			synced = true
		}
		delete(m.logs, id)
	}
	return nil
}

func (m *manifest) close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.failed == nil {
		m.failed = failure.New(failure.Closed, "wal", "the directory is closed")
	}
	return m.file.Close()
}
