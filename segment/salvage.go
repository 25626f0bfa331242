package segment

import (
	"errors"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/protocol"
)

// Salvage hands every frame of type DATA to visit that lies at or behind off and
// whose checksum and batch are good, looking for the next one at every multiple
// of 8 behind a bad one. It returns how many bytes it stepped over in search of
// a frame, zeros aside.
//
// What it finds is for a human: bytes of a payload may look like a frame, so
// that among the frames behind a bad one there may be one that nobody wrote.
// Only frames whose sequence numbers go on from next, without going back, are
// handed out, which also keeps the search from taking a checksum at each step.
func (s *Segment) Salvage(off int64, next uint64, visit Visit) (skipped int64, err error) {
	before := s.Readable()
	s.readable.Store(s.limit)
	defer s.readable.Store(before)
	var r Reader
	r.Reset(s)
	for off = max(off, HeaderSize); off+protocol.FrameHeaderSize <= s.limit; {
		h, frame, err := r.salvage(off, next)
		if err != nil {
			return skipped, err
		}
		if frame == nil {
			if h != (protocol.FrameHeader{}) {
				skipped += protocol.FrameAlign
			}
			off += protocol.FrameAlign
			continue
		}
		if h.Type == protocol.FrameData {
			if err := visit(off, h, frame); err != nil {
				return skipped, err
			}
		}
		next = h.Sequence + uint64(h.Count)
		off += h.Span()
	}
	return skipped, nil
}

// salvage returns the frame at off if it is good and does not go back behind
// next. An error is one of reading.
func (r *Reader) salvage(off int64, next uint64) (protocol.FrameHeader, []byte, error) {
	if err := r.fetch(off, protocol.FrameHeaderSize, r.segment.limit); err != nil {
		return protocol.FrameHeader{}, nil, err
	}
	h := protocol.ParseFrameHeader(r.bytes(off, r.segment.limit))
	if h.Length < protocol.FrameHeaderSize || h.Length > protocol.FrameLengthMax || h.Sequence < next || h.Type > protocol.FrameFooter {
		return h, nil, nil
	}
	good, frame, err := r.Frame(off)
	var damage *DamageError
	if errors.As(err, &damage) || errors.Is(err, failure.NewerVersion) {
		return h, nil, nil
	}
	return good, frame, err
}
