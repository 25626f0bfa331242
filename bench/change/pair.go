package change

import (
	"fmt"
	"math"
)

// Direction says which way a figure is better.
type Direction string

const (
	// Higher is better: a rate.
	Higher Direction = "higher"
	// Lower is better: a latency.
	Lower Direction = "lower"
)

// Pair is one figure of two runs made one right after the other.
type Pair struct{ Base, Head float64 }

// slowdown returns the logarithm of how much worse head was: above zero when it
// was worse, and the same for a latency that doubled and a rate that halved.
func (p Pair) slowdown(better Direction) (float64, error) {
	for _, value := range []float64{p.Base, p.Head} {
		if !(value > 0) || math.IsInf(value, 1) {
			return 0, fmt.Errorf("%w: base %g, head %g", ErrPair, p.Base, p.Head)
		}
	}
	// Not the logarithm of the quotient, which may overflow.
	slowdown := math.Log(p.Head) - math.Log(p.Base)
	if better == Higher {
		slowdown = -slowdown
	}
	return slowdown, nil
}
