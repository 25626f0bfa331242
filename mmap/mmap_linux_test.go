//go:build linux

package mmap

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func mapped(t *testing.T, size int64, writable bool) (*os.File, *Map) {
	t.Helper()
	file, err := os.OpenFile(filepath.Join(t.TempDir(), "file"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	if err := file.Truncate(size); err != nil {
		t.Fatal(err)
	}
	m, err := Open(file.Fd(), size, writable)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return file, m
}

func TestMapSeesWhatIsWrittenBesideIt(t *testing.T) {
	file, m := mapped(t, 64<<10, false)
	if err := m.PopulateRead(0, 64<<10); err != nil {
		t.Fatal(err)
	}
	want := bytes.Repeat([]byte{7}, 5000)
	if _, err := file.WriteAt(want, 3000); err != nil {
		t.Fatal(err)
	}
	if got := m.Bytes()[3000:8000]; !bytes.Equal(got, want) {
		t.Error("the mapping does not show what pwrite stored")
	}
}

func TestStoresReachTheFile(t *testing.T) {
	file, m := mapped(t, 8192, true)
	if err := m.PopulateWrite(0, 8192); err != nil {
		t.Fatal(err)
	}
	copy(m.Bytes()[4090:], "stored")
	if err := m.Sync(); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 6)
	if _, err := file.ReadAt(got, 4090); err != nil || string(got) != "stored" {
		t.Errorf("read %q, %v", got, err)
	}
}

func TestFaultIsAnError(t *testing.T) {
	file, m := mapped(t, 16<<10, false)
	if err := file.Truncate(4096); err != nil { // what must never happen to a live map
		t.Fatal(err)
	}
	var sink byte
	err := Guard("read a frame", func() { sink = m.Bytes()[8192] })
	var fault *FaultError
	if !errors.As(err, &fault) || fault.Operation != "read a frame" {
		t.Fatalf("got %v (%d), want a FaultError", err, sink)
	}
	if err := m.PopulateRead(8192, 4096); !errors.Is(err, unix.EFAULT) {
		t.Errorf("populate behind the end: got %v, want EFAULT", err)
	}
	if err := Guard("read", func() { sink = m.Bytes()[0] }); err != nil {
		t.Errorf("a page that exists: %v", err)
	}
}

func TestGuardLetsOtherPanicsPass(t *testing.T) {
	defer func() {
		if recover() != "a bug" {
			t.Error("the panic was swallowed")
		}
	}()
	_ = Guard("anything", func() { panic("a bug") })
}
