package client

import (
	"cmp"
	"slices"
	"time"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/record"
)

// Position is where a record stands in its stream.
type Position struct {
	Shard record.ShardID
	// Sequence numbers the records of the shard from 1.
	Sequence uint64
	// Time is the arrival in Unix nanoseconds.
	Time int64
	// ShardCreated is when the shard was created, in Unix seconds.
	ShardCreated int64
}

// Arrival returns when the record arrived.
func (p Position) Arrival() time.Time { return time.Unix(0, p.Time).UTC() }

// SequenceNumber returns the position as Kinesis clients know it.
func (p Position) SequenceNumber() record.SequenceNumber {
	return record.SequenceNumber{
		ShardCreated: p.ShardCreated, Shard: p.Shard, Index: p.Sequence,
		Arrival: p.Time / int64(time.Second),
	}
}

// routing tells which shard of a stream a record belongs to. It never changes.
type routing struct {
	stream uint64
	// shards are in the order of their ranges, which cover all hash keys.
	shards []ShardDescription
}

// newRouting returns the routing of a stream: that of its open shards.
func newRouting(d Description) *routing {
	return &routing{stream: d.StreamID, shards: openShards(d.Shards)}
}

// openShards returns the shards that take records, in the order of their ranges. A
// description does not say which they are, but who owns a hash key does: the
// youngest of the shards that ever did, since a split or a merge gives what its
// parents own to shards with higher numbers. So a shard is open if no younger one
// has a part of its range.
func openShards(shards []ShardDescription) []ShardDescription {
	youngest := slices.Clone(shards)
	slices.SortFunc(youngest, func(a, b ShardDescription) int { return cmp.Compare(b.ID, a.ID) })
	var open []ShardDescription
	for _, s := range youngest {
		at, _ := slices.BinarySearchFunc(open, s.Range.Start, compareStart)
		if at < len(open) && overlap(open[at].Range, s.Range) || at > 0 && overlap(open[at-1].Range, s.Range) {
			continue
		}
		open = slices.Insert(open, at, s)
	}
	return open
}

func compareStart(s ShardDescription, key record.HashKey) int { return s.Range.Start.Compare(key) }

// overlap reports whether two ranges have a key in common.
func overlap(a, b record.HashRange) bool {
	return a.Start.Compare(b.End) <= 0 && b.Start.Compare(a.End) <= 0
}

// route returns the index in shards of the one that the record belongs to, or
// -1 if there is none.
func (r *routing) route(rec *record.Record) int {
	// The only shard has them all: no need to hash.
	if len(r.shards) == 1 && r.shards[0].Range == (record.HashRange{End: record.HashKeyMax}) {
		return 0
	}
	key := rec.Hash()
	i, exact := slices.BinarySearchFunc(r.shards, key, compareStart)
	if !exact {
		i--
	}
	if i < 0 || !r.shards[i].Range.Contains(key) {
		return -1
	}
	return i
}

// same reports whether two routings send every record the same way.
func (r *routing) same(other *routing) bool {
	return r.stream == other.stream && slices.EqualFunc(r.shards, other.shards, func(a, b ShardDescription) bool {
		return a.ID == b.ID && a.Range == b.Range
	})
}

// errNoShard is the failure of a record that no shard takes, as while a stream
// is being changed.
func errNoShard() error {
	return failure.New(failure.WrongShard, "client: put", "no shard takes the record's hash key")
}
