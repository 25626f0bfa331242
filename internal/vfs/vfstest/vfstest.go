// Package vfstest checks that a file system keeps the contract of package vfs.
//
// Every implementation runs the same suite, so that a test which passes on the
// simulated file system says something about the real one.
package vfstest

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace-io/millrace/internal/vfs"
)

const readWrite = os.O_RDWR | os.O_CREATE

// Run checks fsys inside dir, an existing empty directory.
func Run(t *testing.T, fsys vfs.FS, dir string) {
	t.Helper()
	for _, check := range []struct {
		name string
		run  func(*testing.T, vfs.FS, string)
	}{
		{"read and write", readAndWrite},
		{"allocate", allocate},
		{"punch hole", punchHole},
		{"open flags", openFlags},
		{"rename replaces", renameReplaces},
		{"remove", remove},
		{"unlinked file stays readable", unlinked},
		{"directories", directories},
		{"lock excludes", lockExcludes},
		{"memory does not move", memoryStays},
	} {
		t.Run(check.name, func(t *testing.T) {
			sub := filepath.Join(dir, filepath.Base(t.Name()))
			noError(t, fsys.MkdirAll(sub, 0o755))
			check.run(t, fsys, sub)
		})
	}
}

func readAndWrite(t *testing.T, fsys vfs.FS, dir string) {
	f := open(t, fsys, filepath.Join(dir, "a"), readWrite)
	writeAt(t, f, "hello", 0)
	writeAt(t, f, "far", 10)
	checkSize(t, f, 13)
	checkContent(t, f, "hello\x00\x00\x00\x00\x00far")

	buffer := make([]byte, 8)
	n, err := f.ReadAt(buffer, 10)
	if n != 3 || !errors.Is(err, io.EOF) {
		t.Fatalf("read past the end: %d bytes, error %v; want 3 and io.EOF", n, err)
	}
	if n, err := f.ReadAt(buffer, 99); n != 0 || !errors.Is(err, io.EOF) {
		t.Fatalf("read beyond the end: %d bytes, error %v; want 0 and io.EOF", n, err)
	}
	noError(t, f.StartWriteback(0, 13))
	noError(t, f.Sync())
	noError(t, f.DropCache())
	checkContent(t, f, "hello\x00\x00\x00\x00\x00far")
}

func allocate(t *testing.T, fsys vfs.FS, dir string) {
	f := open(t, fsys, filepath.Join(dir, "a"), readWrite)
	writeAt(t, f, "keep", 0)
	noError(t, f.Allocate(64<<10))
	checkSize(t, f, 64<<10)
	checkContent(t, f, "keep"+string(make([]byte, 64<<10-4)))
	noError(t, f.Allocate(100))
	checkSize(t, f, 64<<10) // never shrinks
}

func punchHole(t *testing.T, fsys vfs.FS, dir string) {
	f := open(t, fsys, filepath.Join(dir, "a"), readWrite)
	content := bytes.Repeat([]byte("x"), 16<<10)
	writeAt(t, f, string(content), 0)
	noError(t, f.PunchHole(4<<10, 8<<10))
	clear(content[4<<10 : 12<<10])
	checkContent(t, f, string(content))
	noError(t, f.PunchHole(12<<10, 1<<20)) // past the end: the length stays
	clear(content[12<<10:])
	checkContent(t, f, string(content))
	noError(t, f.PunchHole(1<<20, 1<<20))
	checkSize(t, f, 16<<10)
}

func openFlags(t *testing.T, fsys vfs.FS, dir string) {
	name := filepath.Join(dir, "a")
	if _, err := fsys.OpenFile(name, os.O_RDWR, 0o644); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("open of a missing file: %v, want fs.ErrNotExist", err)
	}
	if _, err := fsys.OpenFile(filepath.Join(dir, "no", "b"), readWrite, 0o644); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("create in a missing directory: %v, want fs.ErrNotExist", err)
	}
	f := open(t, fsys, name, readWrite|os.O_EXCL)
	writeAt(t, f, "hello", 0)
	if _, err := fsys.OpenFile(name, readWrite|os.O_EXCL, 0o644); !errors.Is(err, fs.ErrExist) {
		t.Fatalf("exclusive create of an existing file: %v, want fs.ErrExist", err)
	}
	second := open(t, fsys, name, os.O_RDONLY)
	checkContent(t, second, "hello")
	if _, err := second.WriteAt([]byte("x"), 0); err == nil {
		t.Fatal("a file opened for reading accepted a write")
	}
	writeAt(t, f, "J", 0)
	checkContent(t, second, "Jello") // both opens see one file
	truncated := open(t, fsys, name, os.O_RDWR|os.O_TRUNC)
	checkSize(t, truncated, 0)
}

func renameReplaces(t *testing.T, fsys vfs.FS, dir string) {
	oldName, newName := filepath.Join(dir, "old"), filepath.Join(dir, "new")
	writeAt(t, open(t, fsys, oldName, readWrite), "one", 0)
	writeAt(t, open(t, fsys, newName, readWrite), "two", 0)
	noError(t, fsys.Rename(oldName, newName))
	noError(t, fsys.SyncDir(dir))
	checkContent(t, open(t, fsys, newName, os.O_RDONLY), "one")
	checkNames(t, fsys, dir, "new")
	if err := fsys.Rename(oldName, newName); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("rename of a missing file: %v, want fs.ErrNotExist", err)
	}
}

func remove(t *testing.T, fsys vfs.FS, dir string) {
	name := filepath.Join(dir, "a")
	open(t, fsys, name, readWrite)
	noError(t, fsys.Remove(name))
	if err := fsys.Remove(name); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("second remove: %v, want fs.ErrNotExist", err)
	}
	checkNames(t, fsys, dir)
}

func unlinked(t *testing.T, fsys vfs.FS, dir string) {
	name := filepath.Join(dir, "a")
	f := open(t, fsys, name, readWrite)
	writeAt(t, f, "still here", 0)
	noError(t, fsys.Remove(name))
	checkContent(t, f, "still here")
	checkSize(t, open(t, fsys, name, readWrite), 0) // a new file, not the old one
}

func directories(t *testing.T, fsys vfs.FS, dir string) {
	deep := filepath.Join(dir, "x", "y")
	noError(t, fsys.MkdirAll(deep, 0o755))
	noError(t, fsys.MkdirAll(deep, 0o755))
	for _, name := range []string{"c", "a", "b"} {
		open(t, fsys, filepath.Join(deep, name), readWrite)
	}
	checkNames(t, fsys, deep, "a", "b", "c")
	checkNames(t, fsys, dir, "x")
	noError(t, fsys.SyncDir(deep))
	if err := fsys.Remove(deep); err == nil {
		t.Fatal("removed a directory that is not empty")
	}
	for _, name := range []string{"a", "b", "c"} {
		noError(t, fsys.Remove(filepath.Join(deep, name)))
	}
	noError(t, fsys.Remove(deep))
	if _, err := fsys.ReadDir(deep); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("list of a missing directory: %v, want fs.ErrNotExist", err)
	}
	if err := fsys.SyncDir(deep); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("sync of a missing directory: %v, want fs.ErrNotExist", err)
	}
}

func lockExcludes(t *testing.T, fsys vfs.FS, dir string) {
	name := filepath.Join(dir, "LOCK")
	lock, err := fsys.Lock(name)
	noError(t, err)
	if _, err := fsys.Lock(name); !errors.Is(err, vfs.ErrLocked) {
		t.Fatalf("second lock: %v, want ErrLocked", err)
	}
	noError(t, lock.Close())
	lock, err = fsys.Lock(name)
	noError(t, err)
	noError(t, lock.Close())
}

func memoryStays(t *testing.T, fsys vfs.FS, dir string) {
	f := open(t, fsys, filepath.Join(dir, "a"), readWrite)
	memory, ok := f.(vfs.Memory)
	if !ok {
		t.Skip("files of this file system are not on the heap")
	}
	noError(t, f.Allocate(32<<10))
	before := memory.Memory()
	if len(before) != 32<<10 {
		t.Fatalf("image of %d bytes, want the allocated size", len(before))
	}
	writeAt(t, f, "hello", 9000)
	noError(t, f.Sync())
	if got := string(before[9000:9005]); got != "hello" {
		t.Fatalf("the image taken before the write holds %q", got)
	}
	noError(t, f.PunchHole(8<<10, 4<<10))
	if before[9000] != 0 {
		t.Fatal("the image did not see the hole")
	}
	if after := memory.Memory(); &after[0] != &before[0] {
		t.Fatal("the image moved")
	}
}

func open(t *testing.T, fsys vfs.FS, name string, flag int) vfs.File {
	t.Helper()
	f, err := fsys.OpenFile(name, flag, 0o644)
	noError(t, err)
	t.Cleanup(func() { noError(t, f.Close()) })
	return f
}

func writeAt(t *testing.T, f vfs.File, content string, off int64) {
	t.Helper()
	n, err := f.WriteAt([]byte(content), off)
	noError(t, err)
	if n != len(content) {
		t.Fatalf("wrote %d of %d bytes without an error", n, len(content))
	}
}

func checkSize(t *testing.T, f vfs.File, want int64) {
	t.Helper()
	got, err := f.Size()
	noError(t, err)
	if got != want {
		t.Fatalf("size %d, want %d", got, want)
	}
}

func checkContent(t *testing.T, f vfs.File, want string) {
	t.Helper()
	got, err := io.ReadAll(io.NewSectionReader(f, 0, 1<<40))
	noError(t, err)
	if string(got) != want {
		t.Fatalf("content differs from what was written (%d bytes, want %d)", len(got), len(want))
	}
}

func checkNames(t *testing.T, fsys vfs.FS, dir string, want ...string) {
	t.Helper()
	got, err := fsys.ReadDir(dir)
	noError(t, err)
	if len(got)+len(want) > 0 && !cmp.Equal(got, want) {
		t.Fatalf("directory holds %q, want %q", got, want)
	}
}

func noError(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
