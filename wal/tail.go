package wal

import (
	"context"
	"errors"

	"github.com/millrace-io/millrace/failure"
)

// Wait returns when there is something to read, with ctx.Err() when ctx ends
// first, with an error of kind failure.Closed when the log is closed, and with
// [ErrCut] when it was cut before the cursor's position.
func (c *Cursor) Wait(ctx context.Context) error {
	for {
		if c.available() {
			return nil
		}
		if c.err != nil {
			return c.err
		}
		c.enlist()
		if c.available() {
			return nil
		}
		if err := c.log.over(c.next); err != nil {
			return err
		}
		select {
		case <-c.wake:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// over returns an error when the record next will never follow at the tail.
func (l *Log) over(next uint64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if errors.Is(l.refused, failure.Closed) || errors.Is(l.refused, errReadOnly) {
		return l.refused
	}
	if next > l.next {
		return ErrCut
	}
	return nil
}

// enlist asks the log for one wake-up.
func (c *Cursor) enlist() {
	l := c.log
	l.tailMu.Lock()
	defer l.tailMu.Unlock()
	if !c.waiting {
		c.waiting = true
		l.tailCursors = append(l.tailCursors, c)
		l.tailWaiting.Store(int32(len(l.tailCursors)))
	}
}

// wakeCursors wakes every cursor that waits at the tail.
func (l *Log) wakeCursors() {
	if l.tailWaiting.Load() == 0 {
		return
	}
	l.tailMu.Lock()
	defer l.tailMu.Unlock()
	for i, c := range l.tailCursors {
		c.waiting = false
		select {
		case c.wake <- struct{}{}:
		default:
		}
		l.tailCursors[i] = nil
	}
	l.tailCursors = l.tailCursors[:0]
	l.tailWaiting.Store(0)
}
