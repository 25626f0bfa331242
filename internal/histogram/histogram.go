// Package histogram counts how long things took, for metrics: cheap to add to from everywhere at
// once, coarse to read. For figures that are to be exact see package bench/latency.
package histogram

import (
	"math/bits"
	"sync/atomic"
	"time"
)

const (
	// The buckets double from 2^13 ns, about 8 us, to 2^35 ns, about 34 s: what
	// lies between a loopback round trip and every timeout.
	bucketFirst = 13
	bucketLast  = 35
	buckets     = bucketLast - bucketFirst + 1
)

// Histogram counts durations in buckets that double. The zero value is empty and ready for use.
// Its methods may be called concurrently; adding costs two atomic additions.
type Histogram struct {
	counts [buckets + 1]atomic.Uint64 // the last one holds what is longer
	total  atomic.Int64
}

// Add counts a duration; one below zero counts as zero.
func (h *Histogram) Add(d time.Duration) {
	d = max(d, 0)
	index := max(bits.Len64(uint64(d))-bucketFirst, 0)
	h.counts[min(index, buckets)].Add(1)
	h.total.Add(int64(d))
}

// Snapshot is what a histogram had counted.
type Snapshot struct {
	// Bounds are the upper bounds of the buckets, in seconds.
	Bounds []float64
	// Counts are cumulative: how many were at most as long as the bound.
	Counts []uint64
	// Count is how many there were, Total how long they took together.
	Count uint64
	Total time.Duration
}

// Snapshot returns what was counted so far. What is added meanwhile may be in it in part.
func (h *Histogram) Snapshot() Snapshot {
	s := Snapshot{Bounds: make([]float64, buckets), Counts: make([]uint64, buckets)}
	for i := range buckets {
		s.Count += h.counts[i].Load()
		s.Counts[i] = s.Count
		s.Bounds[i] = time.Duration(1 << (bucketFirst + i)).Seconds()
	}
	s.Count += h.counts[buckets].Load()
	s.Total = time.Duration(h.total.Load())
	return s
}
