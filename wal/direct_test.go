package wal

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/record"
)

// TestDirectAppendersTogether: appenders of all sizes, appenders that give up,
// seals and readers at the tail, all at once. What was acknowledged is there, once,
// in the order of its numbers, after opening again too.
func TestDirectAppendersTogether(t *testing.T) {
	for name, o := range map[string]Options{"mmap": {}, "pread": {Backend: BackendPread, Store: StoreDirect}} {
		t.Run(name, func(t *testing.T) {
			o.SegmentBytesMin, o.SegmentBytesMax = 64<<10, 512<<10
			path := t.TempDir()
			d := openDir(t, path, o)
			l := openLog(t, d, 1, LogOptions{Durability: record.None})
			const appenders, each = 8, 200
			var mu sync.Mutex
			known := map[uint64]int{} // sequence number to size
			var group sync.WaitGroup
			for worker := range appenders {
				group.Go(func() {
					random := rand.New(rand.NewPCG(uint64(worker), 3))
					for range each {
						ctx, cancel := context.WithCancel(context.Background())
						if random.IntN(4) == 0 {
							cancel()
						}
						size := 1 + random.IntN(3000)
						if random.IntN(20) == 0 {
							size = 1 + random.IntN(200<<10)
						}
						r, err := l.Append(ctx, makeRecords(1, 1, size), none)
						cancel()
						switch {
						case err == nil:
							mu.Lock()
							known[r.First] = size
							mu.Unlock()
						case !errors.Is(err, context.Canceled):
							t.Errorf("append: %v", err)
						}
						if random.IntN(100) == 0 {
							if err := l.Seal(context.Background()); err != nil {
								t.Errorf("seal: %v", err)
							}
						}
					}
				})
			}
			group.Wait()
			wantSizes(t, l, known)
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
			d = openDir(t, path, o)
			wantSizes(t, openLog(t, d, 1, LogOptions{Durability: record.None}), known)
		})
	}
}

// wantSizes reads everything: the records of known are there with their sizes, and
// no others, since a direct append that fails has stored nothing.
func wantSizes(t *testing.T, l *Log, known map[uint64]int) {
	t.Helper()
	c, err := l.Cursor(record.TrimHorizon())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	next := uint64(1)
	for c.TryNext() {
		v := c.View()
		if v.Sequence != next || len(v.Data) != known[next] {
			t.Fatalf("record %d of %d bytes, want %d of %d", v.Sequence, len(v.Data), next, known[next])
		}
		next++
	}
	if c.Err() != nil || int(next) != len(known)+1 {
		t.Errorf("%d records of %d, then %v", next-1, len(known), c.Err())
	}
}

// TestDirectWaitDurable: records of a log that does not sync become durable for
// whoever asks, and the mark does not run ahead of what was synced.
func TestDirectWaitDurable(t *testing.T) {
	_, _, l := heap(t, Options{SegmentBytesMin: 16 << 10, SegmentBytesMax: 16 << 10}, LogOptions{Durability: record.None})
	for first := 1; first <= 100; first += 10 {
		mustAppend(t, l, first, 10, 200)
		if first == 51 {
			if err := l.WaitDurable(context.Background(), 55); err != nil {
				t.Fatal(err)
			}
			if s := l.Stats(); s.Durable < 55 || s.Durable > s.Written {
				t.Errorf("durable %d, written %d", s.Durable, s.Written)
			}
		}
	}
	if s := l.Stats(); s.Written != 100 || s.UnsyncedBytes == 0 {
		t.Errorf("written %d with %d bytes unsynced, want 100 and some", s.Written, s.UnsyncedBytes)
	}
	if err := l.WaitDurable(context.Background(), 101); !errors.Is(err, failure.InvalidArgument) {
		t.Errorf("a record to come: %v", err)
	}
}

// TestDirectChecksumOfAnEarlierSegment: the checksum of a payload was taken with
// the salt of a segment, and another one has begun when the frame is placed.
func TestDirectChecksumOfAnEarlierSegment(t *testing.T) {
	for name, o := range map[string]Options{"mmap": {}, "pread": {Backend: BackendPread, Store: StoreDirect}} {
		for _, size := range []int{100, 200 << 10} {
			t.Run(fmt.Sprint(name, " ", size), func(t *testing.T) {
				d := openDir(t, t.TempDir(), o)
				l := openLog(t, d, 1, LogOptions{Durability: record.None})
				mustAppend(t, l, 1, 1, 100)
				p := l.placement(protocol.AppendBatch(nil, makeRecords(2, 1, size), none), 1, none)
				if err := l.Seal(context.Background()); err != nil {
					t.Fatal(err)
				}
				mustAppend(t, l, 2, 1, 100)
				if l.salt.Load() == p.salt {
					t.Fatal("no other segment has begun")
				}
				if _, err := l.place(context.Background(), &p, record.None); err != nil {
					t.Fatal(err)
				}
				c, err := l.Cursor(record.TrimHorizon())
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				read := 0
				for c.TryNext() {
					read++
				}
				if read != 3 || c.Err() != nil {
					t.Errorf("%d records of 3, then %v", read, c.Err())
				}
			})
		}
	}
}
