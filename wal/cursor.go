package wal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/index"
	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/segment"
)

// Cursor reads a log in order, across segments, and can wait at its tail. It
// pins one segment at a time, not records, so that reading costs nothing per
// record. It serves one goroutine; use another cursor for another one.
//
//	c, err := l.Cursor(record.TrimHorizon())
//	defer c.Close()
//	for c.Next(ctx) {
//		v := c.View() // valid until the next call on c
//	}
//	err = c.Err()
//
// Use either Next and TryNext or Frames on one cursor, not both.
type Cursor struct {
	log     *Log
	reader  segment.Reader
	last    uint64 // id of the segment being read or read last
	off     int64
	due     uint64        // sequence number that the frame at off must have
	next    uint64        // sequence number to deliver next; records before it are skipped
	after   int64         // records that arrived before this time are skipped, unless 0
	placed  bool          // Frames: the frame at off is at or behind the start
	stretch index.Stretch // what began at off when a seek led there, to guess by

	batch protocol.Batch
	count int // of records in batch; 0 = none
	index int // of the record in batch that View shows
	first uint64
	time  int64
	view  View

	wake    chan struct{} // capacity 1
	waiting bool          // in the log's list; guarded by the log's tailMu
	err     error
	closed  bool
}

// View is one record in place. Key and Data alias the log's memory and are
// valid until the cursor moves or closes, and so is what [Cursor.View] points to:
// copy what must live longer.
type View struct {
	// Sequence is the record's sequence number.
	Sequence uint64
	// Time is its arrival in unix nanoseconds.
	Time int64
	// RecordView has Key, Data and the hash.
	protocol.RecordView
}

// Frames is a range of whole frames of one segment, exactly as they are in the
// log, for sending on. It is valid until the cursor moves or closes. The range
// may begin before the sequence number that the cursor was asked for: whoever
// decodes it skips.
type Frames struct {
	// Salt seeds the frames' checksums.
	Salt uint32
	// Bytes is the frames back to back.
	Bytes []byte
	// First and Next are the sequence numbers of the first record and behind
	// the last one.
	First, Next uint64
}

// Cursor returns a cursor that will deliver what start names and everything
// after it. A sequence number that was trimmed is an error of kind
// failure.Trimmed; one that lies more than one behind the newest record is
// failure.InvalidArgument. A closed log answers failure.Closed.
func (l *Log) Cursor(start record.Start) (*Cursor, error) {
	c := &Cursor{log: l, wake: make(chan struct{}, 1)}
	if err := c.Seek(start); err != nil {
		return nil, err
	}
	return c, nil
}

// move makes s the segment being read, from its first frame on. It reports
// whether s could be pinned.
func (c *Cursor) move(s *segment.Segment) bool {
	if s != c.reader.Segment() {
		if !s.Pin() {
			return false
		}
		c.leave()
		c.reader.Reset(s)
	}
	c.last, c.off = s.Header.Segment, segment.HeaderSize
	c.due = s.Header.Base
	return true
}

// leave lets go of the segment being read.
func (c *Cursor) leave() {
	c.last = 0
	if s := c.reader.Segment(); s != nil {
		c.reader.Reset(nil)
		c.log.dir.unpin(s)
	}
}

// available moves to the segment that has the next frame and reports whether
// there is one. At the end of the log it returns false; c.err says if that is
// because of an error.
func (c *Cursor) available() bool {
	for c.err == nil && !c.closed {
		s := c.reader.Segment()
		if s != nil {
			sealed := s.Sealed()
			readable := s.Readable()
			if c.off < readable {
				return true
			}
			if c.off > readable {
				c.err = ErrCut
				return false
			}
			if !sealed {
				return false
			}
		}
		if !c.advance() {
			return false
		}
	}
	return false
}

// advance enters the segment after the one read last, if there is one.
func (c *Cursor) advance() bool {
	for {
		segments := *c.log.segments.Load()
		i := sort.Search(len(segments), func(i int) bool { return segments[i].Header.Segment > c.last })
		if i == len(segments) {
			if s := c.reader.Segment(); s != nil || len(segments) == 0 {
				c.err = c.log.damage
			}
			return false
		}
		s := segments[i]
		if s.Header.Base < c.next {
			c.err = ErrCut
			return false
		}
		if s.Header.Base > c.next && c.after == 0 {
			if c.reader.Segment() != nil && c.log.keeps(c.next) {
				c.misplaced() // see missed
				return false
			}
			c.err = failure.New(failure.Trimmed, "cursor", "record %d is gone; the oldest kept is %d", c.next, c.log.first.Load())
			return false
		}
		if !c.move(s) {
			continue
		}
		return true
	}
}

// keeps reports whether a record was neither trimmed nor cut.
func (l *Log) keeps(sequence uint64) bool {
	l.mu.Lock() // what is kept changes together with the list of segments
	defer l.mu.Unlock()
	return l.first.Load() <= sequence && sequence <= l.visible()
}

// fail makes err final, with the place of damage.
func (c *Cursor) fail(err error) error {
	c.err = spaceOr(failure.Unavailable, "read", fmt.Errorf("wal: log %d: %w", c.log.id, err))
	var damage *segment.DamageError
	if errors.As(err, &damage) && failure.KindOf(err) == failure.Corrupt {
		c.err = &CorruptionError{c.log.id, damage.Segment, damage.Offset, damage.Err}
	}
	return c.err
}

// continues reports whether the frame at c.off, whose checksum is good, stands
// where it was written. A checksum says nothing about places: a device may have
// put a frame over another one of the same segment.
func (c *Cursor) continues(h protocol.FrameHeader) bool {
	if h.Sequence != c.due {
		c.misplaced()
		return false
	}
	c.due += uint64(h.Count)
	return true
}

// broken judges an error of reading at c.off. If the log was cut between the
// look at the readable end and the read, it says nothing about the frame: then
// broken returns true when the cursor may go on.
func (c *Cursor) broken(err error) (again bool) {
	switch readable := c.reader.Segment().Readable(); {
	case c.off == readable:
		return true
	case c.off > readable:
		c.err = ErrCut
	default:
		_ = c.fail(err)
	}
	return false
}

// TryNext moves to the next record and reports whether there is one; at the
// tail it returns false without waiting, and Err is nil.
func (c *Cursor) TryNext() bool {
	for {
		c.index++
		if c.index < c.count {
			c.view.Sequence, c.view.Time = c.first+uint64(c.index), c.time
			c.batch.ReadRecord(c.index, &c.view.RecordView)
			return true
		}
		onward := c.count > 0
		c.count = 0
		if !c.available() || !c.load(onward) {
			return false
		}
	}
}

// load opens the batch of the frame at c.off and steps behind the frame. The
// index is left in front of the first record to deliver.
func (c *Cursor) load(onward bool) bool {
	c.reader.Onward(onward)
	h, frame, err := c.reader.Frame(c.off)
	if err != nil {
		return c.broken(err)
	}
	if !c.continues(h) {
		return false
	}
	c.off += h.Span()
	c.index = -1
	behind := h.Sequence + uint64(h.Count)
	if h.Type != protocol.FrameData || behind <= c.next || c.early(h) {
		return true
	}
	c.after = 0
	c.batch, c.count = protocol.OpenBatch(h.Payload(frame)), int(h.Count)
	c.first, c.time = h.Sequence, h.Time
	if c.next > h.Sequence {
		c.index += int(c.next - h.Sequence)
	}
	c.next = behind
	return true
}

// Next moves to the next record, waiting at the tail until there is one. It
// returns false when ctx ends, the log is closed or an error occurs; see Err.
func (c *Cursor) Next(ctx context.Context) bool {
	for !c.TryNext() {
		if c.err != nil {
			return false
		}
		if err := c.Wait(ctx); err != nil {
			c.err = err
			return false
		}
	}
	return true
}

// View returns the record that Next or TryNext moved to. It is the cursor's own,
// the same every time: whoever keeps some of it copies that before the cursor
// moves. A copy for each record would cost more than finding the record.
func (c *Cursor) View() *View { return &c.view }

// Err returns what ended reading: nil at the tail, the error of a context, or
// an error with a kind.
func (c *Cursor) Err() error { return c.err }

// Frames returns the next whole frames of one segment, at most maximum bytes
// but at least one frame, and moves behind them. ok is false at the tail, and
// on errors: see Err.
func (c *Cursor) Frames(maximum int) (f Frames, ok bool) {
	for c.available() {
		if !c.placed {
			c.place()
			continue
		}
		b, next, err := c.reader.Frames(c.off, int64(maximum))
		if err != nil && c.broken(err) {
			continue
		}
		if err != nil {
			return Frames{}, false
		}
		if len(b) == 0 {
			continue // the log was cut just now: available says what that means here
		}
		h := protocol.ParseFrameHeader(b)
		if !c.continues(h) {
			return Frames{}, false
		}
		c.off, c.due = c.off+int64(len(b)), next
		if next <= c.next {
			continue // frames without records
		}
		c.next = next
		return Frames{Salt: c.reader.Segment().Header.Salt, Bytes: b, First: h.Sequence, Next: next}, true
	}
	return Frames{}, false
}

// Close lets go of the segment. Views and frames of the cursor are invalid
// afterwards. It always returns nil; the result serves io.Closer.
func (c *Cursor) Close() error {
	if c.closed {
		return nil
	}
	c.closed = true
	c.batch, c.count = protocol.Batch{}, 0
	c.leave()
	l := c.log
	l.tailMu.Lock()
	defer l.tailMu.Unlock()
	if i := slices.Index(l.tailCursors, c); i >= 0 {
		l.tailCursors = slices.Delete(l.tailCursors, i, i+1)
		l.tailWaiting.Store(int32(len(l.tailCursors)))
	}
	return nil
}
