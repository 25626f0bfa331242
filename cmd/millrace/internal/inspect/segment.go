package inspect

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/internal/vfs"
	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/segment"
)

// Header is what the first page of a segment says.
type Header struct {
	Kind            string    `json:"kind"`
	File            string    `json:"file"`
	Segment         string    `json:"segment"`
	Log             uint64    `json:"log"`
	BaseSequence    uint64    `json:"base_sequence"`
	Created         time.Time `json:"created"`
	Capacity        int64     `json:"capacity_bytes"`
	PreviousSegment string    `json:"previous_segment,omitempty"`
	PreviousLast    uint64    `json:"previous_last_sequence"`
	Salt            string    `json:"salt"`
	Codec           string    `json:"codec,omitempty"` // of a compressed segment, as the next two
	Length          int64     `json:"uncompressed_bytes,omitempty"`
	FileBytes       int64     `json:"file_bytes,omitempty"`
}

// Frame is one frame of a segment.
type Frame struct {
	Kind     string    `json:"kind"`
	Offset   int64     `json:"offset"`
	Type     string    `json:"type"`
	Sequence uint64    `json:"sequence"`
	Records  int       `json:"records"`
	Time     time.Time `json:"time"`
	Bytes    int64     `json:"bytes"`
	Flags    uint8     `json:"flags"`
	CRC      bool      `json:"crc_ok"`
	Error    string    `json:"error,omitempty"`
}

// Footer is the summary at the end of a sealed segment.
type Footer struct {
	Kind          string    `json:"kind"`
	Offset        int64     `json:"offset"`
	FirstSequence uint64    `json:"first_sequence"`
	LastSequence  uint64    `json:"last_sequence"`
	FirstTime     time.Time `json:"first_time"`
	LastTime      time.Time `json:"last_time"`
	DataEnd       int64     `json:"data_end"`
	IndexOffset   int64     `json:"index_offset"`
	Frames        uint32    `json:"frames"`
	Records       uint32    `json:"records"`
}

// TailState says how the frames of a segment end.
type TailState string

// The states of a tail.
const (
	TailSealed  TailState = "sealed"  // a footer follows the frames
	TailEmpty   TailState = "empty"   // nothing was written behind them
	TailTorn    TailState = "torn"    // a write did not complete, or is under way
	TailDamaged TailState = "damaged" // bytes that were durable have changed
	TailNewer   TailState = "newer"   // a frame of a newer format follows
	TailGrowing TailState = "growing" // frames were added while it was read
)

// Tail is what follows the last good frame.
type Tail struct {
	Kind    string    `json:"kind"`
	State   TailState `json:"state"`
	End     int64     `json:"end"`
	Next    uint64    `json:"next_sequence"`
	Written int64     `json:"written_end,omitempty"`
	Promise int64     `json:"promise_offset,omitempty"`
	Frames  uint32    `json:"frames"`
	Records uint32    `json:"records"`
	Detail  string    `json:"detail"`
}

// frameNames are the words for the types of frames.
var frameNames = map[protocol.FrameType]string{
	protocol.FrameData: "DATA", protocol.FramePad: "PAD", protocol.FrameSync: "SYNC",
	protocol.FrameIndex: "INDEX", protocol.FrameFooter: "FOOTER",
	protocol.FrameTerm: "TERM", protocol.FrameConf: "CONF", protocol.FrameCommand: "COMMAND",
}

// Segment hands out the header of a segment file, its frames if wanted, the
// footer if there is one, and how it ends. Damage is a finding, not an error.
func Segment(path string, frames bool, emit func(finding any) error) error {
	s, release, err := open(path)
	if err != nil {
		return err
	}
	defer release()
	if err := emit(headerOf(path, s.Header)); err != nil {
		return err
	}
	var visit segment.Visit
	if frames {
		visit = func(offset int64, h protocol.FrameHeader, _ []byte) error {
			return emit(frameOf(offset, h))
		}
	}
	contents, err := s.Scan(visit)
	newer := errors.Is(err, failure.NewerVersion)
	if err != nil && !newer {
		return fmt.Errorf("inspect: %s: %w", path, err)
	}
	if contents.Footer > 0 {
		if err := emitFooter(s, contents, emit); err != nil {
			return err
		}
	}
	tail, err := tailOf(s, contents, newer)
	if err != nil {
		return fmt.Errorf("inspect: %s: %w", path, err)
	}
	if frames && (tail.State == TailTorn || tail.State == TailDamaged || tail.State == TailNewer) {
		if err := emitBad(s.File(), contents, emit); err != nil {
			return err
		}
	}
	return emit(tail)
}

// open opens a segment file for reading.
func open(path string) (s *segment.Segment, release func(), err error) {
	file, err := vfs.OS().OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("inspect: open segment: %w", err)
	}
	s, err = segment.Open(file, segment.AccessPread)
	if err != nil {
		file.Close()
		return nil, nil, fmt.Errorf("inspect: %s: %w", path, err)
	}
	return s, func() {
		if last := s.Unpin(); last != nil {
			_ = last() // of a file that was only read
		}
	}, nil
}

func headerOf(path string, h segment.Header) Header {
	header := Header{
		Kind: "header", File: path, Segment: segmentName(h.Segment), Log: h.Log, BaseSequence: h.Base,
		Created: time.Unix(0, h.Created).UTC(), Capacity: h.Capacity,
		PreviousLast: h.PreviousLast, Salt: fmt.Sprintf("%08x", h.Salt),
	}
	if h.PreviousSegment != 0 {
		header.PreviousSegment = segmentName(h.PreviousSegment)
	}
	if packing := h.Packing; packing.Codec != segment.CodecNone {
		header.Codec, header.Length, header.FileBytes = packing.Codec.String(), packing.Length, packing.FileSize()
	}
	return header
}

// segmentName renders the id of a segment as its file name has it.
func segmentName(id uint64) string { return fmt.Sprintf("%016x", id) }

func frameOf(offset int64, h protocol.FrameHeader) Frame {
	name, known := frameNames[h.Type]
	if !known {
		name = fmt.Sprintf("%d", h.Type)
	}
	return Frame{
		Kind: "frame", Offset: offset, Type: name, Sequence: h.Sequence, Records: int(h.Count),
		Time: time.Unix(0, h.Time).UTC(), Bytes: int64(h.Length), Flags: h.Flags, CRC: true,
	}
}

// emitBad shows the frame at which the scan stopped, as far as it can be read.
func emitBad(file vfs.File, c segment.Contents, emit func(any) error) error {
	b := make([]byte, protocol.FrameHeaderSize)
	if _, err := file.ReadAt(b, c.End); err != nil {
		return nil // there is no room for a header: the tail says so
	}
	bad := frameOf(c.End, protocol.ParseFrameHeader(b))
	bad.CRC = false
	if c.Cause != nil {
		bad.Error = c.Cause.Error()
	}
	return emit(bad)
}

func emitFooter(s *segment.Segment, c segment.Contents, emit func(any) error) error {
	f, err := s.OpenSealed(c.Footer)
	if err != nil {
		return fmt.Errorf("inspect: footer: %w", err)
	}
	return emit(Footer{
		Kind: "footer", Offset: c.Footer, FirstSequence: f.First, LastSequence: f.Last,
		FirstTime: time.Unix(0, f.FirstTime).UTC(), LastTime: time.Unix(0, f.LastTime).UTC(),
		DataEnd: f.DataEnd, IndexOffset: f.IndexOffset, Frames: f.Frames, Records: f.Records,
	})
}

// tailOf classifies the end as recovery does.
func tailOf(s *segment.Segment, c segment.Contents, newer bool) (Tail, error) {
	tail := Tail{Kind: "tail", End: c.End, Next: c.Next, Frames: c.Frames, Records: c.Records}
	switch {
	case c.Footer > 0:
		tail.State, tail.Detail = TailSealed, "the segment is complete"
		return tail, nil
	case newer:
		tail.State, tail.Detail = TailNewer, "a frame of a newer format follows: use a newer millrace to read it"
		return tail, nil
	}
	aftermath, err := s.Classify(c.End, c.Next)
	if err != nil {
		return tail, err
	}
	if aftermath.Written > c.End {
		// Is that damage or a live writer? Good frames at the same place tell.
		if again, err := s.Scan(nil); err == nil && again.End > c.End {
			tail.State, tail.Detail = TailGrowing, "a writer added frames behind it meanwhile"
			return tail, nil
		}
	}
	tail.Written, tail.Promise = aftermath.Written, aftermath.Promise
	switch {
	case aftermath.Promise > 0:
		tail.State = TailDamaged
		tail.Detail = fmt.Sprintf("the frame at %d was written when the bad one before it was durable: restore a backup, or end the log here with millrace repair", aftermath.Promise)
	case aftermath.Written > c.End:
		tail.State, tail.Detail = TailTorn, "a write did not complete, or is under way: recovery ends the segment here and nothing acknowledged is lost"
	default:
		tail.State, tail.Detail = TailEmpty, "nothing was written behind the last frame"
	}
	return tail, nil
}
