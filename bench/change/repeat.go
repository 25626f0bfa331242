package change

import (
	"fmt"
	"math"
)

// Decision is what is known so far.
type Decision string

const (
	// More means that further pairs are needed.
	More Decision = "more"
	// Slower means that head is slower than base.
	Slower Decision = "slower"
	// NotSlower means that head is not slower by as much as is sought.
	NotSlower Decision = "not slower"
	// Undecided means that the most pairs were made and neither was shown. The
	// machine is too noisy for so few, or the slowdown is close to Ignored.
	Undecided Decision = "undecided"
)

// Repeat is what one series of pairs says.
type Repeat struct {
	Decision Decision
	// Pairs is how many there were.
	Pairs int
	// What follows is as of the last look at them, of LookedAt pairs; zero
	// before the first.
	LookedAt int
	// Slowdown is the estimate of how many times slower head is: 1.1 for a
	// latency ten percent above, or a rate of base/1.1.
	Slowdown float64
	// NoneP is the p-value of no slowdown, SoughtP that of the one that is
	// sought: small if the pairs speak against it.
	NoneP, SoughtP float64
}

// series is a repeat that is being made.
type series struct {
	options   GateOptions // complete
	slowdowns []float64   // logarithms
	state     Repeat
}

func newSeries(complete GateOptions) *series {
	return &series{options: complete, state: Repeat{Decision: More}}
}

// add adds a pair and looks at all if it is time to.
func (s *series) add(p Pair) error {
	slowdown, err := p.slowdown(s.options.Better)
	if err != nil {
		return err
	}
	s.slowdowns = append(s.slowdowns, slowdown)
	s.state.Pairs++
	for look, pairs := range s.options.looks() {
		if pairs == s.state.Pairs {
			return s.look(look)
		}
	}
	return nil
}

// look decides, if it can be decided.
func (s *series) look(look int) error {
	o := s.options
	looks := len(o.looks())
	none, err := SignedRank(s.slowdowns)
	if err != nil {
		return fmt.Errorf("change: look at pairs: %w", err)
	}
	sought := math.Log1p(o.Sought)
	short := make([]float64, len(s.slowdowns)) // of the one that is sought
	for i, slowdown := range s.slowdowns {
		short[i] = slowdown - sought
	}
	whole, err := SignedRank(short)
	if err != nil {
		return fmt.Errorf("change: look at pairs: %w", err)
	}
	estimate := math.Exp(pseudoMedian(s.slowdowns))
	s.state.LookedAt, s.state.Slowdown = len(s.slowdowns), estimate
	s.state.NoneP, s.state.SoughtP = none.Greater, whole.Less
	big := estimate >= 1+o.Ignored
	switch {
	case big && none.Greater <= o.FalseAlarm/float64(looks):
		s.state.Decision = Slower
	case !big && whole.Less <= o.Miss/float64(looks):
		s.state.Decision = NotSlower
	case look == looks-1:
		s.state.Decision = Undecided
	}
	return nil
}
