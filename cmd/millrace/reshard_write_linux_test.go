package main

import (
	"context"
	"crypto/md5"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"

	"github.com/millrace-io/millrace/record"
)

const (
	reshardKeys      = 5 // of each writer
	reshardBatchMax  = 24
	reshardRecordMax = 300
	reshardOpenMin   = 2
	reshardOpenMax   = 7
)

// reshardWriter puts records under keys of its own.
type reshardWriter struct {
	world  *reshardWorld
	random *rand.Rand
	keys   []reshardKey
}

// reshardKey is a partition key, with the sequence number acknowledged last.
type reshardKey struct {
	name     string
	hash     record.HashKey
	explicit *string // the hash, if it is not that of the name
	last     *string
}

func newReshardWriters(w *reshardWorld) []*reshardWriter {
	writers := make([]*reshardWriter, reshardWriters)
	for i := range writers {
		writers[i] = &reshardWriter{world: w, random: rand.New(rand.NewPCG(w.random.Uint64(), 0))}
		for j := range reshardKeys {
			k := reshardKey{name: fmt.Sprintf("writer %d key %d", i, j)}
			sum := md5.Sum([]byte(k.name))
			k.hash = record.HashKey{Hi: binary.BigEndian.Uint64(sum[:8]), Lo: binary.BigEndian.Uint64(sum[8:])}
			if j == 0 {
				k.hash = record.HashKey{Hi: w.random.Uint64(), Lo: w.random.Uint64()}
				k.explicit = aws.String(k.hash.String())
			}
			writers[i].keys = append(writers[i].keys, k)
		}
	}
	return writers
}

// write puts records until the round is over.
func (w *reshardWriter) write(ctx context.Context, r *round) {
	for !r.ended() {
		if w.random.IntN(2) == 0 {
			w.put(ctx, r)
		} else {
			w.putBatch(ctx, r)
		}
	}
}

// send makes the next record of a key.
func (w *reshardWriter) send(k *reshardKey) (number uint64, data []byte) {
	return w.world.order.Send(k.name, k.hash, w.random.IntN(reshardRecordMax))
}

// put puts one record.
func (w *reshardWriter) put(ctx context.Context, r *round) {
	k := &w.keys[w.random.IntN(len(w.keys))]
	number, data := w.send(k)
	in := &kinesis.PutRecordInput{StreamName: aws.String(reshardStream), PartitionKey: &k.name, ExplicitHashKey: k.explicit, Data: data}
	if w.random.IntN(2) == 0 {
		in.SequenceNumberForOrdering = k.last
	}
	out, err := w.world.plain.PutRecord(ctx, in)
	if err != nil {
		r.failed("PutRecord of %s#%d: %w", k.name, number, err)
		return
	}
	k.last = out.SequenceNumber
	w.world.order.Acknowledge(k.name, number, *out.ShardId, *out.SequenceNumber)
	r.acknowledged(1)
}

// putBatch puts several records, some of them of one key.
func (w *reshardWriter) putBatch(ctx context.Context, r *round) {
	type sent struct {
		key    *reshardKey
		number uint64
	}
	batch := make([]sent, 1+w.random.IntN(reshardBatchMax))
	in := &kinesis.PutRecordsInput{StreamName: aws.String(reshardStream)}
	for i := range batch {
		k := &w.keys[w.random.IntN(len(w.keys))]
		number, data := w.send(k)
		batch[i] = sent{k, number}
		in.Records = append(in.Records, types.PutRecordsRequestEntry{PartitionKey: &k.name, ExplicitHashKey: k.explicit, Data: data})
	}
	out, err := w.world.plain.PutRecords(ctx, in)
	if err != nil {
		r.failed("PutRecords: %w", err)
		return
	}
	for i, result := range out.Records {
		if result.ErrorCode != nil {
			r.failed("PutRecords of %s#%d: %s: %s", batch[i].key.name, batch[i].number, *result.ErrorCode, aws.ToString(result.ErrorMessage))
			continue
		}
		batch[i].key.last = result.SequenceNumber
		w.world.order.Acknowledge(batch[i].key.name, batch[i].number, *result.ShardId, *result.SequenceNumber)
	}
	r.acknowledged(len(batch))
}

// finish puts a last record under every key: who has read it has seen all before it.
func (w *reshardWriter) finish(ctx context.Context) {
	for i := range w.keys {
		k := &w.keys[i]
		number, data := w.send(k)
		out, err := w.world.plain.PutRecord(ctx, &kinesis.PutRecordInput{StreamName: aws.String(reshardStream), PartitionKey: &k.name, ExplicitHashKey: k.explicit, Data: data})
		if err != nil {
			w.world.t.Error(err)
			return
		}
		w.world.order.Acknowledge(k.name, number, *out.ShardId, *out.SequenceNumber)
	}
}

// reshard splits and merges shards until the round is over. Another one may do so at
// the same time, which brings refusals, but no failures.
func (r *round) reshard(ctx context.Context, random *rand.Rand) {
	for !r.ended() {
		open := slices.DeleteFunc(r.world.list(ctx), func(s types.Shard) bool { return s.SequenceNumberRange.EndingSequenceNumber != nil })
		if r.ended() || len(open) == 0 {
			return
		}
		r.resharding()
		err := r.change(ctx, open, random)
		var refused smithy.APIError
		var answer *awshttp.ResponseError
		switch {
		case err == nil:
			r.world.reshards.Add(1)
		case !errors.As(err, &refused) || !errors.As(err, &answer) || answer.HTTPStatusCode() != 400:
			r.failed("change of shards: %w", err)
		}
		if !pause(ctx) {
			return
		}
	}
}

// change does one change of the shards.
func (r *round) change(ctx context.Context, open []types.Shard, random *rand.Rand) error {
	slices.SortFunc(open, func(a, b types.Shard) int { return shownRange(a).Start.Compare(shownRange(b).Start) })
	client, name := r.world.plain, aws.String(reshardStream)
	switch i := random.IntN(len(open)); {
	case random.IntN(6) == 0:
		_, err := client.UpdateShardCount(ctx, &kinesis.UpdateShardCountInput{
			StreamName: name, TargetShardCount: aws.Int32(int32(reshardOpenMin + random.IntN(reshardOpenMax-reshardOpenMin+1))), ScalingType: types.ScalingTypeUniformScaling,
		})
		return err
	case len(open) <= reshardOpenMin || len(open) < reshardOpenMax && random.IntN(2) == 0:
		part := shownRange(open[i])
		width := part.End.Hi - part.Start.Hi
		if width < 2 {
			return nil
		}
		at := record.HashKey{Hi: part.Start.Hi + 1 + random.Uint64N(width-1), Lo: random.Uint64()}
		_, err := client.SplitShard(ctx, &kinesis.SplitShardInput{StreamName: name, ShardToSplit: open[i].ShardId, NewStartingHashKey: aws.String(at.String())})
		return err
	default:
		i = min(i, len(open)-2)
		one, other := open[i].ShardId, open[i+1].ShardId
		if random.IntN(2) == 0 {
			one, other = other, one
		}
		_, err := client.MergeShards(ctx, &kinesis.MergeShardsInput{StreamName: name, ShardToMerge: one, AdjacentShardToMerge: other})
		return err
	}
}
