package client

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/millrace-io/millrace/failure"
)

const (
	backoffMin = 10 * time.Millisecond
	backoffMax = 2 * time.Second
	// attemptErrorsMax bounds the errors of single attempts that are kept for the
	// final one.
	attemptErrorsMax = 8
)

// backoff returns how long to wait before the given attempt, from 1: what the
// server asked for in err, or else anything up to a bound that doubles. The
// jitter is full because clients that failed together should not return together.
func backoff(attempt int, err error) time.Duration {
	if advised, ok := errors.AsType[*failure.Error](err); ok && advised.RetryAfter > 0 {
		return advised.RetryAfter
	}
	bound := backoffMax
	if shift := attempt - 1; shift < 8 {
		bound = min(backoffMin<<max(shift, 0), backoffMax)
	}
	return rand.N(bound)
}

// retryable reports whether sending the same again may help.
func retryable(err error) bool { return failure.KindOf(err).Retryable() }

// attempts collects the errors of an operation that is retried.
type attempts struct {
	since  time.Time
	errors []error
}

// add notes one more failure.
func (a *attempts) add(err error) {
	if len(a.errors) < attemptErrorsMax {
		a.errors = append(a.errors, err)
	} else {
		a.errors[attemptErrorsMax-1] = err
	}
}

// latest returns the error added last.
func (a *attempts) latest() error { return a.errors[len(a.errors)-1] }

// join returns the collected errors as one. The last comes first, since its kind
// is what callers ask for.
func (a *attempts) join() error {
	if len(a.errors) == 1 {
		return a.errors[0]
	}
	return errors.Join(append([]error{a.latest()}, a.errors[:len(a.errors)-1]...)...)
}

// retry calls f until it succeeds, fails for good, or the budget is used up.
func retry(ctx context.Context, budget time.Duration, f func(ctx context.Context) error) error {
	failed := attempts{since: time.Now()}
	for attempt := 1; ; attempt++ {
		err := f(ctx)
		if err == nil {
			return nil
		}
		failed.add(err)
		wait := backoff(attempt, err)
		if ctx.Err() != nil || !retryable(err) || time.Since(failed.since)+wait > budget {
			return failed.join()
		}
		if err := sleep(ctx, wait); err != nil {
			failed.add(err)
			return failed.join()
		}
	}
}

// sleep waits, or returns early with the context's error.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return contextError(ctx)
	}
}

// contextError returns why the context ended, as a failure.
func contextError(ctx context.Context) error {
	kind := failure.Closed
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		kind = failure.Timeout
	}
	return failure.Wrap(kind, "client", ctx.Err())
}
