package stream

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/internal/vfs"
	"github.com/millrace-io/millrace/internal/vfs/crashfs"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/wal"
)

// onHeap opens a store whose logs are on a simulated disk.
func onHeap(t *testing.T, dir string, disk *crashfs.FS) *Store {
	t.Helper()
	s, err := Open(dir, Options{Options: wal.Options{Backend: wal.BackendHeap, FS: disk}, RetentionInterval: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// writeSome appends records to a stream and returns how many records it has.
func writeSome(t *testing.T, s *Store, records int) uint64 {
	t.Helper()
	of, err := s.Stream("a")
	if err != nil {
		t.Fatal(err)
	}
	for range records {
		if _, err := of.Put(t.Context(), record.Record{PartitionKey: "k"}); err != nil {
			t.Fatal(err)
		}
	}
	total := uint64(0)
	for _, d := range of.Describe().Shards {
		total += d.Next - d.First
	}
	return total
}

// The catalogue fails at any moment of a split: the stream goes on as it was, and
// reopening shows it so, with the records written since.
func TestCatalogueFailsDuringASplit(t *testing.T) {
	middle := record.HashKey{Hi: 1 << 63}
	for n, fired := 1, true; fired; n++ {
		t.Chdir(t.TempDir())
		disk := crashfs.New(crashfs.Options{})
		s := onHeap(t, "data", disk)
		if _, err := s.Create(context.Background(), Config{Name: "a"}); err != nil {
			t.Fatal(err)
		}
		writeSome(t, s, 3)
		calls := 0
		disk.SetHook(func(vfs.Call) {
			if calls++; calls == n {
				_ = s.catalogue.close() // every transaction fails from here on
			}
		})
		_, err := s.Split(t.Context(), "a", 0, middle)
		disk.SetHook(nil)
		fired = calls >= n
		if (err != nil) != fired {
			t.Fatalf("call %d: %v", n, err)
		}
		if want := writeSome(t, s, 2); want != 5 {
			t.Errorf("call %d: %d records after the failure", n, want)
		}
		if fired {
			if _, err := s.Split(t.Context(), "a", 0, middle); err == nil {
				t.Error("a split without a catalogue")
			}
		}
		_ = s.Close() // the catalogue is closed already
		s = onHeap(t, "data", disk)
		if got := writeSome(t, s, 1); got != 6 || len(s.OrphanLogs()) != 0 || len(s.Damage()) != 0 {
			t.Errorf("call %d: %d records, orphans %v, damage %v", n, got, s.OrphanLogs(), s.Damage())
		}
		if fired {
			if _, err := s.Split(t.Context(), "a", 0, middle); err != nil {
				t.Errorf("call %d: split after reopening: %v", n, err)
			}
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if !fired && n < 4 {
			t.Errorf("only %d calls: the hook saw nothing", n)
		}
	}
}

// A transaction that failed and is there all the same: the process went on with the
// parent, and the next opening finds the children. Nothing is lost, and the end of the
// parent is where its records end.
func TestSplitThatWasCommittedInSpiteOfItsFailure(t *testing.T) {
	t.Chdir(t.TempDir())
	disk := crashfs.New(crashfs.Options{})
	s := onHeap(t, "data", disk)
	if _, err := s.Create(t.Context(), Config{Name: "a"}); err != nil {
		t.Fatal(err)
	}
	writeSome(t, s, 3)
	calls := 0
	disk.SetHook(func(vfs.Call) {
		if calls++; calls == 1 {
			_ = s.catalogue.close()
		}
	})
	if _, err := s.Split(t.Context(), "a", 0, record.HashKey{Hi: 1 << 63}); err == nil {
		t.Fatal("a split without a catalogue")
	}
	disk.SetHook(nil)
	writeSome(t, s, 2) // to the parent
	_ = s.Close()
	commitIntent(t)
	s = onHeap(t, "data", disk)
	of, err := s.Stream("a")
	if err != nil {
		t.Fatal(err)
	}
	d := of.Describe().Shards
	if len(d) != 3 || !d[0].Closed || d[0].Last != 5 || len(s.Damage()) != 0 || len(s.OrphanLogs()) != 0 {
		t.Errorf("%+v, damage %v, orphans %v", d, s.Damage(), s.OrphanLogs())
	}
	parent, err := of.Shard(0)
	if err != nil {
		t.Fatal(err)
	}
	if last, closed := parent.End(); last != 5 || !closed {
		t.Errorf("the parent ends at %d, %v", last, closed)
	}
	if got := writeSome(t, s, 1); got != 6 {
		t.Errorf("%d records", got)
	}
}

// commitIntent makes the last transaction of a split in the catalogue of the data
// directory.
func commitIntent(t *testing.T) {
	t.Helper()
	c, err := openCatalogue("data")
	if err != nil {
		t.Fatal(err)
	}
	rows, err := c.load()
	if err != nil || len(rows) != 1 || len(rows[0].Intent) != 2 {
		t.Fatalf("%+v, %v", rows, err)
	}
	changed := rows[0].copy()
	changed.Shards[0].Closed, changed.Shards[0].ClosedAt, changed.Shards[0].Last = true, 1, 3
	changed.Shards = append(changed.Shards, changed.Intent...)
	changed.Intent = nil
	if err := errors.Join(c.replace(rows[0], changed), c.close()); err != nil {
		t.Fatal(err)
	}
}

// While the logs of an intent may exist unknown to anybody, nothing forgets whose they
// are.
func TestUnsettledIntentIsKept(t *testing.T) {
	t.Chdir(t.TempDir())
	s := onHeap(t, "data", crashfs.New(crashfs.Options{}))
	if _, err := s.Create(t.Context(), Config{Name: "a"}); err != nil {
		t.Fatal(err)
	}
	r := s.rows["a"]
	if err := s.catalogue.intend(r, []shardRow{newShardRow(1, record.SplitEvenly(1)[0], 0)}); err != nil {
		t.Fatal(err)
	}
	r.unsettled = true
	for range 2 {
		if _, err := s.Split(t.Context(), "a", 0, record.HashKey{Hi: 1}); !errors.Is(err, failure.Poisoned) {
			t.Errorf("split: %v", err)
		}
	}
	// Other changes keep it.
	if err := s.SetRetention(t.Context(), "a", RetentionTimeDefault*2); err != nil {
		t.Fatal(err)
	}
	err := s.catalogue.database.View(func(tx *bbolt.Tx) error {
		stored, err := decodeRow([]byte("a"), tx.Bucket(bucketStreams).Get([]byte("a")))
		if err == nil && (len(stored.Intent) != 1 || stored.RetentionTime != RetentionTimeDefault*2) {
			err = fmt.Errorf("stored: %+v", stored)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
