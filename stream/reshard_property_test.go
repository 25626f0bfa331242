package stream_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/stream"
)

// rounds is how often the property is tried: a few times, or MILLRACE_RESHARD_ROUNDS.
func rounds(t *testing.T) int {
	t.Helper()
	text := os.Getenv("MILLRACE_RESHARD_ROUNDS")
	if text == "" {
		return 3
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// With 8 writers at work, and splits and merges at random, every acknowledged record
// is in exactly one shard, the records of a key are in order over parents and children,
// and reopening changes neither.
func TestReshardKeepsOrderAndRecords(t *testing.T) {
	for round := range rounds(t) {
		mode := []record.Durability{record.Group, record.None, record.Interval}[round%3]
		t.Run(fmt.Sprint(round, " ", mode), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(uint64(round), 7))
			dir, o := t.TempDir(), options()
			s := open(t, dir, o)
			made := create(t, s, stream.Config{Name: "a", Shards: 1 + rng.IntN(4), Durability: mode})
			var stop atomic.Bool
			var writing sync.WaitGroup
			var writers [8]*writer
			for i := range writers {
				writers[i] = &writer{to: made, name: fmt.Sprint(i), written: make(map[string][]string)}
				writing.Go(func() { writers[i].run(t, &stop) })
			}
			for range 12 {
				reshape(t, s, rng)
			}
			stop.Store(true)
			writing.Wait()
			want := make(map[string][]string)
			for _, w := range writers {
				for key, data := range w.written {
					want[key] = data
				}
			}
			if diff := cmp.Diff(want, byKey(t, made)); diff != "" {
				t.Fatal(diff)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			found, err := open(t, dir, o).Stream("a")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, byKey(t, found)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// writer appends numbers under keys of its own, by Put and by PutBatch.
type writer struct {
	to      *stream.Stream
	name    string
	written map[string][]string
}

const keysPerWriter = 5

func (w *writer) run(t *testing.T, stop *atomic.Bool) {
	for n := 0; !stop.Load() && !t.Failed(); n++ {
		batch := make([]record.Record, 1+n%7*20)
		for i := range batch {
			key := fmt.Sprint(w.name, "-", i%keysPerWriter)
			batch[i] = record.Record{PartitionKey: key, Data: fmt.Append(nil, n, "-", i)}
		}
		var results []stream.Result
		var err error
		if len(batch) == 1 {
			results = make([]stream.Result, 1)
			results[0].Position, err = w.to.Put(t.Context(), batch[0])
		} else {
			results, err = w.to.PutBatch(t.Context(), batch)
		}
		if err != nil {
			t.Error(err)
			return
		}
		for i, r := range results {
			if r.Err != nil {
				t.Error(r.Err)
				return
			}
			w.written[batch[i].PartitionKey] = append(w.written[batch[i].PartitionKey], string(batch[i].Data))
		}
	}
}

// reshape splits a shard at random, or merges it with its neighbour.
func reshape(t *testing.T, s *stream.Store, rng *rand.Rand) {
	t.Helper()
	found, err := s.Stream("a")
	if err != nil {
		t.Fatal(err)
	}
	var open []stream.ShardDescription
	starting := make(map[record.HashKey]record.ShardID)
	for _, d := range found.Describe().Shards {
		if !d.Closed {
			open, starting[d.Range.Start] = append(open, d), d.ID
		}
	}
	one := open[rng.IntN(len(open))]
	width := one.Range.End.Hi - one.Range.Start.Hi
	if above, ok := starting[record.HashKey{Hi: one.Range.End.Hi + 1}]; ok && above != one.ID && one.Range.End != record.HashKeyMax && (len(open) > 5 || rng.IntN(2) == 0) {
		_, err = s.Merge(t.Context(), "a", one.ID, above)
	} else if width > 1 {
		_, err = s.Split(t.Context(), "a", one.ID, record.HashKey{Hi: one.Range.Start.Hi + 1 + rng.Uint64N(width)})
	}
	if err != nil {
		t.Error(err)
	}
}
