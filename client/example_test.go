package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os/signal"
	"syscall"
	"time"

	"github.com/millrace-io/millrace/client"
	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/record"
)

func ExampleNew() {
	ctx := context.Background()
	c, err := client.New(ctx, "localhost:4568", client.WithName("billing"))
	if err != nil {
		log.Print(err) // no server there, or something else than Millrace
		return
	}
	defer c.Close()
	description, err := c.CreateStream(ctx, client.StreamConfig{Name: "orders", Shards: 4, Durability: record.Group})
	switch {
	case errors.Is(err, failure.AlreadyExists):
		fmt.Println("somebody was faster")
	case err != nil:
		log.Print(err)
	default:
		fmt.Println(description.Name, "has", len(description.Shards), "shards")
	}
}

func ExampleClient_Put() {
	ctx := context.Background()
	c, err := client.New(ctx, "localhost:4568")
	if err != nil {
		log.Print(err)
		return
	}
	defer c.Close()
	position, err := c.Put(ctx, "orders", record.Record{PartitionKey: "customer-17", Data: []byte("3 apples")})
	if err != nil {
		log.Print(err)
		return
	}
	fmt.Println(position.Shard, position.SequenceNumber())
}

func ExampleClient_PutBatch() {
	ctx := context.Background()
	c, err := client.New(ctx, "localhost:4568")
	if err != nil {
		log.Print(err)
		return
	}
	defer c.Close()
	records := []record.Record{
		{PartitionKey: "customer-17", Data: []byte("3 apples")},
		{PartitionKey: "customer-18", Data: []byte("a pear")},
	}
	results, err := c.PutBatch(ctx, "orders", records)
	if err != nil {
		for i, result := range results {
			if result.Err != nil {
				fmt.Println(records[i].PartitionKey, result.Err)
			}
		}
	}
}

func ExampleProducer() {
	ctx := context.Background()
	c, err := client.New(ctx, "localhost:4568")
	if err != nil {
		log.Print(err)
		return
	}
	defer c.Close()
	producer, err := c.NewProducer(ctx, "orders", client.WithLinger(20*time.Millisecond))
	if err != nil {
		log.Print(err)
		return
	}
	for i := range 1_000_000 {
		r := record.Record{PartitionKey: fmt.Sprint("customer-", i%1000), Data: fmt.Appendf(nil, "order %d", i)}
		err := producer.Produce(ctx, r, func(result client.Result) {
			if result.Err != nil {
				log.Print(result.Err)
			}
		})
		if err != nil {
			log.Print(err)
			break
		}
	}
	if err := producer.Close(ctx); err != nil {
		log.Print(err)
	}
}

func ExampleClient_Records() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT)
	defer stop()
	c, err := client.New(ctx, "localhost:4568")
	if err != nil {
		log.Print(err)
		return
	}
	defer c.Close()
	for r, err := range c.Records(ctx, "orders", client.FromLatest()) {
		if err != nil {
			log.Print(err)
			return
		}
		fmt.Println(r.PartitionKey, string(r.Data), r.Position.Arrival())
	}
}

func ExampleClient_Batches() {
	ctx := context.Background()
	c, err := client.New(ctx, "localhost:4568")
	if err != nil {
		log.Print(err)
		return
	}
	defer c.Close()
	checkpoint := map[record.ShardID]uint64{0: 4711}
	total := 0
	for batch, err := range c.Batches(ctx, "orders", client.FromPositions(checkpoint), client.UntilLatest()) {
		if err != nil {
			log.Print(err)
			return
		}
		for i := range batch.Len() {
			total += len(batch.View(i).Data) // valid until the next batch
		}
		last := batch.Position(batch.Len() - 1)
		checkpoint[last.Shard] = last.Sequence
	}
	fmt.Println(total, "bytes")
}
