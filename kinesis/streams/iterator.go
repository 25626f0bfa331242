package streams

import (
	"context"
	"time"

	"github.com/millrace-io/millrace/kinesis"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/shard"
)

func (a *API) getShardIterator(ctx context.Context, c *kinesis.Call, in *GetShardIteratorInput) (*GetShardIteratorOutput, error) {
	t, err := a.target(ctx, c, in.StreamName, in.StreamARN)
	if err != nil {
		return nil, err
	}
	of, err := a.shardToRead(t, in.ShardId)
	if err != nil {
		return nil, err
	}
	if !a.rates.allow(a, rateKey{operation: "GetShardIterator", stream: t.ID(), shard: of.ID()}, iteratorsPerSecond) {
		return nil, rateExceeded(of.ID(), t.Name(), t.account)
	}
	next, err := a.position(t, of, position{in.ShardIteratorType, in.StartingSequenceNumber, in.Timestamp})
	if err != nil {
		return nil, err
	}
	if isTrue(in.DryRun) {
		return nil, dryRun()
	}
	return &GetShardIteratorOutput{ShardIterator: a.iterator(t.ID(), of.ID(), next)}, nil
}

// iterator returns the token of a place.
func (a *API) iterator(of uint64, id record.ShardID, next uint64) string {
	return string(a.appendIterator(nil, of, id, next))
}

func (a *API) appendIterator(dst []byte, of uint64, id record.ShardID, next uint64) []byte {
	return a.sealer.seal(dst, token{kind: tokenIterator, issued: a.options.Clock.Now().UnixMilli(), stream: of, shard: id, next: next})
}

// shardToRead returns the shard of that name, open or closed.
func (a *API) shardToRead(t *target, name string) (*shard.Shard, error) {
	id, err := record.ParseShardID(name)
	if err != nil {
		return nil, resourceNotFound("Shard %s in stream %s under account %s does not exist", name, t.Name(), t.account)
	}
	of, err := t.Shard(id)
	return of, a.shardGone(t, id, err)
}

// position is where reading is to begin, as a client says it.
type position struct {
	kind     string
	sequence string
	at       *time.Time
}

// position returns the number of the record that reading begins with; 0 is the oldest there is.
// LATEST and times are settled now, not when the place is read.
func (a *API) position(t *target, of *shard.Shard, p position) (uint64, error) {
	switch p.kind {
	case "TRIM_HORIZON":
		return 0, nil
	case "LATEST":
		return of.Next(), nil
	case "AT_TIMESTAMP":
		return a.positionAt(of, p.at)
	}
	if p.sequence == "" {
		return 0, invalidArgument("Must either specify timestamp or sequence number for iterator type %s.", p.kind)
	}
	n, err := record.ParseSequenceNumber(p.sequence)
	if err != nil {
		return 0, invalidArgument("StartingSequenceNumber %s used in GetShardIterator on shard %s in stream %s under account %s is invalid.", p.sequence, of.ID(), t.Name(), t.account)
	}
	if n.Shard != of.ID() || n.ShardCreated != of.Created().Unix() {
		return 0, invalidArgument("Invalid StartingSequenceNumber. It encodes %s, while it was used in a call to a shard with %s", n.Shard, of.ID())
	}
	if p.kind == "AFTER_SEQUENCE_NUMBER" {
		n.Index++
	}
	return min(n.Index, of.Next()), nil
}

// positionAt returns the number of the first record that arrived at a time or later.
func (a *API) positionAt(of *shard.Shard, at *time.Time) (uint64, error) {
	if at == nil {
		return 0, invalidArgument("Must either specify timestamp or sequence number for iterator type AT_TIMESTAMP.")
	}
	if now := a.options.Clock.Now(); at.UnixMilli() > now.UnixMilli() {
		return 0, invalidArgument("The timestampInMillis parameter cannot be greater than the currentTimestampInMillis. timestampInMillis: %d, currentTimestampInMillis: %d",
			at.UnixMilli(), now.UnixMilli())
	}
	next := of.Next() // before looking: what comes meanwhile is later
	cursor, err := of.Cursor(record.AtTime(*at))
	if err != nil {
		return 0, err
	}
	defer cursor.Close()
	if cursor.TryNext() {
		next = min(next, cursor.View().Sequence)
	}
	return next, of.Explain(cursor.Err())
}
