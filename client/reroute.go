package client

import (
	"slices"

	"github.com/millrace-io/millrace/protocol"
)

// reroute moves all records of a lane to where they belong by now, if the stream
// is not what it was when the lane was made. It reports whether it did. What retired
// lanes hold back is younger, and moves along: were it moved when its own turn comes,
// it would be put in front of what is moved now.
func (p *Producer) reroute(l *lane) (moved bool, err error) {
	if current := p.routing.Load(); current == l.routing {
		description, err := askOnce[protocol.Description](p.context, p.client, protocol.Describe{Name: p.stream})
		if err != nil {
			return false, err
		}
		fresh := newRouting(description)
		if fresh.same(current) {
			return false, nil
		}
		p.mutex.Lock()
		p.adopt(fresh)
		kept := slices.Contains(p.lanes, l)
		p.mutex.Unlock()
		if kept {
			return false, nil
		}
	}
	p.mutex.Lock()
	moving := []*lane{l}
	for _, retired := range p.retired { // the oldest first
		if retired.waits() {
			moving = append(moving, retired)
		}
	}
	younger := p.setAside()
	var lost []*batch
	for _, b := range takeOut(moving) {
		if left := p.scatter(b); len(left.records) > 0 {
			lost = append(lost, left)
		}
	}
	p.putBehind(younger)
	p.mutex.Unlock()
	for _, b := range lost {
		p.complete(b, errNoShard())
	}
	return true, nil
}

// takeOut empties lanes, and returns what they held. The caller holds the mutex.
func takeOut(lanes []*lane) []*batch {
	var out []*batch
	for _, l := range lanes {
		l.seal()
		out = append(append(out, l.window...), l.ready...)
		l.window, l.ready = nil, nil
	}
	return out
}

// waiting is what a lane holds and has not sent.
type waiting struct {
	ready   []*batch
	filling *batch
}

// setAside empties the current lanes of what they have not sent, so that older records
// can be put in front of it. The caller holds the mutex.
func (p *Producer) setAside() []waiting {
	aside := make([]waiting, len(p.lanes))
	for i, l := range p.lanes {
		aside[i] = waiting{l.ready, l.filling}
		l.ready, l.filling = nil, nil
	}
	return aside
}

// putBehind gives the lanes back what was set aside, behind what they got since. The
// caller has held the mutex in between.
func (p *Producer) putBehind(aside []waiting) {
	for i, l := range p.lanes {
		l.seal()
		l.ready = append(l.ready, aside[i].ready...)
		l.filling = aside[i].filling
	}
}

// scatter enqueues the records of a batch again by the current routing. It
// returns the batch with those that no shard takes. The caller holds the mutex.
func (p *Producer) scatter(b *batch) *batch {
	current := p.routing.Load()
	left := &batch{owner: p, lane: b.lane, size: batchPrefixBytes}
	for i := range b.records {
		r, size := &b.records[i], protocol.RecordSizeMax(b.records[i])
		shard := current.route(r)
		if shard < 0 {
			left.add(r, size, b.completions[i])
			continue
		}
		joined := p.enqueue(p.lanes[shard], r, size, b.completions[i], p.options.batchBytes)
		joined.generation = min(joined.generation, b.generation)
		if b.opened.Before(joined.opened) {
			joined.opened = b.opened
		}
	}
	if len(left.records) == 0 {
		p.outstanding--
	}
	return left
}
