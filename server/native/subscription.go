package native

import (
	"context"
	"sync/atomic"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/shard"
	"github.com/millrace-io/millrace/stream"
	"github.com/millrace-io/millrace/wal"
)

// feed is a cursor whose frames go to the client.
type feed struct {
	connection *connection
	stream     *stream.Stream
	shard      *shard.Shard
	id         record.ShardID
	cursor     *wal.Cursor
	head       []byte // reused for every message
}

// chunk is one Frames message; the body aliases the log.
type chunk struct {
	head protocol.Frames
	body []byte
}

// open opens a feed. The caller closes its cursor.
func (c *connection) open(streamID uint64, id record.ShardID, start record.Start) (*feed, error) {
	of, err := c.server.store.StreamByID(streamID)
	if err != nil {
		return nil, err
	}
	from, err := of.Shard(id)
	if err != nil {
		return nil, err
	}
	cursor, err := from.Cursor(start)
	if err != nil {
		return nil, err
	}
	return &feed{connection: c, stream: of, shard: from, id: id, cursor: cursor}, nil
}

// pin turns the latest record into the number that it has when the request is
// read, so that what the client sends behind it counts as later.
func (c *connection) pin(streamID uint64, id record.ShardID, start record.Start) record.Start {
	if start.Kind != record.StartLatest {
		return start
	}
	of, err := c.server.store.StreamByID(streamID)
	if err != nil {
		return start // open will say so
	}
	from, err := of.Shard(id)
	if err != nil {
		return start
	}
	return record.AtSequence(from.Next())
}

// next returns the frames that follow, up to maximum bytes but at least one; an
// empty chunk if there are none yet. The chunk is valid until the cursor moves.
func (f *feed) next(maximum int) (chunk, error) {
	// In this order: if there is nothing to read, all before tip is behind.
	closed, tip := f.shard.Closed(), f.shard.Next()
	frames, ok := f.cursor.Frames(max(maximum, 1))
	if ok {
		return chunk{protocol.Frames{Salt: frames.Salt, First: frames.First, Next: frames.Next, Tip: max(tip, frames.Next)}, frames.Bytes}, nil
	}
	if err := f.cursor.Err(); err != nil {
		return chunk{}, f.shard.Explain(err)
	}
	return chunk{head: protocol.Frames{First: tip, Next: tip, Tip: tip, End: closed}}, nil
}

// send writes a chunk.
func (f *feed) send(request uint32, found chunk) error {
	f.head = found.head.AppendTo(f.head[:0], request, len(found.body))
	if err := f.connection.writeBody(f.head, found.body); err != nil {
		return err
	}
	f.stream.CountRead(f.id, found.head.Next-found.head.First, uint64(len(found.body)))
	return nil
}

// subscription is a feed that goes on by itself.
type subscription struct {
	cancel  context.CancelFunc
	balance atomic.Int64  // credits in bytes; below zero after a frame larger than what was left
	topped  chan struct{} // capacity 1: balance grew
	// ended is set by unsubscribe: the client wants Done.
	ended atomic.Bool
}

// subscribe begins a subscription.
func (c *connection) subscribe(message protocol.Message) error {
	var m protocol.Subscribe
	if err := m.Parse(message); err != nil {
		return c.violation(message.Request, err)
	}
	m.Start = c.pin(m.StreamID, m.Shard, m.Start)
	ctx, cancel := context.WithCancel(c.reading)
	s := &subscription{cancel: cancel, topped: make(chan struct{}, 1)}
	s.balance.Store(int64(m.Credits))
	c.subscribing.Lock()
	_, taken := c.subscriptions[message.Request]
	full := len(c.subscriptions) >= c.server.options.SubscriptionsMax
	if !taken && !full {
		c.subscriptions[message.Request] = s
	}
	c.subscribing.Unlock()
	if taken {
		cancel()
		return c.violation(message.Request, failure.New(failure.Malformed, "native: subscribe", "request %d has a subscription", message.Request))
	}
	if full {
		cancel()
		c.writeError(message.Request, failure.New(failure.Conflict, "native: subscribe",
			"the connection has %d subscriptions, the limit", c.server.options.SubscriptionsMax))
		return nil
	}
	c.server.stats.subscriptions.Add(1)
	request := message.Request
	c.group.Go(func() {
		defer c.server.stats.subscriptions.Add(-1)
		defer cancel()
		err := c.push(ctx, request, m, s)
		c.forget(request)
		c.finish(ctx, request, s, err)
	})
	return nil
}

// push sends frames until the subscription ends; nil at the end of the shard.
func (c *connection) push(ctx context.Context, request uint32, m protocol.Subscribe, s *subscription) error {
	from, err := c.open(m.StreamID, m.Shard, m.Start)
	if err != nil {
		return err
	}
	defer from.cursor.Close()
	waiting, cancel := from.shard.UntilEnd(ctx)
	defer cancel()
	for {
		balance, err := s.afford(ctx, from.shard)
		if err != nil {
			return err
		}
		found, err := from.next(int(min(balance, int64(c.server.options.PushBytes))))
		if err != nil {
			return err
		}
		if len(found.body) == 0 && !found.head.End {
			// When the shard is closed the next round says so.
			if err := from.cursor.Wait(waiting); err != nil && !from.shard.Closed() {
				return from.shard.Explain(err)
			}
			continue
		}
		if err := from.send(request, found); err != nil || found.head.End {
			return err
		}
		s.balance.Add(-int64(len(found.body)))
	}
}

// finish sends what the client has to hear at the end of a subscription.
func (c *connection) finish(ctx context.Context, request uint32, s *subscription, err error) {
	switch {
	case s.ended.Load():
		_ = c.send(protocol.Done{}, request)
	case err != nil && ctx.Err() == nil:
		c.writeError(request, err)
	}
}

// afford waits for credits and returns how many there are. A client that has
// none learns all the same that the stream is gone.
func (s *subscription) afford(ctx context.Context, of *shard.Shard) (int64, error) {
	for {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		if balance := s.balance.Load(); balance > 0 {
			return balance, nil
		}
		select {
		case <-s.topped:
		case <-of.Retired():
			return 0, of.Explain(failure.Closed)
		case <-ctx.Done():
		}
	}
}

// forget takes a subscription off the books.
func (c *connection) forget(request uint32) {
	c.subscribing.Lock()
	defer c.subscribing.Unlock()
	delete(c.subscriptions, request)
}

// credit adds to a balance. A subscription that has ended meanwhile needs none.
func (c *connection) credit(message protocol.Message) error {
	var m protocol.Credit
	if err := m.Parse(message); err != nil {
		return c.violation(message.Request, err)
	}
	c.subscribing.Lock()
	s := c.subscriptions[message.Request]
	c.subscribing.Unlock()
	if s == nil {
		return nil
	}
	s.balance.Add(int64(m.Bytes))
	select {
	case s.topped <- struct{}{}:
	default:
	}
	return nil
}

// unsubscribe ends a subscription; its goroutine answers. One that has ended by
// itself is answered here.
func (c *connection) unsubscribe(request uint32) {
	c.subscribing.Lock()
	s := c.subscriptions[request]
	if s != nil {
		s.ended.Store(true)
	}
	c.subscribing.Unlock()
	if s == nil {
		_ = c.send(protocol.Done{}, request)
		return
	}
	s.cancel()
}
