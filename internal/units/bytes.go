package units

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Bytes is a size. As a flag it accepts a number with an optional unit: B, the
// binary KiB MiB GiB TiB (or K M G T), and the decimal kB MB GB TB.
type Bytes int64

// The binary units.
const (
	KiB Bytes = 1 << 10
	MiB Bytes = 1 << 20
	GiB Bytes = 1 << 30
	TiB Bytes = 1 << 40
)

var byteUnits = map[string]Bytes{
	"": 1, "b": 1,
	"k": KiB, "m": MiB, "g": GiB, "t": TiB,
	"kib": KiB, "mib": MiB, "gib": GiB, "tib": TiB,
	"kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12,
}

// ParseBytes reads a size such as 512, 64KiB or 1.5GB. Negative sizes and ones
// that do not fit an int64 are refused.
func ParseBytes(text string) (Bytes, error) {
	number, unit := split(text)
	scale, known := byteUnits[strings.ToLower(unit)]
	if !known {
		return 0, fmt.Errorf("size %q: unknown unit %q, use B, KiB, MiB, GiB, TiB, kB, MB, GB or TB", text, unit)
	}
	if whole, err := strconv.ParseInt(number, 10, 64); err == nil && whole >= 0 && whole <= math.MaxInt64/int64(scale) {
		return Bytes(whole) * scale, nil
	}
	value, err := strconv.ParseFloat(number, 64)
	if err != nil || value < 0 || value*float64(scale) >= math.MaxInt64 {
		return 0, fmt.Errorf("size %q: not a size such as 512, 64KiB or 1.5GB", text)
	}
	return Bytes(value * float64(scale)), nil
}

// split cuts text where its number ends.
func split(text string) (number, unit string) {
	text = strings.TrimSpace(text)
	end := strings.IndexFunc(text, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
	if end < 0 {
		return text, ""
	}
	return text[:end], strings.TrimSpace(text[end:])
}

// String renders the size exactly, in the largest binary unit that divides it.
func (b Bytes) String() string {
	for _, unit := range []struct {
		scale Bytes
		name  string
	}{{TiB, "TiB"}, {GiB, "GiB"}, {MiB, "MiB"}, {KiB, "KiB"}} {
		if b != 0 && b%unit.scale == 0 {
			return fmt.Sprintf("%d%s", b/unit.scale, unit.name)
		}
	}
	return fmt.Sprintf("%dB", int64(b))
}

// Human renders the size rounded, for people: 7.7 MiB.
func (b Bytes) Human() string {
	value, names := float64(b), []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}
	unit := 0
	for math.Abs(value) >= 1024 && unit < len(names)-1 {
		value /= 1024
		unit++
	}
	if unit == 0 {
		return fmt.Sprintf("%d B", int64(b))
	}
	return fmt.Sprintf("%.1f %s", value, names[unit])
}

// Set implements the value of a flag.
func (b *Bytes) Set(text string) error {
	value, err := ParseBytes(text)
	if err == nil {
		*b = value
	}
	return err
}

// Type names the value in the usage of a flag.
func (b *Bytes) Type() string { return "size" }
