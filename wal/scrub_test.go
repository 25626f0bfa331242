package wal

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/internal/vfs"
	"github.com/millrace-io/millrace/internal/vfs/crashfs"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/segment"
)

// damages collects events.
type damages struct {
	mu    sync.Mutex
	found []error
}

func (d *damages) listener() EventListener {
	return EventListener{SegmentDamaged: func(_, _ uint64, err error) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.found = append(d.found, err)
	}}
}

func (d *damages) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.found)
}

// scrubbed returns a log of several closed segments under a scrubber, in virtual
// time.
func scrubbed(t *testing.T, rate int64) (*crashfs.FS, *Log, *damages) {
	t.Helper()
	events := new(damages)
	disk, _, l := heap(t, Options{ScrubBytesPerSecond: rate, Events: events.listener()}, LogOptions{})
	for i := range 120 {
		mustAppend(t, l, i+1, 1, 1000)
	}
	if n := len(segmentFiles(t, disk)); n < 4 {
		t.Fatalf("%d segments", n)
	}
	return disk, l, events
}

func TestScrubberFindsRot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk, l, events := scrubbed(t, 64<<10)
		time.Sleep(2 * scrubRest)
		if n := events.count(); n != 0 || l.Stats().DamagedSegments != 0 {
			t.Fatalf("%d damages of a good log: %v", n, events.found)
		}
		closed := l.Stats().ScrubbedBytes
		if closed < 90<<10 {
			t.Errorf("scrubbed %d bytes", closed)
		}
		files := segmentFiles(t, disk)
		flip(t, disk, files[1], segment.HeaderSize+9000)
		flip(t, disk, files[2], 100) // the header page
		flip(t, disk, files[len(files)-1], segment.HeaderSize+50)
		time.Sleep(2 * scrubRest)
		if n := events.count(); n != 2 || l.Stats().DamagedSegments != 2 {
			t.Errorf("%d damages, the active segment not among them: %v", n, events.found)
		}
		for _, err := range events.found { // in any order: the scrubber was under way
			var corruption *CorruptionError
			if !errors.As(err, &corruption) || corruption.Log != 1 || (corruption.Segment == 2) != (corruption.Offset > segment.HeaderSize+7000) {
				t.Errorf("found %v", err)
			}
		}
		time.Sleep(3 * scrubRest)
		if n := events.count(); n != 2 {
			t.Errorf("told %d times", n)
		}
		// Nothing else comes of it.
		flip(t, disk, files[len(files)-1], segment.HeaderSize+50)
		mustAppend(t, l, 121, 1, 1000)
		if got := readAll(t, l, record.Start{Kind: record.StartAtSequence, Sequence: 100}); len(got) != 22 {
			t.Errorf("read %d records", len(got))
		}
	})
}

func TestScrubberKeepsToItsRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rate = 1 << 10
		_, l, _ := scrubbed(t, rate)
		for round := 1; round <= 5; round++ {
			time.Sleep(scrubRest)
			// One step is read before it is paid for.
			if n, most := l.Stats().ScrubbedBytes, uint64(int64(round)*rate*int64(scrubRest/time.Second)+paceStep); n > most {
				t.Errorf("%d bytes, at most %d", n, most)
			}
		}
		if l.Stats().ScrubbedBytes == 0 {
			t.Error("it does nothing")
		}
		if err := l.dir.Close(); err != nil { // in the middle of a pause
			t.Error(err)
		}
	})
}

// Segments that retention takes away are not damage, and a file that is gone is.
func TestScrubberAndMissingFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk, l, events := scrubbed(t, 1<<20)
		if err := l.TrimBefore(60); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * scrubRest)
		if n := events.count(); n != 0 {
			t.Errorf("trimmed: %v", events.found)
		}
		if err := disk.Remove(segmentFiles(t, disk)[0]); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * scrubRest)
		if n := events.count(); n != 1 || !errors.Is(events.found[0], fs.ErrNotExist) {
			t.Errorf("missing: %v", events.found)
		}
	})
}

func TestNoScrubberUnlessAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, l, _ := scrubbed(t, 0)
		time.Sleep(3 * scrubRest)
		if l.dir.scrubber != nil || l.Stats().ScrubbedBytes != 0 {
			t.Error("it runs")
		}
	})
	if _, err := OpenDir(t.TempDir(), Options{ScrubBytesPerSecond: -1}); !errors.Is(err, failure.InvalidArgument) {
		t.Errorf("a negative rate: %v", err)
	}
}

// slowFS takes its time to sync segments once slow is set.
type slowFS struct {
	vfs.FS
	slow *bool
}

func (s slowFS) OpenFile(name string, flag int, perm fs.FileMode) (vfs.File, error) {
	file, err := s.FS.OpenFile(name, flag, perm)
	if err != nil || !strings.Contains(name, "log-1") {
		return file, err
	}
	return slowFile{file, s.slow}, nil
}

type slowFile struct {
	vfs.File
	slow *bool
}

func (f slowFile) Memory() []byte { return f.File.(vfs.Memory).Memory() }

func (f slowFile) Sync() error {
	if *f.slow {
		time.Sleep(150 * time.Millisecond)
	}
	return f.File.Sync()
}

// A sync of more than 100 ms is an event and is counted; a quick one is not.
func TestStalledSyncIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := false
		var stalls []time.Duration
		events := EventListener{SyncStalled: func(_ uint64, took time.Duration) { stalls = append(stalls, took) }}
		o := Options{FS: slowFS{crashfs.New(crashfs.Options{}), &slow}, Backend: BackendHeap, Events: events}
		d := openDir(t, "/data", o)
		l := openLog(t, d, 1, LogOptions{})
		mustAppend(t, l, 1, 1, 100)
		if n := l.Stats().SyncStalls; n != 0 || len(stalls) != 0 {
			t.Errorf("%d stalls of a quick device, %v", n, stalls)
		}
		slow = true
		seen := make(chan time.Duration, 1)
		time.AfterFunc(120*time.Millisecond, func() { seen <- l.Stats().SyncRunning })
		mustAppend(t, l, 2, 1, 100)
		slow = false
		if during, now := <-seen, l.Stats().SyncRunning; during != 120*time.Millisecond || now != 0 {
			t.Errorf("in the middle %s, behind it %s", during, now)
		}
		if n := l.Stats().SyncStalls; n != 1 || len(stalls) != 1 || stalls[0] < 150*time.Millisecond {
			t.Errorf("%d stalls, %v", n, stalls)
		}
		if _, err := l.Append(context.Background(), makeRecords(3, 1, 100), none); err != nil {
			t.Error(err)
		}
	})
}
