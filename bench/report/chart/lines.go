package chart

import (
	"math"
	"slices"
)

// label is a text at the end of a line.
type label struct {
	text   string
	ink    ink
	anchor point   // the end of the line
	y      float64 // where the text is
}

// labelGap is the least distance of two labels.
const labelGap = 15.0

// lines draws a chart of lines.
func (d *drawing) lines() error {
	var xs, ys []float64
	room := 0.0
	for _, l := range d.chart.Lines {
		count := min(len(l.X), len(l.Y))
		xs, ys = append(xs, l.X[:count]...), append(ys, l.Y[:count]...)
		room = max(room, textWidth(l.Label, textSize, false))
	}
	if room > 0 {
		room = min(room, labelWidthMax) + 16
	}
	d.frame(xs, ys, room)
	var labels []label
	// What supports comes first, so that it lies below.
	for _, faint := range []bool{true, false} {
		for _, l := range d.chart.Lines {
			if l.Faint != faint {
				continue
			}
			if end, drawn := d.line(l); drawn && l.Label != "" {
				labels = append(labels, label{text: l.Label, ink: labelInk(l), anchor: end, y: end.y})
			}
		}
	}
	d.labels(labels)
	return nil
}

func lineInk(l Line) ink { return seriesInk(l.Series) }

// labelInk is that of the line, unless it is too light for a text.
func labelInk(l Line) ink {
	if l.Series < 0 {
		return inkMuted
	}
	return lineInk(l)
}

// line draws one line and returns its end.
func (d *drawing) line(l Line) (end point, drawn bool) {
	var points []point
	for i := range min(len(l.X), len(l.Y)) {
		points = append(points, point{d.x.at(l.X[i]), d.y.at(l.Y[i])})
	}
	if len(points) == 0 {
		return end, false
	}
	thickness := 2.0
	if l.Faint || l.Series == Neutral {
		thickness = 1.2
	}
	title := l.Title
	if title == "" {
		title = l.Label
	}
	if len(points) > 1 {
		d.canvas.stroke(points, strokeStyle{ink: lineInk(l), width: thickness, dashed: l.Dashed, faint: l.Faint, title: title})
	}
	if l.Dots || len(points) == 1 {
		for _, p := range points {
			d.canvas.dot(p, 3.5, lineInk(l), title)
		}
	}
	return points[len(points)-1], true
}

// labels writes the labels right of the plot, near the ends of their lines but
// not over each other.
func (d *drawing) labels(labels []label) {
	slices.SortStableFunc(labels, func(a, b label) int { return compareFloats(a.y, b.y) })
	spread(labels, d.top+4, d.bottom-2)
	for _, l := range labels {
		at := point{d.right + 14, l.y + 4}
		if l.anchor.x < d.right-1 || math.Abs(l.y-l.anchor.y) > 1 {
			d.canvas.stroke([]point{l.anchor, {d.right + 3, l.y}, {d.right + 11, l.y}}, strokeStyle{ink: l.ink, width: 0.7, faint: true})
		}
		d.canvas.text(at, shorten(l.text, textSize, labelWidthMax), textStyle{ink: l.ink, size: textSize})
	}
}

// spread moves sorted labels apart, within top and bottom if they fit at all.
func spread(labels []label, top, bottom float64) {
	low := top
	for i := range labels {
		labels[i].y = max(labels[i].y, low)
		low = labels[i].y + labelGap
	}
	high := bottom
	for i := len(labels) - 1; i >= 0; i-- {
		labels[i].y = min(labels[i].y, high)
		high = labels[i].y - labelGap
	}
}

func compareFloats(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
