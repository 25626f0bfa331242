package chart

// head writes title and note.
func (d *drawing) head() {
	w, h := d.chart.size()
	d.canvas.rect(0, 0, w, h, inkPaper)
	d.canvas.text(point{margin, margin + titleSize - 2}, shorten(d.chart.Title, titleSize, w-3*margin), textStyle{ink: inkText, size: titleSize, bold: true})
	if d.chart.Note != "" {
		d.canvas.text(point{margin, margin + titleSize + 17}, shorten(d.chart.Note, textSize, w-2*margin), textStyle{ink: inkMuted, size: textSize})
	}
}

// frame draws axes and grid around values of both directions. labels is the
// room right of the plot.
func (d *drawing) frame(xs, ys []float64, labels float64) {
	d.head()
	w, h := d.chart.size()
	d.top, d.bottom = titleHeight+24, h-46
	d.y = newScale(d.chart.Y.Scale, ys, d.bottom, d.top)
	const tickCount = 8
	ticks := d.y.ticks(tickCount)
	widest := 0.0
	for _, tick := range ticks {
		widest = max(widest, textWidth(d.chart.Y.format(tick), tickSize, false))
	}
	d.left, d.right = margin+widest+8, w-margin-labels
	d.x = newScale(d.chart.X.Scale, xs, d.left, d.right)
	for _, tick := range ticks {
		at := d.y.at(tick)
		d.canvas.stroke([]point{{d.left, at}, {d.right, at}}, strokeStyle{ink: inkGrid, width: 1})
		d.canvas.text(point{d.left - 7, at + 4}, d.chart.Y.format(tick), textStyle{ink: inkMuted, size: tickSize, anchor: anchorEnd})
	}
	d.canvas.text(point{margin, d.top - 13}, d.chart.Y.Label, textStyle{ink: inkMuted, size: textSize})
	d.xAxis()
}

// xAxis draws the horizontal axis with its ticks below the plot.
func (d *drawing) xAxis() {
	const tickCount = 8
	free := d.left - 1e9
	for _, tick := range d.x.ticks(tickCount) {
		at := d.x.at(tick)
		d.canvas.stroke([]point{{at, d.top}, {at, d.bottom}}, strokeStyle{ink: inkGrid, width: 1})
		text := d.chart.X.format(tick)
		half := textWidth(text, tickSize, false) / 2
		if at-half < free {
			continue // it would touch the one before
		}
		free = at + half + 6
		d.canvas.text(point{at, d.bottom + 16}, text, textStyle{ink: inkMuted, size: tickSize, anchor: anchorMiddle})
	}
	d.canvas.stroke([]point{{d.left, d.bottom}, {d.right, d.bottom}}, strokeStyle{ink: inkMuted, width: 1})
	d.canvas.text(point{(d.left + d.right) / 2, d.bottom + 36}, d.chart.X.Label, textStyle{ink: inkMuted, size: textSize, anchor: anchorMiddle})
}
