package report

import (
	"fmt"
	"math"
	"strings"
	"unicode"

	"github.com/millrace-io/millrace/internal/units"
)

// none stands where there is no figure.
const none = "-"

// quantity renders a value of one of the units of the document.
func quantity(value float64, unit string) string {
	switch unit {
	case "ns":
		return duration(value)
	case "1/s":
		return rate(value)
	case "B/s":
		return scaled(value, "B/s")
	case "B":
		return units.Bytes(value).Human()
	default:
		return strings.TrimSpace(fmt.Sprintf("%.4g %s", value, plainUnit(unit)))
	}
}

// plainUnit keeps a unit of a later release, or of somebody's own making, from
// being more than a unit.
func plainUnit(unit string) string {
	return strings.Map(func(r rune) rune {
		if r == '/' || r == '%' || unicode.IsLetter(r) || unicode.IsDigit(r) {
			return r
		}
		return -1
	}, unit)
}

// rate renders a number a second: 158 k/s.
func rate(value float64) string { return scaled(value, "/s") }

// scaled renders a value with three digits and a decimal prefix.
func scaled(value float64, unit string) string {
	prefixes := []string{"", "k", "M", "G", "T"}
	at := 0
	// 999.5 would be rounded to 1000.
	for math.Abs(value) >= 999.5 && at < len(prefixes)-1 {
		value /= 1000
		at++
	}
	return threeDigits(value, at == 0) + " " + prefixes[at] + unit
}

// threeDigits renders a value below 1000; whole ones without a fraction, if
// they are exact.
func threeDigits(value float64, exact bool) string {
	switch size := math.Abs(value); {
	case exact && value == math.Trunc(value), size >= 99.95:
		return fmt.Sprintf("%.0f", value)
	case size >= 9.995:
		return fmt.Sprintf("%.1f", value)
	default:
		return fmt.Sprintf("%.2f", value)
	}
}

// duration renders nanoseconds: 181 µs, 1.20 ms.
func duration(nanoseconds float64) string {
	if nanoseconds < 0 || nanoseconds > math.MaxInt64/2 {
		return none
	}
	if nanoseconds > 0 && nanoseconds < 10 {
		return threeDigits(nanoseconds, true) + " ns"
	}
	return units.Duration(math.Round(nanoseconds)).Human()
}

// nanoseconds renders a time of the document.
func nanoseconds(value int64) string { return duration(float64(value)) }

// tickQuantity renders a tick: quantity without zeros behind the point.
func tickQuantity(unit string) func(float64) string {
	return func(value float64) string {
		text := quantity(value, unit)
		number, rest, found := strings.Cut(text, " ")
		if !found || !strings.Contains(number, ".") {
			return text
		}
		return strings.TrimRight(strings.TrimRight(number, "0"), ".") + " " + rest
	}
}

// ratio renders how many times.
func ratio(value float64) string {
	switch {
	case value <= 0:
		return none
	case value >= 99.5:
		return fmt.Sprintf("%.0fx", value)
	case value >= 9.95:
		return fmt.Sprintf("%.1fx", value)
	case value < 0.095:
		return fmt.Sprintf("%.3fx", value)
	default:
		return fmt.Sprintf("%.2fx", value)
	}
}

// spread renders the ends of a range of ratios.
func spread(low, high float64) string {
	if low <= 0 {
		return none
	}
	return strings.TrimSuffix(ratio(low), "x") + "–" + strings.TrimSuffix(ratio(high), "x")
}

// valueText renders one of the named values of a run, whose name has its unit.
func valueText(name string, value float64) string {
	switch {
	case strings.HasSuffix(name, "_ns"), strings.Contains(name, "_ns_per_"):
		return duration(value)
	case strings.HasSuffix(name, "_bytes_per_second"):
		return scaled(value, "B/s")
	case strings.HasSuffix(name, "_per_second"):
		return rate(value)
	case strings.HasSuffix(name, "_bytes"):
		return units.Bytes(value).Human()
	default:
		return strings.TrimSuffix(fmt.Sprintf("%.3f", value), ".000")
	}
}

// valueName is the name without its unit, in words.
func valueName(name string) string {
	for _, unit := range []string{"_ns", "_bytes"} {
		if short, found := strings.CutSuffix(name, unit); found {
			name = short
			break
		}
	}
	name = strings.Replace(name, "_ns_per_", "_per_", 1)
	return strings.ReplaceAll(name, "_", " ")
}
