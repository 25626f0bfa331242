package errorfs_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace-io/millrace/internal/vfs"
	"github.com/millrace-io/millrace/internal/vfs/crashfs"
	"github.com/millrace-io/millrace/internal/vfs/errorfs"
	"github.com/millrace-io/millrace/internal/vfs/vfstest"
)

func TestErrorFSKeepsTheContractWithoutFaults(t *testing.T) {
	t.Run("os", func(t *testing.T) { vfstest.Run(t, errorfs.New(vfs.OS()), t.TempDir()) })
	t.Run("heap", func(t *testing.T) { vfstest.Run(t, errorfs.New(crashfs.New(crashfs.Options{})), "/") })
}

func TestMemoryIsPassedThroughOnlyIfThereIsOne(t *testing.T) {
	heap, err := errorfs.New(crashfs.New(crashfs.Options{})).OpenFile("a", os.O_RDWR|os.O_CREATE, 0)
	must(t, err)
	if _, ok := heap.(vfs.Memory); !ok {
		t.Error("a heap file lost its image")
	}
	onDisk, err := errorfs.New(vfs.OS()).OpenFile(t.TempDir()+"/a", os.O_RDWR|os.O_CREATE, 0o644)
	must(t, err)
	if _, ok := onDisk.(vfs.Memory); ok {
		t.Error("a file with a descriptor claims to have an image")
	}
	must(t, onDisk.Close())
}

// TestEveryOperationCanFail makes each operation fail at its first call and
// expects exactly that call to report it.
func TestEveryOperationCanFail(t *testing.T) {
	for _, operation := range vfs.Operations() {
		for _, want := range []error{syscall.EIO, syscall.ENOSPC} {
			fsys := errorfs.New(crashfs.New(crashfs.Options{}))
			fault := fsys.Fail(errorfs.Rule{Operations: []vfs.Operation{operation}, Nth: 1, Err: want})
			failed := useEverything(fsys)
			if !fault.Fired() {
				t.Fatalf("%v: not reached", operation)
			}
			err := failed[operation]
			if !errors.Is(err, want) {
				t.Errorf("%v: %v, want %v", operation, err, want)
			}
			var where *fs.PathError
			if !errors.As(err, &where) || where.Op != operation.String() || where.Path == "" {
				t.Errorf("%v: the error %q does not say what failed where", operation, err)
			}
			if fault.First().Operation != operation {
				t.Errorf("%v: fired at %v", operation, fault.First())
			}
		}
	}
}

// useEverything performs every operation once and returns the error of each.
func useEverything(fsys *errorfs.FS) map[vfs.Operation]error {
	failed := make(map[vfs.Operation]error)
	note := func(operation vfs.Operation, err error) {
		if failed[operation] == nil {
			failed[operation] = err
		}
	}
	note(vfs.OperationMkdir, fsys.MkdirAll("d", 0o755))
	_, err := fsys.ReadDir("d")
	note(vfs.OperationReadDir, err)
	_, err = fsys.Lock("LOCK")
	note(vfs.OperationLock, err)
	f, err := fsys.OpenFile("a", os.O_RDWR|os.O_CREATE, 0o644)
	note(vfs.OperationOpen, err)
	if err != nil {
		return failed
	}
	note(vfs.OperationAllocate, f.Allocate(10))
	_, err = f.WriteAt([]byte("x"), 0)
	note(vfs.OperationWrite, err)
	_, err = f.ReadAt([]byte("x"), 0)
	note(vfs.OperationRead, err)
	_, err = f.Size()
	note(vfs.OperationSize, err)
	note(vfs.OperationPunchHole, f.PunchHole(0, 1))
	note(vfs.OperationStartWriteback, f.StartWriteback(0, 1))
	note(vfs.OperationSync, f.Sync())
	note(vfs.OperationDropCache, f.DropCache())
	note(vfs.OperationClose, f.Close())
	note(vfs.OperationSyncDir, fsys.SyncDir("/"))
	note(vfs.OperationRename, fsys.Rename("a", "b"))
	note(vfs.OperationRemove, fsys.Remove("b"))
	return failed
}

func TestNthOnceAndSticky(t *testing.T) {
	for _, c := range []struct {
		rule errorfs.Rule
		want []bool // does the n-th sync of a.seg fail?
	}{
		{errorfs.Rule{Nth: 0}, []bool{false, false, false, false}},
		{errorfs.Rule{Nth: 2}, []bool{false, true, false, false}},
		{errorfs.Rule{Nth: 2, Sticky: true}, []bool{false, true, true, true}},
		{errorfs.Rule{Nth: 0, Sticky: true}, []bool{false, false, false, false}},
		{errorfs.Rule{Nth: 2, Pattern: "*.seg"}, []bool{false, true, false, false}},
		{errorfs.Rule{Nth: 1, Pattern: "MANIFEST-*"}, []bool{false, false, false, false}},
	} {
		fsys := errorfs.New(crashfs.New(crashfs.Options{}))
		f, err := fsys.OpenFile("a.seg", os.O_RDWR|os.O_CREATE, 0)
		must(t, err)
		c.rule.Operations, c.rule.Err = []vfs.Operation{vfs.OperationSync}, syscall.EIO
		fault := fsys.Fail(c.rule)
		var got []bool
		for range c.want {
			got = append(got, f.Sync() != nil)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("rule %+v: %s", c.rule, diff)
		}
		if want := len(c.want); fault.Calls() != want && c.rule.Pattern != "MANIFEST-*" {
			t.Errorf("rule %+v counted %d calls, want %d", c.rule, fault.Calls(), want)
		}
		fault.Heal()
		must(t, f.Sync())
	}
}

func TestPartialWriteStoresHalf(t *testing.T) {
	fsys := errorfs.New(crashfs.New(crashfs.Options{}))
	f, err := fsys.OpenFile("a", os.O_RDWR|os.O_CREATE, 0)
	must(t, err)
	fsys.Fail(errorfs.Rule{Nth: 1, Err: syscall.ENOSPC, Partial: true})
	n, err := f.WriteAt([]byte("whole"), 0)
	if n != 2 || !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("%d bytes, %v", n, err)
	}
	got, err := io.ReadAll(io.NewSectionReader(f, 0, 100))
	must(t, err)
	if string(got) != "wh" {
		t.Fatalf("stored %q", got)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
