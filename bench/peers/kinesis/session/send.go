package session

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// sender sends records without waiting.
type sender struct {
	session *Session
	begin   sync.Once
	lanes   []*lane
	workers sync.WaitGroup
	stop    context.CancelFunc
	free    sync.Pool

	mutex   sync.Mutex
	pending int           // guarded by mutex: records without acknowledgement
	settled chan struct{} // guarded by mutex: closed when pending falls to 0, if somebody waits
}

// sent is a record on its way.
type sent struct {
	shard int
	data  []byte
	done  func(error)
}

// Send implements target.Sender. It waits while 4096 records are queued in
// front of this one.
func (s *Session) Send(ctx context.Context, shard int, record []byte, done func(error)) error {
	if err := s.check(shard); err != nil {
		return err
	}
	q := &s.sender
	q.begin.Do(q.start)
	one, _ := q.free.Get().(*sent)
	if one == nil {
		one = new(sent)
	}
	one.shard, one.data, one.done = shard, append(one.data[:0], record...), done
	q.add(1)
	if err := q.lanes[shard%len(q.lanes)].add(ctx, one); err != nil {
		q.add(-1)
		return err
	}
	return nil
}

// Flush implements target.Sender. If ctx ends first, requests under way are given
// up, what they carried and what is queued fails, and so does what is sent
// later: done is called for every record before Flush returns in any case.
func (s *Session) Flush(ctx context.Context) error {
	err := s.sender.flush(ctx)
	if err != nil {
		s.sender.stop()
		// Requests that are given up end at once.
		_ = s.sender.flush(context.WithoutCancel(ctx))
	}
	return err
}

// start starts the lanes. In order, each has a request at the server and one in
// preparation; without, all requests are of one lane. They end by close.
func (q *sender) start() {
	ctx, stop := context.WithCancel(context.Background())
	q.stop = stop
	chosen := q.session.options
	lanes, workers := 1, chosen.inFlight
	if chosen.ordered {
		lanes, workers = min(chosen.inFlight, len(q.session.shards)), 2
	}
	for range lanes {
		l := newLane(q, chosen.ordered)
		q.lanes = append(q.lanes, l)
		for range workers {
			q.workers.Go(func() { l.work(ctx) })
		}
	}
}

// settle tells about one record and takes its buffer back.
func (q *sender) settle(one *sent, err error) {
	if err == nil {
		q.session.shards[one.shard].acknowledged.Add(1)
	}
	done := one.done
	one.done = nil
	q.free.Put(one)
	done(err)
	q.add(-1)
}

// add changes the number of records without acknowledgement.
func (q *sender) add(change int) {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	q.pending += change
	if q.pending == 0 && q.settled != nil {
		close(q.settled)
		q.settled = nil
	}
}

// flush waits until no record is without acknowledgement.
func (q *sender) flush(ctx context.Context) error {
	q.mutex.Lock()
	if q.pending == 0 {
		q.mutex.Unlock()
		return nil
	}
	if q.settled == nil {
		q.settled = make(chan struct{})
	}
	settled := q.settled
	q.mutex.Unlock()
	select {
	case <-settled:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("session: flush: %w", ctx.Err())
	}
}

// close waits for what was sent, until the limit, gives up what is left, and
// joins the workers.
func (q *sender) close(limit time.Duration) error {
	q.begin.Do(func() {}) // nothing starts from here on
	if q.stop == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	err := q.session.Flush(ctx)
	q.stop()
	for _, l := range q.lanes {
		l.close()
	}
	q.workers.Wait()
	if err != nil {
		return errors.Join(errors.New("session: records were given up"), err)
	}
	return nil
}
