package protocol

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/millrace-io/millrace/failure"
)

// A frame is what the log, the wire and every consumer share: 32 bytes of
// header, a payload, and zero padding to the next multiple of 8. It never
// spans two segments. All integers are little-endian.
//
//	off size
//	  0    4  length    header and payload, without padding; 0 = not written
//	  4    4  crc       CRC32C seeded with the segment's salt, over the payload,
//	                    then bytes 8..31, then length
//	  8    8  sequence  of the first record; a frame holds sequence..sequence+count-1
//	 16    8  time      arrival, i64 unix ns, never decreasing within a log
//	 24    4  durable8  bytes/8 of the segment known durable when this was written
//	 28    2  count     records
//	 30    1  type
//	 31    1  flags
//	 32    .  payload
//
// The length is the publish word of the mapped store path: it is stored last.
// The CRC covers the payload first, so that it can be taken before the append
// lock; only the 28 bytes that the lock decides are folded in under it. The
// salt in the seed makes the frames of a recycled file invalid without a byte
// of header.
const (
	// FrameHeaderSize is the bytes before the payload. Frozen.
	FrameHeaderSize = 32
	// FrameAlign is what every frame's start is a multiple of. Frozen.
	FrameAlign = 8
	// FrameLengthMax bounds the length field: a 16 MiB batch and its header.
	FrameLengthMax = FrameHeaderSize + 16<<20
)

// FrameType says what a payload is. The numbers are frozen.
type FrameType uint8

// The frame types of format version 1. Types 6 to 8 are reserved for
// replication and never written by this version.
const (
	FrameData    FrameType = 1 // one canonical batch, count >= 1
	FramePad     FrameType = 2 // bytes to skip
	FrameSync    FrameType = 3 // empty: carries the durability promise of an idle log
	FrameIndex   FrameType = 4 // sparse index entries of the segment
	FrameFooter  FrameType = 5 // totals of a sealed segment
	FrameTerm    FrameType = 6
	FrameConf    FrameType = 7
	FrameCommand FrameType = 8
)

// The frame flags of format version 1. The numbers are frozen.
const (
	FlagS2       uint8 = 1
	FlagZstd     uint8 = 2
	FlagSealed   uint8 = 4
	FlagProducer uint8 = 8 // the batch names an idempotent producer
	FlagPacked   uint8 = 16
)

// knownFlags are the flags that this version reads; any other set bit in a
// frame with a good CRC is a newer format, not damage.
const knownFlags = FlagProducer

// FrameHeader is the decoded header of one frame.
type FrameHeader struct {
	Length   uint32
	CRC      uint32
	Sequence uint64
	Time     int64
	Durable8 uint32
	Count    uint16
	Type     FrameType
	Flags    uint8
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Checksum returns the CRC32C of b seeded with seed, which is how every
// checksum of the formats is taken.
func Checksum(seed uint32, b []byte) uint32 {
	// hash/crc32 walks through more than 4,031 bytes as three streams 1,344 bytes
	// apart, which the processor's prefetcher does not follow: over memory that is
	// not in its caches that is 3.8 GB/s, pieces of 1 KiB are 8.6 to 14.7. In the
	// caches both are 26 GB/s.
	const piece = 1 << 10
	for len(b) > piece {
		seed = crc32.Update(seed, castagnoli, b[:piece])
		b = b[piece:]
	}
	return crc32.Update(seed, castagnoli, b)
}

// FrameSpan returns the bytes that a frame of the given length occupies.
func FrameSpan(length int64) int64 {
	return (length + FrameAlign - 1) &^ (FrameAlign - 1)
}

// ParseFrameHeader decodes the first 32 bytes of b without judging them.
// It panics if b is shorter.
func ParseFrameHeader(b []byte) FrameHeader {
	_ = b[FrameHeaderSize-1]
	return FrameHeader{
		Length:   binary.LittleEndian.Uint32(b[0:]),
		CRC:      binary.LittleEndian.Uint32(b[4:]),
		Sequence: binary.LittleEndian.Uint64(b[8:]),
		Time:     int64(binary.LittleEndian.Uint64(b[16:])),
		Durable8: binary.LittleEndian.Uint32(b[24:]),
		Count:    binary.LittleEndian.Uint16(b[28:]),
		Type:     FrameType(b[30]),
		Flags:    b[31],
	}
}

// Seal completes the frame whose payload already stands behind the header
// space of b: it writes h, whose Length is set to len(b), with the CRC that
// follows from payloadCRC = Checksum(salt, payload). The length word goes last.
func (h FrameHeader) Seal(b []byte, payloadCRC uint32) {
	h.Length = uint32(len(b))
	binary.LittleEndian.PutUint64(b[8:], h.Sequence)
	binary.LittleEndian.PutUint64(b[16:], uint64(h.Time))
	binary.LittleEndian.PutUint32(b[24:], h.Durable8)
	binary.LittleEndian.PutUint16(b[28:], h.Count)
	b[30] = uint8(h.Type)
	b[31] = h.Flags
	crc := sealCRC(payloadCRC, b, h.Length)
	binary.LittleEndian.PutUint32(b[4:], crc)
	binary.LittleEndian.PutUint32(b[0:], h.Length)
}

// sealCRC folds header bytes 8..31 and the length into the payload's CRC.
func sealCRC(payloadCRC uint32, b []byte, length uint32) uint32 {
	crc := Checksum(payloadCRC, b[8:FrameHeaderSize])
	// Byte by byte: a slice of a local array would escape to the heap through
	// the assembly of crc32.
	for i := 0; i < 4; i++ {
		crc = ^(castagnoli[byte(^crc)^byte(length>>(8*i))] ^ (^crc >> 8))
	}
	return crc
}

// The reasons for which [CheckFrame] rejects a frame. All but
// ErrFrameNewer may be the end of a log that was being written.
var (
	ErrFrameEmpty  = failure.New(failure.Corrupt, "frame", "no frame was written here")
	ErrFrameLength = failure.New(failure.Corrupt, "frame", "length is out of bounds")
	ErrFrameCRC    = failure.New(failure.Corrupt, "frame", "checksum does not match")
	ErrFrameNewer  = failure.New(failure.NewerVersion, "frame", "type or flags of a newer format; upgrade to read it")
)

// CheckFrame decodes and verifies the frame at the start of b, where b ends at
// the last byte that may belong to it. The salt is that of the segment. It
// allocates nothing, and its errors are the ErrFrame values.
func CheckFrame(b []byte, salt uint32) (FrameHeader, error) {
	if len(b) < FrameHeaderSize {
		return FrameHeader{}, ErrFrameEmpty
	}
	h := ParseFrameHeader(b)
	if h.Length == 0 {
		return h, ErrFrameEmpty
	}
	if h.Length < FrameHeaderSize || int64(h.Length) > int64(len(b)) {
		return h, ErrFrameLength
	}
	if sealCRC(Checksum(salt, b[FrameHeaderSize:h.Length]), b, h.Length) != h.CRC {
		return h, ErrFrameCRC
	}
	if !h.known() {
		return h, ErrFrameNewer
	}
	return h, nil
}

// known reports whether this version understands a frame whose CRC is good.
func (h FrameHeader) known() bool {
	if h.Flags&^knownFlags != 0 || h.Type < FrameData || h.Type > FrameFooter {
		return false
	}
	return (h.Type == FrameData) == (h.Count > 0)
}

// Span returns the bytes that the frame occupies, padding included.
func (h FrameHeader) Span() int64 { return FrameSpan(int64(h.Length)) }

// Payload returns the bytes between the header and the padding of the frame
// that starts at b.
func (h FrameHeader) Payload(b []byte) []byte {
	return b[FrameHeaderSize:h.Length:h.Length]
}
