package stream_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
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
		return map[bool]int{true: 2, false: 3}[testing.Short()]
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
			var writing sync.WaitGroup
			var writers [8]*writer
			for i := range writers {
				writers[i] = &writer{
					to: made, name: fmt.Sprint(i),
					turns: make(chan struct{}, reshards*turnsPerReshard), written: make(map[string][]string),
				}
				writing.Go(func() { writers[i].run(t) })
			}
			for range reshards {
				for _, w := range writers {
					for range turnsPerReshard {
						w.turns <- struct{}{}
					}
				}
				reshape(t, s, rng)
			}
			for _, w := range writers {
				close(w.turns)
			}
			writing.Wait()
			want := make(map[string][]string)
			for _, w := range writers {
				for key, data := range w.written {
					want[key] = data
				}
			}
			checkByKey(t, made, want)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			found, err := open(t, dir, o).Stream("a")
			if err != nil {
				t.Fatal(err)
			}
			checkByKey(t, found, want)
		})
	}
}

// checkByKey compares all records of a stream with what is wanted of each key.
func checkByKey(t *testing.T, of *stream.Stream, want map[string][]string) {
	t.Helper()
	if got := byKey(t, of); !maps.EqualFunc(want, got, slices.Equal) {
		t.Fatal(cmp.Diff(want, got))
	}
}

const (
	reshards        = 12
	turnsPerReshard = 15 // so many appends of each writer meet a split or merge
	keysPerWriter   = 5
)

// writer appends numbers under keys of its own, by Put and by PutBatch, one at a turn.
type writer struct {
	to      *stream.Stream
	name    string
	turns   chan struct{}
	written map[string][]string
}

func (w *writer) run(t *testing.T) {
	n := 0
	for range w.turns {
		n++
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
