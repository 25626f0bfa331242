package requests

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
)

// What a frame of an event stream begins with, all numbers big-endian; package
// kinesis/wire has the whole of it. Checksums are not looked at: the connection
// has its own.
//
//	off size
//	  0    4  length         of the frame
//	  4    4  header length  of all headers
//	  8    4  checksum
//	 12    .  headers
//	  .    .  payload
//	  .    4  checksum
const (
	frameHead = 12
	frameTail = 4
	frameMax  = 17 << 20
)

// A header is
//
//	off size
//	  0    1  name length
//	  1    .  name
//	  .    1  type           7, a text
//	  .    2  value length
//	  .    .  value
const headerText = 7

// errFrame is a frame that is none.
var errFrame = errors.New("requests: a frame of an event stream is not one")

// events reads frames.
type events struct {
	source io.Reader
	frame  []byte
}

// next reads a frame and returns the kind of the event and its payload, which is
// good until the next call. An exception is an error.
func (e *events) next() (kind string, payload []byte, err error) {
	var start [frameHead]byte
	if _, err := io.ReadFull(e.source, start[:]); err != nil {
		return "", nil, err
	}
	length, headers := int(binary.BigEndian.Uint32(start[:])), int(binary.BigEndian.Uint32(start[4:]))
	if length < frameHead+frameTail || length > frameMax || headers > length-frameHead-frameTail {
		return "", nil, errFrame
	}
	e.frame = slices.Grow(e.frame[:0], length-frameHead)[:length-frameHead]
	if _, err := io.ReadFull(e.source, e.frame); err != nil {
		return "", nil, err
	}
	payload = e.frame[headers : len(e.frame)-frameTail]
	for rest := e.frame[:headers]; len(rest) > 0; {
		var name, value string
		if name, value, rest, err = header(rest); err != nil {
			return "", nil, err
		}
		switch name {
		case ":event-type":
			kind = value
		case ":exception-type":
			return "", nil, fmt.Errorf("requests: the subscription ended with %s: %s", value, payload)
		}
	}
	return kind, payload, nil
}

// header cuts the first header off.
func header(b []byte) (name, value string, rest []byte, err error) {
	const typeAndLength = 3
	end := 1 + int(b[0])
	if len(b) < end+typeAndLength || b[end] != headerText {
		return "", "", nil, errFrame
	}
	name = string(b[1:end])
	b = b[end+1:]
	length := int(binary.BigEndian.Uint16(b))
	if b = b[2:]; len(b) < length {
		return "", "", nil, errFrame
	}
	return name, string(b[:length]), b[length:], nil
}
