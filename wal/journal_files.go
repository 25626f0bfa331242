package wal

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/internal/vfs"
	"github.com/millrace-io/millrace/segment"
)

// journalCheckpoints is how many segments a checkpoint syncs at once.
const journalCheckpoints = 4

// journalFiles are the files of a journal: one is written to, and a second one
// takes its place while the segments of the first are synced.
type journalFiles struct {
	size       int64        // of a file; negative: there is no journal
	generation uint64       // of the file to come
	current    *journalFile // nil until one is ready
	spare      *journalFile // to come after it; nil while there is none
	behind     []*journalFile
	made       bool          // the files are there or being made
	failed     error         // the journal is not used any more
	ended      chan struct{} // closed when the directory closes
}

// journalFile is a file of batches.
type journalFile struct {
	file       vfs.File
	path       string
	generation uint64
	off        int64 // where the next batch goes
	number     uint32
	tails      []journaled // segments that have bytes in it
}

// write makes a batch durable and reports whether it did.
func (j *journal) write(b *journalBatch) bool {
	f := j.fileFor(roundToPage(int64(len(b.buffer))))
	if f == nil {
		return false
	}
	j.mu.Lock()
	for _, t := range b.tails {
		if t.tail.generation != f.generation {
			t.tail.generation = f.generation
			f.tails = append(f.tails, t)
		}
	}
	j.mu.Unlock()
	sealJournalBatch(b.buffer, f.generation, f.number+1, len(b.tails))
	_, err := f.file.WriteAt(b.buffer, f.off)
	if err == nil {
		err = b.tails[0].log.timeSync(f.file)
	}
	if err != nil {
		// What is in the file is good up to this batch, of which nothing is
		// known. Nothing is added behind it.
		j.fail(fmt.Errorf("wal: %s: %w", f.path, err))
		return false
	}
	f.number++
	f.off += roundToPage(int64(len(b.buffer)))
	return true
}

// fail ends the use of the journal: its logs sync their own segments.
func (j *journal) fail(err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.files.failed != nil {
		return
	}
	j.files.failed = err
	if f := j.dir.options.Events.JournalLeft; f != nil {
		f(err)
	}
}

// fileFor returns the file that takes n bytes more, changing files where the
// current one is full, or nil.
func (j *journal) fileFor(n int64) *journalFile {
	j.mu.Lock()
	f, next := j.files.current, j.files.spare
	if j.files.failed != nil {
		j.mu.Unlock()
		return nil
	}
	if f.off+n <= j.files.size {
		j.mu.Unlock()
		return f
	}
	j.files.spare = nil
	j.mu.Unlock()
	if next == nil {
		return nil
	}
	if err := j.begin(next); err != nil {
		j.fail(err)
		return nil
	}
	j.dir.background.Go(func() { j.checkpoint(f) })
	return next
}

// begin makes the file the current one, under a name for good.
func (j *journal) begin(f *journalFile) error {
	j.mu.Lock()
	f.generation = j.files.generation
	j.files.generation++
	j.mu.Unlock()
	name := filepath.Join(j.dir.path, journalName(f.generation))
	err := j.dir.options.FS.Rename(f.path, name)
	if err == nil {
		f.path = name
		err = j.dir.options.FS.SyncDir(j.dir.path)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if err != nil {
		j.files.behind = append(j.files.behind, f)
		return fmt.Errorf("wal: begin %s: %w", name, err)
	}
	f.off, f.number, f.tails = 0, 0, f.tails[:0]
	if j.files.current != nil {
		j.files.behind = append(j.files.behind, j.files.current)
	}
	j.files.current = f
	return nil
}

// checkpoint syncs all segments that have bytes in the file, which then may be
// used again.
func (j *journal) checkpoint(f *journalFile) {
	var workers sync.WaitGroup
	work := make(chan journaled, len(f.tails))
	errs := make(chan error, len(f.tails))
	for _, t := range f.tails {
		work <- t
	}
	close(work)
	for range journalCheckpoints {
		workers.Go(func() {
			for t := range work {
				if err := t.log.checkpoint(t.tail); err != nil {
					errs <- err
				}
			}
		})
	}
	workers.Wait()
	if len(errs) > 0 {
		// The file stays, for the next opening to put its bytes back.
		j.fail(fmt.Errorf("wal: %s: %w", f.path, <-errs))
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	for i, other := range j.files.behind {
		if other == f {
			j.files.behind = append(j.files.behind[:i], j.files.behind[i+1:]...)
			break
		}
	}
	j.files.spare = f
}

// checkpoint returns when nothing that is in the segment now is durable by the
// journal alone; commits that go on may put more there. The sync is one of the
// log's own commits: of two at once, one could take the other's error.
func (l *Log) checkpoint(t *tail) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.checkpointLocked(t)
}

func (l *Log) checkpointLocked(t *tail) error {
	l.syncAsked = l.syncAsked || t.journaled
	return l.awaitLocked(context.Background(), waitFor{settled: t, synced: t.synced + 1})
}

// prepareLocked has the two files made in the background, once.
func (j *journal) prepareLocked() {
	if j.files.made || j.files.failed != nil {
		return
	}
	j.files.made = true
	j.dir.background.Go(func() {
		if err := j.prepare(); err != nil && !errors.Is(err, errClosed) {
			j.fail(err)
		}
	})
}

func (j *journal) prepare() error {
	first, err := j.newFile(1)
	if err == nil {
		err = j.begin(first)
	}
	if err != nil {
		return err
	}
	second, err := j.newFile(2)
	if err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.files.spare = second
	return nil
}

// newFile makes a file in which every block was written once, so that a sync of
// it changes nothing in the journal of the file system.
func (j *journal) newFile(n int) (*journalFile, error) {
	path := filepath.Join(j.dir.path, journalTempPrefix+strconv.Itoa(n)+spareSuffix)
	file, err := j.dir.options.FS.OpenFile(path, createFlags, 0o640)
	if err == nil {
		if err = file.Allocate(j.files.size); err == nil {
			err = j.zero(file)
		}
		if err != nil {
			_ = file.Close()
			_ = j.dir.options.FS.Remove(path)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("wal: prepare the journal: %w", err)
	}
	return &journalFile{file: file, path: path}, nil
}

// zero writes every block of the file once, so that the syncs of batches need no
// change of extents.
func (j *journal) zero(file vfs.File) error {
	if j.dir.options.Backend == BackendHeap {
		return nil
	}
	for off := int64(0); off < j.files.size; off += aheadMax {
		if err := segment.WriteZeroes(file, off, min(aheadMax, j.files.size-off)); err != nil {
			return err
		}
		if err := file.Sync(); err != nil {
			return err
		}
		select {
		case <-j.files.ended:
			return errClosed
		default:
		}
	}
	return nil
}

// end stops what is being prepared. Logs are closed after it.
func (j *journal) end() { close(j.files.ended) }

// close removes the files, once all logs are closed and nothing is at work. One
// that holds what a log could not sync stays, for the next opening.
func (j *journal) close() error {
	files := j.files.behind
	for _, f := range []*journalFile{j.files.current, j.files.spare} {
		if f != nil {
			files = append(files, f)
		}
	}
	var errs []error
	for _, f := range files {
		errs = append(errs, f.file.Close())
		if !f.needed() {
			errs = append(errs, j.dir.options.FS.Remove(f.path))
		}
	}
	return spaceOr(failure.Unavailable, "close the journal", errors.Join(errs...))
}

// needed reports whether a segment has bytes that only the journal made durable.
func (f *journalFile) needed() bool {
	for _, t := range f.tails {
		t.log.mu.Lock()
		needed := t.tail.journaled
		t.log.mu.Unlock()
		if needed {
			return true
		}
	}
	return false
}
