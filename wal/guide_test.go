package wal_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"slices"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/wal"
)

// The examples of docs/how-to/embed.md, which shows parts of them.

// appendOrMakeRoom answers a full disk by giving up the older half of the log.
func appendOrMakeRoom(ctx context.Context, l *wal.Log, records []record.Record) (record.Range, error) {
	r, err := l.Append(ctx, records, protocol.Producer{})
	if !errors.Is(err, failure.NoSpace) {
		return r, err
	}
	// Nothing of the batch is in the log, and the log is as good as before.
	if err := l.TrimBytes(l.Stats().Bytes / 2); err != nil {
		return r, err
	}
	return l.Append(ctx, records, protocol.Producer{})
}

// afterPoison opens a log again that could not write or sync, and returns what
// of the unacknowledged records it does not have.
func afterPoison(dir string, poisoned *wal.Log, unacknowledged []record.Record, first uint64) (*wal.Log, []record.Record, error) {
	if !errors.Is(poisoned.Err(), failure.Poisoned) {
		return poisoned, unacknowledged, nil
	}
	_ = poisoned.Close() // its error is the one that is known
	l, err := wal.Open(dir, wal.Options{}, wal.LogOptions{})
	if err != nil {
		return nil, nil, err
	}
	kept := min(max(l.Next(), first)-first, uint64(len(unacknowledged)))
	return l, unacknowledged[kept:], nil
}

// One log of weak durability, and one append in it that waits for the device.
func ExampleLog_WaitDurable() {
	dir, remove := temporary()
	defer remove()
	ctx := context.Background()
	l, err := wal.Open(dir, wal.Options{}, wal.LogOptions{Durability: record.Interval})
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	r, err := appendOrMakeRoom(ctx, l, []record.Record{{PartitionKey: "k", Data: []byte("important")}})
	if err != nil {
		log.Fatal(err)
	}
	// The kernel has the record: this process may die. Now the power may, too:
	if err := l.WaitDurable(ctx, r.Last); err != nil {
		log.Fatal(err)
	}
	l, missing, err := afterPoison(dir, l, nil, r.Last+1)
	fmt.Println(l.Stats().Durable >= r.Last, len(missing), err)
	// Output: true 0 <nil>
}

// What lives longer than a view is copied.
func ExampleCursor_View() {
	dir, remove := temporary()
	defer remove()
	l, err := wal.Open(dir, wal.Options{}, wal.LogOptions{})
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	for _, text := range []string{"a", "b", "c"} {
		if _, err := l.Append(context.Background(), []record.Record{{PartitionKey: "k", Data: []byte(text)}}, protocol.Producer{}); err != nil {
			log.Fatal(err)
		}
	}
	c, err := l.Cursor(record.TrimHorizon())
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close() // also lets go of the segment, which retention may have removed
	var kept [][]byte
	for c.TryNext() {
		kept = append(kept, slices.Clone(c.View().Data))
	}
	if err := c.Err(); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", kept)
	// Output: [a b c]
}

// A log whose newest records are replaced, as in a replica that followed the
// wrong leader.
func ExampleLog_CutAfter() {
	dir, remove := temporary()
	defer remove()
	ctx := context.Background()
	l, err := wal.Open(dir, wal.Options{}, wal.LogOptions{})
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	entry := func(text string) record.Record {
		return record.Record{PartitionKey: "entry", Data: []byte(text)}
	}
	// Each record is a batch of its own, and all share one sync.
	if _, err := l.AppendEach(ctx, []record.Record{entry("a"), entry("b"), entry("x"), entry("y")}); err != nil {
		log.Fatal(err)
	}
	if err := l.CutAfter(ctx, 2); err != nil {
		log.Fatal(err) // nil: the records from 3 on are gone for good
	}
	r, err := l.AppendEach(ctx, []record.Record{entry("c")})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("record", r.First, "is another one now")
	// Output: record 3 is another one now
}
