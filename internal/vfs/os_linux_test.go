package vfs_test

import (
	"bytes"
	"errors"
	"os"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/millrace-io/millrace/internal/vfs"
)

func TestFullDeviceIsENOSPC(t *testing.T) {
	f, err := vfs.OS().OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("no /dev/full here: ", err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte("x"), 0); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("write to a full device: %v, want ENOSPC", err)
	}
}

func TestAllocateReportsAFullDeviceAtOnce(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting a small tmpfs needs root")
	}
	dir := t.TempDir()
	if err := unix.Mount("none", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skip("cannot mount a tmpfs here: ", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	f, err := vfs.OS().OpenFile(dir+"/a", os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Allocate(2 << 20); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("allocate twice the device: %v, want ENOSPC", err)
	}
	if err := f.Allocate(64 << 10); err != nil {
		t.Fatalf("allocate a little after that: %v", err)
	}
}

// TestWritten: what is only in a mapping or in the cache is data, what was
// allocated and never written is not.
func TestWritten(t *testing.T) {
	const size, near, far = 64 << 20, 16<<20 + 7, 40<<20 + 1
	file, err := vfs.OS().OpenFile(t.TempDir()+"/a", os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := file.Allocate(size); err != nil {
		t.Fatal(err)
	}
	next := func(off int64) int64 {
		t.Helper()
		from, to, err := file.(vfs.Sparse).Written(off)
		if err != nil || from < off || to < from || to > size || from == to && from != size {
			t.Fatalf("written from %d on is %d to %d: %v", off, from, to, err)
		}
		return from
	}
	if at := next(100); at == 100 {
		t.Skip("this file system does not know what was never written")
	}
	if at := next(100); at != size {
		t.Errorf("in an empty file the next data is at %d", at)
	}
	mapped, err := unix.Mmap(int(file.Fd()), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	mapped[near] = 1
	if _, err := file.WriteAt([]byte("x"), far); err != nil {
		t.Fatal(err)
	}
	// The kernel may have brought in pages around those that were touched.
	const around = 8 << 20
	for round := range 2 {
		for _, place := range []int64{near, far} {
			if at := next(place); at != place {
				t.Errorf("round %d: a byte at %d, from there on data at %d", round, place, at)
			}
			if at := next(place - 2*around); at > place || at < place-around {
				t.Errorf("round %d: a byte at %d, data at %d", round, place, at)
			}
		}
		if at := next(far + around); at != size {
			t.Errorf("round %d: nothing behind it, data at %d", round, at)
		}
		if round == 0 {
			if err := unix.Munmap(mapped); err != nil {
				t.Fatal(err)
			}
			if err := file.Sync(); err != nil {
				t.Fatal(err)
			}
		}
	}
	content := make([]byte, size)
	if _, err := file.ReadAt(content, 0); err != nil || bytes.Count(content, []byte{0}) != size-2 {
		t.Errorf("the file has other content than was written: %v", err)
	}
}
