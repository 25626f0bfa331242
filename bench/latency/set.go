package latency

import (
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

const (
	// Max is the largest value that histograms tell from larger ones.
	Max = 60 * time.Second
	// digits is how exact values are: three decimal digits.
	digits = 3
)

// Options configure a Set.
type Options struct {
	// Warmup is how long values are left out from the start on.
	Warmup time.Duration
	// Seconds keeps a histogram for each second besides the total.
	Seconds bool
	// Tag names the kind of latency in files: "append".
	Tag string
}

// secondsMax bounds the histograms kept second by second; a longer run goes on
// in its last one. One takes 221 KiB.
const secondsMax = 900

// Set is all values of one kind in one run.
type Set struct {
	start   time.Time
	options Options

	handed    chan chunk
	free      chan *hdrhistogram.Histogram
	recorders sync.WaitGroup
	collector sync.WaitGroup
	finish    sync.Once

	// What follows belongs to the collector until finish has joined it.
	total      *hdrhistogram.Histogram
	seconds    []*hdrhistogram.Histogram
	outOfRange int64
	max        int64
}

// chunk is what one recorder has for one second.
type chunk struct {
	second     int
	histogram  *hdrhistogram.Histogram
	outOfRange int64
	max        int64
}

// NewSet returns an empty set of a run that began at start. It has a goroutine,
// which Result joins.
func NewSet(start time.Time, o Options) *Set {
	const handedMax, freeMax = 256, 64
	s := &Set{
		start: start, options: o, total: newHistogram(),
		handed: make(chan chunk, handedMax), free: make(chan *hdrhistogram.Histogram, freeMax),
	}
	s.collector.Go(s.collect)
	return s
}

func newHistogram() *hdrhistogram.Histogram { return hdrhistogram.New(1, int64(Max), digits) }

// collect adds up what recorders hand over.
func (s *Set) collect() {
	for c := range s.handed {
		s.outOfRange += c.outOfRange
		s.max = max(s.max, c.max)
		// All have the same range, so that Merge drops nothing.
		s.total.Merge(c.histogram)
		if s.options.Seconds {
			second := min(c.second, secondsMax-1)
			for len(s.seconds) <= second {
				s.seconds = append(s.seconds, nil)
			}
			if s.seconds[second] == nil {
				s.seconds[second] = newHistogram()
			}
			s.seconds[second].Merge(c.histogram)
		}
		c.histogram.Reset()
		select {
		case s.free <- c.histogram:
		default:
		}
	}
}

// Recorder returns a recorder for one goroutine. All recorders must be taken
// before Result is called, and closed.
func (s *Set) Recorder() *Recorder {
	s.recorders.Add(1)
	return &Recorder{set: s, histogram: newHistogram(), warmup: s.options.Warmup}
}

// end joins the collector.
func (s *Set) end() {
	s.finish.Do(func() {
		s.recorders.Wait()
		close(s.handed)
		s.collector.Wait()
	})
}

// Recorder records values for one goroutine at a time.
type Recorder struct {
	set        *Set
	histogram  *hdrhistogram.Histogram
	warmup     time.Duration
	second     int
	count      int64
	outOfRange int64
	max        int64
	closed     bool
}

// Record adds a value that belongs to the time at after the start of the run.
// One that belongs to the warm-up is left out. Values below 1 ns count as 1 ns.
func (r *Recorder) Record(at, value time.Duration) {
	at -= r.warmup
	if at < 0 {
		return
	}
	if second := int(at / time.Second); second != r.second {
		r.hand()
		r.second = second
	}
	v := max(int64(value), 1)
	r.max = max(r.max, v)
	if v > int64(Max) {
		r.outOfRange++
		v = int64(Max)
	}
	r.count++
	// v is in range, so there is no error.
	_ = r.histogram.RecordValue(v)
}

// hand gives what was recorded to the set. It waits only if the collector is
// some 256 histograms behind.
func (r *Recorder) hand() {
	if r.count == 0 {
		return
	}
	r.set.handed <- chunk{second: r.second, histogram: r.histogram, outOfRange: r.outOfRange, max: r.max}
	r.count, r.outOfRange, r.max = 0, 0, 0
	select {
	case r.histogram = <-r.set.free:
	default:
		r.histogram = newHistogram()
	}
}

// Close hands over what is left. The recorder must not be used any more.
func (r *Recorder) Close() {
	if r.closed {
		return
	}
	r.closed = true
	r.hand()
	r.set.recorders.Done()
}
