package change

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// The simulation plants a slowdown, lets the gate ask for runs of a machine with
// a given noise, and counts what it says.

// machine returns how many times longer than usual the next run takes.
type machine func() float64

// noise makes a machine.
type noise func(*rand.Rand) machine

// steady is a machine whose runs vary like a normal logarithm.
func steady(deviation float64) noise {
	return func(random *rand.Rand) machine {
		return func() float64 { return math.Exp(deviation * random.NormFloat64()) }
	}
}

// contaminated is a steady machine of which one run in ten takes up to twice as
// long.
func contaminated(deviation float64) noise {
	return func(random *rand.Rand) machine {
		run := steady(deviation)(random)
		return func() float64 {
			if random.Float64() < 0.1 {
				return run() * (1 + random.Float64())
			}
			return run()
		}
	}
}

// drifting is a contaminated machine that gets slower by 0.3 % with each run,
// wanders by 3 % a run, which it forgets in ten, and in one run in fifty gets a
// neighbour who takes a third of it for ten runs.
func drifting(deviation float64) noise {
	return func(random *rand.Rand) machine {
		run := contaminated(deviation)(random)
		trend, wander, neighbour := 0.0, 0.0, 0
		return func() float64 {
			trend += 0.003
			wander = 0.9*wander + 0.03*random.NormFloat64()
			if random.IntN(50) == 0 {
				neighbour = 10
			}
			level := math.Exp(trend + wander)
			if neighbour > 0 {
				neighbour--
				level *= 1.5
			}
			return level * run()
		}
	}
}

// twoModes is a machine that takes an eighth longer in one of three runs: memory
// that lies badly.
func twoModes(deviation float64) noise {
	return func(random *rand.Rand) machine {
		run := steady(deviation)(random)
		return func() float64 {
			if random.IntN(3) == 0 {
				return 1.125 * run()
			}
			return run()
		}
	}
}

// decider is a gate or what pretends to be one.
type decider interface {
	HeadFirst() bool
	Add(p Pair) error
	Decision() Decision
}

// newGate makes the gate as it is by default.
func newGate(t testing.TB) decider {
	g, err := NewGate(GateOptions{Better: Lower})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// feed makes pairs of runs until g is done and returns how many it took.
func feed(t testing.TB, g decider, run machine, slowdown float64) (pairs int) {
	for ; g.Decision() == More; pairs++ {
		first, second := run(), run()
		p := Pair{Base: first, Head: second * slowdown}
		if g.HeadFirst() {
			p = Pair{Base: second, Head: first * slowdown}
		}
		if err := g.Add(p); err != nil {
			t.Fatal(err)
		}
	}
	return pairs
}

// outcome is what many gates said.
type outcome struct {
	slower, undecided float64 // shares
	usual, many       int     // median and 95th percentile of pairs
}

// simulate makes gates, each on a machine of its own.
func simulate(t testing.TB, gate func(testing.TB) decider, on noise, slowdown float64, gates int) outcome {
	random := rand.New(rand.NewPCG(2026, 8))
	var result outcome
	pairs := make([]int, gates)
	for i := range pairs {
		g := gate(t)
		pairs[i] = feed(t, g, on(random), slowdown)
		switch g.Decision() {
		case Slower:
			result.slower += 1 / float64(gates)
		case Undecided:
			result.undecided += 1 / float64(gates)
		}
	}
	slices.Sort(pairs)
	result.usual, result.many = pairs[gates/2], pairs[gates*95/100]
	return result
}

// What the package documentation promises: shares of gates.
const (
	foundLeast = 0.95 // 19 of 20
	falseMost  = 0.01 // 1 of 20 is asked for
)

func TestGateFindsSlowdownsAndLeavesTheRestAlone(t *testing.T) {
	for _, m := range []struct {
		name string
		on   noise
		// promised is false where the machine is too noisy: that is printed.
		promised bool
	}{
		{"normal 3 %", steady(0.03), true},
		{"normal 5 %", steady(0.05), true},
		{"normal 8 %", steady(0.08), true},
		{"normal 12 %", steady(0.12), true},
		{"normal 15 %", steady(0.15), false},
		{"normal 20 %", steady(0.20), false},
		{"contaminated 3 %", contaminated(0.03), true},
		{"contaminated 5 %", contaminated(0.05), true},
		{"contaminated 8 %", contaminated(0.08), true},
		{"contaminated 15 %", contaminated(0.15), false},
		{"drifting 3 %", drifting(0.03), true},
		{"drifting 5 %", drifting(0.05), true},
		{"drifting 8 %", drifting(0.08), true},
		{"drifting 15 %", drifting(0.15), false},
		{"two modes 5 %", twoModes(0.05), true},
	} {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			gates := 2000
			switch {
			case testing.Short() && !m.promised:
				t.Skip("it is only printed")
			case testing.Short():
				gates = 100
			case !m.promised:
				gates = 300
			}
			same := simulate(t, newGate, m.on, 1, gates)
			slower := simulate(t, newGate, m.on, 1.1, gates)
			t.Logf("no change: %5.1f %% flagged, %5.1f %% undecided, %3d to %3d pairs; 10 %% slower: %5.1f %% found, %5.1f %% undecided, %3d to %3d pairs",
				100*same.slower, 100*same.undecided, same.usual, same.many,
				100*slower.slower, 100*slower.undecided, slower.usual, slower.many)
			if !m.promised {
				return
			}
			if slower.slower < foundLeast {
				t.Errorf("of %d gates over a slowdown of 10 %% only %.1f %% found it", gates, 100*slower.slower)
			}
			if same.slower > falseMost {
				t.Errorf("of %d gates over no change %.2f %% flagged one", gates, 100*same.slower)
			}
		})
	}
}

// onePair flags what was slower by 5 % in the first pair.
type onePair struct{ decision Decision }

func (o *onePair) HeadFirst() bool    { return false }
func (o *onePair) Decision() Decision { return o.decision }

func (o *onePair) Add(p Pair) error {
	o.decision = NotSlower
	if p.Head > 1.05*p.Base {
		o.decision = Slower
	}
	return nil
}

// The simulation must be able to condemn a gate.
func TestSimulationCondemnsAGateOfOnePair(t *testing.T) {
	bad := func(testing.TB) decider { return &onePair{decision: More} }
	same := simulate(t, bad, steady(0.05), 1, 500)
	slower := simulate(t, bad, steady(0.05), 1.1, 500)
	if same.slower <= falseMost || slower.slower >= foundLeast {
		t.Errorf("a gate of one pair passes: it flags %.1f %% without a change and finds %.1f %%", 100*same.slower, 100*slower.slower)
	}
}

// A change between none and the one sought may be called either way, but a
// small one is not flagged and a larger one is found as well.
func TestGateOverOtherSlowdowns(t *testing.T) {
	gates := 500
	if testing.Short() {
		gates = 50
	}
	for _, slowdown := range []float64{0.8, 1.02, 1.05, 1.15, 2} {
		r := simulate(t, newGate, contaminated(0.05), slowdown, gates)
		t.Logf("times %.2f: %5.1f %% slower, %5.1f %% undecided, %3d to %3d pairs", slowdown, 100*r.slower, 100*r.undecided, r.usual, r.many)
		if slowdown <= 1.02 && r.slower > falseMost {
			t.Errorf("times %.2f: %.1f %% flagged", slowdown, 100*r.slower)
		}
		if slowdown >= 1.1 && r.slower < foundLeast {
			t.Errorf("times %.2f: only %.1f %% found", slowdown, 100*r.slower)
		}
	}
}
