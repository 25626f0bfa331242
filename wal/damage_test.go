package wal

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/internal/vfs/crashfs"
	"github.com/millrace-io/millrace/internal/vfs/errorfs"
	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/segment"
)

// TestFirstRecordOfAManifestCannotBeTorn: an opening writes what it knows as one
// record, and syncs it before the file has its name. Damage to it must not pass
// for the torn end of a write, after which no log would be known and all their
// files were leftovers.
func TestFirstRecordOfAManifestCannotBeTorn(t *testing.T) {
	disk, d, l := heap(t, Options{}, LogOptions{})
	mustAppend(t, l, 1, 10, 100)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := OpenDir("/data", d.options)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
	flip(t, disk, "/data/MANIFEST-2", manifestHeaderSize+20)
	if _, err := OpenDir("/data", d.options); !errors.Is(err, failure.Corrupt) {
		t.Errorf("open: %v, want failure.Corrupt", err)
	}
	if _, err := OpenDirReadOnly("/data", d.options); !errors.Is(err, failure.Corrupt) {
		t.Errorf("open read-only: %v, want failure.Corrupt", err)
	}
	if len(segmentFiles(t, disk)) == 0 {
		t.Error("the segments are gone")
	}
}

// TestLogsThatTheManifestLostAreKept cuts a manifest in front of the edit that
// added a log. What the log holds must not be taken for a leftover.
func TestLogsThatTheManifestLostAreKept(t *testing.T) {
	disk, d, _ := heap(t, Options{}, LogOptions{})
	before := d.manifest.room.endOffset()
	mustAppend(t, openLog(t, d, 2, LogOptions{}), 1, 10, 100)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := readFile(disk, "/data/MANIFEST-1")
	if err != nil {
		t.Fatal(err)
	}
	if err := putFile(disk, "/data/MANIFEST-1", b[:before]); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenDir("/data", d.options); !errors.Is(err, failure.Corrupt) {
		t.Errorf("open: %v, want failure.Corrupt", err)
	}
	if names, err := disk.ReadDir("/data/log-2"); err != nil || len(names) == 0 {
		t.Errorf("the folder of the log holds %q, %v", names, err)
	}
}

// TestRemovedLogsAreForgottenWhenTheyAreGone ends a process at every call of the
// removal of a log: the next opening finishes it, whatever the manifest is
// called by then, and a log that still has files stays known as removed.
func TestRemovedLogsAreForgottenWhenTheyAreGone(t *testing.T) {
	for n := 1; ; n++ {
		disk := crashfs.New(crashfs.Options{})
		faulty := errorfs.New(disk)
		o := Options{FS: faulty, Backend: BackendHeap}
		d, err := OpenDir("/data", o)
		if err != nil {
			t.Fatal(err)
		}
		mustAppend(t, openLog(t, d, 1, LogOptions{}), 1, 3, 100)
		mustAppend(t, openLog(t, d, 2, LogOptions{}), 1, 3, 100)
		fault := faulty.Fail(errorfs.Rule{Nth: n, Sticky: true, Err: syscall.EIO})
		_ = d.RemoveLog(2)
		disk.Kill()
		_ = d.Close()
		fault.Heal()
		for range 3 {
			d, err = OpenDir("/data", o)
			if err != nil {
				t.Fatalf("call %d (%v): %v", n, fault.First(), err)
			}
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
		}
		_, known, err := readManifest(disk, "/data")
		if err != nil {
			t.Fatal(err)
		}
		if len(known) != len(d.Logs()) {
			t.Errorf("call %d: the manifest still knows %d logs, there are %v", n, len(known), d.Logs())
		}
		if names, err := disk.ReadDir("/data/log-2"); err == nil && !d.manifest.logs.has(2) {
			t.Errorf("call %d: a removed log left %q", n, names)
		}
		if !fault.Fired() {
			if d.manifest.logs.has(2) {
				t.Error("the log was not removed")
			}
			return
		}
	}
}

func putFile(disk *crashfs.FS, name string, content []byte) error {
	if err := disk.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	file, err := disk.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = file.WriteAt(content, 0)
	return err
}

// TestMisplacedFramesAreDamage swaps frames of equal length in a sealed segment,
// as a device does that writes a sector to the place of another. Their checksums
// are good.
func TestMisplacedFramesAreDamage(t *testing.T) {
	for _, pair := range [][2]int{{0, 1}, {3, 7}, {8, 9}} {
		disk, d, l := heap(t, Options{}, LogOptions{})
		var places []int64
		for i := range 10 {
			mustAppend(t, l, i+1, 1, 200)
			places = append(places, l.tail.off)
		}
		span := places[1] - places[0]
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		disk.Kill()
		name := segmentFiles(t, disk)[0]
		b, err := readFile(disk, name)
		if err != nil {
			t.Fatal(err)
		}
		one, other := b[places[pair[0]]-span:][:span], b[places[pair[1]]-span:][:span]
		kept := bytes.Clone(one)
		copy(one, other)
		copy(other, kept)
		if err := putFile(disk, name, b); err != nil {
			t.Fatal(err)
		}
		_, l = cutPower(t, disk, d)
		got := readSome(l)
		if len(got) != pair[0] {
			t.Errorf("frames %v swapped: %d records were served, want %d", pair, len(got), pair[0])
		}
		c, err := l.Cursor(record.AtSequence(uint64(pair[1]) + 1))
		if err != nil {
			t.Fatal(err)
		}
		if c.TryNext() || !errors.Is(c.Err(), failure.Corrupt) {
			t.Errorf("frames %v swapped: seek: %v, want failure.Corrupt", pair, c.Err())
		}
		c.Close()
		if c, err = l.Cursor(record.TrimHorizon()); err != nil {
			t.Fatal(err)
		}
		for f, ok := c.Frames(1 << 20); ok; f, ok = c.Frames(1 << 20) {
			if f.Next > uint64(pair[0])+1 {
				t.Errorf("frames %v swapped: frames up to %d were sent", pair, f.Next)
			}
		}
		if !errors.Is(c.Err(), failure.Corrupt) {
			t.Errorf("frames %v swapped: frames: %v, want failure.Corrupt", pair, c.Err())
		}
		c.Close()
	}
}

// interrupted returns a disk with a log of ten records whose process died, and
// the file of its segment. Only the last record has no later frame to vouch for it.
func interrupted(t *testing.T) (disk *crashfs.FS, o Options, file string, ends []int64) {
	t.Helper()
	disk, d, l := heap(t, Options{}, LogOptions{})
	for i := range 10 {
		mustAppend(t, l, i+1, 1, 200)
		ends = append(ends, l.tail.off)
	}
	disk.Kill()
	_ = d.Close()
	return disk, d.options, segmentFiles(t, disk)[0], ends
}

// TestCutSegmentIsDamage cuts the segment that was being written: with its end
// the promises are gone that would tell damage from a torn write, but its length
// was durable before its name.
func TestCutSegmentIsDamage(t *testing.T) {
	for record := range 10 {
		disk, o, name, ends := interrupted(t)
		b, err := readFile(disk, name)
		if err != nil {
			t.Fatal(err)
		}
		if err := putFile(disk, name, b[:ends[record]]); err != nil {
			t.Fatal(err)
		}
		d := openDir(t, "/data", o)
		if _, err := d.OpenLog(1, LogOptions{}); !errors.Is(err, failure.Corrupt) {
			t.Errorf("cut behind record %d: %v, want failure.Corrupt", record+1, err)
		}
	}
}

// TestReadOnlyOpeningSeesDamage: who only reads must not take damage for the end
// of the log either.
func TestReadOnlyOpeningSeesDamage(t *testing.T) {
	open := func(disk *crashfs.FS, o Options) (*Log, error) {
		o.FS = disk
		d, err := OpenDirReadOnly("/data", o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = d.Close() })
		return d.OpenLog(1, LogOptions{})
	}
	t.Run("in the segment being written", func(t *testing.T) {
		disk, o, name, ends := interrupted(t)
		flip(t, disk, name, ends[5]-50)
		l, err := open(disk, o)
		if err != nil || !errors.Is(l.Err(), failure.Corrupt) {
			t.Fatalf("%v, %v; want failure.Corrupt from the log", err, l.Err())
		}
		if got := readSome(l); len(got) != 5 {
			t.Errorf("%d records were served, want 5", len(got))
		}
	})
	t.Run("in the last frame", func(t *testing.T) {
		disk, o, name, ends := interrupted(t)
		flip(t, disk, name, ends[9]-50)
		l, err := open(disk, o)
		if err != nil || errors.Is(l.Err(), failure.Corrupt) {
			t.Fatalf("%v, %v; want a torn tail", err, l.Err())
		}
		wantRecords(t, readAll(t, l, record.TrimHorizon()), 1, 9)
	})
	t.Run("in the edit that added the segment", func(t *testing.T) {
		disk, o, _, _ := interrupted(t)
		b, err := readFile(disk, "/data/MANIFEST-1")
		if err != nil {
			t.Fatal(err)
		}
		end, _, err := walkManifest(b, func(int, edit) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		flip(t, disk, "/data/MANIFEST-1", int64(end)-1)
		if _, err := open(disk, o); !errors.Is(err, failure.Corrupt) {
			t.Errorf("%v, want failure.Corrupt", err)
		}
	})
}

// TestSeekPastADamagedHeader damages headers that a seek steps over without
// verifying them: a length that leads to the end of the segment, where there is no
// frame to show that it is wrong, and a time that makes the frame look early.
func TestSeekPastADamagedHeader(t *testing.T) {
	for _, last := range []bool{true, false} {
		for name, damage := range map[string]func(header []byte, toEnd uint32){
			"length":        func(header []byte, toEnd uint32) { binary.LittleEndian.PutUint32(header, toEnd) },
			"negative time": func(header []byte, _ uint32) { header[23] |= 0x80 },
		} {
			t.Run(fmt.Sprintf("%s, last segment %v", name, last), func(t *testing.T) {
				disk, d, l := heap(t, Options{}, LogOptions{})
				for i := range 10 {
					mustAppend(t, l, i+1, 1, 100)
				}
				if err := l.Seal(context.Background()); err != nil {
					t.Fatal(err)
				}
				if !last {
					mustAppend(t, l, 11, 1, 100)
				}
				if err := d.Close(); err != nil {
					t.Fatal(err)
				}
				file := segmentFiles(t, disk)[0]
				b, err := readFile(disk, file)
				if err != nil {
					t.Fatal(err)
				}
				span := protocol.ParseFrameHeader(b[segment.HeaderSize:]).Span()
				at := segment.HeaderSize + span
				if name == "negative time" {
					at += 3 * span // the frame that is asked for
				}
				damage(b[at:], uint32(9*span))
				f, err := disk.OpenFile(file, os.O_RDWR, 0)
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				if _, err := f.WriteAt(b[at:at+span], at); err != nil {
					t.Fatal(err)
				}
				_, l = reopenClosed(t, d)
				c, err := l.Cursor(record.AtSequence(5))
				if err == nil {
					defer c.Close()
					if c.TryNext() {
						t.Errorf("record %d", c.View().Sequence)
					}
					err = c.Err()
				}
				var corruption *CorruptionError
				if !errors.As(err, &corruption) {
					t.Errorf("error %v", err)
				}
			})
		}
	}
}

// TestSeekToTheEndMeetsANewSegment: a cursor that found the end of the last segment, just
// before an append began another one, has missed nothing.
func TestSeekToTheEndMeetsANewSegment(t *testing.T) {
	_, _, l := heap(t, Options{}, LogOptions{})
	mustAppend(t, l, 1, 5, 100)
	if err := l.Seal(context.Background()); err != nil {
		t.Fatal(err)
	}
	c, err := l.Cursor(record.AtSequence(6))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	mustAppend(t, l, 6, 1, 100)
	c.missed() // as if the seek were still under way
	if !c.TryNext() || c.View().Sequence != 6 {
		t.Errorf("record %d, error %v", c.View().Sequence, c.Err())
	}
}
