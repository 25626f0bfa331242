package wal

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/internal/vfs"
	"github.com/millrace-io/millrace/segment"
)

// journalSource is a journal file that an earlier opening left behind.
type journalSource struct {
	file       vfs.File
	path       string
	generation uint64
	size       int64
	damage     error // a bad batch with a good one behind it, once walked
}

// segmentKey names a segment in the whole directory.
type segmentKey struct{ log, segment uint64 }

// journalPlace is where in a journal file the bytes of one entry are.
type journalPlace struct {
	source *journalSource
	at     int64 // of the bytes in the journal file
	offset int64 // of them in the segment
	n      int
}

// replay puts back what earlier openings made durable in the journal only, and
// removes their files. Segments that are closed were synced; bytes for them, and
// for logs that are gone, are no longer of interest.
func (j *journal) replay(logs catalogue) error {
	files, dir := j.dir.options.FS, j.dir.path
	sources, err := openJournals(files, dir)
	defer closeJournals(sources)
	for _, s := range sources {
		j.files.generation = max(j.files.generation, s.generation+1)
	}
	if err == nil {
		err = putAllBack(files, dir, sources, logs)
	}
	for _, s := range sources {
		if err == nil {
			err = s.damage
		}
	}
	if err != nil {
		return err
	}
	for _, s := range sources {
		if err := files.Remove(s.path); err != nil {
			return fmt.Errorf("wal: remove %s: %w", s.path, err)
		}
	}
	return removeJournalTemps(files, dir)
}

// putAllBack writes the entries of all good batches to where they belong.
func putAllBack(files vfs.FS, dir string, sources []*journalSource, logs catalogue) error {
	places, err := collectJournals(sources, logs)
	if err != nil {
		return err
	}
	for _, key := range slices.SortedFunc(maps.Keys(places), compareSegments) {
		path := filepath.Join(dir, segmentFile(key.log, *logs[key.log].find(key.segment)))
		if err := putBack(files, path, places[key]); err != nil {
			return err
		}
	}
	return nil
}

func compareSegments(a, b segmentKey) int {
	return cmp.Or(cmp.Compare(a.log, b.log), cmp.Compare(a.segment, b.segment))
}

// removeJournalTemps removes files that were being prepared.
func removeJournalTemps(files vfs.FS, dir string) error {
	names, err := files.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("wal: list %s: %w", dir, err)
	}
	for _, name := range names {
		if isJournalTemp(name) {
			if err := files.Remove(filepath.Join(dir, name)); err != nil {
				return fmt.Errorf("wal: remove %s: %w", name, err)
			}
		}
	}
	return nil
}

// openJournals opens the journal files of a directory, oldest first. Also after
// an error those it returns must be closed.
func openJournals(files vfs.FS, dir string) ([]*journalSource, error) {
	names, err := files.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("wal: list %s: %w", dir, err)
	}
	var sources []*journalSource
	for _, name := range names {
		generation, ok := journalGeneration(name)
		if !ok {
			continue
		}
		s := &journalSource{path: filepath.Join(dir, name), generation: generation}
		s.file, err = files.OpenFile(s.path, os.O_RDONLY, 0)
		if errors.Is(err, fs.ErrNotExist) {
			continue // beside a live writer
		}
		if err != nil {
			return sources, fmt.Errorf("wal: open %s: %w", s.path, err)
		}
		sources = append(sources, s)
		if s.size, err = s.file.Size(); err != nil {
			return sources, fmt.Errorf("wal: %s: %w", s.path, err)
		}
	}
	slices.SortFunc(sources, func(a, b *journalSource) int { return cmp.Compare(a.generation, b.generation) })
	return sources, nil
}

func closeJournals(sources []*journalSource) {
	for _, s := range sources {
		_ = s.file.Close() // it was only read
	}
}

// collectJournals finds the entries of all sources that concern open segments.
func collectJournals(sources []*journalSource, logs catalogue) (map[segmentKey][]journalPlace, error) {
	places := make(map[segmentKey][]journalPlace)
	for _, s := range sources {
		err := s.walk(func(at int64, e journalEntry) error {
			if !logs.has(e.log) {
				return nil
			}
			if known := logs[e.log].find(e.segment); known == nil || known.state != stateActive {
				return nil
			}
			key := segmentKey{e.log, e.segment}
			places[key] = append(places[key], journalPlace{s, at, e.offset, len(e.bytes)})
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return places, nil
}

// walk hands the entries of all good batches to visit, with the place of their
// bytes in the file. A bad batch that has a good one behind it is noted as damage:
// it was durable once.
func (s *journalSource) walk(visit func(at int64, e journalEntry) error) error {
	s.damage = nil
	last := uint32(0)
	for off := int64(0); off < s.size; {
		number, span, err := s.batch(off, last+1, visit)
		if err != nil {
			return err
		}
		if span == 0 {
			off += pageSize
			continue
		}
		if number != last+1 && s.damage == nil {
			s.damage = failure.New(failure.Corrupt, "wal",
				"%s: batch %d is damaged, and the one at offset %d was written after it: some acknowledged records may be in it only; run `millrace repair`",
				s.path, last+1, off)
		}
		off, last = off+span, number
	}
	return nil
}

// batch reads the batch at off; its span is 0 if there is none that is good and
// has at least that number.
func (s *journalSource) batch(off int64, least uint32, visit func(at int64, e journalEntry) error) (number uint32, span int64, err error) {
	var header [journalBatchHeader]byte
	if off+journalBatchHeader > s.size {
		return 0, 0, nil
	}
	if err := readWhole(s.file, header[:], off); err != nil {
		return 0, 0, fmt.Errorf("wal: read %s: %w", s.path, err)
	}
	length := journalBatchLength(header[:], s.generation)
	if length == 0 || off+length > s.size {
		return 0, 0, nil
	}
	b := make([]byte, length)
	if err := readWhole(s.file, b, off); err != nil {
		return 0, 0, fmt.Errorf("wal: read %s: %w", s.path, err)
	}
	number, good := checkJournalBatch(b)
	if !good || number < least {
		return 0, 0, nil
	}
	return number, roundToPage(length), walkJournalBatch(b, func(at int, e journalEntry) error { return visit(off+int64(at), e) })
}

// readWhole fills b; the end of the file is an error.
func readWhole(file io.ReaderAt, b []byte, off int64) error {
	n, err := file.ReadAt(b, off)
	if n == len(b) {
		return nil
	}
	return cmp.Or(err, io.ErrUnexpectedEOF)
}

// read returns the bytes of an entry.
func (p journalPlace) read() ([]byte, error) {
	b := make([]byte, p.n)
	if err := readWhole(p.source.file, b, p.at); err != nil {
		return nil, fmt.Errorf("wal: read %s: %w", p.source.path, err)
	}
	return b, nil
}

// putBack writes all entries of a segment to their places, whether they are there
// or not: what the page cache shows need not be on the device. A file that is
// missing or too short is left to the opening of its log, which reports it.
func putBack(files vfs.FS, path string, places []journalPlace) error {
	file, err := files.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("wal: put back %s: %w", path, err)
	}
	defer file.Close()
	size, err := file.Size()
	if err != nil {
		return fmt.Errorf("wal: put back %s: %w", path, err)
	}
	for _, p := range places {
		if p.offset < segment.HeaderSize || p.offset+int64(p.n) > size {
			continue
		}
		b, err := p.read()
		if err != nil {
			return err
		}
		if _, err := file.WriteAt(b, p.offset); err != nil {
			return spaceOr(failure.Unavailable, "put back "+path, err)
		}
	}
	if err := file.Sync(); err != nil {
		return failure.Wrap(failure.Poisoned, "sync "+path, err)
	}
	return nil
}

// find returns the segment with that id, or nil.
func (e *logEntry) find(id uint64) *segmentEntry {
	for i := range e.segments {
		if e.segments[i].id == id {
			return &e.segments[i]
		}
	}
	return nil
}

// checkJournals returns an error if a journal holds bytes that a segment lacks,
// or a damaged batch: a power cut came, and nobody has opened the directory for
// writing since. It changes nothing, and a writer may be at work, which puts
// bytes into the segment before it puts them into the journal.
func checkJournals(files vfs.FS, dir string, logs catalogue) error {
	sources, err := openJournals(files, dir)
	defer closeJournals(sources)
	if err != nil {
		return err
	}
	places, err := collectJournals(sources, logs)
	if err != nil {
		return err
	}
	for _, s := range sources {
		// A batch that was being written may have looked bad, and so does a file
		// that a writer uses again; but then it has another name.
		for range checkJournalTries {
			if s.damage == nil || !exists(files, s.path) {
				s.damage = nil
				break
			}
			if err := s.walk(func(int64, journalEntry) error { return nil }); err != nil {
				return err
			}
		}
		if s.damage != nil {
			return s.damage
		}
	}
	for _, key := range slices.SortedFunc(maps.Keys(places), compareSegments) {
		path := filepath.Join(dir, segmentFile(key.log, *logs[key.log].find(key.segment)))
		lacks, err := lacksBytes(files, path, places[key])
		if err != nil {
			return err
		}
		if lacks && exists(files, path) {
			return failure.New(failure.Conflict, "wal",
				"log %d: a power cut left records in the journal of %s that are not in their segment yet; open the directory for writing once", key.log, dir)
		}
	}
	return nil
}

// checkJournalTries is how often a bad batch is looked at again.
const checkJournalTries = 3

func exists(files vfs.FS, path string) bool {
	file, err := files.OpenFile(path, os.O_RDONLY, 0)
	if err == nil {
		_ = file.Close() // it was only opened
	}
	return !errors.Is(err, fs.ErrNotExist)
}

// lacksBytes reports whether the segment does not hold all of the entries. What is
// wrong with a file that is missing or too short is said when its log is opened.
func lacksBytes(files vfs.FS, path string, places []journalPlace) (bool, error) {
	file, err := files.OpenFile(path, os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("wal: open %s: %w", path, err)
	}
	defer file.Close()
	size, err := file.Size()
	if err != nil {
		return false, fmt.Errorf("wal: %s: %w", path, err)
	}
	for _, p := range places {
		if p.offset < segment.HeaderSize || p.offset+int64(p.n) > size {
			continue
		}
		want, err := p.read()
		if err != nil {
			return false, err
		}
		got := make([]byte, p.n)
		if err := readWhole(file, got, p.offset); err != nil {
			return false, fmt.Errorf("wal: read %s: %w", path, err)
		}
		if !bytes.Equal(got, want) && exists(files, p.source.path) { // or else a writer uses the file again
			return true, nil
		}
	}
	return false, nil
}
