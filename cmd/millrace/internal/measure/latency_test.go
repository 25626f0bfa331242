package measure

import (
	"testing"
	"time"
)

func TestSummary(t *testing.T) {
	l := NewLatencies()
	if got := l.Summary().String(); got != "nothing measured" {
		t.Errorf("empty: %s", got)
	}
	for i := range 1000 {
		l.Record(time.Duration(i+1) * time.Microsecond)
	}
	l.Record(-1)
	l.Record(time.Hour)
	want := "p50 500 µs, p99 991 µs, p99.9 1.00 ms, max 1m0s"
	if got := l.Summary(); got.String() != want || got.Count != 1002 {
		t.Errorf("got %s of %d, want %s", got, got.Count, want)
	}
}
