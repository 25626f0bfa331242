package change

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
)

// script feeds pairs that differ by a factor and a little more.
func script(t *testing.T, g *Gate, factor float64, pairs int) {
	t.Helper()
	for i := range pairs {
		if err := g.Add(Pair{Base: 100, Head: 100 * factor * (1 + 0.001*float64(i%3-1))}); err != nil {
			t.Fatal(err)
		}
	}
}

func mustGate(t *testing.T, o GateOptions) *Gate {
	t.Helper()
	g, err := NewGate(o)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestGateFailsOnlyOnWhatPersists(t *testing.T) {
	for _, c := range []struct {
		name    string
		factors []float64 // one for each repeat
		want    Decision
	}{
		{"never slower", []float64{1}, NotSlower},
		{"faster", []float64{0.5}, NotSlower},
		{"slower once", []float64{1.3, 1}, NotSlower},
		{"slower twice", []float64{1.3, 1.2, 1}, NotSlower},
		{"slower three times", []float64{1.3, 1.2, 1.1}, Slower},
		{"too small to call", []float64{1.04}, NotSlower},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := mustGate(t, GateOptions{Better: Lower})
			for repeat, factor := range c.factors {
				if g.Decision() != More || len(g.Repeats()) != repeat+1 {
					t.Fatalf("before repeat %d: %s, %d repeats", repeat+1, g.Decision(), len(g.Repeats()))
				}
				script(t, g, factor, 10)
			}
			if g.Decision() != c.want {
				t.Errorf("got %s, want %s: %+v", g.Decision(), c.want, g.Repeats())
			}
			if err := g.Add(Pair{1, 1}); !errors.Is(err, ErrDecided) {
				t.Errorf("a pair too many: got %v, want %v", err, ErrDecided)
			}
			for i, r := range g.Repeats() {
				if r.Pairs != 10 || r.LookedAt != 10 || math.Abs(r.Slowdown/c.factors[i]-1) > 0.001 {
					t.Errorf("repeat %d is %+v, want the slowdown %g of 10 pairs", i+1, r, c.factors[i])
				}
			}
		})
	}
}

func TestGateKnowsWhichWayIsBetter(t *testing.T) {
	for better, want := range map[Direction]Decision{Lower: Slower, Higher: NotSlower} {
		g := mustGate(t, GateOptions{Better: better, Repeats: 1})
		script(t, g, 1.5, 10)
		if g.Decision() != want {
			t.Errorf("half as much again, %s is better: %s, want %s", better, g.Decision(), want)
		}
	}
}

func TestGateGivesUp(t *testing.T) {
	g := mustGate(t, GateOptions{Better: Lower, PairsMax: 23})
	for i := 0; g.Decision() == More; i++ {
		if i == 23 {
			t.Fatal("more than the most pairs")
		}
		head := 300.0 // or a third of base
		if i%2 == 0 {
			head = 100.0 / 3
		}
		if err := g.Add(Pair{100, head}); err != nil {
			t.Fatal(err)
		}
	}
	if g.Decision() != Undecided || g.Repeats()[0].Pairs != 23 {
		t.Errorf("of noise only: %s, %+v", g.Decision(), g.Repeats())
	}
}

func TestGateAlternates(t *testing.T) {
	g := mustGate(t, GateOptions{Better: Lower})
	var order []bool
	for range 4 {
		order = append(order, g.HeadFirst())
		script(t, g, 1, 1)
	}
	if want := []bool{false, true, false, true}; !slices.Equal(order, want) {
		t.Errorf("head comes first in %v, want %v", order, want)
	}
}

func TestGateRefusesBadPairs(t *testing.T) {
	g := mustGate(t, GateOptions{Better: Higher})
	for _, p := range []Pair{{0, 1}, {1, 0}, {-1, 1}, {math.NaN(), 1}, {1, math.NaN()}, {1, math.Inf(1)}} {
		if err := g.Add(p); !errors.Is(err, ErrPair) {
			t.Errorf("%v: got %v, want %v", p, err, ErrPair)
		}
	}
	if r := g.Repeats()[0]; r.Pairs != 0 || g.HeadFirst() {
		t.Errorf("refused pairs count: %+v", r)
	}
	// Extreme ones are taken: their quotient would overflow.
	if err := g.Add(Pair{5e-324, math.MaxFloat64}); err != nil {
		t.Error(err)
	}
}

func TestGateOptions(t *testing.T) {
	for name, o := range map[string]GateOptions{
		"no direction":         {},
		"unknown direction":    {Better: "faster"},
		"sought below ignored": {Better: Lower, Sought: 0.1, Ignored: 0.2},
		"negative":             {Better: Lower, Sought: -1},
		"not a number":         {Better: Lower, Sought: math.NaN()},
		"level above one half": {Better: Lower, Miss: 0.6},
		"negative level":       {Better: Lower, FalseAlarm: -0.1},
		"two pairs":            {Better: Lower, PairsMin: 2},
		"maximum below":        {Better: Lower, PairsMin: 20, PairsMax: 10},
		"very many pairs":      {Better: Lower, PairsMax: 1000},
		"very many repeats":    {Better: Lower, Repeats: 100},
	} {
		if _, err := NewGate(o); !errors.Is(err, ErrOptions) {
			t.Errorf("%s: got %v, want %v", name, err, ErrOptions)
		}
	}
	complete, err := GateOptions{Better: Lower}.complete()
	if err != nil {
		t.Fatal(err)
	}
	if looks, want := complete.looks(), []int{10, 15, 23, 35, 53, 80, 120}; !slices.Equal(looks, want) {
		t.Errorf("looks by default after %v, want %v as documented", looks, want)
	}
}

func ExampleGate() {
	gate, err := NewGate(GateOptions{Better: Lower})
	if err != nil {
		fmt.Println(err)
		return
	}
	for run := 0; gate.Decision() == More; run++ {
		base := 100 + float64(run%5)
		head := 112 + float64(run%7)
		if err := gate.Add(Pair{Base: base, Head: head}); err != nil {
			fmt.Println(err)
			return
		}
	}
	for _, repeat := range gate.Repeats() {
		fmt.Printf("%s: %.2f times, %d pairs\n", repeat.Decision, repeat.Slowdown, repeat.Pairs)
	}
	fmt.Println(gate.Decision())
	// Output:
	// slower: 1.12 times, 10 pairs
	// slower: 1.14 times, 10 pairs
	// slower: 1.13 times, 10 pairs
	// slower
}
