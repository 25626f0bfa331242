package wal_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/wal"
)

func temporary() (dir string, remove func()) {
	dir, err := os.MkdirTemp("", "millrace-example-")
	if err != nil {
		log.Fatal(err)
	}
	return dir, func() { _ = os.RemoveAll(dir) }
}

// A log, one durable append, and a reader.
func ExampleOpen() {
	dir, remove := temporary()
	defer remove()
	l, err := wal.Open(dir, wal.Options{}, wal.LogOptions{})
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	r, err := l.Append(ctx, []record.Record{
		{PartitionKey: "sensor 1", Data: []byte("21.5")},
		{PartitionKey: "sensor 2", Data: []byte("19.0")},
	}, protocol.Producer{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("durable:", r.First, "to", r.Last)

	c, err := l.Cursor(record.TrimHorizon())
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	for c.TryNext() {
		v := c.View()
		fmt.Printf("%d %s %s\n", v.Sequence, v.Key, v.Data)
	}
	// Output:
	// durable: 1 to 2
	// 1 sensor 1 21.5
	// 2 sensor 2 19.0
}

// A batch that is sent again by an idempotent producer is in the log once.
func ExampleLog_Append_idempotent() {
	dir, remove := temporary()
	defer remove()
	l, err := wal.Open(dir, wal.Options{}, wal.LogOptions{})
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	records := []record.Record{{PartitionKey: "k", Data: []byte("once")}}
	for range 3 {
		r, err := l.Append(context.Background(), records, protocol.Producer{ID: 42, Sequence: 0})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("record", r.First)
	}
	fmt.Println("next", l.Next())
	// Output:
	// record 1
	// record 1
	// record 1
	// next 2
}

// Whole frames, as they are on disk, for sending on without decoding.
func ExampleCursor_Frames() {
	dir, remove := temporary()
	defer remove()
	l, err := wal.Open(dir, wal.Options{}, wal.LogOptions{Durability: record.None})
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	for range 3 {
		if _, err := l.Append(context.Background(), []record.Record{{PartitionKey: "k", Data: []byte("x")}}, protocol.Producer{}); err != nil {
			log.Fatal(err)
		}
	}
	c, err := l.Cursor(record.AtSequence(2))
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	frames, ok := c.Frames(64 << 10)
	fmt.Println(ok, frames.First, frames.Next)
	for b := frames.Bytes; len(b) > 0; {
		h, err := protocol.CheckFrame(b, frames.Salt)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("frame of record", h.Sequence)
		b = b[h.Span():]
	}
	// Output:
	// true 2 4
	// frame of record 2
	// frame of record 3
}
