package client_test

import (
	"fmt"
	"net"
	"testing"

	"github.com/millrace-io/millrace/client"
	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/record"
)

// serveNothing accepts connections on loopback and acknowledges every append
// without looking at it: what is measured is the client and the sockets.
func serveNothing(b *testing.B) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go acknowledge(connection)
		}
	}()
	return listener.Addr().String()
}

func acknowledge(connection net.Conn) {
	defer connection.Close()
	reader := protocol.NewReader(connection, 0)
	var out []byte
	for next := uint64(1); ; {
		message, err := reader.Next()
		if err != nil {
			return
		}
		switch message.Type {
		case protocol.TypeHello:
			out = protocol.Welcome{Version: protocol.Version}.AppendTo(out[:0], message.Request)
		case protocol.TypeDescribe:
			out = protocol.Description{StreamID: 1, Shards: []protocol.ShardDescription{
				{Range: record.SplitEvenly(1)[0]},
			}}.AppendTo(out[:0], message.Request)
		case protocol.TypeAppend:
			var m protocol.Append
			if m.Parse(message) != nil {
				return
			}
			out = protocol.Ack{First: next, Last: next + uint64(m.Count) - 1}.AppendTo(out[:0], message.Request)
			next += uint64(m.Count)
		}
		if _, err := connection.Write(out); err != nil {
			return
		}
	}
}

func BenchmarkProduce(b *testing.B) {
	for _, size := range []int{100, 1024} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			c, err := client.New(b.Context(), serveNothing(b))
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			p, err := c.NewProducer(b.Context(), "orders")
			if err != nil {
				b.Fatal(err)
			}
			r := record.Record{PartitionKey: "customer-17", Data: make([]byte, size)}
			done := func(result client.Result) {
				if result.Err != nil {
					b.Error(result.Err)
				}
			}
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if err := p.Produce(b.Context(), r, done); err != nil {
					b.Fatal(err)
				}
			}
			if err := p.Close(b.Context()); err != nil {
				b.Fatal(err)
			}
		})
	}
}

func BenchmarkPut(b *testing.B) {
	c, err := client.New(b.Context(), serveNothing(b))
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	r := record.Record{PartitionKey: "customer-17", Data: make([]byte, 1024)}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Put(b.Context(), "orders", r); err != nil {
			b.Fatal(err)
		}
	}
}
