package stream

import "errors"

// What an operation on shards refuses, beside its kind: errors.Is tells them apart
// where several have the same one.
var (
	// ErrNoShard: the stream never had a shard of that number. Kind: failure.NotFound.
	ErrNoShard = errors.New("the stream has no such shard")
	// ErrShardExpired: retention has taken the shard. Kind: failure.NotFound.
	ErrShardExpired = errors.New("the shard was closed, and retention has taken it")
	// ErrShardClosed: the shard was split or merged before. Kind: failure.Closed.
	ErrShardClosed = errors.New("the shard is closed, having been split or merged before")
	// ErrSplitKey: the hash key is not inside the range of the shard to be split, or is
	// its start, so that one part would be empty. Kind: failure.InvalidArgument.
	ErrSplitKey = errors.New("the hash key is not inside the range of the shard")
	// ErrNotAdjacent: the ranges of the shards to be merged do not meet.
	// Kind: failure.InvalidArgument.
	ErrNotAdjacent = errors.New("the shards are not adjacent")
	// ErrShardLimit: there would be more shards than Options allow.
	// Kind: failure.InvalidArgument.
	ErrShardLimit = errors.New("there would be too many shards")
)
