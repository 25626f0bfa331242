package protocol

import (
	"github.com/millrace-io/millrace/protocol/fb"
	"github.com/millrace-io/millrace/record"
)

var (
	appendShape = newShape(field64, field32, field32, field16, field8)
	ackShape    = newShape(field64, field64, field64)
)

// AppendHeadBytes is the bytes of an Append message before its body. Being
// constant, it lets a client encode the batch first and the head, which holds the
// batch's checksum, afterwards into the space before it.
var AppendHeadBytes = PreludeSize + appendShape.headBytes()

// DurabilityRequest is the promise that an append asks for. The zero value takes
// that of the stream. The numbers travel over the wire and are frozen.
type DurabilityRequest uint8

// RequireDurability asks for at least d.
func RequireDurability(d record.Durability) DurabilityRequest { return DurabilityRequest(d) + 1 }

// Resolve returns what holds for an append to a stream of the given durability:
// a request may strengthen it, never weaken it.
func (r DurabilityRequest) Resolve(stream record.Durability) record.Durability {
	if r == 0 {
		return stream
	}
	return stream.Stronger(record.Durability(r - 1))
}

// Append asks to write the batch that is its body. The answer is Ack or Error.
// Batches of one connection to one shard are written in the order they are sent.
type Append struct {
	StreamID uint64
	Shard    record.ShardID
	// CRC is Checksum(0, body).
	CRC uint32
	// Count is the records of the batch.
	Count      uint16
	Durability DurabilityRequest
}

// AppendTo appends prelude and head to destination; the body, of bodyBytes,
// belongs behind them.
func (m Append) AppendTo(destination []byte, request uint32, bodyBytes int) []byte {
	e := beginHead(destination, TypeAppend, request, appendShape)
	e.set64(0, m.StreamID)
	e.set32(1, uint32(m.Shard))
	e.set32(2, m.CRC)
	e.set16(3, m.Count)
	e.set8(4, uint8(m.Durability))
	return e.end(bodyBytes)
}

// Parse sets m from a received message. It does not look at the body.
func (m *Append) Parse(message Message) error {
	at, err := message.verify(TypeAppend, appendShape)
	if err != nil {
		return err
	}
	var head fb.Append
	head.Init(message.Head, at)
	*m = Append{
		StreamID: head.StreamId(), Shard: record.ShardID(head.Shard()), CRC: head.Crc(),
		Count: head.Count(), Durability: DurabilityRequest(head.Durability()),
	}
	return nil
}

// Ack says that a batch is written, as durably as was asked for. A batch that an
// idempotent producer sent twice is acknowledged twice with the same values.
type Ack struct {
	// First and Last are the sequences given to the batch's records.
	First, Last uint64
	// Time is their arrival, in Unix nanoseconds.
	Time int64
}

// AppendTo appends the message to destination.
func (m Ack) AppendTo(destination []byte, request uint32) []byte {
	e := beginHead(destination, TypeAck, request, ackShape)
	e.set64(0, m.First)
	e.set64(1, m.Last)
	e.set64(2, uint64(m.Time))
	return e.end(0)
}

// Parse sets m from a received message.
func (m *Ack) Parse(message Message) error {
	at, err := message.verify(TypeAck, ackShape)
	if err != nil {
		return err
	}
	var head fb.Ack
	head.Init(message.Head, at)
	*m = Ack{First: head.First(), Last: head.Last(), Time: head.Time()}
	return nil
}

// Range returns the acknowledged sequences.
func (m Ack) Range() record.Range { return record.Range{First: m.First, Last: m.Last, Time: m.Time} }
