package change

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// closeTo compares floating point results.
func closeTo(got, want, tolerance float64) bool {
	return math.Abs(got-want) <= tolerance*math.Max(1, math.Abs(want))
}

// withRankSum returns n values whose sizes are 1 to n and whose positive ones
// add up to w.
func withRankSum(n, w int) []float64 {
	values := make([]float64, n)
	for rank := n; rank >= 1; rank-- {
		values[rank-1] = float64(-rank)
		if rank <= w {
			values[rank-1], w = float64(rank), w-rank
		}
	}
	return values
}

// Critical values as in R. L. McCornack, Extended tables of the Wilcoxon matched
// pair signed rank statistic, JASA 60 (1965): the highest W whose lower tail is
// at most 0.025.
func TestSignedRankAgainstTable(t *testing.T) {
	for n, critical := range map[int]int{6: 0, 8: 3, 10: 8, 12: 13, 15: 25, 20: 52, 25: 89} {
		for w, significant := range map[int]bool{critical: true, critical + 1: false} {
			r, err := SignedRank(withRankSum(n, w))
			if err != nil {
				t.Fatal(err)
			}
			if r.W != float64(w) || (r.Less <= 0.025) != significant {
				t.Errorf("n %d, W %d: got W %g with lower tail %.4f, significant should be %t", n, w, r.W, r.Less, significant)
			}
		}
	}
}

// The depression scores of Hollander and Wolfe, Nonparametric Statistical
// Methods, 1973, p. 29: W 40, one-sided 0.01953.
func TestSignedRankAgainstTextbook(t *testing.T) {
	before := []float64{1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30}
	after := []float64{0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29}
	differences := make([]float64, len(before))
	for i := range before {
		differences[i] = before[i] - after[i]
	}
	r, err := SignedRank(differences)
	if err != nil || r.W != 40 || !closeTo(r.Greater, 0.01953, 5e-6) || !closeTo(r.TwoSided, 0.03906, 5e-6) {
		t.Errorf("got %+v, %v", r, err)
	}
}

// drawCoarse draws numbers of which many are equal and some zero.
func drawCoarse(t *rapid.T, label string, least, most int) []float64 {
	var values []float64
	for _, value := range rapid.SliceOfN(rapid.IntRange(-4, 4), least, most).Draw(t, label) {
		values = append(values, float64(value))
	}
	return values
}

func TestSignedRankAgainstAllSigns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := drawCoarse(t, "values", 1, 10)
		got, err := SignedRank(values)
		if err != nil {
			t.Fatal(err)
		}
		// Turn around the signs in all ways and count.
		var less, greater, all float64
		for signs := range 1 << len(values) {
			w := 0.0
			for i, a := range values {
				rank := 0.5
				for _, b := range values {
					switch {
					case math.Abs(b) < math.Abs(a):
						rank++
					case math.Abs(b) == math.Abs(a):
						rank += 0.5
					}
				}
				if a != 0 && signs>>i&1 == 1 {
					w += rank
				}
			}
			all++
			if w <= got.W {
				less++
			}
			if w >= got.W {
				greater++
			}
		}
		if !closeTo(got.Less, less/all, 1e-12) || !closeTo(got.Greater, greater/all, 1e-12) {
			t.Fatalf("got %+v, counted %g and %g", got, less/all, greater/all)
		}
	})
}

// The approximation for many values agrees with the exact result of as many.
func TestNormalApproximation(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 10 {
		var values []float64
		for range 80 {
			// Two decimals, so that some are equal.
			values = append(values, math.Round(100*math.Abs(random.NormFloat64()))/100)
		}
		ranks := doubledRanks(values)
		sum := 0
		for _, rank := range ranks {
			if random.Float64() < 0.55 {
				sum += rank
			}
		}
		less, greater := signedRankTails(ranks, sum)
		approximateLess, approximateGreater := signedRankNormal(ranks, sum)
		if !closeTo(approximateLess, less, 0.005) || !closeTo(approximateGreater, greater, 0.005) {
			t.Errorf("got %g and %g, exactly %g and %g", approximateLess, approximateGreater, less, greater)
		}
	}
}

func TestSignedRankOfManyEqualValues(t *testing.T) {
	values := make([]float64, signedRankExact+1)
	for i := range values {
		values[i] = 1
	}
	r, err := SignedRank(values)
	if err != nil || r.Greater > 1e-20 || r.Less < 0.999 {
		t.Errorf("all positive: got %+v, %v", r, err)
	}
	clear(values)
	r, err = SignedRank(values)
	if err != nil || r.TwoSided != 1 {
		t.Errorf("all zero: got %+v, %v", r, err)
	}
}

func TestBadValuesAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		values []float64
		want   error
	}{
		"none":     {nil, ErrTooFew},
		"NaN":      {[]float64{1, math.NaN()}, ErrValue},
		"infinite": {[]float64{1, math.Inf(-1)}, ErrValue},
		"huge":     {[]float64{1, 1e200}, ErrValue},
		"too many": {make([]float64, valuesMax+1), ErrTooMany},
	} {
		if _, err := SignedRank(c.values); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
}

func TestMedians(t *testing.T) {
	for _, c := range []struct {
		values         []float64
		median, pseudo float64
	}{
		{[]float64{3}, 3, 3},
		{[]float64{1, 2}, 1.5, 1.5},
		{[]float64{9, 1, 2}, 2, 3.5}, // means 1, 1.5, 2, 5, 5.5, 9
	} {
		before := slices.Clone(c.values)
		if got := pseudoMedian(c.values); got != c.pseudo {
			t.Errorf("pseudo-median of %v is %g, want %g", before, got, c.pseudo)
		}
		if got := Median(c.values); got != c.median {
			t.Errorf("median of %v is %g, want %g", before, got, c.median)
		}
		if !slices.Equal(c.values, before) {
			t.Errorf("%v became %v", before, c.values)
		}
	}
	if got := Median(nil); got != 0 {
		t.Errorf("median of none is %g", got)
	}
}
