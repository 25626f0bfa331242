package stream_test

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/internal/vfs/crashfs"
	"github.com/millrace-io/millrace/internal/vfs/errorfs"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/stream"
)

// story puts records of one key, numbered from 0, before, between and behind a split
// and a merge. It counts those acknowledged in done and goes on whatever fails,
// since the shards have to.
func story(t *testing.T, s *stream.Store, done *atomic.Int64) (failed error) {
	made, err := s.Stream("a")
	if err != nil {
		t.Fatal(err)
	}
	next := 0
	puts := func() {
		for range 3 {
			if _, err := made.Put(t.Context(), at(record.HashKey{Hi: 1}, fmt.Sprint(next))); err != nil {
				failed = errors.Join(failed, err)
				return
			}
			next++
			done.Store(int64(next))
		}
	}
	puts()
	children, err := s.Split(t.Context(), "a", 0, record.HashKey{Hi: 1 << 63})
	failed = errors.Join(failed, err)
	puts()
	if err == nil {
		_, err := s.Merge(t.Context(), "a", children[0], children[1])
		failed = errors.Join(failed, err)
	}
	puts()
	return failed
}

// checkStory checks that a store has what was acknowledged of a story, in order, and
// no gap in what else it has; and that it goes on from there.
func checkStory(t *testing.T, s *stream.Store, acknowledged int) {
	t.Helper()
	checkRestored(t, s)
	made, err := s.Stream("a")
	if err != nil {
		t.Fatal(err)
	}
	shards := made.Describe().Shards
	if n := len(shards); n != 1 && n != 3 && n != 4 {
		t.Errorf("%d shards", n)
	}
	got := byKey(t, made)["k"]
	if len(got) < acknowledged {
		t.Errorf("%d records of %d: %q", len(got), acknowledged, got)
	}
	for i := range got {
		if got[i] != fmt.Sprint(i) {
			t.Fatalf("the records are %q", got)
		}
	}
	where := put(t, made, at(record.HashKey{Hi: 1}, fmt.Sprint(len(got))))
	if _, err := s.Split(t.Context(), "a", where.Shard, record.HashKey{Hi: 1}); err != nil {
		t.Errorf("another split: %v", err)
	}
	put(t, made, at(record.HashKey{Hi: 1}, fmt.Sprint(len(got)+1)))
	if again := byKey(t, made)["k"]; len(again) != len(got)+2 || !slices.Equal(again[:len(got)], got) {
		t.Errorf("%q after %q", again, got)
	}
}

// A crash anywhere in a split or a merge leaves the old shards or the new ones, and
// a prefix of the records over all of them, whatever the durability.
func TestReshardSurvivesACrash(t *testing.T) {
	for _, mode := range []record.Durability{record.Group, record.None} {
		dir := "data"
		t.Chdir(t.TempDir())
		disk := crashfs.New(crashfs.Options{})
		s := open(t, dir, onDisk(disk))
		bystander := create(t, s, stream.Config{Name: "bystander"})
		put(t, bystander, record.Record{PartitionKey: "k", Data: []byte("safe")})
		create(t, s, stream.Config{Name: "a", Durability: mode})
		states := crashes(t, disk, dir, func(done *atomic.Int64) {
			if err := story(t, s, done); err != nil {
				t.Error(err)
			}
		})
		if len(states) < 20 {
			t.Fatalf("only %d moments: the hook saw nothing", len(states))
		}
		lists := make(map[int]bool)
		for i, state := range states {
			if testing.Short() && i%3 != 0 {
				continue
			}
			t.Run(fmt.Sprint(mode, " ", i, " ", state.moment), func(t *testing.T) {
				t.Chdir(t.TempDir())
				restored := restore(t, state, dir)
				found, err := restored.Stream("a")
				if err != nil {
					t.Fatal(err)
				}
				lists[len(found.Describe().Shards)] = true
				acknowledged := 0
				if mode == record.Group {
					acknowledged = int(state.done)
				}
				checkStory(t, restored, acknowledged)
				if err := restored.Close(); err != nil {
					t.Fatal(err)
				}
				checkRestored(t, open(t, dir, onDisk(state.logs)))
			})
		}
		if !lists[1] || !lists[3] || !lists[4] {
			t.Errorf("not every list of shards was seen: %v", lists)
		}
	}
}

// Whichever call to the disk fails during a split and a merge: appends go on unless
// their own log failed, and reopening shows what was acknowledged, in order.
func TestReshardWithAnyFailingCall(t *testing.T) {
	step := map[bool]int{true: 3, false: 1}[testing.Short()]
	for n := 1; ; n += step {
		fired := false
		t.Run(fmt.Sprint("call ", n), func(t *testing.T) {
			t.Chdir(t.TempDir())
			disk := crashfs.New(crashfs.Options{})
			faulty := errorfs.New(disk)
			o := onDisk(disk)
			o.FS = faulty
			s, err := stream.Open("data", o)
			if err != nil {
				t.Fatal(err)
			}
			bystander := create(t, s, stream.Config{Name: "bystander"})
			put(t, bystander, record.Record{PartitionKey: "k", Data: []byte("safe")})
			create(t, s, stream.Config{Name: "a"})
			var done atomic.Int64
			fault := faulty.Fail(errorfs.Rule{Operations: errorfs.Changing(), Nth: n, Err: syscall.EIO})
			failed := story(t, s, &done)
			if fired = fault.Fired(); failed != nil && !fired {
				t.Fatalf("without a fault: %v", failed)
			}
			_ = s.Close() // what a poisoned log or manifest says is no news
			o.FS = disk
			checkStory(t, open(t, "data", o), int(done.Load()))
		})
		if !fired {
			if n < 10 {
				t.Errorf("only %d calls: the faults hit nothing", n)
			}
			return
		}
	}
}

// A full disk refuses a split, and neither the stream nor its appends suffer.
func TestReshardOnAFullDisk(t *testing.T) {
	t.Chdir(t.TempDir())
	disk := crashfs.New(crashfs.Options{})
	s := open(t, "data", onDisk(disk))
	made := create(t, s, stream.Config{Name: "a"})
	put(t, made, at(record.HashKey{Hi: 1}, "0"))
	disk.SetCapacity(disk.Used())
	_, refused := s.Split(t.Context(), "a", 0, record.HashKey{Hi: 1 << 63})
	if refused != nil && !errors.Is(refused, failure.NoSpace) {
		t.Errorf("the split: %v", refused)
	}
	// The logs of the children may find room, and their first segments none.
	_, full := made.Put(t.Context(), at(record.HashKey{Hi: 1}, "no room"))
	if full != nil && !errors.Is(full, failure.NoSpace) {
		t.Errorf("the append: %v", full)
	}
	disk.SetCapacity(0)
	open := made.Route(record.HashKey{Hi: 1})
	if _, err := s.Split(t.Context(), "a", open, record.HashKey{Hi: 1 << 62}); err != nil {
		t.Errorf("with room again: %v, before: %v", err, refused)
	}
	put(t, made, at(record.HashKey{Hi: 1}, "1"))
	got := slices.DeleteFunc(byKey(t, made)["k"], func(data string) bool { return data == "no room" && full == nil })
	if !slices.Equal(got, []string{"0", "1"}) {
		t.Errorf("read %q", got)
	}
}

// expiring makes a store in which shard 0 of stream a is about to expire. It is
// called in a bubble, whose clock it turns.
func expiring(t *testing.T, dir string, o stream.Options) *stream.Store {
	t.Helper()
	s, err := stream.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	put(t, create(t, s, stream.Config{Name: "bystander"}), record.Record{PartitionKey: "k", Data: []byte("safe")})
	put(t, create(t, s, stream.Config{Name: "a", RetentionTime: time.Hour}), at(record.HashKey{Hi: 1}, "old"))
	if _, err := s.Split(t.Context(), "a", 0, record.HashKey{Hi: 1 << 63}); err != nil {
		t.Fatal(err)
	}
	time.Sleep(2 * time.Hour)
	if err := s.Reconfigure(t.Context(), "bystander", func(c *stream.Config) { c.RetentionTime = stream.RetainForever }); err != nil {
		t.Fatal(err)
	}
	return s
}

// checkExpiry checks that a shard that began to expire is gone sooner or later, and
// leaves nothing behind.
func checkExpiry(t *testing.T, s *stream.Store) {
	t.Helper()
	checkRestored(t, s)
	if err := s.EnforceRetention(t.Context()); err != nil {
		t.Fatal(err)
	}
	checkExpired(t, s)
	if made, err := s.Stream("a"); err != nil {
		t.Error(err)
	} else {
		put(t, made, at(record.HashKey{Hi: 1}, "new"))
	}
}

func TestExpirySurvivesACrash(t *testing.T) {
	dir := "data"
	t.Chdir(t.TempDir())
	var states []crashedState
	synctest.Test(t, func(t *testing.T) {
		disk := crashfs.New(crashfs.Options{})
		s := expiring(t, dir, onDisk(disk))
		states = crashes(t, disk, dir, func(*atomic.Int64) {
			if err := s.EnforceRetention(t.Context()); err != nil {
				t.Error(err)
			}
		})
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	before, after := 0, 0
	for i, state := range states {
		t.Run(fmt.Sprint(i, " ", state.moment), func(t *testing.T) {
			t.Chdir(t.TempDir())
			restored := restore(t, state, dir)
			found, err := restored.Stream("a")
			if err != nil {
				t.Fatal(err)
			}
			if found.Describe().Shards[0].Expired {
				after++
			} else {
				before++
			}
			checkExpiry(t, restored)
			if err := restored.Close(); err != nil {
				t.Fatal(err)
			}
			checkRestored(t, open(t, dir, onDisk(state.logs)))
		})
	}
	if before == 0 || after < 2 {
		t.Errorf("%d moments before the mark, %d behind it", before, after)
	}
}

func TestExpiryWithAnyFailingCall(t *testing.T) {
	for n, fired := 1, true; fired; n++ {
		t.Chdir(t.TempDir())
		disk := crashfs.New(crashfs.Options{})
		synctest.Test(t, func(t *testing.T) {
			faulty := errorfs.New(disk)
			o := onDisk(disk)
			o.FS = faulty
			s := expiring(t, "data", o)
			fault := faulty.Fail(errorfs.Rule{Operations: errorfs.Changing(), Nth: n, Err: syscall.EIO})
			err := s.EnforceRetention(t.Context())
			if fired = fault.Fired(); err != nil && !fired {
				t.Errorf("without a fault: %v", err)
			}
			_ = s.Close() // what a poisoned log or manifest says is no news
		})
		checkExpiry(t, open(t, "data", onDisk(disk)))
		if !fired && n < 4 {
			t.Errorf("only %d calls: the faults hit nothing", n)
		}
	}
}
