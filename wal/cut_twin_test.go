package wal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/millrace-io/millrace/internal/vfs/crashfs"
	"github.com/millrace-io/millrace/record"
)

// cutTwin is a slice that does what the log does.
type cutTwin struct {
	first   uint64
	records []twinRecord
	cursors []*twinCursor
	made    int
}

type twinRecord struct {
	text  string
	batch uint64 // its last record
}

type twinCursor struct {
	*Cursor
	next   uint64 // to deliver
	behind uint64 // behind the batch it is in, or next
	gone   bool   // it was cut: the batch it is in has copies in rest
	rest   []twinRecord
}

func (w *cutTwin) next() uint64 { return w.first + uint64(len(w.records)) }

func (w *cutTwin) append(n int) (records []record.Record) {
	last := w.next() + uint64(n) - 1
	for range n {
		w.made++
		text := fmt.Sprintf("%d", w.made)
		w.records = append(w.records, twinRecord{text, last})
		records = append(records, record.Record{PartitionKey: "k", Data: append([]byte(text+" "), make([]byte, 500)...)})
	}
	return records
}

func (w *cutTwin) cut(next uint64) {
	for _, c := range w.cursors {
		if !c.gone && c.behind > next {
			c.gone = true
			if c.next < c.behind {
				c.rest = slices.Clone(w.records[c.next-w.first : c.behind-w.first])
			}
		}
	}
	w.records = w.records[:next-w.first]
}

// read moves the cursor once and compares.
func (w *cutTwin) read(t *rapid.T, c *twinCursor) {
	var want *twinRecord
	switch {
	case len(c.rest) > 0:
		want, c.rest = &c.rest[0], c.rest[1:]
	case !c.gone && c.next < w.next():
		want = &w.records[c.next-w.first]
	}
	if got := c.TryNext(); got != (want != nil) {
		t.Fatalf("a cursor at %d of %d to %d: moved %v, %v", c.next, w.first, w.next(), got, c.Err())
	}
	if want == nil {
		if c.gone && w.next() >= c.behind && !errors.Is(c.Err(), ErrCut) || !c.gone && c.Err() != nil {
			t.Fatalf("a cursor at %d, cut %v: %v", c.next, c.gone, c.Err())
		}
		return
	}
	if v := c.View(); v.Sequence != c.next || textOf(v.Data) != want.text {
		t.Fatalf("a cursor at %d read %d:%s, want %s", c.next, v.Sequence, textOf(v.Data), want.text)
	}
	c.next++
	c.behind = want.batch + 1
}

func textOf(data []byte) string { return string(data[:slices.Index(data, ' ')]) }

// TestCutAgainstASlice runs random histories of appends, cuts, restarts, seals,
// trims, readers and deaths beside a slice.
func TestCutAgainstASlice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		disk := crashfs.New(crashfs.Options{})
		o := Options{FS: disk, Backend: BackendHeap, SegmentBytesMin: 16 << 10, SegmentBytesMax: 16 << 10, Clock: &handClock{now: 1}}
		durability := rapid.SampledFrom([]record.Durability{record.Group, record.None}).Draw(t, "durability")
		d, l := reopenAt(t, o, durability)
		defer func() { _ = d.Close() }()
		w := &cutTwin{first: 1}
		ctx := context.Background()
		check := func(err error) {
			if err != nil {
				t.Fatal(err)
			}
		}
		actions := map[string]func(*rapid.T){
			"append": func(t *rapid.T) {
				_, err := l.Append(ctx, w.append(rapid.IntRange(1, 8).Draw(t, "n")), none)
				check(err)
			},
			"cut": func(t *rapid.T) {
				next := w.next() - uint64(rapid.IntRange(0, len(w.records)).Draw(t, "records"))
				if next > w.first {
					next = w.records[next-1-w.first].batch + 1
				}
				check(l.CutAfter(ctx, next-1))
				w.cut(next)
			},
			"restart": func(t *rapid.T) {
				if rapid.IntRange(0, 5).Draw(t, "chance") > 0 {
					return
				}
				next := rapid.Uint64Range(1, 1000).Draw(t, "next")
				check(l.Restart(ctx, next))
				for _, c := range w.cursors {
					c.Close()
				}
				w.cursors = nil
				w.first, w.records = next, nil
			},
			"seal": func(t *rapid.T) { check(l.Seal(ctx)) },
			"trim": func(t *rapid.T) {
				check(l.TrimBefore(w.first + rapid.Uint64Range(0, uint64(len(w.records))).Draw(t, "records")))
				first := l.Stats().First
				w.records = w.records[first-w.first:]
				w.first = first
				w.cursors = slices.DeleteFunc(w.cursors, func(c *twinCursor) bool {
					if c.next < first || c.gone {
						c.Close()
						return true
					}
					return false
				})
			},
			"cursor": func(t *rapid.T) {
				next := w.first + rapid.Uint64Range(0, uint64(len(w.records))).Draw(t, "at")
				c, err := l.Cursor(record.AtSequence(next))
				check(err)
				w.cursors = append(w.cursors, &twinCursor{Cursor: c, next: next, behind: next})
			},
			"read": func(t *rapid.T) {
				for _, c := range w.cursors {
					for range rapid.IntRange(0, 5).Draw(t, "times") {
						w.read(t, c)
					}
				}
			},
			"die": func(t *rapid.T) {
				for _, c := range w.cursors {
					c.Close()
				}
				w.cursors = nil
				if rapid.Bool().Draw(t, "killed") {
					disk.Kill()
				}
				_ = d.Close()
				d, l = reopenAt(t, o, durability)
			},
			"": func(t *rapid.T) {
				c, err := l.Cursor(record.TrimHorizon())
				check(err)
				defer c.Close()
				for i, want := range w.records {
					if !c.TryNext() || c.View().Sequence != w.first+uint64(i) || textOf(c.View().Data) != want.text {
						t.Fatalf("record %d of %d to %d: %v", w.first+uint64(i), w.first, w.next(), c.Err())
					}
				}
				if c.TryNext() || c.Err() != nil || l.Next() != w.next() {
					t.Fatalf("behind record %d: %v, next %d", w.next()-1, c.Err(), l.Next())
				}
			},
		}
		t.Repeat(actions)
		for _, c := range w.cursors {
			c.Close()
		}
	})
}

func reopenAt(t *rapid.T, o Options, durability record.Durability) (*Dir, *Log) {
	d, err := OpenDir("/data", o)
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Logs()) == 0 {
		if err := d.CreateLogs(1); err != nil {
			t.Fatal(err)
		}
	}
	l, err := d.OpenLog(1, LogOptions{Durability: durability})
	if err != nil {
		t.Fatal(err)
	}
	return d, l
}
