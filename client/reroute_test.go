package client

import (
	"fmt"
	"slices"
	"strconv"
	"testing"

	"pgregory.net/rapid"

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

// However shards are split and merged while records are on their way, and in whatever
// order the lanes learn of it: the records of a key are taken in their order, and all.
func TestRecordsOfAKeyStayInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &reshaped{
			p: &Producer{options: defaultProducerOptions(), wake: make(chan struct{}, 1), space: make(chan struct{})},
		}
		for _, part := range record.SplitEvenly(2) {
			m.add(part)
		}
		m.p.adopt(newRouting(Description{Shards: m.shards}))
		steps := map[string]func(*rapid.T){
			"produce": m.produce, "split": m.split, "merge": m.merge, "send": m.send,
			"describe": func(*rapid.T) { m.p.adopt(newRouting(Description{Shards: m.shards})) },
		}
		t.Repeat(steps)
		// What is left arrives when lanes are served long enough.
		steps["describe"](t)
		for len(m.busy()) > 0 {
			m.send(t)
		}
		if m.made != m.taken {
			t.Fatalf("taken are %v of %v records", m.taken, m.made)
		}
	})
}

// reshaped is a producer without its goroutine, and a stream that takes what it sends.
type reshaped struct {
	p           *Producer
	shards      []ShardDescription // all there ever were
	made, taken [8]int             // records of each key
}

func (m *reshaped) add(part record.HashRange) {
	m.shards = append(m.shards, ShardDescription{ID: record.ShardID(len(m.shards)), Range: part})
}

// produce hands over the next record of one of some keys that share the whole range.
func (m *reshaped) produce(t *rapid.T) {
	key := rapid.IntRange(0, len(m.made)-1).Draw(t, "key")
	hash := record.SplitEvenly(len(m.made))[key].Start
	r := record.Record{PartitionKey: fmt.Sprint(key), ExplicitHash: &hash, Data: fmt.Append(nil, m.made[key])}
	m.made[key]++
	at := m.p.routing.Load().route(&r)
	m.p.enqueue(m.p.lanes[at], &r, protocol.RecordSizeMax(r), completion{}, m.p.options.batchBytes)
}

func (m *reshaped) split(t *rapid.T) {
	open := openShards(m.shards)
	part := open[rapid.IntRange(0, len(open)-1).Draw(t, "parent")].Range
	middle := part.Start.Hi + (part.End.Hi-part.Start.Hi)/2 + 1
	if len(open) == len(m.made) || middle >= part.End.Hi {
		return
	}
	m.add(record.HashRange{Start: part.Start, End: record.HashKey{Hi: middle - 1, Lo: 1<<64 - 1}})
	m.add(record.HashRange{Start: record.HashKey{Hi: middle}, End: part.End})
}

func (m *reshaped) merge(t *rapid.T) {
	open := openShards(m.shards)
	if len(open) == 1 {
		return
	}
	at := rapid.IntRange(1, len(open)-1).Draw(t, "second parent")
	m.add(record.HashRange{Start: open[at-1].Range.Start, End: open[at].Range.End})
}

// busy returns the lanes that may send something.
func (m *reshaped) busy() []*lane {
	return slices.DeleteFunc(slices.Clone(m.p.allLanes()), func(l *lane) bool { return l.idle() || m.p.held(l) })
}

// send lets one lane send what it has. A shard that is closed refuses, and if the
// producer has heard of its children the records go there.
func (m *reshaped) send(t *rapid.T) {
	busy := m.busy()
	if len(busy) == 0 {
		return
	}
	l := busy[rapid.IntRange(0, len(busy)-1).Draw(t, "lane")]
	if !slices.ContainsFunc(openShards(m.shards), func(s ShardDescription) bool { return s.ID == l.shard.ID }) {
		if current := m.p.routing.Load(); current == l.routing {
			return // it has to ask first
		}
		if moved, err := m.p.reroute(l); !moved || err != nil {
			t.Fatalf("reroute: %v, %v", moved, err)
		}
		return
	}
	for _, b := range takeOut([]*lane{l}) {
		for _, r := range b.records {
			key, _ := strconv.Atoi(r.PartitionKey)
			if want := fmt.Sprint(m.taken[key]); string(r.Data) != want {
				t.Fatalf("key %d: shard %v takes %s, want %s", key, l.shard.ID, r.Data, want)
			}
			m.taken[key]++
		}
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
