package shard_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/internal/clock"
	"github.com/millrace-io/millrace/internal/vfs/crashfs"
	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/shard"
	"github.com/millrace-io/millrace/wal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open makes a shard over a new log.
func open(t *testing.T, mode record.Durability, o shard.Options) *shard.Shard {
	t.Helper()
	options := wal.Options{SegmentBytesMin: 64 << 10}
	if raceEnabled {
		options.Backend, options.FS = wal.BackendHeap, crashfs.New(crashfs.Options{})
	}
	dir, err := wal.OpenDir(t.TempDir(), options)
	if err != nil {
		t.Fatal(err)
	}
	if err := dir.CreateLogs(1); err != nil {
		t.Fatal(err)
	}
	log, err := dir.OpenLog(1, wal.LogOptions{Durability: mode})
	if err != nil {
		t.Fatal(err)
	}
	s := shard.New(log, o)
	t.Cleanup(func() {
		if err := errors.Join(s.Close(), dir.Close()); err != nil {
			t.Error(err)
		}
	})
	return s
}

func whole() record.HashRange { return record.SplitEvenly(1)[0] }

func records(n, bytes int) []record.Record {
	made := make([]record.Record, n)
	for i := range made {
		made[i] = record.Record{PartitionKey: fmt.Sprint("key-", i), Data: make([]byte, bytes)}
	}
	return made
}

func payload(records []record.Record) []byte {
	return protocol.AppendBatch(nil, records, protocol.Producer{})
}

func TestStagedBatchesKeepTheirOrderAndAreRead(t *testing.T) {
	for _, mode := range []record.Durability{record.Group, record.Interval, record.None} {
		t.Run(mode.String(), func(t *testing.T) {
			ctx := t.Context()
			s := open(t, mode, shard.Options{Stream: "orders", Range: whole()})
			var staged []wal.Pending
			for i := range 10 {
				batch := []record.Record{{PartitionKey: "k", Data: fmt.Append(nil, i)}}
				stage := func() (wal.Pending, error) {
					return s.Stage(ctx, payload(batch), 1, protocol.Producer{}, record.Group)
				}
				if i%2 == 1 {
					stage = func() (wal.Pending, error) { return s.StageRouted(ctx, batch, 2, record.Group) }
				}
				pending, err := stage()
				if err != nil {
					t.Fatal(err)
				}
				staged = append(staged, pending)
			}
			for i, pending := range staged {
				if err := s.Wait(ctx, pending); err != nil {
					t.Fatal(err)
				}
				if want := uint64(i + 1); pending.Range.First != want || pending.Range.Last != want {
					t.Errorf("batch %d got %+v", i, pending.Range)
				}
				if !s.Acknowledged(pending) {
					t.Errorf("batch %d is not acknowledged after Wait", i)
				}
			}
			cursor, err := s.Cursor(record.TrimHorizon())
			if err != nil {
				t.Fatal(err)
			}
			defer cursor.Close()
			for i := range 10 {
				if !cursor.TryNext() {
					t.Fatalf("record %d is missing: %v", i, cursor.Err())
				}
				if got := string(cursor.View().Data); got != fmt.Sprint(i) {
					t.Errorf("record %d reads %q", i, got)
				}
			}
		})
	}
}

func TestRecordOutsideTheRangeIsWrongShard(t *testing.T) {
	halves := record.SplitEvenly(2)
	s := open(t, record.None, shard.Options{Stream: "orders", ID: 1, Range: halves[1]})
	low, high := halves[0].Start, halves[1].Start
	mixed := []record.Record{
		{PartitionKey: "a", ExplicitHash: &high},
		{PartitionKey: "b", ExplicitHash: &low},
	}
	_, staged := s.Stage(t.Context(), payload(mixed), 2, protocol.Producer{}, record.None)
	_, put := s.Put(t.Context(), mixed, protocol.Producer{})
	for _, err := range []error{staged, put} {
		var failed *failure.Error
		if !errors.Is(err, failure.WrongShard) || !errors.As(err, &failed) {
			t.Fatalf("err = %v, want WrongShard", err)
		}
		if failed.Stream != "orders" || failed.Shard != "shardId-000000000001" {
			t.Errorf("the error names %q %q", failed.Stream, failed.Shard)
		}
	}
	if next := s.Next(); next != 1 {
		t.Errorf("the refused batches left records: next = %d", next)
	}
	if _, err := s.Put(t.Context(), mixed[:1], protocol.Producer{}); err != nil {
		t.Errorf("a record of the range: %v", err)
	}
}

func TestRecordsBeyondTheLimitsAreRefused(t *testing.T) {
	s := open(t, record.None, shard.Options{Range: whole()})
	bad := []record.Record{{PartitionKey: "", Data: []byte("x")}}
	if _, err := s.Stage(t.Context(), payload(bad), 1, protocol.Producer{}, record.None); !errors.Is(err, failure.InvalidArgument) {
		t.Errorf("empty key staged: %v", err)
	}
	if _, err := s.Put(t.Context(), bad, protocol.Producer{}); !errors.Is(err, failure.InvalidArgument) {
		t.Errorf("empty key put: %v", err)
	}
}

func TestClosedShardSendsWritersAway(t *testing.T) {
	s := open(t, record.None, shard.Options{Range: whole(), Closed: true})
	if _, err := s.Put(t.Context(), records(1, 1), protocol.Producer{}); !errors.Is(err, failure.WrongShard) {
		t.Errorf("put: %v", err)
	}
	if _, err := s.Stage(t.Context(), payload(records(1, 1)), 1, protocol.Producer{}, record.None); !errors.Is(err, failure.WrongShard) {
		t.Errorf("stage: %v", err)
	}
}

// frozen is a clock that stands still.
type frozen struct {
	clock.Clock
	now time.Time
}

func (f *frozen) Now() time.Time { return f.now }

func TestLimitsThrottleAndSayForHowLong(t *testing.T) {
	hand := &frozen{Clock: clock.System(), now: time.Unix(1, 0)}
	s := open(t, record.None, shard.Options{
		Stream: "orders", Range: whole(), Clock: hand,
		Limits: shard.Limits{BytesPerSecond: 1 << 20, RecordsPerSecond: 100},
	})
	if _, err := s.Put(t.Context(), records(100, 1), protocol.Producer{}); err != nil {
		t.Fatal(err)
	}
	_, err := s.Stage(t.Context(), payload(records(10, 1)), 10, protocol.Producer{}, record.None)
	var failed *failure.Error
	if !errors.Is(err, failure.Throttled) || !errors.As(err, &failed) || failed.RetryAfter != 100*time.Millisecond {
		t.Fatalf("err = %v, want Throttled for 100ms", err)
	}
	hand.now = hand.now.Add(failed.RetryAfter)
	if _, err := s.Put(t.Context(), records(10, 1), protocol.Producer{}); err != nil {
		t.Errorf("after the wait: %v", err)
	}
	if stats := s.Stats(); stats.ThrottledAppends != 1 || stats.ThrottledRecords != 10 || stats.Log.Records != 110 {
		t.Errorf("stats = %+v", stats)
	}
}

func TestRetiredShardGivesItsReason(t *testing.T) {
	s := open(t, record.Group, shard.Options{Range: whole()})
	cursor, err := s.Cursor(record.Latest())
	if err != nil {
		t.Fatal(err)
	}
	defer cursor.Close()
	waiting := make(chan error, 1)
	go func() { waiting <- s.Explain(cursor.Wait(context.Background())) }()
	s.Retire(failure.New(failure.NotFound, "test", "gone"))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, put := s.Put(t.Context(), records(1, 1), protocol.Producer{})
	_, staged := s.Stage(t.Context(), payload(records(1, 1)), 1, protocol.Producer{}, record.None)
	_, opened := s.Cursor(record.TrimHorizon())
	for i, err := range []error{put, staged, opened, <-waiting} {
		if !errors.Is(err, failure.NotFound) {
			t.Errorf("%d: err = %v, want NotFound", i, err)
		}
	}
}

func TestSequenceNumbersGrowWithTheIndex(t *testing.T) {
	s := open(t, record.None, shard.Options{ID: 3, Range: whole(), Created: time.Unix(1_700_000_000, 5)})
	a, b := s.SequenceNumber(9, time.Unix(1_700_000_100, 0).UnixNano()), s.SequenceNumber(10, time.Unix(1_700_000_099, 0).UnixNano())
	if a.Compare(b) >= 0 {
		t.Errorf("%v is not below %v", a, b)
	}
	if a.Shard != 3 || a.ShardCreated != 1_700_000_000 || a.Arrival != 1_700_000_100 {
		t.Errorf("%+v", a)
	}
}

func BenchmarkStage(b *testing.B) {
	for _, parts := range []int{1, 2} {
		b.Run(fmt.Sprint("of", parts), func(b *testing.B) {
			dir, err := wal.OpenDir(b.TempDir(), wal.Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer dir.Close()
			if err := dir.CreateLogs(1); err != nil {
				b.Fatal(err)
			}
			log, err := dir.OpenLog(1, wal.LogOptions{Durability: record.None})
			if err != nil {
				b.Fatal(err)
			}
			s := shard.New(log, shard.Options{Range: record.SplitEvenly(parts)[0]})
			batch := records(256, 1024)
			for i := range batch {
				batch[i].ExplicitHash = &record.HashKey{}
			}
			bytes := payload(batch)
			b.SetBytes(int64(len(bytes)))
			b.ReportAllocs()
			for b.Loop() {
				pending, err := s.Stage(b.Context(), bytes, len(batch), protocol.Producer{}, record.None)
				if err != nil {
					b.Fatal(err)
				}
				if err := s.Wait(b.Context(), pending); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
