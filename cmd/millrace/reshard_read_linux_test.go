package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/millrace-io/millrace/internal/killtest"
	"github.com/millrace-io/millrace/record"
)

// list lists all shards, and shows the order what it got. It returns nil if the server
// does not answer.
func (w *reshardWorld) list(ctx context.Context) []types.Shard {
	listed := w.order.Listing()
	var shards []types.Shard
	in := &kinesis.ListShardsInput{StreamName: aws.String(reshardStream)}
	for {
		out, err := w.plain.ListShards(ctx, in)
		if err != nil {
			w.unexpected(ctx, err)
			return nil
		}
		shards = append(shards, out.Shards...)
		if out.NextToken == nil {
			break
		}
		in = &kinesis.ListShardsInput{NextToken: out.NextToken}
	}
	shown := make([]killtest.ListedShard, len(shards))
	for i, s := range shards {
		shown[i] = killtest.ListedShard{
			ID: *s.ShardId, Range: shownRange(s),
			First: *s.SequenceNumberRange.StartingSequenceNumber, Last: aws.ToString(s.SequenceNumberRange.EndingSequenceNumber),
		}
		for _, parent := range []*string{s.ParentShardId, s.AdjacentParentShardId} {
			if parent != nil {
				shown[i].Parents = append(shown[i].Parents, *parent)
			}
		}
	}
	listed(shown)
	return shards
}

func shownRange(s types.Shard) record.HashRange {
	start, startErr := record.ParseHashKey(*s.HashKeyRange.StartingHashKey)
	end, endErr := record.ParseHashKey(*s.HashKeyRange.EndingHashKey)
	if startErr != nil || endErr != nil {
		panic("not a hash key")
	}
	return record.HashRange{Start: start, End: end}
}

// unexpected reports answers that no reader should get: failures of the server, not of
// the connection to it, and refusals that nothing excuses.
func (w *reshardWorld) unexpected(ctx context.Context, err error) {
	var answer *awshttp.ResponseError
	var inUse *types.ResourceInUseException
	if ctx.Err() == nil && errors.As(err, &answer) && answer.HTTPStatusCode() >= 400 && !errors.As(err, &inUse) {
		before := "none"
		if log := w.lastLog.Load(); log != nil {
			before = *log
		}
		w.t.Errorf("%v\nthe log of the server:\n%s\nof the one before:\n%s", err, w.process.Log(), before)
	}
}

// readShard reads one shard to its end, and returns the children that it shows there; ok
// is false if ctx ended before.
type readShard func(ctx context.Context, f *follower, shard string) (children []string, ok bool)

// follower is one consumer: it reads shards side by side, but none before its parents
// have been read to their end.
type follower struct {
	world  *reshardWorld
	reader *killtest.Reader
	read   readShard

	mutex   sync.Mutex
	started map[string]bool // guarded by mutex
	ended   map[string]bool // guarded by mutex
	group   sync.WaitGroup
}

// follow reads all shards until ctx ends.
func (f *follower) follow(ctx context.Context) {
	f.started, f.ended = make(map[string]bool), make(map[string]bool)
	f.startShards(ctx)
	f.group.Wait()
}

// startShards begins to read the shards that are ready for it.
func (f *follower) startShards(ctx context.Context) {
	shards := f.world.list(ctx)
	for shards == nil {
		if !pause(ctx) {
			return
		}
		shards = f.world.list(ctx)
	}
	f.mutex.Lock()
	defer f.mutex.Unlock()
	for _, s := range shards {
		id := *s.ShardId
		ready := !f.started[id]
		for _, parent := range []*string{s.ParentShardId, s.AdjacentParentShardId} {
			ready = ready && (parent == nil || f.ended[*parent])
		}
		if ready {
			f.started[id] = true
			f.group.Go(func() { f.readShard(ctx, id) })
		}
	}
}

// readShard reads one shard, and then goes on with those behind it.
func (f *follower) readShard(ctx context.Context, id string) {
	children, ok := f.read(ctx, f, id)
	if !ok {
		return
	}
	f.reader.End(id, children)
	f.mutex.Lock()
	f.ended[id] = true
	f.mutex.Unlock()
	f.startShards(ctx)
}

// show shows the reader records.
func (f *follower) show(shard string, records []types.Record) {
	for _, r := range records {
		f.reader.Read(shard, *r.SequenceNumber, *r.PartitionKey, r.Data)
	}
}

func childrenOf(shown []types.ChildShard) []string {
	children := []string{}
	for _, child := range shown {
		children = append(children, *child.ShardId)
	}
	slices.Sort(children)
	return children
}

// poll reads a shard with GetRecords. When there is no answer it asks again, with the
// same iterator or with one behind the record that it read last.
func (w *reshardWorld) poll(ctx context.Context, f *follower, shard string) (children []string, ok bool) {
	var iterator, last *string
	for {
		if iterator == nil {
			iterator = w.iterator(ctx, shard, last)
		}
		if iterator != nil {
			out, err := w.plain.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: iterator, Limit: aws.Int32(1 + rand.Int32N(200))})
			switch {
			case err != nil:
				w.unexpected(ctx, err)
				if rand.IntN(2) == 0 {
					iterator = nil
				}
			case out.NextShardIterator == nil:
				f.show(shard, out.Records)
				return childrenOf(out.ChildShards), true
			default:
				f.show(shard, out.Records)
				iterator = out.NextShardIterator
				if n := len(out.Records); n > 0 {
					last = out.Records[n-1].SequenceNumber
					continue
				}
			}
		}
		if !pause(ctx) {
			return nil, false
		}
	}
}

// iterator returns an iterator behind a record, or of all; nil if there is no answer.
func (w *reshardWorld) iterator(ctx context.Context, shard string, last *string) *string {
	in := &kinesis.GetShardIteratorInput{StreamName: aws.String(reshardStream), ShardId: &shard, ShardIteratorType: types.ShardIteratorTypeTrimHorizon}
	if last != nil {
		in.ShardIteratorType, in.StartingSequenceNumber = types.ShardIteratorTypeAfterSequenceNumber, last
	}
	out, err := w.plain.GetShardIterator(ctx, in)
	if err != nil {
		w.unexpected(ctx, err)
		return nil
	}
	return out.ShardIterator
}

// subscribe reads a shard with SubscribeToShard, one subscription after the other.
func (w *reshardWorld) subscribe(ctx context.Context, f *follower, consumer, shard string) (children []string, ok bool) {
	from := &types.StartingPosition{Type: types.ShardIteratorTypeTrimHorizon}
	for {
		out, err := w.secure().SubscribeToShard(ctx, &kinesis.SubscribeToShardInput{ConsumerARN: &consumer, ShardId: &shard, StartingPosition: from})
		if err != nil {
			w.unexpected(ctx, err)
		} else if ended := w.take(f, shard, out.GetStream(), &from, &children); ended {
			return children, true
		}
		if !pause(ctx) {
			return nil, false
		}
	}
}

// take reads the events of one subscription, or some of them. It reports whether the
// shard has ended, and otherwise where to go on.
func (w *reshardWorld) take(f *follower, shard string, events *kinesis.SubscribeToShardEventStream, from **types.StartingPosition, children *[]string) (ended bool) {
	defer events.Close()
	for left := 1 + rand.IntN(30); left > 0; left-- {
		event, ok := (<-events.Events()).(*types.SubscribeToShardEventStreamMemberSubscribeToShardEvent)
		if !ok {
			return false
		}
		f.show(shard, event.Value.Records)
		if event.Value.ContinuationSequenceNumber == nil {
			*children = childrenOf(event.Value.ChildShards)
			return true
		}
		*from = &types.StartingPosition{Type: types.ShardIteratorTypeAfterSequenceNumber, SequenceNumber: event.Value.ContinuationSequenceNumber}
	}
	return false
}
