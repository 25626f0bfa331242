package wal

import (
	"errors"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/internal/vfs"
	"github.com/millrace-io/millrace/internal/vfs/crashfs"
	"github.com/millrace-io/millrace/internal/vfs/errorfs"
	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/record"
)

// cachedFS says what its cached pages belong to.
type cachedFS struct {
	vfs.FS
	id string
}

func (f *cachedFS) CacheID(string) string { return f.id }

// witnessed is a log that is opened again and again.
type witnessed struct {
	t       *testing.T
	disk    *crashfs.FS
	fs      *cachedFS
	options Options
	log     LogOptions
	d       *Dir
	l       *Log
	next    int
	last    Recovery
	faults  *errorfs.FS
	drops   *errorfs.Fault // counts the caches that were dropped
	dropped int            // by the last opening
}

func newWitnessed(t *testing.T) *witnessed {
	w := &witnessed{t: t, disk: crashfs.New(crashfs.Options{}), log: LogOptions{Durability: record.None}, next: 1}
	w.faults = errorfs.New(w.disk)
	w.drops = w.faults.Fail(errorfs.Rule{Operations: []vfs.Operation{vfs.OperationDropCache}})
	w.fs = &cachedFS{w.faults, "this boot"}
	w.options = Options{
		FS: w.fs, Backend: BackendHeap, Clock: &handClock{now: 1}, SegmentBytesMin: 16 << 10, SegmentBytesMax: 16 << 10,
		Events: EventListener{Recovered: func(_ uint64, r Recovery) { w.last.Scanned += r.Scanned }},
	}
	return w
}

// open opens the log and reads all of it.
func (w *witnessed) open() {
	w.t.Helper()
	w.last = Recovery{}
	before := w.drops.Calls()
	w.d = openDir(w.t, "/data", w.options)
	w.l = openLog(w.t, w.d, 1, w.log)
	w.dropped = w.drops.Calls() - before
	if got := readAll(w.t, w.l, record.TrimHorizon()); len(got) != w.next-1 {
		w.t.Fatalf("%d records, want %d", len(got), w.next-1)
	}
}

// fill appends several segments, of which the MANIFEST knows one.
func (w *witnessed) fill() {
	w.t.Helper()
	for range 40 {
		mustAppend(w.t, w.l, w.next, 1, 1000)
		w.next++
	}
}

// kill ends the process, and the disk keeps what the kernel has.
func (w *witnessed) kill() {
	w.disk.Kill()
	closeQuietly(w.d)
}

// TestOpeningTrustsTheKernel: after a kill only the last segment is checked, and
// nothing is read from the device again.
func TestOpeningTrustsTheKernel(t *testing.T) {
	w := newWitnessed(t)
	w.open()
	for range 3 {
		w.fill()
		w.kill()
		w.open()
		if w.dropped != 0 || w.last.Scanned == 0 || w.last.Scanned > 16<<10 {
			t.Fatalf("%d bytes checked, %d caches dropped", w.last.Scanned, w.dropped)
		}
	}
	w.must(w.d.Close())
}

// TestOpeningTrustsNobodyElse is everything that makes an opening check all that was
// not noted as sealed.
func TestOpeningTrustsNobodyElse(t *testing.T) {
	for name, between := range map[string]func(w *witnessed){
		"another start or mount": func(w *witnessed) { w.fs.id = "another boot" },
		"no way to know":         func(w *witnessed) { w.fs.id = "" },
		"a sync was at work":     func(w *witnessed) { w.put("busy this boot\n") },
		"nothing that was meant": func(w *witnessed) { w.put("calm this boot, or not\n") },
		"a line that was cut":    func(w *witnessed) { w.put("calm this boot") },
		"no file":                func(w *witnessed) { w.must(w.disk.Remove(w.path())) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWitnessed(t)
			w.open()
			w.fill()
			w.kill()
			between(w)
			w.open()
			if w.dropped < 3 || w.last.Scanned < 32<<10 {
				t.Errorf("%d bytes checked, %d caches dropped", w.last.Scanned, w.dropped)
			}
			w.must(w.d.Close())
		})
	}
}

func (w *witnessed) path() string { return filepath.Join("/data/log-1", witnessName) }

func (w *witnessed) put(text string) { w.must(putFile(w.disk, w.path(), []byte(text))) }

func (w *witnessed) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// TestShorterLineOverALongerOne: a witness is written over the last one.
func TestShorterLineOverALongerOne(t *testing.T) {
	w := newWitnessed(t)
	w.open()
	w.kill()
	w.put("busy another boot with a longer name\n")
	w.open()
	w.fill()
	w.kill()
	w.open()
	if w.dropped != 0 {
		t.Errorf("%d caches dropped", w.dropped)
	}
	w.must(w.d.Close())
}

// TestFailedSyncIsRemembered: the process that saw it is gone.
func TestFailedSyncIsRemembered(t *testing.T) {
	w := newWitnessed(t)
	w.open()
	w.fill()
	fault := w.faults.Fail(errorfs.Rule{Operations: []vfs.Operation{vfs.OperationSync}, Nth: 1, Err: syscall.EIO})
	if err := w.l.syncBehind(0); !errors.Is(err, syscall.EIO) || !errors.Is(w.l.Err(), failure.Poisoned) {
		t.Fatalf("got %v, and the log says %v", err, w.l.Err())
	}
	w.kill()
	fault.Heal()
	w.open()
	if w.dropped < 3 || w.last.Scanned < 32<<10 {
		t.Errorf("%d bytes checked, %d caches dropped", w.last.Scanned, w.dropped)
	}
	w.must(w.d.Close())
}

// TestLogsThatSyncKeepNoWitness, not even that of an earlier opening.
func TestLogsThatSyncKeepNoWitness(t *testing.T) {
	w := newWitnessed(t)
	w.open()
	w.fill()
	w.kill()
	w.log.Durability = record.Group
	w.open()
	names, err := w.disk.ReadDir("/data/log-1")
	if err != nil || strings.Contains(strings.Join(names, " "), witnessName) {
		t.Errorf("%v, %v", names, err)
	}
	w.must(w.d.Close())
}

// TestTrustedProducersAreKnown: what an idempotent producer sent before the kill is
// known as exactly as after a scan, also where it is not in the last segment.
func TestTrustedProducersAreKnown(t *testing.T) {
	w := newWitnessed(t)
	w.open()
	p := protocol.Producer{ID: 9, Epoch: 1}
	var sent []record.Range
	for range 30 {
		r, err := w.l.Append(t.Context(), makeRecords(w.next, 1, 1000), p)
		w.must(err)
		sent = append(sent, r)
		p.Sequence++
		w.next++
	}
	w.kill()
	w.open()
	for back := 1; back <= protocol.ProducerBatchesMax; back++ {
		again := protocol.Producer{ID: 9, Epoch: 1, Sequence: p.Sequence - uint32(back)}
		r, err := w.l.Append(t.Context(), makeRecords(w.next-back, 1, 1000), again)
		if want := sent[len(sent)-back]; err != nil || r != want {
			t.Errorf("%d back: got %+v, %v, want %+v", back, r, err, want)
		}
	}
	w.must(w.d.Close())
}
