package stream_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/stream"
)

// Create a stream, write to it, and read the shard that took the record.
func ExampleOpen() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "millrace")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	store, err := stream.Open(dir, stream.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()

	orders, err := store.Create(ctx, stream.Config{Name: "orders", Shards: 4})
	if err != nil {
		log.Fatal(err)
	}
	at, err := orders.Put(ctx, record.Record{PartitionKey: "alice", Data: []byte("tea")})
	if err != nil {
		log.Fatal(err)
	}
	from, err := orders.Shard(at.Shard)
	if err != nil {
		log.Fatal(err)
	}
	cursor, err := from.Cursor(record.AtSequence(at.Sequence))
	if err != nil {
		log.Fatal(err)
	}
	defer cursor.Close()
	for cursor.TryNext() {
		fmt.Printf("%v: %s\n", at.Shard, cursor.View().Data)
	}

	_, err = store.Create(ctx, stream.Config{Name: "orders"})
	fmt.Println(errors.Is(err, failure.AlreadyExists))
	// Output:
	// shardId-000000000001: tea
	// true
}
