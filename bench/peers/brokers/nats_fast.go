package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"
)

const (
	// natsFlow is how many records share an acknowledgement, natsFlowsMax how
	// many of these may be outstanding.
	natsFlow     = 500
	natsFlowsMax = 8
	// natsIdle is after what time without a record a batch is committed.
	natsIdle = 20 * time.Millisecond
)

// natsFast sends by fast batches. The client has no callback for their
// acknowledgements: it says how far they have come whenever a record is added,
// and at the end of a batch. So a batch to which nothing is added is ended.
type natsFast struct {
	*natsSession
	lanes []*natsLane
	stop  chan struct{}
	idle  sync.WaitGroup
}

// natsLane is the open batch of a shard.
type natsLane struct {
	subject string
	stream  jetstream.JetStream
	conn    *nats.Conn

	mutex sync.Mutex
	// All guarded by mutex. publisher is nil between batches; pending are the
	// callbacks of records that are not acknowledged, of which the first has
	// number acknowledged+1 in the batch.
	publisher    jetstreamext.FastPublisher
	pending      []func(error)
	acknowledged uint64
	added        int // records added since the last look of commitIdle
}

func newNATSFast(s *natsSession, shards int) (*natsFast, error) {
	f := &natsFast{natsSession: s, stop: make(chan struct{})}
	for shard := range shards {
		connection, err := nats.Connect(s.url, nats.NoReconnect())
		if err != nil {
			return nil, errors.Join(err, f.disconnect())
		}
		lane := &natsLane{subject: natsSubject(shard), conn: connection}
		f.lanes = append(f.lanes, lane)
		if lane.stream, err = jetstream.New(connection, jetstream.WithDefaultTimeout(natsTimeout)); err != nil {
			return nil, errors.Join(err, f.disconnect())
		}
	}
	f.idle.Go(f.commitIdle)
	return f, nil
}

// Send implements target.Sender.
func (f *natsFast) Send(_ context.Context, shard int, record []byte, done func(error)) error {
	return f.lanes[shard].send(record, done)
}

// send adds a record to the batch, and waits while too many are outstanding.
func (l *natsLane) send(record []byte, done func(error)) error {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if l.publisher == nil {
		publisher, err := jetstreamext.NewFastPublisher(l.stream, jetstreamext.FastPublishFlowControl{
			Flow: natsFlow, MaxOutstandingAcks: natsFlowsMax, AckTimeout: natsTimeout,
		})
		if err != nil {
			return fmt.Errorf("brokers: begin a fast batch: %w", err)
		}
		l.publisher, l.acknowledged = publisher, 0
	}
	l.added++
	result, err := l.publisher.Add(l.subject, record)
	if err != nil {
		// Whatever was not acknowledged by now may be missing.
		l.publisher = nil
		l.settle(len(l.pending), err)
		return err
	}
	l.pending = append(l.pending, done)
	if result.AckSequence > l.acknowledged {
		l.settle(int(result.AckSequence-l.acknowledged), nil)
	}
	return nil
}

// settle gives the result of the oldest records on.
func (l *natsLane) settle(count int, err error) {
	for _, done := range l.pending[:count] {
		done(err)
	}
	l.acknowledged += uint64(count)
	l.pending = append(l.pending[:0], l.pending[count:]...)
}

// commit ends the batch, if there is one, and gives all results on. The caller
// holds the mutex.
func (l *natsLane) commit(ctx context.Context) error {
	if l.publisher == nil {
		return nil
	}
	_, err := l.publisher.Close(ctx)
	l.publisher = nil
	l.settle(len(l.pending), err)
	return err
}

// commitIdle ends batches to which nothing was added for a while.
func (f *natsFast) commitIdle() {
	ticker := time.NewTicker(natsIdle)
	defer ticker.Stop()
	for {
		select {
		case <-f.stop:
			return
		case <-ticker.C:
		}
		for _, lane := range f.lanes {
			// Who holds the mutex is sending, so this lane is not idle.
			if !lane.mutex.TryLock() {
				continue
			}
			if lane.added == 0 {
				ctx, cancel := context.WithTimeout(context.Background(), natsTimeout)
				// The records have the error.
				_ = lane.commit(ctx)
				cancel()
			}
			lane.added = 0
			lane.mutex.Unlock()
		}
	}
}

// Flush implements target.Sender.
func (f *natsFast) Flush(ctx context.Context) error {
	var err error
	for _, lane := range f.lanes {
		lane.mutex.Lock()
		err = errors.Join(err, lane.commit(ctx))
		lane.mutex.Unlock()
	}
	return err
}

// Close implements target.Session.
func (f *natsFast) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), natsTimeout)
	defer cancel()
	close(f.stop)
	f.idle.Wait()
	return errors.Join(f.Flush(ctx), f.disconnect(), f.natsSession.Close())
}

// disconnect closes the connections of the batches.
func (f *natsFast) disconnect() error {
	for _, lane := range f.lanes {
		lane.conn.Close()
	}
	return nil
}
