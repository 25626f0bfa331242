package stream_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/stream"
)

func key(t *testing.T, decimal string) record.HashKey {
	t.Helper()
	k, err := record.ParseHashKey(decimal)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// at is a record with a hash key of its own.
func at(k record.HashKey, data string) record.Record {
	return record.Record{PartitionKey: "k", ExplicitHash: &k, Data: []byte(data)}
}

func put(t *testing.T, to *stream.Stream, r record.Record) stream.Position {
	t.Helper()
	where, err := to.Put(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return where
}

func TestSplitAndMerge(t *testing.T) {
	for _, mode := range []record.Durability{record.Group, record.Interval, record.None} {
		t.Run(mode.String(), func(t *testing.T) {
			dir, o := t.TempDir(), options()
			s := open(t, dir, o)
			made := create(t, s, stream.Config{Name: "a", Durability: mode})
			low, middle := key(t, "0"), key(t, "1000")
			put(t, made, at(low, "before, low"))
			put(t, made, at(middle, "before, high"))
			children, err := s.Split(t.Context(), "a", 0, middle)
			if err != nil || children != [2]record.ShardID{1, 2} {
				t.Fatal(children, err)
			}
			if where := put(t, made, at(low, "low")); where.Shard != 1 || where.Sequence != 1 {
				t.Errorf("below the key: %+v", where)
			}
			if where := put(t, made, at(middle, "high")); where.Shard != 2 {
				t.Errorf("at the key: %+v", where)
			}
			child, err := s.Merge(t.Context(), "a", 2, 1)
			if err != nil || child != 3 {
				t.Fatal(child, err)
			}
			put(t, made, at(low, "low again"))
			put(t, made, at(middle, "high again"))
			for range 2 {
				checkFamily(t, made)
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				s = open(t, dir, o)
				if made, err = s.Stream("a"); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// checkFamily checks the stream of TestSplitAndMerge.
func checkFamily(t *testing.T, of *stream.Stream) {
	t.Helper()
	for id, want := range [][]string{{"before, low", "before, high"}, {"low"}, {"high"}, {"low again", "high again"}} {
		if got := read(t, of, record.ShardID(id)); !slices.Equal(got, want) {
			t.Errorf("shard %d has %q, want %q", id, got, want)
		}
	}
	d := of.Describe()
	if len(d.Shards) != 4 || d.Config.Shards != 4 {
		t.Fatalf("%+v", d)
	}
	for i, want := range []stream.ShardDescription{
		{Closed: true, Last: 2, First: 1, Next: 3},
		{Closed: true, Last: 1, First: 1, Next: 2, Parents: []record.ShardID{0}},
		{Closed: true, Last: 1, First: 1, Next: 2, Parents: []record.ShardID{0}},
		{First: 1, Next: 3, Parents: []record.ShardID{2, 1}},
	} {
		got := d.Shards[i]
		if got.ClosedAt.IsZero() == got.Closed {
			t.Errorf("shard %d: closed %v at %v", i, got.Closed, got.ClosedAt)
		}
		for _, parent := range got.Parents {
			if above := d.Shards[parent]; above.ClosedAt != got.Created || above.Created.Unix() >= got.Created.Unix() {
				t.Errorf("shard %d was created at %v, its parent at %v and closed at %v", i, got.Created, above.Created, above.ClosedAt)
			}
		}
		want.ID, want.Range, want.Created, want.ClosedAt, want.Bytes = got.ID, got.Range, got.Created, got.ClosedAt, got.Bytes
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("shard %d: %s", i, diff)
		}
	}
	var ids []record.ShardID
	for _, child := range of.Children(0) {
		ids = append(ids, child.ID)
	}
	if !slices.Equal(ids, []record.ShardID{1, 2}) || len(of.Children(3)) != 0 || of.Children(1)[0].ID != 3 {
		t.Errorf("the children of 0 are %v", ids)
	}
}

// The number of any record of a child is above that of any of its parents, though
// all shards are made within one second.
func TestSequenceNumbersGrowFromParentToChild(t *testing.T) {
	s := open(t, t.TempDir(), options())
	made := create(t, s, stream.Config{Name: "a", Durability: record.None})
	last := record.SequenceNumber{}
	for i := range 20 {
		where := put(t, made, at(record.HashKey{}, "x"))
		from, err := made.Shard(where.Shard)
		if err != nil {
			t.Fatal(err)
		}
		number := from.SequenceNumber(where.Sequence, where.Time)
		if i > 0 && number.Compare(last) <= 0 {
			t.Fatalf("%v of %v comes after %v", number, where.Shard, last)
		}
		last = from.SequenceNumber(record.IndexMax, where.Time)
		if _, err := s.Split(t.Context(), "a", where.Shard, record.HashKey{Hi: 1 << (62 - i)}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestReshardRefuses(t *testing.T) {
	o := options()
	o.ShardsPerStreamMax, o.ShardsMax = 6, 8
	s := open(t, t.TempDir(), o)
	create(t, s, stream.Config{Name: "a", Shards: 3})
	middle := record.HashKey{Hi: 1 << 61}
	if _, err := s.Split(t.Context(), "a", 0, middle); err != nil {
		t.Fatal(err)
	}
	split := func(name string, id record.ShardID, at record.HashKey) error {
		_, err := s.Split(t.Context(), name, id, at)
		return err
	}
	merge := func(a, b record.ShardID) error {
		_, err := s.Merge(t.Context(), "a", a, b)
		return err
	}
	made, err := s.Stream("a")
	if err != nil {
		t.Fatal(err)
	}
	part := made.Describe().Shards[1].Range
	before := made.Describe()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, canceled := s.Split(ended, "a", 1, middle)
	cases := map[string]struct {
		err    error
		kind   failure.Kind
		reason error
	}{
		"no stream":        {split("b", 0, middle), failure.NotFound, nil},
		"no shard":         {split("a", 9, middle), failure.NotFound, stream.ErrNoShard},
		"closed":           {split("a", 0, middle), failure.Closed, stream.ErrShardClosed},
		"start of range":   {split("a", 1, part.Start), failure.InvalidArgument, stream.ErrSplitKey},
		"above the range":  {split("a", 1, made.Describe().Shards[2].Range.Start), failure.InvalidArgument, stream.ErrSplitKey},
		"out of range":     {split("a", 1, record.HashKey{}), failure.InvalidArgument, stream.ErrSplitKey},
		"merge no shard":   {merge(1, 9), failure.NotFound, stream.ErrNoShard},
		"merge closed":     {merge(0, 1), failure.Closed, stream.ErrShardClosed},
		"merge itself":     {merge(1, 1), failure.InvalidArgument, stream.ErrNotAdjacent},
		"not adjacent":     {merge(3, 2), failure.InvalidArgument, stream.ErrNotAdjacent},
		"limit of streams": {split("a", 1, record.HashKey{Hi: part.Start.Hi + 9}), failure.InvalidArgument, stream.ErrShardLimit},
		"context":          {canceled, 0, context.Canceled},
	}
	for name, c := range cases {
		if c.kind != 0 && !errors.Is(c.err, c.kind) || c.reason != nil && !errors.Is(c.err, c.reason) {
			t.Errorf("%s: %v", name, c.err)
		}
	}
	if diff := cmp.Diff(before, made.Describe()); diff != "" {
		t.Errorf("a refusal changed the stream: %s", diff)
	}
	create(t, s, stream.Config{Name: "b", Shards: 3})
	if err := merge(3, 4); !errors.Is(err, stream.ErrShardLimit) {
		t.Errorf("limit of the store: %v", err)
	}
}

// Readers at the end of a shard that is closed learn it, and have all there is.
func TestReadersLearnOfTheEnd(t *testing.T) {
	s := open(t, t.TempDir(), options())
	made := create(t, s, stream.Config{Name: "a"})
	from, err := made.Shard(0)
	if err != nil {
		t.Fatal(err)
	}
	if _, closed := from.End(); closed {
		t.Error("an open shard has an end")
	}
	cursor, err := from.Cursor(record.TrimHorizon())
	if err != nil {
		t.Fatal(err)
	}
	defer cursor.Close()
	read := make(chan []uint64, 1)
	go func() {
		waiting, cancel := from.UntilEnd(t.Context())
		defer cancel()
		var numbers []uint64
		for closed := false; !closed; {
			closed = from.Closed()
			for cursor.TryNext() {
				numbers = append(numbers, cursor.View().Sequence)
			}
			if err := cursor.Wait(waiting); err != nil && !from.Closed() {
				t.Error(err)
				break
			}
		}
		read <- numbers
	}()
	for range 3 {
		put(t, made, record.Record{PartitionKey: "k"})
	}
	if _, err := s.Split(t.Context(), "a", 0, record.HashKey{Hi: 1 << 63}); err != nil {
		t.Fatal(err)
	}
	<-from.Ended()
	if got := <-read; !slices.Equal(got, []uint64{1, 2, 3}) {
		t.Errorf("read %v", got)
	}
	if last, closed := from.End(); last != 3 || !closed {
		t.Errorf("the end is %d, %v", last, closed)
	}
	if _, err := from.Put(t.Context(), []record.Record{{PartitionKey: "k"}}, protocol.Producer{}); !errors.Is(err, failure.WrongShard) {
		t.Errorf("putting to the parent: %v", err)
	}
}

// A batch for shards that were all split since it was routed loses nothing.
func TestPutBatchAcrossAReshard(t *testing.T) {
	s := open(t, t.TempDir(), options())
	made := create(t, s, stream.Config{Name: "a", Durability: record.None})
	stop, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		for open := record.ShardID(0); ; {
			select {
			case <-stop:
				ended <- nil
				return
			default:
			}
			children, err := s.Split(context.Background(), "a", open, record.HashKey{Hi: 1 << 63})
			if err == nil {
				open, err = s.Merge(context.Background(), "a", children[0], children[1])
			}
			if err != nil {
				ended <- err
				return
			}
		}
	}()
	var batch []record.Record
	want := make(map[string][]string)
	for i := range 300 {
		k := fmt.Sprint(i % 20)
		batch = append(batch, record.Record{PartitionKey: k, Data: fmt.Append(nil, k, " ", i)})
	}
	for range 10 {
		results, err := made.PutBatch(t.Context(), batch)
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range results {
			if r.Err != nil {
				t.Fatalf("record %d: %v", i, r.Err)
			}
			want[batch[i].PartitionKey] = append(want[batch[i].PartitionKey], string(batch[i].Data))
		}
	}
	close(stop)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, byKey(t, made)); diff != "" {
		t.Error(diff)
	}
}

// byKey reads all shards, parents before children, and returns the data of each
// partition key in the order read.
func byKey(t *testing.T, of *stream.Stream) map[string][]string {
	t.Helper()
	found := make(map[string][]string)
	for id := range of.Describe().Shards { // a child has a higher number than its parents
		from, err := of.Shard(record.ShardID(id))
		if err != nil {
			t.Fatal(err)
		}
		cursor, err := from.Cursor(record.TrimHorizon())
		if err != nil {
			t.Fatal(err)
		}
		for cursor.TryNext() {
			v := cursor.View()
			if !from.Range().Contains(v.Hash()) {
				t.Errorf("%v has a record of another range", from.ID())
			}
			found[string(v.Key)] = append(found[string(v.Key)], string(v.Data))
		}
		if err := errors.Join(cursor.Err(), cursor.Close()); err != nil {
			t.Fatal(err)
		}
	}
	return found
}

// Without a context that ends, Split waits for the appends under way, and appends
// wait for it.
func TestSplitEndsWithItsContext(t *testing.T) {
	s := open(t, t.TempDir(), options())
	made := create(t, s, stream.Config{Name: "a"})
	ctx, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
	defer cancel()
	<-ctx.Done()
	if _, err := s.Split(ctx, "a", 0, record.HashKey{Hi: 1}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("err = %v", err)
	}
	put(t, made, record.Record{PartitionKey: "k"})
	if _, err := s.Split(t.Context(), "a", 0, record.HashKey{Hi: 1}); err != nil {
		t.Error(err)
	}
}
