package change

import (
	"cmp"
	"math"
	"slices"
)

// doubledRanks returns twice the rank of each value, counted from 1, equal
// values sharing the mean of their ranks; doubled, ranks are whole numbers.
func doubledRanks(values []float64) []int {
	order := make([]int, len(values))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(values[a], values[b]) })
	ranks := make([]int, len(values))
	for from := 0; from < len(order); {
		to := from + 1
		for to < len(order) && values[order[to]] == values[order[from]] {
			to++
		}
		for _, i := range order[from:to] {
			ranks[i] = from + to + 1
		}
		from = to
	}
	return ranks
}

// Median returns the middle of values, or the mean of the two middle ones; 0 of
// none. It leaves the slice as it is.
func Median(values []float64) float64 { return middle(slices.Clone(values)) }

// middle is Median of values that it may sort.
func middle(values []float64) float64 {
	slices.Sort(values)
	half := len(values) / 2
	switch {
	case len(values) == 0:
		return 0
	case len(values)%2 == 1:
		return values[half]
	}
	return (values[half-1] + values[half]) / 2
}

// pseudoMedian returns the estimate of Hodges and Lehmann: the median of the
// means of all pairs of values, each value with itself included. It takes memory
// for n(n+1)/2 numbers.
func pseudoMedian(values []float64) float64 {
	means := make([]float64, 0, len(values)*(len(values)+1)/2)
	for i, a := range values {
		for _, b := range values[i:] {
			means = append(means, (a+b)/2)
		}
	}
	return middle(means)
}

// normalTail returns the probability that a standard normal is at least z.
func normalTail(z float64) float64 { return math.Erfc(z/math.Sqrt2) / 2 }

// twoSided doubles the smaller tail.
func twoSided(less, greater float64) float64 { return min(1, 2*min(less, greater)) }
