package protocol_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/iotest"
	"time"

	flatbuffers "github.com/google/flatbuffers/go"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/protocol/fb"
	"github.com/millrace-io/millrace/record"
)

// message is any message without a body, and its reverse.
type message interface {
	AppendTo(destination []byte, request uint32) []byte
}

// withBody gives the messages that have a body the method of the others.
type withBody[M interface {
	AppendTo(destination []byte, request uint32, bodyBytes int) []byte
}] struct {
	Message M
	Body    []byte
}

func (m withBody[M]) AppendTo(destination []byte, request uint32) []byte {
	return append(m.Message.AppendTo(destination, request, len(m.Body)), m.Body...)
}

// parse returns the value of a received message.
func parse(received protocol.Message) (message, error) {
	switch received.Type {
	case protocol.TypeHello:
		return parseAs[protocol.Hello](received)
	case protocol.TypeWelcome:
		return parseAs[protocol.Welcome](received)
	case protocol.TypeAppend:
		return parseBody[protocol.Append](received)
	case protocol.TypeAck:
		return parseAs[protocol.Ack](received)
	case protocol.TypeFetch:
		return parseAs[protocol.Fetch](received)
	case protocol.TypeFrames:
		return parseBody[protocol.Frames](received)
	case protocol.TypeSubscribe:
		return parseAs[protocol.Subscribe](received)
	case protocol.TypeCredit:
		return parseAs[protocol.Credit](received)
	case protocol.TypeDescribe:
		return parseAs[protocol.Describe](received)
	case protocol.TypeDescription:
		return parseAs[protocol.Description](received)
	case protocol.TypeCreate:
		return parseAs[protocol.Create](received)
	case protocol.TypeDelete:
		return parseAs[protocol.Delete](received)
	case protocol.TypeList:
		return parseAs[protocol.List](received)
	case protocol.TypeStreams:
		return parseAs[protocol.Streams](received)
	case protocol.TypeError:
		return parseAs[protocol.Error](received)
	case protocol.TypeUnsubscribe:
		return parseAs[protocol.Unsubscribe](received)
	case protocol.TypeDone:
		return parseAs[protocol.Done](received)
	case protocol.TypePing:
		return parseAs[protocol.Ping](received)
	case protocol.TypePong:
		return parseAs[protocol.Pong](received)
	default:
		return nil, fmt.Errorf("unknown type %v: %w", received.Type, failure.Malformed)
	}
}

// parser is a pointer to a message.
type parser[M any] interface {
	*M
	Parse(received protocol.Message) error
}

func parseAs[M message, P parser[M]](received protocol.Message) (message, error) {
	var value M
	err := P(&value).Parse(received)
	return value, err
}

func parseBody[M interface {
	AppendTo(destination []byte, request uint32, bodyBytes int) []byte
}, P parser[M]](received protocol.Message) (message, error) {
	var value M
	err := P(&value).Parse(received)
	return withBody[M]{Message: value, Body: bytes.Clone(received.Body)}, err
}

func drawTime(t *rapid.T) time.Time { return time.Unix(0, rapid.Int64().Draw(t, "time")).UTC() }

func drawDuration(t *rapid.T) time.Duration {
	return time.Duration(rapid.Int64().Draw(t, "duration"))
}

func drawStart(t *rapid.T) record.Start {
	return record.Start{
		Kind:     record.StartKind(rapid.Uint8().Draw(t, "kind")),
		Sequence: rapid.Uint64().Draw(t, "sequence"), Time: rapid.Int64().Draw(t, "at"),
	}
}

func drawDescription(t *rapid.T) protocol.Description {
	return protocol.Description{
		StreamID: rapid.Uint64().Draw(t, "stream"), Name: rapid.String().Draw(t, "name"), Created: drawTime(t),
		Durability: record.Durability(rapid.Uint8().Draw(t, "durability")), SyncInterval: drawDuration(t),
		RetentionTime: drawDuration(t), RetentionBytes: rapid.Int64().Draw(t, "bytes"), EnforceLimits: rapid.Bool().Draw(t, "limits"),
		Shards: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) protocol.ShardDescription {
			return protocol.ShardDescription{
				ID: record.ShardID(rapid.Uint32().Draw(t, "shard")), Created: drawTime(t),
				Range: record.HashRange{
					Start: record.HashKey{Hi: rapid.Uint64().Draw(t, "hi"), Lo: rapid.Uint64().Draw(t, "lo")},
					End:   record.HashKey{Hi: rapid.Uint64().Draw(t, "hi"), Lo: rapid.Uint64().Draw(t, "lo")},
				},
				First: rapid.Uint64().Draw(t, "first"), Next: rapid.Uint64().Draw(t, "next"), Bytes: rapid.Uint64().Draw(t, "held"),
			}
		}), 0, 5).Draw(t, "shards"),
	}
}

func drawMessage(t *rapid.T) message {
	text, u32, u64 := rapid.String(), rapid.Uint32(), rapid.Uint64()
	body := func() []byte { return rapid.SliceOfN(rapid.Byte(), 1, 100).Draw(t, "body") }
	switch rapid.IntRange(1, 19).Draw(t, "type") {
	case 1:
		return protocol.Hello{Version: u32.Draw(t, "version"), Client: text.Draw(t, "client")}
	case 2:
		return protocol.Welcome{
			Version: u32.Draw(t, "version"), Server: text.Draw(t, "server"),
			BatchBytesMax: u32.Draw(t, "bytes"), InFlightMax: u32.Draw(t, "flight"),
		}
	case 3:
		return withBody[protocol.Append]{protocol.Append{
			StreamID: u64.Draw(t, "stream"), Shard: record.ShardID(u32.Draw(t, "shard")), CRC: u32.Draw(t, "crc"),
			Count: rapid.Uint16().Draw(t, "count"), Durability: protocol.DurabilityRequest(rapid.Uint8().Draw(t, "durability")),
		}, body()}
	case 4:
		return protocol.Ack{First: u64.Draw(t, "first"), Last: u64.Draw(t, "last"), Time: rapid.Int64().Draw(t, "time")}
	case 5:
		return protocol.Fetch{
			StreamID: u64.Draw(t, "stream"), Shard: record.ShardID(u32.Draw(t, "shard")), Start: drawStart(t),
			MaxBytes: u32.Draw(t, "bytes"), Wait: drawDuration(t),
		}
	case 6:
		return withBody[protocol.Frames]{protocol.Frames{
			Salt: u32.Draw(t, "salt"), First: u64.Draw(t, "first"), Next: u64.Draw(t, "next"),
			Tip: u64.Draw(t, "tip"), End: rapid.Bool().Draw(t, "end"),
		}, body()}
	case 7:
		return protocol.Subscribe{
			StreamID: u64.Draw(t, "stream"), Shard: record.ShardID(u32.Draw(t, "shard")), Start: drawStart(t),
			Credits: u32.Draw(t, "credits"),
		}
	case 8:
		return protocol.Credit{Bytes: u32.Draw(t, "bytes")}
	case 9:
		return protocol.Unsubscribe{}
	case 10:
		return protocol.Describe{Name: text.Draw(t, "name")}
	case 11:
		return drawDescription(t)
	case 12:
		return protocol.Create{
			Name: text.Draw(t, "name"), Shards: u32.Draw(t, "shards"), Durability: record.Durability(rapid.Uint8().Draw(t, "durability")),
			SyncInterval: drawDuration(t), RetentionTime: drawDuration(t), RetentionBytes: rapid.Int64().Draw(t, "bytes"),
			EnforceLimits: rapid.Bool().Draw(t, "limits"),
		}
	case 13:
		return protocol.Delete{Name: text.Draw(t, "name")}
	case 14:
		return protocol.Done{}
	case 15:
		return protocol.List{After: text.Draw(t, "after"), Limit: u32.Draw(t, "limit")}
	case 16:
		return protocol.Streams{Names: rapid.SliceOfN(text, 0, 6).Draw(t, "names"), More: rapid.Bool().Draw(t, "more")}
	case 17:
		return protocol.Error{
			Kind: failure.Kind(rapid.Uint16().Draw(t, "kind")), Operation: text.Draw(t, "operation"), Stream: text.Draw(t, "stream"),
			Shard: text.Draw(t, "shard"), Detail: text.Draw(t, "detail"), RetryAfter: drawDuration(t),
		}
	case 18:
		return protocol.Ping{}
	default:
		return protocol.Pong{}
	}
}

// TestMessagesRoundTrip sends messages over readers that cut them up in several
// ways, into buffers that were dirty before.
func TestMessagesRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		messages := rapid.SliceOfN(rapid.Custom(drawMessage), 1, 8).Draw(t, "messages")
		dirty := bytes.Repeat([]byte{0xff}, 4096)
		stream := dirty[:0]
		for i, m := range messages {
			stream = m.AppendTo(stream, uint32(i))
		}
		cut := rapid.SampledFrom([]func(io.Reader) io.Reader{
			func(r io.Reader) io.Reader { return r }, iotest.OneByteReader, iotest.HalfReader, iotest.DataErrReader,
		}).Draw(t, "cut")
		reader := protocol.NewReader(cut(bytes.NewReader(stream)), 0)
		for i, want := range messages {
			received, err := reader.Next()
			if err != nil {
				t.Fatalf("message %d: %v", i, err)
			}
			if received.Request != uint32(i) || len(received.Head)%8 != 0 {
				t.Fatalf("request %d, head of %d bytes", received.Request, len(received.Head))
			}
			got, err := parse(received)
			if err != nil {
				t.Fatalf("%v: %v", received.Type, err)
			}
			if diff := cmp.Diff(want, got, equateEmpty); diff != "" {
				t.Fatalf("%v (-want +got):\n%s", received.Type, diff)
			}
		}
		if _, err := reader.Next(); !errors.Is(err, io.EOF) {
			t.Fatalf("after the last message: %v", err)
		}
	})
}

// TestHeadsFromStockBuilder parses heads that another FlatBuffers library might
// send: written backwards, without fields that hold their default.
func TestHeadsFromStockBuilder(t *testing.T) {
	builder := flatbuffers.NewBuilder(0)
	name := builder.CreateString("orders")
	fb.CreateStart(builder)
	fb.CreateAddName(builder, name)
	fb.CreateAddShards(builder, 4)
	builder.FinishWithFileIdentifier(fb.CreateEnd(builder), []byte("MRM1"))
	var got protocol.Create
	if err := got.Parse(protocol.Message{Type: protocol.TypeCreate, Head: builder.FinishedBytes()}); err != nil {
		t.Fatal(err)
	}
	if want := (protocol.Create{Name: "orders", Shards: 4}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}

	builder.Reset()
	builder.StartObject(0)
	builder.FinishWithFileIdentifier(builder.EndObject(), []byte("MRM1"))
	var empty protocol.Error
	if err := empty.Parse(protocol.Message{Type: protocol.TypeError, Head: builder.FinishedBytes()}); err != nil {
		t.Fatal(err)
	}
	if empty != (protocol.Error{}) {
		t.Errorf("got %+v from a table without fields", empty)
	}
}

// TestHeadsOfLaterVersions parses a head with a field that this version has not
// heard of.
func TestHeadsOfLaterVersions(t *testing.T) {
	builder := flatbuffers.NewBuilder(0)
	builder.StartObject(9)
	builder.PrependUint32Slot(0, 77, 0)
	builder.PrependUint64Slot(8, 1, 0)
	builder.FinishWithFileIdentifier(builder.EndObject(), []byte("MRM1"))
	var got protocol.Credit
	if err := got.Parse(protocol.Message{Type: protocol.TypeCredit, Head: builder.FinishedBytes()}); err != nil {
		t.Fatal(err)
	}
	if got.Bytes != 77 {
		t.Errorf("got %+v", got)
	}
}

// TestSharedNamesAreRefused is the amplification that plain FlatBuffers allows:
// one string claimed a thousand times.
func TestSharedNamesAreRefused(t *testing.T) {
	builder := flatbuffers.NewBuilder(0)
	name := builder.CreateString("a name that is long enough to be worth repeating")
	const count = 1000
	fb.StreamsStartNamesVector(builder, count)
	for range count {
		builder.PrependUOffsetT(name)
	}
	names := builder.EndVector(count)
	fb.StreamsStart(builder)
	fb.StreamsAddNames(builder, names)
	builder.FinishWithFileIdentifier(fb.StreamsEnd(builder), []byte("MRM1"))
	var got protocol.Streams
	err := got.Parse(protocol.Message{Type: protocol.TypeStreams, Head: builder.FinishedBytes()})
	if !errors.Is(err, failure.Malformed) {
		t.Errorf("accepted: %v", err)
	}
}

func TestParseRefusesAnotherType(t *testing.T) {
	var got protocol.Ack
	if err := got.Parse(protocol.Message{Type: protocol.TypeCreate}); !errors.Is(err, failure.Malformed) {
		t.Errorf("accepted: %v", err)
	}
	for kind := protocol.MessageType(0); kind < 21; kind++ {
		if kind.String() == "" {
			t.Errorf("type %d has no name", uint16(kind))
		}
	}
}

func TestErrorCarriesFailure(t *testing.T) {
	original := &failure.Error{
		Kind: failure.Throttled, Operation: "shard: put", Stream: "orders", Shard: "shardId-000000000001",
		Detail: "1,000 records a second", RetryAfter: 20 * time.Millisecond,
	}
	reader := protocol.NewReader(bytes.NewReader(protocol.ErrorOf(fmt.Errorf("outer: %w", original)).AppendTo(nil, 1)), 0)
	received, err := reader.Next()
	if err != nil {
		t.Fatal(err)
	}
	var m protocol.Error
	if err := m.Parse(received); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(original, m.Failure()); diff != "" {
		t.Error(diff)
	}
	if !errors.Is(m.Failure(), failure.Throttled) {
		t.Error("the kind is lost")
	}
	wrapped := protocol.ErrorOf(failure.Wrap(failure.Poisoned, "wal: append", io.ErrShortWrite))
	if wrapped.Detail != "short write" || wrapped.Kind != failure.Poisoned {
		t.Errorf("got %+v", wrapped)
	}
	foreign := protocol.ErrorOf(io.ErrClosedPipe)
	if foreign.Kind != failure.Internal || foreign.Detail != io.ErrClosedPipe.Error() {
		t.Errorf("got %+v", foreign)
	}
}

func TestDurabilityRequest(t *testing.T) {
	cases := []struct {
		request      protocol.DurabilityRequest
		stream, want record.Durability
	}{
		{0, record.None, record.None},
		{0, record.Group, record.Group},
		{protocol.RequireDurability(record.Group), record.None, record.Group},
		{protocol.RequireDurability(record.Interval), record.None, record.Interval},
		{protocol.RequireDurability(record.None), record.Group, record.Group},
		{255, record.Group, record.Group},
	}
	for _, c := range cases {
		if got := c.request.Resolve(c.stream); got != c.want {
			t.Errorf("%d over %v is %v, want %v", c.request, c.stream, got, c.want)
		}
	}
}
