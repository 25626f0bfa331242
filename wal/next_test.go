package wal

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/record"
)

// TestNextAgreesWithCursors: whatever a cursor has shown is before Next, so that a reader can go on
// behind it; and whatever is before Next is there to be read.
func TestNextAgreesWithCursors(t *testing.T) {
	for _, durability := range []record.Durability{record.Group, record.Interval, record.None} {
		t.Run(durability.String(), func(t *testing.T) {
			_, _, l := heap(t, Options{}, LogOptions{Durability: durability})
			const appends = 50_000
			var over atomic.Bool
			wrong := make(chan uint64, 1)
			go func() { wrong <- countAhead(l, &over) }()
			late := uint64(0)
			for n := uint64(1); n <= appends; n++ {
				if _, err := l.Append(context.Background(), makeRecords(int(n), 1, 10), none); err != nil {
					t.Fatal(err)
				}
				if n%8 == 0 && !readable(t, l, n) {
					late++
				}
			}
			over.Store(true)
			if n := <-wrong; n > 0 {
				t.Errorf("%d times a record was read that Next did not know of", n)
			}
			if late > 0 {
				t.Errorf("%d times an acknowledged record could not be read", late)
			}
		})
	}
}

// countAhead follows the log and counts how often it was shown what is not before Next, or could not
// go on there.
func countAhead(l *Log, over *atomic.Bool) (wrong uint64) {
	follows, err := l.Cursor(record.AtSequence(1))
	if err != nil {
		return 1
	}
	defer follows.Close()
	for !over.Load() {
		if !follows.TryNext() {
			continue
		}
		sequence := follows.View().Sequence
		if sequence >= l.Next() {
			wrong++
		}
		if sequence%4 > 0 {
			continue
		}
		if err := follows.Seek(record.AfterSequence(sequence)); err != nil {
			if errors.Is(err, failure.InvalidArgument) {
				wrong++
			}
			if follows.Seek(record.TrimHorizon()) != nil {
				return wrong + 1
			}
		}
	}
	return wrong
}

// readable reports whether a record can be read.
func readable(t *testing.T, l *Log, sequence uint64) bool {
	t.Helper()
	c, err := l.Cursor(record.AtSequence(sequence))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.TryNext() && c.View().Sequence == sequence
}
