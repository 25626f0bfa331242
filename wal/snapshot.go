package wal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/internal/vfs"
	"github.com/millrace-io/millrace/segment"
)

// Snapshot is what the logs of a data directory consist of at one moment: the
// bytes of the manifest, and the segment files that it names. Together they open
// as a directory does whose machine stopped at that moment.
//
// It may be taken beside a live writer. A closed segment does not change any
// more, but for its file being replaced by a compressed one. One that is open grows, but only behind what was there when the snapshot
// was taken: whoever copies it copies the good frames from its beginning, by
// [SegmentFile.Measure], and gets at least everything that was acknowledged
// before the snapshot. Retention may remove a file meanwhile: take another
// snapshot then.
type Snapshot struct {
	// Manifest is the name of the manifest file, and Edits its bytes up to the
	// last good record.
	Manifest string
	Edits    []byte
	// Logs are ordered by id.
	Logs []LogExtent
	// Segments are ordered by log, and within one by age.
	Segments []SegmentFile
}

// LogExtent is a log and the first sequence number that it keeps.
type LogExtent struct{ Log, First uint64 }

// SegmentFile is a segment as the manifest of a [Snapshot] knows it.
type SegmentFile struct {
	Log, Segment, Base uint64
	// File is its path relative to the data directory.
	File string
	// Closed says that no frame will be added.
	Closed bool

	entry segmentEntry
}

// ReadSnapshot takes a snapshot of the logs of the directory dir, with a live
// writer in it or not. It takes no lock and changes nothing.
func ReadSnapshot(files vfs.FS, dir string) (s Snapshot, err error) {
	// A live writer may replace the manifest between finding and reading it.
	for range 10 {
		if s, err = tryReadSnapshot(files, dir); !errors.Is(err, fs.ErrNotExist) {
			return s, err
		}
	}
	return s, err
}

func tryReadSnapshot(files vfs.FS, dir string) (Snapshot, error) {
	number, _, err := readManifest(files, dir)
	if err != nil {
		return Snapshot{}, err
	}
	if number == 0 {
		return Snapshot{}, failure.New(failure.NotFound, "snapshot "+dir, "it holds no MANIFEST: this is not a data directory")
	}
	s := Snapshot{Manifest: manifestName(number)}
	b, err := readFile(files, filepath.Join(dir, s.Manifest))
	if err != nil {
		return Snapshot{}, err
	}
	logs := make(catalogue)
	end, _, err := walkManifest(b, func(_ int, e edit) error { return logs.apply(e) })
	if err != nil {
		return Snapshot{}, fmt.Errorf("wal: %s: %w", s.Manifest, err)
	}
	if err := checkJournals(files, dir, logs); err != nil {
		return Snapshot{}, spaceOr(failure.Unavailable, "snapshot", err)
	}
	s.Edits = b[:min(end, len(b))]
	for _, id := range slices.Sorted(maps.Keys(logs)) {
		s.Logs = append(s.Logs, LogExtent{id, logs[id].first})
		begun, err := findBegun(files, filepath.Join(dir, logDirName(id)), id, *logs[id])
		if err != nil && !logs[id].removed {
			return Snapshot{}, err
		}
		for _, e := range append(slices.Clip(logs[id].segments), begun...) {
			s.Segments = append(s.Segments, SegmentFile{
				Log: id, Segment: e.id, Base: e.base, File: segmentFile(id, e), Closed: e.state != stateActive, entry: e,
			})
		}
	}
	return s, nil
}

// Measurement is what a segment file holds.
type Measurement struct {
	// Header is its header page.
	Header segment.Header
	// Content is the file.
	Content vfs.File
	// End is where to stop copying: behind the footer, or behind the last good
	// frame where there is none. Of a compressed segment it is the length of the file.
	End int64
	// Next is the sequence number behind its last good record.
	Next uint64
	// Damage is what is wrong, or nil: a [*CorruptionError]. A segment that
	// is damaged is copied whole: End is then the length of the file.
	Damage error
}

// Bounds returns the header of a closed segment, and where it ends according to
// the manifest. Its frames are not looked at.
func (f SegmentFile) Bounds(files vfs.FS, dir string) (segment.Header, int64, error) {
	s, err := openForCopy(files, filepath.Join(dir, f.File))
	if err != nil {
		return segment.Header{}, 0, err
	}
	defer releaseNow(s)
	end := f.entry.at
	if f.entry.state == stateSealed {
		end += segment.FooterSize
	}
	return s.Header, end, nil
}

// Measure reads the whole segment, verifies it, and says where it ends. A live
// writer may be adding to it, or let a compressed file take its place: the content is
// that of the file that was measured. If there is no error it belongs to the caller, who closes it.
func (f SegmentFile) Measure(ctx context.Context, files vfs.FS, dir string) (Measurement, error) {
	file, err := files.OpenFile(filepath.Join(dir, f.File), os.O_RDONLY, 0)
	if err != nil {
		return Measurement{}, fmt.Errorf("wal: read %s: %w", f.File, err)
	}
	m, err := f.measure(ctx, file)
	if err != nil {
		file.Close()
		return m, fmt.Errorf("wal: read %s: %w", f.File, err)
	}
	m.Content = file
	return m, nil
}

func (f SegmentFile) measure(ctx context.Context, file vfs.File) (Measurement, error) {
	damaged := func(m Measurement, offset int64, err error) (Measurement, error) {
		m.Damage = &CorruptionError{f.Log, f.Segment, offset, err}
		m.End, err = file.Size()
		return m, err
	}
	s, err := segment.Open(file, segment.AccessPread)
	if err != nil {
		if kind := failure.KindOf(err); kind == failure.Corrupt || kind == failure.NotOurs {
			return damaged(Measurement{Next: f.Base}, 0, err)
		}
		return Measurement{}, err
	}
	contents, err := s.Scan(stopWith(ctx))
	if err != nil {
		return Measurement{}, err
	}
	wrong, err := judgeSegment(s, f.entry, contents)
	if err == nil && wrong != nil && !f.Closed {
		// Frames that a writer added behind the place where the scan stopped
		// promise something about it. Only if there is still no good frame at
		// that place is it damaged.
		var again segment.Contents
		if again, err = s.Scan(stopWith(ctx)); again.End > contents.End {
			contents, wrong = again, nil
		}
	}
	m := Measurement{Header: s.Header, End: contents.End, Next: contents.Next}
	switch {
	case err != nil:
		return m, err
	case wrong != nil:
		return damaged(m, contents.End, wrong)
	case f.entry.state == stateEnded:
		m.End, m.Next = f.entry.at, f.entry.next
	case contents.Footer != 0:
		m.End = contents.Footer + segment.FooterSize
	}
	if packing := s.Header.Packing; packing.Codec != segment.CodecNone {
		m.End = packing.FileSize()
	}
	return m, nil
}
