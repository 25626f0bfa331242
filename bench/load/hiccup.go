package load

import (
	"sync"
	"time"

	"github.com/millrace-io/millrace/bench/latency"
)

// hiccupSleep is how long the meter sleeps.
const hiccupSleep = time.Millisecond

// Hiccup measures how late a sleeping goroutine of this process wakes: pauses
// of the garbage collector, of the scheduler and of the machine, which are in
// every latency beside it.
type Hiccup struct {
	set  *latency.Set
	stop chan struct{}
	done sync.WaitGroup
}

// StartHiccup starts a meter. Values in the warm-up are left out.
func StartHiccup(warmup time.Duration) *Hiccup {
	start := time.Now()
	h := &Hiccup{
		set:  latency.NewSet(start, latency.Options{Warmup: warmup, Seconds: true, Tag: "hiccup"}),
		stop: make(chan struct{}),
	}
	r := h.set.Recorder()
	h.done.Go(func() {
		defer r.Close()
		// One timer for all: allocations are measured, too.
		timer := time.NewTimer(hiccupSleep)
		defer timer.Stop()
		for {
			began := time.Since(start)
			timer.Reset(hiccupSleep)
			select {
			case <-h.stop:
				return
			case <-timer.C:
			}
			r.Record(began, time.Since(start)-began-hiccupSleep)
		}
	})
	return h
}

// Stop ends the meter and returns what it found.
func (h *Hiccup) Stop() *latency.Set {
	close(h.stop)
	h.done.Wait()
	return h.set
}
