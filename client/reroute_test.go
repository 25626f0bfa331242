package client

import (
	"slices"
	"testing"

	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/record"
)

// What a merge sends back comes before what was produced since, and nothing is sent
// before all of it is back.
func TestStraysComeBeforeYoungerRecords(t *testing.T) {
	halves, whole := record.SplitEvenly(2), record.SplitEvenly(1)[0]
	shards := []ShardDescription{{ID: 0, Range: halves[0]}, {ID: 1, Range: halves[1]}, {ID: 2, Range: whole}}
	p := &Producer{options: defaultProducerOptions(), wake: make(chan struct{}, 1), space: make(chan struct{})}
	produce := func(key record.HashKey, data string) {
		r := record.Record{PartitionKey: "k", ExplicitHash: &key, Data: []byte(data)}
		at := p.routing.Load().route(&r)
		p.enqueue(p.lanes[at], &r, protocol.RecordSizeMax(r), completion{}, p.options.batchBytes)
	}
	p.adopt(newRouting(Description{Shards: shards[:2]}))
	produce(halves[0].Start, "low")
	produce(halves[1].Start, "high")
	old := slices.Clone(p.lanes)
	p.adopt(newRouting(Description{Shards: shards}))
	produce(halves[0].Start, "younger")
	child := p.lanes[0]
	for _, l := range old {
		if !p.held(child) {
			t.Error("a lane goes ahead of one that it follows")
		}
		if moved, err := p.reroute(l); !moved || err != nil {
			t.Errorf("reroute: %v, %v", moved, err)
		}
	}
	if p.held(child) {
		t.Error("a lane waits for nothing")
	}
	child.seal()
	var order []string
	for _, b := range child.ready {
		for i := range b.records {
			order = append(order, string(b.records[i].Data))
		}
	}
	if !slices.Equal(order, []string{"high", "low", "younger"}) {
		t.Errorf("the order is %q", order)
	}
}

func TestOpenShardsAreTheYoungest(t *testing.T) {
	parts := record.SplitEvenly(4)
	join := func(a, b record.HashRange) record.HashRange { return record.HashRange{Start: a.Start, End: b.End} }
	shards := []ShardDescription{
		{ID: 0, Range: join(parts[0], parts[3])},
		{ID: 1, Range: join(parts[0], parts[1])},
		{ID: 2, Range: join(parts[2], parts[3])},
		{ID: 3, Range: parts[2]},
		{ID: 4, Range: parts[3]},
		{ID: 5, Range: join(parts[0], parts[2])},
		{ID: 6, Range: parts[0]},
		{ID: 7, Range: join(parts[1], parts[2])},
	}
	for n, want := range map[int][]record.ShardID{1: {0}, 3: {1, 2}, 5: {1, 3, 4}, 6: {5, 4}, 8: {6, 7, 4}} {
		var got []record.ShardID
		for _, s := range openShards(shards[:n]) {
			got = append(got, s.ID)
		}
		if !slices.Equal(got, want) {
			t.Errorf("of %d shards %v are open, want %v", n, got, want)
		}
	}
}
