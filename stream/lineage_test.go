package stream_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/internal/vfs/crashfs"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/stream"
)

// A batch that a full disk refuses in part leaves a shard that can be split when there is
// room again, and no number that Split would wait for in vain.
func TestSplitAfterBatchesOnAFullDisk(t *testing.T) {
	t.Chdir(t.TempDir())
	disk := crashfs.New(crashfs.Options{})
	s := open(t, "data", onDisk(disk))
	made := create(t, s, stream.Config{Name: "a"})
	disk.SetCapacity(disk.Used())
	batch := make([]record.Record, 40)
	for i := range batch {
		batch[i] = at(record.HashKey{Hi: uint64(i) << 57}, fmt.Sprint(i, string(make([]byte, 16<<10))))
	}
	var want []string
	refused := 0
	for range 10 {
		results, err := made.PutBatch(t.Context(), batch)
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range results {
			switch {
			case r.Err == nil:
				want = append(want, string(batch[i].Data))
			case errors.Is(r.Err, failure.NoSpace):
				refused++
			default:
				t.Fatal(r.Err)
			}
		}
	}
	if refused == 0 {
		t.Fatal("the disk was not full")
	}
	disk.SetCapacity(0)
	if _, err := s.Split(t.Context(), "a", 0, record.HashKey{Hi: 1 << 63}); err != nil {
		t.Fatal(err)
	}
	if got := read(t, made, 0); !slices.Equal(got, want) {
		t.Errorf("%d records, %d acknowledged", len(got), len(want))
	}
}

// Batches whose chunks are many, for shards that are split and merged while they are
// handed over, keep the order of every key, also where part of them has another fate.
func TestLargeBatchesAcrossReshards(t *testing.T) {
	s := open(t, t.TempDir(), options())
	made := create(t, s, stream.Config{Name: "a", Shards: 2, Durability: record.None})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		for at := uint64(1); ctx.Err() == nil; at++ {
			open := made.Route(record.HashKey{Hi: at << 60})
			part := made.Describe().Shards[open].Range
			middle := record.HashKey{Hi: part.Start.Hi/2 + part.End.Hi/2}
			if children, err := s.Split(t.Context(), "a", open, middle); err != nil {
				ended <- err
				return
			} else if _, err := s.Merge(t.Context(), "a", children[1], children[0]); err != nil {
				ended <- err
				return
			}
		}
		ended <- nil
	}()
	want := make(map[string][]string)
	number := 0
	for range 6 {
		var batch []record.Record
		for range 400 {
			number++
			k := fmt.Sprint(number % 17)
			batch = append(batch, record.Record{PartitionKey: k, Data: append(fmt.Appendf(nil, "%s %d ", k, number), make([]byte, 10<<10)...)})
		}
		results, err := made.PutBatch(t.Context(), batch)
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range results {
			if r.Err != nil {
				t.Fatal(r.Err)
			}
			want[batch[i].PartitionKey] = append(want[batch[i].PartitionKey], string(batch[i].Data))
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, byKey(t, made)); diff != "" {
		t.Error(diff[:min(len(diff), 2000)])
	}
}

// A range of one key can be cut off at either end of a shard.
func TestSplitAtTheEdges(t *testing.T) {
	s := open(t, t.TempDir(), options())
	made := create(t, s, stream.Config{Name: "a"})
	for _, key := range []record.HashKey{{Lo: 1}, record.HashKeyMax, {Hi: 1 << 63, Lo: 1}, {Hi: 1 << 63}} {
		if _, err := s.Split(t.Context(), "a", made.Route(key), key); err != nil {
			t.Fatalf("at %v: %v", key, err)
		}
		where := put(t, made, at(key, key.String()))
		if start := made.Describe().Shards[where.Shard].Range.Start; start != key {
			t.Errorf("the shard of %v starts at %v", key, start)
		}
	}
}
