package segment

import (
	"bytes"
	"encoding/binary"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/protocol"
)

// The header page, written before the first frame, durable no later than it,
// and never rewritten: a packed segment is another file. All integers are little-endian and unsigned but for the
// time.
//
//	off  size field
//	   0    8  magic            "MRSEG\0\0\1"; the last byte is not a version
//	   8    4  version          1
//	  12    4  flags            1 = behind: frames may have come before the segment was durable
//	                            and in the MANIFEST; 2 = packed; no other is defined
//	  16    8  segment          id, never reused in its log
//	  24    8  log
//	  32    8  base sequence    of the first record to come
//	  40    8  created          i64 unix ns
//	  48    8  capacity         bytes of the file
//	  56    8  previous segment 0 = none
//	  64    8  previous last sequence
//	  72    8  base raft index
//	  80    8  base term
//	  88    4  salt             seeds every CRC of this segment's frames
//	  92    4  zero
//	  96   16  key id           0 = plaintext
//	 112    4  codec            of a packed segment, see packed.go; zero otherwise, as the next three
//	 116    4  block            bytes in a block, before compression
//	 120    8  length           bytes of the segment, before compression
//	 128    8  table            offset of the table in this file
//	 136 3956  zero
//	4092    4  header CRC       CRC32C of bytes 0..4091
//
// The places of magic, version and header CRC are frozen for all versions.
const (
	// HeaderSize is where the first frame stands. Frozen.
	HeaderSize = 4096
	// FooterSize is the length of a FOOTER frame. Frozen.
	FooterSize = 128
	// Version is the format this package writes.
	Version = 1

	flagBehind    = 1
	flagPacked    = 2
	magic         = "MRSEG\x00\x00\x01"
	headerCRCAt   = HeaderSize - 4
	footerPayload = FooterSize - protocol.FrameHeaderSize
)

// Why a header page was refused. A newer version is never called corrupt.
var (
	ErrNotSegment    = failure.New(failure.NotOurs, "segment", "the file does not begin with the magic of a segment")
	ErrHeaderDamaged = failure.New(failure.Corrupt, "segment", "the header page does not match its checksum")
	ErrNewerVersion  = failure.New(failure.NewerVersion, "segment", "written by a newer version; upgrade to read it")
)

// Header is the decoded header page.
type Header struct {
	Segment         uint64
	Log             uint64
	Base            uint64 // sequence number of the first record
	Created         int64  // unix ns
	Capacity        int64  // bytes
	PreviousSegment uint64
	PreviousLast    uint64 // last sequence number before Base
	BaseRaftIndex   uint64
	BaseTerm        uint64
	Salt            uint32
	KeyID           [16]byte
	// Behind says that the log of the segment does not wait for the device when it
	// begins one: a power cut may leave frames in it, or the name of its file, and not
	// the segments before it, nor an edit that names it.
	Behind bool
	// Packing says how the file is compressed, if it is.
	Packing Packing
}

// FileSize returns the length of the file from its first sync on.
func (h Header) FileSize() int64 {
	if h.Packing.Codec != CodecNone {
		return h.Packing.FileSize()
	}
	return h.Capacity
}

// Encode returns the 4,096 bytes of the header page.
func (h Header) Encode() []byte {
	b := make([]byte, HeaderSize)
	copy(b, magic)
	binary.LittleEndian.PutUint32(b[8:], Version)
	flags := uint32(0)
	if h.Behind {
		flags |= flagBehind
	}
	if h.Packing.Codec != CodecNone {
		flags |= flagPacked
		h.Packing.put(b)
	}
	binary.LittleEndian.PutUint32(b[12:], flags)
	binary.LittleEndian.PutUint64(b[16:], h.Segment)
	binary.LittleEndian.PutUint64(b[24:], h.Log)
	binary.LittleEndian.PutUint64(b[32:], h.Base)
	binary.LittleEndian.PutUint64(b[40:], uint64(h.Created))
	binary.LittleEndian.PutUint64(b[48:], uint64(h.Capacity))
	binary.LittleEndian.PutUint64(b[56:], h.PreviousSegment)
	binary.LittleEndian.PutUint64(b[64:], h.PreviousLast)
	binary.LittleEndian.PutUint64(b[72:], h.BaseRaftIndex)
	binary.LittleEndian.PutUint64(b[80:], h.BaseTerm)
	binary.LittleEndian.PutUint32(b[88:], h.Salt)
	copy(b[96:], h.KeyID[:])
	binary.LittleEndian.PutUint32(b[headerCRCAt:], protocol.Checksum(0, b[:headerCRCAt]))
	return b
}

// ParseHeader decodes a header page. It returns [ErrNotSegment],
// [ErrHeaderDamaged] or [ErrNewerVersion], checked in that order.
func ParseHeader(b []byte) (Header, error) {
	if len(b) < HeaderSize || !bytes.Equal(b[:len(magic)], []byte(magic)) {
		return Header{}, ErrNotSegment
	}
	if protocol.Checksum(0, b[:headerCRCAt]) != binary.LittleEndian.Uint32(b[headerCRCAt:]) {
		return Header{}, ErrHeaderDamaged
	}
	version, flags := binary.LittleEndian.Uint32(b[8:]), binary.LittleEndian.Uint32(b[12:])
	if version != Version || flags&^(flagBehind|flagPacked) != 0 {
		return Header{}, ErrNewerVersion
	}
	h := Header{
		Segment:         binary.LittleEndian.Uint64(b[16:]),
		Log:             binary.LittleEndian.Uint64(b[24:]),
		Base:            binary.LittleEndian.Uint64(b[32:]),
		Created:         int64(binary.LittleEndian.Uint64(b[40:])),
		Capacity:        int64(binary.LittleEndian.Uint64(b[48:])),
		PreviousSegment: binary.LittleEndian.Uint64(b[56:]),
		PreviousLast:    binary.LittleEndian.Uint64(b[64:]),
		BaseRaftIndex:   binary.LittleEndian.Uint64(b[72:]),
		BaseTerm:        binary.LittleEndian.Uint64(b[80:]),
		Salt:            binary.LittleEndian.Uint32(b[88:]),
		Behind:          flags&flagBehind != 0,
	}
	copy(h.KeyID[:], b[96:])
	if h.Capacity < HeaderSize || h.KeyID != ([16]byte{}) {
		return Header{}, ErrNewerVersion
	}
	if flags&flagPacked == 0 {
		return h, nil
	}
	if h.Packing = parsePacking(b); !h.Packing.Codec.known() {
		return Header{}, ErrNewerVersion
	}
	if !h.Packing.plausible(h.Capacity) {
		return Header{}, ErrHeaderDamaged
	}
	return h, nil
}

// LooksBehind reports whether a header page, good, torn or never written, is one of
// a segment with [Header.Behind]. The magic, the version and the flags are in its
// first sector, which a device writes as a whole or not at all; all others have a
// header on the device before there is anything else in the file.
func LooksBehind(page []byte) bool {
	if len(page) < HeaderSize {
		return false
	}
	if bytes.Equal(page[:sectorSize], blankSector[:]) {
		return true
	}
	return bytes.Equal(page[:len(magic)], []byte(magic)) &&
		binary.LittleEndian.Uint32(page[8:]) == Version && binary.LittleEndian.Uint32(page[12:]) == flagBehind
}

// sectorSize is the least that a device writes as a whole.
const sectorSize = 512

var blankSector [sectorSize]byte

// Totals count what a segment holds. The zero value is an empty segment.
type Totals struct {
	First, Last         uint64 // sequence numbers; Last < First when there is no record
	FirstTime, LastTime int64  // unix ns
	Frames              uint32 // of all types
	RaftFrames          uint32
	Records             uint32
}

// Add counts one frame.
func (t *Totals) Add(h protocol.FrameHeader) {
	t.Frames++
	if h.Type != protocol.FrameData {
		return
	}
	if t.Records == 0 {
		t.First, t.FirstTime = h.Sequence, h.Time
	}
	t.RaftFrames++
	t.Records += uint32(h.Count)
	t.Last, t.LastTime = h.Sequence+uint64(h.Count)-1, h.Time
}

// Footer is the decoded payload of a FOOTER frame.
//
//	off size field (offsets from the start of the frame)
//	  0   32  frame header      length 128, sequence last+1, time last, type 5
//	 32    8  first sequence
//	 40    8  last sequence
//	 48    8  first time        i64
//	 56    8  last time         i64
//	 64    4  data end8         end of the last frame before INDEX, bytes/8
//	 68    4  index offset8     start of the INDEX frame, bytes/8
//	 72    4  frames            before INDEX, all types
//	 76    4  records
//	 80    8  last raft index
//	 88    8  last term
//	 96    4  index CRC         CRC32C of the INDEX payload
//	100    4  zero
//	104   16  digest            0 = not computed
//	120    8  zero
type Footer struct {
	Totals
	DataEnd       int64 // bytes
	IndexOffset   int64 // bytes
	LastRaftIndex uint64
	LastTerm      uint64
	IndexCRC      uint32
}

// put writes the payload into the frame space b of 128 bytes.
func (f Footer) put(b []byte) {
	binary.LittleEndian.PutUint64(b[32:], f.First)
	binary.LittleEndian.PutUint64(b[40:], f.Last)
	binary.LittleEndian.PutUint64(b[48:], uint64(f.FirstTime))
	binary.LittleEndian.PutUint64(b[56:], uint64(f.LastTime))
	binary.LittleEndian.PutUint32(b[64:], uint32(f.DataEnd/8))
	binary.LittleEndian.PutUint32(b[68:], uint32(f.IndexOffset/8))
	binary.LittleEndian.PutUint32(b[72:], f.Frames)
	binary.LittleEndian.PutUint32(b[76:], f.Records)
	binary.LittleEndian.PutUint64(b[80:], f.LastRaftIndex)
	binary.LittleEndian.PutUint64(b[88:], f.LastTerm)
	binary.LittleEndian.PutUint32(b[96:], f.IndexCRC)
}

// parseFooter reads the payload of a FOOTER frame whose CRC is good.
func parseFooter(payload []byte) (Footer, bool) {
	if len(payload) != footerPayload {
		return Footer{}, false
	}
	f := Footer{
		Totals: Totals{
			First:     binary.LittleEndian.Uint64(payload[0:]),
			Last:      binary.LittleEndian.Uint64(payload[8:]),
			FirstTime: int64(binary.LittleEndian.Uint64(payload[16:])),
			LastTime:  int64(binary.LittleEndian.Uint64(payload[24:])),
			Frames:    binary.LittleEndian.Uint32(payload[40:]),
			Records:   binary.LittleEndian.Uint32(payload[44:]),
		},
		DataEnd:       int64(binary.LittleEndian.Uint32(payload[32:])) * 8,
		IndexOffset:   int64(binary.LittleEndian.Uint32(payload[36:])) * 8,
		LastRaftIndex: binary.LittleEndian.Uint64(payload[48:]),
		LastTerm:      binary.LittleEndian.Uint64(payload[56:]),
		IndexCRC:      binary.LittleEndian.Uint32(payload[64:]),
	}
	return f, f.DataEnd >= HeaderSize && f.IndexOffset == f.DataEnd
}
