package wal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/internal/vfs"
	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/segment"
)

// Damage is a place where a log is not what was written.
type Damage struct {
	Log, Segment uint64
	// File is the segment file, relative to the data directory.
	File string
	// Offset is the end of the last good frame. Nothing of the segment is good
	// when it is not behind the header page.
	Offset int64
	// Next is the sequence number behind the last good record.
	Next uint64
	// Complete says that all records of the segment are good: only what is
	// behind them, the index or the footer, is not.
	Complete bool
	// Unlisted says that the manifest does not know the segment.
	Unlisted bool
	// Journal says that File is one of the journal and belongs to no log.
	Journal bool
	// Behind are the files of the segments that follow, which a log that ends
	// here loses. None when Complete.
	Behind []string
	// Err is what is wrong.
	Err error
}

// errUnlisted is a segment that holds frames although no manifest says so.
var errUnlisted = failure.New(failure.Corrupt, "segment", "it holds frames but is not in the MANIFEST, which may be older than the file")

// checker verifies logs by their files. It changes nothing.
type checker struct {
	fs   vfs.FS
	path string // of the data directory
	logs catalogue
}

// checkLog reads all segments of a log and returns where they are damaged, in
// order: segments that are complete all the same, then at most one that is not.
// An error is one of reading.
func (c *checker) checkLog(ctx context.Context, id uint64) ([]Damage, error) {
	entry := c.logs[id]
	var found []Damage
	next := entry.first
	for i, e := range entry.segments {
		if i == 0 {
			next = e.base
		}
		if e.state == stateActive && i > 0 && e.base != next {
			break // its predecessor lost its end unsynced: recovery forgets it
		}
		damage, behind, err := c.checkSegment(ctx, id, e, next)
		if err != nil {
			return nil, err
		}
		next = behind
		if damage == nil {
			continue
		}
		if !damage.Complete {
			for _, later := range entry.segments[i+1:] {
				damage.Behind = append(damage.Behind, segmentFile(id, later))
			}
		}
		found = append(found, *damage)
		if !damage.Complete {
			break
		}
	}
	unlisted, err := c.unlisted(id, entry)
	return append(found, unlisted...), err
}

// segmentFile names a segment file relative to the data directory.
func segmentFile(log uint64, e segmentEntry) string {
	return filepath.Join(logDirName(log), segmentName(e.base, e.id))
}

// checkSegment verifies one segment, which should begin with the record next,
// and returns the sequence number behind it.
func (c *checker) checkSegment(ctx context.Context, log uint64, e segmentEntry, next uint64) (*Damage, uint64, error) {
	damage := &Damage{Log: log, Segment: e.id, File: segmentFile(log, e), Next: next}
	s, err := openForCheck(c.fs, filepath.Join(c.path, damage.File))
	if err == nil {
		defer releaseNow(s)
		if s.Header.Log != log || s.Header.Segment != e.id || s.Header.Base != e.base || e.base != next {
			err = failure.New(failure.Corrupt, "segment", "its header is not that of the segment in the MANIFEST, or it does not continue the one before")
		}
	}
	switch {
	case errors.Is(err, fs.ErrNotExist), failure.KindOf(err) == failure.Corrupt, failure.KindOf(err) == failure.NotOurs:
		damage.Err = err
		return damage, next, nil
	case err != nil:
		return nil, 0, fmt.Errorf("wal: check %s: %w", damage.File, err)
	}
	contents, err := s.Scan(stopWith(ctx))
	if err != nil {
		return nil, 0, fmt.Errorf("wal: check %s: %w", damage.File, err)
	}
	damage.Offset, damage.Next = contents.End, contents.Next
	if damage.Err, err = judgeSegment(s, e, contents); err != nil {
		return nil, 0, fmt.Errorf("wal: check %s: %w", damage.File, err)
	}
	if damage.Err == nil {
		return nil, max(contents.Next, e.next), nil
	}
	damage.Complete = e.state != stateActive && contents.Next == e.next
	return damage, contents.Next, nil
}

// stopWith ends a scan with the context.
func stopWith(ctx context.Context) segment.Visit {
	return func(int64, protocol.FrameHeader, []byte) error { return ctx.Err() }
}

// judgeSegment returns what is wrong with a scanned segment, given what the
// manifest says of it.
func judgeSegment(s *segment.Segment, e segmentEntry, contents segment.Contents) (wrong, err error) {
	cause := cmp.Or(contents.Cause, error(protocol.ErrFrameEmpty))
	switch e.state {
	case stateSealed:
		if contents.Footer != e.at || contents.Next != e.next {
			return cause, nil
		}
		if _, wrong = s.OpenSealed(e.at); wrong == nil {
			_, wrong = s.Lookup()
		}
		if wrong != nil && failure.KindOf(wrong) != failure.Corrupt {
			return nil, wrong
		}
		return wrong, nil
	case stateEnded:
		if contents.End < e.at || contents.Next < e.next {
			return cause, nil
		}
		return nil, nil
	}
	if contents.Footer != 0 {
		return nil, nil
	}
	after, err := s.Classify(contents.End, contents.Next)
	if err != nil || after.Promise == 0 {
		return nil, err
	}
	return fmt.Errorf("the frame at offset %d was written after it was durable: %w", after.Promise, cause), nil
}

// unlisted returns the segment files that hold frames but that the manifest does
// not know. Opening the log refuses them.
func (c *checker) unlisted(id uint64, entry *logEntry) ([]Damage, error) {
	names, err := c.fs.ReadDir(filepath.Join(c.path, logDirName(id)))
	if err != nil {
		return nil, fmt.Errorf("wal: check log %d: %w", id, err)
	}
	var found []Damage
	for _, name := range names {
		base, number, ok := parseSegmentName(name)
		if !ok || number < entry.nextSegment || entry.find(number) != nil {
			continue
		}
		file := filepath.Join(logDirName(id), name)
		used, behind, err := holdsFrame(c.fs, filepath.Join(c.path, file))
		if err != nil {
			return nil, err
		}
		if used && !behind {
			found = append(found, Damage{Log: id, Segment: number, File: file, Next: base, Unlisted: true, Err: errUnlisted})
		}
	}
	return found, nil
}

// openForCheck opens a segment file for reading from the device: pages that the
// kernel has cached may look better than what a reader meets tomorrow.
func openForCheck(files vfs.FS, path string) (*segment.Segment, error) {
	s, err := openForCopy(files, path)
	if err != nil {
		return nil, err
	}
	if err := s.File().DropCache(); err != nil {
		releaseNow(s)
		return nil, err
	}
	return s, nil
}

// openForCopy opens a segment file for reading whatever is the quickest to read.
func openForCopy(files vfs.FS, path string) (*segment.Segment, error) {
	file, err := files.OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	s, err := segment.Open(file, segment.AccessPread)
	if err != nil {
		file.Close()
		return nil, err
	}
	return s, nil
}

// releaseNow gives back the only reference to a segment that was only read.
func releaseNow(s *segment.Segment) {
	if release := s.Unpin(); release != nil {
		_ = release()
	}
}
