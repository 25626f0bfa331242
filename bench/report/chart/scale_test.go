package chart

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

func TestTicks(t *testing.T) {
	for name, c := range map[string]struct {
		scale  Scale
		values []float64
		want   []float64
	}{
		"linear":        {Linear, []float64{3, 42}, []float64{0, 10, 20, 30, 40}},
		"linear, small": {Linear, []float64{0.3}, []float64{0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3}},
		"linear, zero":  {Linear, []float64{0, 0}, []float64{0, 0.2, 0.4, 0.6, 0.8, 1}},
		"log":           {Log, []float64{120, 900}, []float64{100, 200, 500, 1000}},
		"log, decades":  {Log, []float64{1, 9e5}, []float64{1, 10, 100, 1000, 1e4, 1e5, 1e6}},
		"log, many":     {Log, []float64{1, 1e16}, []float64{1, 1e2, 1e4, 1e6, 1e8, 1e10, 1e12, 1e14, 1e16}},
		"log, one":      {Log, []float64{100}, []float64{10, 20, 50, 100, 200, 500, 1000}},
		"nines":         {Nines, []float64{0, 0.9995}, []float64{0, 0.5, 0.9, 0.99, 0.999}},
		"nines, none":   {Nines, []float64{0.2}, []float64{0, 0.5, 0.9}},
	} {
		got := newScale(c.scale, c.values, 0, 100).ticks(8)
		if diff := cmp.Diff(c.want, got, cmpopts.EquateApprox(1e-9, 1e-12)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestNinesAreEquallyFarApart(t *testing.T) {
	s := newScale(Nines, []float64{0, 0.9999}, 0, 400)
	for i, quantile := range []float64{0, 0.9, 0.99, 0.999, 0.9999} {
		if at := s.at(quantile); math.Abs(at-100*float64(i)) > 1e-6 {
			t.Errorf("%v is at %v, want %d", quantile, at, 100*i)
		}
	}
}

func TestScalesKeepOrderAndBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom([]Scale{Linear, Log, Nines}).Draw(t, "scale")
		values := rapid.Float64Range(0.001, 1e12)
		if kind == Nines {
			values = rapid.Float64Range(0, 1)
		}
		low := values.Draw(t, "low")
		high := max(low, values.Draw(t, "high"))
		s := newScale(kind, []float64{low, high}, 10, 300)
		a, b := s.at(low), s.at(high)
		if a > b || a < 10 || b > 300 || math.IsNaN(a+b) {
			t.Fatalf("%v is at %v, %v at %v", low, a, high, b)
		}
		ticks := s.ticks(8)
		const most = 14
		if len(ticks) < 2 || len(ticks) > most {
			t.Fatalf("%d ticks: %v", len(ticks), ticks)
		}
		for i := 1; i < len(ticks); i++ {
			if s.at(ticks[i]) <= s.at(ticks[i-1]) {
				t.Fatalf("ticks %v do not rise", ticks)
			}
		}
	})
}

func TestPercent(t *testing.T) {
	for quantile, want := range map[float64]string{0: "0 %", 0.5: "50 %", 0.9: "90 %", 0.999: "99.9 %", 1 - 1e-6: "99.9999 %"} {
		if got := Percent(quantile); got != want {
			t.Errorf("%v is %q, want %q", quantile, got, want)
		}
	}
}

func TestLabelsDoNotOverlap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		places := rapid.SliceOfN(rapid.Float64Range(60, 340), 1, 15).Draw(t, "places")
		var labels []label
		for _, y := range places {
			labels = append(labels, label{y: y})
		}
		d := &drawing{canvas: new(svg), top: 60, bottom: 350, right: 500}
		d.labels(labels)
		for i := 1; i < len(labels); i++ {
			if labels[i].y-labels[i-1].y < labelGap-1e-9 {
				t.Fatalf("labels at %v and %v", labels[i-1].y, labels[i].y)
			}
		}
		if labels[0].y < 60 || labels[len(labels)-1].y > 350 {
			t.Fatalf("labels from %v to %v", labels[0].y, labels[len(labels)-1].y)
		}
	})
}

func TestShorten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		widest := rapid.Float64Range(30, 300).Draw(t, "widest")
		short := shorten(text, textSize, widest)
		if textWidth(text, textSize, false) <= widest && short != text {
			t.Fatalf("%q became %q without need", text, short)
		}
		if len([]rune(short)) > 2 && textWidth(short, textSize, false) > widest {
			t.Fatalf("%q is wider than %v", short, widest)
		}
	})
}
