package wal

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/segment"
)

// ErrCut is what a cursor gets when the log was cut before its position, and a
// wait when the record waited for is no longer in the log. Its kind is
// failure.Conflict. Whoever reads must decide what its reading is worth, and
// begin again with another cursor.
var ErrCut error = failure.New(failure.Conflict, "wal", "the log was cut before this record; begin again with another cursor")

// errCutting refuses appends while a cut is at work.
var errCutting = failure.New(failure.Conflict, "wal", "the end of the log is being cut; append when that has returned")

// restartMax leaves enough numbers for every log there will ever be.
const restartMax = 1 << 62

// cut is a decision about the end of a log.
type cut struct {
	keep  int    // segments that stay, the oldest
	end   int64  // where the last of them ends from now on; 0 = where it did
	first uint64 // the oldest record kept
	next  uint64 // sequence number to come
	fresh bool   // first is not where the log began before
	// removed is the oldest removed batch of each idempotent producer; unread says
	// that not all removed frames could be read.
	removed map[uint64]protocol.Producer
	unread  bool
}

// CutAfter removes every record behind the given sequence number; the next
// append continues with the number after it. When CutAfter returns nil the cut
// is durable: no later opening shows a record that was removed, and the numbers
// of removed records are given to others. No byte of a segment is rewritten.
//
// Sequence is the last record of a batch, since batches are whole or absent:
// one within a batch is an error of kind failure.InvalidArgument, and so is one
// that was not appended. The record before the oldest one kept removes
// everything; one before that is failure.Trimmed.
//
// The end of a log belongs to one writer: appends that were placed before are
// made durable first, and answered as such even if they are then removed;
// appends that come while the cut is at work fail with failure.Conflict, and so
// does the cut if one slips in before. Cursors that stand at or before the cut
// go on with the records that come instead of the removed ones. Those that are
// behind it finish the batch they are in and fail with [ErrCut]. What they
// returned before stays in place until they move or close.
//
// Of each idempotent producer the log remembers what it knew before the removed
// records: batches that were removed may be sent again.
//
// If ctx ends while appends are waited for, or the disk is full, nothing is
// removed. An I/O error leaves open whether the cut is durable: the log is
// poisoned, and opening it again shows which.
func (l *Log) CutAfter(ctx context.Context, sequence uint64) error {
	return l.cutEnd(ctx, func(segments []*segment.Segment) (cut, error) {
		return l.findCut(segments, sequence)
	})
}

// Restart removes every record, and the log continues with the sequence number
// next, from 1 to 2^62, which may be higher or lower than before: what a replica does that
// receives a snapshot in place of the records it lacks. Everything that is said
// of [Log.CutAfter] holds, but for two things: idempotent producers are
// forgotten and must begin a new epoch, and cursors at a record before next may
// get failure.Trimmed instead of ErrCut.
func (l *Log) Restart(ctx context.Context, next uint64) error {
	if next == 0 || next > restartMax {
		return failure.New(failure.InvalidArgument, "restart", "sequence numbers begin at 1, and at %d at most", uint64(restartMax))
	}
	return l.cutEnd(ctx, func([]*segment.Segment) (cut, error) {
		return cut{first: next, next: next, fresh: true}, nil
	})
}

// cutEnd does what decide says about the segments, all of which are closed and
// durable while it works. One manifest record is the cut; before it nothing has
// happened, and after it only files are left to unlink.
func (l *Log) cutEnd(ctx context.Context, decide func([]*segment.Segment) (cut, error)) error {
	l.trimMu.Lock()
	defer l.trimMu.Unlock()
	if err := l.rest(ctx); err != nil {
		return err
	}
	defer l.resume()
	segments := *l.segments.Load()
	c, err := decide(segments)
	if err != nil {
		return err
	}
	if c.keep == len(segments) && c.end == 0 && !c.fresh {
		return nil
	}
	l.mu.Lock()
	producers := l.producers.rewound(c)
	edits := l.cutEditsLocked(segments, c, producers)
	l.mu.Unlock()
	if err := l.dir.manifest.commit(edits...); err != nil {
		err = spaceOr(failure.Internal, "cut", err)
		if errors.Is(err, failure.Poisoned) {
			l.resume()
			l.mu.Lock()
			l.poisonLocked(err)
			l.mu.Unlock()
			l.wakeCursors()
		}
		return err
	}
	if err := l.applyCut(segments, c, producers); err != nil {
		return err
	}
	for _, s := range segments[c.keep:] {
		path := filepath.Join(l.dir.logPath(l.id), segmentName(s.Header.Base, s.Header.Segment))
		// A file that stays is removed by the next open.
		_ = l.dir.options.FS.Remove(path)
		l.dir.unpin(s)
	}
	l.wakeCursors()
	return nil
}

// rest makes everything durable and every segment closed, and has appends
// refused from then on.
func (l *Log) rest(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.refused != nil || l.closed {
		return l.refusalLocked()
	}
	for range 2 {
		t, err := l.leaveLocked(ctx)
		if err != nil {
			return err
		}
		if t == nil {
			// Perhaps an append left it, and then there was no room for another
			// segment.
			t = l.active
		}
		l.sealAsked = t
		if err := l.awaitLocked(ctx, waitFor{last: l.next - 1, durable: true, idle: true}); err != nil {
			return fmt.Errorf("wal: cut: wait for appends: %w", err)
		}
		if l.refused != nil || l.closed {
			return l.refusalLocked()
		}
		if l.tail == nil && l.active == nil && len(l.behind) == 0 {
			l.refused = errCutting
			return nil
		}
	}
	return failure.New(failure.Conflict, "cut", "an append came in between; stop appending before the end of the log is cut")
}

// resume lets appends in again, unless the log was closed or poisoned.
func (l *Log) resume() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if errors.Is(l.refused, errCutting) {
		l.refused = nil
	}
}

// findCut looks up where the record stands.
func (l *Log) findCut(segments []*segment.Segment, sequence uint64) (cut, error) {
	c := cut{first: l.first.Load(), next: sequence + 1}
	switch last := l.written.Load(); {
	case sequence > last:
		return c, failure.New(failure.InvalidArgument, "cut", "record %d was not appended yet; the last is %d", sequence, last)
	case sequence == last:
		c.keep = len(segments)
		return c, nil
	case c.next < c.first:
		return c, failure.New(failure.Trimmed, "cut", "record %d is gone; the oldest kept is %d", sequence, c.first)
	}
	for c.keep < len(segments) && segments[c.keep].Header.Base <= sequence {
		c.keep++
	}
	if c.keep > 0 {
		s := segments[c.keep-1]
		if !s.Pin() {
			return c, errClosed
		}
		defer l.dir.unpin(s)
		end, err := endOf(s, sequence)
		if err != nil {
			return c, l.placed(s.Header.Segment, end, err)
		}
		if end < s.Readable() {
			c.end = end
		}
	}
	l.findProducers(segments, &c)
	return c, nil
}

// findProducers reads what will be removed, if anybody in the table has sent
// some of it. A frame that is damaged ends that, not the cut: whoever is not
// found is forgotten.
func (l *Log) findProducers(segments []*segment.Segment, c *cut) {
	l.mu.Lock()
	known := false
	for _, s := range l.producers.known {
		known = known || s.last >= c.next
	}
	l.mu.Unlock()
	if !known {
		return
	}
	c.removed = make(map[uint64]protocol.Producer)
	off := int64(segment.HeaderSize)
	from := segments[c.keep:]
	if c.end != 0 {
		off, from = c.end, segments[c.keep-1:]
	}
	for _, s := range from {
		if !s.Pin() {
			c.unread = true
			return
		}
		c.unread = !collectProducers(s, off, c.removed)
		l.dir.unpin(s)
		if c.unread {
			return
		}
		off = segment.HeaderSize
	}
}

// collectProducers notes the first batch of each producer that is not noted
// yet, and reports whether all of the segment could be read.
func collectProducers(s *segment.Segment, off int64, removed map[uint64]protocol.Producer) bool {
	var r segment.Reader
	r.Reset(s)
	for off < s.Readable() {
		h, frame, err := r.Frame(off)
		if err != nil {
			return false
		}
		if h.Type == protocol.FrameData && h.Flags&protocol.FlagProducer != 0 {
			p := protocol.OpenBatch(h.Payload(frame)).Producer()
			if _, noted := removed[p.ID]; !noted {
				removed[p.ID] = p
			}
		}
		off += h.Span()
	}
	return true
}

// endOf returns the end of the frame whose last record has the sequence number.
// It does not look at what follows, which may be damaged.
func endOf(s *segment.Segment, sequence uint64) (end int64, err error) {
	var r segment.Reader
	r.Reset(s)
	end = segment.HeaderSize
	sparse, err := s.Lookup()
	if err != nil {
		return end, err
	}
	if e, ok := sparse.FindSequence(uint32(sequence - s.Header.Base)); ok && e.Offset() < s.Readable() {
		end = e.Offset()
	}
	for end < s.Readable() {
		h, _, err := r.Frame(end)
		if err != nil {
			return end, err
		}
		end += h.Span()
		switch last := h.Sequence + uint64(h.Count) - 1; {
		case h.Count == 0 || last < sequence:
		case last == sequence:
			return end, nil
		default:
			return end, failure.New(failure.InvalidArgument, "cut",
				"record %d is in the batch %d to %d, and a batch is whole or absent; cut after %d or %d", sequence, h.Sequence, last, h.Sequence-1, last)
		}
	}
	return end, nil
}

// cutEditsLocked returns what the manifest has to say, as one record.
func (l *Log) cutEditsLocked(segments []*segment.Segment, c cut, producers producerTable) []edit {
	var edits []edit
	for _, s := range slices.Backward(segments[c.keep:]) {
		edits = append(edits, edit{kind: editSegmentDropped, log: l.id, fields: [4]uint64{s.Header.Segment}})
	}
	if c.end != 0 {
		edits = append(edits, edit{kind: editSegmentEnds, log: l.id, fields: [4]uint64{
			segments[c.keep-1].Header.Segment, uint64(c.end), c.next, uint64(l.lastTime),
		}})
	}
	if c.fresh {
		edits = append(edits, edit{kind: editTrimmed, log: l.id, fields: [4]uint64{c.first}})
	}
	return append(edits, edit{kind: editProducersKnown, log: l.id, fields: [4]uint64{c.next}, table: producers.encode()})
}

// applyCut publishes the cut. Readers must not meet a frame behind it: they
// check their place against the readable end, which is lowered only here. The list
// is first: a cursor whose segment ends all of a sudden must not find one there
// that is dropped, too.
func (l *Log) applyCut(segments []*segment.Segment, c cut, producers producerTable) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		kept := slices.Clone(segments[:c.keep])
		l.segments.Store(&kept)
	}
	if c.end != 0 {
		segments[c.keep-1].SetReadable(c.end)
	}
	for _, s := range segments[c.keep:] {
		s.SetReadable(segment.HeaderSize)
	}
	if l.closed { // meanwhile: Close lets go of all segments, the next open removes the files
		return errClosed
	}
	l.first.Store(c.first)
	l.next, l.promised, l.producers = c.next, c.next-1, producers
	l.written.Store(c.next - 1)
	l.durable.Store(c.next - 1)
	return nil
}

// rewound returns the table as it was before the record c.next. Batches of a
// producer follow each other without gaps, so that the oldest one removed is what
// was expected next. A producer of whom that is not known is forgotten, which
// makes it begin anew: to guess could call a removed batch a repeated one.
func (t *producerTable) rewound(c cut) producerTable {
	before := newProducerTable(t.maximum)
	if c.fresh {
		return before
	}
	for id, state := range t.known {
		s := *state
		if s.last >= c.next {
			first, found := c.removed[id]
			if !found && c.unread {
				continue
			}
			if !found { // last is a bound since an earlier cut, and nothing was removed now
				first = protocol.Producer{Epoch: s.epoch, Sequence: s.next}
			}
			for s.count > 0 && (s.batches[s.count-1].first >= c.next || s.epoch != first.Epoch) {
				s.count--
			}
			s.epoch, s.next, s.last = first.Epoch, first.Sequence, c.next-1
		}
		before.known[id] = &s
	}
	return before
}
