package session

import (
	"context"
	"sync"
)

// queuedMax is how many records wait in a lane before Send does.
const queuedMax = 4096

// lane sends the records of some shards, request by request.
//
// A lane in order has one request at the server. Beside it the next one is
// prepared, but only when what has queued fills it: a smaller one may as well
// wait and grow. A lane without order has as many requests at the server as it
// has workers.
type lane struct {
	sender  *sender
	ordered bool

	mutex sync.Mutex
	// changed is told when a field below has.
	changed sync.Cond
	queue   []*sent
	bytes   int // of the queue
	last    *turn
	// ahead is how many requests have not been answered yet.
	ahead  int
	closed bool
}

// newLane returns a lane without workers.
func newLane(s *sender, ordered bool) *lane {
	l := &lane{sender: s, ordered: ordered}
	l.changed.L = &l.mutex
	return l
}

// add queues a record, and waits while the queue is full.
func (l *lane) add(ctx context.Context, one *sent) error {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if len(l.queue) >= queuedMax {
		defer context.AfterFunc(ctx, func() {
			l.mutex.Lock()
			defer l.mutex.Unlock()
			l.changed.Broadcast()
		})()
	}
	for len(l.queue) >= queuedMax && ctx.Err() == nil {
		l.changed.Wait()
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	l.queue = append(l.queue, one)
	l.bytes += len(one.data) + len(partitionKey)
	if len(l.queue) == 1 || l.full() {
		l.changed.Broadcast()
	}
	return nil
}

// full reports whether what has queued fills a request.
func (l *lane) full() bool { return len(l.queue) >= requestRecordsMax || l.bytes >= requestBytesMax }

// close lets the workers end when the queue is empty.
func (l *lane) close() {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.closed = true
	l.changed.Broadcast()
}

// work is one worker of the lane. It ends when the lane is closed and empty.
func (l *lane) work(ctx context.Context) {
	batch := make([]*sent, 0, requestRecordsMax)
	entries := make([]entry, 0, requestRecordsMax)
	for {
		var mine *turn
		batch, mine = l.take(batch[:0])
		if len(batch) == 0 {
			return
		}
		entries = entries[:0]
		for _, one := range batch {
			entries = append(entries, l.sender.session.entry(one.shard, one.data))
		}
		l.sender.session.put(withTurn(ctx, mine), entries, func(number int, err error) { l.sender.settle(batch[number], err) })
		mine.pass()
		clear(entries)
		clear(batch)
	}
}

// take waits for the records of a request and its turn. No records are the end.
func (l *lane) take(batch []*sent) ([]*sent, *turn) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	for len(l.queue) == 0 || l.ordered && l.ahead > 0 && !l.full() {
		if l.closed && len(l.queue) == 0 {
			return nil, nil
		}
		l.changed.Wait()
	}
	count, bytes := 0, 0
	for _, one := range l.queue[:min(len(l.queue), requestRecordsMax)] {
		size := len(one.data) + len(partitionKey)
		if count > 0 && bytes+size > requestBytesMax {
			break
		}
		count, bytes = count+1, bytes+size
	}
	batch = append(batch, l.queue[:count]...)
	rest := copy(l.queue, l.queue[count:])
	clear(l.queue[rest:])
	l.queue, l.bytes = l.queue[:rest], l.bytes-bytes
	l.changed.Broadcast() // there is room
	l.ahead++
	var before *turn
	if l.ordered {
		before = l.last
	}
	l.last = newTurn(before, l.answered)
	return batch, l.last
}

// answered is told by a turn that is over.
func (l *lane) answered() {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.ahead--
	l.changed.Broadcast()
}
