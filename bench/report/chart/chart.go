package chart

import (
	"errors"
	"fmt"
)

// Chart is one chart. It has Lines, Bars or Heat, one of the three.
type Chart struct {
	// Name is unique in a report and fit for a file name: "curve-wal-append".
	Name string
	// Title says what is shown, Note how to read it.
	Title string
	Note  string
	// X and Y are the axes. Bars have a horizontal X only.
	X, Y  Axis
	Lines []Line
	Bars  []Bar
	// Limit is where Bars have a vertical line, with its name; 0 is none.
	Limit     float64
	LimitName string
	Heat      []Cell
}

// Axis is the scale of one direction.
type Axis struct {
	// Label names the quantity and its unit.
	Label string
	Scale Scale
	// Format renders a tick. With %g if it is nil.
	Format func(float64) string
}

// Scale is how values become places.
type Scale int

// The scales.
const (
	Linear Scale = iota // begins at 0
	Log                 // decades; values must be positive
	Nines               // quantiles: 0, 0.9, 0.99 and so on are equally far apart
)

// Line is one line, or points when Dots is set.
type Line struct {
	// Label stands at its end. A line without one belongs to another line.
	Label string
	// Title is shown when a pointer rests on it.
	Title string
	X, Y  []float64
	// Series is its colour: 0 is ours, others are as they come, Neutral is for
	// what is there for comparison.
	Series int
	// Faint is for what supports another line: repetitions.
	Faint  bool
	Dashed bool
	// Dots marks the points.
	Dots bool
}

// Neutral is the series of lines and bars that are there for comparison.
const Neutral = -1

// Bar is one bar. Values are not negative.
type Bar struct {
	Label string
	// Text stands behind the bar: its value and what else to know.
	Text  string
	Value float64
	// Missing is a bar that has no value; its Text says why.
	Missing bool
	Series  int
}

// Cell is one rectangle of a heat map, from Left to Right and Low to High in
// the units of the axes.
type Cell struct {
	Left, Right, Low, High float64
	// Share is what its shade says, from 0 to 1.
	Share float64
}

// ErrEmpty is returned for a chart that has nothing to show.
var ErrEmpty = errors.New("chart: there is nothing to draw")

// drawing is a chart on its way to a canvas.
type drawing struct {
	chart  *Chart
	canvas canvas
	// plot is the rectangle between the axes.
	left, top, right, bottom float64
	x, y                     scale
}

// Sizes in pixels.
const (
	width       = 780.0
	lineHeight  = 400.0
	titleSize   = 15.0
	textSize    = 12.0
	tickSize    = 11.0
	titleHeight = 54.0
	margin      = 14.0
	// labelWidthMax bounds what direct labels take from the plot.
	labelWidthMax = 230.0
)

// size returns width and height of the chart in pixels.
func (c *Chart) size() (w, h float64) {
	if len(c.Bars) > 0 {
		return width, barsHeight(c)
	}
	return width, lineHeight
}

// draw draws the chart.
func (c *Chart) draw(on canvas) error {
	d := &drawing{chart: c, canvas: on}
	switch {
	case len(c.Bars) > 0:
		return d.bars()
	case len(c.Heat) > 0:
		return d.heat()
	case c.points() > 0:
		return d.lines()
	}
	return fmt.Errorf("%w: %s", ErrEmpty, c.Name)
}

// points counts the points of all lines.
func (c *Chart) points() int {
	count := 0
	for _, l := range c.Lines {
		count += min(len(l.X), len(l.Y))
	}
	return count
}
