package wire_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
	"pgregory.net/rapid"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/kinesis/wire"
)

func TestEventGoldenBytes(t *testing.T) {
	const want = `
00 00 00 1c  00 00 00 0a  20 e7 4c f4   |  0 length 28, headers of 10, their checksum
03 3a 78 79  07  00 03 61 62 63         | 12 ":xy" is a text of 3, "abc"
7b 7d                                   | 22 payload
c9 e9 2d 33                             | 24 checksum of all
`
	var expected []byte
	for _, line := range strings.Split(strings.TrimSpace(want), "\n") {
		digits, _, _ := strings.Cut(line, "|")
		row, err := hex.DecodeString(strings.ReplaceAll(digits, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		expected = append(expected, row...)
	}
	got, err := wire.AppendEvent(nil, []wire.Header{{Name: ":xy", Value: "abc"}}, func(dst []byte) []byte {
		return append(dst, "{}"...)
	})
	if err != nil || !bytes.Equal(got, expected) {
		t.Errorf("%x, %v; want %x", got, err, expected)
	}
}

// TestClientsReadOurEvents decodes frames, one behind the other, with the library of
// AWS's SDK for Go.
func TestClientsReadOurEvents(t *testing.T) {
	type event struct {
		headers map[string]string
		payload []byte
	}
	rapid.Check(t, func(t *rapid.T) {
		var events []event
		stream := rapid.SliceOfN(rapid.Byte(), 0, 10).Draw(t, "before")
		start := len(stream)
		for range rapid.IntRange(1, 4).Draw(t, "events") {
			e := event{
				headers: rapid.MapOfN(rapid.StringN(1, -1, 255), rapid.StringN(0, -1, 300), 0, 5).Draw(t, "headers"),
				payload: rapid.SliceOf(rapid.Byte()).Draw(t, "payload"),
			}
			var headers []wire.Header
			for name, value := range e.headers {
				headers = append(headers, wire.Header{Name: name, Value: value})
			}
			var err error
			stream, err = wire.AppendEvent(stream, headers, func(dst []byte) []byte { return append(dst, e.payload...) })
			if err != nil {
				t.Fatal(err)
			}
			events = append(events, e)
		}
		decoder := eventstream.NewDecoder()
		input := bytes.NewReader(stream[start:])
		for _, want := range events {
			got, err := decoder.Decode(input, nil)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Payload, want.payload) || len(got.Headers) != len(want.headers) {
				t.Fatalf("%d headers and %x; want %d and %x", len(got.Headers), got.Payload, len(want.headers), want.payload)
			}
			for _, header := range got.Headers {
				if value, ok := want.headers[header.Name]; !ok || header.Value.Get() != value {
					t.Fatalf("header %q is %v, want %q", header.Name, header.Value, value)
				}
			}
		}
		if input.Len() != 0 {
			t.Fatalf("%d bytes are left", input.Len())
		}
		stream[rapid.IntRange(start, len(stream)-1).Draw(t, "at")] ^= 0x10
		input = bytes.NewReader(stream[start:])
		for range events {
			if _, err := decoder.Decode(input, nil); err != nil {
				return
			}
		}
		t.Fatal("a changed byte is not noticed")
	})
}

// TestEventsCarryDocuments writes a document straight into a frame.
func TestEventsCarryDocuments(t *testing.T) {
	for _, encoding := range encodings {
		w := encoding.writer()
		frame, err := wire.AppendEvent([]byte("before"), nil, func(dst []byte) []byte {
			w.Continue(dst)
			write(w, map[string]any{"Records": []any{}})
			return w.Bytes()
		})
		if err != nil {
			t.Fatal(err)
		}
		message, err := eventstream.NewDecoder().Decode(bytes.NewReader(frame[len("before"):]), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := skipAll(encoding.reader(message.Payload)); err != nil {
			t.Errorf("%q: %v", message.Payload, err)
		}
	}
}

func TestEventsThatAreTooLarge(t *testing.T) {
	nothing := func(dst []byte) []byte { return dst }
	many := make([]wire.Header, 5)
	for i := range many {
		many[i] = wire.Header{Name: "x", Value: strings.Repeat("x", 1<<15-1)}
	}
	cases := []struct {
		name    string
		headers []wire.Header
		payload func([]byte) []byte
		fine    bool
	}{
		{"no name", []wire.Header{{Value: "x"}}, nothing, false},
		{"a long name", []wire.Header{{Name: strings.Repeat("x", 256)}}, nothing, false},
		{"the longest value", many[:1], nothing, true},
		{"a long value", []wire.Header{{Name: "x", Value: strings.Repeat("x", 1<<15)}}, nothing, false},
		{"many headers", many, nothing, false},
		{"the longest payload", nil, func(dst []byte) []byte { return append(dst, make([]byte, 16<<20)...) }, true},
		{"a long payload", nil, func(dst []byte) []byte { return append(dst, make([]byte, 16<<20+1)...) }, false},
	}
	for _, c := range cases {
		frame, err := wire.AppendEvent([]byte("before"), c.headers, c.payload)
		if c.fine != (err == nil) || (err != nil && (!errors.Is(err, failure.TooLarge) || string(frame) != "before")) {
			t.Errorf("%s: %d bytes, %v", c.name, len(frame), err)
		}
		if _, decodeErr := eventstream.NewDecoder().Decode(bytes.NewReader(frame[len("before"):]), nil); (decodeErr == nil) != c.fine {
			t.Errorf("%s: the client says %v", c.name, decodeErr)
		}
	}
}
