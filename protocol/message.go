package protocol

import (
	"encoding/binary"
	"fmt"

	flatbuffers "github.com/google/flatbuffers/go"

	"github.com/millrace-io/millrace/failure"
)

// Version is the version of the native protocol that this package speaks.
const Version = 1

// MessageType says what a message is. The numbers are frozen.
type MessageType uint16

// The messages of version 1. Who sends which, and when, is told in
// docs/format/native-protocol.md.
const (
	TypeHello       MessageType = 1
	TypeWelcome     MessageType = 2
	TypeAppend      MessageType = 3
	TypeAck         MessageType = 4
	TypeFetch       MessageType = 5
	TypeFrames      MessageType = 6
	TypeSubscribe   MessageType = 7
	TypeCredit      MessageType = 8
	TypeUnsubscribe MessageType = 9
	TypeDescribe    MessageType = 10
	TypeDescription MessageType = 11
	TypeCreate      MessageType = 12
	TypeDelete      MessageType = 13
	TypeDone        MessageType = 14
	TypeList        MessageType = 15
	TypeStreams     MessageType = 16
	TypeError       MessageType = 17
	TypePing        MessageType = 18
	TypePong        MessageType = 19
)

var messageNames = [...]string{
	TypeHello: "Hello", TypeWelcome: "Welcome", TypeAppend: "Append", TypeAck: "Ack",
	TypeFetch: "Fetch", TypeFrames: "Frames", TypeSubscribe: "Subscribe", TypeCredit: "Credit",
	TypeUnsubscribe: "Unsubscribe", TypeDescribe: "Describe", TypeDescription: "Description",
	TypeCreate: "Create", TypeDelete: "Delete", TypeDone: "Done", TypeList: "List",
	TypeStreams: "Streams", TypeError: "Error", TypePing: "Ping", TypePong: "Pong",
}

// String returns the message's name.
func (t MessageType) String() string {
	if int(t) < len(messageNames) && messageNames[t] != "" {
		return messageNames[t]
	}
	return fmt.Sprintf("MessageType(%d)", uint16(t))
}

// A message is a prelude of 16 bytes, a head and a body:
//
//	off size prelude
//	  0    4  length    of head and body together
//	  4    4  request   chosen by the client; answers repeat it
//	  8    2  type
//	 10    2  flags     0; none defined yet
//	 12    4  head      length of the head, a multiple of 8
//	 16    .  head      FlatBuffer of message.fbs, identifier "MRM1"; may be empty
//	          body      raw: a batch or frames
//
// The head is what a foreign client needs a library for; the body is bytes that
// go to and come from the disk as they are.
const (
	// PreludeSize is the bytes before the head. Frozen.
	PreludeSize = 16
	// HeadBytesMax is the largest head: the description of ten thousand shards.
	HeadBytesMax = 1 << 20
	// MessageBytesMax is the largest message: the frame of the largest batch.
	MessageBytesMax = PreludeSize + 4096 + FrameLengthMax
)

// Message is one received message. Head and Body alias the reader's buffer.
type Message struct {
	Type    MessageType
	Request uint32
	Head    []byte
	Body    []byte
}

// expect returns an error unless the message is of the wanted type.
func (m Message) expect(want MessageType) error {
	if m.Type != want {
		return failure.New(failure.Malformed, "protocol: parse message", "%v where %v was due", m.Type, want)
	}
	return nil
}

// appendEmpty appends a message that is only a prelude.
func appendEmpty(destination []byte, kind MessageType, request uint32) []byte {
	destination = append(destination, make([]byte, PreludeSize)...)
	putPrelude(destination[len(destination)-PreludeSize:], kind, request, 0, 0)
	return destination
}

// putPrelude fills the first 16 bytes of b.
func putPrelude(b []byte, kind MessageType, request uint32, headBytes, bodyBytes int) {
	binary.LittleEndian.PutUint32(b[0:], uint32(headBytes+bodyBytes))
	binary.LittleEndian.PutUint32(b[4:], request)
	binary.LittleEndian.PutUint16(b[8:], uint16(kind))
	binary.LittleEndian.PutUint16(b[10:], 0)
	binary.LittleEndian.PutUint32(b[12:], uint32(headBytes))
}

// Ping asks for a Pong.
type Ping struct{}

// AppendTo appends the message to destination.
func (Ping) AppendTo(destination []byte, request uint32) []byte {
	return appendEmpty(destination, TypePing, request)
}

// Parse checks the type of a received message; there is nothing else in it.
func (*Ping) Parse(message Message) error { return message.expect(TypePing) }

// Pong answers a Ping.
type Pong struct{}

// AppendTo appends the message to destination.
func (Pong) AppendTo(destination []byte, request uint32) []byte {
	return appendEmpty(destination, TypePong, request)
}

// Parse checks the type of a received message; there is nothing else in it.
func (*Pong) Parse(message Message) error { return message.expect(TypePong) }

// Done answers a request that has no other answer: Delete, Unsubscribe.
type Done struct{}

// AppendTo appends the message to destination.
func (Done) AppendTo(destination []byte, request uint32) []byte {
	return appendEmpty(destination, TypeDone, request)
}

// Parse checks the type of a received message; there is nothing else in it.
func (*Done) Parse(message Message) error { return message.expect(TypeDone) }

// Unsubscribe ends the subscription that began under the same request number.
// The server answers Done, after which no Frames of it follow.
type Unsubscribe struct{}

// AppendTo appends the message to destination.
func (Unsubscribe) AppendTo(destination []byte, request uint32) []byte {
	return appendEmpty(destination, TypeUnsubscribe, request)
}

// Parse checks the type of a received message; there is nothing else in it.
func (*Unsubscribe) Parse(message Message) error { return message.expect(TypeUnsubscribe) }

// verify checks the message's type and head, and returns where the head's table
// stands for the generated accessors.
func (m Message) verify(want MessageType, s *shape) (flatbuffers.UOffsetT, error) {
	if err := m.expect(want); err != nil {
		return 0, err
	}
	table, err := verifyHead(m.Head, s)
	return flatbuffers.UOffsetT(table), err
}
