package protocol

import (
	"encoding/binary"
	"errors"
	"io"

	"github.com/millrace-io/millrace/failure"
)

const (
	// readerBytes is the buffer that a Reader begins with, and the most that it
	// reads ahead of the message at hand.
	readerBytes = 64 << 10
)

// Reader cuts a stream of bytes into messages. It keeps one buffer, which grows
// to the largest message seen, and reads many small messages at once. It is for one
// goroutine at a time.
type Reader struct {
	source   io.Reader
	bytesMax int
	// buffer[start:end] is read and not yet returned.
	buffer     []byte
	start, end int
}

// NewReader returns a reader of messages of at most messageBytesMax bytes;
// 0 stands for MessageBytesMax.
func NewReader(source io.Reader, messageBytesMax int) *Reader {
	if messageBytesMax <= 0 {
		messageBytesMax = MessageBytesMax
	}
	return &Reader{source: source, bytesMax: messageBytesMax}
}

// Buffered returns the bytes that are read but not returned yet. With fewer than
// a whole message of them, Next will have to wait.
func (r *Reader) Buffered() int { return r.end - r.start }

// Next returns the next message, which is valid until the following call. At the
// end of the source, between two messages, it returns io.EOF. Its other errors are
// of kind Disconnected (an end inside a message, or an error of the source),
// TooLarge, Malformed and NewerVersion; none of them can be recovered from.
func (r *Reader) Next() (Message, error) {
	if err := r.fill(PreludeSize); err != nil {
		if errors.Is(err, io.EOF) && r.Buffered() == 0 {
			return Message{}, io.EOF
		}
		return Message{}, r.disconnected(err)
	}
	length, headBytes, err := r.checkPrelude()
	if err != nil {
		return Message{}, err
	}
	if err := r.fill(PreludeSize + length); err != nil {
		return Message{}, r.disconnected(err)
	}
	b := r.buffer[r.start : r.start+PreludeSize+length]
	r.start += len(b)
	body := PreludeSize + headBytes
	return Message{
		Type:    MessageType(binary.LittleEndian.Uint16(b[8:])),
		Request: binary.LittleEndian.Uint32(b[4:]),
		Head:    b[PreludeSize:body:body],
		Body:    b[body:len(b):len(b)],
	}, nil
}

// checkPrelude reads the lengths of the prelude at the start of the buffer.
func (r *Reader) checkPrelude() (length, headBytes int, err error) {
	const operation = "protocol: read message"
	prelude := r.buffer[r.start : r.start+PreludeSize]
	// In int64, since lengths of 32 bits do not fit the int of small machines.
	wide := int64(binary.LittleEndian.Uint32(prelude))
	head := int64(binary.LittleEndian.Uint32(prelude[12:]))
	switch {
	case wide > int64(r.bytesMax-PreludeSize):
		return 0, 0, failure.New(failure.TooLarge, operation,
			"a message of %d bytes, the limit is %d", wide+PreludeSize, r.bytesMax)
	case head > wide || head > HeadBytesMax || head%8 != 0:
		return 0, 0, failure.New(failure.Malformed, operation, "a head of %d bytes in %d", head, wide)
	case binary.LittleEndian.Uint16(prelude[10:]) != 0:
		return 0, 0, failure.New(failure.NewerVersion, operation, "flags that version %d does not have", Version)
	}
	return int(wide), int(head), nil
}

// disconnected wraps an error of the source in the middle of a message.
func (r *Reader) disconnected(err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return failure.Wrap(failure.Disconnected, "protocol: read message", err)
}

// fill reads until at least n bytes are in the buffer. The buffer grows only as
// bytes arrive, so a length that is a lie costs no memory.
func (r *Reader) fill(n int) error {
	if r.end-r.start >= n {
		return nil
	}
	if r.start > 0 {
		copy(r.buffer, r.buffer[r.start:r.end])
		r.start, r.end = 0, r.end-r.start
	}
	for empty := 0; r.end < n; {
		if r.end == len(r.buffer) {
			larger := make([]byte, max(readerBytes, min(2*len(r.buffer), n)))
			copy(larger, r.buffer[:r.end])
			r.buffer = larger
		}
		// A long message is read to its end and no further, so that there is
		// nothing behind it that would have to be moved to the front.
		limit := min(len(r.buffer), max(n, readerBytes))
		got, err := r.source.Read(r.buffer[r.end:limit])
		r.end += got
		if r.end >= n {
			return nil
		}
		if err != nil {
			return err
		}
		if empty++; got > 0 {
			empty = 0
		} else if empty == 100 {
			return io.ErrNoProgress
		}
	}
	return nil
}
