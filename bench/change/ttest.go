package change

import "math"

// studentP is the two-sided p-value of Student's t-test that two samples, of at
// least three values in total, of normal values with equal variances have equal
// means.
func studentP(first, second []float64) float64 {
	mean1, variance1 := moments(first)
	mean2, variance2 := moments(second)
	n1, n2 := float64(len(first)), float64(len(second))
	freedom := n1 + n2 - 2
	pooled := ((n1-1)*variance1 + (n2-1)*variance2) / freedom
	if pooled == 0 {
		if mean1 == mean2 {
			return 1
		}
		return 0
	}
	return studentTails((mean2-mean1)/math.Sqrt(pooled*(1/n1+1/n2)), freedom)
}

// studentTails is the probability that Student's t is at least as far from zero:
// I_x(freedom/2, 1/2) with x = freedom/(freedom+t^2), which is 26.7.1 with 26.5.27
// of Abramowitz and Stegun, Handbook of Mathematical Functions.
func studentTails(t, freedom float64) float64 {
	return incompleteBeta(freedom/(freedom+t*t), freedom/2, 0.5)
}

// moments returns mean and variance, the latter over n-1, in two passes: one
// would lose digits where values are large and vary little.
func moments(values []float64) (mean, variance float64) {
	mean = meanOf(values)
	for _, value := range values {
		variance += (value - mean) * (value - mean)
	}
	return mean, variance / float64(len(values)-1)
}

// meanOf adds up distances from the first value, so that the mean of equal
// values is exactly that value and their variance zero, not a rounding error
// that another rounding error could differ from significantly.
func meanOf(values []float64) float64 {
	sum := 0.0
	for _, value := range values {
		sum += value - values[0]
	}
	return values[0] + sum/float64(len(values))
}
