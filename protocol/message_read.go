package protocol

import (
	"time"

	"github.com/millrace-io/millrace/protocol/fb"
	"github.com/millrace-io/millrace/record"
)

var (
	fetchShape     = newShape(field64, field32, field8, field64, field64, field32, field64)
	subscribeShape = newShape(field64, field32, field8, field64, field64, field32)
	creditShape    = newShape(field32)
	framesShape    = newShape(field64, field64, field64, field32, field8)
)

// FramesHeadBytes is the bytes of a Frames message before its body.
var FramesHeadBytes = PreludeSize + framesShape.headBytes()

// Fetch asks once for frames of a shard. The answer is Frames or Error.
type Fetch struct {
	StreamID uint64
	Shard    record.ShardID
	Start    record.Start
	// MaxBytes bounds the body. A single frame longer than that comes all the
	// same, or reading could not go on.
	MaxBytes uint32
	// Wait is how long to wait at the end of the shard before answering with an
	// empty body.
	Wait time.Duration
}

// AppendTo appends the message to destination.
func (m Fetch) AppendTo(destination []byte, request uint32) []byte {
	e := beginHead(destination, TypeFetch, request, fetchShape)
	e.set64(0, m.StreamID)
	e.set32(1, uint32(m.Shard))
	e.setStart(2, m.Start)
	e.set32(5, m.MaxBytes)
	e.set64(6, uint64(m.Wait))
	return e.end(0)
}

// Parse sets m from a received message.
func (m *Fetch) Parse(message Message) error {
	at, err := message.verify(TypeFetch, fetchShape)
	if err != nil {
		return err
	}
	var head fb.Fetch
	head.Init(message.Head, at)
	*m = Fetch{
		StreamID: head.StreamId(), Shard: record.ShardID(head.Shard()),
		Start: record.Start{
			Kind: record.StartKind(head.StartKind()), Sequence: head.StartSequence(), Time: head.StartTime(),
		},
		MaxBytes: head.MaxBytes(), Wait: time.Duration(head.Wait()),
	}
	return nil
}

// Subscribe asks for frames of a shard as they come. The answers are any number
// of Frames under the same request number, until Unsubscribe, an Error, or a
// Frames that says it is the end of the shard.
//
// Credits bound what is under way. The server sends while the balance is above
// zero and takes the body's length off it, which may leave it below zero: a frame
// larger than all credits can still be sent. Credit adds to the balance.
type Subscribe struct {
	StreamID uint64
	Shard    record.ShardID
	Start    record.Start
	// Credits is the balance to begin with, in bytes.
	Credits uint32
}

// AppendTo appends the message to destination.
func (m Subscribe) AppendTo(destination []byte, request uint32) []byte {
	e := beginHead(destination, TypeSubscribe, request, subscribeShape)
	e.set64(0, m.StreamID)
	e.set32(1, uint32(m.Shard))
	e.setStart(2, m.Start)
	e.set32(5, m.Credits)
	return e.end(0)
}

// Parse sets m from a received message.
func (m *Subscribe) Parse(message Message) error {
	at, err := message.verify(TypeSubscribe, subscribeShape)
	if err != nil {
		return err
	}
	var head fb.Subscribe
	head.Init(message.Head, at)
	*m = Subscribe{
		StreamID: head.StreamId(), Shard: record.ShardID(head.Shard()),
		Start: record.Start{
			Kind: record.StartKind(head.StartKind()), Sequence: head.StartSequence(), Time: head.StartTime(),
		},
		Credits: head.Credits(),
	}
	return nil
}

// setStart sets the three fields of a start, which follow one another in the
// schema, beginning with the given one.
func (e *headEncoder) setStart(field int, start record.Start) {
	e.set8(field, uint8(start.Kind))
	e.set64(field+1, start.Sequence)
	e.set64(field+2, uint64(start.Time))
}

// Credit adds to the balance of the subscription that began under the same
// request number. It has no answer.
type Credit struct {
	Bytes uint32
}

// AppendTo appends the message to destination.
func (m Credit) AppendTo(destination []byte, request uint32) []byte {
	e := beginHead(destination, TypeCredit, request, creditShape)
	e.set32(0, m.Bytes)
	return e.end(0)
}

// Parse sets m from a received message.
func (m *Credit) Parse(message Message) error {
	at, err := message.verify(TypeCredit, creditShape)
	if err != nil {
		return err
	}
	var head fb.Credit
	head.Init(message.Head, at)
	*m = Credit{Bytes: head.Bytes()}
	return nil
}

// Frames carries whole frames, exactly as they lie on disk, as its body. They
// may begin before the record that was asked for, at most by the records of one
// frame; the reader skips those. Frames without records may be among them.
type Frames struct {
	// Salt seeds the checksum of each frame in the body.
	Salt uint32
	// First is the sequence of the first record in the body, and Next that which
	// follows the last. They are equal if the body has no records.
	First, Next uint64
	// Tip is the sequence that the shard's next record will get: Tip - Next is
	// how far behind the reader is.
	Tip uint64
	// End says that the shard is closed and no frames will ever follow these.
	End bool
}

// AppendTo appends prelude and head to destination; the body, of bodyBytes,
// belongs behind them.
func (m Frames) AppendTo(destination []byte, request uint32, bodyBytes int) []byte {
	e := beginHead(destination, TypeFrames, request, framesShape)
	e.set64(0, m.First)
	e.set64(1, m.Next)
	e.set64(2, m.Tip)
	e.set32(3, m.Salt)
	e.setBool(4, m.End)
	return e.end(bodyBytes)
}

// Parse sets m from a received message. It does not look at the body.
func (m *Frames) Parse(message Message) error {
	at, err := message.verify(TypeFrames, framesShape)
	if err != nil {
		return err
	}
	var head fb.Frames
	head.Init(message.Head, at)
	*m = Frames{
		First: head.First(), Next: head.Next(), Tip: head.Tip(), Salt: head.Salt(), End: head.End(),
	}
	return nil
}
