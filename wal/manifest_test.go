package wal

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"pgregory.net/rapid"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/internal/vfs/crashfs"
	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/record"
)

func TestManifestGoldenBytes(t *testing.T) {
	header := encodeManifestHeader(2, 0x01020304, 0x11121314)
	if got, want := hex.EncodeToString(header[:28]), "4d524d414e000001"+"01000000"+"14131211"+"0200000000000000"+"04030201"; got != want {
		t.Errorf("header\n got %s\nwant %s", got, want)
	}
	record := encodeRecord(7, []edit{
		{kind: editLogAdded, log: 5, fields: [4]uint64{1, 2, 3}},
		{kind: editSegmentSealed, log: 5, fields: [4]uint64{0x11, 0x12, 0x13, 0x14}},
		{kind: editProducersKnown, log: 5, fields: [4]uint64{9}, table: []byte{1, 2, 3}},
	})
	want := "70000000" + hex.EncodeToString(record[4:8]) + // length, crc
		"28000000" + "0100" + "0000" + "0500000000000000" + "0100000000000000" + "0200000000000000" + "0300000000000000" +
		"30000000" + "0400" + "0000" + "0500000000000000" + "1100000000000000" + "1200000000000000" + "1300000000000000" + "1400000000000000" +
		"20000000" + "0800" + "0000" + "0500000000000000" + "0900000000000000" + "0102030000000000"
	want = "80" + want[2:]
	if got := hex.EncodeToString(record); got != want {
		t.Errorf("record\n got %s\nwant %s", got, want)
	}
}

func TestManifestTornAgainstDamaged(t *testing.T) {
	b := encodeManifestHeader(1, 9, 0)
	var ends []int
	for i := range uint64(4) {
		b = append(b, encodeRecord(9, []edit{{kind: editLogAdded, log: i + 1, fields: [4]uint64{1, 1, 0}}})...)
		ends = append(ends, len(b))
	}
	b = append(b, make([]byte, 4096)...)
	change := func(at int) []byte {
		c := bytes.Clone(b)
		c[at] ^= 1
		return c
	}
	if logs, err := parseManifest(change(ends[3] - 1)); err != nil || len(logs) != 3 {
		t.Errorf("torn last record: %d logs, %v; want 3", len(logs), err)
	}
	if _, err := parseManifest(change(ends[1] - 1)); !errors.Is(err, failure.Corrupt) {
		t.Errorf("damaged second record: %v, want failure.Corrupt", err)
	}
	if _, err := parseManifest(change(3)); !errors.Is(err, failure.NotOurs) {
		t.Errorf("magic: %v, want failure.NotOurs", err)
	}
	if _, err := parseManifest(change(25)); !errors.Is(err, failure.Corrupt) {
		t.Errorf("header: %v, want failure.Corrupt", err)
	}
}

// TestSnapshotIsEqual rewrites random catalogues and compares.
func TestSnapshotIsEqual(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		logs := make(catalogue)
		for range rapid.IntRange(0, 60).Draw(t, "edits") {
			id := rapid.Uint64Range(1, 3).Draw(t, "log")
			l := logs[id]
			e := edit{log: id}
			switch {
			case !logs.has(id):
				e.kind, e.fields = editLogAdded, [4]uint64{1, 1, 0}
			case l.open() != nil:
				s := l.open()
				e.kind = rapid.SampledFrom([]editType{editSegmentSealed, editSegmentEnds}).Draw(t, "how")
				next := s.base + rapid.Uint64Range(0, 5).Draw(t, "records")
				e.fields = [4]uint64{s.id, 4096, next, uint64(l.lastTime) + 1}
			default:
				kinds := []editType{editSegmentAdded, editTrimmed, editProducersKnown, editLogRemoved}
				last := l.last()
				if last != nil {
					kinds = append(kinds, editSegmentEnds, editSegmentDropped) // a cut
				}
				e.kind = rapid.SampledFrom(kinds).Draw(t, "kind")
				e.fields = [4]uint64{l.next()}
				switch e.kind {
				case editSegmentEnds:
					next := rapid.Uint64Range(last.base, last.next).Draw(t, "cut")
					e.fields = [4]uint64{last.id, uint64(last.at), next, uint64(l.lastTime)}
				case editSegmentDropped:
					e.fields = [4]uint64{last.id}
				case editTrimmed:
					if last == nil { // a restart
						e.fields = [4]uint64{rapid.Uint64Range(1, 100).Draw(t, "restart")}
					}
				case editSegmentAdded:
					e.fields = [4]uint64{l.nextSegment, l.next()}
				case editProducersKnown:
					e.table = make([]byte, 8)
				}
			}
			if err := logs.apply(e); err != nil {
				t.Fatal(err)
			}
		}
		b := append(encodeManifestHeader(1, 3, 0), encodeRecord(3, logs.snapshot())...)
		got, err := parseManifest(b)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != len(logs) {
			t.Fatalf("%d logs, want %d", len(got), len(logs))
		}
		for id, want := range logs {
			if a, b := fmt.Sprint(*got[id]), fmt.Sprint(*want); a != b { // nil and empty are the same here
				t.Fatalf("log %d: got %s, want %s", id, a, b)
			}
		}
	})
}

// TestCutsThatCannotBe are refused: a manifest that says so is not one of ours.
func TestCutsThatCannotBe(t *testing.T) {
	for name, e := range map[string]edit{
		"behind the end in bytes":   {kind: editSegmentEnds, log: 1, fields: [4]uint64{2, 9001, 15}},
		"behind the end in records": {kind: editSegmentEnds, log: 1, fields: [4]uint64{2, 8000, 21}},
		"before the segment":        {kind: editSegmentEnds, log: 1, fields: [4]uint64{2, 8000, 9}},
		"not the last segment":      {kind: editSegmentEnds, log: 1, fields: [4]uint64{1, 8000, 5}},
		"dropping the first":        {kind: editSegmentDropped, log: 1, fields: [4]uint64{1}},
	} {
		logs := make(catalogue)
		for _, e := range []edit{
			{kind: editLogAdded, log: 1, fields: [4]uint64{1, 1}},
			{kind: editSegmentAdded, log: 1, fields: [4]uint64{1, 1}},
			{kind: editSegmentSealed, log: 1, fields: [4]uint64{1, 9000, 10}},
			{kind: editSegmentAdded, log: 1, fields: [4]uint64{2, 10}},
			{kind: editSegmentSealed, log: 1, fields: [4]uint64{2, 9000, 20}},
		} {
			if err := logs.apply(e); err != nil {
				t.Fatal(err)
			}
		}
		if err := logs.apply(e); !errors.Is(err, failure.Corrupt) {
			t.Errorf("%s: %v, want failure.Corrupt", name, err)
		}
	}
}

func TestManifestIsRewrittenWhenItHasGrown(t *testing.T) {
	disk := crashfs.New(crashfs.Options{})
	d := openDir(t, "/data", Options{FS: disk, Backend: BackendHeap})
	big := make([]byte, 100<<10)
	if err := d.CreateLogs(1); err != nil {
		t.Fatal(err)
	}
	for i := range 30 {
		if err := d.manifest.commit(edit{kind: editProducersKnown, log: 1, fields: [4]uint64{uint64(i)}, table: big}); err != nil {
			t.Fatal(err)
		}
	}
	if d.manifest.room.end > 2<<20 {
		t.Errorf("the manifest has %d bytes", d.manifest.room.end)
	}
	names, _ := disk.ReadDir("/data")
	manifests := 0
	for _, name := range names {
		if _, ok := manifestNumber(name); ok {
			manifests++
		}
	}
	if manifests != 1 {
		t.Errorf("%d manifests are left: %q", manifests, names)
	}
}

func TestDataWithoutManifestIsRefused(t *testing.T) {
	path := t.TempDir()
	if err := os.Mkdir(filepath.Join(path, "log-1"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenDir(path, Options{}); !errors.Is(err, failure.Corrupt) {
		t.Errorf("got %v, want failure.Corrupt", err)
	}
	if _, err := OpenDirReadOnly(t.TempDir(), Options{}); !errors.Is(err, failure.NotFound) {
		t.Errorf("an empty directory, read-only: %v, want failure.NotFound", err)
	}
}

// goldenDir returns the manifest and the frames of a small log whose process
// died.
func goldenDir(f *testing.F) (manifest, frames []byte, name string) {
	disk := crashfs.New(crashfs.Options{})
	d, err := OpenDir("/data", Options{FS: disk, Backend: BackendHeap, SegmentBytesMin: 16 << 10, SegmentBytesMax: 16 << 10, Seed: 1, Clock: &handClock{now: 1}})
	if err != nil {
		f.Fatal(err)
	}
	defer d.Close()
	l := openLog(f, d, 1, LogOptions{})
	for i := range 3 {
		if _, err := l.Append(context.Background(), makeRecords(i, 2, 30), protocol.Producer{ID: 4, Sequence: uint32(2 * i)}); err != nil {
			f.Fatal(err)
		}
	}
	manifest, err = readFile(disk, "/data/MANIFEST-1")
	if err != nil {
		f.Fatal(err)
	}
	name = segmentName(1, 1)
	frames, err = readFile(disk, "/data/log-1/"+name)
	if err != nil {
		f.Fatal(err)
	}
	end := l.tail.off
	disk.Kill()
	return manifest[:d.manifest.room.end], frames[:end], name
}

// FuzzRecover opens a directory whose manifest and segment are anything, reads
// it, appends, and opens it again: no panic, no loss of what the first opening
// showed, and memory in proportion to the input. sign makes the CRC of the
// first record right, so that mutations get past it.
func FuzzRecover(f *testing.F) {
	manifest, segmentBytes, name := goldenDir(f)
	f.Add(manifest, segmentBytes[4096:], true)
	f.Add(manifest, segmentBytes[4096:len(segmentBytes)-20], false)
	f.Add(manifest[:len(manifest)-8], segmentBytes[4096:], false)
	page := segmentBytes[:4096]
	f.Fuzz(func(t *testing.T, manifest, frames []byte, sign bool) {
		if sign && len(manifest) > manifestHeaderSize+recordHeaderSize {
			signRecords(manifest)
		}
		disk := crashfs.New(crashfs.Options{})
		for path, b := range map[string][]byte{"/data/MANIFEST-1": manifest, "/data/log-1/" + name: append(bytes.Clone(page), frames...)} {
			if err := disk.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			file, err := disk.OpenFile(path, createFlags, 0o600)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := file.WriteAt(b, 0); err != nil {
				t.Fatal(err)
			}
			if filepath.Ext(path) == segSuffix { // a shorter one is damage, whatever it holds
				if err := file.Allocate(16 << 10); err != nil {
					t.Fatal(err)
				}
			}
			file.Close()
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		recoverAnything(t, disk)
		runtime.ReadMemStats(&after)
		// Opening, appending and closing twice costs 1 MiB whatever the input.
		if n := after.TotalAlloc - before.TotalAlloc; n > uint64(4*(len(manifest)+len(frames))+1<<20) {
			t.Fatalf("%d bytes allocated for an input of %d", n, len(manifest)+len(frames))
		}
	})
}

// signRecords makes the CRCs of the records right, as far as lengths lead.
func signRecords(b []byte) {
	salt := uint32(b[24]) | uint32(b[25])<<8 | uint32(b[26])<<16 | uint32(b[27])<<24
	for off := manifestHeaderSize; off+recordHeaderSize < len(b); {
		length := int(b[off]) | int(b[off+1])<<8 | int(b[off+2])<<16
		if length <= recordHeaderSize || length > len(b)-off {
			return
		}
		crc := recordCRC(salt, b[off:off+length])
		b[off+4], b[off+5], b[off+6], b[off+7] = byte(crc), byte(crc>>8), byte(crc>>16), byte(crc>>24)
		off += (length + 7) &^ 7
	}
}

func recoverAnything(t *testing.T, disk *crashfs.FS) {
	o := Options{FS: disk, Backend: BackendHeap, SegmentBytesMin: 16 << 10, SegmentBytesMax: 16 << 10, StagingBytes: 4 << 10, Clock: &handClock{now: 1}}
	var seen []string
	for round := range 2 {
		d, err := OpenDir("/data", o)
		if err != nil {
			return
		}
		ids := d.Logs()
		if len(ids) > 4 {
			ids = ids[:4]
		}
		for _, id := range ids {
			l, err := d.OpenLog(id, LogOptions{})
			if err != nil {
				continue
			}
			got := readSome(l)
			if id == 1 && round == 1 && len(got) < len(seen) {
				t.Errorf("the second opening shows %d records, the first showed %d", len(got), len(seen))
			}
			if id == 1 {
				seen = got
			}
			if l.Err() == nil {
				if _, err := l.Append(context.Background(), makeRecords(1, 1, 10), none); err != nil && failure.KindOf(err) == 0 {
					t.Errorf("append: %v has no name", err)
				}
			}
		}
		if err := d.Close(); err != nil && failure.KindOf(err) == 0 {
			t.Errorf("close: %v has no name", err)
		}
	}
}

// readSome reads as far as it goes.
func readSome(l *Log) (got []string) {
	c, err := l.Cursor(record.TrimHorizon())
	if err != nil {
		return nil
	}
	defer c.Close()
	for c.TryNext() {
		got = append(got, string(c.View().Data))
	}
	return got
}

// FuzzManifest reads manifests whose bytes are anything.
func FuzzManifest(f *testing.F) {
	f.Add([]byte(manifestMagic))
	f.Add(append(encodeManifestHeader(1, 3, 0), encodeRecord(3, []edit{{kind: editLogAdded, log: 1, fields: [4]uint64{1, 1, 0}}})...))
	f.Fuzz(func(t *testing.T, b []byte) {
		edits := 0
		end, err := ReadManifest(b, func(Edit) error { edits++; return nil })
		if err == nil && (end < manifestHeaderSize || end > int64(len(b))) {
			t.Errorf("%d edits end at %d of %d", edits, end, len(b))
		}
		if edits > len(b)/editHeaderSize {
			t.Errorf("%d edits in %d bytes", edits, len(b))
		}
	})
}
