package stream

import (
	"slices"
	"time"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/shard"
)

// Stream is one stream of a store. Its methods may be called concurrently, and
// after the stream was deleted, when they return failure.NotFound.
type Stream struct {
	id      uint64
	created time.Time
	config  Config
	shards  []entry // indexed by shard id
	routes  []route // the open shards, sorted by the start of their range
}

// entry is one shard: opened, or with the reason why it is not.
type entry struct {
	log     uint64
	options shard.Options
	parents []record.ShardID
	shard   *shard.Shard
	err     error
	reads   *reads
}

// route is an open shard as routing sees it.
type route struct {
	start, end record.HashKey
	id         record.ShardID
}

// layRoutes sorts the open shards and checks that they cover the hash space.
// The check is what lets Route go without an error.
func (s *Stream) layRoutes() error {
	for i := range s.shards {
		if o := &s.shards[i].options; !o.Closed {
			s.routes = append(s.routes, route{o.Range.Start, o.Range.End, o.ID})
		}
	}
	slices.SortFunc(s.routes, func(a, b route) int { return a.start.Compare(b.start) })
	expected, covered := record.HashKey{}, false
	for _, r := range s.routes {
		if covered || r.start != expected || r.end.Compare(r.start) < 0 {
			return s.corrupt("the ranges of the open shards overlap or leave a gap at %v", expected)
		}
		covered = r.end == record.HashKeyMax
		expected = successor(r.end)
	}
	if !covered {
		return s.corrupt("no open shard owns the hash key %v", record.HashKeyMax)
	}
	return nil
}

func (s *Stream) corrupt(format string, args ...any) error {
	err := failure.New(failure.Corrupt, "stream: catalogue", format, args...)
	err.Stream = s.config.Name
	return err
}

// successor returns the hash key after k; that of the last is the first.
func successor(k record.HashKey) record.HashKey {
	k.Lo++
	if k.Lo == 0 {
		k.Hi++
	}
	return k
}

// ID returns the number of the stream, which no other stream of the store ever
// had.
func (s *Stream) ID() uint64 { return s.id }

// Name returns the name of the stream.
func (s *Stream) Name() string { return s.config.Name }

// Durability returns what an acknowledgement of the stream means.
func (s *Stream) Durability() record.Durability { return s.config.Durability }

// Route returns the open shard that owns a hash key.
func (s *Stream) Route(key record.HashKey) record.ShardID {
	low, high := 0, len(s.routes)-1
	for low < high { // the last route that starts at or before key
		middle := (low + high + 1) / 2
		if s.routes[middle].start.Compare(key) <= 0 {
			low = middle
		} else {
			high = middle - 1
		}
	}
	return s.routes[low].id
}

// Shard returns one shard, open or closed: failure.NotFound if the stream has
// none of that number, or the reason why it could not be opened.
func (s *Stream) Shard(id record.ShardID) (*shard.Shard, error) {
	if uint64(id) >= uint64(len(s.shards)) {
		return nil, &failure.Error{
			Kind: failure.NotFound, Operation: "stream: look up", Stream: s.config.Name,
			Shard: id.String(), Detail: "no such shard",
		}
	}
	found := &s.shards[id]
	return found.shard, found.err
}

// CountRead adds to what the shard reports as read. Cursors do not count, since
// only their user knows what was delivered.
func (s *Stream) CountRead(id record.ShardID, records, bytes uint64) {
	if uint64(id) < uint64(len(s.shards)) {
		s.shards[id].reads.records.Add(records)
		s.shards[id].reads.bytes.Add(bytes)
	}
}

// Description is what there is to know about a stream.
type Description struct {
	ID      uint64
	Created time.Time
	// Config is the stream's configuration with defaults filled in. Its Shards
	// counts all shards, also closed ones.
	Config Config
	// Shards is indexed by shard id.
	Shards []ShardDescription
}

// ShardDescription is what there is to know about a shard.
type ShardDescription struct {
	ID      record.ShardID
	Range   record.HashRange
	Created time.Time
	// Closed shards take no records; their children do.
	Closed  bool
	Parents []record.ShardID
	// First is the oldest record's sequence number and Next that of the record
	// to come; they are equal when there are no records.
	First, Next uint64
	// Bytes is what the shard's log occupies.
	Bytes int64
	// Err is why the shard is not available; First, Next and Bytes are then 0.
	Err error
}

// Describe returns a snapshot.
func (s *Stream) Describe() Description {
	d := Description{ID: s.id, Created: s.created, Config: s.config, Shards: make([]ShardDescription, len(s.shards))}
	for i := range s.shards {
		each := &s.shards[i]
		d.Shards[i] = ShardDescription{
			ID:      each.options.ID,
			Range:   each.options.Range,
			Created: each.options.Created,
			Closed:  each.options.Closed,
			Parents: slices.Clone(each.parents),
			Err:     each.err,
		}
		if each.shard != nil {
			stats := each.shard.Stats().Log
			d.Shards[i].First, d.Shards[i].Next, d.Shards[i].Bytes = stats.First, stats.Next, stats.Bytes
		}
	}
	return d
}

func unixTime(nanoseconds int64) time.Time { return time.Unix(0, nanoseconds).UTC() }
