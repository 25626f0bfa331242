package histogram_test

import (
	"math"
	"sync"
	"testing"
	"time"

	"github.com/millrace-io/millrace/internal/histogram"
)

// Each duration is counted at the first bound that it does not exceed, and by those behind it.
func TestBuckets(t *testing.T) {
	for _, d := range []time.Duration{-1, 0, 1, 8191, 8192, 16_000, time.Millisecond, time.Second, 34 * time.Second, time.Hour, math.MaxInt64} {
		h := new(histogram.Histogram)
		h.Add(d)
		s := h.Snapshot()
		for i, bound := range s.Bounds {
			if want := d.Seconds() < bound; (s.Counts[i] == 1) != want {
				t.Errorf("%v: %d at the bound %g", d, s.Counts[i], bound)
			}
		}
		if s.Count != 1 || s.Total != max(d, 0) {
			t.Errorf("%v: count %d, total %v", d, s.Count, s.Total)
		}
	}
}

func TestAddingTogether(t *testing.T) {
	const each, many = 1000, 8
	h := new(histogram.Histogram)
	var group sync.WaitGroup
	for range many {
		group.Go(func() {
			for range each {
				h.Add(time.Millisecond)
			}
		})
	}
	group.Wait()
	if s := h.Snapshot(); s.Count != each*many || s.Total != each*many*time.Millisecond {
		t.Errorf("count %d, total %v", s.Count, s.Total)
	}
	if n := testing.AllocsPerRun(100, func() { h.Add(time.Second) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
