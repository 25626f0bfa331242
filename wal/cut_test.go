package wal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/internal/vfs"
	"github.com/millrace-io/millrace/internal/vfs/crashfs"
	"github.com/millrace-io/millrace/internal/vfs/errorfs"
	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/segment"
)

func mustCut(t testing.TB, l *Log, sequence uint64) {
	t.Helper()
	if err := l.CutAfter(context.Background(), sequence); err != nil {
		t.Fatal(err)
	}
}

// TestCutIsForGood cuts at every place of a log of several segments and looks at
// it before and after its process died.
func TestCutIsForGood(t *testing.T) {
	for _, durability := range []record.Durability{record.Group, record.Interval, record.None} {
		for sequence := range 61 {
			disk, d, l := heap(t, Options{SegmentBytesMin: 16 << 10, SegmentBytesMax: 16 << 10}, LogOptions{Durability: durability})
			for i := range 60 {
				mustAppend(t, l, i+1, 1, 700)
			}
			mustCut(t, l, uint64(sequence))
			wantRecords(t, readAll(t, l, record.TrimHorizon()), 1, sequence)
			wantRecords(t, readAll(t, l, record.AfterSequence(uint64(sequence))), 1, 0)
			if n := l.Next(); n != uint64(sequence)+1 {
				t.Fatalf("the next record is %d, want %d", n, sequence+1)
			}
			d, l = cutPower(t, disk, d)
			wantRecords(t, readAll(t, l, record.TrimHorizon()), 1, sequence)
			if r := mustAppend(t, l, sequence+1, 5, 700); r.First != uint64(sequence)+1 {
				t.Fatalf("the append got %d, want %d", r.First, sequence+1)
			}
			_, l = cutPower(t, disk, d)
			wantRecords(t, readAll(t, l, record.TrimHorizon()), 1, sequence+5)
		}
	}
}

// TestSegmentIDsAreNotUsedAgain: a cut gives numbers of records to others, not
// those of segments.
func TestSegmentIDsAreNotUsedAgain(t *testing.T) {
	disk, d, l := heap(t, Options{SegmentBytesMin: 16 << 10, SegmentBytesMax: 16 << 10}, LogOptions{})
	newest := uint64(0)
	for range 6 {
		for i := range 40 {
			mustAppend(t, l, i, 1, 700)
		}
		for i, s := range *l.segments.Load() {
			if i > 0 && s.Header.Segment <= newest {
				t.Fatalf("segment %d is used again", s.Header.Segment)
			}
		}
		segments := *l.segments.Load()
		newest = segments[len(segments)-1].Header.Segment
		mustCut(t, l, 3)
		d, l = cutPower(t, disk, d)
	}
}

func TestCutRefusesWhatItCannotDo(t *testing.T) {
	_, _, l := heap(t, Options{}, LogOptions{})
	ctx := context.Background()
	mustAppend(t, l, 1, 5, 100)
	mustAppend(t, l, 6, 5, 100)
	if err := l.CutAfter(ctx, 7); !errors.Is(err, failure.InvalidArgument) {
		t.Errorf("within a batch: %v, want failure.InvalidArgument", err)
	}
	if err := l.CutAfter(ctx, 11); !errors.Is(err, failure.InvalidArgument) {
		t.Errorf("behind the end: %v, want failure.InvalidArgument", err)
	}
	for _, next := range []uint64{0, 1<<62 + 1, 1<<64 - 1} {
		if err := l.Restart(ctx, next); !errors.Is(err, failure.InvalidArgument) {
			t.Errorf("restart at %d: %v, want failure.InvalidArgument", next, err)
		}
	}
	wantRecords(t, readAll(t, l, record.TrimHorizon()), 1, 10)
	if err := l.Seal(ctx); err != nil {
		t.Fatal(err)
	}
	mustAppend(t, l, 11, 1, 100)
	if err := l.TrimBefore(11); err != nil {
		t.Fatal(err)
	}
	if err := l.CutAfter(ctx, 9); !errors.Is(err, failure.Trimmed) {
		t.Errorf("before what is kept: %v, want failure.Trimmed", err)
	}
	mustCut(t, l, 10) // everything
	if s := l.Stats(); s.First != 11 || s.Next != 11 || s.Segments != 0 {
		t.Errorf("after everything was cut: %+v", s)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := l.CutAfter(ctx, 10); !errors.Is(err, failure.Closed) {
		t.Errorf("closed: %v, want failure.Closed", err)
	}
}

// TestCursorsAtACut places cursors before, at and behind a cut.
func TestCursorsAtACut(t *testing.T) {
	for name, o := range backends() {
		t.Run(name, func(t *testing.T) {
			d := openDir(t, t.TempDir(), o)
			l := openLog(t, d, 1, LogOptions{})
			for i := range 5 {
				mustAppend(t, l, 2*i+1, 2, 3000)
			}
			at := func(sequence uint64) *Cursor {
				c, err := l.Cursor(record.AtSequence(sequence))
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { c.Close() })
				return c
			}
			before, exact, within, behind, tail := at(3), at(5), at(5), at(9), at(11)
			for _, c := range []*Cursor{within, behind} {
				if !c.TryNext() {
					t.Fatal(c.Err())
				}
			}
			kept := within.View()
			waited := make(chan error, 1)
			go func() { waited <- tail.Wait(context.Background()) }()
			mustCut(t, l, 4)
			if err := <-waited; !errors.Is(err, ErrCut) {
				t.Errorf("waiting behind the cut: %v, want ErrCut", err)
			}
			if string(kept.Data[:8]) != "record 5" {
				t.Errorf("a view of a removed record changed: %q", kept.Data[:8])
			}
			if !within.TryNext() || within.View().Sequence != 6 || within.TryNext() || !errors.Is(within.Err(), ErrCut) {
				t.Errorf("within a removed batch: %v, want the rest of it and ErrCut", within.Err())
			}
			if _, ok := at(5).Frames(1 << 20); ok {
				t.Error("frames behind the cut")
			}
			mustAppend(t, l, 105, 2, 3000)
			for c, want := range map[*Cursor][]uint64{before: {3, 4, 5, 6}, exact: {5, 6}} {
				var got []uint64
				for c.TryNext() {
					got = append(got, c.View().Sequence)
				}
				if c.Err() != nil || !slices.Equal(got, want) {
					t.Errorf("got %v and %v, want %v", got, c.Err(), want)
				}
				if text := string(c.View().Data[:10]); text != "record 106" {
					t.Errorf("a cursor before the cut ends with %q", text)
				}
			}
			if !behind.TryNext() || behind.TryNext() || !errors.Is(behind.Err(), ErrCut) {
				t.Errorf("behind the cut: %v, want ErrCut", behind.Err())
			}
		})
	}
}

// TestCutMeetsAppends: the cut waits for what was staged; what was staged and is
// gone says so when somebody waits for it later.
func TestCutMeetsAppends(t *testing.T) {
	for _, durability := range []record.Durability{record.Group, record.None} {
		_, _, l := heap(t, Options{}, LogOptions{Durability: durability})
		ctx := context.Background()
		var staged []Pending
		for i := range 6 {
			records := makeRecords(i+1, 1, 100)
			p, err := l.Stage(ctx, protocol.AppendBatch(nil, records, none), 1, none, record.Group)
			if err != nil {
				t.Fatal(err)
			}
			staged = append(staged, p)
		}
		mustCut(t, l, 3)
		for i, p := range staged {
			if err := l.Wait(ctx, p); (i < 3) != (err == nil) || err != nil && !errors.Is(err, ErrCut) {
				t.Errorf("%v: record %d: %v", durability, i+1, err)
			}
		}
		if err := l.WaitDurable(ctx, 4); !errors.Is(err, failure.InvalidArgument) {
			t.Errorf("waiting for a record that is gone: %v", err)
		}
		// As if an append came while the cut is at work.
		if err := l.rest(ctx); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Append(ctx, makeRecords(4, 1, 100), none); !errors.Is(err, failure.Conflict) {
			t.Errorf("append during a cut: %v, want failure.Conflict", err)
		}
		l.resume()
		mustAppend(t, l, 4, 1, 100)
		wantRecords(t, readAll(t, l, record.TrimHorizon()), 1, 4)
	}
}

// TestProducersForgetWhatWasCut sends more batches than are remembered and cuts
// at each of them: the next expected is exactly the first one removed.
func TestProducersForgetWhatWasCut(t *testing.T) {
	ctx := context.Background()
	send := func(l *Log, id uint64, sequence int) (record.Range, error) {
		return l.Append(ctx, makeRecords(sequence, 1, 100), protocol.Producer{ID: id, Epoch: 3, Sequence: uint32(sequence)})
	}
	const sent = 2 * protocol.ProducerBatchesMax
	for cut := range sent + 1 {
		for _, reopen := range []bool{false, true} {
			disk, d, l := heap(t, Options{}, LogOptions{})
			for i := range sent {
				if _, err := send(l, 7, i); err != nil {
					t.Fatal(err)
				}
			}
			mustCut(t, l, uint64(cut))
			if reopen {
				_, l = cutPower(t, disk, d)
			}
			if _, err := send(l, 7, cut+1); !errors.Is(err, failure.SequenceGap) {
				t.Fatalf("cut after %d: %d was taken where %d is next: %v", cut, cut+1, cut, err)
			}
			if cut > sent-protocol.ProducerBatchesMax { // the one before is remembered
				if r, err := send(l, 7, cut-1); err != nil || r.First != uint64(cut) {
					t.Fatalf("cut after %d: repeating %d: %v, %v", cut, cut-1, r, err)
				}
			} else if _, err := send(l, 7, 0); cut > 0 && !errors.Is(err, failure.SequenceDuplicate) {
				t.Fatalf("cut after %d: repeating what is not remembered: %v", cut, err)
			} else if cut == 0 && err != nil {
				t.Fatal(err)
			} else if cut == 0 {
				continue
			}
			if _, err := l.Append(ctx, makeRecords(0, 1, 1), protocol.Producer{ID: 7, Epoch: 2}); !errors.Is(err, failure.Fenced) {
				t.Fatalf("cut after %d: an earlier epoch: %v", cut, err)
			}
			if r, err := send(l, 7, cut); err != nil || r.First != uint64(cut)+1 {
				t.Fatalf("cut after %d: sending %d: %v, %v", cut, cut, r, err)
			}
		}
	}
}

// TestProducersSurviveSeveralCuts: the second cut removes nothing of the producer,
// of which only a bound is known since the first.
func TestProducersSurviveSeveralCuts(t *testing.T) {
	_, _, l := heap(t, Options{}, LogOptions{})
	send := func(sequence uint32) error {
		_, err := l.Append(context.Background(), makeRecords(1, 1, 100), protocol.Producer{ID: 7, Sequence: sequence})
		return err
	}
	if err := send(0); err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		mustAppend(t, l, i, 1, 100)
	}
	if err := send(1); err != nil {
		t.Fatal(err)
	}
	mustCut(t, l, 4)
	mustCut(t, l, 2)
	if err := send(1); err != nil {
		t.Errorf("what was removed, again: %v", err)
	}
}

// TestProducersWhoseFramesAreDamaged are forgotten, and the cut succeeds.
func TestProducersWhoseFramesAreDamaged(t *testing.T) {
	disk, d, l := heap(t, Options{}, LogOptions{})
	for i := range 4 {
		if _, err := l.Append(context.Background(), makeRecords(1, 1, 100), protocol.Producer{ID: 7, Sequence: uint32(i)}); err != nil {
			t.Fatal(err)
		}
	}
	_, l = reopenClosed(t, d) // sealed: frames are verified when first read
	span := ((*l.segments.Load())[0].Readable() - segment.HeaderSize) / 4
	flip(t, disk, segmentFiles(t, disk)[0], segment.HeaderSize+2*span+50)
	mustCut(t, l, 2)
	wantRecords(t, readAll(t, l, record.AfterSequence(2)), 1, 0)
	if _, err := l.Append(context.Background(), makeRecords(3, 1, 100), protocol.Producer{ID: 7, Sequence: 2}); !errors.Is(err, failure.SequenceGap) {
		t.Errorf("got %v, want failure.SequenceGap: it must begin anew", err)
	}
}

func TestRestartGoesOnAnywhere(t *testing.T) {
	disk, d, l := heap(t, Options{SegmentBytesMin: 16 << 10, SegmentBytesMax: 16 << 10}, LogOptions{})
	ctx := context.Background()
	if _, err := l.Append(ctx, makeRecords(1, 1, 100), protocol.Producer{ID: 7}); err != nil {
		t.Fatal(err)
	}
	for _, next := range []int{1000, 1000, 5, 1 << 30, 2} {
		for i := range 30 {
			mustAppend(t, l, int(l.Next()), 1+i%3, 700)
		}
		c, err := l.Cursor(record.AtSequence(l.Stats().First))
		if err != nil {
			t.Fatal(err)
		}
		for range 5 {
			c.TryNext()
		}
		if err := l.Restart(ctx, uint64(next)); err != nil {
			t.Fatal(err)
		}
		for c.TryNext() { // the batch it is in
		}
		if !errors.Is(c.Err(), ErrCut) {
			t.Errorf("a cursor of before the restart: %v, want ErrCut", c.Err())
		}
		c.Close()
		d, l = cutPower(t, disk, d)
		if s := l.Stats(); s.First != uint64(next) || s.Next != uint64(next) || s.Bytes != 0 {
			t.Fatalf("restarted at %d: %+v", next, s)
		}
		if _, err := l.Append(ctx, makeRecords(next, 1, 100), protocol.Producer{ID: 7, Sequence: 1}); !errors.Is(err, failure.SequenceGap) {
			t.Errorf("a producer of before the restart: %v, want failure.SequenceGap", err)
		}
		mustAppend(t, l, next, 3, 100)
		d, l = cutPower(t, disk, d)
		wantRecords(t, readAll(t, l, record.TrimHorizon()), next, next+2)
	}
}

// TestWaitingForWhatNeverComes: a cursor that stands behind the end of a log
// without segments hears of a restart before it, too.
func TestWaitingForWhatNeverComes(t *testing.T) {
	_, _, l := heap(t, Options{}, LogOptions{})
	ctx := context.Background()
	if err := l.Restart(ctx, 100); err != nil {
		t.Fatal(err)
	}
	c, err := l.Cursor(record.Latest())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	waited := make(chan error, 1)
	go func() { waited <- c.Wait(ctx) }()
	if err := l.Restart(ctx, 5); err != nil {
		t.Fatal(err)
	}
	if err := <-waited; !errors.Is(err, ErrCut) {
		t.Errorf("got %v, want ErrCut", err)
	}
}

// TestTrimByTimeAfterACut: what a sealed segment says of its end is not so any
// more, and it must not go early.
func TestTrimByTimeAfterACut(t *testing.T) {
	for _, again := range []bool{false, true} {
		_, d, l := heap(t, Options{Clock: &handClock{now: 1}}, LogOptions{})
		times := map[uint64]int64{}
		for i := range 20 {
			r := mustAppend(t, l, i+1, 1, 1000)
			times[r.First] = r.Time
		}
		d, l = reopenClosed(t, d)
		mustCut(t, l, 10)
		if again {
			_, l = reopenClosed(t, d)
		}
		for i, kept := range []int{10, 0} {
			if err := l.TrimTime(times[10] + int64(i)); err != nil {
				t.Fatal(err)
			}
			wantRecords(t, readAll(t, l, record.TrimHorizon()), 1, kept)
		}
	}
}

// reopenClosed closes the directory and opens it again.
func reopenClosed(t *testing.T, d *Dir) (*Dir, *Log) {
	t.Helper()
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	again := openDir(t, "/data", d.options)
	return again, openLog(t, again, 1, LogOptions{})
}

// TestReadersBesideCuts has readers everywhere while the end is cut again and
// again: they meet good records in order, or ErrCut, and never damage.
func TestReadersBesideCuts(t *testing.T) {
	all := backends()
	all["heap"] = Options{FS: crashfs.New(crashfs.Options{}), Backend: BackendHeap}
	for name, o := range all {
		t.Run(name, func(t *testing.T) {
			o.SegmentBytesMin, o.SegmentBytesMax = 16<<10, 64<<10
			l := openLog(t, openDir(t, filepath.Join(t.TempDir(), "data"), o), 1, LogOptions{Durability: record.None})
			ctx, stop := context.WithCancel(context.Background())
			var readers sync.WaitGroup
			for i := range 3 {
				readers.Go(func() {
					for ctx.Err() == nil {
						if err := readBeside(l, i == 0); err != nil && !errors.Is(err, ErrCut) {
							t.Error(err)
							return
						}
					}
				})
			}
			rng := rand.New(rand.NewPCG(1, 1))
			cuts := 15 // each waits for the device
			if o.Backend == BackendHeap {
				cuts = 100
			}
			for i := range cuts {
				for range rng.IntN(30) {
					mustAppend(t, l, i, 1, 900)
				}
				first, last := l.Stats().First, l.Next()-1
				mustCut(t, l, last-uint64(rng.IntN(int(min(last-first, 25)+1))))
			}
			stop()
			readers.Wait()
		})
	}
}

// readBeside reads once from the beginning to the tail, or frames from near it.
func readBeside(l *Log, frames bool) error {
	start := record.TrimHorizon()
	if next := l.Next(); frames && next > 10 {
		start = record.AtSequence(next - 10)
	}
	c, err := l.Cursor(start)
	if err != nil {
		if failure.KindOf(err) == failure.InvalidArgument {
			return nil // cut in between
		}
		return err
	}
	defer c.Close()
	for frames {
		f, ok := c.Frames(4 << 10)
		if !ok {
			return c.Err()
		}
		if _, err := protocol.CheckFrame(f.Bytes, f.Salt); err != nil {
			return err
		}
	}
	for expected := uint64(0); c.TryNext(); expected++ {
		v := c.View()
		if expected == 0 {
			expected = v.Sequence
		}
		if v.Sequence != expected || !bytes.HasPrefix(v.Data, []byte("record ")) {
			return fmt.Errorf("record %d where %d was due: %.10q", v.Sequence, expected, v.Data)
		}
	}
	return c.Err()
}

// TestEveryFaultOfACut fails each call of a cut: without an error the cut is
// there after a restart; with one the log is as before or cut, nothing between,
// and unless it goes on as if nothing had happened it says that it is poisoned.
func TestEveryFaultOfACut(t *testing.T) {
	for _, cause := range []error{syscall.EIO, syscall.ENOSPC} {
		for _, operation := range errorfs.Changing() {
			for n := 1; ; n++ {
				if !oneCutFault(t, errorfs.Rule{Operations: []vfs.Operation{operation}, Nth: n, Sticky: true, Err: cause}) {
					t.Logf("%v, %v: %d sites", operation, cause, n-1)
					break
				}
			}
		}
	}
}

func oneCutFault(t *testing.T, rule errorfs.Rule) (fired bool) {
	t.Helper()
	disk := crashfs.New(crashfs.Options{})
	faulty := errorfs.New(disk)
	o := Options{FS: faulty, Backend: BackendHeap, SegmentBytesMin: 16 << 10, SegmentBytesMax: 16 << 10, Seed: 1}
	d, err := OpenDir("/data", o)
	if err != nil {
		t.Fatal(err)
	}
	l := openLog(t, d, 1, LogOptions{})
	for i := range 40 {
		mustAppend(t, l, i+1, 1, 1000)
	}
	fault := faulty.Fail(rule)
	err = l.CutAfter(context.Background(), 17)
	fired = fault.Fired()
	if err != nil && failure.KindOf(err) == failure.Internal {
		t.Errorf("%+v: the error has no name: %v", rule, err)
	}
	if healthy := l.Err() == nil; healthy {
		last := 40
		if err == nil {
			last = 17
		}
		wantRecords(t, readAll(t, l, record.TrimHorizon()), 1, last)
		if errors.Is(err, failure.Poisoned) {
			t.Errorf("%+v: the cut says %v, the log goes on", rule, err)
		}
	} else if !errors.Is(l.Err(), failure.Poisoned) || err == nil {
		t.Errorf("%+v: the cut says %v, the log %v", rule, err, l.Err())
	}
	disk.Kill()
	_ = d.Close()
	o.FS = disk
	again := openDir(t, "/data", o)
	l = openLog(t, again, 1, LogOptions{})
	if got := len(readAll(t, l, record.TrimHorizon())); got != 17 && (got != 40 || err == nil) {
		t.Errorf("%+v: %d records after the cut said %v", rule, got, err)
	}
	return fired
}
