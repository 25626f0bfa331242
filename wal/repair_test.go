package wal

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/internal/vfs/crashfs"
	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/segment"
)

// wounded returns a disk with a log of 100 records in several segments, cut off
// from power with its last segment open, after wound has been at its files.
func wounded(t *testing.T, wound func(disk *crashfs.FS, files []string, end int64)) (*crashfs.FS, Options) {
	t.Helper()
	clock := &handClock{now: 1}
	disk, d, l := heap(t, Options{Clock: clock}, LogOptions{})
	for i := range 100 {
		if _, err := l.Append(context.Background(), makeRecords(i+1, 1, 1000), protocol.Producer{ID: 9, Epoch: 1, Sequence: uint32(i)}); err != nil {
			t.Fatal(err)
		}
	}
	clock.fire() // a SYNC frame vouches for the last record
	if err := l.await(context.Background(), l.next-1, true); err != nil {
		t.Fatal(err)
	}
	waitIdle(l)
	files, end := segmentFiles(t, disk), l.tail.off
	disk.Kill()
	_ = d.Close()
	if len(files) < 4 {
		t.Fatalf("%d segments", len(files))
	}
	wound(disk, files, end)
	return disk, d.options
}

// damageOf checks log 1.
func damageOf(t *testing.T, o Options) (*Repair, []Damage) {
	t.Helper()
	r, err := OpenRepair("/data", o)
	if err != nil {
		t.Fatal(err)
	}
	found, err := r.Check(context.Background(), 1)
	if err != nil {
		t.Fatal(err)
	}
	return r, found
}

func footerOf(t *testing.T, o Options, i int) int64 {
	t.Helper()
	_, logs, err := readManifest(o.FS, "/data")
	if err != nil {
		t.Fatal(err)
	}
	return logs[1].segments[i].at
}

func TestRepair(t *testing.T) {
	for name, c := range map[string]struct {
		wound    func(t *testing.T, disk *crashfs.FS, files []string, end int64)
		complete bool // nothing is lost
		empty    bool // everything is
		found    int
	}{
		"a sealed segment": {wound: func(t *testing.T, disk *crashfs.FS, files []string, _ int64) {
			flip(t, disk, files[1], segment.HeaderSize+9000)
		}, found: 1},
		"the first frame": {wound: func(t *testing.T, disk *crashfs.FS, files []string, _ int64) {
			flip(t, disk, files[0], segment.HeaderSize+100)
		}, found: 1, empty: true},
		"the active segment": {wound: func(t *testing.T, disk *crashfs.FS, files []string, end int64) {
			flip(t, disk, files[len(files)-1], end-500)
		}, found: 1},
		"a header page": {wound: func(t *testing.T, disk *crashfs.FS, files []string, _ int64) {
			flip(t, disk, files[2], 40)
		}, found: 1},
		"a missing file": {wound: func(t *testing.T, disk *crashfs.FS, files []string, _ int64) {
			if err := disk.Remove(files[1]); err != nil {
				t.Fatal(err)
			}
		}, found: 1},
		"a footer": {wound: func(t *testing.T, disk *crashfs.FS, files []string, _ int64) {
			flip(t, disk, files[1], footerOf(t, Options{FS: disk}, 1)+50)
		}, found: 1, complete: true},
		"an index, and a footer": {wound: func(t *testing.T, disk *crashfs.FS, files []string, _ int64) {
			flip(t, disk, files[0], footerOf(t, Options{FS: disk}, 0)-3)
			flip(t, disk, files[1], footerOf(t, Options{FS: disk}, 1)+50)
		}, found: 2, complete: true},
		"nothing": {wound: func(*testing.T, *crashfs.FS, []string, int64) {}, complete: true},
	} {
		t.Run(name, func(t *testing.T) {
			_, o := wounded(t, func(disk *crashfs.FS, files []string, end int64) { c.wound(t, disk, files, end) })
			r, found := damageOf(t, o)
			if len(found) != c.found {
				t.Fatalf("found %+v", found)
			}
			if _, err := OpenDir("/data", o); !errors.Is(err, failure.Conflict) {
				t.Errorf("opened during a repair: %v", err)
			}
			next := uint64(101)
			for _, d := range found {
				if d.Complete != c.complete || c.complete && d.Behind != nil {
					t.Errorf("found %+v", d)
				}
				if !d.Complete {
					next = d.Next
				}
			}
			if c.empty != (next == 1) {
				t.Fatalf("the log ends before record %d", next)
			}
			if err := errors.Join(r.Cut(found), r.Close()); err != nil {
				t.Fatal(err)
			}
			again, left := damageOf(t, o)
			if len(left) != 0 {
				t.Errorf("left: %+v", left)
			}
			if err := again.Close(); err != nil {
				t.Fatal(err)
			}
			mended(t, o, next)
		})
	}
}

// mended opens the log, which must hold the records before next and no others,
// appends, and opens it again.
func mended(t *testing.T, o Options, next uint64) {
	t.Helper()
	for round := range 2 {
		d := openDir(t, "/data", o)
		l, err := d.OpenLog(1, LogOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if l.Err() != nil || l.Next() != next+uint64(round) {
			t.Fatalf("next %d, want %d; %v", l.Next(), next+uint64(round), l.Err())
		}
		wantRecords(t, readAll(t, l, record.TrimHorizon()), 1, int(next)+round-1)
		if at := int(next) / 2; at > 1 { // by the index
			wantRecords(t, readAll(t, l, record.Start{Kind: record.StartAtSequence, Sequence: uint64(at)}), at, int(next)+round-1)
		}
		mustAppend(t, l, int(next)+round, 1, 1000)
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// A segment that no manifest names makes the log refuse to open; a repair takes
// it out of the way.
func TestRepairOfAnOlderManifest(t *testing.T) {
	_, o := wounded(t, func(*crashfs.FS, []string, int64) {})
	_, logs, err := readManifest(o.FS, "/data")
	if err != nil {
		t.Fatal(err)
	}
	entry := logs[1]
	n := len(entry.segments) - 1
	lost := entry.segments[n]
	entry.segments, entry.nextSegment = entry.segments[:n], lost.id
	m := &manifest{fs: o.FS, dir: "/data", salt: func() uint32 { return 1 }, number: 90, logs: logs}
	if err := errors.Join(m.rewrite(), m.close()); err != nil {
		t.Fatal(err)
	}
	d, err := OpenDir("/data", o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.OpenLog(1, LogOptions{}); !errors.Is(err, failure.Corrupt) {
		t.Fatalf("opened: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	r, found := damageOf(t, o)
	if len(found) != 1 || !found[0].Unlisted || found[0].Next != lost.base {
		t.Fatalf("found %+v", found)
	}
	if err := errors.Join(r.Cut(found), r.Close()); err != nil {
		t.Fatal(err)
	}
	mended(t, o, lost.base)
}

// A torn tail is what recovery is for.
func TestATornTailIsNoDamage(t *testing.T) {
	disk, d, l := heap(t, Options{}, LogOptions{})
	mustAppend(t, l, 1, 9, 100)
	mustAppend(t, l, 10, 1, 100)
	at := l.tail.off
	file := segmentFiles(t, disk)[0]
	disk.Kill()
	_ = d.Close()
	flip(t, disk, file, at-50)
	r, found := damageOf(t, d.options)
	if len(found) != 0 {
		t.Errorf("found %+v", found)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	mended(t, d.options, 10)
}

// What was cut off must not be acknowledged again, and who knows no better may
// begin a new epoch.
func TestRepairForgetsProducersOfWhatIsCutOff(t *testing.T) {
	for name, wound := range map[string]func(disk *crashfs.FS, files []string, end int64){
		"sealed": func(disk *crashfs.FS, files []string, _ int64) { flip(t, disk, files[1], segment.HeaderSize+9000) },
		"active": func(disk *crashfs.FS, files []string, end int64) { flip(t, disk, files[len(files)-1], end-500) },
	} {
		t.Run(name, func(t *testing.T) {
			_, o := wounded(t, wound)
			r, found := damageOf(t, o)
			if err := errors.Join(r.Cut(found), r.Close()); err != nil {
				t.Fatal(err)
			}
			d := openDir(t, "/data", o)
			l := openLog(t, d, 1, LogOptions{})
			lost := found[0].Next
			send := func(p protocol.Producer) (record.Range, error) {
				return l.Append(context.Background(), makeRecords(1, 1, 1000), p)
			}
			if got, err := send(protocol.Producer{ID: 9, Epoch: 1, Sequence: 99}); err == nil && got.First != lost {
				t.Errorf("the last batch, which is lost, is said to be at %v", got)
			}
			if got, err := send(protocol.Producer{ID: 9, Epoch: 2, Sequence: 0}); err != nil || got.First < lost {
				t.Errorf("a new epoch: %v, %v", got, err)
			}
		})
	}
}

// Every good frame behind a damage is found, and only those.
func TestSalvage(t *testing.T) {
	_, o := wounded(t, func(disk *crashfs.FS, files []string, _ int64) {
		flip(t, disk, files[1], segment.HeaderSize+9000)
		flip(t, disk, files[2], segment.HeaderSize+9000)
	})
	r, found := damageOf(t, o)
	defer r.Close()
	var got []uint64
	offset, next := found[0].Offset, found[0].Next
	for _, file := range append([]string{found[0].File}, found[0].Behind...) {
		ok, err := r.Salvage(file, offset, next, func(_ int64, h protocol.FrameHeader, frame []byte) error {
			got = append(got, h.Sequence)
			if err := protocol.VerifyBatch(h.Payload(frame), int(h.Count)); err != nil {
				t.Errorf("record %d: %v", h.Sequence, err)
			}
			return nil
		})
		if !ok || err != nil {
			t.Fatal(ok, err)
		}
		offset = 0
	}
	// One frame is lost in each of the two segments.
	if !slices.IsSorted(got) || len(got) != 100-int(next)+1-2 || got[0] != next+1 || got[len(got)-1] != 100 {
		t.Errorf("behind record %d: %v", next, got)
	}
}

func TestRepairNeedsADataDirectory(t *testing.T) {
	if _, err := OpenRepair(t.TempDir(), Options{}); !errors.Is(err, failure.NotFound) {
		t.Errorf("got %v", err)
	}
	_, d, _ := heap(t, Options{}, LogOptions{})
	if _, err := OpenRepair("/data", d.options); !errors.Is(err, failure.Conflict) {
		t.Errorf("beside a writer: %v", err)
	}
}
