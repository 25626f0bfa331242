package wal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/internal/vfs/crashfs"
	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/segment"
)

// heap returns a log on a heap file system with small segments.
func heap(t testing.TB, o Options, lo LogOptions) (*crashfs.FS, *Dir, *Log) {
	t.Helper()
	disk := crashfs.New(crashfs.Options{})
	o.FS, o.Backend = disk, BackendHeap
	if o.SegmentBytesMin == 0 {
		o.SegmentBytesMin, o.SegmentBytesMax = 32<<10, 32<<10
	}
	d := openDir(t, "/data", o)
	return disk, d, openLog(t, d, 1, lo)
}

func mustAppend(t testing.TB, l *Log, first, n, size int) record.Range {
	t.Helper()
	r, err := l.Append(context.Background(), makeRecords(first, n, size), none)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestAppendAllocatesNothing(t *testing.T) {
	for _, durability := range []record.Durability{record.None, record.Group} {
		d := openDir(t, t.TempDir(), Options{SegmentBytesMin: 64 << 20})
		l := openLog(t, d, 1, LogOptions{Durability: durability})
		records := makeRecords(1, 1, 1024)
		payload := protocol.AppendBatch(nil, records, none)
		ctx := context.Background()
		for name, f := range map[string]func() error{
			"records": func() error { _, err := l.Append(ctx, records, none); return err },
			"payload": func() error { _, err := l.AppendBatch(ctx, payload, 1, none); return err },
		} {
			if n := testing.AllocsPerRun(200, func() {
				if err := f(); err != nil {
					t.Fatal(err)
				}
			}); n > 0 {
				t.Errorf("%v, %s: %v allocations per append", durability, name, n)
			}
		}
	}
}

func TestTailReadAllocatesNothing(t *testing.T) {
	d := openDir(t, t.TempDir(), Options{SegmentBytesMin: 64 << 20})
	l := openLog(t, d, 1, LogOptions{Durability: record.None})
	ctx := context.Background()
	c, err := l.Cursor(record.TrimHorizon())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	records := makeRecords(1, 1, 1024)
	sum := 0
	if n := testing.AllocsPerRun(500, func() {
		if _, err := l.Append(ctx, records, none); err != nil {
			t.Fatal(err)
		}
		if !c.Next(ctx) {
			t.Fatal(c.Err())
		}
		sum += len(c.View().Data)
	}); n > 0 {
		t.Errorf("%v allocations per append and read", n)
	}
	if sum != 501*1024 {
		t.Errorf("read %d bytes", sum)
	}
}

func TestFullDiskRefusesAndRecovers(t *testing.T) {
	disk, d, l := heap(t, Options{}, LogOptions{})
	acked := 0
	disk.SetCapacity(600 << 10)
	var err error
	for acked < 10_000 {
		if _, err = l.Append(context.Background(), makeRecords(acked+1, 1, 1000), none); err != nil {
			break
		}
		acked++
	}
	if !errors.Is(err, failure.NoSpace) {
		t.Fatalf("after %d records: %v, want failure.NoSpace", acked, err)
	}
	if l.Err() != nil {
		t.Fatalf("a full disk must not poison the log: %v", l.Err())
	}
	wantRecords(t, readAll(t, l, record.TrimHorizon()), 1, acked)
	disk.SetCapacity(1 << 20)
	for range 50 {
		acked++
		mustAppend(t, l, acked, 1, 1000)
	}
	wantRecords(t, readAll(t, l, record.TrimHorizon()), 1, acked)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
}

// cutPower returns the log as it opens after the process died.
func cutPower(t *testing.T, disk *crashfs.FS, d *Dir) (*Dir, *Log) {
	t.Helper()
	disk.Kill()
	_ = d.Close() // its files are gone; this joins its goroutines
	o := d.options
	again := openDir(t, "/data", o)
	return again, openLog(t, again, 1, LogOptions{})
}

// flip changes one byte of a file of log 1.
func flip(t *testing.T, disk *crashfs.FS, name string, at int64) {
	t.Helper()
	file, err := disk.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	b := make([]byte, 1)
	if _, err := file.ReadAt(b, at); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 0x10
	if _, err := file.WriteAt(b, at); err != nil {
		t.Fatal(err)
	}
}

func segmentFiles(t *testing.T, disk *crashfs.FS) []string {
	t.Helper()
	names, err := disk.ReadDir("/data/log-1")
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, name := range names {
		if strings.HasSuffix(name, segSuffix) {
			files = append(files, filepath.Join("/data/log-1", name))
		}
	}
	return files
}

// waitIdle returns when no commit runs and nothing is staged.
func waitIdle(l *Log) {
	for {
		l.mu.Lock()
		idle := !l.committing && !l.pendingLocked()
		l.mu.Unlock()
		if idle {
			return
		}
		runtime.Gosched()
	}
}

func TestDamageIsNotATornTail(t *testing.T) {
	clock := &handClock{now: 1}
	for name, rest := range map[string]func(l *Log){
		"a later frame promises it":            func(l *Log) { mustAppend(t, l, 11, 1, 100) },
		"the frame of an idle log promises it": func(*Log) { clock.fire() },
	} {
		t.Run(name, func(t *testing.T) {
			disk, d, l := heap(t, Options{Clock: clock}, LogOptions{})
			mustAppend(t, l, 1, 9, 100)
			mustAppend(t, l, 10, 1, 100)
			at := l.tail.off
			rest(l)
			if err := l.await(context.Background(), l.next-1, true); err != nil {
				t.Fatal(err)
			}
			waitIdle(l)
			file := segmentFiles(t, disk)[0]
			disk.Kill()
			flip(t, disk, file, at-50)
			_, l = cutPower(t, disk, d)
			var corruption *CorruptionError
			if !errors.As(l.Err(), &corruption) || corruption.Offset >= at {
				t.Fatalf("got %v, want a CorruptionError", l.Err())
			}
			if _, err := l.Append(context.Background(), makeRecords(1, 1, 1), none); !errors.Is(err, failure.Corrupt) {
				t.Errorf("append: %v, want failure.Corrupt", err)
			}
			c, err := l.Cursor(record.TrimHorizon())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			n := 0
			for c.TryNext() {
				n++
			}
			if n != 9 || !errors.As(c.Err(), &corruption) {
				t.Errorf("read %d records, then %v; want 9 and the damage", n, c.Err())
			}
		})
	}
}

func TestUnpromisedTailIsTorn(t *testing.T) {
	disk, d, l := heap(t, Options{}, LogOptions{})
	mustAppend(t, l, 1, 9, 100)
	mustAppend(t, l, 10, 1, 100)
	at := l.tail.off
	file := segmentFiles(t, disk)[0]
	disk.Kill()
	flip(t, disk, file, at-50)
	_, l = cutPower(t, disk, d)
	if l.Err() != nil {
		t.Fatal(l.Err())
	}
	wantRecords(t, readAll(t, l, record.TrimHorizon()), 1, 9)
	mustAppend(t, l, 10, 3, 100)
	wantRecords(t, readAll(t, l, record.TrimHorizon()), 1, 12)
}

func TestRotInASealedSegmentIsNeverServed(t *testing.T) {
	disk, d, l := heap(t, Options{}, LogOptions{})
	for i := range 100 {
		mustAppend(t, l, i+1, 1, 1000)
	}
	files := segmentFiles(t, disk)
	if len(files) < 3 {
		t.Fatalf("%d segments", len(files))
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	flip(t, disk, files[1], segment.HeaderSize+5000)
	_, l = cutPower(t, disk, d)
	c, err := l.Cursor(record.TrimHorizon())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	last := uint64(0)
	for c.TryNext() {
		last = c.View().Sequence
		if want := fmt.Sprintf("record %d", last); !bytes.HasPrefix(c.View().Data, []byte(want)) {
			t.Fatalf("record %d is wrong", last)
		}
	}
	var corruption *CorruptionError
	if !errors.As(c.Err(), &corruption) || last < 20 || last > 60 {
		t.Errorf("read up to %d, then %v", last, c.Err())
	}
}

func TestMissingSegmentIsAnError(t *testing.T) {
	disk, d, l := heap(t, Options{}, LogOptions{})
	for i := range 100 {
		mustAppend(t, l, i+1, 1, 1000)
	}
	files := segmentFiles(t, disk)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if err := disk.Remove(files[1]); err != nil {
		t.Fatal(err)
	}
	again := openDir(t, "/data", d.options)
	if _, err := again.OpenLog(1, LogOptions{}); !errors.Is(err, failure.Corrupt) {
		t.Errorf("got %v, want failure.Corrupt", err)
	}
}

func TestIdempotentProducer(t *testing.T) {
	disk, d, l := heap(t, Options{}, LogOptions{})
	ctx := context.Background()
	send := func(p protocol.Producer, n int) (record.Range, error) { return l.Append(ctx, makeRecords(1, n, 10), p) }
	first, err := send(protocol.Producer{ID: 5, Epoch: 2, Sequence: 0}, 3)
	if err != nil {
		t.Fatal(err)
	}
	check := func(when string) {
		t.Helper()
		if again, err := send(protocol.Producer{ID: 5, Epoch: 2, Sequence: 0}, 3); err != nil || again != first {
			t.Errorf("%s: repeat: %v, %v; want %v", when, again, err, first)
		}
		if _, err := send(protocol.Producer{ID: 5, Epoch: 2, Sequence: 1 << 20}, 1); !errors.Is(err, failure.SequenceGap) {
			t.Errorf("%s: gap: %v", when, err)
		}
		if _, err := send(protocol.Producer{ID: 5, Epoch: 1, Sequence: 3}, 1); !errors.Is(err, failure.Fenced) {
			t.Errorf("%s: old epoch: %v", when, err)
		}
	}
	check("at once")
	if _, err := send(protocol.Producer{ID: 5, Epoch: 2, Sequence: 3}, 2); err != nil {
		t.Fatal(err)
	}
	_, l = cutPower(t, disk, d)
	check("after a crash")
	for i := range 100 { // rolls, so that the table comes from the manifest
		mustAppend(t, l, i, 1, 1000)
	}
	check("after rolls")
	_, l = cutPower(t, disk, l.dir)
	check("after rolls and a crash")
	if l.Next() != 106 {
		t.Errorf("next is %d: something was appended twice", l.Next())
	}
	for i := range protocol.ProducerBatchesMax {
		if _, err := send(protocol.Producer{ID: 5, Epoch: 2, Sequence: uint32(5 + i)}, 1); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := send(protocol.Producer{ID: 5, Epoch: 2, Sequence: 0}, 3); !errors.Is(err, failure.SequenceDuplicate) {
		t.Errorf("forgotten batch: %v, want failure.SequenceDuplicate", err)
	}
}

func TestProducerMustBeginAtItsBeginning(t *testing.T) {
	_, _, l := heap(t, Options{}, LogOptions{})
	ctx := context.Background()
	if _, err := l.Append(ctx, makeRecords(1, 1, 10), protocol.Producer{ID: 9, Sequence: 4}); !errors.Is(err, failure.SequenceGap) {
		t.Errorf("an unknown producer in the middle: %v, want failure.SequenceGap", err)
	}
	if _, err := l.Append(ctx, makeRecords(1, 1, 10), protocol.Producer{ID: 9}); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Append(ctx, makeRecords(1, 1, 10), protocol.Producer{ID: 9, Epoch: 1, Sequence: 1}); !errors.Is(err, failure.SequenceGap) {
		t.Errorf("a new epoch in the middle: %v, want failure.SequenceGap", err)
	}
}

func TestProducersAreForgottenOldestFirst(t *testing.T) {
	_, _, l := heap(t, Options{ProducersMax: 3}, LogOptions{})
	for id := range uint64(5) {
		if _, err := l.Append(context.Background(), makeRecords(1, 1, 10), protocol.Producer{ID: id + 1}); err != nil {
			t.Fatal(err)
		}
	}
	if len(l.producers.known) != 3 || l.producers.known[5] == nil || l.producers.known[2] != nil {
		t.Errorf("known: %v", l.producers.known)
	}
}

func TestTrimKeepsPinnedSegments(t *testing.T) {
	_, _, l := heap(t, Options{}, LogOptions{})
	for i := range 200 {
		mustAppend(t, l, i+1, 1, 1000)
	}
	old, err := l.Cursor(record.TrimHorizon())
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	if !old.TryNext() {
		t.Fatal(old.Err())
	}
	if err := l.TrimBefore(150); err != nil {
		t.Fatal(err)
	}
	s := l.Stats()
	if s.First <= 100 || s.First > 150 {
		t.Fatalf("first is %d", s.First)
	}
	if _, err := l.Cursor(record.AtSequence(5)); !errors.Is(err, failure.Trimmed) {
		t.Errorf("a trimmed start: %v, want failure.Trimmed", err)
	}
	wantRecords(t, readAll(t, l, record.TrimHorizon()), int(s.First), 200)
	n := 1
	for old.TryNext() {
		n++
	}
	if n < 10 || !errors.Is(old.Err(), failure.Trimmed) {
		t.Errorf("the pinned cursor read %d records, then %v", n, old.Err())
	}
}

func TestTrimEverythingKeepsCounting(t *testing.T) {
	disk, d, l := heap(t, Options{}, LogOptions{})
	mustAppend(t, l, 1, 10, 100)
	if err := l.Seal(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := l.TrimBefore(11); err != nil {
		t.Fatal(err)
	}
	if s := l.Stats(); s.Segments != 0 || s.First != 11 {
		t.Errorf("%+v", s)
	}
	for range 2 {
		d, l = cutPower(t, disk, d)
		if got := l.Next(); got != 11 {
			t.Fatalf("next is %d after reopening, want 11", got)
		}
	}
	if r := mustAppend(t, l, 11, 1, 10); r.First != 11 {
		t.Errorf("appended as %d", r.First)
	}
}

func TestTrimByTimeAndBytes(t *testing.T) {
	clock := &handClock{now: 1}
	_, _, l := heap(t, Options{Clock: clock}, LogOptions{})
	var times []int64
	for i := range 200 {
		times = append(times, mustAppend(t, l, i+1, 1, 1000).Time)
	}
	if err := l.TrimTime(times[80]); err != nil {
		t.Fatal(err)
	}
	if first := l.Stats().First; first <= 30 || first > 81 {
		t.Errorf("by time: first is %d", first)
	}
	if err := l.TrimBytes(50_000); err != nil {
		t.Fatal(err)
	}
	s := l.Stats()
	if left := s.Next - s.First; left > 50 || left < 5 {
		t.Errorf("by bytes: %d records left", left)
	}
}

func TestCursorAtTime(t *testing.T) {
	clock := &handClock{now: 1}
	_, _, l := heap(t, Options{Clock: clock}, LogOptions{})
	var times []int64
	for i := range 150 {
		times = append(times, mustAppend(t, l, i+1, 1, 900).Time)
	}
	for i, at := range times {
		for _, delta := range []int64{0, -1} {
			c, err := l.Cursor(record.AtTime(time.Unix(0, at+delta)))
			if err != nil {
				t.Fatal(err)
			}
			if !c.TryNext() || c.View().Sequence != uint64(i+1) {
				t.Fatalf("at time of record %d: got %d, %v", i+1, c.View().Sequence, c.Err())
			}
			c.Close()
			if c, err = l.Cursor(record.AtTime(time.Unix(0, at+delta))); err != nil {
				t.Fatal(err)
			}
			if f, ok := c.Frames(1); !ok || f.First != uint64(i+1) {
				t.Fatalf("frames at time of record %d: got %+v", i+1, f)
			}
			c.Close()
		}
	}
	c, err := l.Cursor(record.AtTime(time.Unix(0, clock.now+1_000_000)))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if c.TryNext() {
		t.Errorf("a record from the future: %v", c.View())
	}
}

func TestFramesHoldEveryRecordOnce(t *testing.T) {
	for name, o := range backends() {
		o.SegmentBytesMin, o.SegmentBytesMax = 64<<10, 64<<10
		l := openLog(t, openDir(t, t.TempDir(), o), 1, LogOptions{Durability: record.None})
		for i := range 100 {
			mustAppend(t, l, i*3+1, 3, 1000)
		}
		c, err := l.Cursor(record.AtSequence(50))
		if err != nil {
			t.Fatal(err)
		}
		next := uint64(49) // the frame of record 50 begins with 49
		for f, ok := c.Frames(10_000); ok; f, ok = c.Frames(10_000) {
			if f.First != next {
				t.Fatalf("%s: frames begin with %d, want %d", name, f.First, next)
			}
			for b := f.Bytes; len(b) > 0; {
				h, err := protocol.CheckFrame(b, f.Salt)
				if err != nil || h.Sequence != next {
					t.Fatalf("%s: frame of %d, %v; want %d", name, h.Sequence, err, next)
				}
				next += uint64(h.Count)
				b = b[h.Span():]
			}
		}
		if c.Err() != nil || next != 301 {
			t.Errorf("%s: frames up to %d, %v", name, next, c.Err())
		}
		c.Close()
	}
}

func TestBatchesOfEverySize(t *testing.T) {
	d := openDir(t, t.TempDir(), Options{SegmentBytesMin: 16 << 10, SegmentBytesMax: 64 << 10, StagingBytes: 4 << 10})
	l := openLog(t, d, 1, LogOptions{Durability: record.None})
	first := 1
	for _, size := range []int{0, 1, 3 << 10, 5 << 10, 70 << 10, 1 << 20, 9 << 20} {
		mustAppend(t, l, first, 1, max(size, 16))
		first++
	}
	wantRecords(t, readAll(t, l, record.TrimHorizon()), 1, first-1)
	ctx := context.Background()
	if _, err := l.Append(ctx, makeRecords(0, 2, 9<<20), none); !errors.Is(err, failure.TooLarge) {
		t.Errorf("18 MiB: %v, want failure.TooLarge", err)
	}
	if _, err := l.Append(ctx, nil, none); !errors.Is(err, failure.InvalidArgument) {
		t.Errorf("no records: %v, want failure.InvalidArgument", err)
	}
	if _, err := l.Append(ctx, make([]record.Record, 70_000), none); !errors.Is(err, failure.InvalidArgument) {
		t.Errorf("70,000 records: %v, want failure.InvalidArgument", err)
	}
	mustAppend(t, l, first, 1, 16)
}

func TestClosedLogSaysSo(t *testing.T) {
	_, d, l := heap(t, Options{}, LogOptions{})
	mustAppend(t, l, 1, 1, 10)
	c, err := l.Cursor(record.Latest())
	if err != nil {
		t.Fatal(err)
	}
	waited := make(chan error, 1)
	go func() { waited <- c.Wait(context.Background()) }()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-waited; !errors.Is(err, failure.Closed) {
		t.Errorf("wait: %v, want failure.Closed", err)
	}
	c.Close()
	if _, err := l.Cursor(record.TrimHorizon()); !errors.Is(err, failure.Closed) {
		t.Errorf("cursor: %v, want failure.Closed", err)
	}
	if _, err := l.Append(context.Background(), makeRecords(1, 1, 1), none); !errors.Is(err, failure.Closed) {
		t.Errorf("append: %v, want failure.Closed", err)
	}
	if _, err = d.OpenLog(1, LogOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := d.OpenLog(1, LogOptions{}); !errors.Is(err, failure.Conflict) {
		t.Errorf("second open: %v, want failure.Conflict", err)
	}
	if err := d.RemoveLog(1); err != nil {
		t.Fatal(err)
	}
	if _, err := d.OpenLog(1, LogOptions{}); !errors.Is(err, failure.NotFound) {
		t.Errorf("removed log: %v, want failure.NotFound", err)
	}
}

func TestIntervalSyncsByItself(t *testing.T) {
	clock := &handClock{now: 1}
	_, _, l := heap(t, Options{Clock: clock}, LogOptions{Durability: record.Interval})
	mustAppend(t, l, 1, 3, 100)
	if s := l.Stats(); s.Durable != 0 || s.Written != 3 || s.UnsyncedBytes == 0 {
		t.Fatalf("before the interval: %+v", s)
	}
	clock.fire()
	if err := l.WaitDurable(context.Background(), 3); err != nil {
		t.Fatal(err)
	}
	mustAppend(t, l, 4, 1, 100)
	p, err := l.Stage(context.Background(), protocol.AppendBatch(nil, makeRecords(5, 1, 10), none), 1, none, record.Group)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Wait(context.Background(), p); err != nil {
		t.Fatal(err)
	}
	if s := l.Stats(); s.Durable != 5 {
		t.Errorf("a stronger append: durable is %d", s.Durable)
	}
}

func TestRemovingAnUnknownLogHarmsNothing(t *testing.T) {
	disk, d, l := heap(t, Options{}, LogOptions{})
	mustAppend(t, l, 1, 3, 100)
	if err := d.RemoveLog(99); !errors.Is(err, failure.NotFound) {
		t.Errorf("got %v, want failure.NotFound", err)
	}
	if err := d.manifest.commit(edit{kind: editLogRemoved, log: 99}); !errors.Is(err, failure.Internal) {
		t.Errorf("an edit that cannot be applied: %v, want failure.Internal", err)
	}
	if err := d.CreateLogs(7, 7); err == nil {
		t.Error("the same log twice was accepted")
	}
	if err := d.CreateLogs(7); err != nil {
		t.Fatal(err)
	}
	_, l = cutPower(t, disk, d)
	wantRecords(t, readAll(t, l, record.TrimHorizon()), 1, 3)
}

// TestTrimsBesideAppendsDropNothingElse trims from several goroutines what all
// of them may drop, while records arrive.
func TestTrimsBesideAppendsDropNothingElse(t *testing.T) {
	for trial := range 30 {
		durability := []record.Durability{record.Group, record.None}[trial%2]
		_, d, l := heap(t, Options{}, LogOptions{Durability: durability})
		const keep = 150 // nothing from here on may go
		for i := range 200 {
			mustAppend(t, l, i+1, 1, 1000)
		}
		begin, errs := make(chan struct{}), make(chan error, 5)
		for range 4 {
			go func() {
				<-begin
				err := l.TrimBefore(keep)
				for range 5 {
					err = errors.Join(err, l.Seal(context.Background()), l.TrimBefore(keep))
				}
				errs <- err
			}()
		}
		go func() {
			<-begin
			var err error
			for i := range 50 {
				_, e := l.Append(context.Background(), makeRecords(201+i, 1, 1000), none)
				err = errors.Join(err, e)
			}
			errs <- err
		}()
		close(begin)
		for range 5 {
			if err := <-errs; err != nil {
				t.Fatal(err)
			}
		}
		first := l.Stats().First
		if first > keep || first < 100 {
			t.Fatalf("%v, trial %d: the first record kept is %d", durability, trial, first)
		}
		wantRecords(t, readAll(t, l, record.TrimHorizon()), int(first), 250)
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
