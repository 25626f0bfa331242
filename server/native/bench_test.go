package native_test

import (
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/server/native"
	"github.com/millrace-io/millrace/stream"
)

// batchOf returns an Append of records records of dataBytes each.
func batchOf(to *stream.Stream, records, dataBytes int) []byte {
	made := make([]record.Record, records)
	for i := range made {
		made[i] = record.Record{PartitionKey: fmt.Sprint("key-", i), Data: make([]byte, dataBytes)}
	}
	return appendMessage(to, 0, 1, protocol.Producer{}, made...)
}

// BenchmarkAppend sends batches over loopback, with as many in flight as the
// server allows. Client and server share the processors; the client does nothing
// but write the same bytes and count answers.
func BenchmarkAppend(b *testing.B) {
	for _, mode := range []record.Durability{record.None, record.Group} {
		for _, shape := range []struct{ records, dataBytes int }{{256, 1024}, {1, 100}} {
			b.Run(fmt.Sprintf("%v/%dx%dB", mode, shape.records, shape.dataBytes), func(b *testing.B) {
				f := start(b, native.Options{})
				made := f.create(b, stream.Config{Name: "a", Durability: mode})
				p := f.connect(b)
				if err := p.socket.SetDeadline(noDeadline); err != nil {
					b.Fatal(err)
				}
				message := batchOf(made, shape.records, shape.dataBytes)
				b.SetBytes(int64(shape.records * shape.dataBytes))
				b.ReportAllocs()
				b.ResetTimer()
				go write(p.socket, message, b.N)
				for range b.N {
					p.acknowledged(1)
				}
			})
		}
	}
}

// write sends a message n times, small ones many at once.
func write(socket net.Conn, message []byte, n int) {
	const atOnce = 64 << 10
	burst := message
	times := 1
	for len(burst)+len(message) <= atOnce {
		burst, times = append(burst, message...), times+1
	}
	for ; n >= times; n -= times {
		if _, err := socket.Write(burst); err != nil {
			return
		}
	}
	for range n {
		if _, err := socket.Write(message); err != nil {
			return
		}
	}
}

// BenchmarkSubscribe reads a log over loopback, in bytes of frames.
func BenchmarkSubscribe(b *testing.B) {
	f := start(b, native.Options{})
	made := f.create(b, stream.Config{Name: "a", Durability: record.None})
	p := f.connect(b)
	message := batchOf(made, 256, 1024)
	const batches = 512
	go write(p.socket, message, batches)
	for range batches {
		p.acknowledged(1)
	}
	if err := p.socket.SetDeadline(noDeadline); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(batches * 256 << 10)
	b.ReportAllocs()
	for b.Loop() {
		p.send(protocol.Subscribe{StreamID: made.ID(), Start: record.TrimHorizon(), Credits: 1 << 31}.AppendTo(nil, 2))
		for next := uint64(1); next < batches*256; {
			var head protocol.Frames
			if err := head.Parse(p.receive(protocol.TypeFrames, 2)); err != nil {
				b.Fatal(err)
			}
			next = head.Next
		}
		p.send(protocol.Unsubscribe{}.AppendTo(nil, 2))
		p.receive(protocol.TypeDone, 2)
	}
}

// TestAppendAllocatesNothing measures the whole server, whose share of the
// process is everything that the test itself does not do.
func TestAppendAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	f := start(t, native.Options{})
	made := f.create(t, stream.Config{Name: "a", Durability: record.None})
	p := f.connect(t)
	const atOnce = 100
	message := batchOf(made, 10, 100)
	var burst []byte
	for range atOnce {
		burst = append(burst, message...)
	}
	answers := make([]byte, atOnce*len(protocol.Ack{}.AppendTo(nil, 1)))
	perBurst := testing.AllocsPerRun(50, func() {
		if _, err := p.socket.Write(burst); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(p.socket, answers); err != nil {
			t.Fatal(err)
		}
	})
	// A commit may start a goroutine; appends must not cost one allocation each.
	if perBurst >= atOnce/2 {
		t.Errorf("%v allocations for %d appends", perBurst, atOnce)
	}
	t.Logf("%v allocations for %d appends", perBurst, atOnce)
}
