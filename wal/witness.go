package wal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/millrace-io/millrace/internal/vfs"
	"github.com/millrace-io/millrace/record"
)

// witnessName is a file in the folder of a log that does not sync before it
// acknowledges. It says whether the pages that the process leaves behind when it is
// killed are those that it wrote:
//
//	calm <start of the machine> <mount>   all of them are
//	busy <start of the machine> <mount>   a sync is at work, or has failed
//
// A failed sync leaves pages that read as written and will never be on the device, and
// after a power cut there are only those that are: an opening then has to read
// the device, and to check all that was not noted as sealed. A process that was killed while
// nothing was in doubt leaves the kernel in charge of what it wrote; the opening reads
// that, and checks the last segment. The file is never synced: what it says counts only
// as long as its own pages are the cached ones, and after another start or mount it
// says nothing.
const witnessName = "WITNESS"

// witness is the writing side. Its methods may be called concurrently, and do nothing
// on nil.
type witness struct {
	files vfs.FS
	path  string
	id    string

	found bool // there was a file

	mu      sync.Mutex
	running int // syncs at work, and those that failed
}

// inDoubt is how many syncs count as failed when the log was not calm before: the file
// then stays as it is until the log was recovered.
const inDoubt = 1

// openWitness reads what the last process left, before the log is recovered. The
// witness is nil where nobody knows what the cached pages belong to.
func (l *Log) openWitness() error {
	c, ok := l.dir.options.FS.(vfs.Cacher)
	if !ok || l.dir.readOnly {
		return nil
	}
	w := &witness{files: l.dir.options.FS, path: filepath.Join(l.dir.logPath(l.id), witnessName), id: c.CacheID(l.dir.logPath(l.id))}
	if w.id == "" {
		return nil
	}
	l.witness = w
	file, err := w.files.OpenFile(w.path, os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		w.running = inDoubt
		return nil
	}
	if err != nil {
		return fmt.Errorf("wal: %s: %w", witnessName, err)
	}
	const longest = 128
	b := make([]byte, longest)
	n, err := file.ReadAt(b, 0)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("wal: read %s: %w", witnessName, err)
	}
	w.found = true
	// Behind the line may be the end of a longer one.
	if l.calm = strings.HasPrefix(string(b[:n]), witnessText(true, w.id)); !l.calm {
		w.running = inDoubt
	}
	return nil
}

func witnessText(calm bool, id string) string {
	if calm {
		return "calm " + id + "\n"
	}
	return "busy " + id + "\n"
}

// beginWitness begins to keep the file for a log that was recovered, so that nothing
// is in doubt. A log that syncs before it acknowledges has none: each of its
// syncs would write to it, twice.
func (l *Log) beginWitness() error {
	w := l.witness
	l.calm, l.witness = false, nil
	switch {
	case w == nil:
		return nil
	case l.options.Durability != record.Group && l.refused == nil:
		w.running = 0
		if err := w.write(true); err != nil {
			return errors.Join(err, w.remove())
		}
		l.witness = w
		return nil
	case w.found:
		return w.remove()
	}
	return nil
}

// watch runs a sync. A process that is killed during it, or after it failed, is seen
// to have been.
func (w *witness) watch(sync func() error) error {
	if w == nil {
		return sync()
	}
	w.mu.Lock()
	w.running++
	var err error
	if w.running == 1 {
		if err = w.write(false); err != nil && w.remove() == nil {
			err = nil
		}
	}
	w.mu.Unlock()
	if err == nil {
		err = sync()
	}
	if err != nil {
		return err // and stays busy
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.running--; w.running == 0 {
		_ = w.write(true) // it stays busy, and the next opening takes longer
	}
	return nil
}

func (w *witness) remove() error {
	if err := w.files.Remove(w.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("wal: %s: %w", witnessName, err)
	}
	return nil
}

func (w *witness) write(calm bool) error {
	file, err := w.files.OpenFile(w.path, os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return fmt.Errorf("wal: %s: %w", witnessName, err)
	}
	_, err = file.WriteAt([]byte(witnessText(calm, w.id)), 0)
	if err = errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("wal: %s: %w", witnessName, err)
	}
	return nil
}
