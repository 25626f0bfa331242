package inspect

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/wal"
)

// A log that is written, rolled and trimmed meanwhile never looks damaged, and no
// file of it goes missing.
func TestLiveDirectoryNeverLooksDamaged(t *testing.T) {
	for name, durability := range map[string]record.Durability{"group": record.Group, "none": record.None} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			directory, err := wal.OpenDir(dir, wal.Options{SegmentBytesMin: 64 << 10, SegmentBytesMax: 64 << 10})
			if err != nil {
				t.Fatal(err)
			}
			defer directory.Close()
			if err := directory.CreateLogs(1); err != nil {
				t.Fatal(err)
			}
			log, err := directory.OpenLog(1, wal.LogOptions{Durability: durability})
			if err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithCancel(t.Context())
			var writers sync.WaitGroup
			for range 3 {
				writers.Go(func() { keepWriting(ctx, t, log) })
			}
			for n := 0; n < 100 || log.Next() < 2000; n++ {
				lookAround(t, dir)
			}
			stop()
			writers.Wait()
			if err := log.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func keepWriting(ctx context.Context, t *testing.T, log *wal.Log) {
	for n := 0; ctx.Err() == nil; n++ {
		r := []record.Record{{PartitionKey: "k", Data: make([]byte, 50+n*53%2000)}}
		if _, err := log.Append(context.Background(), r, protocol.Producer{}); err != nil {
			t.Error(err)
			return
		}
		if n%20 == 0 {
			if err := log.TrimBytes(300 << 10); err != nil {
				t.Error(err)
				return
			}
		}
	}
}

// lookAround inspects everything once.
func lookAround(t *testing.T, dir string) {
	t.Helper()
	var report findings
	if err := WAL(dir, report.emit); err != nil {
		t.Errorf("wal: %v", err)
	}
	for _, totals := range of[Totals](&report) {
		if totals.Errors != 0 {
			t.Errorf("%+v", report.all)
		}
	}
	for _, file := range of[SegmentFile](&report) {
		if file.State == "unlisted" {
			t.Errorf("%+v", file)
		}
		if file.State != "active" {
			continue
		}
		var segment findings
		err := Segment(filepath.Join(dir, file.File), false, segment.emit)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("segment: %v", err)
		}
		for _, tail := range of[Tail](&segment) {
			if tail.State == TailDamaged || tail.State == TailNewer {
				t.Errorf("%+v", tail)
			}
		}
	}
}

// state is a digest of the names, sizes, times and bytes of a directory.
func state(t *testing.T, dir string) string {
	t.Helper()
	var text strings.Builder
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		fmt.Fprintf(&text, "%s %d %v %v\n", path, info.Size(), info.ModTime(), info.Mode())
		if !entry.IsDir() {
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			fmt.Fprintf(&text, "%x\n", sha256.Sum256(b))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return text.String()
}

// Nothing that inspect does leaves a trace, damage or not.
func TestInspectChangesNothing(t *testing.T) {
	dir := t.TempDir()
	directory, log := write(t, dir, 100)
	if err := errors.Join(log.Close(), directory.Close()); err != nil {
		t.Fatal(err)
	}
	for _, damage := range []bool{false, true} {
		if damage {
			corrupt(t, segments(t, dir)[0], 9000, 0xff)
		}
		before := state(t, dir)
		var report findings
		if err := WAL(dir, report.emit); err != nil {
			t.Fatal(err)
		}
		if err := Manifest(dir, report.emit); err != nil {
			t.Fatal(err)
		}
		for _, file := range segments(t, dir) {
			if err := Segment(file, true, report.emit); err != nil {
				t.Fatal(err)
			}
			if err := Index(file, report.emit); err != nil && !damage {
				t.Fatal(err)
			}
		}
		if after := state(t, dir); after != before {
			t.Errorf("before:\n%s\nafter:\n%s", before, after)
		}
	}
}

// Frames that are written between the scan and the look behind it promise
// something about the place where the scan stopped: that is no damage.
func TestGrowingSegmentIsNotDamaged(t *testing.T) {
	dir := t.TempDir()
	_, log := write(t, dir, 5)
	file := segments(t, dir)[0]
	var report findings
	grow := true
	err := Segment(file, true, func(finding any) error {
		if _, isFrame := finding.(Frame); isFrame && grow {
			grow = false
			for range 3 {
				r := []record.Record{{PartitionKey: "k", Data: make([]byte, 1000)}}
				if _, err := log.Append(t.Context(), r, protocol.Producer{}); err != nil {
					return err
				}
			}
		}
		return report.emit(finding)
	})
	if err != nil {
		t.Fatal(err)
	}
	if tail := of[Tail](&report); len(tail) != 1 || tail[0].State != TailGrowing || tail[0].Next != 11 {
		t.Errorf("tail %+v", tail)
	}
}

func TestManifestReport(t *testing.T) {
	dir := t.TempDir()
	directory, log := write(t, dir, 100)
	if err := errors.Join(log.Close(), directory.Close()); err != nil {
		t.Fatal(err)
	}
	found, err := filepath.Glob(filepath.Join(dir, "MANIFEST-*"))
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	tailOf := func(path string) ManifestTail {
		t.Helper()
		var report findings
		if err := Manifest(path, report.emit); err != nil {
			t.Fatal(err)
		}
		tails := of[ManifestTail](&report)
		if len(tails) != 1 || tails[0].Edits != len(of[Edit](&report)) || tails[0].File != filepath.Base(found[0]) {
			t.Fatalf("tails %+v", tails)
		}
		return tails[0]
	}
	good := tailOf(dir)
	if good.State != TailEmpty || good.Edits < 5 || tailOf(found[0]) != good {
		t.Errorf("%+v", good)
	}
	corrupt(t, found[0], good.End, 80, 0, 0, 0, 1)
	if torn := tailOf(dir); torn.State != TailTorn || torn.End != good.End {
		t.Errorf("%+v", torn)
	}
	corrupt(t, found[0], 50, 0xff)
	if damaged := tailOf(dir); damaged.State != TailDamaged || damaged.Edits != 0 {
		t.Errorf("%+v", damaged)
	}
	var none findings
	if err := Manifest(segments(t, dir)[0], none.emit); !errors.Is(err, failure.NotOurs) {
		t.Errorf("a segment: %v", err)
	}
	if err := Manifest(filepath.Join(dir, "none"), none.emit); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
}

// The index of a sealed segment is in the file, that of the open one is made.
func TestIndexReport(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, 100)
	files := segments(t, dir)
	for i, source := range []string{"frame", "scan"} {
		file := files[i*(len(files)-1)]
		var report findings
		if err := Index(file, report.emit); err != nil {
			t.Fatal(err)
		}
		entries, tail := of[IndexEntry](&report), of[IndexTail](&report)
		if len(tail) != 1 || tail[0].Source != source || tail[0].Entries != len(entries) || len(entries) < 1-i {
			t.Fatalf("%s: %+v", source, tail)
		}
		var frames findings
		if err := Segment(file, true, frames.emit); err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if !slices.ContainsFunc(of[Frame](&frames), func(f Frame) bool { return f.Offset == e.Offset && f.Sequence == e.Sequence }) {
				t.Errorf("%s: no frame at %+v", source, e)
			}
		}
	}
}
