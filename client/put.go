package client

import (
	"context"
	"fmt"

	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/record"
)

// puttersMax bounds the streams for which Put keeps a producer.
const puttersMax = 256

// group collects the results of records that a caller waits for together.
type group struct {
	results []Result
	// remaining is touched by the sender only, once the records are enqueued.
	remaining int
	done      chan struct{}
}

// settle takes the result of one record, on the sender.
func (g *group) settle(index int, result Result) {
	g.results[index] = result
	if g.remaining--; g.remaining == 0 {
		close(g.done)
	}
}

// Put writes a record and returns where it stands, once it is as durable as its
// stream promises. If the context ends first, the record may still be written.
func (c *Client) Put(ctx context.Context, stream string, r record.Record) (Position, error) {
	p, err := c.putter(ctx, stream)
	if err != nil {
		return Position{}, err
	}
	results, err := p.put(ctx, []record.Record{r})
	if err != nil {
		return Position{}, err
	}
	return results[0].Position, results[0].Err
}

// PutBatch writes records, as one batch for each shard they belong to, and returns
// the result of each in the order given. The error is nil only if every record was
// written; some of them may be written when it is not. If the context ends first,
// any of them may still be.
func (c *Client) PutBatch(ctx context.Context, stream string, records []record.Record) ([]Result, error) {
	if len(records) == 0 {
		return nil, nil
	}
	p, err := c.putter(ctx, stream)
	if err != nil {
		return failAll(len(records), err), err
	}
	results, err := p.put(ctx, records)
	if err != nil {
		return failAll(len(records), err), err
	}
	failed, first := 0, error(nil)
	for i := range results {
		if results[i].Err != nil {
			if failed++; failed == 1 {
				first = results[i].Err
			}
		}
	}
	if failed > 0 {
		return results, fmt.Errorf("client: put batch: %d of %d records failed, first: %w", failed, len(records), first)
	}
	return results, nil
}

// failAll returns n results with the same error.
func failAll(n int, err error) []Result {
	results := make([]Result, n)
	for i := range results {
		results[i].Err = err
	}
	return results
}

// put enqueues records as one batch for each shard and waits for their results.
// Records that cannot be sent have their error among the results; an error of put
// itself means that the wait ended early.
func (p *Producer) put(ctx context.Context, records []record.Record) ([]Result, error) {
	g := &group{results: make([]Result, len(records)), done: make(chan struct{})}
	total := 0
	for i := range records {
		size, err := p.check(&records[i])
		if g.results[i].Err = err; err == nil {
			g.remaining++
			total += size
		}
	}
	if g.remaining == 0 {
		return g.results, nil
	}
	if err := p.enqueueGroup(ctx, g, records, total); err != nil {
		return nil, err
	}
	select {
	case <-g.done:
		return g.results, nil
	case <-ctx.Done():
		return nil, contextError(ctx)
	}
}

// enqueueGroup puts those records that have no error into their lanes under one
// hold of the mutex, so that the sender finds them whole.
func (p *Producer) enqueueGroup(ctx context.Context, g *group, records []record.Record, total int) error {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if err := p.reserve(ctx, total); err != nil {
		return err
	}
	current := p.routing.Load()
	for i := range records {
		if g.results[i].Err != nil {
			continue
		}
		// The results may be written from here on, except by this loop's own
		// reading: the sender needs the mutex to take a batch.
		size := protocol.RecordSizeMax(records[i])
		shard := current.route(&records[i])
		if shard < 0 {
			p.release(size)
			g.settle(i, Result{Err: errNoShard()})
			continue
		}
		p.enqueue(p.lanes[shard], &records[i], size, completion{group: g, index: i}, p.batchBytesMax)
	}
	return nil
}

// putter returns the producer that Put uses for a stream.
func (c *Client) putter(ctx context.Context, stream string) (*Producer, error) {
	if p := c.findPutter(stream); p != nil {
		return p, nil
	}
	p, err := c.NewProducer(ctx, stream, WithLinger(0))
	if err != nil {
		return nil, err
	}
	c.mutex.Lock()
	other := c.putters[stream]
	var idle *Producer
	if other == nil {
		idle = c.evictPutter()
		c.putters[stream] = p
	}
	c.mutex.Unlock()
	if idle != nil {
		idle.abort()
	}
	if other != nil {
		// Another caller was first.
		p.abort()
		return other, nil
	}
	return p, nil
}

// findPutter returns the producer that Put has for a stream, if any.
func (c *Client) findPutter(stream string) *Producer {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.putters[stream]
}

// evictPutter makes room for one more producer and returns one to be stopped, if
// there is no room and one of them is idle. The caller holds the mutex.
func (c *Client) evictPutter() *Producer {
	if len(c.putters) < puttersMax {
		return nil
	}
	for stream, p := range c.putters {
		p.mutex.Lock()
		idle := p.outstanding == 0 && p.waiting == 0
		if idle {
			p.closing = true
		}
		p.mutex.Unlock()
		if idle {
			delete(c.putters, stream)
			return p
		}
	}
	return nil
}
