package wal_test

import (
	"errors"
	"testing"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/wal"
)

func TestRepeatedFindsWhatAnAppendWould(t *testing.T) {
	dir := t.TempDir()
	for opening := range 2 {
		l, err := wal.Open(dir, wal.Options{SegmentBytesMin: 64 << 10}, wal.LogOptions{})
		if err != nil {
			t.Fatal(err)
		}
		batch := []record.Record{{PartitionKey: "a"}, {PartitionKey: "b"}}
		first := protocol.Producer{ID: 7}
		placed := record.Range{First: 1, Last: 2}
		if opening == 0 {
			if placed, err = l.Append(t.Context(), batch, first); err != nil {
				t.Fatal(err)
			}
		}
		found, repeated, err := l.Repeated(first, len(batch))
		if err != nil || !repeated || found.Range.First != placed.First || found.Range.Last != placed.Last {
			t.Errorf("opening %d: %+v, %v, %v", opening, found, repeated, err)
		}
		if err := l.Wait(t.Context(), found); err != nil {
			t.Error(err)
		}
		for _, p := range []protocol.Producer{{}, {ID: 8}, {ID: 7, Sequence: 2}} {
			if _, repeated, err := l.Repeated(p, len(batch)); repeated || err != nil {
				t.Errorf("%+v: %v, %v", p, repeated, err)
			}
		}
		if _, _, err := l.Repeated(protocol.Producer{ID: 7, Sequence: 9}, 1); !errors.Is(err, failure.SequenceGap) {
			t.Errorf("behind a gap: %v", err)
		}
		if next := l.Next(); next != 3 {
			t.Errorf("asking moved the end to %d", next)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
