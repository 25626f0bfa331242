package wal

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/internal/vfs"
	"github.com/millrace-io/millrace/internal/vfs/crashfs"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/segment"
)

// compressed returns a log of several segments with 120 records, all but the last
// two segments of which are compressed.
func compressed(t *testing.T, o Options) (*crashfs.FS, *Dir, *Log) {
	t.Helper()
	disk, d, l := heap(t, o, LogOptions{})
	for i := range 120 {
		mustAppend(t, l, i+1, 1, 1000)
	}
	mustCompress(t, l)
	if s := l.Stats(); s.Compressed < 2 || s.Compressed != s.Segments-1 || s.StoredBytes > s.Bytes/2 {
		t.Fatalf("%d of %d segments are compressed, %d of %d bytes", s.Compressed, s.Segments, s.StoredBytes, s.Bytes)
	}
	return disk, d, l
}

func mustCompress(t testing.TB, l *Log) {
	t.Helper()
	if err := l.Compress(context.Background(), segment.CodecZstd, math.MaxInt64); err != nil {
		t.Fatal(err)
	}
}

// TestCompressedLogsAreAsBefore reads, trims, cuts and reopens with every backend.
func TestCompressedLogsAreAsBefore(t *testing.T) {
	all := backends()
	all["heap"] = Options{FS: crashfs.New(crashfs.Options{}), Backend: BackendHeap}
	for name, o := range all {
		t.Run(name, func(t *testing.T) {
			o.SegmentBytesMin, o.SegmentBytesMax = 32<<10, 32<<10
			path := t.TempDir()
			d := openDir(t, path, o)
			l := openLog(t, d, 1, LogOptions{})
			for i := range 200 {
				mustAppend(t, l, i+1, 1, 1000)
			}
			before, err := l.Cursor(record.AtSequence(10)) // keeps what it has pinned
			if err != nil {
				t.Fatal(err)
			}
			defer before.Close()
			middle := l.Stats()
			mustCompress(t, l)
			if s := l.Stats(); s.Compressed == 0 || s.First != middle.First || s.Next != middle.Next || s.Bytes != middle.Bytes {
				t.Fatalf("before %+v, after %+v", middle, s)
			}
			for due := uint64(10); due <= 200; due++ {
				if !before.TryNext() || before.View().Sequence != due {
					t.Fatalf("record %d is not the next: %v", due, before.Err())
				}
			}
			check := func(l *Log, first int) {
				t.Helper()
				wantRecords(t, readAll(t, l, record.TrimHorizon()), first, 200)
				for _, at := range []int{first, 77, 123, 200} {
					wantRecords(t, readAll(t, l, record.AtSequence(uint64(at))), at, 200)
				}
			}
			check(l, 1)
			reader, err := OpenDirReadOnly(path, d.options)
			if err != nil {
				t.Fatal(err)
			}
			beside, err := reader.OpenLog(1, LogOptions{})
			if err != nil {
				t.Fatal(err)
			}
			check(beside, 1)
			if err := beside.Compress(context.Background(), segment.CodecS2, math.MaxInt64); err != nil || beside.Stats().Compressed != l.Stats().Compressed {
				t.Errorf("a reader compressed: %v", err)
			}
			if err := errors.Join(reader.Close(), d.Close()); err != nil {
				t.Fatal(err)
			}
			d = openDir(t, path, d.options)
			l = openLog(t, d, 1, LogOptions{})
			check(l, 1)
			compressedSegments := l.Stats().Compressed
			if compressedSegments == 0 {
				t.Error("nothing is compressed any more")
			}
			if err := l.TrimBefore(70); err != nil {
				t.Fatal(err)
			}
			check(l, int(l.Stats().First))
			if s := l.Stats(); s.First == 1 || s.Compressed >= compressedSegments {
				t.Errorf("trimmed to %+v", s)
			}
			cutInsideACompressedSegment(t, l)
		})
	}
}

func cutInsideACompressedSegment(t *testing.T, l *Log) {
	t.Helper()
	first := l.Stats().First
	at := first + 10
	mustCut(t, l, at)
	wantRecords(t, readAll(t, l, record.TrimHorizon()), int(first), int(at))
	mustAppend(t, l, int(at)+1, 3, 1000)
	d, l := openAgain(t, l)
	wantRecords(t, readAll(t, l, record.TrimHorizon()), int(first), int(at)+3)
	if l.Stats().Compressed == 0 {
		t.Error("the segment that was cut is not compressed any more")
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
}

// openAgain closes the directory of the log and opens both again.
func openAgain(t *testing.T, l *Log) (*Dir, *Log) {
	t.Helper()
	path, o := l.dir.path, l.dir.options
	if err := l.dir.Close(); err != nil {
		t.Fatal(err)
	}
	d := openDir(t, path, o)
	return d, openLog(t, d, 1, LogOptions{})
}

func TestCompressorWaitsAndThenWorks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		events := new(damages)
		disk, d, l := heap(t, Options{Compress: segment.CodecS2, CompressAfter: time.Hour, Events: events.listener()}, LogOptions{})
		for i := range 120 {
			mustAppend(t, l, i+1, 1, 1000)
		}
		time.Sleep(30 * time.Minute)
		if n := l.Stats().Compressed; n != 0 {
			t.Errorf("%d segments are compressed too soon", n)
		}
		flip(t, disk, segmentFiles(t, disk)[1], segment.HeaderSize+9000)
		rotten, err := readFile(disk, segmentFiles(t, disk)[1])
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(40 * time.Minute)
		if s := l.Stats(); s.Compressed != s.Segments-2 {
			t.Errorf("%d of %d segments are compressed: all but the active and the damaged one should be", s.Compressed, s.Segments)
		}
		var corruption *CorruptionError
		if events.count() != 1 || !errors.As(events.found[0], &corruption) || corruption.Segment != 2 {
			t.Errorf("told %v", events.found)
		}
		if b, err := readFile(disk, segmentFiles(t, disk)[1]); err != nil || !slices.Equal(b, rotten) {
			t.Error("the damaged segment was changed")
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// TestCompressorKeepsToItsRate, and stops when the log or the directory closes.
func TestCompressorKeepsToItsRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, d, l := heap(t, Options{Compress: segment.CodecS2, CompressAfter: time.Second, CompressBytesPerSecond: 100, SegmentBytesMin: 1 << 20, SegmentBytesMax: 1 << 20}, LogOptions{})
		for i := range 30 {
			mustAppend(t, l, i+1, 1, 100_000)
		}
		time.Sleep(time.Hour) // 360,000 bytes of 3 MB that one segment asks for
		if n := l.Stats().Compressed; n != 0 {
			t.Errorf("%d segments in an hour", n)
		}
		began := time.Now()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("closing took %v", took)
		}
	})
}

func TestCompressLeavesNoise(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk, _, l := heap(t, Options{Compress: segment.CodecZstd}, LogOptions{})
		rng := rand.New(rand.NewPCG(1, 1))
		for i := range 20 {
			records := makeRecords(i+1, 1, 8000)
			for j := 20; j < 8000; j++ {
				records[0].Data[j] = byte(rng.Uint32())
			}
			if _, err := l.Append(t.Context(), records, none); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Hour)
		if err := l.Compress(t.Context(), segment.CodecS2, math.MaxInt64); err != nil {
			t.Fatal(err)
		}
		if s := l.Stats(); s.Compressed != 0 {
			t.Errorf("%+v", s)
		}
		if names, err := disk.ReadDir("/data/log-1"); err != nil || strings.Count(strings.Join(names, " "), spareSuffix) > 1 {
			t.Errorf("left: %v, %v", names, err)
		}
		if err := l.dir.Close(); err != nil { // which ends the compressor
			t.Fatal(err)
		}
		if !l.dir.compressor.skip[segmentKey{1, 1}] {
			t.Error("it is tried again and again")
		}
	})
}

// TestCompressMeetsChanges has the segment trimmed, cut, and its log removed while it is
// compressed.
func TestCompressMeetsChanges(t *testing.T) {
	for name, c := range map[string]struct {
		change func(d *Dir, l *Log) error
		want   error
	}{
		"trimmed": {func(_ *Dir, l *Log) error { return l.TrimBefore(60) }, errBusy},
		"cut":     {func(_ *Dir, l *Log) error { return l.CutAfter(context.Background(), 5) }, errBusy},
	} {
		t.Run(name, func(t *testing.T) {
			disk, d, l := heap(t, Options{}, LogOptions{})
			for i := range 120 {
				mustAppend(t, l, i+1, 1, 1000)
			}
			e := l.compressible(math.MaxInt64)[0]
			changed := false
			err := l.compress(e, segment.CodecS2, func(int64) error {
				if changed {
					return nil
				}
				changed = true
				return c.change(d, l)
			})
			if !errors.Is(err, c.want) || l.Stats().Compressed != 0 {
				t.Errorf("%v, %+v", err, l.Stats())
			}
			names, err := disk.ReadDir("/data/log-1")
			if err != nil || strings.Count(strings.Join(names, " "), spareSuffix) > 1 {
				t.Errorf("left: %v, %v", names, err)
			}
			mustCompress(t, l)
			readAll(t, l, record.TrimHorizon())
		})
	}
	t.Run("closed", func(t *testing.T) {
		_, d, l := heap(t, Options{}, LogOptions{})
		for i := range 120 {
			mustAppend(t, l, i+1, 1, 1000)
		}
		closed := make(chan error)
		err := l.compress(l.compressible(math.MaxInt64)[0], segment.CodecS2, func(int64) error {
			select {
			case <-l.ending:
				return errLogClosing
			default:
				go func() { closed <- d.RemoveLog(1) }()
				<-l.ending
				return nil
			}
		})
		if !errors.Is(err, failure.Closed) {
			t.Error(err)
		}
		if err := <-closed; err != nil {
			t.Error(err)
		}
		if err := l.Compress(context.Background(), segment.CodecS2, math.MaxInt64); err != nil {
			t.Error(err) // there is nothing left
		}
	})
}

func TestCompressRefuses(t *testing.T) {
	_, _, l := heap(t, Options{}, LogOptions{})
	for _, codec := range []segment.Codec{segment.CodecNone, 7} {
		if err := l.Compress(context.Background(), codec, 0); !errors.Is(err, failure.InvalidArgument) {
			t.Error(err)
		}
	}
	for _, o := range []Options{{Compress: 9}, {CompressAfter: -1}, {CompressBytesPerSecond: -1}} {
		if _, err := OpenDir(t.TempDir(), o); !errors.Is(err, failure.InvalidArgument) {
			t.Errorf("%+v: %v", o, err)
		}
	}
	for i := range 80 {
		mustAppend(t, l, i+1, 1, 1000)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := l.Compress(ctx, segment.CodecS2, math.MaxInt64); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestCompressedSegmentsAreScrubbed finds rot in them as in others, and verifies what
// is good.
func TestCompressedSegmentsAreScrubbed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		events := new(damages)
		disk, _, l := compressed(t, Options{ScrubBytesPerSecond: 1 << 20, Events: events.listener()})
		time.Sleep(2 * scrubRest)
		if n := events.count(); n != 0 {
			t.Fatalf("%d damages of a good log: %v", n, events.found)
		}
		overwriteMiddle(t, disk, segmentFiles(t, disk)[1])
		time.Sleep(2 * scrubRest)
		if n := events.count(); n != 1 {
			t.Errorf("%d damages: %v", n, events.found)
		}
		damage, err := checkAll(t, l)
		if err != nil || len(damage) != 1 || damage[0].Segment != 2 || damage[0].Complete {
			t.Errorf("checked: %+v, %v", damage, err)
		}
	})
}

// overwriteMiddle ruins the blocks of a compressed segment.
func overwriteMiddle(t *testing.T, disk vfs.FS, name string) {
	t.Helper()
	b, err := readFile(disk, name)
	if err != nil {
		t.Fatal(err)
	}
	h, err := segment.ParseHeader(b)
	if err != nil || h.Packing.Codec == segment.CodecNone {
		t.Fatalf("%s is not compressed: %v", name, err)
	}
	for at := int64(segment.HeaderSize); at < h.Packing.Table; at += 7 {
		flip(t, disk.(*crashfs.FS), name, at)
	}
}

func checkAll(t *testing.T, l *Log) ([]Damage, error) {
	t.Helper()
	_, logs, err := readManifest(l.dir.options.FS, l.dir.path)
	if err != nil {
		return nil, err
	}
	c := checker{fs: l.dir.options.FS, path: l.dir.path, logs: logs}
	return c.checkLog(context.Background(), 1)
}
