package stream_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/internal/vfs"
	"github.com/millrace-io/millrace/internal/vfs/crashfs"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/stream"
	"github.com/millrace-io/millrace/wal"
)

// crashedState is what a power cut could have left of a store: the logs on a
// simulated disk, and the catalogue as bbolt had committed it.
type crashedState struct {
	moment    string
	logs      *crashfs.FS
	catalogue []byte
	// done is how much the work had done by then, by its own count.
	done int64
}

// crashes collects a crashed state at every change that work makes to the logs.
// The catalogue does not change while the logs do, so that its file can be
// copied as it is.
func crashes(t *testing.T, disk *crashfs.FS, dir string, work func(done *atomic.Int64)) []crashedState {
	t.Helper()
	var mutex sync.Mutex
	rng := rand.New(rand.NewPCG(1, 2))
	var states []crashedState
	var done atomic.Int64
	take := func(moment string) {
		mutex.Lock()
		defer mutex.Unlock()
		catalogue, err := os.ReadFile(filepath.Join(dir, "catalogue.db"))
		if err != nil {
			t.Error(err)
			return
		}
		before := done.Load()
		states = append(states, crashedState{moment, disk.Crash(rng), catalogue, before})
	}
	disk.SetHook(func(call vfs.Call) { take(fmt.Sprint(call.Operation, " ", filepath.Base(call.Name))) })
	work(&done)
	disk.SetHook(nil)
	take("the end")
	return states
}

// restore opens a store on a crashed state.
func restore(t *testing.T, state crashedState, dir string) *stream.Store {
	t.Helper()
	if err := os.MkdirAll(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "catalogue.db"), state.catalogue, 0o600); err != nil {
		t.Fatal(err)
	}
	return open(t, dir, onDisk(state.logs))
}

// onDisk are options for a store whose logs are on a simulated disk.
func onDisk(disk *crashfs.FS) stream.Options {
	return stream.Options{
		Options:           wal.Options{Backend: wal.BackendHeap, FS: disk, SegmentBytesMin: 64 << 10, SegmentBytesMax: 64 << 10},
		RetentionInterval: -1,
	}
}

// A crash anywhere in Create leaves either no stream, and no log of it, or the
// whole stream; an acknowledged one is always there. Deletion likewise.
func TestCreationAndDeletionSurviveACrash(t *testing.T) {
	dir := "data" // the same on the simulated disk and, below a temporary directory, on the real one
	t.Chdir(t.TempDir())
	disk := crashfs.New(crashfs.Options{})
	s := open(t, dir, onDisk(disk))
	bystander := create(t, s, stream.Config{Name: "bystander"})
	if _, err := bystander.Put(t.Context(), record.Record{PartitionKey: "k", Data: []byte("safe")}); err != nil {
		t.Fatal(err)
	}
	creation := crashes(t, disk, dir, func(*atomic.Int64) {
		made, err := s.Create(t.Context(), stream.Config{Name: "a", Shards: 2}, stream.Document{Key: "tag"})
		if err != nil {
			t.Error(err)
			return
		}
		if _, err := made.Put(t.Context(), record.Record{PartitionKey: "k", Data: []byte("acknowledged")}); err != nil {
			t.Error(err)
		}
	})
	deletion := crashes(t, disk, dir, func(*atomic.Int64) {
		if err := s.Delete(t.Context(), "a"); err != nil {
			t.Error(err)
		}
	})
	if len(creation) < 5 || len(deletion) < 5 {
		t.Fatalf("only %d and %d moments: the hook saw nothing", len(creation), len(deletion))
	}
	acknowledged, gone := len(creation)-1, len(creation)+len(deletion)-1
	for i, state := range slices.Concat(creation, deletion) {
		t.Run(fmt.Sprint(i, " ", state.moment), func(t *testing.T) {
			t.Chdir(t.TempDir())
			restored := restore(t, state, dir)
			checkRestored(t, restored)
			found, err := restored.Stream("a")
			switch {
			case err != nil && !errors.Is(err, failure.NotFound):
				t.Errorf("err = %v", err)
			case err == nil && i == gone:
				t.Error("the deleted stream is back")
			case err != nil && i == acknowledged:
				t.Error("the acknowledged stream is gone")
			case err == nil && !has(t, found.Documents(), "tag"):
				t.Error("the stream is there without its document")
			case err == nil && i == acknowledged:
				data := append(read(t, found, 0), read(t, found, 1)...)
				if !slices.Equal(data, []string{"acknowledged"}) {
					t.Errorf("the acknowledged record reads %q", data)
				}
			case err != nil:
				if again := create(t, restored, stream.Config{Name: "a"}); has(t, again.Documents(), "tag") {
					t.Error("a new stream has the document of the old one")
				}
			}
		})
	}
}

func has(t *testing.T, documents *stream.Documents, key string) bool {
	t.Helper()
	_, found, err := documents.Get(key)
	if err != nil {
		t.Error(err)
	}
	return found
}

// checkRestored checks what holds after any crash.
func checkRestored(t *testing.T, s *stream.Store) {
	t.Helper()
	if damage, orphans := s.Damage(), s.OrphanLogs(); len(damage) != 0 || len(orphans) != 0 {
		t.Errorf("damage %v, orphans %v", damage, orphans)
	}
	bystander, err := s.Stream("bystander")
	if err != nil {
		t.Fatal(err)
	}
	if got := read(t, bystander, 0); !slices.Equal(got, []string{"safe"}) {
		t.Errorf("the bystander has %q", got)
	}
	names, _ := s.List("", 10)
	for _, name := range names {
		found, err := s.Stream(name)
		if err != nil {
			t.Fatal(err)
		}
		for i, described := range found.Describe().Shards {
			if _, err := found.Shard(record.ShardID(i)); (err != nil) != described.Expired {
				t.Errorf("%s/%d, expired %v: %v", name, i, described.Expired, err)
			}
		}
	}
}

func TestCatalogueFromABackupCostsNoData(t *testing.T) {
	t.Chdir(t.TempDir())
	disk := crashfs.New(crashfs.Options{})
	reopen := func() *stream.Store { return open(t, "data", onDisk(disk)) }
	catalogue := filepath.Join("data", "catalogue.db")
	s := reopen()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	backup, err := os.ReadFile(catalogue)
	if err != nil {
		t.Fatal(err)
	}
	s = reopen()
	create(t, s, stream.Config{Name: "forgotten", Shards: 2})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(catalogue, backup, 0o600); err != nil {
		t.Fatal(err)
	}
	s = reopen()
	if orphans := s.OrphanLogs(); len(orphans) != 2 {
		t.Errorf("orphans = %v, want both logs kept and reported", orphans)
	}
	// The old counter would give out ids that are in use.
	if _, err := s.Create(t.Context(), stream.Config{Name: "new"}); err != nil {
		t.Errorf("creating beside orphans: %v", err)
	}
}

func TestCatalogueThatIsNotOurs(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "catalogue.db"), make([]byte, 1<<16), 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := stream.Open(dir, options()); !errors.Is(err, failure.NotOurs) {
		t.Errorf("store = %v, err = %v, want NotOurs", s, err)
	}
}
