package chart

// heat draws a heat map with its key at the right.
func (d *drawing) heat() error {
	const keyWidth = 74.0
	var xs, ys []float64
	for _, c := range d.chart.Heat {
		xs, ys = append(xs, c.Left, c.Right), append(ys, c.Low, c.High)
	}
	d.frame(xs, ys, keyWidth)
	for _, c := range d.chart.Heat {
		left, right := d.x.at(c.Left), d.x.at(c.Right)
		high, low := d.y.at(c.High), d.y.at(c.Low)
		d.canvas.rect(left, high, right-left, low-high, shadeInk(c.Share))
	}
	d.key()
	return nil
}

// key explains the shades.
func (d *drawing) key() {
	const swatch = 13.0
	x, y := d.right+16, d.top+6
	texts := map[int]string{0: "0.1 %", 2: "1 %", 5: "10 %", shades - 1: "100 %"}
	for i := range shades {
		at := y + float64(shades-1-i)*swatch
		share := [...]float64{0.001, 0.003, 0.008, 0.02, 0.05, 0.1, 0.3, 1}[i]
		d.canvas.rect(x, at, swatch, swatch, shadeInk(share))
		if text, marked := texts[i]; marked {
			d.canvas.text(point{x + swatch + 5, at + 10}, text, textStyle{ink: inkMuted, size: tickSize})
		}
	}
}
