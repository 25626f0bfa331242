package protocol_test

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/protocol"
)

// FuzzMessage reads any bytes as a stream of messages: no panic, no more memory
// than four times the input and the reader's buffer, and what parses encodes to
// a message that parses to the same.
func FuzzMessage(f *testing.F) {
	f.Add(hotPath(nil, []byte("body")))
	f.Add(protocol.Streams{Names: []string{"a", "orders"}, More: true}.AppendTo(nil, 3))
	f.Add(protocol.Description{Name: "orders", Shards: make([]protocol.ShardDescription, 2)}.AppendTo(nil, 4))
	f.Fuzz(func(t *testing.T, stream []byte) {
		var messages []message
		const readerBuffer = 64 << 10
		requireLittleMemory(t, len(stream)+readerBuffer, func() { messages = readAll(t, stream) })
		for _, want := range messages {
			again := readAll(t, want.AppendTo(nil, 0))
			if len(again) != 1 {
				t.Fatalf("%d messages from one", len(again))
			}
			if diff := cmp.Diff(want, again[0], equateEmpty); diff != "" {
				t.Fatalf("(-want +got):\n%s", diff)
			}
		}
	})
}

// readAll returns the messages of a stream up to its first flaw.
func readAll(t *testing.T, stream []byte) []message {
	t.Helper()
	reader := protocol.NewReader(bytes.NewReader(stream), 0)
	var messages []message
	for {
		received, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return messages
		}
		if err == nil {
			var m message
			if m, err = parse(received); err == nil {
				messages = append(messages, m)
				continue
			}
		}
		for _, kind := range []failure.Kind{failure.Malformed, failure.Disconnected, failure.TooLarge, failure.NewerVersion} {
			if errors.Is(err, kind) {
				return messages
			}
		}
		t.Fatalf("unexpected error: %v", err)
	}
}
