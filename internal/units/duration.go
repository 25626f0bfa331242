package units

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// Duration is a length of time. As a flag it accepts what time.ParseDuration
// does, and d for days of 24 hours: 250ms, 5m, 1h30m, 7d, 1d12h.
type Duration time.Duration

const day = 24 * time.Hour

// ParseDuration reads a duration. Negative ones are refused.
func ParseDuration(text string) (Duration, error) {
	days, rest, found := strings.Cut(text, "d")
	if !found {
		days, rest = "", text
	}
	var total time.Duration
	if found {
		var count int64
		if _, err := fmt.Sscanf(days+"\n", "%d\n", &count); err != nil || count < 0 || count > math.MaxInt64/int64(day) {
			return 0, fmt.Errorf("duration %q: not a duration such as 250ms, 5m, 1h30m or 7d", text)
		}
		total = time.Duration(count) * day
	}
	if rest != "" {
		part, err := time.ParseDuration(rest)
		if err != nil || part < 0 || total+part < total {
			return 0, fmt.Errorf("duration %q: not a duration such as 250ms, 5m, 1h30m or 7d", text)
		}
		total += part
	} else if !found {
		return 0, fmt.Errorf("duration %q: is empty", text)
	}
	return Duration(total), nil
}

// String renders the duration exactly: 7d, 1d12h0m0s, 250ms.
func (d Duration) String() string {
	whole, rest := time.Duration(d)/day, time.Duration(d)%day
	switch {
	case whole == 0:
		return rest.String()
	case rest == 0:
		return fmt.Sprintf("%dd", whole)
	default:
		return fmt.Sprintf("%dd%s", whole, rest)
	}
}

// Human renders the duration with three digits and one unit, for people:
// 1.24 ms, 12.3 s, 4m10s.
func (d Duration) Human() string {
	t := time.Duration(d)
	switch {
	case t >= day:
		return Duration(t.Round(time.Hour)).String()
	case t >= time.Minute:
		return t.Round(time.Second).String()
	case t >= time.Second:
		return digits(t.Seconds()) + " s"
	case t >= time.Millisecond:
		return digits(float64(t)/1e6) + " ms"
	case t >= time.Microsecond:
		return digits(float64(t)/1e3) + " µs"
	default:
		return fmt.Sprintf("%d ns", t.Nanoseconds())
	}
}

// digits renders a value below 1,000 with three significant digits.
func digits(value float64) string {
	switch {
	case value >= 99.95:
		return fmt.Sprintf("%.0f", value)
	case value >= 9.995:
		return fmt.Sprintf("%.1f", value)
	default:
		return fmt.Sprintf("%.2f", value)
	}
}

// Set implements the value of a flag.
func (d *Duration) Set(text string) error {
	value, err := ParseDuration(text)
	if err == nil {
		*d = value
	}
	return err
}

// Type names the value in the usage of a flag.
func (d *Duration) Type() string { return "duration" }
