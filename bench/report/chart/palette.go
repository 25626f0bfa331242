package chart

import (
	"cmp"
	"image"
	"image/color"
	"maps"
	"slices"
)

// coloursMax is how many colours an image with a palette can have.
const coloursMax = 256

// paletted returns the image with a palette, which takes a third of the space.
// The most frequent colours stay as they are; the rest are shades at the edges of
// letters and become the nearest of those.
func paletted(full *image.RGBA) *image.Paletted {
	counts := map[color.RGBA]int{}
	each(full, func(_ int, c color.RGBA) { counts[c]++ })
	frequent := slices.SortedFunc(maps.Keys(counts), func(a, b color.RGBA) int {
		// Equal counts in a fixed order: the same chart is the same file.
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a.R, b.R), cmp.Compare(a.G, b.G), cmp.Compare(a.B, b.B))
	})
	reduced := image.NewPaletted(full.Rect, nil)
	for _, c := range frequent[:min(len(frequent), coloursMax)] {
		reduced.Palette = append(reduced.Palette, c)
	}
	indices := make(map[color.RGBA]uint8, len(counts))
	for c := range counts {
		indices[c] = uint8(reduced.Palette.Index(c))
	}
	each(full, func(i int, c color.RGBA) { reduced.Pix[i] = indices[c] })
	return reduced
}

// each visits every pixel in order.
func each(full *image.RGBA, visit func(i int, c color.RGBA)) {
	for i := range len(full.Pix) / 4 {
		p := full.Pix[4*i : 4*i+4 : 4*i+4]
		visit(i, color.RGBA{p[0], p[1], p[2], p[3]})
	}
}
