package chart

// Sizes of bars in pixels.
const (
	barPitch  = 25.0
	barThick  = 15.0
	barsBelow = 48.0
	limitRoom = 20.0
)

func barsHeight(c *Chart) float64 {
	height := titleHeight + float64(len(c.Bars))*barPitch + barsBelow
	if c.Limit > 0 {
		height += limitRoom
	}
	return height
}

// bars draws a chart of horizontal bars. A logarithmic axis has no zero to
// begin a bar at, so that there are dots on it.
func (d *drawing) bars() error {
	d.head()
	c := d.chart
	values, names, texts := []float64{}, 0.0, 0.0
	for _, b := range c.Bars {
		if !b.Missing {
			values = append(values, b.Value)
		}
		names = max(names, textWidth(b.Label, textSize, false))
		texts = max(texts, textWidth(b.Text, textSize, false))
	}
	if c.Limit > 0 {
		values = append(values, c.Limit)
	}
	w, h := c.size()
	d.left = margin + min(names, labelWidthMax) + 10
	d.right = max(w-margin-min(texts, 1.3*labelWidthMax)-10, d.left+120)
	d.top, d.bottom = titleHeight, h-barsBelow
	if c.Limit > 0 {
		d.top += limitRoom
	}
	d.x = newScale(c.X.Scale, values, d.left, d.right)
	d.xAxis()
	middle := func(i int) float64 { return d.top + (float64(i)+0.5)*barPitch }
	ends := make([]float64, len(c.Bars))
	for i, b := range c.Bars {
		ends[i] = d.bar(b, middle(i))
	}
	d.limit()
	// Texts come last, so that the limit does not cross them.
	for i, b := range c.Bars {
		d.barText(b, ends[i]+9, middle(i))
	}
	return nil
}

// limit draws the line of the limit with its name above.
func (d *drawing) limit() {
	if c := d.chart; c.Limit > 0 {
		at := d.x.at(c.Limit)
		d.canvas.stroke([]point{{at, d.top - 3}, {at, d.bottom}}, strokeStyle{ink: inkLimit, width: 1.5, dashed: true, title: c.LimitName})
		side := anchorStart
		if at > (d.left+d.right)/2 {
			side = anchorEnd
		}
		d.canvas.text(point{at, d.top - 7}, c.LimitName, textStyle{ink: inkText, size: tickSize, anchor: side})
	}
}

// barText writes what stands behind a bar, on paper.
func (d *drawing) barText(b Bar, x, middle float64) {
	text := shorten(b.Text, textSize, width-margin-x)
	d.canvas.rect(x-3, middle-9, textWidth(text, textSize, b.Series == 0)+6, 18, inkPaper)
	d.canvas.text(point{x, middle + 4}, text, textStyle{ink: inkText, size: textSize, bold: b.Series == 0})
}

// bar draws one bar around the height middle, with its name, and returns where
// it ends.
func (d *drawing) bar(b Bar, middle float64) (end float64) {
	style := textStyle{ink: inkText, size: textSize, anchor: anchorEnd, bold: b.Series == 0}
	d.canvas.text(point{d.left - 8, middle + 4}, shorten(b.Label, textSize, labelWidthMax), style)
	end = d.left
	switch {
	case b.Missing:
	case d.chart.X.Scale == Log:
		end = d.x.at(b.Value)
		d.canvas.stroke([]point{{d.left, middle}, {end, middle}}, strokeStyle{ink: inkGrid, width: 2})
		d.canvas.dot(point{end, middle}, 5, seriesInk(b.Series), b.Text)
	default:
		end = d.x.at(b.Value)
		d.canvas.rect(d.left, middle-barThick/2, max(end-d.left, 1), barThick, seriesInk(b.Series))
	}
	return end
}
