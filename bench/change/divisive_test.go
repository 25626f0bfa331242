package change

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// indexes returns where the mean of values changed.
func indexes(t rapid.TB, values []float64, o DivisiveOptions) []int {
	points, err := EDivisive(values, o)
	if err != nil {
		t.Fatal(err)
	}
	found := []int{}
	for _, point := range points {
		found = append(found, point.Index)
	}
	return found
}

// normal returns count normal values about each of the levels.
func normal(random *rand.Rand, deviation float64, count int, levels ...float64) []float64 {
	var values []float64
	for _, level := range levels {
		for range count {
			values = append(values, level+deviation*random.NormFloat64())
		}
	}
	return values
}

// dumbSplit is bestSplit from its formula.
func dumbSplit(values []float64) (heights []float64) {
	mean := func(a, b []float64, within bool) float64 {
		sum, count := 0.0, 0.0
		for i, x := range a {
			for j, y := range b {
				if !within || i < j {
					sum += math.Abs(x - y)
					count++
				}
			}
		}
		return sum / count
	}
	for split := splitMin; split <= len(values)-splitMin; split++ {
		x, y := values[:split], values[split:]
		n, m := float64(len(x)), float64(len(y))
		heights = append(heights, n*m/(n+m)*(2*mean(x, y, false)-mean(x, x, true)-mean(y, y, true)))
	}
	return heights
}

func TestBestSplitAgainstFormula(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Float64Range(-1000, 1000), 0, 40).Draw(t, "values")
		split, q := bestSplit(values)
		heights := dumbSplit(values)
		if len(heights) == 0 {
			if split != 0 {
				t.Fatalf("%d values are split at %d", len(values), split)
			}
			return
		}
		// Two places may be equally good, up to rounding.
		if at := heights[split-splitMin]; !closeTo(q, at, 1e-9) || !closeTo(at, slices.Max(heights), 1e-9) {
			t.Fatalf("split at %d with %g, the formula has %g there and at most %g", split, q, at, slices.Max(heights))
		}
	})
}

func TestPlantedStepIsFound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before, after := rapid.IntRange(6, 90).Draw(t, "before"), rapid.IntRange(6, 90).Draw(t, "after")
		step := rapid.SampledFrom([]float64{-20, 20}).Draw(t, "step")
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		values := make([]float64, before+after)
		for i := range values {
			values[i] = 100 + 2*random.Float64()
			if i >= before {
				values[i] += step
			}
		}
		// Smaller ones than the step may be in the noise by chance.
		found := indexes(t, values, DivisiveOptions{Smallest: 0.1})
		if !slices.Equal(found, []int{before}) {
			t.Fatalf("a step at %d of %d values was found at %v", before, len(values), found)
		}
	})
}

func TestConstantSeriesHaveNoChange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := make([]float64, rapid.IntRange(0, 300).Draw(t, "count"))
		level := rapid.Float64Range(-1e9, 1e9).Draw(t, "level")
		for i := range values {
			values[i] = level
		}
		if found := indexes(t, values, DivisiveOptions{}); len(found) > 0 {
			t.Fatalf("%d times %g changes at %v", len(values), level, found)
		}
	})
}

// Noise alone seems to change now and then: each series has many places.
func TestNoiseSeldomHasAChange(t *testing.T) {
	const series = 1000
	for name, next := range map[string]func(*rand.Rand) float64{
		"normal":  (*rand.Rand).NormFloat64,
		"uniform": (*rand.Rand).Float64,
		"heavy":   func(random *rand.Rand) float64 { return math.Exp(random.NormFloat64()) },
		"outliers": func(random *rand.Rand) float64 {
			value := 1 + 0.05*random.NormFloat64()
			if random.IntN(20) == 0 {
				value *= 1 + random.Float64()
			}
			return value
		},
	} {
		random := rand.New(rand.NewPCG(7, 7))
		flagged := 0
		for range series {
			values := make([]float64, 100)
			for i := range values {
				values[i] = next(random)
			}
			if len(indexes(t, values, DivisiveOptions{})) > 0 {
				flagged++
			}
		}
		t.Logf("%s: %d of %d series of 100 values have a change", name, flagged, series)
		if flagged > series*2/100 {
			t.Errorf("%s: %d of %d series have a change", name, flagged, series)
		}
	}
}

func TestStepsAmongNoise(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for _, c := range []struct {
		name   string
		values []float64
		want   []int
	}{
		{"up and down again soon", slices.Concat(normal(random, 1, 60, 100), normal(random, 1, 6, 120), normal(random, 1, 60, 100)), []int{60, 66}},
		{"four levels", normal(random, 1, 40, 100, 110, 95, 105), []int{40, 80, 120}},
		{"one outlier", slices.Concat(normal(random, 1, 30, 100), []float64{200}, normal(random, 1, 30, 100)), []int{}},
		{"only two runs so far", slices.Concat(normal(random, 1, 30, 100), []float64{120, 120}), []int{}},
		{"two of many", slices.Concat(normal(random, 1, 30, 100), []float64{120, 120}, normal(random, 1, 30, 100)), []int{}},
		{"three runs", slices.Concat(normal(random, 1, 30, 100), []float64{120, 119, 121}), []int{30}},
		{"a step far along", slices.Concat(normal(random, 1, 700, 100), normal(random, 1, 300, 105)), []int{700}},
	} {
		if found := indexes(t, c.values, DivisiveOptions{Smallest: 0.02}); !slices.Equal(found, c.want) {
			t.Errorf("%s: found %v, want %v", c.name, found, c.want)
		}
	}
}

// A step that has lasted for three runs only is found if it is some deviations
// high.
func TestStepOfThreeRunsIsFound(t *testing.T) {
	for deviations, least := range map[float64]int{5: 950, 10: 1000} {
		random := rand.New(rand.NewPCG(8, 9))
		found := 0
		for range 1000 {
			values := slices.Concat(normal(random, 1, 60, 100), normal(random, 1, segmentMin, 100+deviations))
			if slices.Contains(indexes(t, values, DivisiveOptions{}), 60) {
				found++
			}
		}
		t.Logf("%g deviations: found in %d of 1000", deviations, found)
		if found < least {
			t.Errorf("%g deviations: found in %d of 1000, want %d", deviations, found, least)
		}
	}
}

func TestSmallestChange(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	values := normal(random, 0.5, 30, 100, 103, 115)
	for smallest, want := range map[float64][]int{0: {30, 60}, 0.05: {60}, 0.5: {}} {
		points, err := EDivisive(values, DivisiveOptions{Smallest: smallest})
		if err != nil {
			t.Fatal(err)
		}
		if found := indexes(t, values, DivisiveOptions{Smallest: smallest}); !slices.Equal(found, want) {
			t.Errorf("smallest %g: found %v, want %v", smallest, found, want)
		}
		if smallest == 0.05 && len(points) == 1 && !closeTo(points[0].Before, 101.5, 0.01) {
			t.Errorf("the mean before is %g, that of both levels is about 101.5", points[0].Before)
		}
	}
}

// A change of unit changes nothing but the means.
func TestUnitsDoNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		values := normal(random, 1, rapid.IntRange(5, 40).Draw(t, "count"), 10, 12, 10)
		scaled := slices.Clone(values)
		for i := range scaled {
			scaled[i] *= 1024 // exactly
		}
		if a, b := indexes(t, values, DivisiveOptions{}), indexes(t, scaled, DivisiveOptions{}); !slices.Equal(a, b) {
			t.Fatalf("changes at %v, scaled at %v", a, b)
		}
	})
}

func TestDivisiveRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		values []float64
		o      DivisiveOptions
		want   error
	}{
		"too long":    {make([]float64, valuesMax+1), DivisiveOptions{}, ErrTooMany},
		"NaN":         {[]float64{math.NaN()}, DivisiveOptions{}, ErrValue},
		"p":           {nil, DivisiveOptions{P: 0.5}, ErrOptions},
		"NaN as p":    {nil, DivisiveOptions{P: math.NaN()}, ErrOptions},
		"small":       {nil, DivisiveOptions{Smallest: -1}, ErrOptions},
		"window":      {nil, DivisiveOptions{Window: 5}, ErrOptions},
		"wide window": {nil, DivisiveOptions{Window: 5000}, ErrOptions},
	} {
		if _, err := EDivisive(c.values, c.o); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
}

func ExampleEDivisive() {
	points, err := EDivisive([]float64{10, 11, 10, 12, 11, 10, 15, 16, 15, 14, 15, 16}, DivisiveOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, point := range points {
		fmt.Printf("at %d from %.1f to %.1f\n", point.Index, point.Before, point.After)
	}
	// Output: at 6 from 10.7 to 15.2
}
