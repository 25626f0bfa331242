// Package clock lets the engine be told what time it is.
//
// Production code takes a [Clock] in its options and uses [System] when there
// is none; simulations pass one that they move by hand. Code that only needs
// timers to be fast-forwarded should prefer testing/synctest over a fake.
package clock

import "time"

// Clock tells the time and calls back later. It is safe for concurrent use.
type Clock interface {
	// Now returns the current wall-clock time.
	Now() time.Time
	// AfterFunc runs f in its own goroutine once d has passed, unless the
	// returned timer is stopped first.
	AfterFunc(d time.Duration, f func()) Timer
}

// Timer is a pending call of [Clock.AfterFunc].
type Timer interface {
	// Stop cancels the call and reports whether that was in time.
	Stop() bool
}

// System returns the clock of the operating system. Inside a
// testing/synctest bubble it is the bubble's virtual clock.
func System() Clock { return system{} }

type system struct{}

func (system) Now() time.Time { return time.Now() }

func (system) AfterFunc(d time.Duration, f func()) Timer { return time.AfterFunc(d, f) }
