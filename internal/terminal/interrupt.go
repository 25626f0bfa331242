package terminal

import (
	"context"
	"errors"
	"os"
)

// ErrInterrupted is the cause of a context that Ctrl-C has cancelled.
var ErrInterrupted = errors.New("interrupted")

// Interrupts turns signals into contexts. The first signal cancels drain: take
// no new work, finish what is under way. The second cancels stop: leave now.
// Cancelling parent cancels both. Release ends the watch and waits for its end.
func Interrupts(parent context.Context, signals <-chan os.Signal) (drain, stop context.Context, release func()) {
	stop, stopNow := context.WithCancelCause(parent)
	drain, drainNow := context.WithCancelCause(stop)
	released, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for _, cancel := range []context.CancelCauseFunc{drainNow, stopNow} {
			select {
			case <-signals:
				cancel(ErrInterrupted)
			case <-released:
				return
			}
		}
	}()
	return drain, stop, func() {
		close(released)
		<-ended
		drainNow(nil)
		stopNow(nil)
	}
}

// Interrupted reports whether a context that Interrupts returned was cancelled
// by a signal rather than by its parent or its release.
func Interrupted(ctx context.Context) bool {
	return errors.Is(context.Cause(ctx), ErrInterrupted)
}
