package wal

import (
	"time"

	"github.com/millrace-io/millrace/internal/clock"
)

// paceStep is how many bytes are handled between two pauses.
const paceStep = 256 << 10

// pace keeps one goroutine that works in the background to a rate, and stops it.
type pace struct {
	clock clock.Clock
	rate  int64 // bytes a second
	stop  chan struct{}
	done  chan struct{}
	owed  int64 // bytes that were handled and not paid for by a pause
}

func newPace(c clock.Clock, rate int64) pace {
	return pace{clock: c, rate: rate, stop: make(chan struct{}), done: make(chan struct{})}
}

// end stops the goroutine and waits for it.
func (p *pace) end() {
	close(p.stop)
	<-p.done
}

// stopped reports whether end was called.
func (p *pace) stopped() bool {
	select {
	case <-p.stop:
		return true
	default:
		return false
	}
}

// spend notes bytes that were handled, pauses if it is time to, and reports
// whether to go on. ended, which may be nil, cuts a pause short.
func (p *pace) spend(n int64, ended <-chan struct{}) bool {
	p.owed += n
	if p.owed < paceStep {
		return true
	}
	owed := time.Duration(p.owed) * time.Second / time.Duration(p.rate)
	p.owed = 0
	return p.pause(owed, ended)
}

// pause waits, and reports whether to go on.
func (p *pace) pause(d time.Duration, ended <-chan struct{}) bool {
	woken := make(chan struct{})
	timer := p.clock.AfterFunc(d, func() { close(woken) })
	select {
	case <-woken:
		return true
	case <-ended:
	case <-p.stop:
	}
	timer.Stop()
	return false
}
