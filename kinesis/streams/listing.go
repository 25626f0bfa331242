package streams

import (
	"context"
	"encoding/json"
	"time"

	"github.com/millrace-io/millrace/kinesis"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/stream"
)

const (
	streamsPage = 100
	shardsPage  = 1000
)

func (a *API) listStreams(ctx context.Context, c *kinesis.Call, in *ListStreamsInput) (*ListStreamsOutput, error) {
	if err := c.Permit(ctx, "*"); err != nil {
		return nil, err
	}
	after := in.ExclusiveStartStreamName
	if in.NextToken != "" {
		if after != "" {
			return nil, invalidArgument("NextToken and ExclusiveStartStreamName cannot be provided together.")
		}
		t, err := a.openNext(in.NextToken, tokenStreams)
		if err != nil {
			return nil, err
		}
		after = t.after
	}
	names, more := a.store.List(after, limitOf(in.Limit, streamsPage))
	out := &ListStreamsOutput{StreamNames: []string{}, StreamSummaries: []StreamSummary{}, HasMoreStreams: more}
	now := a.options.Clock.Now()
	for _, name := range names {
		t, err := a.find(name, a.arnOf(c, name))
		if err != nil {
			continue // deleted meanwhile
		}
		out.StreamNames = append(out.StreamNames, name)
		out.StreamSummaries = append(out.StreamSummaries, StreamSummary{
			StreamName: name, StreamARN: t.arn, StreamStatus: t.settings.statusAt(now),
			StreamModeDetails: &StreamModeDetails{StreamMode: t.settings.Mode}, StreamCreationTimestamp: seconds(t.Created()),
		})
	}
	if more && len(names) > 0 {
		out.NextToken = a.nextToken(token{kind: tokenStreams, after: names[len(names)-1]})
	}
	return out, nil
}

// shardFilter is what ListShards was asked for; it travels in the token.
type shardFilter struct {
	Type  string         `json:"type,omitempty"`
	After record.ShardID `json:"after,omitempty"`
	At    int64          `json:"at,omitempty"` // Unix nanoseconds
}

func (a *API) listShards(ctx context.Context, c *kinesis.Call, in *ListShardsInput) (*ListShardsOutput, error) {
	t, from, filter, err := a.listedShards(ctx, c, in)
	if err != nil {
		return nil, err
	}
	if err := a.requireUsable(t); err != nil {
		return nil, err
	}
	if !a.rates.allow(a, rateKey{operation: "ListShards", stream: t.ID()}, listShardsPerSecond) {
		return nil, limitExceeded("Rate exceeded for stream %s under account %s.", t.Name(), t.account)
	}
	d := t.Describe()
	if in.StreamCreationTimestamp != nil && in.StreamCreationTimestamp.Unix() != d.Created.Unix() {
		return nil, streamNotFound(t.Name(), t.account)
	}
	shards := filter.apply(d, a.options.Clock.Now())
	limit := limitOf(in.MaxResults, shardsPage)
	page, more := pageOfShards(t, shards, from, limit)
	out := &ListShardsOutput{Shards: page}
	if more {
		last, _ := record.ParseShardID(page[len(page)-1].ShardId)
		text, err := json.Marshal(filter)
		if err != nil {
			return nil, err
		}
		out.NextToken = a.nextToken(token{kind: tokenShards, stream: t.ID(), shard: last + 1, filter: string(text)})
	}
	return out, nil
}

// listedShards returns the stream that ListShards asks for, where to go on, and the filter.
func (a *API) listedShards(ctx context.Context, c *kinesis.Call, in *ListShardsInput) (t *target, from record.ShardID, filter shardFilter, err error) {
	if in.NextToken == "" {
		if t, err = a.target(ctx, c, in.StreamName, in.StreamARN); err != nil {
			return nil, 0, filter, err
		}
		if from, err = afterShard(in.ExclusiveStartShardId); err != nil {
			return nil, 0, filter, err
		}
		filter, err = newShardFilter(in.ShardFilter)
		return t, from, filter, err
	}
	for _, other := range []struct {
		name  string
		given bool
	}{
		{"StreamName", in.StreamName != ""},
		{"StreamARN", in.StreamARN != ""},
		{"ExclusiveStartShardId", in.ExclusiveStartShardId != ""},
		{"StreamCreationTimestamp", in.StreamCreationTimestamp != nil},
		{"ShardFilter", in.ShardFilter != nil},
	} {
		if other.given {
			return nil, 0, filter, invalidArgument("NextToken and %s cannot be provided together.", other.name)
		}
	}
	next, err := a.openNext(in.NextToken, tokenShards)
	if err != nil {
		return nil, 0, filter, err
	}
	if err := json.Unmarshal([]byte(next.filter), &filter); err != nil {
		return nil, 0, filter, invalidArgument("NextToken is invalid.")
	}
	of, err := a.store.StreamByID(next.stream)
	if err != nil {
		return nil, 0, filter, a.notFound("", err)
	}
	known := a.arnOf(c, of.Name())
	if err := c.Permit(ctx, known); err != nil {
		return nil, 0, filter, err
	}
	t, err = a.targetOf(of, known)
	return t, next.shard, filter, err
}

// newShardFilter reads a filter. Each type needs its own parameter and no other.
func newShardFilter(in *ShardFilter) (shardFilter, error) {
	var f shardFilter
	if in == nil {
		return f, nil
	}
	f.Type = in.Type
	byShard := f.Type == "AFTER_SHARD_ID"
	byTime := f.Type == "AT_TIMESTAMP" || f.Type == "FROM_TIMESTAMP"
	switch {
	case byShard != (in.ShardId != ""):
		return f, invalidArgument("ShardId must be given with the shard filter type AFTER_SHARD_ID, and with no other.")
	case byTime != (in.Timestamp != nil):
		return f, invalidArgument("Timestamp must be given with the shard filter types AT_TIMESTAMP and FROM_TIMESTAMP, and with no other.")
	case byShard:
		id, err := record.ParseShardID(in.ShardId)
		if err != nil {
			return f, invalidArgument("ShardId %s is not the id of a shard.", in.ShardId)
		}
		f.After = id
	case byTime:
		f.At = in.Timestamp.UnixNano()
	}
	return f, nil
}

// apply returns the shards that pass.
func (f shardFilter) apply(d stream.Description, now time.Time) []stream.ShardDescription {
	shards := listed(d.Shards)
	at := time.Unix(0, f.At)
	switch f.Type {
	case "AFTER_SHARD_ID":
		return keep(shards, func(s *stream.ShardDescription) bool { return s.ID > f.After })
	case "AT_LATEST":
		return keep(shards, func(s *stream.ShardDescription) bool { return !s.Closed })
	case "AT_TRIM_HORIZON":
		return openAt(shards, horizon(d, now))
	case "AT_TIMESTAMP":
		return openAt(shards, later(at, horizon(d, now)))
	case "FROM_TIMESTAMP":
		at = later(at, horizon(d, now))
		return keep(shards, func(s *stream.ShardDescription) bool { return !s.Closed || !s.ClosedAt.Before(at) })
	default: // FROM_TRIM_HORIZON, and without a filter
		return shards
	}
}

// horizon is the time from which a stream has records.
func horizon(d stream.Description, now time.Time) time.Time {
	if d.Config.RetentionTime == stream.RetainForever {
		return d.Created
	}
	return later(d.Created, now.Add(-d.Config.RetentionTime))
}

// openAt returns the shards that were open at a time, its parents too if that is when one was split.
func openAt(shards []stream.ShardDescription, at time.Time) []stream.ShardDescription {
	return keep(shards, func(s *stream.ShardDescription) bool {
		return !s.Created.After(at) && (!s.Closed || !s.ClosedAt.Before(at))
	})
}

func keep(shards []stream.ShardDescription, passes func(*stream.ShardDescription) bool) []stream.ShardDescription {
	var kept []stream.ShardDescription
	for i := range shards {
		if passes(&shards[i]) {
			kept = append(kept, shards[i])
		}
	}
	return kept
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
