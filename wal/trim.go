package wal

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/segment"
)

// TrimBefore deletes the segments all of whose records are older than the
// sequence number. The active segment stays: seal it first to let it go. The
// trim point is durable before a file is unlinked, and cursors keep what they
// have pinned.
func (l *Log) TrimBefore(sequence uint64) error {
	return l.trim(func(segments []*segment.Segment) (n int, err error) {
		for n < len(segments) && segments[n].Sealed() && l.nextBehind(segments, n) <= sequence {
			n++
		}
		return n, nil
	})
}

// TrimTime deletes the segments whose newest record arrived before the given
// time, in unix nanoseconds.
func (l *Log) TrimTime(before int64) error {
	return l.trim(func(segments []*segment.Segment) (n int, err error) {
		for n < len(segments) && segments[n].Sealed() {
			newest, err := newestTime(segments[n])
			if err != nil {
				return 0, spaceOr(failure.Unavailable, "trim", fmt.Errorf("wal: trim: %w", err))
			}
			if newest >= before {
				break
			}
			n++
		}
		return n, nil
	})
}

// TrimBytes deletes the oldest segments until the rest, the active segment
// included, is at most keep bytes, before compression, or nothing sealed is left.
func (l *Log) TrimBytes(keep int64) error {
	return l.trim(func(segments []*segment.Segment) (n int, err error) {
		total := int64(0)
		for _, s := range segments {
			total += s.Readable() - segment.HeaderSize
		}
		for n < len(segments) && segments[n].Sealed() && total > keep {
			total -= segments[n].Readable() - segment.HeaderSize
			n++
		}
		return n, nil
	})
}

// nextBehind returns the sequence number that follows the i-th segment. For the
// last one that is right only if no other has begun since the list was loaded:
// trim decides with mu held.
func (l *Log) nextBehind(segments []*segment.Segment, i int) uint64 {
	if i+1 < len(segments) {
		return segments[i+1].Header.Base
	}
	return l.written.Load() + 1
}

// newestTime returns the arrival of the last record of a sealed segment.
func newestTime(s *segment.Segment) (int64, error) {
	if f, ok := s.Footer(); ok && f.DataEnd == s.Readable() { // it was not cut
		return f.LastTime, nil
	}
	newest := s.Header.Created
	var r segment.Reader
	r.Reset(s)
	off := int64(segment.HeaderSize)
	sparse, err := s.Lookup()
	if err != nil {
		return 0, err
	}
	if e, ok := sparse.FindSequence(^uint32(0)); ok && e.Offset() < s.Readable() {
		off = e.Offset()
	}
	for off < s.Readable() {
		h, _, err := r.Frame(off)
		if err != nil {
			return 0, err
		}
		newest = max(newest, h.Time)
		off += h.Span()
	}
	return newest, nil
}

// trim drops as many of the oldest segments as count says.
//
// Trims are one at a time, from counting on: a count taken before another trim
// would drop as many again. The first record kept is decided together with the
// list, with mu held: an append in between would otherwise be trimmed with the
// segments before it.
func (l *Log) trim(count func([]*segment.Segment) (int, error)) error {
	l.trimMu.Lock()
	defer l.trimMu.Unlock()
	if err := l.syncBehind(0); err != nil { // only what is noted as sealed can be dropped
		return spaceOr(failure.Poisoned, "trim", err)
	}
	n, first, err := l.decide(count)
	if err != nil || n == 0 {
		return err
	}
	if err := l.dir.manifest.commit(edit{kind: editTrimmed, log: l.id, fields: [4]uint64{first}}); err != nil {
		return spaceOr(failure.Unavailable, "trim", err)
	}
	l.mu.Lock()
	current := *l.segments.Load()
	if len(current) < n { // closed meanwhile: the next open removes the files
		l.mu.Unlock()
		return errClosed
	}
	l.first.Store(first)
	dropped, kept := current[:n], slices.Clone(current[n:])
	l.segments.Store(&kept)
	l.mu.Unlock()
	var errs []error
	for _, s := range dropped {
		path := filepath.Join(l.dir.logPath(l.id), segmentName(s.Header.Base, s.Header.Segment))
		if err := l.dir.options.FS.Remove(path); err != nil {
			// The next open of the log removes it.
			errs = append(errs, fmt.Errorf("wal: trim: %w", err))
		}
		l.dir.unpin(s)
	}
	return spaceOr(failure.Unavailable, "trim", errors.Join(errs...))
}

// decide returns how many segments go and which record is the first to stay. A
// segment that was left unsynced since is not counted.
func (l *Log) decide(count func([]*segment.Segment) (int, error)) (n int, first uint64, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.refused != nil {
		return 0, 0, l.refused
	}
	segments := *l.segments.Load()
	if n, err = count(segments); err != nil {
		return 0, 0, err
	}
	for _, t := range l.behind {
		n = min(n, slices.Index(segments, t.segment))
	}
	if n == 0 {
		return 0, 0, nil
	}
	return n, l.nextBehind(segments, n-1), nil
}
