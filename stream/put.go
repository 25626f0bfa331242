package stream

import (
	"context"
	"errors"
	"sync"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/shard"
	"github.com/millrace-io/millrace/wal"
)

// Position is where a record came to stand.
type Position struct {
	Shard record.ShardID
	// Sequence is the record's number within the shard.
	Sequence uint64
	// Time is its arrival in Unix nanoseconds.
	Time int64
}

// Result is what became of one record of a batch.
type Result struct {
	Position
	// Err is nil if the record is as durable as its stream promises.
	Err error
}

// chunkBytes is the estimate at which PutBatch ends a batch of one shard: large
// enough to amortise a commit, small enough to share a staging buffer.
const chunkBytes = 1 << 20

// reroutesMax bounds how often records that met a closed shard are routed again:
// how many splits and merges one append may meet.
const reroutesMax = 16

// Put appends one record and returns when it is as durable as the stream
// promises.
func (s *Stream) Put(ctx context.Context, r record.Record) (Position, error) {
	if err := protocol.CheckRecord(r); err != nil {
		return Position{}, err
	}
	hash, one, bytes := r.Hash(), []record.Record{r}, int64(len(r.PartitionKey)+len(r.Data))
	for tries := 0; ; tries++ {
		v := s.view.Load()
		id := v.route(hash)
		to, err := v.shard(id)
		if err != nil {
			return Position{}, err
		}
		written, err := to.PutRouted(ctx, one, bytes)
		if err == nil {
			return Position{Shard: id, Sequence: written.First, Time: written.Time}, nil
		}
		if !s.moved(v, err) || tries == reroutesMax {
			return Position{}, err
		}
	}
}

// moved reports whether err came of a shard that was closed after v was loaded. The
// shards that follow it are published by the time it says so.
func (s *Stream) moved(v *view, err error) bool {
	return errors.Is(err, failure.WrongShard) && s.view.Load() != v
}

// PutBatch appends records to the shards that own them, all shards at once, and
// returns when the fate of each is known: results[i] is that of records[i].
// Records of one shard keep their order; when one cannot be written, those of
// the same shard behind it in the batch are not written either. The error is
// that of ctx, in which case records whose result says so may still be written.
//
// A shard that is split or merged meanwhile costs no record and no order: what it
// did not take any more goes to its children.
func (s *Stream) PutBatch(ctx context.Context, records []record.Record) ([]Result, error) {
	b := batches.Get().(*batch)
	defer b.release()
	results := make([]Result, len(records))
	b.check(records, results)
	for tries := 0; len(b.homeless) > 0; tries++ {
		v := s.view.Load()
		for _, id := range b.group(v, records) {
			rest, err := b.stage(ctx, v, id, records)
			switch {
			case err == nil:
			case s.moved(v, err) && tries < reroutesMax:
				b.homeless = append(b.homeless, rest...)
			default:
				fail(results, rest, err)
			}
		}
	}
	return results, b.wait(ctx, results)
}

// batch is the reusable memory of one PutBatch. Records are known by their index.
type batch struct {
	// homeless are to be routed. Those of one hash key are in order.
	homeless []int
	members  [][]int          // by shard: in order
	touched  []record.ShardID // shards with members, in order of first use
	chunk    []record.Record
	staged   []staged
}

// staged is a chunk on its way: the members of one shard from first to last.
type staged struct {
	shard   *shard.Shard
	id      record.ShardID
	pending wal.Pending
	members []int // shares memory with batch.members
}

var batches = sync.Pool{New: func() any { return new(batch) }}

func (b *batch) release() {
	for _, id := range b.touched {
		b.members[id] = b.members[id][:0]
	}
	clear(b.staged)
	b.touched, b.staged, b.chunk, b.homeless = b.touched[:0], b.staged[:0], b.chunk[:0], b.homeless[:0]
	batches.Put(b)
}

// check takes in the records; those beyond a limit get their result.
func (b *batch) check(records []record.Record, results []Result) {
	for i := range records {
		if err := protocol.CheckRecord(records[i]); err != nil {
			results[i].Err = err
		} else {
			b.homeless = append(b.homeless, i)
		}
	}
}

// group sorts the homeless by shard and returns the shards. None of them has been
// returned before: who was turned away by a shard that is closed goes to shards
// that are younger.
func (b *batch) group(v *view, records []record.Record) []record.ShardID {
	if missing := len(v.shards) - len(b.members); missing > 0 {
		b.members = append(b.members, make([][]int, missing)...)
	}
	before := len(b.touched)
	for _, i := range b.homeless {
		id := v.route(records[i].Hash())
		if len(b.members[id]) == 0 {
			b.touched = append(b.touched, id)
		}
		b.members[id] = append(b.members[id], i)
	}
	b.homeless = b.homeless[:0]
	return b.touched[before:]
}

// stage hands the records of one shard to its log in chunks. Those that an error
// leaves behind are returned with it.
func (b *batch) stage(ctx context.Context, v *view, id record.ShardID, records []record.Record) (rest []int, err error) {
	to, err := v.shard(id)
	if err != nil {
		return b.members[id], err
	}
	for rest = b.members[id]; len(rest) > 0; {
		count, bytes, counted := 0, 0, int64(0)
		b.chunk = b.chunk[:0]
		for _, i := range rest {
			size := protocol.RecordSizeMax(records[i])
			if count > 0 && (bytes+size > chunkBytes || count == record.BatchRecordsMax) {
				break
			}
			b.chunk = append(b.chunk, records[i])
			count, bytes = count+1, bytes+size
			counted += int64(len(records[i].PartitionKey) + len(records[i].Data))
		}
		pending, err := to.StageRouted(ctx, b.chunk, counted, record.None)
		clear(b.chunk) // do not keep the caller's records alive
		if err != nil {
			return rest, err
		}
		b.staged = append(b.staged, staged{shard: to, id: id, pending: pending, members: rest[:count]})
		rest = rest[count:]
	}
	return nil, nil
}

// wait collects the results of all chunks.
func (b *batch) wait(ctx context.Context, results []Result) error {
	var ended error
	for _, chunk := range b.staged {
		if err := chunk.shard.Wait(ctx, chunk.pending); err != nil {
			fail(results, chunk.members, err)
			if cause := ctx.Err(); cause != nil {
				ended = cause
			}
			continue
		}
		for at, i := range chunk.members {
			results[i].Position = Position{
				Shard:    chunk.id,
				Sequence: chunk.pending.Range.First + uint64(at),
				Time:     chunk.pending.Range.Time,
			}
		}
	}
	if ended != nil {
		return failure.Wrap(failure.Timeout, "stream: put batch", ended)
	}
	return nil
}

func fail(results []Result, members []int, err error) {
	for _, i := range members {
		results[i].Err = err
	}
}
