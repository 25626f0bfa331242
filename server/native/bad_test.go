package native_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/server/native"
	"github.com/millrace-io/millrace/stream"
)

// Every message that breaks the protocol is named, in its place behind the
// answers that are due, and ends the connection but not the server.
func TestBadMessagesAreNamed(t *testing.T) {
	f := start(t, native.Options{MessageBytesMax: 1 << 20})
	made := f.create(t, stream.Config{Name: "a", Durability: record.None})
	good := put(made, 9, "x")
	change := func(at int, b byte) []byte {
		changed := append([]byte(nil), good...)
		if at < 0 {
			at += len(changed)
		}
		changed[at] ^= b
		return changed
	}
	uncanonical := func() []byte {
		batch := append(protocol.AppendBatch(nil, []record.Record{{PartitionKey: "k"}}, protocol.Producer{}), 1, 2, 3, 4, 5, 6, 7, 8)
		m := protocol.Append{StreamID: made.ID(), CRC: protocol.Checksum(0, batch), Count: 1}
		return append(m.AppendTo(nil, 9, len(batch)), batch...)
	}
	oversize := put(made, 9, "x")
	oversize[2] = 0x20 // a length of 2 MiB
	body := protocol.List{}.AppendTo(nil, 9)
	body[0] += 8
	cases := []struct {
		name    string
		message []byte
		request uint32 // 0: the error concerns the connection alone
		kind    failure.Kind
	}{
		{"checksum", change(-1, 1), 9, failure.Malformed},
		{"head of an append", change(protocol.PreludeSize+4, 0xff), 9, failure.Malformed},
		{"batch that is not canonical", uncanonical(), 9, failure.Malformed},
		{"second hello", protocol.Hello{Version: 1}.AppendTo(nil, 9), 9, failure.Malformed},
		{"answer from a client", protocol.Pong{}.AppendTo(nil, 9), 9, failure.Malformed},
		{"body where none belongs", append(body, make([]byte, 8)...), 9, failure.Malformed},
		{"length beyond the limit", oversize, 0, failure.TooLarge},
		{"flags of the future", change(10, 1), 0, failure.NewerVersion},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			p := f.connect(t)
			p.send(put(made, 8, "before"), c.message)
			p.acknowledged(8)
			if c.request != 0 {
				p.refused(c.request, c.kind)
			}
			p.refused(0, c.kind)
			p.closed()
			f.healthy(t)
		})
	}
}

func TestUnknownRequestIsRefusedAndNothingElse(t *testing.T) {
	f := start(t, native.Options{})
	p := f.connect(t)
	future := protocol.Ping{}.AppendTo(nil, 3)
	future[8] = 200
	p.send(future)
	p.refused(3, failure.NewerVersion)
	p.send(protocol.Ping{}.AppendTo(nil, 4))
	p.receive(protocol.TypePong, 4)
}

func TestRecordsBeyondTheirLimitsAreRefused(t *testing.T) {
	f := start(t, native.Options{})
	made := f.create(t, stream.Config{Name: "a", Durability: record.None})
	p := f.connect(t)
	p.send(
		appendMessage(made, 0, 1, protocol.Producer{}, record.Record{PartitionKey: "k", Data: make([]byte, record.DataMax+1)}),
		appendMessage(made, 0, 2, protocol.Producer{}, record.Record{}),
		appendMessage(made, 0, 3, protocol.Producer{}, record.Record{PartitionKey: "k", Data: make([]byte, record.DataMax)}),
	)
	p.refused(1, failure.TooLarge)
	p.refused(2, failure.InvalidArgument)
	if got := p.acknowledged(3); got.First != 1 {
		t.Errorf("the good record got %+v", got)
	}
}

func TestHelloComesFirst(t *testing.T) {
	f := start(t, native.Options{})
	for name, message := range map[string][]byte{
		"another request":  protocol.Ping{}.AppendTo(nil, 1),
		"version 0":        protocol.Hello{}.AppendTo(nil, 1),
		"another protocol": []byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
	} {
		t.Run(name, func(t *testing.T) {
			p := f.dial(t)
			p.send(message)
			message, err := p.reader.Next()
			if err != nil {
				t.Fatal(err)
			}
			if message.Type != protocol.TypeError || message.Request != 0 {
				t.Fatalf("got %v of %d", message.Type, message.Request)
			}
			p.closed()
		})
	}
	f.healthy(t)
}

func TestClientsThatVanish(t *testing.T) {
	f := start(t, native.Options{})
	made := f.create(t, stream.Config{Name: "a"})
	half := put(made, 2, "half")
	cases := map[string]func(p *peer){
		"mid-message": func(p *peer) { p.send(half[:len(half)-3]) },
		"mid-prelude": func(p *peer) { p.send(half[:7]) },
		"mid-subscription": func(p *peer) {
			p.send(protocol.Subscribe{StreamID: made.ID(), Start: record.Latest(), Credits: 1 << 20}.AppendTo(nil, 2))
		},
		"without an answer": func(p *peer) {
			p.send(half, protocol.Fetch{StreamID: made.ID(), Start: record.Latest(), Wait: time.Minute}.AppendTo(nil, 3))
		},
	}
	for name, act := range cases {
		for _, reset := range []bool{false, true} {
			t.Run(fmt.Sprint(name, " reset ", reset), func(t *testing.T) {
				p := f.connect(t)
				p.send(put(made, 1, "acknowledged"))
				p.acknowledged(1)
				act(p)
				if reset {
					if err := p.socket.(*net.TCPConn).SetLinger(0); err != nil {
						t.Fatal(err)
					}
				}
				p.socket.Close()
				f.healthy(t)
			})
		}
	}
	// The acknowledged ones are all there; those cut off are not, those sent
	// whole may be.
	s, err := made.Shard(0)
	if err != nil {
		t.Fatal(err)
	}
	acknowledged := uint64(2 * len(cases))
	if next := s.Next(); next < acknowledged+1 || next > acknowledged+1+2 {
		t.Errorf("next = %d after %d acknowledged records", next, acknowledged)
	}
}

func TestHalfClosedConnectionGetsItsAnswers(t *testing.T) {
	f := start(t, native.Options{})
	made := f.create(t, stream.Config{Name: "a"})
	p := f.connect(t)
	for i := range 100 {
		p.send(put(made, uint32(i+1), "x"))
	}
	if err := p.socket.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		p.acknowledged(uint32(i + 1))
	}
	p.closed()
}

func TestTimeouts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := startQuietly(t, native.Options{})
		made := f.create(t, stream.Config{Name: "a", Durability: record.None})
		took := func(limit time.Duration, act func(p *peer)) {
			p, began := f.pipe(t), time.Now()
			act(p)
			p.refused(0, failure.Timeout)
			p.closed()
			if waited := time.Since(began); waited != limit {
				t.Errorf("the server gave up after %v, want %v", waited, limit)
			}
		}
		took(10*time.Second, func(*peer) {})
		took(10*time.Second, func(p *peer) {
			hello := protocol.Hello{Version: 1}.AppendTo(nil, 1)
			for i := range 9 {
				p.send(hello[i : i+1])
				time.Sleep(time.Second)
			}
		})
		took(10*time.Minute, func(p *peer) { p.greet() })
		took(2*time.Minute, func(p *peer) {
			p.greet()
			time.Sleep(time.Minute)
			message := put(made, 1, "x")
			for i := range 59 {
				p.send(message[i : i+1])
				time.Sleep(time.Second)
			}
		})

		// Who waits for something is not idle.
		p := f.pipe(t).greet()
		p.send(protocol.Subscribe{StreamID: made.ID(), Start: record.Latest(), Credits: 1}.AppendTo(nil, 1))
		time.Sleep(time.Hour)
		p.send(protocol.Unsubscribe{}.AppendTo(nil, 1))
		p.receive(protocol.TypeDone, 1)
		p.send(protocol.Fetch{StreamID: made.ID(), Start: record.Latest(), Wait: time.Hour}.AppendTo(nil, 2))
		began := time.Now()
		p.frames(2, 0)
		if waited := time.Since(began); waited != time.Minute {
			t.Errorf("a fetch waited %v, want the limit of 1m", waited)
		}
		p.socket.Close()
	})
}

func TestClientThatTakesNothingIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := startQuietly(t, native.Options{})
		made := f.create(t, stream.Config{Name: "a", Durability: record.None})
		stuck, well := f.pipe(t).greet(), f.pipe(t).greet()
		stuck.send(protocol.Subscribe{StreamID: made.ID(), Start: record.TrimHorizon(), Credits: 1 << 20}.AppendTo(nil, 1))
		well.send(put(made, 1, "x"))
		well.acknowledged(1)
		time.Sleep(29 * time.Second)
		if open := f.server.Stats().Connections; open != 2 {
			t.Errorf("%d connections before the timeout", open)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if open := f.server.Stats().Connections; open != 1 {
			t.Errorf("%d connections after the timeout", open)
		}
		well.send(put(made, 2, "y"))
		well.acknowledged(2)
		well.socket.Close()
	})
}

func TestLimitsOfConnectionsAndSubscriptions(t *testing.T) {
	f := start(t, native.Options{ConnectionsMax: 2, SubscriptionsMax: 2})
	made := f.create(t, stream.Config{Name: "a"})
	p, _ := f.connect(t), f.connect(t)
	third := f.dial(t)
	third.refused(0, failure.Unavailable)
	subscribe := func(request uint32) {
		p.send(protocol.Subscribe{StreamID: made.ID(), Credits: 1}.AppendTo(nil, request))
	}
	subscribe(1)
	subscribe(2)
	subscribe(3)
	p.refused(3, failure.Conflict)
	subscribe(2)
	p.refused(2, failure.Malformed)
	p.refused(0, failure.Malformed)
	p.closed()
}

// Under a load of many connections a shutdown acknowledges nothing that is not
// there, tells everybody why, and loses nothing acknowledged.
func TestShutdownUnderLoad(t *testing.T) {
	f := start(t, native.Options{})
	made := f.create(t, stream.Config{Name: "a"})
	const writers = 4
	var group sync.WaitGroup
	under := make(chan struct{}, writers)
	acknowledged := make([]uint64, writers)
	for i := range writers {
		p := f.connect(t)
		group.Go(func() {
			for request := uint32(1); ; request++ {
				if _, err := p.socket.Write(put(made, request, "x")); err != nil {
					return
				}
			}
		})
		group.Go(func() {
			for {
				message, err := p.reader.Next()
				if err != nil {
					t.Errorf("the connection ended without a word: %v", err)
					return
				}
				if message.Type == protocol.TypeError {
					if err := p.failure(message); message.Request != 0 || !errors.Is(err, failure.Unavailable) {
						t.Errorf("request %d: %v", message.Request, err)
					}
					p.socket.Close()
					return
				}
				var m protocol.Ack
				if err := m.Parse(message); err != nil {
					t.Error(err)
					return
				}
				if acknowledged[i]++; acknowledged[i] == 100 {
					under <- struct{}{}
				}
			}
		})
	}
	for range writers {
		<-under
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := f.server.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	group.Wait()
	total := uint64(0)
	for _, n := range acknowledged {
		total += n
	}
	s, err := made.Shard(0)
	if err != nil {
		t.Fatal(err)
	}
	if next := s.Next(); next <= total {
		t.Errorf("%d records acknowledged, next is %d", total, next)
	}
}

func TestShutdownCutsOffWhatDoesNotEnd(t *testing.T) {
	f := start(t, native.Options{})
	made := f.create(t, stream.Config{Name: "a", Durability: record.None})
	p := f.connect(t)
	for i := range 8 {
		p.send(appendMessage(made, 0, uint32(i+1), protocol.Producer{}, record.Record{PartitionKey: "k", Data: make([]byte, 4<<20)}))
		p.acknowledged(uint32(i + 1))
	}
	stuck := f.connect(t)
	stuck.send(protocol.Subscribe{StreamID: made.ID(), Start: record.TrimHorizon(), Credits: 1 << 30}.AppendTo(nil, 1))
	stuck.receive(protocol.TypeFrames, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.server.Shutdown(ctx); !errors.Is(err, failure.Timeout) {
		t.Errorf("err = %v, want Timeout", err)
	}
}
