package versus

import "math/rand/v2"

// turn is one run in the order of a round. Peer is an index, or ours.
type turn struct {
	peer int
	// pair is which of our runs in this round, counted from 0, stands beside
	// the peer's run; for our own runs it is the number of the run.
	pair int
}

// ours is the peer of a turn that is our own.
const ours = -1

// order returns the turns of one round over so many peers: us first, then two
// peers, us again, and so on, with us at the end, so that each peer's run has
// one of ours right before or right behind it. Peers come in random order.
//
//	U a b U c d U e U
func order(peers int, random *rand.Rand) []turn {
	turns := []turn{{ours, 0}}
	run := 0
	shuffled := random.Perm(peers)
	for len(shuffled) > 0 {
		turns = append(turns, turn{shuffled[0], run})
		run++
		if len(shuffled) > 1 {
			turns = append(turns, turn{shuffled[1], run})
		}
		turns = append(turns, turn{ours, run})
		shuffled = shuffled[min(2, len(shuffled)):]
	}
	return turns
}
