package chart

import (
	"fmt"
	"io"
	"strings"
)

// SVG writes the chart as an svg element for a page that has [Style]. It is
// well-formed XML, and all texts are escaped. The error is ErrEmpty or that of
// w.
func SVG(w io.Writer, c Chart) error {
	wide, high := c.size()
	s := new(svg)
	fmt.Fprintf(s, `<svg xmlns="http://www.w3.org/2000/svg" class="chart" role="img" aria-label="%s" viewBox="0 0 %g %g">`+"\n", Escape(c.Title), wide, high)
	if err := c.draw(s); err != nil {
		return err
	}
	s.WriteString("</svg>\n")
	if _, err := io.WriteString(w, s.String()); err != nil {
		return fmt.Errorf("chart: write %s: %w", c.Name, err)
	}
	return nil
}

// Escape makes a text safe inside an element or attribute of XML and HTML.
// Characters that XML cannot hold become question marks.
func Escape(text string) string {
	clean := strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r == 0xfffe || r == 0xffff {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	return escaper.Replace(clean)
}

var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#39;")

// svg is a canvas of elements.
type svg struct{ strings.Builder }

// end ends an element, with a title inside it if there is one.
func (s *svg) end(name, title string) {
	if title == "" {
		s.WriteString("/>\n")
		return
	}
	fmt.Fprintf(s, "><title>%s</title></%s>\n", Escape(title), name)
}

func (s *svg) rect(x, y, w, h float64, fill ink) {
	fmt.Fprintf(s, `<rect class="f-%s" x="%s" y="%s" width="%s" height="%s"/>`+"\n", fill, number(x), number(y), number(w), number(h))
}

func (s *svg) stroke(points []point, style strokeStyle) {
	list := make([]string, len(points))
	for i, p := range points {
		list[i] = number(p.x) + "," + number(p.y)
	}
	fmt.Fprintf(s, `<polyline class="l-%s" stroke-width="%s" stroke-linejoin="round" points="%s"`, style.ink, number(style.width), strings.Join(list, " "))
	if style.dashed {
		s.WriteString(` stroke-dasharray="5 4"`)
	}
	if style.faint {
		fmt.Fprintf(s, ` opacity="%g"`, faintness)
	}
	s.end("polyline", style.title)
}

func (s *svg) dot(at point, radius float64, fill ink, title string) {
	fmt.Fprintf(s, `<circle class="f-%s" cx="%s" cy="%s" r="%s"`, fill, number(at.x), number(at.y), number(radius))
	s.end("circle", title)
}

func (s *svg) text(at point, content string, style textStyle) {
	fmt.Fprintf(s, `<text class="f-%s" x="%s" y="%s" font-size="%s"`, style.ink, number(at.x), number(at.y), number(style.size))
	switch style.anchor {
	case anchorMiddle:
		s.WriteString(` text-anchor="middle"`)
	case anchorEnd:
		s.WriteString(` text-anchor="end"`)
	}
	if style.bold {
		s.WriteString(` font-weight="600"`)
	}
	fmt.Fprintf(s, ">%s</text>\n", Escape(content))
}

// number renders a length with a tenth of a pixel.
func number(value float64) string {
	return strings.TrimSuffix(fmt.Sprintf("%.1f", value), ".0")
}
