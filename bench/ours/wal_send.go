package ours

import (
	"context"
	"sync"

	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/wal"
)

// sentMax bounds records that were sent and are not acknowledged.
const sentMax = 1 << 16

// sends is the state of sending without waiting: records are staged by whoever
// sends, and one goroutine waits for them in order.
type sends struct {
	start   sync.Once
	queue   chan sent
	waiting sync.WaitGroup
	// one and payload belong to the goroutine that sends.
	one     [1]record.Record
	payload []byte
}

// sent is a record that was staged, or the mark of a flush, which has no log.
type sent struct {
	log     *wal.Log
	pending wal.Pending
	done    func(error)
}

// Send implements target.Sender.
func (s *walSession) Send(ctx context.Context, shard int, data []byte, done func(error)) error {
	s.startSending()
	s.one[0] = record.Record{PartitionKey: partitionKey, Data: data}
	s.payload = protocol.AppendBatch(s.payload[:0], s.one[:], protocol.Producer{})
	log := s.logs[shard]
	pending, err := log.Stage(ctx, s.payload, 1, protocol.Producer{}, s.promise)
	if err != nil {
		return err
	}
	s.queue <- sent{log, pending, done}
	return nil
}

// Flush implements target.Sender.
func (s *walSession) Flush(ctx context.Context) error {
	s.startSending()
	flushed := make(chan error, 1)
	s.queue <- sent{done: func(err error) { flushed <- err }}
	select {
	case err := <-flushed:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *walSession) startSending() {
	s.start.Do(func() {
		s.queue = make(chan sent, sentMax)
		s.waiting.Go(s.acknowledge)
	})
}

// acknowledge waits for what was sent. A commit ends, whatever becomes of those
// who wanted it, so that waiting needs no context.
func (s *walSession) acknowledge() {
	for one := range s.queue {
		if one.log == nil {
			one.done(nil)
			continue
		}
		one.done(one.log.Wait(context.Background(), one.pending))
	}
}

// endSending returns when done was called for everything sent.
func (s *walSession) endSending() {
	s.start.Do(func() {})
	if s.queue != nil {
		close(s.queue)
		s.waiting.Wait()
	}
}
