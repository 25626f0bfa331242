package client_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/millrace-io/millrace/client"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/record/kpl"
)

// inside takes the records of shards apart. It returns their data, and the
// sequence of the record each was found in.
func inside(t interface{ Fatalf(string, ...any) }, contents [][]string, shards []record.HashRange) (texts [][]string, found map[string]uint64) {
	found = make(map[string]uint64)
	texts = make([][]string, len(contents))
	for shard, stored := range contents {
		for i, data := range stored {
			views, err := kpl.Records(record.Record{PartitionKey: "outer", Data: []byte(data)})
			if err != nil {
				t.Fatalf("record %d of shard %d: %v", i+1, shard, err)
			}
			for v := range views {
				if kpl.Is([]byte(data)) && !shards[shard].Contains(v.Hash()) {
					t.Fatalf("%s is in shard %d", v.Data, shard)
				}
				texts[shard] = append(texts[shard], string(v.Data))
				found[string(v.Data)] = uint64(i + 1)
			}
		}
	}
	return texts, found
}

// TestAggregationUnderFaults runs aggregating producers against servers with all
// faults that pass, and a stream that gets other shards on the way. Records come
// out of the aggregates once and in order, each where its result says, and none
// is in an aggregate of another shard.
func TestAggregationUnderFaults(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		options := kpl.Options{
			BytesMax:   rapid.SampledFrom([]int{0, 60, 300}).Draw(rt, "bytes max"),
			RecordsMax: rapid.SampledFrom([]int{0, 1, 3}).Draw(rt, "records max"),
		}
		batchBytes := rapid.IntRange(1, 2000).Draw(rt, "batch bytes")
		n := rapid.IntRange(1, 200).Draw(rt, "records")
		shards := rapid.IntRange(1, 4).Draw(rt, "shards")
		recreated := rapid.Bool().Draw(rt, "recreated")
		passing := []fault{faultNone, faultNone, faultThrottle, faultDropUnread, faultDropUnacked, faultHalfAnswer}
		script := rapid.SliceOfN(rapid.SampledFrom(passing), 0, 40).Draw(rt, "script")
		synctest.Test(t, func(t *testing.T) {
			f := newFake(t)
			f.faults = func(i int) fault {
				if i < len(script) {
					return script[i]
				}
				return faultNone
			}
			f.create("orders", 2)
			c := connect(t, f, client.WithRetryBudget(time.Hour))
			p, err := c.NewProducer(t.Context(), "orders", client.WithAggregation(options), client.WithBatchBytes(batchBytes))
			if err != nil {
				rt.Fatalf("%v", err)
			}
			if recreated { // the producer does not know yet
				f.create("orders", shards)
			} else {
				shards = 2
			}
			o := newOutcomes()
			if _, err := produce(t.Context(), p, n, o); err != nil {
				rt.Fatalf("%v", err)
			}
			if err := p.Close(t.Context()); err != nil {
				rt.Fatalf("%v", err)
			}
			texts, found := inside(rt, f.contents("orders"), record.SplitEvenly(shards))
			for data, results := range o.results {
				if len(results) != 1 || results[0].Err != nil || results[0].Position.Sequence != found[data] {
					rt.Fatalf("%s is in record %d, its results are %+v", data, found[data], results)
				}
			}
			if total := len(slices.Concat(texts...)); total != n || len(o.results) != n {
				rt.Fatalf("%d records are there and %d have results, %d were produced", total, len(o.results), n)
			}
			for _, records := range texts {
				if !recreated && !slices.IsSorted(records) {
					rt.Fatalf("out of order: %v", records)
				}
			}
		})
	})
}

// TestAggregationSavesRecords counts what reaches the server.
func TestAggregationSavesRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.create("orders", 1)
		c := connect(t, f)
		p, err := c.NewProducer(t.Context(), "orders", client.WithAggregation(kpl.Options{RecordsMax: 10}))
		if err != nil {
			t.Fatal(err)
		}
		o := newOutcomes()
		if _, err := produce(t.Context(), p, 95, o); err != nil {
			t.Fatal(err)
		}
		if err := p.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if stored := f.contents("orders")[0]; len(stored) != 10 {
			t.Errorf("95 records in %d", len(stored))
		}
		if err := p.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

// TestAggregationThatWouldNotFit fills a batch with records that are larger
// together, because of their hash keys, than one by one. They go one by one when
// the server would not take the batch.
func TestAggregationThatWouldNotFit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.create("orders", 1)
		c := connect(t, f)
		p, err := c.NewProducer(t.Context(), "orders", client.WithAggregation(kpl.Options{}))
		if err != nil {
			t.Fatal(err)
		}
		const n = 22_000
		o := newOutcomes()
		for i := range n {
			hash := record.HashOf(fmt.Sprint(i))
			r := record.Record{PartitionKey: "k", ExplicitHash: &hash}
			if err := p.Produce(t.Context(), r, o.of("hashed")); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		texts, _ := inside(t, f.contents("orders"), record.SplitEvenly(1))
		if stored := len(f.contents("orders")[0]); len(texts[0]) != n || stored < n*9/10 || stored == n {
			t.Errorf("%d of %d records, in %d", len(texts[0]), n, stored)
		}
		last := uint64(0)
		for i, result := range o.results["hashed"] {
			if result.Err != nil || result.Position.Sequence < last {
				t.Fatalf("record %d, behind %d: %+v", i, last, result)
			}
			last = result.Position.Sequence
		}
	})
}
