package millrace

import (
	"context"
	"iter"

	"github.com/millrace-io/millrace/shard"
	"github.com/millrace-io/millrace/stream"
	"github.com/millrace-io/millrace/wal"
)

// Engine is an open data directory. Its methods may be called concurrently.
type Engine struct{ store *stream.Store }

// Open opens a data directory, creating it if need be. The directory is locked
// against other processes until Close.
func Open(dir string, o Options) (*Engine, error) {
	store, err := stream.Open(dir, o.store())
	if err != nil {
		return nil, err
	}
	return &Engine{store}, nil
}

// CreateStream makes a stream. It is durable when CreateStream returns; a name
// that is taken is failure.AlreadyExists.
func (e *Engine) CreateStream(ctx context.Context, c StreamConfig) (*Stream, error) {
	created, err := e.store.Create(ctx, c)
	if err != nil {
		return nil, err
	}
	return &Stream{created}, nil
}

// Stream returns the stream of that name, or failure.NotFound.
func (e *Engine) Stream(name string) (*Stream, error) {
	found, err := e.store.Stream(name)
	if err != nil {
		return nil, err
	}
	return &Stream{found}, nil
}

// Streams goes through the names of all streams in order.
func (e *Engine) Streams() iter.Seq[string] {
	const page = 100
	return func(yield func(string) bool) {
		after := ""
		for {
			names, more := e.store.List(after, page)
			for _, name := range names {
				if !yield(name) {
					return
				}
				after = name
			}
			if !more {
				return
			}
		}
	}
}

// DeleteStream removes a stream with all its records. Who still uses it gets
// failure.NotFound.
func (e *Engine) DeleteStream(ctx context.Context, name string) error {
	return e.store.Delete(ctx, name)
}

// SplitShard closes a shard of a stream and gives its range to two new ones: the
// first gets what is below the hash key, the second the key and what is above. Puts go
// on meanwhile. The parent's records stay; Description.Shards says whose parent it is.
// A stream or shard that is not there is failure.NotFound, a shard that is closed
// failure.Closed, a key outside of the range or a shard too many failure.InvalidArgument.
func (e *Engine) SplitShard(ctx context.Context, name string, parent ShardID, at HashKey) (children [2]ShardID, err error) {
	return e.store.Split(ctx, name, parent, at)
}

// MergeShards closes two shards whose ranges meet and gives both ranges to a new one.
// All else is as with SplitShard.
func (e *Engine) MergeShards(ctx context.Context, name string, a, b ShardID) (child ShardID, err error) {
	return e.store.Merge(ctx, name, a, b)
}

// EnforceRetention removes what no stream has to keep any more. The engine does
// so by itself every Options.RetentionInterval.
func (e *Engine) EnforceRetention(ctx context.Context) error { return e.store.EnforceRetention(ctx) }

// Damage returns an error for every shard that cannot be read or takes no
// records because of damage or an I/O error.
func (e *Engine) Damage() []error { return e.store.Damage() }

// Stats returns a snapshot of what all shards count.
func (e *Engine) Stats() stream.Stats { return e.store.Stats() }

// Close makes everything durable and gives the directory back. Calls that are
// under way fail with failure.Closed.
func (e *Engine) Close() error { return e.store.Close() }

// Stream is one stream of an engine. Its methods may be called concurrently.
type Stream struct{ stream *stream.Stream }

// Name returns the name of the stream.
func (s *Stream) Name() string { return s.stream.Name() }

// Describe returns the stream's configuration and the state of its shards.
func (s *Stream) Describe() Description { return s.stream.Describe() }

// Route returns the shard that takes the record.
func (s *Stream) Route(r Record) ShardID { return s.stream.Route(r.Hash()) }

// Put writes one record and returns when it is as durable as the stream
// promises.
func (s *Stream) Put(ctx context.Context, r Record) (Position, error) { return s.stream.Put(ctx, r) }

// PutBatch writes records to the shards they belong to and returns when the fate
// of each is known: results[i] is that of records[i]. The error is only that of
// ctx.
func (s *Stream) PutBatch(ctx context.Context, records []Record) ([]Result, error) {
	return s.stream.PutBatch(ctx, records)
}

// Records goes through a shard from start on, waits for more at its end, and ends
// where a shard does that was split or merged: the children, which Describe names,
// have what follows. An error ends the loop; when ctx ends, that error is the last
// thing it yields. A view is valid until the loop goes on.
func (s *Stream) Records(ctx context.Context, id ShardID, start Start) iter.Seq2[View, error] {
	return s.read(ctx, id, start, func(from *shard.Shard, c *wal.Cursor) (bool, error) {
		for !c.TryNext() {
			if c.Err() != nil {
				return false, c.Err()
			}
			if from.Closed() {
				return c.TryNext(), c.Err() // once more: now, what is there is all
			}
			if err := await(ctx, from, c); err != nil {
				return false, err
			}
		}
		return true, nil
	})
}

// await waits until there is something to read, or the shard is closed.
func await(ctx context.Context, from *shard.Shard, c *wal.Cursor) error {
	waiting, cancel := from.UntilEnd(ctx)
	defer cancel()
	err := c.Wait(waiting)
	if ctx.Err() == nil && from.Closed() {
		return nil
	}
	return err
}

// Scan is Records that does not wait.
func (s *Stream) Scan(ctx context.Context, id ShardID, start Start) iter.Seq2[View, error] {
	return s.read(ctx, id, start, func(_ *shard.Shard, c *wal.Cursor) (bool, error) {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		return c.TryNext(), c.Err()
	})
}

// read yields what next advances to.
func (s *Stream) read(ctx context.Context, id ShardID, start Start, next func(*shard.Shard, *wal.Cursor) (bool, error)) iter.Seq2[View, error] {
	return func(yield func(View, error) bool) {
		from, err := s.stream.Shard(id)
		if err != nil {
			yield(View{}, err)
			return
		}
		cursor, err := from.Cursor(start)
		if err != nil {
			yield(View{}, err)
			return
		}
		defer cursor.Close()
		records, bytes := uint64(0), uint64(0)
		defer func() { s.stream.CountRead(id, records, bytes) }()
		for {
			more, err := next(from, cursor)
			if err != nil {
				yield(View{}, from.Explain(err))
				return
			}
			if !more {
				return
			}
			view := cursor.View()
			records, bytes = records+1, bytes+uint64(len(view.Key)+len(view.Data))
			if !yield(*view, nil) {
				return
			}
		}
	}
}
