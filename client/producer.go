package client

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/record/kpl"
)

// Result is what became of one record.
type Result struct {
	// Position is where the record stands, if Err is nil.
	Position Position
	Err      error
}

// Producer writes records to one stream without waiting for each: it gathers
// them into batches, one shard at a time, and keeps several under way. The records
// of one shard keep the order in which Produce was called. It is safe for
// concurrent use.
type Producer struct {
	client  *Client
	stream  string
	options producerOptions
	// batchBytesMax is the largest batch that the server takes.
	batchBytesMax int
	durability    protocol.DurabilityRequest

	// context ends when the producer is to stop at once; done is closed when the
	// sender has.
	context context.Context
	cancel  context.CancelFunc
	done    chan struct{}
	// wake tells the sender that there is something to do.
	wake chan struct{}
	// spareEvents is the sender's other buffer of events.
	spareEvents []event
	// aggregator is the sender's too; nil without WithAggregation.
	aggregator *kpl.Aggregator

	// routing is the current shard map. It is stored under the mutex, and read
	// without it to hash keys outside.
	routing atomic.Pointer[routing]

	mutex sync.Mutex // guards all below
	// lanes are those of the current routing, in its order; retired are lanes of
	// earlier ones that still hold records.
	lanes       []*lane
	retired     []*lane
	events      []event
	buffered    int // bytes of records not yet settled
	outstanding int // batches not yet settled
	waiting     int // callers that wait for buffer space
	space       chan struct{}
	generation  uint64
	flushes     []flush
	free        []*batch
	closing     bool
}

// flush is a caller of Flush: done is closed once every batch up to the generation
// is settled.
type flush struct {
	generation uint64
	done       chan struct{}
}

// NewProducer returns a producer for a stream. Close it to have everything sent.
func (c *Client) NewProducer(ctx context.Context, stream string, settings ...ProducerOption) (*Producer, error) {
	p := &Producer{
		client: c, stream: stream, options: defaultProducerOptions(),
		done: make(chan struct{}), wake: make(chan struct{}, 1), space: make(chan struct{}),
	}
	for _, set := range settings {
		set(&p.options)
	}
	if err := p.options.validate(); err != nil {
		return nil, err
	}
	if d := p.options.durability; d != nil {
		p.durability = protocol.RequireDurability(*d)
	}
	if o := p.options.aggregation; o != nil {
		p.aggregator = kpl.NewAggregator(*o)
	}
	description, err := c.DescribeStream(ctx, stream)
	if err != nil {
		return nil, fmt.Errorf("client: new producer: %w", err)
	}
	connection, err := c.connection(ctx)
	if err != nil {
		return nil, fmt.Errorf("client: new producer: %w", err)
	}
	p.batchBytesMax = record.BatchBytesMax
	if limit := int(connection.welcome.BatchBytesMax); limit > 0 {
		p.batchBytesMax = min(limit, record.BatchBytesMax)
	}
	p.adopt(newRouting(description))
	p.context, p.cancel = context.WithCancel(context.Background())
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.closed {
		p.cancel()
		return nil, errClosed("client: new producer")
	}
	c.producers[p] = struct{}{}
	c.running.Add(1)
	go p.run()
	return p, nil
}

// Produce hands over a record. It waits only while the buffer is full. An error
// means that the record was refused and done will not be called; otherwise done,
// if it is not nil, is called exactly once with the outcome. It is called by the
// goroutine that sends, so it must not block, nor wait for this producer.
//
// The record's data belongs to the producer until then.
func (p *Producer) Produce(ctx context.Context, r record.Record, done func(Result)) error {
	size, err := p.check(&r)
	if err != nil {
		return err
	}
	current := p.routing.Load()
	shard := current.route(&r)
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if err := p.reserve(ctx, size); err != nil {
		return err
	}
	if now := p.routing.Load(); now != current {
		shard = now.route(&r)
	}
	if shard < 0 {
		p.release(size)
		return errNoShard()
	}
	p.enqueue(p.lanes[shard], &r, size, completion{notify: done}, p.options.batchBytes)
	return nil
}

// Flush sends what is gathered without lingering and waits until every record
// produced before the call has its result. It returns only the context's error:
// results are for the callbacks.
func (p *Producer) Flush(ctx context.Context) error {
	p.mutex.Lock()
	for _, l := range p.lanes {
		l.seal()
	}
	f := flush{generation: p.generation, done: make(chan struct{})}
	p.flushes = append(p.flushes, f)
	p.mutex.Unlock()
	p.signal()
	select {
	case <-f.done:
		return nil
	case <-p.done:
		return nil
	case <-ctx.Done():
		return contextError(ctx)
	}
}

// Close flushes, and stops when that is done or the context ends, whichever comes
// first. Records without a result by then get one of kind Closed. It returns the
// context's error if it came to that.
func (p *Producer) Close(ctx context.Context) error {
	p.mutex.Lock()
	p.closing = true
	p.mutex.Unlock()
	err := p.Flush(ctx)
	p.abort()
	return err
}

// abort stops the sender and waits for it.
func (p *Producer) abort() {
	p.cancel()
	<-p.done
}

// check returns the most that a record adds to a batch, or why it cannot be sent.
func (p *Producer) check(r *record.Record) (size int, err error) {
	if err := protocol.CheckRecord(*r); err != nil {
		return 0, fmt.Errorf("client: produce to %s: %w", p.stream, err)
	}
	size = protocol.RecordSizeMax(*r)
	if batchPrefixBytes+size > p.batchBytesMax {
		return 0, p.failure("client: produce", failure.TooLarge,
			fmt.Sprintf("a batch of %d bytes, the server takes %d", batchPrefixBytes+size, p.batchBytesMax))
	}
	return size, nil
}

// failure returns an error that names the stream.
func (p *Producer) failure(operation string, kind failure.Kind, detail string) error {
	return &failure.Error{Kind: kind, Operation: operation, Stream: p.stream, Detail: detail}
}

// reserve takes size bytes of the buffer, waiting for them if need be. One that
// is alone gets them even if the buffer is smaller. The caller holds the mutex,
// which is released while waiting.
func (p *Producer) reserve(ctx context.Context, size int) error {
	for {
		if p.closing || p.context.Err() != nil {
			return p.failure("client: produce", failure.Closed, "the producer is closed")
		}
		if p.buffered == 0 || p.buffered+size <= p.options.bufferBytes {
			p.buffered += size
			return nil
		}
		space := p.space
		p.waiting++
		p.mutex.Unlock()
		select {
		case <-space:
		case <-p.context.Done():
		case <-ctx.Done():
		}
		p.mutex.Lock()
		p.waiting--
		if ctx.Err() != nil {
			return contextError(ctx)
		}
	}
}

// release gives bytes back to the buffer. The caller holds the mutex.
func (p *Producer) release(size int) {
	p.buffered -= size
	if p.waiting > 0 {
		close(p.space)
		p.space = make(chan struct{})
	}
}

// enqueue puts a record into its lane's filling batch, which is sealed when it
// has limit bytes, and returns the batch. The caller holds the mutex and has
// reserved size bytes.
func (p *Producer) enqueue(l *lane, r *record.Record, size int, c completion, limit int) *batch {
	if b := l.filling; b != nil && (b.size+size > limit || len(b.records) == record.BatchRecordsMax) {
		l.seal()
		p.signal()
	}
	if l.filling == nil {
		l.filling = p.newBatch(l)
		p.signal()
	}
	b := l.filling
	b.add(r, size, c)
	if b.size >= limit {
		l.seal()
		p.signal()
	}
	return b
}

// seal makes the filling batch, if any, ready to be sent. The caller holds the
// producer's mutex.
func (l *lane) seal() {
	if l.filling != nil {
		l.ready = append(l.ready, l.filling)
		l.filling = nil
	}
}

// newBatch returns an empty batch. The caller holds the mutex.
func (p *Producer) newBatch(l *lane) *batch {
	b := p.reuse()
	if b == nil {
		b = &batch{owner: p}
		b.written.Store(true)
	}
	p.generation++
	p.outstanding++
	b.lane, b.size, b.opened, b.generation = l, batchPrefixBytes, time.Now(), p.generation
	return b
}

// reuse returns a settled batch, or nil. An answer can overtake the return of the
// system call that sent the batch, and until then the connection's writer still
// holds the message: such batches are passed over. The caller holds the mutex.
func (p *Producer) reuse() *batch {
	for i, b := range slices.Backward(p.free) {
		if b.written.Load() {
			p.free = slices.Delete(p.free, i, i+1)
			return b
		}
	}
	return nil
}

// answered takes an answer from the connection's reader.
func (p *Producer) answered(e event) {
	p.mutex.Lock()
	p.events = append(p.events, e)
	p.mutex.Unlock()
	p.signal()
}

// signal wakes the sender, or leaves it a note if it is not asleep.
func (p *Producer) signal() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// adopt makes a routing the current one. Lanes that it shares with the one before
// are kept, with all that they hold; new ones wait for those that they follow. The
// caller holds the mutex, or is the only one to know the producer.
func (p *Producer) adopt(r *routing) {
	before := slices.Clone(p.lanes) // the sender may be going through the original
	p.lanes = make([]*lane, len(r.shards))
	for i, shard := range r.shards {
		for j, l := range before {
			if l != nil && l.routing.stream == r.stream && l.shard.ID == shard.ID && l.shard.Range == shard.Range {
				p.lanes[i], before[j] = l, nil
				l.routing = r
				break
			}
		}
	}
	for _, l := range before {
		if l != nil {
			p.retired = append(p.retired, l)
		}
	}
	for i, shard := range r.shards {
		if p.lanes[i] == nil {
			p.lanes[i] = newLane(r, shard)
			p.lanes[i].after = slices.DeleteFunc(slices.Clone(p.retired), func(old *lane) bool {
				return !overlap(old.shard.Range, shard.Range)
			})
		}
	}
	p.routing.Store(r)
}
