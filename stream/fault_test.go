package stream_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/internal/vfs/crashfs"
	"github.com/millrace-io/millrace/internal/vfs/errorfs"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/stream"
	"github.com/millrace-io/millrace/wal"
)

// Whichever call to the disk fails during creation, use and deletion: what was
// acknowledged is there after reopening, what was not leaves nothing behind, and
// the neighbours do not notice.
func TestAnyFailingCall(t *testing.T) {
	for n := 1; ; n++ {
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
			if _, err := bystander.Put(t.Context(), record.Record{PartitionKey: "k", Data: []byte("safe")}); err != nil {
				t.Fatal(err)
			}

			fault := faulty.Fail(errorfs.Rule{Operations: errorfs.Changing(), Nth: n, Err: syscall.EIO})
			made, createError := s.Create(t.Context(), stream.Config{Name: "a", Shards: 2})
			var putError, deleteError error
			if createError == nil {
				_, putError = made.Put(t.Context(), record.Record{PartitionKey: "k", Data: []byte("put")})
				deleteError = s.Delete(t.Context(), "a")
				if deleteError != nil {
					if _, err := s.Stream("a"); !errors.Is(err, failure.NotFound) {
						t.Errorf("a stream whose deletion began is found: %v", err)
					}
				}
			}
			fired = fault.Fired()
			if failed := errors.Join(createError, putError, deleteError); failed != nil && !fired {
				t.Fatalf("without a fault: %v", failed)
			}
			// What a poisoned log or manifest says on closing is no news.
			_ = s.Close()

			o.FS = disk
			reopened := open(t, "data", o)
			checkRestored(t, reopened)
			if names, _ := reopened.List("", 10); !slices.Equal(names, []string{"bystander"}) {
				t.Errorf("streams %q after create: %v, delete: %v", names, createError, deleteError)
			}
			create(t, reopened, stream.Config{Name: "a"})
		})
		if !fired {
			if n < 10 {
				t.Errorf("only %d calls: the faults hit nothing", n)
			}
			return
		}
	}
}

func TestOneDamagedShardLeavesTheRestInService(t *testing.T) {
	dir, o := t.TempDir(), stream.Options{Options: wal.Options{Backend: wal.BackendPread}, RetentionInterval: -1}
	s := open(t, dir, o)
	victim := create(t, s, stream.Config{Name: "victim"})
	well := create(t, s, stream.Config{Name: "well"})
	for _, to := range []*stream.Stream{victim, well} {
		if _, err := to.Put(t.Context(), record.Record{PartitionKey: "k", Data: []byte("kept")}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	segments, err := filepath.Glob(filepath.Join(dir, "log-1", "*.seg"))
	if err != nil || len(segments) == 0 {
		t.Fatal(segments, err)
	}
	if err := os.WriteFile(segments[0], make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}

	var told []string
	o.Listener.ShardUnavailable = func(name string, id record.ShardID, err error) { told = append(told, fmt.Sprint(name, id)) }
	reopened := open(t, dir, o)
	damage := reopened.Damage()
	if len(damage) != 1 {
		t.Fatalf("damage = %v, want that of one shard", damage)
	}
	found, err := reopened.Stream("victim")
	if err != nil {
		t.Fatal(err)
	}
	_, put := found.Put(t.Context(), record.Record{PartitionKey: "k"})
	var failed *failure.Error
	if put == nil || !errors.As(put, &failed) || failed.Stream != "victim" {
		t.Errorf("putting to a damaged shard: %v", put)
	}
	if stats := reopened.Stats(); stats.Unavailable != len(told) || len(found.Describe().Shards) != 1 {
		t.Errorf("stats %+v, told %q", stats, told)
	}
	good, err := reopened.Stream("well")
	if err != nil {
		t.Fatal(err)
	}
	if got := read(t, good, 0); !slices.Equal(got, []string{"kept"}) {
		t.Errorf("the other stream has %q", got)
	}
	// The way out of damage that nobody can repair.
	if err := reopened.Delete(t.Context(), "victim"); err != nil {
		t.Errorf("deleting a damaged stream: %v", err)
	}
	create(t, reopened, stream.Config{Name: "victim"})
}

// A full disk refuses a stream by name and takes it once there is room.
func TestFullDiskRefusesAndRecovers(t *testing.T) {
	t.Chdir(t.TempDir())
	disk := crashfs.New(crashfs.Options{})
	s := open(t, "data", onDisk(disk))
	made := create(t, s, stream.Config{Name: "a"})
	disk.SetCapacity(disk.Used())
	var refused error
	for range 100 {
		if _, refused = made.Put(t.Context(), record.Record{PartitionKey: "k", Data: make([]byte, 32<<10)}); refused != nil {
			break
		}
	}
	if !errors.Is(refused, failure.NoSpace) {
		t.Fatalf("err = %v, want NoSpace", refused)
	}
	if damage := s.Damage(); len(damage) != 0 {
		t.Errorf("a full disk is no damage: %v", damage)
	}
	disk.SetCapacity(0)
	if _, err := made.Put(t.Context(), record.Record{PartitionKey: "k", Data: make([]byte, 32<<10)}); err != nil {
		t.Errorf("with room again: %v", err)
	}
	create(t, s, stream.Config{Name: "b"})
}
