package stream_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/internal/vfs/crashfs"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/stream"
)

func TestClosedShardsExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, o := t.TempDir(), onDisk(crashfs.New(crashfs.Options{}))
		o.RetentionInterval, o.ShardsMax, o.ShardsPerStreamMax = time.Minute, 3, 3
		s := open(t, dir, o)
		made := create(t, s, stream.Config{Name: "a", RetentionTime: time.Hour})
		put(t, made, record.Record{PartitionKey: "k"})
		if _, err := s.Split(t.Context(), "a", 0, record.HashKey{Hi: 1 << 63}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Split(t.Context(), "a", 1, record.HashKey{Hi: 1 << 62}); !errors.Is(err, stream.ErrShardLimit) {
			t.Errorf("a closed shard with a log counts: %v", err)
		}
		held, err := made.Shard(0)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(55 * time.Minute)
		if d := made.Describe().Shards[0]; d.Expired || d.First != 1 {
			t.Errorf("after 55 minutes: %+v", d)
		}
		time.Sleep(10 * time.Minute)
		for range 2 {
			checkExpired(t, s)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = open(t, dir, o)
		}
		if _, err := held.Cursor(record.TrimHorizon()); !errors.Is(err, stream.ErrShardExpired) {
			t.Errorf("a cursor of the expired shard: %v", err)
		}
		if _, err := s.Merge(t.Context(), "a", 1, 2); err != nil {
			t.Errorf("an expired shard does not count: %v", err)
		}
		if err := s.Close(); err != nil { // inside the bubble
			t.Error(err)
		}
	})
}

// checkExpired checks that shard 0 of stream a has expired and its children have not.
func checkExpired(t *testing.T, s *stream.Store) {
	t.Helper()
	made, err := s.Stream("a")
	if err != nil {
		t.Fatal(err)
	}
	d := made.Describe()
	gone := d.Shards[0]
	if !gone.Expired || !gone.Closed || gone.Last != 1 || gone.First != 2 || gone.Next != 2 || gone.Err != nil || gone.ClosedAt.IsZero() {
		t.Errorf("%+v", gone)
	}
	if d.Shards[1].Expired || d.Shards[2].Expired || len(d.Shards) != 3 {
		t.Errorf("%+v", d.Shards)
	}
	if _, err := made.Shard(0); !errors.Is(err, failure.NotFound) || !errors.Is(err, stream.ErrShardExpired) {
		t.Errorf("the expired shard: %v", err)
	}
	_, split := s.Split(t.Context(), "a", 0, record.HashKey{Hi: 1})
	if !errors.Is(split, stream.ErrShardExpired) {
		t.Errorf("splitting it: %v", split)
	}
	if stats := s.Stats(); stats.Unavailable != 0 || stats.OrphanLogs != 0 || len(stats.Streams[0].Shards) != 2 || len(s.Damage()) != 0 {
		t.Errorf("%+v, damage %v", stats, s.Damage())
	}
	made.CountRead(0, 1, 1)
}

func TestClosedShardsStayWhereRecordsDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, t.TempDir(), onDisk(crashfs.New(crashfs.Options{})))
		made := create(t, s, stream.Config{Name: "a", RetentionTime: stream.RetainForever})
		if _, err := s.Split(t.Context(), "a", 0, record.HashKey{Hi: 1}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(1000 * time.Hour)
		expired := func() bool {
			if err := s.EnforceRetention(t.Context()); err != nil {
				t.Fatal(err)
			}
			return made.Describe().Shards[0].Expired
		}
		if expired() {
			t.Error("expired although records are kept for ever")
		}
		if err := s.SetRetention(t.Context(), "a", 2000*time.Hour); err != nil || expired() {
			t.Errorf("expired before its time; %v", err)
		}
		if err := s.SetRetention(t.Context(), "a", time.Hour); err != nil || !expired() {
			t.Errorf("not expired after its time; %v", err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestReconfigure(t *testing.T) {
	dir, o := t.TempDir(), options()
	s := open(t, dir, o)
	made := create(t, s, stream.Config{Name: "a", Durability: record.None})
	for name, c := range map[string]struct {
		err  error
		want failure.Kind
	}{
		"no stream": {s.SetRetention(t.Context(), "b", time.Hour), failure.NotFound},
		"too short": {s.SetRetention(t.Context(), "a", time.Millisecond), failure.InvalidArgument},
		"none":      {s.SetRetention(t.Context(), "a", 0), failure.InvalidArgument},
		"bytes":     {s.Reconfigure(t.Context(), "a", func(c *stream.Config) { c.RetentionBytes = -1 }), failure.InvalidArgument},
		"shards":    {s.Reconfigure(t.Context(), "a", func(c *stream.Config) { c.Shards = 2 }), failure.InvalidArgument},
		"name":      {s.Reconfigure(t.Context(), "a", func(c *stream.Config) { c.Name = "b" }), failure.InvalidArgument},
	} {
		if !errors.Is(c.err, c.want) {
			t.Errorf("%s: %v", name, c.err)
		}
	}
	crowd := make([]record.Record, 3000)
	for i := range crowd {
		crowd[i].PartitionKey = "k"
	}
	throttled := func() bool {
		for range 2 { // the first one may take more than there is
			results, err := made.PutBatch(t.Context(), crowd)
			if err != nil {
				t.Fatal(err)
			}
			if err := results[0].Err; err != nil {
				if !errors.Is(err, failure.Throttled) {
					t.Fatal(err)
				}
				return true
			}
		}
		return false
	}
	enforce := func(on bool) {
		if err := s.Reconfigure(t.Context(), "a", func(c *stream.Config) { c.EnforceLimits = on }); err != nil {
			t.Fatal(err)
		}
	}
	if throttled() {
		t.Error("throttled without limits")
	}
	if enforce(true); !throttled() {
		t.Error("not throttled with limits")
	}
	if enforce(false); throttled() {
		t.Error("throttled after the limits were lifted")
	}
	enforce(true)
	if err := s.SetRetention(t.Context(), "a", 48*time.Hour); err != nil {
		t.Fatal(err)
	}
	want := made.Config()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	found, err := open(t, dir, o).Stream("a")
	if err != nil {
		t.Fatal(err)
	}
	if got := found.Config(); got != want || got.RetentionTime != 48*time.Hour || !got.EnforceLimits {
		t.Errorf("%+v after opening, before %+v", got, want)
	}
	if made = found; !throttled() {
		t.Error("not throttled after opening")
	}
}
