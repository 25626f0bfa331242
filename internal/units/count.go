package units

import (
	"fmt"
	"strconv"
	"time"
)

// Count renders a number with its thousands separated: 250,000.
func Count[N ~int | ~int64 | ~uint64 | ~uint32](n N) string {
	text, sign := strconv.FormatUint(magnitude(n), 10), ""
	if n < 0 {
		sign = "-"
	}
	for end := len(text) - 3; end > 0; end -= 3 {
		text = text[:end] + "," + text[end:]
	}
	return sign + text
}

// magnitude returns the absolute value, also of the least integer.
func magnitude[N ~int | ~int64 | ~uint64 | ~uint32](n N) uint64 {
	if n < 0 {
		return -uint64(n)
	}
	return uint64(n)
}

// Plural renders a count and its noun: 1 record, 250,000 records.
func Plural[N ~int | ~int64 | ~uint64 | ~uint32](n N, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return Count(n) + " " + noun + "s"
}

// PerSecond renders how many of n come in a second: 81,234 /s.
func PerSecond[N ~int | ~int64 | ~uint64](n N, elapsed time.Duration) string {
	if elapsed <= 0 {
		return "-"
	}
	return Count(int64(float64(n)/elapsed.Seconds())) + " /s"
}

// MegabytesPerSecond renders a rate in decimal megabytes, the unit in which
// devices and other systems state theirs: 412.3 MB/s.
func MegabytesPerSecond(bytes int64, elapsed time.Duration) string {
	if elapsed <= 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f MB/s", float64(bytes)/1e6/elapsed.Seconds())
}
