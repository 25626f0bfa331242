package latency

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"go.uber.org/goleak"

	"github.com/millrace-io/millrace/bench/result"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestQuantilesAreThoseOfASort compares with a sorted slice, the dumb twin.
func TestQuantilesAreThoseOfASort(t *testing.T) {
	const goroutines, values = 4, 20_000
	s := NewSet(time.Unix(0, 0), Options{Seconds: true})
	var (
		mutex sync.Mutex
		all   []int64
		group sync.WaitGroup
	)
	for g := range goroutines {
		r := s.Recorder()
		group.Go(func() {
			defer r.Close()
			random := rand.New(rand.NewPCG(uint64(g), 1))
			var own []int64
			for i := range values {
				v := int64(1 + random.ExpFloat64()*1e5)
				own = append(own, v)
				r.Record(time.Duration(i)*500*time.Microsecond, time.Duration(v))
			}
			mutex.Lock()
			defer mutex.Unlock()
			all = append(all, own...)
		})
	}
	group.Wait()
	got := s.Result()
	slices.Sort(all)
	if got.Count != int64(len(all)) || got.Max != all[len(all)-1] || got.Min/2 > all[0] {
		t.Errorf("count %d of %d, max %d of %d, min %d of %d", got.Count, len(all), got.Max, all[len(all)-1], got.Min, all[0])
	}
	for quantile, v := range map[float64]int64{0.5: got.P50, 0.9: got.P90, 0.99: got.P99, 0.999: got.P999, 0.9999: got.P9999} {
		// Which of two neighbours a quantile is, conventions differ about.
		rank := int(quantile * float64(len(all)))
		low, high := float64(all[rank-2])*0.999, float64(all[rank+2])*1.001
		if float64(v) < low || float64(v) > high {
			t.Errorf("quantile %g: %d, sorted %g to %g", quantile, v, low, high)
		}
	}
	if !slices.IsSortedFunc(got.Curve, func(a, b result.Point) int { return int(a.Value - b.Value) }) {
		t.Error("the curve falls")
	}
	if len(got.Seconds) != 10 {
		t.Fatalf("%d seconds", len(got.Seconds))
	}
	for _, second := range got.Seconds {
		share := 0.0
		for _, bucket := range second.Heat {
			share += bucket.Quantile
		}
		if second.Count != 8000 || share < 0.9999 || share > 1.0001 {
			t.Errorf("second %d: %d values, shares sum to %g", second.At, second.Count, share)
		}
	}
}

func TestWarmupIsLeftOut(t *testing.T) {
	s := NewSet(time.Unix(0, 0), Options{Warmup: 1500 * time.Millisecond, Seconds: true})
	r := s.Recorder()
	r.Record(1499*time.Millisecond, time.Hour)
	r.Record(1500*time.Millisecond, 10)
	r.Record(2600*time.Millisecond, 20)
	r.Close()
	r.Close() // twice is no harm
	got := s.Result()
	if got.Count != 2 || got.Max != 20 || got.OutOfRange != 0 || len(got.Seconds) != 2 {
		t.Errorf("got %+v", got)
	}
}

func TestNothingIsDropped(t *testing.T) {
	s := NewSet(time.Unix(0, 0), Options{})
	r := s.Recorder()
	r.Record(0, 2*time.Minute)
	r.Record(0, -5)
	r.Record(0, 0)
	r.Close()
	got := s.Result()
	if got.Count != 3 || got.OutOfRange != 1 || got.Max != int64(2*time.Minute) || got.Min != 1 {
		t.Errorf("got %+v", got)
	}
	if empty := NewSet(time.Unix(0, 0), Options{}); empty.Result() != nil {
		t.Error("nothing has a distribution")
	}
}

func TestFilesAreReadByTheirTools(t *testing.T) {
	s := NewSet(time.Unix(1_000, 0), Options{Seconds: true, Tag: "append"})
	r := s.Recorder()
	for i := range 3000 {
		r.Record(time.Duration(i)*time.Millisecond, time.Duration(i+1)*time.Microsecond)
	}
	r.Close()
	var log, distribution bytes.Buffer
	if err := s.WriteLog(&log); err != nil {
		t.Fatal(err)
	}
	if err := s.WriteDistribution(&distribution); err != nil {
		t.Fatal(err)
	}
	reader := hdrhistogram.NewHistogramLogReader(&log)
	var count int64
	lines := 0
	for {
		h, err := reader.NextIntervalHistogram()
		if err != nil {
			t.Fatal(err)
		}
		if h == nil {
			break
		}
		lines++
		count += h.TotalCount()
	}
	if lines != 3 || count != 3000 {
		t.Errorf("%d lines, %d values", lines, count)
	}
	if !strings.Contains(distribution.String(), "Total count    =         3000") {
		t.Errorf("distribution:\n%s", distribution.String())
	}
}

func TestRecordAllocatesNothing(t *testing.T) {
	s := NewSet(time.Unix(0, 0), Options{})
	r := s.Recorder()
	at := time.Duration(0)
	if n := testing.AllocsPerRun(1000, func() { at += time.Millisecond; r.Record(0, at) }); n != 0 {
		t.Errorf("%g allocations", n)
	}
	r.Close()
	s.Result()
}

func BenchmarkRecord(b *testing.B) {
	s := NewSet(time.Unix(0, 0), Options{Seconds: true})
	r := s.Recorder()
	i := 0
	for b.Loop() {
		i++
		r.Record(time.Duration(i)*50, time.Duration(i&0xffff))
	}
	r.Close()
	s.Result()
}
