package wal

import (
	"context"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace-io/millrace/internal/vfs"
	"github.com/millrace-io/millrace/internal/vfs/crashfs"
	"github.com/millrace-io/millrace/record"
)

// heldSyncs blocks the syncs of segments, but for the first of each file, which
// marks it.
type heldSyncs struct {
	gate  chan struct{}
	mu    sync.Mutex
	armed bool
	seen  map[string]bool
}

func (h *heldSyncs) hook(c vfs.Call) {
	if c.Operation != vfs.OperationSync || !strings.Contains(c.Name, sparePrefix) {
		return
	}
	h.mu.Lock()
	hold := h.armed && h.seen[c.Name]
	h.seen[c.Name] = true
	h.mu.Unlock()
	if hold {
		<-h.gate
	}
}

// TestRollDoesNotWaitForTheDevice lets no sync of a segment return while a log
// without syncs changes segments, and looks at the directory in that state as
// everybody may meet it.
func TestRollDoesNotWaitForTheDevice(t *testing.T) {
	for _, durability := range []record.Durability{record.None, record.Interval} {
		t.Run(durability.String(), func(t *testing.T) { testRollBehind(t, durability) })
	}
}

func testRollBehind(t *testing.T, durability record.Durability) {
	h := &heldSyncs{gate: make(chan struct{}), seen: make(map[string]bool)}
	o := Options{Clock: &handClock{now: 1}, SegmentBytesMin: 16 << 10, SegmentBytesMax: 16 << 10}
	disk, d, l := heap(t, o, LogOptions{Durability: durability, SyncInterval: time.Hour})
	disk.SetHook(h.hook)
	open := sync.OnceFunc(func() { close(h.gate) })
	defer open() // also after a failure: Close waits for the syncs
	mustAppend(t, l, 1, 1, 1000)
	h.mu.Lock()
	h.armed = true
	h.mu.Unlock()
	const records = 40 // three segments, and the beginning of a fourth
	for i := 2; i <= records; i++ {
		mustAppend(t, l, i, 1, 1000)
	}
	if n := l.Stats().Segments; n < 3 || n > behindMax {
		t.Fatalf("%d segments", n)
	}
	_, known, err := readManifest(disk, "/data")
	if err != nil || len(known[1].segments) != 1 {
		t.Fatalf("the MANIFEST knows %d segments: %v", len(known[1].segments), err)
	}
	o = d.options

	t.Run("read beside the writer", func(t *testing.T) {
		reader, err := OpenDirReadOnly("/data", o)
		if err != nil {
			t.Fatal(err)
		}
		defer closeQuietly(reader)
		read, err := reader.OpenLog(1, LogOptions{})
		if err != nil {
			t.Fatal(err)
		}
		wantRecords(t, readAll(t, read, record.TrimHorizon()), 1, records)
	})
	t.Run("snapshot", func(t *testing.T) {
		s, err := ReadSnapshot(disk, "/data")
		if err != nil || len(s.Segments) != l.Stats().Segments {
			t.Fatalf("%d segments: %v", len(s.Segments), err)
		}
		for _, file := range s.Segments {
			m, err := file.Measure(context.Background(), disk, "/data")
			if err != nil || m.Damage != nil {
				t.Fatalf("%s: %v %v", file.File, err, m.Damage)
			}
			m.Content.Close()
		}
	})
	t.Run("killed", func(t *testing.T) {
		reopened(t, o, disk.Crash(rand.New(everythingSurvives)), records)
	})
	t.Run("repaired", func(t *testing.T) {
		image := disk.Crash(rand.New(everythingSurvives))
		o.FS = image
		r, found := damageOf(t, o)
		if len(found) > 0 {
			t.Errorf("damage: %v", found)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		reopened(t, o, image, records)
	})
	t.Run("power cut", func(t *testing.T) {
		reopened(t, o, disk.Crash(rand.New(nothingSurvives)), 0)
		shorter := 0
		for seed := range uint64(300) {
			if n := reopened(t, o, disk.Crash(rand.New(rand.NewPCG(seed, 9))), 0); n < records {
				shorter++
			}
		}
		if shorter == 0 {
			t.Error("no power cut took anything")
		}
	})

	open()
	if err := l.WaitDurable(context.Background(), records); err != nil {
		t.Fatal(err)
	}
	reopened(t, o, disk.Crash(rand.New(nothingSurvives)), records)
}

// reopened opens what is left, twice, and returns how many records it has: a
// prefix, and at least so many.
func reopened(t *testing.T, o Options, image *crashfs.FS, least int) (records int) {
	t.Helper()
	o.FS = image
	for range 2 {
		d, err := OpenDir("/data", o)
		if err != nil {
			t.Fatal(err)
		}
		l, err := d.OpenLog(1, LogOptions{Durability: record.None})
		if err == nil {
			err = l.Err()
		}
		if err != nil {
			t.Fatal(err)
		}
		got := readAll(t, l, record.TrimHorizon())
		if len(got) < least || records > 0 && len(got) != records {
			t.Fatalf("%d records, want %d at least, and %d before", len(got), least, records)
		}
		records = len(got)
		wantRecords(t, got, 1, records)
		image.Kill()
		closeQuietly(d)
	}
	return records
}
