package segment

import (
	"fmt"
	"runtime/debug"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/index"
	"github.com/millrace-io/millrace/mmap"
	"github.com/millrace-io/millrace/protocol"
)

const (
	// populateStep is how far ahead of a reader mapped pages are brought in.
	populateStep = 1 << 20
	// populateMin keeps a reader at the tail, whose few new bytes are in the
	// page cache anyway, from paying a system call for each of them.
	populateMin = blockBytes
	// preadStep is the least that is read into a buffer at once.
	preadStep = 128 << 10
)

// DamageError is a frame that cannot be what was written.
type DamageError struct {
	Segment uint64
	Offset  int64
	Err     error // one of the ErrFrame errors of package protocol, or what the batch verifier found
}

// Error implements error.
func (e *DamageError) Error() string {
	return fmt.Sprintf("segment %016x: frame at offset %d: %v", e.Segment, e.Offset, e.Err)
}

// Unwrap returns the kind failure.Corrupt and the cause.
func (e *DamageError) Unwrap() []error { return []error{failure.Corrupt, e.Err} }

// Reader reads frames of one segment. It serves one goroutine. The zero value
// is a reader without a segment; Reset gives it one.
type Reader struct {
	segment   *Segment
	begun     int64 // mapped: pages of [begun, populated) were brought in
	populated int64 // by this reader
	step      int64 // mapped: how many bytes were brought in last
	pages     [populateStep / 4096]byte
	window    []byte // AccessPread: what was read last
	buffer    []byte // AccessPread: the memory behind window
	start     int64  // AccessPread: where window begins
	onward    bool   // see Onward
	touched   byte   // keeps Skip's loads
}

// Reset makes r read s, for which the caller holds a reference.
func (r *Reader) Reset(s *Segment) {
	r.segment, r.begun, r.populated, r.step, r.window, r.start = s, 0, 0, 0, nil, 0
}

// Segment returns the segment being read, or nil.
func (r *Reader) Segment() *Segment { return r.segment }

// Frame returns the frame at off, which must be a frame boundary before
// Readable. The first reader to touch a frame checks its CRC and its batch;
// after that the segment is trusted. Nothing is allocated.
func (r *Reader) Frame(off int64) (protocol.FrameHeader, []byte, error) {
	limit := r.segment.Readable()
	if err := r.fetch(off, protocol.FrameHeaderSize, limit); err != nil {
		return protocol.FrameHeader{}, nil, err
	}
	if r.segment.region == nil {
		length, err := r.peekLength(off, limit)
		if err != nil {
			return protocol.FrameHeader{}, nil, err
		}
		if err := r.fetch(off, length, limit); err != nil {
			return protocol.FrameHeader{}, nil, err
		}
	}
	return r.check(off, limit)
}

// Onward says whether the caller goes through frames one after the other. Then
// what lies behind a frame that was large is brought in as if the reader had gone on
// where it was.
func (r *Reader) Onward(yes bool) { r.onward = yes }

// Header returns the header of the frame at off, which must be a frame boundary
// before Readable. Only its length is checked, against the end: it is for
// stepping over frames. A mapped page that cannot be read is an error.
func (r *Reader) Header(off int64) (h protocol.FrameHeader, err error) {
	s := r.segment
	limit := s.Readable()
	if err := r.fetch(off, protocol.FrameHeaderSize, limit); err != nil {
		return h, err
	}
	if s.mapped != nil {
		defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("segment %016x: frame at offset %d: %w", s.Header.Segment, off, mmap.Recovered("read a header", p))
			}
		}()
	}
	return s.parseHeader(r.bytes(off, limit), off, limit)
}

// parseHeader returns the header that b begins with, which stands at off.
func (s *Segment) parseHeader(b []byte, off, limit int64) (protocol.FrameHeader, error) {
	h := protocol.ParseFrameHeader(b)
	if h.Length == 0 {
		return h, &DamageError{s.Header.Segment, off, protocol.ErrFrameEmpty}
	}
	if h.Length < protocol.FrameHeaderSize || off+h.Span() > limit {
		return h, &DamageError{s.Header.Segment, off, protocol.ErrFrameLength}
	}
	return h, nil
}

// skipAhead is how many headers Skip asks for at once.
const skipAhead = 16

// Skip steps over frames that end before the record next, beginning with the one at
// off, whose first record must be due. It returns the place of the frame where it
// stopped and the sequence number that is due there. It stops where next is, and at
// anything that is not in order, which is left to whoever looks at that frame; without a
// region it does not begin.
//
// Each header is a miss of the cache, and where the next one is stands in it. If frames
// are as long as the first one they are asked for at once, which takes as long as one
// miss: a quarter of a random read of 1 KiB. So are the places where next may be in the
// stretch of records that begins at off: see guess.
func (r *Reader) Skip(off int64, due, next uint64, stretch index.Stretch) (at int64, dueThere uint64) {
	s := r.segment
	limit := s.Readable()
	if s.region == nil || r.fetch(off, protocol.FrameHeaderSize, limit) != nil {
		return off, due
	}
	at, dueThere = off, due
	if s.mapped != nil {
		defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
		defer func() {
			if p := recover(); p != nil {
				_ = mmap.Recovered("skip frames", p) // the same fault meets whoever looks at the frame
			}
		}()
	}
	b := s.region[:limit]
	if stretch.Records > 0 {
		r.guess(b, off, int64(next-due), stretch)
	}
	for first := true; at+protocol.FrameHeaderSize <= limit; first = false {
		h := protocol.ParseFrameHeader(b[at:])
		behind := h.Sequence + uint64(h.Count)
		if h.Length < protocol.FrameHeaderSize || at+h.Span() > limit || h.Sequence != dueThere || behind > next {
			break
		}
		at, dueThere = at+h.Span(), behind
		if first && h.Count > 0 {
			frames := (next - behind) / uint64(h.Count)
			for i, ahead := uint64(0), at; i < min(frames, skipAhead) && ahead < limit; i, ahead = i+1, ahead+h.Span() {
				r.touched ^= b[ahead]
			}
		}
	}
	return at, dueThere
}

// guess asks for what will be needed of record i of a stretch that begins at off, should
// all of its records have one length: the record in a frame of its own, and slot and
// record in one frame with all others. What is asked for in vain costs nothing beside
// the miss of the header, which takes as long.
func (r *Reader) guess(b []byte, off, i int64, stretch index.Stretch) {
	n := int64(stretch.Records)
	front := protocol.FrameHeaderSize + int64(protocol.BatchSlot(int(n)))
	for _, at := range [...]int64{
		off + stretch.Bytes*i/n,
		off + protocol.FrameHeaderSize + int64(protocol.BatchSlot(int(i))),
		off + front + (stretch.Bytes-front)*i/n,
	} {
		if at >= 0 && at < int64(len(b)) {
			r.touched ^= b[at]
		}
	}
}

// peekLength returns the length word at off, which is in the window, if a
// frame of that length fits.
func (r *Reader) peekLength(off, limit int64) (int64, error) {
	length := int64(protocol.ParseFrameHeader(r.window[off-r.start:]).Length)
	if length == 0 {
		return 0, &DamageError{r.segment.Header.Segment, off, protocol.ErrFrameEmpty}
	}
	if length < protocol.FrameHeaderSize || off+protocol.FrameSpan(length) > limit {
		return 0, &DamageError{r.segment.Header.Segment, off, protocol.ErrFrameLength}
	}
	return length, nil
}

// bytes returns the memory that holds [off, limit), or less in a window.
func (r *Reader) bytes(off, limit int64) []byte {
	if r.segment.region != nil {
		return r.segment.region[off:limit]
	}
	b := r.window[off-r.start:]
	return b[:min(int64(len(b)), limit-off)]
}

// check verifies the frame at off unless somebody did before.
func (r *Reader) check(off, limit int64) (h protocol.FrameHeader, frame []byte, err error) {
	s := r.segment
	if s.mapped != nil {
		defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("segment %016x: frame at offset %d: %w", s.Header.Segment, off, mmap.Recovered("read a frame", p))
			}
		}()
	}
	b := r.bytes(off, limit)
	if off < s.verified.Load() {
		h = protocol.ParseFrameHeader(b)
		return h, b[:h.Length:h.Length], nil
	}
	h, err = protocol.CheckFrame(b, s.Header.Salt)
	if err == nil && off+h.Span() > limit {
		// The file ends in the padding: the write of this frame was not whole, and
		// the place behind it is no place in the file.
		err = protocol.ErrFrameLength
	}
	if err == nil && h.Type == protocol.FrameData {
		err = protocol.VerifyBatch(h.Payload(b), int(h.Count))
	}
	if err != nil {
		return h, nil, &DamageError{s.Header.Segment, off, err}
	}
	if s.Header.Packing.Codec == CodecNone {
		s.verified.CompareAndSwap(off, off+h.Span())
	}
	return h, b[:h.Length:h.Length], nil
}

// fetch makes [off, off+n) ready to be touched, and more if there is more
// before limit.
func (r *Reader) fetch(off, n, limit int64) error {
	s := r.segment
	if off < HeaderSize || off+n > limit {
		return &DamageError{s.Header.Segment, off, protocol.ErrFrameLength}
	}
	if s.mapped != nil {
		if off >= r.begun && off+n <= r.populated || limit-off < populateMin {
			return nil
		}
		return r.populate(off, n, limit)
	}
	if s.region != nil || off >= r.start && off+n <= r.start+int64(len(r.window)) {
		return nil
	}
	start, want := off, min(max(n, preadStep), limit-off)
	if packing := s.Header.Packing; packing.Codec != CodecNone {
		if r.onward {
			n = min(max(n, packStep), limit-off)
		}
		start, want = packing.around(off, n)
	}
	r.buffer = grown(r.buffer, want)
	r.window, r.start = nil, start
	if _, err := s.file.ReadAt(r.buffer, start); err != nil {
		return fmt.Errorf("segment %016x: read at %d: %w", s.Header.Segment, off, err)
	}
	r.window = r.buffer
	return nil
}

// populate brings in the pages of [off, off+n), so that reading them waits in a
// system call and not in a page fault. A reader that goes on where it was, or, if it is
// to go on, behind the frame that began there, gets more each time, up to populateStep; one
// that jumped gets one block.
//
// Where somebody was before, the pages are most likely still there, and bringing
// them in again costs as much as reading them, 50 µs a MiB. A reader that goes on
// asks mincore; one that jumped just reads: a system call would cost more than
// the rest of a random read.
func (r *Reader) populate(off, n, limit int64) error {
	s, start, gap := r.segment, r.populated, int64(0)
	if r.onward {
		gap = populateStep // of the frame that began before it
	}
	jumped := off < r.begun || off-r.populated > gap
	if jumped {
		start = off &^ (blockBytes - 1)
		r.begun, r.step = start, blockBytes
	} else {
		r.step = min(2*r.step, populateStep)
	}
	end := min(limit, max(off+n, start+r.step))
	if s.seen.until(start, end) >= end && (jumped || s.mapped.Resident(start, end-start, r.pages[:])) {
		r.populated = end
		return nil
	}
	if err := s.mapped.PopulateRead(start, end-start); err != nil {
		return fmt.Errorf("segment %016x: read at %d: %w", s.Header.Segment, off, err)
	}
	s.seen.add(start, end)
	r.populated = end
	return nil
}

// Frames returns whole frames from off on, together at most maximum bytes but
// at least one frame, each checked as by [Reader.Frame], and the count of
// bytes they span. next is the sequence number behind them.
func (r *Reader) Frames(off, maximum int64) (b []byte, next uint64, err error) {
	limit := r.segment.Readable()
	if r.segment.region == nil {
		if err := r.fetchFrames(off, maximum, limit); err != nil {
			return nil, 0, err
		}
	}
	end := off
	for end < limit && (end == off || r.resident(end)) {
		h, _, err := r.Frame(end)
		if err != nil {
			if end > off {
				break // deliver what is good; the next call meets the error
			}
			return nil, 0, err
		}
		span := h.Span()
		if end > off && (end+span-off > maximum || h.Sequence != next) {
			break // what does not continue the frame before is for the caller to refuse
		}
		end += span
		next = h.Sequence + uint64(h.Count)
	}
	return r.bytes(off, end)[:end-off], next, nil
}

// resident reports whether the whole frame at off can be read without moving
// the window away from what was returned before it.
func (r *Reader) resident(off int64) bool {
	if r.segment.region != nil {
		return true
	}
	end := r.start + int64(len(r.window))
	return off+protocol.FrameHeaderSize <= end &&
		off+int64(protocol.ParseFrameHeader(r.window[off-r.start:]).Length) <= end
}

// fetchFrames reads maximum bytes, or the first frame if that is longer, into
// a window that begins at off.
func (r *Reader) fetchFrames(off, maximum, limit int64) error {
	if err := r.fetch(off, protocol.FrameHeaderSize, limit); err != nil {
		return err
	}
	length, err := r.peekLength(off, limit)
	if err != nil {
		return err
	}
	want := min(max(protocol.FrameSpan(length), maximum), limit-off)
	return r.fetch(off, want, limit)
}
