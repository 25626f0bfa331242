package wal

import (
	"sort"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/index"
	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/segment"
)

// Seek makes c deliver what start names and everything after it, as if it were
// new, with the errors of [Log.Cursor]. An error of earlier reading is
// forgotten; after an error of Seek itself the cursor delivers nothing until
// another Seek succeeds. Nothing is allocated.
func (c *Cursor) Seek(start record.Start) error {
	if c.closed {
		return errClosed
	}
	c.batch, c.count, c.index, c.after, c.placed, c.err = protocol.Batch{}, 0, 0, 0, false, nil
	c.stretch = index.Stretch{}
	if c.log.ended.Load() {
		c.err = errClosed
		return c.err
	}
	if err := c.seek(start); err != nil {
		c.err = err
	}
	return c.err
}

// seek moves to the first frame that start names, or to the end.
func (c *Cursor) seek(start record.Start) error {
	first := c.log.first.Load()
	switch start.Kind {
	case record.StartTrimHorizon:
		c.next = first
	case record.StartLatest:
		c.next = c.log.Next()
	case record.StartAtSequence:
		c.next = start.Sequence
	case record.StartAfterSequence:
		c.next = start.Sequence + 1
	case record.StartAtTime:
		return c.settle(c.seekTime(start.Time))
	default:
		return failure.New(failure.InvalidArgument, "cursor", "unknown start %v", start)
	}
	if c.next < first {
		return failure.New(failure.Trimmed, "cursor", "record %d is gone; the oldest kept is %d", c.next, first)
	}
	if c.next > c.log.visible()+1 { // or it was made visible this moment
		if next := c.log.Next(); c.next > next {
			return failure.New(failure.InvalidArgument, "cursor", "record %d was not appended yet; the next is %d", c.next, next)
		}
	}
	return c.settle(c.seekSequence())
}

// settle steps from the indexed frame to the start, so that Wait does not
// return for records that nobody asked for. An error on the way is left to
// whoever reads.
func (c *Cursor) settle(err error) error {
	if err != nil {
		c.leave()
		return err
	}
	for !c.placed && c.available() {
		c.place()
	}
	if !c.placed && c.after == 0 && c.err == nil {
		c.missed()
	}
	return nil
}

// missed looks whether the steps to c.next ended behind it. On the way only the
// places of frames are compared, so that a length that is wrong goes unnoticed if
// there is no frame where it leads.
func (c *Cursor) missed() {
	s := c.reader.Segment()
	if s == nil || c.next > c.log.visible() {
		return
	}
	c.log.mu.Lock() // the counters, the end of the frames and the list change together
	segments := *c.log.segments.Load()
	last := len(segments) > 0 && segments[len(segments)-1].Header.Segment == c.last // else advance looks
	wrong := last && c.off == s.Readable() && c.due <= c.log.visible()
	c.log.mu.Unlock()
	if wrong {
		c.misplaced()
	}
}

// misplaced makes it final that the frame at c.off is not the one that is due.
func (c *Cursor) misplaced() {
	_ = c.fail(&segment.DamageError{Segment: c.last, Offset: c.off, Err: errMisplaced})
}

// seekSequence places the cursor at the frame that holds c.next, or at the
// end.
func (c *Cursor) seekSequence() error {
	for {
		segments := *c.log.segments.Load()
		i := sort.Search(len(segments), func(i int) bool { return segments[i].Header.Base > c.next }) - 1
		if i < 0 {
			c.leave()
			return nil // nothing there yet: the first segment to come has it
		}
		s := segments[i]
		if !c.move(s) {
			continue // trimmed between the load and the pin
		}
		sparse, err := s.Lookup()
		if err != nil {
			return c.fail(err)
		}
		if e, stretch, ok := sparse.FindStretch(uint32(c.next - s.Header.Base)); ok && e.Offset() < s.Readable() {
			c.off, c.due, c.stretch = e.Offset(), s.Header.Base+uint64(e.RelativeSequence), stretch
		}
		return nil
	}
}

// seekTime places the cursor in front of the first record that arrived at or
// after the time.
func (c *Cursor) seekTime(time int64) error {
	c.after = time
	for {
		segments := *c.log.segments.Load()
		// Created lies between the times of the records before the segment
		// and in it.
		i := sort.Search(len(segments), func(i int) bool { return segments[i].Header.Created >= time }) - 1
		if len(segments) == 0 {
			c.leave()
			c.next = c.log.first.Load()
			return nil
		}
		s := segments[max(i, 0)]
		if !c.move(s) {
			continue
		}
		c.next = s.Header.Base
		sparse, err := s.Lookup()
		if err != nil {
			return c.fail(err)
		}
		if e, ok := sparse.FindTime(time); ok && e.Offset() < s.Readable() {
			c.off, c.next = e.Offset(), s.Header.Base+uint64(e.RelativeSequence)
			c.due = c.next
		}
		return nil
	}
}

// glance returns the header of the frame at c.off. On the way to a sequence number
// it is not verified: numbers must continue each other, and those of the frame
// that is found have a checksum. A time could be anything.
func (c *Cursor) glance() (protocol.FrameHeader, error) {
	if c.after == 0 {
		return c.reader.Header(c.off)
	}
	h, _, err := c.reader.Frame(c.off)
	return h, err
}

// early reports whether a frame is before the time that is looked for. Where none is,
// its time says nothing, and may not have been verified.
func (c *Cursor) early(h protocol.FrameHeader) bool { return c.after != 0 && h.Time < c.after }

// place steps over one frame that ends before the start, or finds that there
// is none.
func (c *Cursor) place() {
	if c.after == 0 {
		c.off, c.due = c.reader.Skip(c.off, c.due, c.next, c.stretch)
		if c.off >= c.reader.Segment().Readable() {
			return // nothing there: what comes next, or where, is for available to say
		}
	}
	h, err := c.glance()
	if err != nil {
		_ = c.broken(err)
		return
	}
	if h.Sequence+uint64(h.Count) <= c.next || c.early(h) {
		if c.continues(h) {
			c.off += h.Span()
		}
		return
	}
	c.placed, c.after = true, 0
	c.next = max(c.next, h.Sequence)
}
