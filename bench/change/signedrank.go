package change

import "math"

// SignedRankResult is that of a signed-rank test.
type SignedRankResult struct {
	// W is the sum of the ranks of the positive values.
	W float64
	// Greater is the probability of a W at least as high, were the values
	// symmetric about zero: small if they lie above it. Less is that of one at
	// most as high, TwoSided twice the smaller, at most 1.
	Less, Greater, TwoSided float64
}

// signedRankExact is up to how many values the distribution is computed; one
// of so many takes two million additions.
const signedRankExact = 128

// SignedRank is the test of Wilcoxon that values lie symmetrically about zero.
// Equal sizes share their ranks; zeros take part in the ranking and are then
// left out (Pratt), so that a zero never makes a result more significant. Up to
// 128 values that are not zero the probabilities are exact, also with equal
// sizes: given the sizes, each of the 2^n assignments of signs is equally
// likely. Above it is the normal approximation, corrected for continuity. At least
// one and at most 10,000 values are taken; errors are ErrTooFew, ErrTooMany and
// ErrValue.
func SignedRank(values []float64) (SignedRankResult, error) {
	if err := check(values, 1); err != nil {
		return SignedRankResult{}, err
	}
	sizes := make([]float64, len(values))
	for i, value := range values {
		sizes[i] = math.Abs(value)
	}
	all := doubledRanks(sizes)
	var ranks []int
	w := 0
	for i, value := range values {
		if value != 0 {
			ranks = append(ranks, all[i])
		}
		if value > 0 {
			w += all[i]
		}
	}
	r := SignedRankResult{W: float64(w) / 2}
	if len(ranks) <= signedRankExact {
		r.Less, r.Greater = signedRankTails(ranks, w)
	} else {
		r.Less, r.Greater = signedRankNormal(ranks, w)
	}
	r.TwoSided = twoSided(r.Less, r.Greater)
	return r, nil
}

// signedRankTails returns the probabilities that the sum of a random subset of
// ranks is at most, and at least, w. It adds one rank after the other to the
// distribution of the sum.
func signedRankTails(ranks []int, w int) (atMost, atLeast float64) {
	total := 0
	for _, rank := range ranks {
		total += rank
	}
	probability := make([]float64, total+1)
	probability[0] = 1
	reach := 0
	for _, rank := range ranks {
		reach += rank
		for sum := reach; sum >= 0; sum-- {
			probability[sum] /= 2
			if sum >= rank {
				probability[sum] += probability[sum-rank] / 2
			}
		}
	}
	for sum, p := range probability {
		if sum <= w {
			atMost += p
		}
		if sum >= w {
			atLeast += p
		}
	}
	return min(atMost, 1), min(atLeast, 1)
}

// signedRankNormal is the approximation of signedRankTails: the sum has half the
// sum of ranks as its mean and a quarter of the sum of their squares as its
// variance. Ranks are doubled, so the correction for half a rank is 1.
func signedRankNormal(ranks []int, w int) (atMost, atLeast float64) {
	var mean, variance float64
	for _, rank := range ranks {
		mean += float64(rank) / 2
		variance += float64(rank) * float64(rank) / 4
	}
	deviation := math.Sqrt(variance)
	return normalTail((mean - float64(w) - 1) / deviation), normalTail((float64(w) - mean - 1) / deviation)
}
