package change

import "cmp"

// GateOptions configure a Gate. Zero values mean the defaults.
type GateOptions struct {
	// Better says which way the figure is better. It has no default.
	Better Direction
	// Sought is the slowdown that must be found, as a fraction. Default 0.1.
	Sought float64
	// Ignored is the slowdown below which nothing is called slower, however
	// sure it is: above zero and below Sought. Default Sought/2.
	Ignored float64
	// FalseAlarm is the probability with which one repeat may call slower what
	// is no slower: at most 0.5. That of the gate is its third power. Default 0.1.
	FalseAlarm float64
	// Miss is the probability with which one repeat may call not slower what is
	// slower by Sought: at most 0.5. That of the gate is three times it. Default
	// 0.01.
	Miss float64
	// PairsMin and PairsMax are the pairs at the first and at the last look of
	// a repeat: at least 5 and at most 512. Defaults 10 and 120.
	PairsMin, PairsMax int
	// Repeats is how many repeats must all say slower: at most 10. Default 3.
	Repeats int
}

const (
	pairsLeast  = 5
	pairsMost   = 512
	repeatsMost = 10
)

// complete fills in defaults and checks the rest.
func (o GateOptions) complete() (GateOptions, error) {
	o.Sought = cmp.Or(o.Sought, 0.1)
	o.Ignored = cmp.Or(o.Ignored, o.Sought/2)
	o.FalseAlarm = cmp.Or(o.FalseAlarm, 0.1)
	o.Miss = cmp.Or(o.Miss, 0.01)
	o.PairsMin = cmp.Or(o.PairsMin, 10)
	o.PairsMax = cmp.Or(o.PairsMax, max(120, o.PairsMin))
	o.Repeats = cmp.Or(o.Repeats, 3)

	var wrong complaints
	level := func(p float64) bool { return p > 0 && p <= 0.5 }
	wrong.unless(o.Better == Higher || o.Better == Lower, "Better %q is neither %q nor %q", o.Better, Higher, Lower)
	wrong.unless(o.Ignored > 0 && o.Ignored < o.Sought && o.Sought <= 10, "0 < Ignored %g < Sought %g <= 10 does not hold", o.Ignored, o.Sought)
	wrong.unless(level(o.FalseAlarm), "FalseAlarm %g is not above 0 and at most 0.5", o.FalseAlarm)
	wrong.unless(level(o.Miss), "Miss %g is not above 0 and at most 0.5", o.Miss)
	wrong.unless(o.PairsMin >= pairsLeast && o.PairsMin <= o.PairsMax && o.PairsMax <= pairsMost,
		"%d <= PairsMin %d <= PairsMax %d <= %d does not hold", pairsLeast, o.PairsMin, o.PairsMax, pairsMost)
	wrong.unless(o.Repeats >= 1 && o.Repeats <= repeatsMost, "Repeats %d is not 1 to %d", o.Repeats, repeatsMost)
	return o, wrong.all()
}

// looks returns after how many pairs a repeat is looked at: half as many again
// each time.
func (o GateOptions) looks() []int {
	var looks []int
	for pairs := o.PairsMin; pairs < o.PairsMax; pairs += (pairs + 1) / 2 {
		looks = append(looks, pairs)
	}
	return append(looks, o.PairsMax)
}

// Gate decides from pairs of runs whether head is slower than base; the package
// documentation says how. It is for one figure: give each figure of the same
// pairs a gate of its own, and run pairs until none wants more. A Gate is not for
// use by several goroutines at once.
type Gate struct {
	options GateOptions
	done    []Repeat
	current *series
}

// NewGate returns a gate without pairs. Options that make no sense are
// ErrOptions.
func NewGate(o GateOptions) (*Gate, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	return &Gate{options: o, current: newSeries(o)}, nil
}

// HeadFirst says whether head should be run before base in the next pair.
func (g *Gate) HeadFirst() bool { return g.current.state.Pairs%2 == 1 }

// Add adds the next pair. One whose values are not above zero and finite is
// ErrPair and does not count; one that comes when all is decided is ErrDecided.
func (g *Gate) Add(p Pair) error {
	if g.Decision() != More {
		return ErrDecided
	}
	if err := g.current.add(p); err != nil {
		return err
	}
	if g.current.state.Decision == Slower && len(g.done)+1 < g.options.Repeats {
		g.done = append(g.done, g.current.state)
		g.current = newSeries(g.options)
	}
	return nil
}

// Decision returns More until the gate is done: then Slower if all repeats said
// so, and otherwise what the last one said. Only Slower is a reason to fail.
func (g *Gate) Decision() Decision { return g.current.state.Decision }

// Repeats returns what the repeats say, the one being made included: it is the
// last one.
func (g *Gate) Repeats() []Repeat {
	return append(append([]Repeat{}, g.done...), g.current.state)
}
