package wal

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/record"
)

// TestSeekIsACursorAnew: a cursor that was used for anything delivers after Seek
// what a new one delivers.
func TestSeekIsACursorAnew(t *testing.T) {
	for name, o := range backends() {
		t.Run(name, func(t *testing.T) {
			o.SegmentBytesMin, o.SegmentBytesMax, o.StagingBytes = 256<<10, 256<<10, 8<<10
			d := openDir(t, t.TempDir(), o)
			l := openLog(t, d, 1, LogOptions{Durability: record.None})
			const records = 2000
			begun := time.Now().UnixNano()
			for first := 1; first <= records; first += 4 {
				mustAppend(t, l, first, 4, 200)
			}
			reused, err := l.Cursor(record.TrimHorizon())
			if err != nil {
				t.Fatal(err)
			}
			defer reused.Close()
			random := rand.New(rand.NewPCG(1, 2))
			for range 400 {
				start := record.AtSequence(random.Uint64N(records + 4))
				switch random.IntN(8) {
				case 0:
					start = record.Latest()
				case 1:
					start = record.Start{Kind: record.StartAtTime, Time: begun + random.Int64N(time.Now().UnixNano()-begun)}
				case 2:
					start = record.TrimHorizon()
				}
				wantErr := reused.Seek(start)
				fresh, err := l.Cursor(start)
				if failure.KindOf(err) != failure.KindOf(wantErr) {
					t.Fatalf("%v: %v after Seek, %v anew", start, wantErr, err)
				}
				if err != nil {
					continue
				}
				for range 1 + random.IntN(300) {
					more, wantMore := reused.TryNext(), fresh.TryNext()
					if more != wantMore || more && reused.View().Sequence != fresh.View().Sequence {
						t.Fatalf("%v: %v %d after Seek, %v %d anew", start, more, reused.View().Sequence, wantMore, fresh.View().Sequence)
					}
				}
				fresh.Close()
			}
		})
	}
}

// TestSeekAllocatesNothing: a random read is a Seek and a TryNext.
func TestSeekAllocatesNothing(t *testing.T) {
	d := openDir(t, t.TempDir(), Options{})
	l := openLog(t, d, 1, LogOptions{Durability: record.None})
	const records = 1000
	for first := 1; first <= records; first++ {
		mustAppend(t, l, first, 1, 1000)
	}
	c, err := l.Cursor(record.TrimHorizon())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	wanted := uint64(0)
	allocated := testing.AllocsPerRun(1000, func() {
		wanted = (wanted+617)%records + 1
		if err := c.Seek(record.AtSequence(wanted)); err != nil || !c.TryNext() || c.View().Sequence != wanted {
			t.Fatalf("record %d: %v, found %d", wanted, err, c.View().Sequence)
		}
	})
	if allocated != 0 {
		t.Errorf("%v allocations a read", allocated)
	}
}

// TestSeekToTheEndBesideAppends: the steps to the end of a log lead to where the
// next frame is about to be, which is no frame to look at yet.
func TestSeekToTheEndBesideAppends(t *testing.T) {
	d := openDir(t, t.TempDir(), Options{})
	l := openLog(t, d, 1, LogOptions{Durability: record.None})
	mustAppend(t, l, 1, 1, 10)
	c, err := l.Cursor(record.TrimHorizon())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ended := make(chan struct{})
	defer func() { <-ended }()
	go func() {
		defer close(ended)
		for first := 2; first <= 30_000; first++ {
			if _, err := l.Append(t.Context(), makeRecords(first, 1, 10), none); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	for {
		select {
		case <-ended:
			return
		default:
		}
		if err := c.Seek(record.Latest()); err != nil {
			t.Fatal(err)
		}
	}
}
