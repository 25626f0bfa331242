package main

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace-io/millrace/client"
	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/record/kpl"
)

// TestUnopenedShardIsNotEmpty reads a stream one shard of which the server
// could not open. It says so instead of showing the other shards as if they
// were all.
func TestUnopenedShardIsNotEmpty(t *testing.T) {
	d := client.Description{Shards: []client.ShardDescription{{ID: 0, First: 1, Next: 5}, {ID: 1}}}
	if _, _, err := (&readFlags{last: -1}).spans(d); !errors.Is(err, failure.Unavailable) {
		t.Errorf("got %v, want failure.Unavailable", err)
	}
	history, _, err := (&readFlags{last: -1, shards: []string{"0"}}).spans(d)
	if err != nil || len(history) != 1 {
		t.Errorf("the other shard: %v, %v", history, err)
	}
}

// TestComingRecordsAreUnpacked follows a stream whose producer aggregates.
func TestComingRecordsAreUnpacked(t *testing.T) {
	address, stop, err := startTestServer(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	cl, err := client.New(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	if _, err := cl.CreateStream(t.Context(), client.StreamConfig{Name: "packed", Shards: 1}); err != nil {
		t.Fatal(err)
	}
	producer, err := cl.NewProducer(t.Context(), "packed", client.WithAggregation(kpl.Options{RecordsMax: 2}))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		r := record.Record{PartitionKey: "k", Data: fmt.Append(nil, i)}
		if err := producer.Produce(t.Context(), r, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := producer.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	follow := func(raw bool, n int) (got []string) {
		for r, err := range comeIn(t.Context(), cl, "packed", map[record.ShardID]uint64{0: 0}, raw) {
			if err != nil {
				t.Fatal(err)
			}
			text := string(r.Data)
			if kpl.Is(r.Data) {
				text = "packed"
			}
			if got = append(got, fmt.Sprintf("%d.%d %v %s", r.Sequence, r.Subsequence, r.Aggregated, text)); len(got) == n {
				break
			}
		}
		return got
	}
	want := []string{"1.0 true 0", "1.1 true 1", "2.0 true 2", "2.1 true 3", "3.0 false 4"}
	if diff := cmp.Diff(want, follow(false, 5)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	want = []string{"1.0 false packed", "2.0 false packed", "3.0 false 4"}
	if diff := cmp.Diff(want, follow(true, 3)); diff != "" {
		t.Errorf("raw (-want +got):\n%s", diff)
	}
}
