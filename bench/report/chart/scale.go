package chart

import (
	"fmt"
	"math"
	"slices"
)

// scale turns values of one axis into pixels.
type scale struct {
	kind Scale
	// low and high are the ends of the axis in values, already transformed.
	low, high float64
	// from and to are the ends in pixels.
	from, to float64
}

// ninesMax is the farthest quantile that can be shown, 99.9999999 %.
const ninesMax = 9

// transform makes equal distances on the axis equal differences.
func (s Scale) transform(value float64) float64 {
	switch s {
	case Log:
		return math.Log10(max(value, math.SmallestNonzeroFloat64))
	case Nines:
		return min(-math.Log10(max(1-value, 0)), ninesMax)
	default:
		return value
	}
}

// newScale makes a scale that holds all values, widened to good ends.
func newScale(kind Scale, values []float64, from, to float64) scale {
	s := scale{kind: kind, from: from, to: to}
	if len(values) > 0 {
		s.low, s.high = kind.transform(slices.Min(values)), kind.transform(slices.Max(values))
	}
	switch kind {
	case Log:
		s.low, s.high = roundLog(s.low, math.Floor), roundLog(s.high, math.Ceil)
		if s.high-s.low < 1e-9 {
			s.low, s.high = math.Floor(s.low-1e-9), math.Ceil(s.high+1e-9)
		}
	case Nines:
		s.low = 0
		s.high = max(s.high, 1)
	default:
		s.low = min(s.low, 0)
		if s.high <= s.low {
			s.high = s.low + 1
		}
	}
	return s
}

// roundLog moves a logarithm to one of 1, 2 or 5 times a power of ten.
func roundLog(value float64, round func(float64) float64) float64 {
	decade := math.Floor(value + 1e-9)
	steps := []float64{0, math.Log10(2), math.Log10(5), 1}
	if round(0.5) == 0 { // downwards
		slices.Reverse(steps)
		for _, step := range steps {
			if decade+step <= value+1e-9 {
				return decade + step
			}
		}
		return decade
	}
	for _, step := range steps {
		if decade+step >= value-1e-9 {
			return decade + step
		}
	}
	return decade + 1
}

// at returns the pixel of a value.
func (s scale) at(value float64) float64 {
	share := (s.kind.transform(value) - s.low) / (s.high - s.low)
	return s.from + min(max(share, 0), 1)*(s.to-s.from)
}

// ticks returns values to be marked, at most about so many.
func (s scale) ticks(most int) []float64 {
	switch s.kind {
	case Log:
		return s.logTicks(most)
	case Nines:
		ticks := []float64{0, 0.5}
		for nines := 1; float64(nines) <= s.high+1e-9; nines++ {
			ticks = append(ticks, 1-math.Pow(10, -float64(nines)))
		}
		return ticks
	default:
		return s.linearTicks(most)
	}
}

func (s scale) linearTicks(most int) []float64 {
	step := math.Pow(10, math.Floor(math.Log10((s.high-s.low)/float64(most))))
	for _, factor := range []float64{1, 2, 5, 10} {
		if (s.high-s.low)/(step*factor) <= float64(most) {
			step *= factor
			break
		}
	}
	var ticks []float64
	for i := math.Ceil(s.low / step); i*step <= s.high+step*1e-9; i++ {
		ticks = append(ticks, i*step)
	}
	return ticks
}

func (s scale) logTicks(most int) []float64 {
	factors := []float64{1, 2, 5}
	if (s.high-s.low)*float64(len(factors)) > float64(most) {
		factors = factors[:1]
	}
	every := max(1, int(math.Ceil((s.high-s.low)/float64(most))))
	var ticks []float64
	for decade := int(math.Floor(s.low)); float64(decade) <= s.high; decade += every {
		for _, factor := range factors {
			value := factor * math.Pow(10, float64(decade))
			if at := math.Log10(value); at >= s.low-1e-9 && at <= s.high+1e-9 {
				ticks = append(ticks, value)
			}
		}
	}
	return ticks
}

// format renders a tick of an axis.
func (a Axis) format(value float64) string {
	if a.Format != nil {
		return a.Format(value)
	}
	return fmt.Sprintf("%g", value)
}

// Percent renders a quantile as a percentile: 99.9 %.
func Percent(quantile float64) string {
	return fmt.Sprintf("%.9g %%", 100*quantile)
}
