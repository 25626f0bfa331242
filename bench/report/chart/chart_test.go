package chart

import (
	"bytes"
	"encoding/xml"
	"errors"
	"image"
	"image/png"
	"io"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// steps is a chart of one line from (0, 10) to (10, 10), then up to (10, 20).
func steps() Chart {
	return Chart{
		Name: "steps", Title: "Steps", X: Axis{Label: "x"}, Y: Axis{Label: "y"},
		Lines: []Line{{Label: "a line", X: []float64{0, 10, 10}, Y: []float64{10, 10, 20}}},
	}
}

// layout is the drawing of a chart of lines, for its scales.
type layout struct {
	canvas
	strokes [][]point
	inks    []ink
}

func (l *layout) stroke(points []point, style strokeStyle) {
	l.strokes, l.inks = append(l.strokes, points), append(l.inks, style.ink)
	l.canvas.stroke(points, style)
}

// line returns the points of the first stroke of a series.
func (l *layout) line(of ink) []point {
	for i, found := range l.inks {
		if found == of {
			return l.strokes[i]
		}
	}
	return nil
}

func decoded(t *testing.T, c Chart) image.Image {
	t.Helper()
	var out bytes.Buffer
	if err := PNG(&out, c); err != nil {
		t.Fatal(err)
	}
	drawn, err := png.Decode(&out)
	if err != nil {
		t.Fatal(err)
	}
	return drawn
}

// has says whether a pixel at a place of the layout has a colour.
func has(drawn image.Image, at point, colour ink) bool {
	want := lightColour(colour)
	r, g, b, _ := drawn.At(int(at.x*density), int(at.y*density)).RGBA()
	return uint8(r>>8) == want.R && uint8(g>>8) == want.G && uint8(b>>8) == want.B
}

func TestLinesAreWhereTheyBelong(t *testing.T) {
	c := steps()
	l := &layout{canvas: new(svg)}
	if err := c.draw(l); err != nil {
		t.Fatal(err)
	}
	line := l.line("s0")
	if len(line) != 3 || line[0].y != line[1].y || line[1].x != line[2].x || line[2].y >= line[1].y || line[1].x <= line[0].x {
		t.Fatalf("the line goes through %v", line)
	}
	drawn := decoded(t, c)
	for _, share := range []float64{0.1, 0.33, 0.5, 0.9} {
		flat := point{line[0].x + share*(line[1].x-line[0].x), line[0].y}
		if !has(drawn, flat, "s0") {
			t.Errorf("no line at %v", flat)
		}
		if above := (point{flat.x, flat.y - 8}); has(drawn, above, "s0") {
			t.Errorf("a line at %v", above)
		}
		upright := point{line[1].x, line[1].y + share*(line[2].y-line[1].y)}
		if !has(drawn, upright, "s0") {
			t.Errorf("no line at %v", upright)
		}
	}
}

// Overlapping pieces of a stroke must not cancel each other out.
func TestCornersAreFilled(t *testing.T) {
	r := &raster{image: image.NewRGBA(image.Rect(0, 0, 200, 200))}
	zigzag := []point{{10, 10}, {90, 10}, {10, 50}, {90, 50}, {90, 90}}
	r.stroke(zigzag, strokeStyle{ink: "s1", width: 6})
	for _, corner := range zigzag[1 : len(zigzag)-1] {
		if !has(r.image, corner, "s1") {
			t.Errorf("a hole at %v", corner)
		}
	}
}

func TestDashesCoverTheirShare(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		points := []point{{0, 0}}
		total := 0.0
		for range rapid.IntRange(1, 20).Draw(t, "corners") {
			step := rapid.Float64Range(0.1, 50).Draw(t, "step")
			points = append(points, point{points[len(points)-1].x + step, 0})
			total += step
		}
		covered := 0.0
		for _, piece := range dashes(points, 5, 4) {
			covered += piece[len(piece)-1].x - piece[0].x
		}
		whole := math.Floor(total / 9)
		want := whole*5 + min(total-whole*9, 5)
		if math.Abs(covered-want) > 1e-6 {
			t.Fatalf("dashes cover %v of %v, want %v", covered, total, want)
		}
	})
}

func TestBarsAndLimit(t *testing.T) {
	c := Chart{
		Name: "bars", Title: "Bars", X: Axis{Label: "x"}, Limit: 200, LimitName: "the limit",
		Bars: []Bar{{Label: "ours", Text: "100", Value: 100}, {Label: "theirs", Text: "no figure", Missing: true, Series: Neutral}},
	}
	l := &layout{canvas: new(svg)}
	if err := c.draw(l); err != nil {
		t.Fatal(err)
	}
	limit := l.line(inkLimit)
	drawn := decoded(t, c)
	zero := limit[0].x - 2*(limit[0].x-barEnd(drawn, limit))
	if width := barEnd(drawn, limit) - zero; math.Abs(width*2-(limit[0].x-zero)) > 2 {
		t.Errorf("the bar ends at %v of %v", width, limit[0].x-zero)
	}
}

// barEnd is the right end of the first bar.
func barEnd(drawn image.Image, limit []point) float64 {
	y := limit[0].y + 3 + barPitch/2
	end := 0.0
	for x := 0.0; x < width; x += 0.5 {
		if has(drawn, point{x, y}, "s0") {
			end = x
		}
	}
	return end
}

func TestHeatHasItsShades(t *testing.T) {
	c := Chart{Name: "heat", Title: "Heat", X: Axis{Label: "x"}, Y: Axis{Label: "y", Scale: Log}, Heat: []Cell{
		{Left: 0, Right: 1, Low: 10, High: 100, Share: 1},
		{Left: 1, Right: 2, Low: 10, High: 100, Share: 0.001},
	}}
	drawn := decoded(t, c)
	full, empty := 0, 0
	for x := range int(width) {
		switch middle := (point{float64(x), lineHeight / 2}); {
		case has(drawn, middle, "h7"):
			full++
		case has(drawn, middle, "h0"):
			empty++
		}
	}
	if full < 200 || math.Abs(float64(full-empty)) > 2 {
		t.Errorf("%d dark and %d light pixels", full, empty)
	}
}

func TestShadesRiseWithTheShare(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		low := rapid.Float64Range(0, 1).Draw(t, "low")
		high := rapid.Float64Range(low, 1).Draw(t, "high")
		if shadeInk(low) > shadeInk(high) {
			t.Fatalf("%v is %s, %v is %s", low, shadeInk(low), high, shadeInk(high))
		}
	})
}

func TestEveryInkHasItsStyle(t *testing.T) {
	style := Style()
	inks := []ink{inkPaper, inkText, inkMuted, inkGrid, inkLimit, inkGrey}
	for i := range 3 * seriesCount {
		inks = append(inks, seriesInk(i-1))
	}
	for i := range shades {
		inks = append(inks, shadeInk(math.Pow(10, -3*(1-float64(i)/shades))))
	}
	for _, one := range inks {
		if !strings.Contains(style, ".f-"+string(one)+"{") || strings.Count(style, "--"+string(one)+":#") != 2 {
			t.Errorf("%s is not in the style sheet, once light and once dark", one)
		}
	}
}

func TestNothingIsNotDrawn(t *testing.T) {
	for name, c := range map[string]Chart{"nothing": {}, "a line without points": {Lines: []Line{{X: []float64{1}}}}} {
		if err := PNG(io.Discard, c); !errors.Is(err, ErrEmpty) {
			t.Errorf("%s as PNG: %v", name, err)
		}
		if err := SVG(io.Discard, c); !errors.Is(err, ErrEmpty) {
			t.Errorf("%s as SVG: %v", name, err)
		}
	}
}

// Whatever texts a chart has, its SVG is XML in which they stand as texts.
func FuzzSVG(f *testing.F) {
	for _, seed := range []string{"a", "<b>&amp;\"'", "\x00\xff\ufffe", "]]>", "µ…"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c := steps()
		c.Title, c.Note, c.Lines[0].Label, c.X.Label = text, text, text, text
		var out bytes.Buffer
		if err := SVG(&out, c); err != nil {
			t.Fatal(err)
		}
		decoder := xml.NewDecoder(&out)
		for {
			token, err := decoder.Token()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				t.Fatalf("%q is not well-formed: %v", text, err)
			}
			if start, ok := token.(xml.StartElement); ok && !strings.Contains(" svg rect polyline circle text title ", " "+start.Name.Local+" ") {
				t.Fatalf("%q made an element %s", text, start.Name.Local)
			}
		}
	})
}
