package change

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// Upper critical values of Student's t, from the NIST/SEMATECH e-Handbook of
// Statistical Methods, 1.3.6.7.2, by degrees of freedom and upper tail.
func TestStudentAgainstTable(t *testing.T) {
	for _, c := range []struct{ freedom, tail, critical float64 }{
		{1, 0.10, 3.078},
		{1, 0.025, 12.706},
		{1, 0.01, 31.821},
		{5, 0.05, 2.015},
		{5, 0.025, 2.571},
		{5, 0.001, 5.893},
		{10, 0.05, 1.812},
		{10, 0.025, 2.228},
		{10, 0.001, 4.144},
		{30, 0.01, 2.457},
		{30, 0.025, 2.042},
		{30, 0.001, 3.385},
		{100, 0.05, 1.660},
		{100, 0.025, 1.984},
		{100, 0.001, 3.174},
	} {
		// The table has three decimals.
		above, below := studentTails(c.critical-0.0006, c.freedom), studentTails(c.critical+0.0006, c.freedom)
		if above < 2*c.tail || below > 2*c.tail {
			t.Errorf("t %g of %g: the tail %g is not within %g and %g", c.critical, c.freedom, c.tail, below/2, above/2)
		}
	}
}

// The sleep of ten patients with two drugs, of Student, The probable error of a
// mean, Biometrika 6 (1908): 18 degrees of freedom, p 0.07919.
func TestStudentAgainstPublished(t *testing.T) {
	got := studentP(
		[]float64{0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0},
		[]float64{1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4})
	if !closeTo(got, 0.07919, 5e-6) {
		t.Errorf("got %g", got)
	}
}

// For whole a and b, I_x(a, b) is the probability of at least a successes in
// a+b-1 trials that each succeed with probability x.
func TestIncompleteBetaIsBinomial(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.IntRange(1, 30).Draw(t, "a"), rapid.IntRange(1, 30).Draw(t, "b")
		x := rapid.Float64Range(0, 1).Draw(t, "x")
		trials := a + b - 1
		want := 0.0
		for successes := a; successes <= trials; successes++ {
			ways := 1.0
			for i := range successes {
				ways *= float64(trials-i) / float64(i+1)
			}
			want += ways * math.Pow(x, float64(successes)) * math.Pow(1-x, float64(trials-successes))
		}
		if got := incompleteBeta(x, float64(a), float64(b)); !closeTo(got, want, 1e-11) {
			t.Fatalf("I_%g(%d, %d) is %g, want %g", x, a, b, got, want)
		}
	})
}

func TestStudentOfConstants(t *testing.T) {
	for _, c := range []struct {
		first, second []float64
		want          float64
	}{
		{[]float64{0.1, 0.1, 0.1}, []float64{0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1}, 1},
		{[]float64{1, 1}, []float64{2, 2}, 0},
		{[]float64{2, 2}, []float64{1, 1}, 0},
	} {
		if got := studentP(c.first, c.second); got != c.want {
			t.Errorf("%v and %v: got %g, want %g", c.first, c.second, got, c.want)
		}
	}
}
