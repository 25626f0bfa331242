package wire

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/millrace-io/millrace/failure"
)

// EventStreamType is the media type of a response that consists of frames.
const EventStreamType = "application/vnd.amazon.eventstream"

// Header is a header of a frame. All headers that Kinesis has are texts.
type Header struct{ Name, Value string }

// A frame of an event stream. Numbers are big-endian, checksums are those of Ethernet.
//
//	off size
//	  0    4  length          of the frame, all 16 bytes that are always there included
//	  4    4  header length   of all headers
//	  8    4  CRC-32          of the 8 bytes before it
//	 12    .  headers
//	  .    .  payload
//	  .    4  CRC-32          of everything before it
//
// A header is
//
//	off size
//	  0    1  name length
//	  1    .  name
//	  .    1  type            7, a text
//	  .    2  value length
//	  .    .  value
const (
	frameHeaderLength = 4
	frameHeadCRC      = 8
	frameHead         = 12
	frameTail         = 4

	headerTypeText = 7
)

// What a frame can hold. The first two follow from the widths of the lengths, the
// others are what clients accept.
const (
	headerNameMax  = 1<<8 - 1
	headerValueMax = 1<<15 - 1
	headersMax     = 128 << 10
	payloadMax     = 16 << 20
)

// AppendEvent appends a frame to dst. The payload function appends the payload to what
// it is given and returns the result; [Writer.Continue] and [Writer.Bytes] do that. A
// frame that clients would not accept is failure.TooLarge, and dst is returned as it was.
func AppendEvent(dst []byte, headers []Header, payload func(dst []byte) []byte) ([]byte, error) {
	start := len(dst)
	frame := append(dst, make([]byte, frameHead)...)
	for _, h := range headers {
		if h.Name == "" || len(h.Name) > headerNameMax || len(h.Value) > headerValueMax {
			return dst, failure.New(failure.TooLarge, "kinesis/wire: append event",
				"header %.64q of %d bytes; a name has 1 to %d bytes and a value %d at most", h.Name, len(h.Value), headerNameMax, headerValueMax)
		}
		frame = append(frame, byte(len(h.Name)))
		frame = append(frame, h.Name...)
		frame = append(frame, headerTypeText)
		frame = binary.BigEndian.AppendUint16(frame, uint16(len(h.Value)))
		frame = append(frame, h.Value...)
	}
	headersBytes := len(frame) - start - frameHead
	frame = payload(frame)
	payloadBytes := len(frame) - start - frameHead - headersBytes
	if headersBytes > headersMax || payloadBytes > payloadMax {
		return dst, failure.New(failure.TooLarge, "kinesis/wire: append event",
			"%d bytes of headers and %d of payload; the limits are %d and %d", headersBytes, payloadBytes, headersMax, payloadMax)
	}

	whole := frame[start:]
	binary.BigEndian.PutUint32(whole, uint32(len(whole)+frameTail))
	binary.BigEndian.PutUint32(whole[frameHeaderLength:], uint32(headersBytes))
	binary.BigEndian.PutUint32(whole[frameHeadCRC:], crc32.ChecksumIEEE(whole[:frameHeadCRC]))
	return binary.BigEndian.AppendUint32(frame, crc32.ChecksumIEEE(whole)), nil
}
