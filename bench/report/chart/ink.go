package chart

import (
	"fmt"
	"image/color"
	"math"
	"strings"
)

// ink is the role of a colour and its class name in SVG.
type ink string

// The roles that are not series.
const (
	inkPaper ink = "paper"
	inkText  ink = "ink"
	inkMuted ink = "muted"
	inkGrid  ink = "grid"
	inkLimit ink = "limit"
	inkGrey  ink = "grey"
)

// shades is how many steps of a heat map there are.
const shades = 8

// tone is a colour on light and on dark paper.
type tone struct {
	ink         ink
	light, dark uint32
}

// tones are all colours. The series keep apart for most kinds of colour
// blindness as far as ten colours can; labels at the lines do the rest.
var tones = []tone{
	{inkPaper, 0xffffff, 0x14171c},
	{inkText, 0x1b1f24, 0xe8eaed},
	{inkMuted, 0x5b636e, 0xa3abb6},
	{inkGrid, 0xe2e6eb, 0x2b313a},
	{inkLimit, 0x1b1f24, 0xe8eaed},
	{inkGrey, 0x9aa3ae, 0x757e8a},
	{"s0", 0x0b62c4, 0x5aa9ff},
	{"s1", 0xd35f00, 0xff9d4d},
	{"s2", 0x138a55, 0x4cc98f},
	{"s3", 0xb0308a, 0xf083cf},
	{"s4", 0x8a6d00, 0xd9bc4a},
	{"s5", 0x6a4fc9, 0xab97ff},
	{"s6", 0xc0312f, 0xff8683},
	{"s7", 0x0d8496, 0x4cc6d8},
	{"s8", 0x5f6f1f, 0xa9bd5f},
	{"s9", 0x7a4b2a, 0xcf9c78},
	{"h0", 0xe1ecf9, 0x152a45},
	{"h1", 0xc3d9f2, 0x1a3a63},
	{"h2", 0x9dc3ea, 0x204d85},
	{"h3", 0x6fa8df, 0x2b64a8},
	{"h4", 0x4289d0, 0x3f80c8},
	{"h5", 0x2069b4, 0x67a2e0},
	{"h6", 0x0f4a8c, 0x9cc5f2},
	{"h7", 0x082f60, 0xd9eaff},
}

// seriesCount is how many series have a colour of their own.
const seriesCount = 10

// seriesInk is the colour of a series; after the last one they come again.
func seriesInk(series int) ink {
	if series < 0 {
		return inkGrey
	}
	return ink(fmt.Sprintf("s%d", series%seriesCount))
}

// shadeInk is the colour of a share. Shades are logarithmic, from one in a
// thousand to all: what matters in a tail is rare.
func shadeInk(share float64) ink {
	const decades = 3
	at := 1 + math.Log10(max(share, 1e-9))/decades
	return ink(fmt.Sprintf("h%d", min(max(int(at*shades), 0), shades-1)))
}

// lightColour is the colour on light paper.
func lightColour(of ink) color.RGBA {
	for _, t := range tones {
		if t.ink == of {
			return color.RGBA{R: uint8(t.light >> 16), G: uint8(t.light >> 8), B: uint8(t.light), A: 0xff}
		}
	}
	return color.RGBA{A: 0xff}
}

// Style returns the style sheet of charts in SVG: colours that follow the
// reader's preference, as properties that the page around may use too
// (--paper, --ink, --muted, --grid, --s0 and so on).
func Style() string {
	var s strings.Builder
	properties := func(pick func(tone) uint32) string {
		var list strings.Builder
		for _, t := range tones {
			fmt.Fprintf(&list, "--%s:#%06x;", t.ink, pick(t))
		}
		return list.String()
	}
	fmt.Fprintf(&s, ":root{color-scheme:light dark;%s}\n", properties(func(t tone) uint32 { return t.light }))
	fmt.Fprintf(&s, "@media (prefers-color-scheme:dark){:root{%s}}\n", properties(func(t tone) uint32 { return t.dark }))
	for _, t := range tones {
		fmt.Fprintf(&s, ".f-%s{fill:var(--%s)}.l-%s{stroke:var(--%s);fill:none}\n", t.ink, t.ink, t.ink, t.ink)
	}
	s.WriteString("svg.chart{font-family:system-ui,-apple-system,\"Segoe UI\",\"Helvetica Neue\",Arial,sans-serif}\n")
	return s.String()
}
