package native

import (
	"context"
	"errors"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/stream"
)

// handle takes one message. Errors that it returns end the connection.
func (c *connection) handle(message protocol.Message) error {
	if message.Type == protocol.TypeAppend {
		return c.append(message)
	}
	if len(message.Body) != 0 {
		return c.violation(message.Request, failure.New(failure.Malformed, "native: "+message.Type.String(),
			"a body of %d bytes where none belongs", len(message.Body)))
	}
	switch message.Type {
	case protocol.TypeSubscribe:
		return c.subscribe(message)
	case protocol.TypeCredit:
		return c.credit(message)
	case protocol.TypeUnsubscribe:
		c.unsubscribe(message.Request)
		return nil
	case protocol.TypeFetch, protocol.TypeDescribe, protocol.TypeCreate, protocol.TypeDelete, protocol.TypeList, protocol.TypePing:
		return c.answer(message)
	case protocol.TypeHello, protocol.TypeWelcome, protocol.TypeAck, protocol.TypeFrames, protocol.TypeDescription,
		protocol.TypeDone, protocol.TypeStreams, protocol.TypeError, protocol.TypePong:
		return c.violation(message.Request, failure.New(failure.Malformed, "native: read", "%v from a client that was welcomed", message.Type))
	default:
		c.writeError(message.Request, failure.New(failure.NewerVersion, "native: read", "%v is no request of version %d", message.Type, protocol.Version))
		return nil
	}
}

// answer runs a request in a goroutine of its own, because it may wait for a
// disk or for records. It is parsed first: the message is gone with the next.
func (c *connection) answer(message protocol.Message) error {
	work, err := c.parse(message)
	if err != nil {
		return c.violation(message.Request, err)
	}
	select {
	case c.slots <- struct{}{}:
	case <-c.ctx.Done():
		return failure.Wrap(failure.Disconnected, "native: request", c.ctx.Err())
	}
	request := message.Request
	c.group.Go(func() {
		defer func() { <-c.slots }()
		if err := work(request); err != nil {
			c.writeError(request, err)
		}
	})
	return nil
}

// parse returns what is to be done for a request. The errors of the work are for
// the client.
func (c *connection) parse(message protocol.Message) (work func(request uint32) error, err error) {
	switch message.Type {
	case protocol.TypeFetch:
		var fetch protocol.Fetch
		err = fetch.Parse(message)
		fetch.Start = c.pin(fetch.StreamID, fetch.Shard, fetch.Start)
		return func(request uint32) error { return c.fetch(request, fetch) }, err
	case protocol.TypeDescribe:
		var describe protocol.Describe
		err = describe.Parse(message)
		return func(request uint32) error { return c.describe(request, describe) }, err
	case protocol.TypeCreate:
		var create protocol.Create
		err = create.Parse(message)
		return func(request uint32) error { return c.create(request, create) }, err
	case protocol.TypeDelete:
		var remove protocol.Delete
		err = remove.Parse(message)
		return func(request uint32) error { return c.delete(request, remove) }, err
	case protocol.TypeList:
		var list protocol.List
		err = list.Parse(message)
		return func(request uint32) error { return c.list(request, list) }, err
	default:
		return func(request uint32) error { return c.send(protocol.Pong{}, request) }, nil
	}
}

// answering is a message without a body.
type answering interface {
	AppendTo(destination []byte, request uint32) []byte
}

// send writes an answer. Its error is nil: a failed write has ended the
// connection, and nobody is there to be told.
func (c *connection) send(m answering, request uint32) error {
	_ = c.write(m.AppendTo(nil, request))
	return nil
}

func (c *connection) describe(request uint32, m protocol.Describe) error {
	found, err := c.server.store.Stream(m.Name)
	if err != nil {
		return err
	}
	return c.send(description(found.Describe()), request)
}

func (c *connection) create(request uint32, m protocol.Create) error {
	created, err := c.server.store.Create(c.ctx, stream.Config{
		Name:           m.Name,
		Shards:         int(m.Shards),
		Durability:     m.Durability,
		SyncInterval:   m.SyncInterval,
		RetentionTime:  m.RetentionTime,
		RetentionBytes: m.RetentionBytes,
		EnforceLimits:  m.EnforceLimits,
	})
	if err != nil {
		return err
	}
	return c.send(description(created.Describe()), request)
}

func (c *connection) delete(request uint32, m protocol.Delete) error {
	if err := c.server.store.Delete(c.ctx, m.Name); err != nil {
		return err
	}
	return c.send(protocol.Done{}, request)
}

func (c *connection) list(request uint32, m protocol.List) error {
	limit := int(min(m.Limit, listLimit))
	if limit == 0 {
		limit = listLimit
	}
	names, more := c.server.store.List(m.After, limit)
	return c.send(protocol.Streams{Names: names, More: more}, request)
}

// fetch answers with the next frames, waiting for them if it is told to.
func (c *connection) fetch(request uint32, m protocol.Fetch) error {
	from, err := c.open(m.StreamID, m.Shard, m.Start)
	if err != nil {
		return err
	}
	defer from.cursor.Close()
	ctx, cancel := context.WithTimeout(c.reading, max(0, min(m.Wait, c.server.options.FetchWaitMax)))
	defer cancel()
	waiting, stop := from.shard.UntilEnd(ctx)
	defer stop()
	for {
		found, err := from.next(int(min(int64(m.MaxBytes), int64(protocol.MessageBytesMax))))
		if err != nil {
			return err
		}
		if len(found.body) > 0 || found.head.End {
			_ = from.send(request, found)
			return nil
		}
		if err := from.cursor.Wait(waiting); err != nil {
			if ctx.Err() == nil && from.shard.Closed() {
				continue // the next round says so
			}
			if ctx.Err() == nil {
				return from.shard.Explain(err)
			}
			if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return errStopping
			}
			_ = from.send(request, found)
			return nil
		}
	}
}

// description turns the store's words into those of the protocol.
func description(d stream.Description) protocol.Description {
	m := protocol.Description{
		StreamID:       d.ID,
		Name:           d.Config.Name,
		Created:        d.Created,
		Durability:     d.Config.Durability,
		SyncInterval:   d.Config.SyncInterval,
		RetentionTime:  d.Config.RetentionTime,
		RetentionBytes: d.Config.RetentionBytes,
		EnforceLimits:  d.Config.EnforceLimits,
		Shards:         make([]protocol.ShardDescription, 0, len(d.Shards)),
	}
	for _, s := range d.Shards {
		if s.Expired {
			continue // there is nothing to read and nobody to write to
		}
		m.Shards = append(m.Shards, protocol.ShardDescription{
			ID: s.ID, Range: s.Range, Created: s.Created, First: s.First, Next: s.Next, Bytes: uint64(s.Bytes),
		})
	}
	return m
}
