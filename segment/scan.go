package segment

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/index"
	"github.com/millrace-io/millrace/internal/vfs"
	"github.com/millrace-io/millrace/mmap"
	"github.com/millrace-io/millrace/protocol"
)

// errSequence is a frame with a good CRC that does not continue the one before.
var errSequence = failure.New(failure.Corrupt, "frame", "sequence number or time does not continue the frame before")

// Contents is what [Segment.Scan] found.
type Contents struct {
	Totals
	// End is the end of the last good frame that is neither INDEX nor FOOTER.
	End int64
	// Next is the sequence number behind the last record.
	Next uint64
	// Footer is the offset of a good FOOTER frame, or 0.
	Footer int64
	// Walked says that the frames were not verified: see [Segment.Walk].
	Walked bool
	// Cause is why nothing is good behind End: an error with a place, or nil
	// when a footer or the end of the file follows.
	Cause error
}

// Visit receives every good frame of a scan, in order. The bytes are valid
// during the call.
type Visit func(offset int64, h protocol.FrameHeader, frame []byte) error

// Scan verifies the frames from the header page on: length, CRC, batch and
// continuity. It builds the index, makes everything up to End readable, and
// stops at the first frame that is not good; it does not judge that frame.
// An error is returned only if visit failed, if a page could not be read, or
// if a frame is of a newer format.
func (s *Segment) Scan(visit Visit) (Contents, error) {
	s.sparse = new(index.Sparse)
	s.readable.Store(s.limit)
	c := Contents{End: HeaderSize, Next: s.Header.Base}
	err := s.scan(&c, visit)
	s.readable.Store(c.End)
	return c, err
}

// Walk is [Segment.Scan] of a segment with a footer whose bytes are known to be
// those that were written: it steps from header to header, and verifies only
// frames that visit needs whole, those of producers. All others are verified when they
// are first read, as in a segment that was sealed before. ok is false if there is
// anything that Scan would look at.
func (s *Segment) Walk(visit Visit) (c Contents, ok bool) {
	s.sparse = new(index.Sparse)
	s.readable.Store(s.limit)
	c = Contents{End: HeaderSize, Next: s.Header.Base}
	var r Reader
	r.Reset(s)
	steps := stepper{segment: s}
	lastTime := int64(-1 << 63)
	for off := int64(HeaderSize); off+protocol.FrameHeaderSize <= s.limit; {
		h, err := steps.header(off)
		if err != nil || h.Sequence != c.Next || h.Time < lastTime {
			break
		}
		if h.Type == protocol.FrameFooter || h.Flags&protocol.FlagProducer != 0 {
			_, frame, err := r.Frame(off)
			if err != nil || visit(off, h, frame) != nil {
				break
			}
		}
		if h.Type == protocol.FrameFooter {
			c.Footer, c.Walked = off, true
			s.readable.Store(c.End)
			return c, true
		}
		s.note(&c, off, h)
		lastTime = h.Time
		off += h.Span()
	}
	s.readable.Store(HeaderSize)
	return c, false
}

// stepper reads headers through a page of its own. In a mapping each would bring in
// the pages around it, which are nearly all if frames are large: 70 of the 170 ms of
// opening 1 GB of frames of 70 KB after a kill.
type stepper struct {
	segment *Segment
	window  []byte // up to a page of the file, from start on
	start   int64
	buffer  [4096]byte
}

// header returns the header of the frame at off, which begins before the limit.
func (p *stepper) header(off int64) (protocol.FrameHeader, error) {
	s := p.segment
	if off < p.start || off+protocol.FrameHeaderSize > p.start+int64(len(p.window)) {
		p.window, p.start = nil, off
		b := p.buffer[:min(s.limit-off, int64(len(p.buffer)))]
		if _, err := s.file.ReadAt(b, off); err != nil {
			return protocol.FrameHeader{}, fmt.Errorf("segment %016x: read at %d: %w", s.Header.Segment, off, err)
		}
		p.window = b
	}
	return s.parseHeader(p.window[off-p.start:], off, s.limit)
}

func (s *Segment) scan(c *Contents, visit Visit) error {
	var r Reader
	r.Reset(s)
	r.Onward(true)
	lastTime := int64(-1 << 63)
	for off := int64(HeaderSize); off+protocol.FrameHeaderSize <= s.limit; {
		h, frame, err := r.Frame(off)
		if err == nil && (h.Sequence != c.Next || h.Time < lastTime) {
			err = &DamageError{s.Header.Segment, off, errSequence}
		}
		var damage *DamageError
		if errors.As(err, &damage) && !errors.Is(err, failure.NewerVersion) {
			c.Cause = err
			return nil
		}
		if err != nil {
			return err
		}
		if visit != nil {
			if err := visit(off, h, frame); err != nil {
				return err
			}
		}
		if h.Type == protocol.FrameFooter {
			c.Footer = off
			return nil
		}
		s.note(c, off, h)
		lastTime = h.Time
		off += h.Span()
	}
	return nil
}

// note counts a frame that is not the footer, and adds it to the index.
func (s *Segment) note(c *Contents, off int64, h protocol.FrameHeader) {
	if h.Type == protocol.FrameIndex {
		return
	}
	s.sparse.Add(off, uint32(h.Sequence-s.Header.Base), h.Time, c.RaftFrames)
	c.Add(h)
	c.End, c.Next = off+h.Span(), c.Next+uint64(h.Count)
}

// Aftermath is what lies behind the last good frame.
type Aftermath struct {
	// Promise is the offset of a valid frame that was written when everything
	// up to some place behind the bad frame was durable: proof of damage. 0
	// when there is none, and the bad frame is the torn end of a write.
	Promise int64
	// Written is the end of the last byte that is not zero.
	Written int64
}

// Classify looks behind end, the end of the last good frame, in steps of 8
// bytes. It only classifies: nothing it finds is ever served, since a payload
// may contain forged frames. The worst case is that a torn tail is reported as
// damage and waits for a human.
//
// What was allocated and never written is not looked at. Reading it makes pages
// for it first, which took a third to a half of the opening of a segment of 256 MiB of
// which 160 were written.
func (s *Segment) Classify(end int64, next uint64) (Aftermath, error) {
	s.readable.Store(s.limit)
	defer s.readable.Store(end)
	a := Aftermath{Written: end}
	var r Reader
	r.Reset(s)
	for from, to := s.written(end); from < s.limit; {
		// Looking at the last header of a range touches what is behind the range,
		// which counts as written from then on: ask before.
		nextFrom, nextTo := s.written(to)
		if err := r.classify(&a, from, to, end, next); err != nil {
			return a, err
		}
		from, to = nextFrom, nextTo
	}
	return a, nil
}

// written returns the first range from off on where something may stand that is
// not zero, in steps of 8 bytes from there. It is not empty unless off is the limit.
func (s *Segment) written(off int64) (from, to int64) {
	from, to = off, s.limit
	if f, ok := s.file.(vfs.Sparse); ok && off < s.limit {
		start, stop, err := f.Written(off)
		if err == nil { // or whoever reads there finds out more
			from, to = max(off, start-(start-off)%8), min(s.limit, stop+(off-stop)&7)
		}
	}
	return min(from, s.limit), to
}

// classify examines what begins in [from, to).
func (r *Reader) classify(a *Aftermath, from, to, end int64, next uint64) error {
	s := r.segment
	for off := from; off < to; off += populateStep {
		n := min(to-off, populateStep)
		// A header may end behind it.
		n = min(n+protocol.FrameHeaderSize, s.limit-off)
		if err := r.fetch(off, n, s.limit); err != nil {
			return err
		}
		var candidates []int64
		err := mmap.Guard("classify the tail", func() {
			candidates = a.examine(r.bytes(off, off+n), off, end, next)
		})
		if err != nil {
			return fmt.Errorf("segment %016x: read at %d: %w", s.Header.Segment, off, err)
		}
		for _, at := range candidates {
			if a.Promise == 0 && r.valid(at) {
				a.Promise = at
			}
		}
	}
	return nil
}

// examine notes the last written byte of b, which stands at off, and returns
// the places whose header would be a promise about something behind end.
func (a *Aftermath) examine(b []byte, off, end int64, next uint64) (candidates []int64) {
	for i := 0; i+8 <= len(b); i += 8 {
		if binary.LittleEndian.Uint64(b[i:]) == 0 {
			continue
		}
		at := off + int64(i)
		a.Written = max(a.Written, at+8)
		if i+protocol.FrameHeaderSize > len(b) || at == end {
			continue
		}
		h := protocol.ParseFrameHeader(b[i:])
		promised := int64(h.Durable8) * 8
		if promised > end && promised <= at && h.Length >= protocol.FrameHeaderSize && h.Sequence >= next {
			candidates = append(candidates, at)
		}
	}
	return candidates
}

// valid reports whether the frame at off has a good CRC.
func (r *Reader) valid(off int64) bool {
	s := r.segment
	if r.fetch(off, protocol.FrameHeaderSize, s.limit) != nil {
		return false
	}
	good := false
	err := mmap.Guard("classify the tail", func() {
		length := int64(protocol.ParseFrameHeader(r.bytes(off, s.limit)).Length)
		if r.fetch(off, length, s.limit) != nil {
			return
		}
		_, err := protocol.CheckFrame(r.bytes(off, s.limit), s.Header.Salt)
		good = err == nil || errors.Is(err, protocol.ErrFrameNewer)
	})
	return err == nil && good
}

// OpenSealed checks the footer at the offset that the manifest names and makes
// the frames readable. They are verified when first touched.
func (s *Segment) OpenSealed(footerOffset int64) (Footer, error) {
	damaged := func(err error) (Footer, error) {
		return Footer{}, &DamageError{s.Header.Segment, footerOffset, err}
	}
	if footerOffset < HeaderSize || footerOffset+FooterSize > s.limit {
		return damaged(protocol.ErrFrameLength)
	}
	frame := make([]byte, FooterSize)
	if _, err := s.file.ReadAt(frame, footerOffset); err != nil {
		return Footer{}, fmt.Errorf("segment %016x: read footer: %w", s.Header.Segment, err)
	}
	h, err := protocol.CheckFrame(frame, s.Header.Salt)
	if err != nil {
		return damaged(err)
	}
	footer, ok := parseFooter(h.Payload(frame))
	if !ok || h.Type != protocol.FrameFooter || footer.DataEnd > footerOffset {
		return damaged(failure.New(failure.Corrupt, "footer", "the frame is not a footer"))
	}
	s.footer = &footer
	s.readable.Store(footer.DataEnd)
	s.sealed.Store(true)
	return footer, nil
}

// Footer returns the footer of a segment that was opened sealed.
func (s *Segment) Footer() (Footer, bool) {
	if s.footer == nil {
		return Footer{}, false
	}
	return *s.footer, true
}

// Lookup returns the index, read from the INDEX frame on first use for a
// segment that was opened sealed.
func (s *Segment) Lookup() (*index.Sparse, error) {
	if s.footer == nil {
		return s.sparse, nil
	}
	s.indexOnce.Do(func() { s.sparse, s.indexErr = s.loadIndex() })
	return s.sparse, s.indexErr
}

func (s *Segment) loadIndex() (*index.Sparse, error) {
	at := s.footer.IndexOffset
	head := make([]byte, protocol.FrameHeaderSize)
	if _, err := s.file.ReadAt(head, at); err != nil {
		return nil, fmt.Errorf("segment %016x: read index: %w", s.Header.Segment, err)
	}
	length := int64(protocol.ParseFrameHeader(head).Length)
	if length < protocol.FrameHeaderSize || at+length > s.limit {
		return nil, &DamageError{s.Header.Segment, at, protocol.ErrFrameLength}
	}
	frame := make([]byte, length)
	if _, err := s.file.ReadAt(frame, at); err != nil {
		return nil, fmt.Errorf("segment %016x: read index: %w", s.Header.Segment, err)
	}
	h, err := protocol.CheckFrame(frame, s.Header.Salt)
	if err == nil && (h.Type != protocol.FrameIndex || protocol.Checksum(0, h.Payload(frame)) != s.footer.IndexCRC) {
		err = failure.New(failure.Corrupt, "index", "does not match the footer")
	}
	if err != nil {
		return nil, &DamageError{s.Header.Segment, at, err}
	}
	return index.Decode(h.Payload(frame), HeaderSize, s.footer.DataEnd)
}
