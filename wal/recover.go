package wal

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/internal/vfs"
	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/segment"
)

// recover opens the segments that the manifest names and settles how the last
// one ended. Nothing is ever appended to a segment of an earlier opening: a
// torn one ends by a manifest edit, and the next append begins a new file.
func (l *Log) recover(entry logEntry) error {
	begun, err := findBegun(l.dir.options.FS, l.dir.logPath(l.id), l.id, entry)
	if err != nil {
		return err
	}
	listed := len(entry.segments)
	entry.segments = append(entry.segments, begun...)
	l.nextID, l.next, l.lastTime = entry.nextSegment, entry.closedNext(), entry.lastTime
	l.first.Store(entry.first)
	if err := l.producers.decode(entry.producers); err != nil {
		return err
	}
	check := l.removeStrayFiles
	if l.dir.readOnly {
		check = l.checkStrayFiles
	}
	if err := check(entry); err != nil {
		return err
	}
	var list []*segment.Segment
	for i, e := range entry.segments {
		if e.state == stateActive && e.base != l.next && i > 0 {
			// The segment before it lost its end: it was not synced yet, nor
			// was anything in this one.
			if err := l.dropOpen(entry.segments[i:], listed-i); err != nil {
				return err
			}
			break
		}
		l.nextID = max(l.nextID, e.id+1)
		if i >= listed && !l.dir.readOnly {
			if err := l.dir.manifest.commit(e.added(l.id)); err != nil {
				return spaceOr(failure.Poisoned, "recover", err)
			}
		}
		s, next, err := l.openSegment(e, entry)
		if s != nil {
			list = append(list, s)
			l.segments.Store(&list)
		}
		if err == nil && (s.Header.Base < entry.first || s.Header.Base != e.base || s.Header.Segment != e.id || s.Header.Log != l.id) {
			err = &CorruptionError{l.id, e.id, 0, failure.New(failure.Corrupt, "segment", "its header is not that of the segment in the MANIFEST")}
		}
		if err != nil {
			return err
		}
		l.next = max(l.next, next)
		if l.damage != nil {
			break
		}
	}
	if len(list) > 0 {
		l.first.Store(max(entry.first, list[0].Header.Base))
	}
	l.written.Store(l.next - 1)
	l.durable.Store(l.next - 1)
	l.promised = l.next - 1
	if l.dir.readOnly && l.refused == nil {
		l.refused = errReadOnly
	}
	return nil
}

// dropOpen forgets open segments that follow one that lost its end; the first of
// them are in the MANIFEST, as many as listed says.
func (l *Log) dropOpen(entries []segmentEntry, listed int) error {
	if l.dir.readOnly {
		return nil
	}
	var edits []edit
	for _, e := range slices.Backward(entries[:max(0, listed)]) {
		edits = append(edits, edit{kind: editSegmentDropped, log: l.id, fields: [4]uint64{e.id}})
	}
	if len(edits) > 0 {
		if err := l.dir.manifest.commit(edits...); err != nil {
			return spaceOr(failure.Poisoned, "recover", err)
		}
	}
	for _, e := range entries {
		// A file that stays is removed by the next open.
		_ = l.dir.options.FS.Remove(filepath.Join(l.dir.logPath(l.id), segmentName(e.base, e.id)))
	}
	return nil
}

// openSegment opens one segment in the state that the manifest gives it and
// returns the sequence number behind it.
func (l *Log) openSegment(e segmentEntry, entry logEntry) (*segment.Segment, uint64, error) {
	flags := os.O_RDWR
	access := l.dir.options.readAccess() // nothing is stored into it any more
	if l.dir.readOnly {
		flags = os.O_RDONLY
	}
	path := filepath.Join(l.dir.logPath(l.id), segmentName(e.base, e.id))
	file, err := l.dir.options.FS.OpenFile(path, flags, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, &CorruptionError{l.id, e.id, 0, fmt.Errorf("the file is missing: %w", err)}
	}
	if err != nil {
		return nil, 0, err
	}
	if e.state == stateActive && !l.dir.readOnly {
		// A process that died may have left pages that look valid and are not
		// on the device: make them durable before anybody relies on them.
		if err := l.witness.watch(file.Sync); err != nil {
			file.Close()
			return nil, 0, failure.Wrap(failure.Poisoned, "sync "+path, err)
		}
		// If a sync failed in that process, the kernel may call pages clean
		// that the device does not have: let the scan read the device.
		if !l.calm {
			if err := file.DropCache(); err != nil {
				file.Close()
				return nil, 0, failure.Wrap(failure.Unavailable, "drop the cache of "+path, err)
			}
		}
	}
	s, err := segment.Open(file, access)
	if err != nil {
		file.Close()
		if failure.KindOf(err) == failure.Corrupt || failure.KindOf(err) == failure.NotOurs {
			err = &CorruptionError{l.id, e.id, 0, err}
		}
		return nil, 0, err
	}
	if size, err := file.Size(); err == nil && e.state == stateActive && size < s.Header.FileSize() {
		// It had its length before it had its name, and files do not become
		// shorter: what was cut off may have been promised.
		return s, 0, &CorruptionError{l.id, e.id, size, failure.New(failure.Corrupt, "segment", "the file ends at %d of %d bytes", size, s.Header.FileSize())}
	}
	switch e.state {
	case stateSealed:
		if _, err := s.OpenSealed(e.at); err != nil {
			return s, 0, l.placed(e.id, e.at, err)
		}
		l.lastTime = max(l.lastTime, entry.lastTime)
		return s, e.next, nil
	case stateEnded:
		return s, e.next, l.openEnded(s, e)
	}
	next, err := l.openActive(s, entry)
	return s, next, err
}

// placed makes a CorruptionError of damage that package segment found.
func (l *Log) placed(id uint64, offset int64, err error) error {
	var damage *segment.DamageError
	if errors.As(err, &damage) {
		offset = damage.Offset
	}
	if failure.KindOf(err) != failure.Corrupt {
		return err
	}
	return &CorruptionError{l.id, id, offset, err}
}

// openEnded scans a segment without a footer up to where the manifest ends it.
func (l *Log) openEnded(s *segment.Segment, e segmentEntry) error {
	contents, err := s.Scan(nil)
	if err != nil {
		return err
	}
	if contents.End < e.at || contents.Next < e.next {
		return &CorruptionError{l.id, e.id, contents.End, cmp.Or(contents.Cause, error(protocol.ErrFrameLength))}
	}
	s.SetReadable(e.at)
	s.SetSealed()
	return nil
}

// openActive recovers the segment that was being written when the process
// ended.
func (l *Log) openActive(s *segment.Segment, entry logEntry) (next uint64, err error) {
	last := entry.last().id == s.Header.Segment
	contents, after, err := l.scanActive(s, last, func(_ int64, h protocol.FrameHeader, frame []byte) error {
		l.producers.remember(h, frame, entry.producersNext)
		return nil
	})
	if err != nil {
		return 0, err
	}
	l.lastTime = max(l.lastTime, contents.LastTime)
	report := Recovery{Records: uint64(contents.Records)}
	if !contents.Walked {
		report.Scanned = contents.End - segment.HeaderSize
	}
	ended := edit{kind: editSegmentEnds, log: l.id, fields: [4]uint64{s.Header.Segment, uint64(contents.End), contents.Next, uint64(l.lastTime)}}
	if contents.Footer != 0 {
		ended.kind, ended.fields[1] = editSegmentSealed, uint64(contents.Footer)
	} else {
		report.Torn = after.Written - contents.End
	}
	if after.Promise != 0 {
		l.damageAt(s, contents, after)
		return contents.Next, nil
	}
	s.SetSealed()
	if l.dir.readOnly {
		return contents.Next, nil
	}
	known := edit{kind: editProducersKnown, log: l.id, fields: [4]uint64{contents.Next}, table: l.producers.encode()}
	if err := l.dir.manifest.commit(ended, known); err != nil {
		return 0, spaceOr(failure.Poisoned, "recover", err)
	}
	if contents.Footer == 0 {
		// What was torn stays for whoever wants to look at it.
		l.punchLater(s, contents.End+report.Torn)
	}
	if f := l.dir.options.Events.Recovered; f != nil {
		f(l.id, report)
	}
	return contents.Next, nil
}

// scanActive verifies the frames, and looks at what lies behind them if there
// is no footer. Beside a live writer the end of a scan may be a frame that was
// being written then and has been promised since: a second scan gets behind it,
// and damage is what stops both at the same place.
//
// Where nothing is in doubt a segment was complete when another was begun: see
// witness.go.
func (l *Log) scanActive(s *segment.Segment, last bool, visit segment.Visit) (c segment.Contents, after segment.Aftermath, err error) {
	if l.calm && s.Header.Behind && !last {
		known := l.producers.encode()
		if c, ok := s.Walk(visit); ok {
			return c, after, nil
		}
		if err := l.producers.decode(known); err != nil { // the scan visits all again
			return c, after, err
		}
	}
	for end := int64(0); ; end = c.End {
		if c, err = s.Scan(visit); err != nil || c.Footer != 0 {
			return c, segment.Aftermath{}, err
		}
		if after, err = s.Classify(c.End, c.Next); err != nil {
			return c, after, err
		}
		if after.Promise == 0 || !l.dir.readOnly || c.End == end {
			return c, after, nil
		}
	}
}

// damageAt makes the log refuse appends, and readers fail at the bad frame: a
// later frame was written when this one was durable.
func (l *Log) damageAt(s *segment.Segment, contents segment.Contents, after segment.Aftermath) {
	cause := cmp.Or(contents.Cause, error(protocol.ErrFrameEmpty))
	l.refused = &CorruptionError{
		l.id, s.Header.Segment, contents.End,
		fmt.Errorf("the frame at offset %d was written after it was durable: %w", after.Promise, cause),
	}
	l.damage = l.refused
	l.stats.readOnly.Store(true)
	s.SetSealed()
}

// removeStrayFiles deletes spares, segments that were trimmed, those that a power
// cut has lost, and those whose activation did not get to its manifest edit. The
// last cannot hold a frame, so that one which does means that the manifest lies.
func (l *Log) removeStrayFiles(entry logEntry) error {
	files, folder := l.dir.options.FS, l.dir.logPath(l.id)
	names, err := files.ReadDir(folder)
	if err != nil {
		return fmt.Errorf("wal: list %s: %w", folder, err)
	}
	for _, name := range names {
		path := filepath.Join(folder, name)
		base, id, isSegment := parseSegmentName(name)
		isSpare := strings.HasPrefix(name, sparePrefix) && strings.HasSuffix(name, spareSuffix)
		listed := slices.ContainsFunc(entry.segments, func(e segmentEntry) bool { return e.id == id && e.base == base })
		switch {
		case isSegment && listed, !isSegment && !isSpare:
			continue
		case isSegment && id >= entry.nextSegment:
			if err := l.dir.checkUnlisted(path, l.id, id); err != nil {
				return err
			}
		}
		if isSpare {
			// To free its blocks takes long, 50 ms for 256 MiB where the device is told,
			// and nobody needs its name: one that stays is removed by the next open.
			l.spares = max(l.spares, spareNumber(name))
			l.commits.Go(func() { _ = files.Remove(path) })
			continue
		}
		if err := files.Remove(path); err != nil {
			return fmt.Errorf("wal: remove stray file: %w", err)
		}
	}
	return nil
}

// spareNumber returns the number in the name of a spare, or 0.
func spareNumber(name string) uint64 {
	n, _ := strconv.ParseUint(strings.TrimSuffix(strings.TrimPrefix(name, sparePrefix), spareSuffix), 10, 64)
	return n
}

// checkStrayFiles returns an error if there is a segment with frames that the
// manifest does not know, and changes nothing. A writer may be at work: what it
// began since the manifest was read is in the manifest by now.
func (l *Log) checkStrayFiles(entry logEntry) error {
	files, folder := l.dir.options.FS, l.dir.logPath(l.id)
	names, err := files.ReadDir(folder)
	if err != nil {
		return fmt.Errorf("wal: list %s: %w", folder, err)
	}
	for _, name := range names {
		_, id, isSegment := parseSegmentName(name)
		if !isSegment || id < entry.nextSegment || entry.find(id) != nil {
			continue
		}
		damage := l.dir.checkUnlisted(filepath.Join(folder, name), l.id, id)
		if damage == nil || errors.Is(damage, fs.ErrNotExist) {
			continue // trimmed meanwhile
		}
		_, logs, err := readManifest(files, l.dir.path)
		if err != nil {
			return err
		}
		if !logs.has(l.id) || logs[l.id].nextSegment <= id {
			return damage
		}
	}
	return nil
}

// checkUnlisted returns an error if a segment file that the manifest does not name
// holds a frame that somebody may have been promised: one in a segment that was
// begun behind others is lost, or will be taken up by [findBegun].
func (d *Dir) checkUnlisted(path string, log, id uint64) error {
	used, behind, err := holdsFrame(d.options.FS, path)
	if err != nil || !used || behind {
		return err
	}
	return unlisted(path, log, id)
}

func unlisted(path string, log, id uint64) error {
	return &CorruptionError{log, id, segment.HeaderSize, fmt.Errorf("%s: %w", filepath.Base(path), errUnlisted)}
}

// holdsFrame reports whether a frame was written to a segment file, and whether
// the log did not wait for the device when it began it.
func holdsFrame(files vfs.FS, path string) (used, behind bool, err error) {
	b, _, err := readStart(files, path, segment.HeaderSize+protocol.FrameHeaderSize)
	if err != nil || len(b) < segment.HeaderSize+protocol.FrameHeaderSize {
		return false, false, err
	}
	return protocol.ParseFrameHeader(b[segment.HeaderSize:]).Length != 0, segment.LooksBehind(b), nil
}

// parseSegmentName reads what segmentName wrote.
func parseSegmentName(name string) (base, id uint64, ok bool) {
	stem, isSegment := strings.CutSuffix(name, segSuffix)
	digits, hex, cut := strings.Cut(stem, "-")
	if !isSegment || !cut {
		return 0, 0, false
	}
	base, err1 := strconv.ParseUint(digits, 10, 64)
	id, err2 := strconv.ParseUint(hex, 16, 64)
	return base, id, err1 == nil && err2 == nil && segmentName(base, id) == name
}
