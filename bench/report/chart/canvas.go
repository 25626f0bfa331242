package chart

import (
	"sync"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
)

// point is a place in pixels, y downwards.
type point struct{ x, y float64 }

// canvas is what a chart is drawn on.
type canvas interface {
	// rect fills a rectangle.
	rect(x, y, w, h float64, fill ink)
	// stroke draws an open line. A title is a tooltip where there are any.
	stroke(points []point, style strokeStyle)
	// dot fills a circle.
	dot(at point, radius float64, fill ink, title string)
	// text writes one line; y is its baseline.
	text(at point, content string, style textStyle)
}

// strokeStyle is how a line looks.
type strokeStyle struct {
	ink    ink
	width  float64
	dashed bool
	faint  bool
	title  string
}

// anchor says which end of a text is at its place.
type anchor int

const (
	anchorStart anchor = iota
	anchorMiddle
	anchorEnd
)

// textStyle is how a text looks.
type textStyle struct {
	ink    ink
	size   float64
	anchor anchor
	bold   bool
}

// faceKey is a font in one size.
type faceKey struct {
	size float64
	bold bool
}

// faces are the fonts made so far. A face is not safe for concurrent use, so
// the lock is held while one is used.
var faces = struct {
	sync.Mutex
	made map[faceKey]font.Face
}{made: map[faceKey]font.Face{}}

// withFace calls use with a font of that size in pixels.
func withFace(size float64, bold bool, use func(font.Face)) {
	faces.Lock()
	defer faces.Unlock()
	key := faceKey{size, bold}
	face := faces.made[key]
	if face == nil {
		data := goregular.TTF
		if bold {
			data = gobold.TTF
		}
		// The fonts are compiled in, so that neither call can fail.
		parsed, err := opentype.Parse(data)
		if err != nil {
			return
		}
		const pointsPerInch = 72 // a point is a pixel
		face, err = opentype.NewFace(parsed, &opentype.FaceOptions{Size: size, DPI: pointsPerInch, Hinting: font.HintingNone})
		if err != nil {
			return
		}
		faces.made[key] = face
	}
	use(face)
}

// textWidth is about how wide a text is, in pixels. Browsers use other fonts,
// which are hardly wider than this one.
func textWidth(content string, size float64, bold bool) float64 {
	var wide float64
	withFace(size, bold, func(face font.Face) { wide = float64(font.MeasureString(face, content)) / 64 })
	return wide
}

// shorten cuts a text so that it is no wider than that.
func shorten(content string, size, widest float64) string {
	if textWidth(content, size, false) <= widest {
		return content
	}
	letters := []rune(content)
	for len(letters) > 1 && textWidth(string(letters)+"…", size, false) > widest {
		letters = letters[:len(letters)-1]
	}
	return string(letters) + "…"
}
