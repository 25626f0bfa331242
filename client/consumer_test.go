package client_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/millrace-io/millrace/client"
	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/record"
)

// fill writes batches straight into the fake's logs, round robin, and returns the
// data of each shard.
func fill(f *fake, stream string, batches, each int) [][]string {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	logs := f.streams[stream].logs
	contents := make([][]string, len(logs))
	for i := range batches {
		shard := i % len(logs)
		var records []record.Record
		for range each {
			data := fmt.Sprintf("%d-%d", shard, logs[shard].next+uint64(len(records)))
			contents[shard] = append(contents[shard], data)
			records = append(records, record.Record{PartitionKey: "key of " + data, Data: []byte(data)})
		}
		logs[shard].append(protocol.AppendBatch(nil, records, protocol.Producer{}), each, f.salt)
	}
	return contents
}

// collect reads records until the loop ends or n have come, and returns the data
// by shard.
func collect(ctx context.Context, c *client.Client, stream string, shards, n int, options ...client.ConsumerOption) ([][]string, error) {
	contents := make([][]string, shards)
	if n == 0 {
		return contents, nil
	}
	for r, err := range c.Records(ctx, stream, options...) {
		if err != nil {
			return contents, err
		}
		if want := "key of " + string(r.Data); r.PartitionKey != want {
			return contents, fmt.Errorf("key %q, want %q", r.PartitionKey, want)
		}
		if want := fmt.Sprintf("%d-%d", r.Position.Shard, r.Position.Sequence); string(r.Data) != want {
			return contents, fmt.Errorf("%s is at %+v", r.Data, r.Position)
		}
		shard := r.Position.Shard
		contents[shard] = append(contents[shard], string(r.Data))
		if n--; n == 0 {
			break
		}
	}
	return contents, nil
}

func TestRecordsFromEverywhere(t *testing.T) {
	f := newFake(t)
	f.create("orders", 2)
	all := fill(f, "orders", 20, 3) // 30 records in each shard
	c, ctx := connect(t, f), t.Context()
	from := func(a, b int) [][]string { return [][]string{all[0][a:], all[1][b:]} }
	cases := []struct {
		name    string
		options []client.ConsumerOption
		want    [][]string
	}{
		{"default", nil, all},
		{"trim horizon", []client.ConsumerOption{client.FromTrimHorizon()}, all},
		{"latest", []client.ConsumerOption{client.FromLatest()}, [][]string{nil, nil}},
		{"middle of a batch", []client.ConsumerOption{client.InShard(0), client.FromSequence(11)}, [][]string{all[0][10:], nil}},
		{"the last record", []client.ConsumerOption{client.InShard(0), client.FromSequence(30)}, [][]string{all[0][29:], nil}},
		{"one shard", []client.ConsumerOption{client.InShard(1)}, [][]string{nil, all[1]}},
		{"positions", []client.ConsumerOption{client.FromPositions(map[record.ShardID]uint64{0: 5, 1: 30})}, from(5, 30)},
		{"position zero", []client.ConsumerOption{client.FromPositions(map[record.ShardID]uint64{0: 0, 1: 1})}, from(0, 1)},
		{"positions and latest", []client.ConsumerOption{client.FromLatest(), client.FromPositions(map[record.ShardID]uint64{1: 28})}, from(30, 28)},
		{"time", []client.ConsumerOption{client.FromTime(time.Unix(1_700_000_000, 13))}, from(12, 12)},
		{"time between batches", []client.ConsumerOption{client.FromTime(time.Unix(1_700_000_000, 14))}, from(15, 15)},
		{"future", []client.ConsumerOption{client.FromTime(time.Unix(1_800_000_000, 0))}, [][]string{nil, nil}},
		{"little read-ahead", []client.ConsumerOption{client.WithReadAhead(1)}, all},
	}
	for _, test := range cases {
		got, err := collect(ctx, c, "orders", 2, -1, append(test.options, client.UntilLatest())...)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		if diff := cmp.Diff(test.want, got, equateEmpty); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}

// TestUnopenedShardIsNotSkipped reads up to the end of a stream one shard of
// which the server could not open: that its records are missing must be said.
func TestUnopenedShardIsNotSkipped(t *testing.T) {
	f := newFake(t)
	f.create("orders", 2)
	all := fill(f, "orders", 4, 2)
	f.streams["orders"].logs[1].unopened = true
	c := connect(t, f, client.WithRetryBudget(0))
	if _, err := collect(t.Context(), c, "orders", 2, -1, client.UntilLatest()); !errors.Is(err, failure.Unavailable) {
		t.Errorf("read all: %v, want failure.Unavailable", err)
	}
	got, err := collect(t.Context(), c, "orders", 2, -1, client.InShard(0), client.UntilLatest())
	if diff := cmp.Diff([][]string{all[0], nil}, got, equateEmpty); diff != "" || err != nil {
		t.Errorf("the other shard: %v (-want +got):\n%s", err, diff)
	}
}

// TestRecordsFollow reads on while records are written.
func TestRecordsFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.create("orders", 2)
		fill(f, "orders", 4, 2)
		c := connect(t, f)
		got := make(chan [][]string)
		go func() {
			contents, err := collect(t.Context(), c, "orders", 2, 40, client.FromLatest())
			if err != nil {
				t.Error(err)
			}
			got <- contents
		}()
		synctest.Wait()
		want := fill(f, "orders", 10, 4)
		if diff := cmp.Diff(want, <-got); diff != "" {
			t.Error(diff)
		}
	})
}

// TestRecordsSurviveRestarts drops connections at random while reading.
func TestRecordsSurviveRestarts(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		shards := rapid.IntRange(1, 3).Draw(rt, "shards")
		steps := rapid.SliceOfN(rapid.IntRange(0, 12), 1, 10).Draw(rt, "batches between restarts")
		synctest.Test(t, func(t *testing.T) {
			f := newFake(t)
			f.create("orders", shards)
			c := connect(t, f)
			want, total := make([][]string, shards), 0
			for _, batches := range steps {
				total += 3 * batches
			}
			type outcome struct {
				contents [][]string
				err      error
			}
			got := make(chan outcome, 1)
			go func() {
				contents, err := collect(t.Context(), c, "orders", shards, total, client.FromLatest())
				got <- outcome{contents, err}
			}()
			synctest.Wait()
			for _, batches := range steps {
				for shard, texts := range fill(f, "orders", batches, 3) {
					want[shard] = append(want[shard], texts...)
				}
				f.restart()
			}
			o := <-got
			if diff := cmp.Diff(want, o.contents, equateEmpty); diff != "" || o.err != nil {
				rt.Fatalf("%v %s", o.err, diff)
			}
		})
	})
}

func TestBatchesAreViews(t *testing.T) {
	f := newFake(t)
	f.create("orders", 1)
	fill(f, "orders", 5, 4)
	c := connect(t, f)
	var kept []client.Batch
	next := uint64(7)
	for b, err := range c.Batches(t.Context(), "orders", client.InShard(0), client.FromSequence(7), client.UntilLatest()) {
		if err != nil {
			t.Fatal(err)
		}
		if b.Tip != 21 || b.First.Sequence != next {
			t.Errorf("tip %d, first %+v", b.Tip, b.First)
		}
		for i := range b.Len() {
			if got, want := string(b.View(i).Data), fmt.Sprintf("0-%d", next); got != want || b.Position(i).Sequence != next {
				t.Errorf("got %s at %+v, want %s", got, b.Position(i), want)
			}
			next++
		}
		kept = append(kept, b.Clone())
	}
	if next != 21 {
		t.Errorf("ended at %d", next)
	}
	if got := string(kept[0].View(0).Data); got != "0-7" {
		t.Errorf("the clone did not last: %s", got)
	}
}

func TestRecordsCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.create("orders", 1)
		c := connect(t, f)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := collect(ctx, c, "orders", 1, -1); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, failure.Timeout) {
			t.Errorf("got %v", err)
		}
		ctx, cancel = context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if _, err := collect(ctx, c, "orders", 1, -1); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}

func TestRecordsRefuse(t *testing.T) {
	f := newFake(t)
	f.create("orders", 2)
	fill(f, "orders", 4, 2)
	c, ctx := connect(t, f), t.Context()
	cases := []struct {
		name    string
		stream  string
		options []client.ConsumerOption
		want    failure.Kind
	}{
		{"no stream", "none", nil, failure.NotFound},
		{"no shard", "orders", []client.ConsumerOption{client.InShard(7)}, failure.NotFound},
		{"sequence of all shards", "orders", []client.ConsumerOption{client.FromSequence(3)}, failure.InvalidArgument},
		{"read-ahead", "orders", []client.ConsumerOption{client.WithReadAhead(0)}, failure.InvalidArgument},
	}
	for _, test := range cases {
		if _, err := collect(ctx, c, test.stream, 2, -1, test.options...); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", test.name, err, test.want)
		}
	}
	for name, damage := range map[string]func(frame []byte){
		"payload": func(frame []byte) { frame[60] ^= 1 },
		"length":  func(frame []byte) { frame[2] = 0xff },
		"empty":   func(frame []byte) { clear(frame) },
	} {
		f.mutex.Lock()
		f.frameFault = damage
		f.mutex.Unlock()
		if _, err := collect(ctx, c, "orders", 2, -1); !errors.Is(err, failure.Corrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestRecordsNoticeGaps has the server leave out a frame.
func TestRecordsNoticeGaps(t *testing.T) {
	f := newFake(t)
	f.create("orders", 1)
	fill(f, "orders", 5, 2)
	log := f.streams["orders"].logs[0]
	log.frames = append(log.frames[:2], log.frames[3:]...)
	log.firsts = append(log.firsts[:2], log.firsts[3:]...)
	got, err := collect(t.Context(), connect(t, f), "orders", 1, -1)
	if !errors.Is(err, failure.Trimmed) || len(got[0]) != 4 {
		t.Errorf("%v after %v", err, got)
	}
}

func TestRecordsEndOfShard(t *testing.T) {
	f := newFake(t)
	f.create("orders", 2)
	want := fill(f, "orders", 4, 2)
	for _, log := range f.streams["orders"].logs {
		log.closed = true
	}
	got, err := collect(t.Context(), connect(t, f), "orders", 2, -1)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
}

// TestRecordsOfRecreatedStream must not go on in another stream of the name.
func TestRecordsOfRecreatedStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.create("orders", 1)
		c := connect(t, f)
		failed := make(chan error)
		go func() {
			_, err := collect(t.Context(), c, "orders", 1, -1)
			failed <- err
		}()
		synctest.Wait()
		f.create("orders", 1)
		f.restart()
		if err := <-failed; !errors.Is(err, failure.NotFound) {
			t.Errorf("got %v", err)
		}
	})
}
