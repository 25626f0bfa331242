package main

import (
	"context"
	"errors"
	"sync"

	"github.com/cockroachdb/pebble/v2"
)

// sentMax bounds records that were sent and are not acknowledged.
const sentMax = 1 << 16

// pebbleSession can also send without waiting: records are applied by whoever
// sends, and one goroutine waits for their syncs in order.
type pebbleSession struct {
	*keyedSession
	start   sync.Once
	queue   chan pebbleSent
	waiting sync.WaitGroup
}

// pebbleSent is a batch that was applied, or the mark of a flush, which has
// none.
type pebbleSent struct {
	batch *pebble.Batch
	sync  bool
	bell  *bell
	done  func(error)
}

// Send implements target.Sender.
func (s *pebbleSession) Send(_ context.Context, shard int, record []byte, done func(error)) error {
	s.startSending()
	p := s.shards[shard].(*pebbleShard)
	batch, err := p.batch([][]byte{record})
	if err != nil {
		return err
	}
	if p.options.Sync {
		err = p.database.ApplyNoSyncWait(batch, p.options)
	} else {
		err = p.database.Apply(batch, p.options)
	}
	if err != nil {
		return err
	}
	s.queue <- pebbleSent{batch, p.options.Sync, &p.bell, done}
	return nil
}

// Flush implements target.Sender.
func (s *pebbleSession) Flush(ctx context.Context) error {
	s.startSending()
	flushed := make(chan error, 1)
	s.queue <- pebbleSent{done: func(err error) { flushed <- err }}
	select {
	case err := <-flushed:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *pebbleSession) startSending() {
	s.start.Do(func() {
		s.queue = make(chan pebbleSent, sentMax)
		s.waiting.Go(s.acknowledge)
	})
}

// acknowledge waits for the syncs of what was sent.
func (s *pebbleSession) acknowledge() {
	for one := range s.queue {
		var err error
		if one.sync {
			err = one.batch.SyncWait()
		}
		if one.batch != nil {
			err = errors.Join(err, one.batch.Close())
			one.bell.ring()
		}
		one.done(err)
	}
}

// Close implements target.Session.
func (s *pebbleSession) Close() error {
	s.start.Do(func() {})
	if s.queue != nil {
		close(s.queue)
		s.waiting.Wait()
	}
	return s.keyedSession.Close()
}
