package stream_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace-io/millrace/internal/vfs/crashfs"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/stream"
)

// fill writes several segments of records.
func fill(t *testing.T, to *stream.Stream) {
	t.Helper()
	for range 40 {
		if _, err := to.Put(t.Context(), record.Record{PartitionKey: "k", Data: make([]byte, 8<<10)}); err != nil {
			t.Fatal(err)
		}
	}
}

func first(s *stream.Stream) uint64 { return s.Describe().Shards[0].First }

func TestRetentionByTimeRunsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := onDisk(crashfs.New(crashfs.Options{}))
		o.RetentionInterval = time.Minute
		s := open(t, t.TempDir(), o)
		made := create(t, s, stream.Config{Name: "a", Durability: record.None, RetentionTime: time.Hour})
		forever := create(t, s, stream.Config{Name: "b", Durability: record.None, RetentionTime: stream.RetainForever})
		fill(t, made)
		fill(t, forever)
		time.Sleep(50 * time.Minute)
		if got := first(made); got != 1 {
			t.Errorf("after 50 minutes the first record is %d", got)
		}
		if _, err := made.Put(t.Context(), record.Record{PartitionKey: "k"}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(12 * time.Minute)
		if got := first(made); got <= 1 || got > 41 {
			t.Errorf("after an hour the first record is %d, want whole segments gone and record 41 kept", got)
		}
		time.Sleep(time.Hour)
		d := made.Describe().Shards[0]
		if d.First != 42 || d.Next != 42 {
			t.Errorf("a silent stream kept records %d to %d past their time", d.First, d.Next-1)
		}
		if got := first(forever); got != 1 {
			t.Errorf("a stream to keep for ever begins at %d", got)
		}
		if at, err := made.Put(t.Context(), record.Record{PartitionKey: "k"}); err != nil || at.Sequence != 42 {
			t.Errorf("the next record got %+v, %v", at, err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestRetentionByBytes(t *testing.T) {
	s := open(t, t.TempDir(), options())
	made := create(t, s, stream.Config{Name: "a", Durability: record.None, RetentionBytes: 128 << 10})
	fill(t, made)
	if err := s.EnforceRetention(t.Context()); err != nil {
		t.Fatal(err)
	}
	d := made.Describe().Shards[0]
	if d.First <= 1 || d.Bytes > 128<<10+64<<10 {
		t.Errorf("first = %d, bytes = %d", d.First, d.Bytes)
	}
	if len(read(t, made, 0)) != int(d.Next-d.First) {
		t.Error("records that are described cannot be read")
	}
}
