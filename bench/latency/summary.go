package latency

import (
	"math"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/millrace-io/millrace/bench/result"
)

// Result returns the distribution; nil if nothing was recorded. It waits until
// all recorders are closed.
func (s *Set) Result() *result.Latency {
	s.end()
	if s.total.TotalCount() == 0 {
		return nil
	}
	h := s.total
	l := &result.Latency{
		Count: h.TotalCount(), Mean: h.Mean(), Min: h.Min(),
		P50: at(h, 50), P90: at(h, 90), P99: at(h, 99), P999: at(h, 99.9), P9999: at(h, 99.99),
		Max: s.max, OutOfRange: s.outOfRange, Curve: curve(h),
	}
	for second, h := range s.seconds {
		if h == nil {
			continue
		}
		l.Seconds = append(l.Seconds, result.Second{
			At: second, Count: h.TotalCount(), P50: at(h, 50), P99: at(h, 99), P999: at(h, 99.9), Max: h.Max(), Heat: heat(h),
		})
	}
	return l
}

func at(h *hdrhistogram.Histogram, percentile float64) int64 { return h.ValueAtQuantile(percentile) }

// curve returns quantiles for an axis of nines: eight for each nine, up to the
// last one that so many values can tell from the maximum.
func curve(h *hdrhistogram.Histogram) []result.Point {
	const perNine = 8
	var points []result.Point
	for i := 0; ; i++ {
		tail := math.Pow(10, -float64(i)/perNine)
		if tail*float64(h.TotalCount()) < 1 {
			return append(points, result.Point{Quantile: 1, Value: h.Max()})
		}
		quantile := 1 - tail
		points = append(points, result.Point{Quantile: quantile, Value: at(h, 100*quantile)})
	}
}

// heat returns the shares of values in buckets that grow by the square root of
// two, empty ones left out.
func heat(h *hdrhistogram.Histogram) []result.Point {
	counts := map[int]int64{}
	lowest, highest := math.MaxInt, 0
	for _, bar := range h.Distribution() {
		if bar.Count == 0 {
			continue
		}
		bucket := int(math.Ceil(2 * math.Log2(float64(max(bar.To, 1)))))
		counts[bucket] += bar.Count
		lowest, highest = min(lowest, bucket), max(highest, bucket)
	}
	var points []result.Point
	for bucket := lowest; bucket <= highest; bucket++ {
		if count := counts[bucket]; count > 0 {
			points = append(points, result.Point{
				Quantile: float64(count) / float64(h.TotalCount()),
				Value:    int64(math.Round(math.Pow(2, float64(bucket)/2))),
			})
		}
	}
	return points
}
