package streams

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/kinesis"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/stream"
)

// countChangesMax is how often UpdateShardCount may be called in 24 hours.
const countChangesMax = 10

func (a *API) splitShard(ctx context.Context, c *kinesis.Call, in *SplitShardInput) (*Empty, error) {
	t, err := a.target(ctx, c, in.StreamName, in.StreamARN)
	if err != nil {
		return nil, err
	}
	parent, err := a.shardToReshard(t, in.ShardToSplit)
	if err != nil {
		return nil, err
	}
	key, err := record.ParseHashKey(in.NewStartingHashKey)
	if err != nil {
		return nil, invalidArgument("Invalid NewStartingHashKey. NewStartingHashKey must be in the range: [0, 2^128-1]. Specified value was %s", in.NewStartingHashKey)
	}
	if key.Compare(parent.Range.Start) <= 0 || key.Compare(parent.Range.End) >= 0 {
		return nil, invalidArgument("NewStartingHashKey %s used in SplitShard() on shard %s in stream %s under account %s is not both greater than one plus the shard's StartingHashKey %s and less than the shard's EndingHashKey %s.",
			in.NewStartingHashKey, parent.ID, t.Name(), t.account, parent.Range.Start, parent.Range.End)
	}
	return nil, a.reshard(ctx, c, t, 1, func() error {
		_, err := a.store.Split(ctx, t.Name(), parent.ID, key)
		return err
	})
}

func (a *API) mergeShards(ctx context.Context, c *kinesis.Call, in *MergeShardsInput) (*Empty, error) {
	t, err := a.target(ctx, c, in.StreamName, in.StreamARN)
	if err != nil {
		return nil, err
	}
	first, err := a.shardToReshard(t, in.ShardToMerge)
	if err != nil {
		return nil, err
	}
	second, err := a.shardToReshard(t, in.AdjacentShardToMerge)
	if err != nil {
		return nil, err
	}
	if !adjacent(first.Range, second.Range) && !adjacent(second.Range, first.Range) {
		return nil, invalidArgument("Shards %s and %s in stream %s under account %s are not an adjacent pair of shards eligible for merging",
			first.ID, second.ID, t.Name(), t.account)
	}
	return nil, a.reshard(ctx, c, t, 0, func() error {
		_, err := a.store.Merge(ctx, t.Name(), first.ID, second.ID)
		return err
	})
}

// adjacent reports whether b begins where a ends.
func adjacent(a, b record.HashRange) bool {
	next := a.End
	next.Lo++
	if next.Lo == 0 {
		next.Hi++
	}
	return a.End != record.HashKeyMax && next == b.Start
}

// shardToReshard returns the open shard of that name in a provisioned stream.
func (a *API) shardToReshard(t *target, name string) (stream.ShardDescription, error) {
	id, err := record.ParseShardID(name)
	shards := t.Describe().Shards
	if err != nil || uint64(id) >= uint64(len(shards)) || shards[id].Expired {
		return stream.ShardDescription{}, resourceNotFound("Could not find shard %s in stream %s under account %s.", shardName(id, err, name), t.Name(), t.account)
	}
	if t.settings.Mode == modeOnDemand {
		return stream.ShardDescription{}, validation("Request is invalid: stream %s under account %s is in ON_DEMAND mode.", t.Name(), t.account)
	}
	// A change that is still shown to go on is why the shard is closed: whoever asks again must
	// be told to wait, not that it was wrong.
	if err := a.requireActive(t, t.settings); err != nil {
		return stream.ShardDescription{}, err
	}
	if shards[id].Closed {
		return stream.ShardDescription{}, invalidArgument("Shard %s in stream %s under account %s has already been merged or split, and thus is not eligible for merging or splitting.", id, t.Name(), t.account)
	}
	return shards[id], nil
}

// shardName returns the id in full if the name is one.
func shardName(id record.ShardID, err error, name string) string {
	if err != nil {
		return name
	}
	return id.String()
}

// reshard does one split or merge that adds up to more shards.
func (a *API) reshard(ctx context.Context, c *kinesis.Call, t *target, more int, do func() error) error {
	return a.update(ctx, t, func(*settings) error {
		if err := a.roomFor(more, c); more > 0 && err != nil {
			return err
		}
		return a.reshardError(t, do())
	})
}

// reshardError translates an error of Split and Merge that only a race can bring.
func (a *API) reshardError(t *target, err error) error {
	switch {
	case errors.Is(err, failure.NotFound):
		return a.gone(t, err)
	case errors.Is(err, failure.Conflict), errors.Is(err, failure.Closed):
		return notActive(t, statusUpdating)
	case errors.Is(err, failure.InvalidArgument):
		return limitExceeded("%s", detailOf(err))
	}
	return err
}

func (a *API) updateShardCount(ctx context.Context, c *kinesis.Call, in *UpdateShardCountInput) (*UpdateShardCountOutput, error) {
	t, err := a.target(ctx, c, in.StreamName, in.StreamARN)
	if err != nil {
		return nil, err
	}
	if t.settings.Mode == modeOnDemand {
		return nil, validation("Request is invalid: stream %s under account %s is in ON_DEMAND mode.", t.Name(), t.account)
	}
	now, wanted := openShards(t.Describe()), int(min(in.TargetShardCount, shardCountMax))
	if err := a.checkCount(t, now, wanted); err != nil {
		return nil, err
	}
	err = a.update(ctx, t, func(s *settings) error {
		if err := a.allow(&s.CountChanges, countChangesMax, "The shard count"); err != nil {
			return err
		}
		if err := a.roomFor(max(wanted-now, 0), c); err != nil {
			return err
		}
		ranges := a.rangesFor(t, wanted)
		if ranges == nil {
			return limitExceeded("UpdateShardCount to %d shards would leave stream %s under account %s with more than %d shards that retention has not taken yet.",
				wanted, t.Name(), t.account, a.options.StreamShardsMax)
		}
		return a.reshardError(t, a.spread(ctx, t, ranges))
	})
	if err != nil {
		return nil, err
	}
	current, target := int64(now), int64(wanted)
	return &UpdateShardCountOutput{StreamName: t.Name(), StreamARN: t.arn, CurrentShardCount: &current, TargetShardCount: &target}, nil
}

// checkCount refuses what AWS refuses: more than twice as many shards, or less than half.
func (a *API) checkCount(t *target, now, wanted int) error {
	if !a.options.EnforceLimits {
		return nil
	}
	if wanted > 2*now {
		return limitExceeded("UpdateShardCount cannot scale up over double your current open shard count. Current open shard count: %d Target shard count: %d", now, wanted)
	}
	if wanted < (now+1)/2 {
		return limitExceeded("UpdateShardCount cannot scale down below half your current open shard count. Current open shard count: %d Target shard count: %d", now, wanted)
	}
	return nil
}

// spread gives the stream one open shard for each of the ranges: first it splits where a range
// begins, then it merges what lies within one. As with AWS, shards come to be on the way
// that are closed in the end.
func (a *API) spread(ctx context.Context, t *target, ranges []record.HashRange) error {
	for _, r := range ranges[1:] {
		shard, found := shardAround(openRanges(t.Describe()), r.Start)
		if found {
			if _, err := a.store.Split(ctx, t.Name(), shard, r.Start); err != nil {
				return fmt.Errorf("streams: split for %d shards: %w", len(ranges), err)
			}
		}
	}
	for _, r := range ranges {
		if err := a.mergeWithin(ctx, t, r); err != nil {
			return fmt.Errorf("streams: merge for %d shards: %w", len(ranges), err)
		}
	}
	return nil
}

// rangesFor returns equal ranges for that many shards, or nil if the stream would come to have too
// many shards on the way: two wherever a new range begins within a shard, and one for every shard that
// begins within a new range.
//
// Where a shard begins almost where a range would, that is where the range begins: numbers
// of shards that are multiples of each other differ by what rounding leaves, and there is
// no room for a split in that.
func (a *API) rangesFor(t *target, wanted int) []record.HashRange {
	if wanted > a.options.StreamShardsMax {
		return nil
	}
	shards := t.Describe()
	open := openRanges(shards)
	ranges, same := record.SplitEvenly(wanted), 1
	for i := 1; i < len(ranges); i++ {
		if begin, found := shardNear(open, ranges[i].Start); found {
			ranges[i].Start = begin
			same++
		}
		ranges[i-1].End = before(ranges[i].Start)
	}
	if made := 2*(wanted-same) + len(open) - same; len(listed(shards.Shards))+made > a.options.StreamShardsMax {
		return nil
	}
	return ranges
}

// shardNear returns where a shard begins less than 2^64 from a key, a part in 2^64 of all keys.
func shardNear(open []openRange, key record.HashKey) (record.HashKey, bool) {
	for _, s := range open {
		low, high := s.Start, key
		if high.Compare(low) < 0 {
			low, high = high, low
		}
		near := high.Hi == low.Hi || high.Hi == low.Hi+1 && high.Lo < low.Lo
		if near && s.Start != (record.HashKey{}) {
			return s.Start, true
		}
	}
	return key, false
}

// before returns the key before one that is not 0.
func before(key record.HashKey) record.HashKey {
	if key.Lo == 0 {
		key.Hi--
	}
	key.Lo--
	return key
}

// openRange is an open shard.
type openRange struct {
	id record.ShardID
	record.HashRange
}

// openRanges returns the open shards in the order of their ranges.
func openRanges(d stream.Description) []openRange {
	var open []openRange
	for i := range d.Shards {
		if !d.Shards[i].Closed {
			open = append(open, openRange{d.Shards[i].ID, d.Shards[i].Range})
		}
	}
	slices.SortFunc(open, func(x, y openRange) int { return x.Start.Compare(y.Start) })
	return open
}

// shardAround returns the shard that a range begins within, if it does not begin with it.
func shardAround(open []openRange, start record.HashKey) (record.ShardID, bool) {
	for _, s := range open {
		if s.Contains(start) {
			return s.id, s.Start != start
		}
	}
	return 0, false
}

// mergeWithin merges the open shards of a range into one.
func (a *API) mergeWithin(ctx context.Context, t *target, r record.HashRange) error {
	for {
		var inside []openRange
		for _, s := range openRanges(t.Describe()) {
			if r.Contains(s.Start) {
				inside = append(inside, s)
			}
		}
		if len(inside) < 2 {
			return nil
		}
		if _, err := a.store.Merge(ctx, t.Name(), inside[0].id, inside[1].id); err != nil {
			return err
		}
	}
}
