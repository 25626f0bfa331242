package main

import (
	"context"
	"sync"
)

// inFlightMax is how many records may be sent and not yet acknowledged, with
// each broker whose client does not bound them itself.
const inFlightMax = 4096

// window bounds what is sent and not yet acknowledged.
type window struct{ slots chan struct{} }

func newWindow() *window { return &window{slots: make(chan struct{}, inFlightMax)} }

// enter waits for room.
func (w *window) enter(ctx context.Context) error {
	select {
	case w.slots <- struct{}{}:
		return nil
	default:
	}
	select {
	case w.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// leave makes room.
func (w *window) leave() { <-w.slots }

// drain returns when everything that entered before has left. Nobody may enter
// meanwhile.
func (w *window) drain(ctx context.Context) error {
	entered := 0
	defer func() {
		for range entered {
			w.leave()
		}
	}()
	for range cap(w.slots) {
		if err := w.enter(ctx); err != nil {
			return err
		}
		entered++
	}
	return nil
}

// countdown waits for the acknowledgements of a batch.
type countdown struct {
	mutex sync.Mutex
	left  int
	err   error // the first one
	ended chan struct{}
}

func newCountdown(count int) *countdown {
	c := &countdown{left: count, ended: make(chan struct{})}
	if count == 0 {
		close(c.ended)
	}
	return c
}

// done counts one acknowledgement.
func (c *countdown) done(err error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.err == nil {
		c.err = err
	}
	if c.left--; c.left == 0 {
		close(c.ended)
	}
}

// wait returns when all are there, with the first error.
func (c *countdown) wait(ctx context.Context) error {
	select {
	case <-c.ended:
		return c.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// send is how a broker takes a record without waiting; it may be called by
// several goroutines at once.
type send func(ctx context.Context, shard int, record []byte, done func(error)) error

// appendAll sends all records and waits until all are acknowledged.
func (s send) appendAll(ctx context.Context, shard int, records [][]byte) error {
	batch := newCountdown(len(records))
	for _, record := range records {
		if err := s(ctx, shard, record, batch.done); err != nil {
			return err
		}
	}
	return batch.wait(ctx)
}

// delivery hands records from a client's own goroutine to a reader until the
// reader has gone: clients do not wait for their last callback.
type delivery struct {
	mutex  sync.Mutex
	gone   bool
	toGive int64 // counts down to 0 and stops there; below 0 from the start it goes on for ever
	ended  chan struct{}
	give   func([]byte)
}

// newDelivery delivers count records, or any number if count is negative.
func newDelivery(count int64, give func([]byte)) *delivery {
	d := &delivery{toGive: count, ended: make(chan struct{}), give: give}
	if count == 0 {
		d.gone = true
		close(d.ended)
	}
	return d
}

// deliver gives a record on.
func (d *delivery) deliver(record []byte) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	if d.gone {
		return
	}
	d.give(record)
	if d.toGive < 0 {
		return
	}
	if d.toGive--; d.toGive == 0 {
		d.gone = true
		close(d.ended)
	}
}

// stop returns when no record will be given on any more.
func (d *delivery) stop() {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.gone = true
}
