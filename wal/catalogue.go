package wal

import (
	"maps"
	"slices"

	"github.com/millrace-io/millrace/failure"
)

// catalogue is what a manifest says: the logs of a directory and their
// segments.
type catalogue map[uint64]*logEntry

// has reports whether the log exists.
func (c catalogue) has(id uint64) bool { return c[id] != nil && !c[id].removed }

// ids returns those of the logs that exist, sorted.
func (c catalogue) ids() []uint64 {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(c)), func(id uint64) bool { return !c.has(id) })
}

// logEntry is the bookkeeping of one log.
type logEntry struct {
	nextSegment uint64 // id of the segment to come; ids are never reused
	first       uint64 // first sequence number kept
	lastTime    int64  // arrival of the last record of the last closed segment
	segments    []segmentEntry
	// producers is the table of idempotent producers as of the record before
	// producersNext.
	producers     []byte
	producersNext uint64
	// removed is a log that is gone, of which files may be left. It stays known
	// until they are deleted: frames of a log that nobody knows are damage.
	removed bool
}

// segmentState is how a segment ended.
type segmentState uint8

const (
	stateActive segmentState = iota // it has not, or not durably, or the process died
	stateSealed                     // at is the footer's offset
	stateEnded                      // at is the end of its last frame; there is no footer
)

type segmentEntry struct {
	id    uint64
	base  uint64 // sequence number of its first record
	state segmentState
	at    int64
	next  uint64 // sequence number behind its last record, when not active
}

// next returns the sequence number that no known segment is behind.
func (e *logEntry) next() uint64 {
	next := e.closedNext()
	for _, s := range e.segments {
		next = max(next, s.base)
	}
	return next
}

// closedNext returns the sequence number that follows the closed segments.
func (e *logEntry) closedNext() uint64 {
	next := e.first
	for _, s := range e.segments {
		next = max(next, s.next)
	}
	return next
}

// apply changes the catalogue by one edit, or says why that cannot be.
func (c catalogue) apply(e edit) error {
	if e.kind == editLogAdded {
		if c.has(e.log) {
			return failure.New(failure.Corrupt, "edit", "log %d is added twice", e.log)
		}
		c[e.log] = &logEntry{nextSegment: e.fields[0], first: e.fields[1], lastTime: int64(e.fields[2])}
		return nil
	}
	l := c[e.log]
	if !c.has(e.log) {
		return failure.New(failure.Corrupt, "edit", "log %d is unknown", e.log)
	}
	switch e.kind {
	case editLogRemoved:
		c[e.log] = &logEntry{removed: true}
	case editSegmentAdded:
		if n := len(l.segments); e.fields[1] < l.next() || n > 0 && e.fields[0] <= l.segments[n-1].id {
			return failure.New(failure.Corrupt, "edit", "segment %016x does not continue log %d", e.fields[0], e.log)
		}
		l.segments = append(l.segments, segmentEntry{id: e.fields[0], base: e.fields[1]})
		l.nextSegment = max(l.nextSegment, e.fields[0]+1)
	case editSegmentSealed, editSegmentEnds:
		if s := l.last(); e.kind == editSegmentEnds && s != nil && l.open() == nil {
			return s.cut(e)
		}
		s := l.open()
		if s == nil || s.id != e.fields[0] || e.fields[2] < s.base {
			return failure.New(failure.Corrupt, "edit", "segment %016x of log %d is not the oldest open one", e.fields[0], e.log)
		}
		s.state, s.at, s.next = stateSealed, int64(e.fields[1]), e.fields[2]
		if e.kind == editSegmentEnds {
			s.state = stateEnded
		}
		l.lastTime = max(l.lastTime, int64(e.fields[3]))
	case editSegmentDropped:
		if s := l.last(); s == nil || s.id != e.fields[0] {
			return failure.New(failure.Corrupt, "edit", "segment %016x of log %d is not the last one", e.fields[0], e.log)
		}
		l.segments = l.segments[:len(l.segments)-1]
	case editTrimmed:
		if len(l.segments) == 0 {
			l.first = e.fields[0] // nothing is kept: the log may go on anywhere
		}
		l.first = max(l.first, e.fields[0])
		l.segments = slices.DeleteFunc(l.segments, func(s segmentEntry) bool {
			return s.state != stateActive && s.next <= l.first
		})
	case editProducersKnown:
		l.producers, l.producersNext = slices.Clone(e.table), e.fields[0]
	}
	return nil
}

// copyOf returns a catalogue of copies of the logs that the edits are about, to
// try the edits on.
func (c catalogue) copyOf(edits []edit) catalogue {
	copies := make(catalogue, 1)
	for _, e := range edits {
		if l := c[e.log]; l != nil && copies[e.log] == nil {
			entry := *l
			entry.segments = slices.Clone(l.segments)
			copies[e.log] = &entry
		}
	}
	return copies
}

// install takes over what the edits made of the copies.
func (c catalogue) install(edits []edit, after catalogue) {
	for _, e := range edits {
		if l := after[e.log]; l != nil {
			c[e.log] = l
		} else {
			delete(c, e.log)
		}
	}
}

// open returns the oldest segment that is not closed. A log has several only
// while those before the last wait for their sync.
func (e *logEntry) open() *segmentEntry {
	for i := range e.segments {
		if e.segments[i].state == stateActive {
			return &e.segments[i]
		}
	}
	return nil
}

// last returns the newest segment.
func (e *logEntry) last() *segmentEntry {
	if len(e.segments) == 0 {
		return nil
	}
	return &e.segments[len(e.segments)-1]
}

// cut lowers the end of a closed segment, the last one of its log.
func (s *segmentEntry) cut(e edit) error {
	at, next := int64(e.fields[1]), e.fields[2]
	if s.id != e.fields[0] || at > s.at || next < s.base || next > s.next {
		return failure.New(failure.Corrupt, "edit", "segment %016x of log %d is not the last one, or ends before", e.fields[0], e.log)
	}
	s.state, s.at, s.next = stateEnded, at, next
	return nil
}

// snapshot returns the edits that make an equal catalogue from nothing.
func (c catalogue) snapshot() []edit {
	var edits []edit
	for _, id := range slices.Sorted(maps.Keys(c)) {
		l := c[id]
		edits = append(edits, edit{kind: editLogAdded, log: id, fields: [4]uint64{l.nextSegment, l.first, uint64(l.lastTime)}})
		if l.removed {
			edits = append(edits, edit{kind: editLogRemoved, log: id})
			continue
		}
		for _, s := range l.segments {
			edits = append(edits, s.added(id))
			if kind, closed := s.closedBy(); closed {
				edits = append(edits, edit{kind: kind, log: id, fields: [4]uint64{s.id, uint64(s.at), s.next, uint64(l.lastTime)}})
			}
		}
		if len(l.producers) > 0 {
			edits = append(edits, edit{kind: editProducersKnown, log: id, fields: [4]uint64{l.producersNext}, table: l.producers})
		}
	}
	return edits
}

// added returns the edit that makes the segment known.
func (s segmentEntry) added(log uint64) edit {
	return edit{kind: editSegmentAdded, log: log, fields: [4]uint64{s.id, s.base}}
}

// closedBy returns the type of the edit that closed the segment.
func (s segmentEntry) closedBy() (kind editType, closed bool) {
	switch s.state {
	case stateSealed:
		return editSegmentSealed, true
	case stateEnded:
		return editSegmentEnds, true
	}
	return 0, false
}
