package native_test

import (
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/server/native"
	"github.com/millrace-io/millrace/stream"
)

// FuzzConnection sends any bytes behind a good Hello. Whatever they are, the
// server answers with whole messages, ends the connection, and serves the next.
func FuzzConnection(f *testing.F) {
	server := start(f, native.Options{MessageBytesMax: 1 << 20})
	made := server.create(f, stream.Config{Name: "a", Durability: record.None})
	good := put(made, 2, "x")
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Add(append(protocol.Subscribe{StreamID: made.ID(), Credits: 10}.AppendTo(nil, 3), protocol.Credit{Bytes: 1}.AppendTo(nil, 3)...))
	f.Add(append(protocol.Describe{Name: "a"}.AppendTo(nil, 4), protocol.Unsubscribe{}.AppendTo(nil, 3)...))
	f.Add(protocol.Fetch{StreamID: made.ID(), MaxBytes: 100}.AppendTo(nil, 5))
	f.Add(protocol.List{Limit: 3}.AppendTo(nil, 6))
	f.Fuzz(func(t *testing.T, sent []byte) {
		socket, err := net.Dial("tcp", server.address)
		if err != nil {
			t.Fatal(err)
		}
		defer socket.Close()
		if err := socket.SetDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		if _, err := socket.Write(append(protocol.Hello{Version: 1}.AppendTo(nil, 1), sent...)); err != nil {
			t.Fatal(err)
		}
		// The server may have hung up already.
		_ = socket.(*net.TCPConn).CloseWrite()
		reader := protocol.NewReader(socket, 0)
		for {
			if _, err := reader.Next(); errors.Is(err, io.EOF) {
				return
			} else if err != nil {
				t.Fatalf("the answer is cut off: %v", err)
			}
		}
	})
}
