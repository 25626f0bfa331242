package latency

import (
	"fmt"
	"io"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// nanosecondsPerMillisecond is the scale of .hgrm files, whose values are in
// milliseconds as most tools expect them.
const nanosecondsPerMillisecond = 1e6

// WriteLog writes the seconds in the format of the HdrHistogram log tools
// (.hlog), one line each. It needs Options.Seconds, and waits until all
// recorders are closed.
func (s *Set) WriteLog(w io.Writer) error {
	s.end()
	log := hdrhistogram.NewHistogramLogWriter(w)
	start := s.start.UnixMilli()
	if err := log.OutputLogFormatVersion(); err != nil {
		return fmt.Errorf("latency: write log: %w", err)
	}
	if err := log.OutputStartTime(start); err != nil {
		return fmt.Errorf("latency: write log: %w", err)
	}
	if err := log.OutputLegend(); err != nil {
		return fmt.Errorf("latency: write log: %w", err)
	}
	for second, h := range s.seconds {
		if h == nil {
			continue
		}
		from := start + s.options.Warmup.Milliseconds() + int64(second)*time.Second.Milliseconds()
		h.SetTag(s.options.Tag)
		h.SetStartTimeMs(from)
		h.SetEndTimeMs(from + time.Second.Milliseconds())
		if err := log.OutputIntervalHistogram(h); err != nil {
			return fmt.Errorf("latency: write log: second %d: %w", second, err)
		}
	}
	return nil
}

// WriteDistribution writes the percentiles of the total in milliseconds, in the
// format of the HdrHistogram plotter (.hgrm). It waits until all recorders are
// closed.
func (s *Set) WriteDistribution(w io.Writer) error {
	s.end()
	if _, err := s.total.PercentilesPrint(w, 5, nanosecondsPerMillisecond); err != nil {
		return fmt.Errorf("latency: write distribution: %w", err)
	}
	return nil
}
