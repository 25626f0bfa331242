package client

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/millrace-io/millrace/failure"
)

// freeBatchesMax bounds the settled batches kept for reuse, and with them the
// memory of an idle producer.
const freeBatchesMax = 16

// round is one pass of the sender over its lanes.
type round struct {
	now time.Time
	// next is when the sender has something to do at the latest; zero if only an
	// event can bring something.
	next time.Time
	// A connection is asked for at most once a round, so that many lanes do not
	// wait for as many failed attempts.
	connection *connection
	err        error
}

// by notes that there is something to do at t.
func (r *round) by(t time.Time) {
	if r.next.IsZero() || t.Before(r.next) {
		r.next = t
	}
}

// run is the sender: it alone encodes, sends, retries and calls back, until the
// producer's context ends.
func (p *Producer) run() {
	defer p.client.running.Done()
	defer close(p.done)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for p.context.Err() == nil {
		p.settle()
		next := p.pump()
		p.tidy()
		if next.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(time.Until(next))
		}
		select {
		case <-p.wake:
		case <-timer.C:
		case <-p.context.Done():
		}
	}
	p.client.mutex.Lock()
	delete(p.client.producers, p)
	p.client.mutex.Unlock()
	p.settle()
	p.giveUp()
	p.tidy()
}

// allLanes returns the lanes that may hold records.
func (p *Producer) allLanes() []*lane {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if len(p.retired) == 0 {
		return p.lanes // replaced as a whole, never changed
	}
	return slices.Concat(p.retired, p.lanes)
}

// settle takes in the answers that have come, and completes the batches that are
// acknowledged, in order.
func (p *Producer) settle() {
	p.mutex.Lock()
	events := p.events
	p.events, p.spareEvents = p.spareEvents[:0], nil
	p.mutex.Unlock()
	for _, e := range events {
		b, l := e.batch, e.batch.lane
		l.awaiting--
		if e.err != nil {
			b.state, l.recovering = batchRefused, true
			b.failed.add(e.err)
			continue
		}
		b.state, b.acked = batchDone, e.acked
		l.attempt, l.known = 0, true
		for len(l.window) > 0 && l.window[0].state == batchDone {
			p.complete(l.pop(), nil)
		}
	}
	clear(events)
	p.spareEvents = events
}

// tidy lets go of lanes that have had their day and of callers of Flush whose
// records are all settled.
func (p *Producer) tidy() {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.retired = slices.DeleteFunc(p.retired, (*lane).idle)
	p.flushes = slices.DeleteFunc(p.flushes, func(f flush) bool {
		settled := p.outstanding == 0 || p.oldest() > f.generation
		if settled {
			close(f.done)
		}
		return settled
	})
}

// oldest returns the lowest generation among the batches that are not settled.
// The caller holds the mutex and is the sender.
func (p *Producer) oldest() uint64 {
	oldest := ^uint64(0)
	for _, lanes := range [...][]*lane{p.retired, p.lanes} {
		for _, l := range lanes {
			for _, batches := range [...][]*batch{l.window, l.ready} {
				for _, b := range batches {
					oldest = min(oldest, b.generation)
				}
			}
			if l.filling != nil {
				oldest = min(oldest, l.filling.generation)
			}
		}
	}
	return oldest
}

// pop removes the first batch of the window.
func (l *lane) pop() *batch {
	first := l.window[0]
	l.window = slices.Delete(l.window, 0, 1)
	return first
}

// complete tells the callers of a batch what became of it and puts it aside. The
// batch is in no lane any more.
func (p *Producer) complete(b *batch, err error) {
	if err != nil {
		err = fmt.Errorf("client: put %s/%v: %w", p.stream, b.lane.shard.ID, err)
	}
	result := Result{Err: err}
	if err == nil {
		result.Position = Position{
			Shard: b.lane.shard.ID, Time: b.acked.Time, ShardCreated: b.lane.shard.Created.Unix(),
		}
	}
	for i, c := range b.completions {
		if err == nil {
			result.Position.Sequence = b.acked.First + uint64(b.place(i))
		}
		switch {
		case c.group != nil:
			c.group.settle(c.index, result)
		case c.notify != nil:
			c.notify(result)
		}
	}
	p.recycle(b)
}

// recycle gives back the buffer space of a settled batch and keeps it for reuse. A
// batch under way is left alone: the connection still has it, and may be reading
// an answer to it just now.
func (p *Producer) recycle(b *batch) {
	size := b.size - batchPrefixBytes
	if b.state == batchSent {
		p.mutex.Lock()
		defer p.mutex.Unlock()
		p.outstanding--
		p.release(size)
		return
	}
	clear(b.records)
	clear(b.completions)
	b.aggregates.clear()
	b.records, b.completions = b.records[:0], b.completions[:0]
	b.lane, b.state, b.encoded, b.failed = nil, batchQueued, false, attempts{}
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.outstanding--
	p.release(size)
	if len(p.free) < freeBatchesMax {
		p.free = append(p.free, b)
	}
}

// pump sends what may be sent, and returns when to look again.
func (p *Producer) pump() time.Time {
	r := round{now: time.Now()}
	for _, l := range p.allLanes() {
		if l.recovering {
			if l.awaiting > 0 {
				p.watch(&r, l)
				continue
			}
			p.recover(&r, l)
		}
		if r.now.Before(l.resume) {
			r.by(l.resume)
			continue
		}
		p.fillWindow(&r, l)
		p.watch(&r, l)
		if l.recovering {
			r.by(r.now) // a send failed at once
		}
	}
	return r.next
}

// held reports whether a lane has to wait for those that it follows. When one of them
// has had its day there was an answer, and thus another round.
func (p *Producer) held(l *lane) bool {
	if len(l.after) == 0 {
		return false
	}
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return l.waits()
}

// fillWindow sends the queued batches of a lane, and takes in as many more as the
// window has room for.
func (p *Producer) fillWindow(r *round, l *lane) {
	if p.held(l) {
		return
	}
	for i, b := range l.window {
		if b.state == batchQueued && !l.recovering && (l.known || i == 0) {
			p.transmit(r, b)
		}
	}
	for len(l.window) < p.options.inFlight && !l.recovering && (l.known || len(l.window) == 0) {
		b := p.take(r, l)
		if b == nil {
			return
		}
		p.aggregate(b)
		l.number(b)
		l.window = append(l.window, b)
		p.transmit(r, b)
	}
}

// take removes the next batch to be sent from a lane, or returns nil if there is
// none or it may linger.
func (p *Producer) take(r *round, l *lane) *batch {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if len(l.ready) == 0 && l.filling != nil {
		due := l.filling.opened.Add(p.options.linger)
		if r.now.Before(due) {
			r.by(due)
			return nil
		}
		l.seal()
	}
	if len(l.ready) == 0 {
		return nil
	}
	b := l.ready[0]
	l.ready = slices.Delete(l.ready, 0, 1)
	return b
}

// transmit sends a batch of a window. If that fails at once, it is as if it had
// been refused.
func (p *Producer) transmit(r *round, b *batch) {
	number := uint32(0)
	if r.connection == nil && r.err == nil {
		r.connection, r.err = p.client.connection(p.context)
	}
	err := r.err
	if err == nil {
		number, err = r.connection.begin(b)
	}
	if err != nil {
		b.state, b.lane.recovering = batchRefused, true
		b.failed.add(err)
		return
	}
	b.encode(number, p.durability)
	b.written.Store(false)
	b.state, b.sent = batchSent, r.now
	b.lane.awaiting++
	r.connection.send(b.message, &b.written)
}

// watch ends the connection if the oldest batch under way has waited too long for
// its answer.
func (p *Producer) watch(r *round, l *lane) {
	if len(l.window) == 0 || l.window[0].state != batchSent {
		return
	}
	due := l.window[0].sent.Add(p.client.options.requestTimeout)
	if r.now.Before(due) {
		r.by(due)
		return
	}
	if c, err := p.client.open(); c != nil && err == nil {
		c.stop(p.client.errSilent())
	}
}

// recover decides how a lane goes on after a refusal, now that nothing of it is
// under way. The first batch decides, because what became of those behind it
// followed from it: they are sent again, and if they were written before, the
// server knows them by their producer sequence.
func (p *Producer) recover(r *round, l *lane) {
	l.recovering = false
	for len(l.window) > 0 && l.window[0].state == batchRefused {
		first := l.window[0]
		if p.remedy(r, l, first) {
			break
		}
		p.complete(l.pop(), first.failed.join())
	}
	for _, b := range l.window {
		if b.state == batchRefused {
			b.state = batchQueued
		}
	}
}

// remedy does what gives the refused first batch of a lane another chance, and
// reports whether there is such a thing.
func (p *Producer) remedy(r *round, l *lane, first *batch) bool {
	err := first.failed.latest()
	kind := failure.KindOf(err)
	if kind == failure.SequenceGap {
		// The log has forgotten this producer, or a batch before was given up.
		// Either way this one is not written, nor those behind it. A gap before the
		// very first record makes no sense, and no new id would help. The retry
		// budget does not matter: without a new id the lane would be of no use for
		// ever.
		if first.producer.Sequence == 0 {
			return false
		}
		l.renew()
		return true
	}
	if r.now.Sub(first.opened) > p.client.options.retryBudget {
		return false
	}
	switch kind {
	case failure.WrongShard, failure.NotFound:
		moved, describeErr := p.reroute(l)
		if describeErr == nil || !retryable(describeErr) {
			return moved
		}
		err = describeErr
	}
	if !retryable(err) {
		return false
	}
	l.attempt++
	l.resume = r.now.Add(backoff(l.attempt, err))
	return true
}

// giveUp fails every record that has no result when the producer stops.
func (p *Producer) giveUp() {
	p.mutex.Lock()
	p.closing = true
	rest := takeOut(slices.Concat(p.retired, p.lanes))
	p.mutex.Unlock()
	for _, b := range rest {
		err := failure.Wrap(failure.Closed, "client: produce", context.Canceled)
		b.failed.add(err)
		p.complete(b, b.failed.join())
	}
}
