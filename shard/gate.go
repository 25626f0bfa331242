package shard

import (
	"context"
	"sync"
	"sync/atomic"
)

// gate lets appends into a shard. It can be shut: for a moment, while those who
// come wait, and then for good.
//
// Whoever is to enter counts itself first and looks at the sign second, and
// whoever shuts does it the other way round. So once the count of a shut gate was
// seen at nothing, nobody is inside, and nobody will be.
type gate struct {
	// state counts the appends inside, plus gateShut while no more may enter.
	state atomic.Int64
	// placed is the highest sequence number given to an append so far.
	placed  atomic.Uint64
	drained chan struct{} // capacity 1: the last one has left a shut gate

	// ended ends when the gate is shut for good.
	ended context.Context
	end   context.CancelFunc

	mutex sync.Mutex
	// decided is closed when it is known what becomes of a shut gate; nil when it
	// is open, or shut for good. Guarded by mutex.
	decided chan struct{}
}

// gateShut is more than all appends that can be inside.
const gateShut int64 = 1 << 62

func newGate() *gate {
	g := &gate{drained: make(chan struct{}, 1)}
	g.ended, g.end = context.WithCancel(context.Background())
	return g
}

// enter reports whether an append may go on; it then has to leave. It waits while
// that is not decided. The error is that of ctx.
func (g *gate) enter(ctx context.Context) (entered bool, err error) {
	for g.state.Add(1)&gateShut != 0 {
		g.leave()
		g.mutex.Lock()
		decided := g.decided
		g.mutex.Unlock()
		if decided == nil {
			if g.ended.Err() != nil {
				return false, nil
			}
			continue // it was opened again meanwhile
		}
		select {
		case <-decided:
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
	return true, nil
}

// leave is called at the end of an append, whatever its end.
func (g *gate) leave() {
	if g.state.Add(-1) != gateShut {
		return
	}
	select {
	case g.drained <- struct{}{}:
	default:
	}
}

// note tells of the last sequence number that an append was given; 0 if none.
func (g *gate) note(last uint64) {
	for seen := g.placed.Load(); last > seen; seen = g.placed.Load() {
		if g.placed.CompareAndSwap(seen, last) {
			return
		}
	}
}

// shut keeps appends out, and returns true when none is inside any more. It does
// nothing and returns false if the gate is shut already. When ctx ends first the
// gate is open again.
func (g *gate) shut(ctx context.Context) (bool, error) {
	g.mutex.Lock()
	if g.decided != nil || g.ended.Err() != nil {
		g.mutex.Unlock()
		return false, nil
	}
	g.decided = make(chan struct{})
	g.state.Add(gateShut)
	g.mutex.Unlock()
	for g.state.Load() != gateShut {
		select {
		case <-g.drained:
		case <-ctx.Done():
			g.open()
			return false, ctx.Err()
		}
	}
	return true, nil
}

// open lets appends in again. The gate was shut, and not for good.
func (g *gate) open() {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	g.state.Add(-gateShut)
	close(g.decided)
	g.decided = nil
}

// close leaves a shut gate shut for good.
func (g *gate) close() {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	g.end()
	close(g.decided)
	g.decided = nil
}
