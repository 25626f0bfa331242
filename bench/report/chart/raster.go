package chart

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"io"
	"math"

	"golang.org/x/image/font"
	"golang.org/x/image/math/fixed"
	"golang.org/x/image/vector"
)

// density is pixels of the image for each pixel of the layout, for screens that
// have as many.
const density = 2.0

// faintness is the opacity of what is faint.
const faintness = 0.45

// PNG writes the chart as an image on light paper, 1560 pixels wide. The error
// is ErrEmpty or that of w.
func PNG(w io.Writer, c Chart) error {
	wide, high := c.size()
	r := &raster{image: image.NewRGBA(image.Rect(0, 0, int(wide*density), int(high*density)))}
	if err := c.draw(r); err != nil {
		return err
	}
	encoder := png.Encoder{CompressionLevel: png.BestCompression}
	if err := encoder.Encode(w, paletted(r.image)); err != nil {
		return fmt.Errorf("chart: write %s: %w", c.Name, err)
	}
	return nil
}

// raster is a canvas of pixels.
type raster struct{ image *image.RGBA }

func (r *raster) rect(x, y, w, h float64, fill ink) {
	area := image.Rect(round(x), round(y), round(x+w), round(y+h))
	draw.Draw(r.image, area, image.NewUniform(lightColour(fill)), image.Point{}, draw.Over)
}

func round(value float64) int { return int(math.Round(value * density)) }

func (r *raster) stroke(points []point, style strokeStyle) {
	pieces := [][]point{points}
	if style.dashed {
		pieces = dashes(points, 5, 4)
	}
	shade := lightColour(style.ink)
	if style.faint {
		shade = fade(shade)
	}
	for _, piece := range pieces {
		var shapes [][]point
		for i := 1; i < len(piece); i++ {
			shapes = append(shapes, bar(piece[i-1], piece[i], style.width))
			if i < len(piece)-1 && style.width > 1 {
				shapes = append(shapes, circle(piece[i], style.width/2))
			}
		}
		r.fill(shapes, shade)
	}
}

// fade mixes a colour with the paper.
func fade(c color.RGBA) color.RGBA {
	mix := func(v uint8) uint8 { return uint8(float64(v)*faintness + 255*(1-faintness)) }
	return color.RGBA{R: mix(c.R), G: mix(c.G), B: mix(c.B), A: 0xff}
}

// bar is the outline of a thick line from a to b.
func bar(a, b point, width float64) []point {
	length := math.Hypot(b.x-a.x, b.y-a.y)
	if length == 0 {
		return nil
	}
	across := point{-(b.y - a.y) / length * width / 2, (b.x - a.x) / length * width / 2}
	return []point{
		{a.x + across.x, a.y + across.y},
		{a.x - across.x, a.y - across.y},
		{b.x - across.x, b.y - across.y},
		{b.x + across.x, b.y + across.y},
	}
}

// circle is the outline of a circle, in the direction that bar has: shapes of
// one direction may overlap.
func circle(middle point, radius float64) []point {
	const corners = 24
	outline := make([]point, corners)
	for i := range outline {
		sine, cosine := math.Sincos(2 * math.Pi * float64(i) / corners)
		outline[i] = point{middle.x + radius*cosine, middle.y + radius*sine}
	}
	return outline
}

// dashes cuts a line into dashes.
func dashes(points []point, on, off float64) [][]point {
	var pieces [][]point
	var piece []point
	drawing, left := true, on
	for i := 1; i < len(points); i++ {
		a, b := points[i-1], points[i]
		length := math.Hypot(b.x-a.x, b.y-a.y)
		if drawing && piece == nil {
			piece = []point{a}
		}
		for at := 0.0; length-at > 1e-9; {
			step := min(left, length-at)
			at, left = at+step, left-step
			here := point{a.x + (b.x-a.x)*at/length, a.y + (b.y-a.y)*at/length}
			if drawing {
				piece = append(piece, here)
			}
			if left > 1e-9 {
				continue
			}
			if drawing {
				pieces, piece, left = append(pieces, piece), nil, off
			} else {
				piece, left = []point{here}, on
			}
			drawing = !drawing
		}
	}
	if len(piece) > 1 {
		pieces = append(pieces, piece)
	}
	return pieces
}

// fill fills the union of outlines.
func (r *raster) fill(shapes [][]point, shade color.RGBA) {
	low, high := point{math.Inf(1), math.Inf(1)}, point{math.Inf(-1), math.Inf(-1)}
	for _, shape := range shapes {
		for _, p := range shape {
			low.x, low.y = min(low.x, p.x*density), min(low.y, p.y*density)
			high.x, high.y = max(high.x, p.x*density), max(high.y, p.y*density)
		}
	}
	if low.x > high.x {
		return
	}
	area := image.Rect(int(math.Floor(low.x)), int(math.Floor(low.y)), int(math.Ceil(high.x))+1, int(math.Ceil(high.y))+1)
	z := vector.NewRasterizer(area.Dx(), area.Dy())
	place := func(p point) (x, y float32) {
		return float32(p.x*density - float64(area.Min.X)), float32(p.y*density - float64(area.Min.Y))
	}
	for _, shape := range shapes {
		if len(shape) == 0 {
			continue
		}
		z.MoveTo(place(shape[0]))
		for _, p := range shape[1:] {
			z.LineTo(place(p))
		}
		z.ClosePath()
	}
	z.Draw(r.image, area, image.NewUniform(shade), image.Point{})
}

func (r *raster) dot(at point, radius float64, fill ink, _ string) {
	r.fill([][]point{circle(at, radius)}, lightColour(fill))
}

func (r *raster) text(at point, content string, style textStyle) {
	withFace(style.size*density, style.bold, func(face font.Face) {
		x := fixed.Int26_6(at.x * density * 64)
		switch wide := font.MeasureString(face, content); style.anchor {
		case anchorMiddle:
			x -= wide / 2
		case anchorEnd:
			x -= wide
		}
		drawer := font.Drawer{
			Dst: r.image, Src: image.NewUniform(lightColour(style.ink)), Face: face,
			Dot: fixed.Point26_6{X: x, Y: fixed.Int26_6(at.y * density * 64)},
		}
		drawer.DrawString(content)
	})
}
