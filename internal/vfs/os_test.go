package vfs_test

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/millrace-io/millrace/internal/vfs"
	"github.com/millrace-io/millrace/internal/vfs/vfstest"
)

func TestOSKeepsTheContract(t *testing.T) {
	vfstest.Run(t, vfs.OS(), t.TempDir())
}

func TestLockErrorNamesTheFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "LOCK")
	lock, err := vfs.OS().Lock(name)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	_, err = vfs.OS().Lock(name)
	if !errors.Is(err, vfs.ErrLocked) {
		t.Fatalf("second lock: %v, want ErrLocked", err)
	}
	if want := "lock " + name + ": "; err.Error()[:len(want)] != want {
		t.Fatalf("error %q does not begin with %q", err, want)
	}
}
