package versus

import (
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestOrder checks what makes a schedule fair: every peer has one run in a
// round, and right before or behind it is the run of ours that it is compared
// with.
func TestOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		peers := rapid.IntRange(0, 20).Draw(t, "peers")
		seed := rapid.Uint64().Draw(t, "seed")
		turns := order(peers, rand.New(rand.NewPCG(seed, 1)))
		if again := order(peers, rand.New(rand.NewPCG(seed, 1))); !slices.Equal(turns, again) {
			t.Fatalf("one seed, two orders: %v, %v", turns, again)
		}
		seen, own := make([]int, peers), 0
		for i, next := range turns {
			if next.peer == ours {
				if next.pair != own {
					t.Fatalf("our run %d has number %d: %v", own, next.pair, turns)
				}
				own++
				continue
			}
			seen[next.peer]++
			partner := turn{ours, next.pair}
			if turns[i-1] != partner && turns[i+1] != partner {
				t.Fatalf("turn %d is not beside its partner: %v", i, turns)
			}
		}
		for peer, times := range seen {
			if times != 1 {
				t.Fatalf("peer %d has %d runs: %v", peer, times, turns)
			}
		}
		if own != (peers+1)/2+1 || turns[0].peer != ours || turns[len(turns)-1].peer != ours {
			t.Fatalf("%d runs of ours: %v", own, turns)
		}
	})
}

func TestOrderDependsOnTheSeed(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	first := order(8, random)
	for range 100 {
		if !slices.Equal(order(8, random), first) {
			return
		}
	}
	t.Error("peers always come in the same order")
}
