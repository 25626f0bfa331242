package vfs_test

import (
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
