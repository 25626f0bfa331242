package wal

import (
	"context"
	"errors"
	"io/fs"
	"testing"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/internal/vfs"
	"github.com/millrace-io/millrace/internal/vfs/crashfs"
	"github.com/millrace-io/millrace/segment"
)

// meddlingFS calls between once, after the frames of a segment were first read.
type meddlingFS struct {
	vfs.FS
	between func()
}

func (m *meddlingFS) OpenFile(name string, flag int, perm fs.FileMode) (vfs.File, error) {
	file, err := m.FS.OpenFile(name, flag, perm)
	return meddlingFile{file, m}, err
}

type meddlingFile struct {
	vfs.File
	fs *meddlingFS
}

func (f meddlingFile) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.File.ReadAt(p, off)
	if between := f.fs.between; off >= segment.HeaderSize && between != nil {
		f.fs.between = nil
		between()
	}
	return n, err
}

// A writer adds frames between the scan and the look behind it. They vouch for
// the place where the scan stopped, and that is no damage.
func TestMeasuringBesideAWriter(t *testing.T) {
	disk, _, l := heap(t, Options{}, LogOptions{})
	mustAppend(t, l, 1, 5, 100)
	s, err := ReadSnapshot(disk, "/data")
	if err != nil || len(s.Segments) != 1 || s.Segments[0].Closed || len(s.Logs) != 1 {
		t.Fatalf("%+v, %v", s, err)
	}
	meddling := &meddlingFS{disk, func() {
		for i := range 3 {
			mustAppend(t, l, 6+i, 1, 100)
		}
	}}
	m, err := s.Segments[0].Measure(context.Background(), meddling, "/data")
	if err != nil || m.Damage != nil || m.Next < 6 || m.End > l.tail.off {
		t.Fatalf("%+v, %v", m, err)
	}
	defer m.Content.Close()
	if meddling.between != nil {
		t.Error("the writer had no turn")
	}
	// It rolls meanwhile: the segment that was open is complete now.
	meddling.between = func() {
		for i := range 60 {
			mustAppend(t, l, 9+i, 1, 1000)
		}
	}
	if m, err = s.Segments[0].Measure(context.Background(), meddling, "/data"); err != nil || m.Damage != nil || m.Next < 9 {
		t.Fatalf("%+v, %v", m, err)
	}
	defer m.Content.Close()
	again, err := s.Segments[0].Measure(context.Background(), disk, "/data")
	if err != nil || again.Damage != nil || again.Next <= m.Next && m.Next < 30 {
		t.Fatalf("%+v, %v", again, err)
	}
	defer again.Content.Close()
}

// Damage in the open segment is damage with nobody writing, and in a closed one
// always.
func TestMeasuringDamage(t *testing.T) {
	for name, c := range map[string]struct {
		at   func(files []string, end int64) (string, int64)
		file int
	}{
		"open":   {func(files []string, end int64) (string, int64) { return files[len(files)-1], end - 500 }, -1},
		"sealed": {func(files []string, _ int64) (string, int64) { return files[1], segment.HeaderSize + 9000 }, 1},
		"header": {func(files []string, _ int64) (string, int64) { return files[1], 60 }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			disk, _ := wounded(t, func(disk *crashfs.FS, files []string, end int64) {
				name, at := c.at(files, end)
				flip(t, disk, name, at)
			})
			s, err := ReadSnapshot(disk, "/data")
			if err != nil {
				t.Fatal(err)
			}
			for i, f := range s.Segments {
				m, err := f.Measure(context.Background(), disk, "/data")
				if err != nil {
					t.Fatal(err)
				}
				m.Content.Close()
				damaged := i == c.file || c.file < 0 && i == len(s.Segments)-1
				if (m.Damage != nil) != damaged || damaged && (!errors.Is(m.Damage, failure.Corrupt) || m.End != 32<<10) {
					t.Errorf("segment %d: %+v", i, m)
				}
			}
		})
	}
}

func TestSnapshotNeedsADataDirectory(t *testing.T) {
	if _, err := ReadSnapshot(vfs.OS(), t.TempDir()); !errors.Is(err, failure.NotFound) {
		t.Errorf("got %v", err)
	}
}
