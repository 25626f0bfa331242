package measure

import (
	"fmt"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/millrace-io/millrace/internal/units"
)

const (
	latencyMax = time.Minute
	digits     = 3
)

// Latencies is a histogram of durations up to a minute, three digits exact. It
// is safe for concurrent use.
type Latencies struct {
	mutex     sync.Mutex
	histogram *hdrhistogram.Histogram
}

// NewLatencies returns an empty histogram.
func NewLatencies() *Latencies {
	return &Latencies{histogram: hdrhistogram.New(1, int64(latencyMax), digits)}
}

// Record adds one duration. A longer one than the histogram spans counts as
// the longest it does.
func (l *Latencies) Record(d time.Duration) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	// The value was brought into range, so there is no error.
	_ = l.histogram.RecordValue(int64(min(max(d, 1), latencyMax)))
}

// Summary is the quantiles that are printed.
type Summary struct {
	Count int64         `json:"count"`
	P50   time.Duration `json:"p50_ns"`
	P99   time.Duration `json:"p99_ns"`
	P999  time.Duration `json:"p999_ns"`
	Max   time.Duration `json:"max_ns"`
}

// Summary returns the quantiles of what was recorded so far.
func (l *Latencies) Summary() Summary {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	h := l.histogram
	return Summary{
		Count: h.TotalCount(),
		P50:   time.Duration(h.ValueAtQuantile(50)),
		P99:   time.Duration(h.ValueAtQuantile(99)),
		P999:  time.Duration(h.ValueAtQuantile(99.9)),
		Max:   time.Duration(h.Max()),
	}
}

// String renders the summary for people.
func (s Summary) String() string {
	if s.Count == 0 {
		return "nothing measured"
	}
	human := func(d time.Duration) string { return units.Duration(d).Human() }
	return fmt.Sprintf("p50 %s, p99 %s, p99.9 %s, max %s", human(s.P50), human(s.P99), human(s.P999), human(s.Max))
}
