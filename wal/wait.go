package wal

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/segment"
)

// stallAfter is how long a commit may take before somebody looks after the contexts
// of those who wait for it.
const stallAfter = 10 * time.Millisecond

// waiter is one goroutine that waits for a record to be written or durable.
type waiter struct {
	wake chan struct{} // capacity 1
	waitFor
	// ctx is not nil while its goroutine relies on the commit to end soon; what is
	// below is of the time when that was wrong.
	ctx       context.Context
	unwatch   func() bool
	unwatched chan struct{} // capacity 1: the call that could not be stopped has ended
	gaveUp    error
}

// waitFor is what a goroutine waits for: a record, a segment to be sealed, a tail
// to be made the active one or to be synced itself, or room.
type waitFor struct {
	last    uint64
	durable bool
	idle    bool // nor must a commit be at work, or have anything to do
	room    bool // for one more staging buffer; not for a record
	sealed  *segment.Segment
	begun   *tail
	settled *tail  // synced itself, so often, or nothing in it needs it
	synced  uint64 // how often
}

// comeback measures how fast appenders that were released come to wait again.
type comeback struct {
	since    time.Time // when they were released; zero: all are back
	released int
	back     int     // of them, or others in their place
	each     float64 // ns for one of many, smoothed
}

func (c *comeback) begin(released int) {
	if released > 1 {
		c.since, c.released, c.back = time.Now(), released, 0
	}
}

// arrive counts one that waits.
func (c *comeback) arrive() {
	if c.back++; c.back == c.released {
		c.end()
	}
}

// end takes the measure, also of those who are not all back when others are released.
func (c *comeback) end() {
	if c.since.IsZero() {
		return
	}
	const weight = 8 // of what was before
	measured := float64(time.Since(c.since)) / float64(max(c.back, 1))
	if c.each > 0 {
		// One that was held up for 10 ms says nothing about the next ones.
		measured = min(measured, 2*c.each)
	}
	c.each += (measured - c.each) / weight
	c.since = time.Time{}
}

// newWaiter serves the pool of a directory: waiters are reused, so that waiting
// does not allocate. The pool is not a global one, because a channel made in a
// testing/synctest bubble must not leave it.
func newWaiter() any {
	return &waiter{wake: make(chan struct{}, 1), unwatched: make(chan struct{}, 1)}
}

// reached reports whether the record got as far as asked.
func (l *Log) reached(last uint64, durable bool) bool {
	if durable {
		return l.durable.Load() >= last
	}
	return l.written.Load() >= last
}

// happenedLocked reports whether what w describes is the case.
func (l *Log) happenedLocked(w waitFor) bool {
	switch {
	case w.sealed != nil:
		return w.sealed.Sealed()
	case w.begun != nil:
		return l.active == w.begun || l.tail != w.begun
	case w.settled != nil:
		return !w.settled.journaled || w.settled.synced >= w.synced
	case w.room:
		return l.staged < stagesMax
	}
	return l.reached(w.last, w.durable) && (!w.idle || !l.committing && !l.pendingLocked())
}

// park waits until what happened or the log refuses. It is called with mu held and
// returns without it.
//
// A select on a context takes the lock of its channel, which all share who wait with
// one context: with 64 appenders of 100 B a sixth of the throughput. A commit that syncs
// ends within a moment, and with it the waiting for a record that is staged; only if it
// does not (see [Log.stalls]) the contexts are looked at.
func (l *Log) park(ctx context.Context, what waitFor) error {
	w := l.dir.waiters.Get().(*waiter)
	w.waitFor = what
	done := ctx.Done()
	soon := l.committing && !l.stalled && l.options.Durability == record.Group && what == waitFor{last: what.last, durable: true}
	if done != nil && soon {
		w.ctx = ctx
	}
	l.waiters = append(l.waiters, w)
	l.mu.Unlock()
	var err error
	if done == nil || soon {
		<-w.wake
		err = w.stopWatching()
	} else {
		select {
		case <-w.wake:
		case <-done:
			err = ctx.Err()
			l.mu.Lock()
			if !l.forgetLocked(w) {
				<-w.wake // it was woken at the same moment
			}
			l.mu.Unlock()
		}
	}
	w.waitFor = waitFor{}
	l.dir.waiters.Put(w)
	return err
}

// forgetLocked takes w out of the list, if it is there.
func (l *Log) forgetLocked(w *waiter) bool {
	at := slices.Index(l.waiters, w)
	if at < 0 {
		return false
	}
	l.waiters = slices.Delete(l.waiters, at, at+1)
	return true
}

// expectEnd has [Log.stalls] called unless the commit ends in time. It returns what
// is to be called when it has ended, however long that took.
func (l *Log) expectEnd() (ended func()) {
	if l.stall != nil {
		l.stall.Reset(stallAfter)
		return l.unstall
	}
	called := make(chan struct{}, 1)
	l.stall = time.AfterFunc(stallAfter, func() {
		l.stalls()
		called <- struct{}{}
	})
	l.unstall = func() {
		if !l.stall.Stop() {
			<-called
		}
	}
	return l.unstall
}

// stalls watches the contexts of all who wait for a commit that takes long. Who comes
// to wait while it goes on looks at its own.
func (l *Log) stalls() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stalled = true
	for _, w := range l.waiters {
		if w.ctx != nil && w.unwatch == nil {
			w.unwatch = context.AfterFunc(w.ctx, func() { l.giveUp(w) })
		}
	}
}

// giveUp ends the waiting of w, whose context has ended, unless it is over.
func (l *Log) giveUp(w *waiter) {
	l.mu.Lock()
	waits := l.forgetLocked(w)
	if waits {
		w.gaveUp = w.ctx.Err()
	}
	l.mu.Unlock()
	if waits {
		w.wake <- struct{}{}
	}
	w.unwatched <- struct{}{}
}

// stopWatching is called by the goroutine of w when that was woken. It returns why it gave
// up, if it did.
func (w *waiter) stopWatching() error {
	if w.unwatch != nil && !w.unwatch() {
		<-w.unwatched
	}
	err := w.gaveUp
	w.ctx, w.unwatch, w.gaveUp = nil, nil, nil
	return err
}

// wakeLocked wakes all waiters whose record got there, all at once, and
// everybody when the log refuses.
func (l *Log) wakeLocked() { wake(l.releaseLocked(nil)) }

// releaseLocked takes those to be woken out of the list, appends them to released
// and leaves the waking to the caller. The goroutine that commits wakes without mu:
// what a woken appender does next begins with it.
func (l *Log) releaseLocked(released []*waiter) []*waiter {
	kept := l.waiters[:0]
	for _, w := range l.waiters {
		if l.refused == nil && !l.happenedLocked(w.waitFor) {
			kept = append(kept, w)
		} else {
			released = append(released, w)
		}
	}
	clear(l.waiters[len(kept):])
	l.waiters, l.released = kept, len(released)
	return released
}

func wake(released []*waiter) {
	for _, w := range released {
		w.wake <- struct{}{}
	}
}

// awaitLocked waits for what, running commits itself while nobody else does.
// It is called with mu held and returns with it held.
func (l *Log) awaitLocked(ctx context.Context, what waitFor) error {
	for {
		over, err := l.workLocked(what)
		if over {
			return err
		}
		err = l.park(ctx, what)
		l.mu.Lock()
		if err != nil {
			return err
		}
	}
}

// await is awaitLocked for a record and without mu: most that are woken have what
// they wait for and need the lock no more.
func (l *Log) await(ctx context.Context, last uint64, durable bool) error {
	what := waitFor{last: last, durable: durable}
	l.mu.Lock()
	l.comeback.arrive()
	for {
		over, err := l.workLocked(what)
		if over {
			l.mu.Unlock()
			return err
		}
		if err := l.park(ctx, what); err != nil {
			return fmt.Errorf("wal: stopped waiting for record %d, its outcome is unknown: %w", last, err)
		}
		if l.reached(last, durable) {
			return nil
		}
		l.mu.Lock()
	}
}

// workLocked commits as long as there is something to commit, nobody else does it
// and what did not happen. It reports whether waiting is over, and with what
// result. It may let go of mu meanwhile.
func (l *Log) workLocked(what waitFor) (over bool, err error) {
	for !l.happenedLocked(what) {
		if l.refused != nil {
			return true, l.refused
		}
		if what.sealed == nil && !what.room && what.last >= l.next {
			return true, ErrCut // it was placed once
		}
		if what.durable && l.options.Durability != record.Group {
			l.wantSync = true
		}
		if l.committing || !l.pendingLocked() {
			return false, nil
		}
		l.committing = true
		l.mu.Unlock()
		l.commit()
		l.mu.Lock()
		l.handOverLocked()
	}
	return true, nil
}
