package native_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/internal/vfs/crashfs"
	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/server/native"
	"github.com/millrace-io/millrace/stream"
	"github.com/millrace-io/millrace/wal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait of a test; none takes nearly as long.
const patience = 30 * time.Second

var noDeadline time.Time

// fixture is a server on loopback over a new store.
type fixture struct {
	store   *stream.Store
	server  *native.Server
	address string
}

func start(t testing.TB, o native.Options) *fixture {
	t.Helper()
	f := startQuietly(t, o)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- f.server.Serve(listener) }()
	t.Cleanup(func() {
		if err := errors.Join(f.shutdown(), <-served); err != nil {
			t.Error(err)
		}
	})
	f.address = listener.Addr().String()
	return f
}

// startQuietly starts a server that listens nowhere.
func startQuietly(t testing.TB, o native.Options) *fixture {
	t.Helper()
	options := stream.Options{RetentionInterval: -1}
	if raceEnabled {
		options.Backend, options.FS = wal.BackendHeap, crashfs.New(crashfs.Options{})
	}
	store, err := stream.Open(t.TempDir(), options)
	if err != nil {
		t.Fatal(err)
	}
	server, err := native.New(store, o)
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{store: store, server: server}
	t.Cleanup(func() {
		if err := errors.Join(f.shutdown(), store.Close()); err != nil {
			t.Error(err)
		}
	})
	return f
}

func (f *fixture) shutdown() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return f.server.Shutdown(ctx)
}

func (f *fixture) create(t testing.TB, c stream.Config) *stream.Stream {
	t.Helper()
	made, err := f.store.Create(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// peer is the other end of a connection, at the level of messages.
type peer struct {
	t      testing.TB
	socket net.Conn
	reader *protocol.Reader
}

// dial connects without a word.
func (f *fixture) dial(t testing.TB) *peer {
	t.Helper()
	socket, err := net.Dial("tcp", f.address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	if err := socket.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return &peer{t, socket, protocol.NewReader(socket, 0)}
}

// connect dials and shakes hands.
func (f *fixture) connect(t testing.TB) *peer {
	t.Helper()
	return f.dial(t).greet()
}

// pipe is connect without a network, for use in a bubble of virtual time.
func (f *fixture) pipe(t testing.TB) *peer {
	t.Helper()
	near, far := net.Pipe()
	t.Cleanup(func() { near.Close() })
	f.server.ServeConnection(far)
	return &peer{t, near, protocol.NewReader(near, 0)}
}

// greet shakes hands.
func (p *peer) greet() *peer {
	p.t.Helper()
	p.send(protocol.Hello{Version: protocol.Version, Client: "test"}.AppendTo(nil, 1))
	var welcome protocol.Welcome
	if err := welcome.Parse(p.receive(protocol.TypeWelcome, 1)); err != nil {
		p.t.Fatal(err)
	}
	return p
}

func (p *peer) send(messages ...[]byte) {
	p.t.Helper()
	for _, message := range messages {
		if _, err := p.socket.Write(message); err != nil {
			p.t.Fatal(err)
		}
	}
}

// receive returns the next message, which must be this one.
func (p *peer) receive(kind protocol.MessageType, request uint32) protocol.Message {
	p.t.Helper()
	message, err := p.reader.Next()
	if err != nil {
		p.t.Fatalf("waiting for %v of request %d: %v", kind, request, err)
	}
	if message.Type != kind || message.Request != request {
		text := ""
		if message.Type == protocol.TypeError {
			text = p.failure(message).Error()
		}
		p.t.Fatalf("got %v of request %d (%s), want %v of %d", message.Type, message.Request, text, kind, request)
	}
	return message
}

func (p *peer) failure(message protocol.Message) error {
	p.t.Helper()
	var m protocol.Error
	if err := m.Parse(message); err != nil {
		p.t.Fatal(err)
	}
	return m.Failure()
}

// refused expects an Error of that kind.
func (p *peer) refused(request uint32, kind failure.Kind) {
	p.t.Helper()
	if err := p.failure(p.receive(protocol.TypeError, request)); !errors.Is(err, kind) {
		p.t.Fatalf("request %d: %v, want %v", request, err, kind)
	}
}

// closed expects the end of the connection.
func (p *peer) closed() {
	p.t.Helper()
	if message, err := p.reader.Next(); !errors.Is(err, io.EOF) {
		p.t.Fatalf("got %v, %v, want the end of the connection", message.Type, err)
	}
}

// acknowledged expects an Ack.
func (p *peer) acknowledged(request uint32) protocol.Ack {
	p.t.Helper()
	var m protocol.Ack
	if err := m.Parse(p.receive(protocol.TypeAck, request)); err != nil {
		p.t.Fatal(err)
	}
	return m
}

// frames expects Frames and returns the data of their records from the first
// asked for.
func (p *peer) frames(request uint32, from uint64) (head protocol.Frames, data []string) {
	p.t.Helper()
	message := p.receive(protocol.TypeFrames, request)
	if err := head.Parse(message); err != nil {
		p.t.Fatal(err)
	}
	return head, dataOf(p.t, head, message.Body, from)
}

func dataOf(t testing.TB, head protocol.Frames, body []byte, from uint64) (data []string) {
	t.Helper()
	for len(body) > 0 {
		h, err := protocol.CheckFrame(body, head.Salt)
		if err != nil {
			t.Fatal(err)
		}
		if h.Type == protocol.FrameData {
			batch := protocol.OpenBatch(h.Payload(body))
			for i := range batch.Len() {
				if h.Sequence+uint64(i) >= from {
					data = append(data, string(batch.Record(i).Data))
				}
			}
		}
		body = body[protocol.FrameSpan(int64(h.Length)):]
	}
	return data
}

// appendMessage is an Append of one batch.
func appendMessage(to *stream.Stream, shard record.ShardID, request uint32, p protocol.Producer, records ...record.Record) []byte {
	batch := protocol.AppendBatch(nil, records, p)
	m := protocol.Append{StreamID: to.ID(), Shard: shard, CRC: protocol.Checksum(0, batch), Count: uint16(len(records))}
	return append(m.AppendTo(nil, request, len(batch)), batch...)
}

// put is an Append of one record without a producer.
func put(to *stream.Stream, request uint32, data string) []byte {
	return appendMessage(to, 0, request, protocol.Producer{}, record.Record{PartitionKey: "k", Data: []byte(data)})
}

// healthy checks that the server goes on serving others.
func (f *fixture) healthy(t testing.TB) {
	t.Helper()
	name := fmt.Sprint("healthy-", time.Now().UnixNano())
	made := f.create(t, stream.Config{Name: name, Durability: record.None})
	p := f.connect(t)
	p.send(put(made, 7, "still here"))
	p.acknowledged(7)
	p.socket.Close()
}
