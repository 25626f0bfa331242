package stream_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/internal/vfs/crashfs"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/stream"
	"github.com/millrace-io/millrace/wal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// options are those of a small store that leaves retention to the test.
func options() stream.Options {
	o := stream.Options{
		Options:           wal.Options{SegmentBytesMin: 64 << 10, SegmentBytesMax: 64 << 10},
		RetentionInterval: -1,
	}
	if raceEnabled {
		o.Backend, o.FS = wal.BackendHeap, crashfs.New(crashfs.Options{})
	}
	return o
}

func open(t *testing.T, dir string, o stream.Options) *stream.Store {
	t.Helper()
	s, err := stream.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func create(t *testing.T, s *stream.Store, c stream.Config) *stream.Stream {
	t.Helper()
	made, err := s.Create(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// read returns the data of all records of a shard.
func read(t *testing.T, of *stream.Stream, id record.ShardID) []string {
	t.Helper()
	from, err := of.Shard(id)
	if err != nil {
		t.Fatal(err)
	}
	cursor, err := from.Cursor(record.TrimHorizon())
	if err != nil {
		t.Fatal(err)
	}
	defer cursor.Close()
	var found []string
	for cursor.TryNext() {
		found = append(found, string(cursor.View().Data))
	}
	if err := cursor.Err(); err != nil {
		t.Fatal(err)
	}
	return found
}

func TestStreamsSurviveReopening(t *testing.T) {
	dir, o := t.TempDir(), options()
	first := open(t, dir, o)
	config := stream.Config{
		Name: "orders", Shards: 3, Durability: record.Interval, SyncInterval: time.Second,
		RetentionTime: 48 * time.Hour, RetentionBytes: 1 << 30, EnforceLimits: true,
	}
	created := create(t, first, config)
	at, err := created.Put(t.Context(), record.Record{PartitionKey: "a", Data: []byte("kept")})
	if err != nil {
		t.Fatal(err)
	}
	before := created.Describe()
	if diff := cmp.Diff(config, before.Config); diff != "" {
		t.Error(diff)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}

	second := open(t, dir, o)
	found, err := second.Stream("orders")
	if err != nil {
		t.Fatal(err)
	}
	after := found.Describe()
	for i := range after.Shards { // files change shape on closing
		after.Shards[i].Bytes, before.Shards[i].Bytes = 0, 0
	}
	if diff := cmp.Diff(before, after); diff != "" {
		t.Error(diff)
	}
	if got := read(t, found, at.Shard); !slices.Equal(got, []string{"kept"}) {
		t.Errorf("read %q", got)
	}
	if byID, err := second.StreamByID(created.ID()); err != nil || byID != found {
		t.Errorf("StreamByID: %v, %v", byID, err)
	}
	next := create(t, second, stream.Config{Name: "later"})
	if next.ID() == created.ID() {
		t.Error("a stream id was given out twice")
	}
}

func TestCreateRefuses(t *testing.T) {
	o := options()
	o.ShardsPerStreamMax, o.ShardsMax = 4, 6
	s := open(t, t.TempDir(), o)
	create(t, s, stream.Config{Name: "taken", Shards: 3})
	cases := []struct {
		name   string
		config stream.Config
		want   failure.Kind
	}{
		{"taken name", stream.Config{Name: "taken"}, failure.AlreadyExists},
		{"empty name", stream.Config{}, failure.InvalidArgument},
		{"slash", stream.Config{Name: "a/b"}, failure.InvalidArgument},
		{"line break", stream.Config{Name: "a\n"}, failure.InvalidArgument},
		{"long name", stream.Config{Name: strings.Repeat("x", 129)}, failure.InvalidArgument},
		{"negative shards", stream.Config{Name: "a", Shards: -1}, failure.InvalidArgument},
		{"shards of the stream", stream.Config{Name: "a", Shards: 5}, failure.InvalidArgument},
		{"shards of the store", stream.Config{Name: "a", Shards: 4}, failure.InvalidArgument},
		{"durability", stream.Config{Name: "a", Durability: 7}, failure.InvalidArgument},
		{"sync interval", stream.Config{Name: "a", SyncInterval: time.Microsecond}, failure.InvalidArgument},
		{"retention time", stream.Config{Name: "a", RetentionTime: time.Millisecond}, failure.InvalidArgument},
		{"retention bytes", stream.Config{Name: "a", RetentionBytes: -1}, failure.InvalidArgument},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if _, err := s.Create(t.Context(), c.config); !errors.Is(err, c.want) {
				t.Errorf("err = %v, want %v", err, c.want)
			}
		})
	}
	if names, more := s.List("", 10); more || !slices.Equal(names, []string{"taken"}) {
		t.Errorf("streams = %q", names)
	}
	create(t, s, stream.Config{Name: strings.Repeat("x", 128), Shards: 3})
}

func TestLookUpsOfWhatIsNotThere(t *testing.T) {
	s := open(t, t.TempDir(), options())
	made := create(t, s, stream.Config{Name: "a"})
	_, byName := s.Stream("b")
	_, byID := s.StreamByID(made.ID() + 1)
	_, byShard := made.Shard(1)
	for _, err := range []error{byName, byID, byShard, s.Delete(t.Context(), "b")} {
		if !errors.Is(err, failure.NotFound) {
			t.Errorf("err = %v, want NotFound", err)
		}
	}
}

func TestListGoesPageByPage(t *testing.T) {
	s := open(t, t.TempDir(), options())
	for _, name := range []string{"c", "a", "d", "b"} {
		create(t, s, stream.Config{Name: name})
	}
	first, more := s.List("", 3)
	if !more || !slices.Equal(first, []string{"a", "b", "c"}) {
		t.Errorf("first page %q, more %v", first, more)
	}
	second, more := s.List("c", 3)
	if more || !slices.Equal(second, []string{"d"}) {
		t.Errorf("second page %q, more %v", second, more)
	}
	if between, _ := s.List("bb", 1); !slices.Equal(between, []string{"c"}) {
		t.Errorf("after a name that is not there: %q", between)
	}
}

func TestDeletedStreamIsGoneForItsUsers(t *testing.T) {
	dir, o := t.TempDir(), options()
	s := open(t, dir, o)
	made := create(t, s, stream.Config{Name: "a", Shards: 2})
	if _, err := made.Put(t.Context(), record.Record{PartitionKey: "k"}); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	_, put := made.Put(t.Context(), record.Record{PartitionKey: "k"})
	results, err := made.PutBatch(t.Context(), []record.Record{{PartitionKey: "k"}})
	if err != nil {
		t.Fatal(err)
	}
	_, found := s.Stream("a")
	for _, err := range []error{put, results[0].Err, found} {
		if !errors.Is(err, failure.NotFound) {
			t.Errorf("err = %v, want NotFound", err)
		}
	}
	again := create(t, s, stream.Config{Name: "a"})
	if got := read(t, again, 0); len(got) != 0 || again.ID() == made.ID() {
		t.Errorf("the new stream has the records %q and the id %d", got, again.ID())
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if orphans := open(t, dir, o).OrphanLogs(); len(orphans) != 0 {
		t.Errorf("logs left behind: %v", orphans)
	}
}

func TestPutBatchKeepsOrderAndReportsEachRecord(t *testing.T) {
	s := open(t, t.TempDir(), options())
	made := create(t, s, stream.Config{Name: "a", Shards: 4, Durability: record.None})
	var records []record.Record
	for i := range 1000 {
		records = append(records, record.Record{PartitionKey: fmt.Sprint(i % 37), Data: fmt.Append(nil, i)})
	}
	records[10].PartitionKey = ""
	records[20].Data = make([]byte, record.DataMax+1)
	results, err := made.PutBatch(t.Context(), records)
	if err != nil {
		t.Fatal(err)
	}
	want := make(map[record.ShardID][]string)
	for i, result := range results {
		switch i {
		case 10:
			if !errors.Is(result.Err, failure.InvalidArgument) {
				t.Errorf("no key: %v", result.Err)
			}
			continue
		case 20:
			if !errors.Is(result.Err, failure.TooLarge) {
				t.Errorf("too large: %v", result.Err)
			}
			continue
		}
		id := made.Route(records[i].Hash())
		want[id] = append(want[id], string(records[i].Data))
		if result.Err != nil || result.Shard != id || result.Sequence != uint64(len(want[id])) {
			t.Fatalf("record %d: %+v, want shard %v at %d", i, result, id, len(want[id]))
		}
	}
	for id, data := range want {
		if diff := cmp.Diff(data, read(t, made, id)); diff != "" {
			t.Errorf("%v: %s", id, diff)
		}
	}
	if len(want) != 4 {
		t.Errorf("only %d shards got records", len(want))
	}
}

func TestPutBatchCutsWhatOneFrameCannotHold(t *testing.T) {
	s := open(t, t.TempDir(), options())
	made := create(t, s, stream.Config{Name: "a", Durability: record.None})
	large := []record.Record{
		{PartitionKey: "k", Data: make([]byte, record.DataMax)},
		{PartitionKey: "k", Data: make([]byte, record.DataMax)},
		{PartitionKey: "k", Data: []byte("small")},
	}
	small := slices.Repeat([]record.Record{{PartitionKey: "k"}}, record.BatchRecordsMax+1)
	for _, records := range [][]record.Record{large, small, nil} {
		results, err := made.PutBatch(t.Context(), records)
		if err != nil {
			t.Fatal(err)
		}
		for i, result := range results {
			if result.Err != nil || i > 0 && result.Sequence != results[i-1].Sequence+1 {
				t.Fatalf("record %d of %d: %+v", i, len(records), result)
			}
		}
	}
}

func TestPutBatchWithAnEndedContext(t *testing.T) {
	s := open(t, t.TempDir(), options())
	made := create(t, s, stream.Config{Name: "a"})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	results, err := made.PutBatch(ctx, []record.Record{{PartitionKey: "k"}})
	// The record may have made it before anybody looked at the context.
	if err == nil && results[0].Err != nil || err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v, result = %v", err, results[0].Err)
	}
}

func TestLimitsApplyWhereTheStreamAsksForThem(t *testing.T) {
	s := open(t, t.TempDir(), options())
	limited := create(t, s, stream.Config{Name: "limited", EnforceLimits: true, Durability: record.None})
	free := create(t, s, stream.Config{Name: "free", Durability: record.None})
	records := slices.Repeat([]record.Record{{PartitionKey: "k"}}, 2000)
	for range 2 {
		if results, err := free.PutBatch(t.Context(), records); err != nil || results[0].Err != nil {
			t.Fatal(err, results[0].Err)
		}
	}
	if _, err := limited.PutBatch(t.Context(), records); err != nil {
		t.Fatal(err)
	}
	results, err := limited.PutBatch(t.Context(), records)
	if err != nil || !errors.Is(results[0].Err, failure.Throttled) {
		t.Errorf("err = %v, result = %v", err, results[0].Err)
	}
}

func TestConcurrentUse(t *testing.T) {
	s := open(t, t.TempDir(), options())
	made := create(t, s, stream.Config{Name: "shared", Shards: 2, Durability: record.None})
	var group sync.WaitGroup
	for worker := range 4 {
		group.Go(func() {
			for i := range 50 {
				results, err := made.PutBatch(t.Context(), []record.Record{
					{PartitionKey: fmt.Sprint(worker, i)}, {PartitionKey: fmt.Sprint(i, worker)},
				})
				if err != nil || results[0].Err != nil || results[1].Err != nil {
					t.Error(err, results)
					return
				}
			}
		})
		group.Go(func() {
			name := fmt.Sprint("own-", worker)
			for range 5 {
				if _, err := s.Create(t.Context(), stream.Config{Name: name}); err != nil {
					t.Error(err)
				}
				s.List("", 10)
				s.Stats()
				if err := s.Delete(t.Context(), name); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	if total := len(read(t, made, 0)) + len(read(t, made, 1)); total != 400 {
		t.Errorf("%d records, want 400", total)
	}
}

func TestClosedStoreSaysSo(t *testing.T) {
	s := open(t, t.TempDir(), options())
	made := create(t, s, stream.Config{Name: "a"})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, put := made.Put(t.Context(), record.Record{PartitionKey: "k"})
	_, created := s.Create(t.Context(), stream.Config{Name: "b"})
	for _, err := range []error{put, created, s.Delete(t.Context(), "a")} {
		if !errors.Is(err, failure.Closed) {
			t.Errorf("err = %v, want Closed", err)
		}
	}
	if err := s.Close(); err != nil {
		t.Errorf("closing twice: %v", err)
	}
}

func TestSecondOpenIsAConflict(t *testing.T) {
	dir, o := t.TempDir(), options()
	open(t, dir, o)
	if s, err := stream.Open(dir, o); !errors.Is(err, failure.Conflict) {
		t.Errorf("store = %v, err = %v", s, err)
	}
}

func BenchmarkPut(b *testing.B) {
	for _, mode := range []record.Durability{record.Group, record.None} {
		b.Run(mode.String(), func(b *testing.B) {
			s, err := stream.Open(b.TempDir(), stream.Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			made, err := s.Create(b.Context(), stream.Config{Name: "a", Durability: mode})
			if err != nil {
				b.Fatal(err)
			}
			r := record.Record{PartitionKey: "key", Data: make([]byte, 1024)}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := made.Put(b.Context(), r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkPutBatch(b *testing.B) {
	s, err := stream.Open(b.TempDir(), stream.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	made, err := s.Create(b.Context(), stream.Config{Name: "a", Shards: 4, Durability: record.None})
	if err != nil {
		b.Fatal(err)
	}
	var records []record.Record
	for i := range 500 {
		records = append(records, record.Record{PartitionKey: fmt.Sprint(i), Data: make([]byte, 1024)})
	}
	b.SetBytes(500 << 10)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := made.PutBatch(b.Context(), records); err != nil {
			b.Fatal(err)
		}
	}
}
