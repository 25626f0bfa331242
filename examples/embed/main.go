// Command embed uses Millrace as a library: it keeps the orders of a shop in a
// stream, in this process and without a server, and counts them per customer.
//
//	go run .            in a temporary directory
//	go run . -data DIR  in a directory that stays: each run finds the orders of the last
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"slices"

	"github.com/millrace-io/millrace"
	"github.com/millrace-io/millrace/failure"
)

func main() {
	data := flag.String("data", "", "directory of the stream; empty: a temporary one")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *data); err != nil {
		fmt.Fprintln(os.Stderr, "embed:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, data string) (err error) {
	if data == "" {
		if data, err = os.MkdirTemp("", "millrace-embed"); err != nil {
			return err
		}
		defer os.RemoveAll(data)
	}
	engine, err := millrace.Open(data, millrace.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, engine.Close()) }()

	orders, err := engine.CreateStream(ctx, millrace.StreamConfig{Name: "orders", Shards: 2})
	if errors.Is(err, failure.AlreadyExists) {
		orders, err = engine.Stream("orders")
	}
	if err != nil {
		return err
	}
	if err := place(ctx, orders); err != nil {
		return err
	}
	return count(ctx, orders)
}

// place writes a few orders. When it returns they are on the disk: the default
// durability is group.
func place(ctx context.Context, orders *millrace.Stream) error {
	var batch []millrace.Record
	for _, o := range []struct{ customer, item string }{
		{"ada", "engine"}, {"grace", "compiler"}, {"ada", "loom"}, {"edsger", "path"},
	} {
		batch = append(batch, millrace.Record{PartitionKey: o.customer, Data: []byte(o.item)})
	}
	results, err := orders.PutBatch(ctx, batch)
	if err != nil {
		return err
	}
	for i, result := range results {
		if result.Err != nil {
			return result.Err
		}
		fmt.Printf("%-8s by %-6s is record %d of %v\n", batch[i].Data, batch[i].PartitionKey, result.Sequence, result.Shard)
	}
	return nil
}

// count reads every shard from the oldest record to the newest.
func count(ctx context.Context, orders *millrace.Stream) error {
	total := make(map[string]int)
	for _, shard := range orders.Describe().Shards {
		for view, err := range orders.Scan(ctx, shard.ID, millrace.TrimHorizon()) {
			if err != nil {
				return err
			}
			total[string(view.Key)]++ // string copies: the view ends with this turn
		}
	}
	for _, customer := range slices.Sorted(maps.Keys(total)) {
		fmt.Printf("%-6s has ordered %d\n", customer, total[customer])
	}
	return nil
}
