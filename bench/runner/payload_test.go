package runner

import (
	"bytes"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestStamps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		planned := time.Duration(rapid.Int64Min(0).Draw(t, "planned"))
		number := rapid.Int64Min(0).Draw(t, "number")
		size := rapid.IntRange(stampBytes, 300).Draw(t, "size")
		p := newPayload(1, rapid.IntRange(1, 5).Draw(t, "count"), size)
		for _, record := range p.stamped(planned, number) {
			gotPlanned, gotNumber, ok := readStamp(record)
			if len(record) != size || !ok || gotPlanned != planned || gotNumber != number {
				t.Fatalf("%d bytes, %d, %d, %v", len(record), gotPlanned, gotNumber, ok)
			}
		}
		for _, record := range p.stamped(-1, -1) {
			if _, _, ok := readStamp(record); ok {
				t.Fatal("a record of the backlog has a time")
			}
		}
	})
	if _, _, ok := readStamp(make([]byte, stampBytes-1)); ok {
		t.Error("a short record has a stamp")
	}
}

func TestPayloadsDifferAndRepeat(t *testing.T) {
	p, again, other := newPayload(1, 2, 64), newPayload(1, 2, 64), newPayload(2, 2, 64)
	if !bytes.Equal(p.records[0], again.records[0]) || !bytes.Equal(p.records[1], again.records[1]) {
		t.Error("the same worker sends something else")
	}
	if bytes.Equal(p.records[0], p.records[1]) || bytes.Equal(p.records[0], other.records[0]) {
		t.Error("two records are the same")
	}
}
