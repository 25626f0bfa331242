package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/record"
)

// Record is a record that was read, with its place in the stream.
type Record struct {
	record.Record
	Position Position
}

// Batch is the records that arrived together in one shard, as a view of the
// connection's buffer: it, and all that its methods return, is valid until the
// next step of the loop that yielded it, unless said otherwise.
type Batch struct {
	// First is the position of the first record.
	First Position
	// Tip is the sequence that the shard's next record will get, as far as the
	// server had told: how far behind the reader is.
	Tip uint64

	batch protocol.Batch
	// skip is the records at the front that come before the start of reading.
	skip int
}

// Len returns the number of records, at least 1.
func (b Batch) Len() int { return b.batch.Len() - b.skip }

// View returns record i, from 0, without copying it.
func (b Batch) View(i int) protocol.RecordView { return b.batch.Record(b.skip + i) }

// Position returns where record i stands. It stays valid.
func (b Batch) Position(i int) Position {
	p := b.First
	p.Sequence += uint64(i)
	return p
}

// Clone returns a copy that stays valid.
func (b Batch) Clone() Batch {
	b.batch = protocol.OpenBatch(bytes.Clone(b.batch.Bytes()))
	return b
}

// record returns record i of a batch that the caller owns. Its data shares the
// batch's memory.
func (b Batch) record(i int) Record {
	view := b.View(i)
	r := Record{
		Record:   record.Record{PartitionKey: string(view.Key), Data: view.Data},
		Position: b.Position(i),
	}
	if hash, given := view.ExplicitHash(); given {
		r.ExplicitHash = &hash
	}
	return r
}

// Records returns a loop over the records of a stream. It goes on until the
// context ends or the caller breaks off; an error, yielded with a zero Record, ends
// it. Lost connections do not: reading goes on behind the last record delivered. Nor
// do splits and merges: behind the last record of a shard come those of its children,
// unless the shards to be read were named.
//
// The records belong to the caller. Those that arrived together share one block of
// memory, so to keep a few of many for long, clone their data.
func (c *Client) Records(ctx context.Context, stream string, settings ...ConsumerOption) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		for view, err := range c.Batches(ctx, stream, settings...) {
			if err != nil {
				yield(Record{}, err)
				return
			}
			owned := view.Clone()
			for i := range owned.Len() {
				if !yield(owned.record(i), nil) {
					return
				}
			}
		}
	}
}

// Batches returns a loop over the records of a stream, as they were written
// together. It is Records without copying.
func (c *Client) Batches(ctx context.Context, stream string, settings ...ConsumerOption) iter.Seq2[Batch, error] {
	return func(yield func(Batch, error) bool) {
		r := &consumer{client: c, stream: stream, options: defaultConsumerOptions(), yield: yield}
		for _, set := range settings {
			set(&r.options)
		}
		err := r.run(ctx)
		if err != nil && !errors.Is(err, errStopped) {
			yield(Batch{}, fmt.Errorf("client: read %s: %w", stream, err))
		}
	}
}

// errStopped says that the loop was left by its caller.
var errStopped = errors.New("stopped")

// errShardEnded says that a shard was read to its end, and that the stream has to be
// described again: its children may be unknown.
var errShardEnded = errors.New("the end of a shard")

// consumer is one loop over a stream.
type consumer struct {
	client  *Client
	stream  string
	options consumerOptions
	yield   func(Batch, error) bool

	// streamID and shards are set by the first connection and kept over the
	// following ones.
	streamID uint64
	shards   []*shardReader
	progress bool // whether the session at hand has delivered anything
}

// shardReader is the place of a consumer in one shard.
type shardReader struct {
	description ShardDescription
	start       record.Start
	// next is the sequence to be delivered next; 0 before it is known.
	next uint64
	// end is where to stop; 0 for never.
	end  uint64
	done bool
	// consumed is the bytes to be given back to the server as credits.
	consumed int
}

// run reads until the loop ends, over as many connections as it takes.
func (r *consumer) run(ctx context.Context) error {
	if err := r.options.validate(); err != nil {
		return err
	}
	failed := attempts{since: time.Now()}
	for attempt := 1; ; attempt++ {
		r.progress = false
		err := r.session(ctx)
		switch {
		case err == nil || errors.Is(err, errStopped):
			return err
		case errors.Is(err, errShardEnded) && ctx.Err() == nil:
			failed, attempt = attempts{since: time.Now()}, 0
			continue
		case ctx.Err() != nil:
			return contextError(ctx)
		}
		if r.progress {
			failed, attempt = attempts{since: time.Now()}, 1
		}
		failed.add(err)
		wait := backoff(attempt, err)
		if !retryable(err) || time.Since(failed.since)+wait > r.client.options.retryBudget {
			return failed.join()
		}
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// validate returns what is wrong with the options.
func (o *consumerOptions) validate() error {
	one := len(o.shards) == 1
	if k := o.start.Kind; !one && (k == record.StartAtSequence || k == record.StartAfterSequence) {
		return failure.New(failure.InvalidArgument, "client: read",
			"a sequence belongs to one shard, but %d are named", len(o.shards))
	}
	if o.readAhead < 1 {
		return failure.New(failure.InvalidArgument, "client: read", "a read-ahead of %d bytes", o.readAhead)
	}
	return nil
}

// resolve sets the shards to be read from the stream's first description, and
// checks later ones against it.
func (r *consumer) resolve(d Description) error {
	if r.shards != nil {
		if d.StreamID != r.streamID {
			return failure.New(failure.NotFound, "client: read", "the stream was deleted and created again")
		}
		r.addChildren(d)
		return nil
	}
	if r.options.bounded {
		for _, s := range d.Shards {
			// To take its end for 0 would be to skip it, and nobody would know.
			if s.Next == 0 && (len(r.options.shards) == 0 || slices.Contains(r.options.shards, s.ID)) {
				return failure.New(failure.Unavailable, "client: read", "%v could not be opened by the server, so that its end is unknown; see the server's log", s.ID)
			}
		}
	}
	for _, id := range r.options.shards {
		if !slices.ContainsFunc(d.Shards, func(s ShardDescription) bool { return s.ID == id }) {
			return failure.New(failure.NotFound, "client: read", "there is no %v", id)
		}
	}
	r.streamID = d.StreamID
	r.shards = []*shardReader{}
	for _, description := range d.Shards {
		if len(r.options.shards) == 0 || slices.Contains(r.options.shards, description.ID) {
			r.shards = append(r.shards, r.newShardReader(description))
		}
	}
	return nil
}

// follows reports whether the loop goes on with the children of shards that end.
func (r *consumer) follows() bool { return !r.options.bounded && len(r.options.shards) == 0 }

// addChildren adds the shards that came to be since the first description. All they
// hold is to be read: it is younger than the start.
func (r *consumer) addChildren(d Description) {
	if !r.follows() {
		return
	}
	for _, description := range d.Shards {
		known := slices.ContainsFunc(r.shards, func(s *shardReader) bool { return s.description.ID == description.ID })
		if known {
			continue
		}
		child := r.newShardReader(description)
		if child.start.Kind == record.StartLatest {
			child.start, child.next = record.TrimHorizon(), 0
		}
		r.shards = append(r.shards, child)
	}
}

// mature reports whether a shard may be read: those that owned its keys before it are
// read to the end. So records of one key come in their order.
func (r *consumer) mature(s *shardReader) bool {
	return !slices.ContainsFunc(r.shards, func(older *shardReader) bool {
		return !older.done && older.description.ID < s.description.ID && overlap(older.description.Range, s.description.Range)
	})
}

// newShardReader returns the place to begin with in a shard.
func (r *consumer) newShardReader(description ShardDescription) *shardReader {
	s := &shardReader{description: description, start: r.options.start}
	if after, given := r.options.positions[description.ID]; given {
		s.start = record.TrimHorizon()
		if after > 0 {
			s.start = record.AfterSequence(after)
		}
	}
	switch s.start.Kind {
	case record.StartLatest:
		// Pinned here, or a connection lost before the first record would skip
		// what is written until the next one.
		s.next = description.Next
	case record.StartAtSequence:
		s.next = s.start.Sequence
	case record.StartAfterSequence:
		s.next = s.start.Sequence + 1
	}
	if r.options.bounded {
		s.end = description.Next
		s.done = s.end <= max(description.First, s.next, 1)
	}
	return s
}

// from returns where the server is to begin.
func (s *shardReader) from() record.Start {
	if s.next > 0 {
		return record.AtSequence(s.next)
	}
	return s.start
}
