package millrace_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"

	"github.com/millrace-io/millrace"
	"github.com/millrace-io/millrace/failure"
)

// open makes an engine in a temporary directory.
func open() (engine *millrace.Engine, done func()) {
	dir, err := os.MkdirTemp("", "millrace")
	if err != nil {
		log.Fatal(err)
	}
	engine, err = millrace.Open(dir, millrace.Options{})
	if err != nil {
		log.Fatal(err)
	}
	return engine, func() {
		if err := errors.Join(engine.Close(), os.RemoveAll(dir)); err != nil {
			log.Fatal(err)
		}
	}
}

// Write a record and read it back.
func Example() {
	ctx := context.Background()
	engine, done := open()
	defer done()

	greetings, err := engine.CreateStream(ctx, millrace.StreamConfig{Name: "greetings"})
	if err != nil {
		log.Fatal(err)
	}
	at, err := greetings.Put(ctx, millrace.Record{PartitionKey: "world", Data: []byte("hello")})
	if err != nil {
		log.Fatal(err)
	}
	for view, err := range greetings.Scan(ctx, at.Shard, millrace.TrimHorizon()) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%d: %s, %s\n", view.Sequence, view.Data, view.Key)
	}
	// Output: 1: hello, world
}

// Follow a shard while it is written.
func ExampleStream_Records() {
	ctx := context.Background()
	engine, done := open()
	defer done()

	ticks, err := engine.CreateStream(ctx, millrace.StreamConfig{Name: "ticks"})
	if err != nil {
		log.Fatal(err)
	}
	written := make(chan error, 1)
	go func() {
		for i := range 3 {
			if _, err := ticks.Put(ctx, millrace.Record{PartitionKey: "clock", Data: fmt.Append(nil, "tick ", i)}); err != nil {
				written <- err
				return
			}
		}
		written <- nil
	}()

	seen := 0
	for view, err := range ticks.Records(ctx, 0, millrace.TrimHorizon()) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(string(view.Data)) // a copy: the view ends with this turn
		if seen++; seen == 3 {
			break
		}
	}
	if err := <-written; err != nil {
		log.Fatal(err)
	}
	// Output:
	// tick 0
	// tick 1
	// tick 2
}

// A batch is spread over the shards; each record has a result of its own.
func ExampleStream_PutBatch() {
	ctx := context.Background()
	engine, done := open()
	defer done()

	orders, err := engine.CreateStream(ctx, millrace.StreamConfig{Name: "orders", Shards: 4})
	if err != nil {
		log.Fatal(err)
	}
	results, err := orders.PutBatch(ctx, []millrace.Record{
		{PartitionKey: "alice", Data: []byte("tea")},
		{PartitionKey: "bob", Data: []byte("coffee")},
		{PartitionKey: "", Data: []byte("a record without a key")},
		{PartitionKey: "alice", Data: []byte("milk")},
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, result := range results {
		if errors.Is(result.Err, failure.InvalidArgument) {
			fmt.Println("refused")
			continue
		}
		fmt.Println(result.Shard, result.Sequence)
	}
	// Output:
	// shardId-000000000001 1
	// shardId-000000000002 1
	// refused
	// shardId-000000000001 2
}

// Streams are found by name, and know their own state.
func ExampleEngine_Stream() {
	ctx := context.Background()
	engine, done := open()
	defer done()

	_, err := engine.CreateStream(ctx, millrace.StreamConfig{
		Name:       "metrics",
		Shards:     2,
		Durability: millrace.Interval,
	})
	if err != nil {
		log.Fatal(err)
	}
	metrics, err := engine.Stream("metrics")
	if err != nil {
		log.Fatal(err)
	}
	description := metrics.Describe()
	fmt.Println(description.Config.Durability, len(description.Shards), description.Config.RetentionTime)

	_, err = engine.Stream("metrix")
	fmt.Println(errors.Is(err, failure.NotFound))
	// Output:
	// interval 2 24h0m0s
	// true
}
