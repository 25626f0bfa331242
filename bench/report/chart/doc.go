// Package chart draws the few kinds of chart that reports need, twice over: as
// SVG for pages and as a raster image for documents.
//
// A [Chart] is lines, bars or a heat map with its axes and texts, and says
// nothing about pixels. It is laid out once, on a canvas of five operations,
// which SVG and raster implement. In SVG colours are class names, so that the
// page's style sheet ([Style]) can have a light and a dark form.
//
//	chart.go    the model
//	scale.go    linear, logarithmic and log-nines axes and their ticks
//	ink.go      colours, light and dark
//	canvas.go   the five operations, the widths of texts
//	frame.go    title, axes, grid
//	lines.go    lines and their direct labels
//	bars.go     bars or dots, with the limit
//	heat.go     heat maps
//	svg.go      SVG
//	raster.go   PNG
//	palette.go  fewer bytes for it
package chart
