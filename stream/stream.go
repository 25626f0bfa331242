package stream

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/shard"
)

// Stream is one stream of a store. Its methods may be called concurrently, and
// after the stream was deleted, when they return failure.NotFound.
type Stream struct {
	id        uint64
	name      string
	created   time.Time
	catalogue *catalogue
	// view is stored with the store's control held.
	view atomic.Pointer[view]
}

// Created returns when the stream was created.
func (s *Stream) Created() time.Time { return s.created }

// ID returns the number of the stream, which no other stream of the store ever
// had.
func (s *Stream) ID() uint64 { return s.id }

// Name returns the name of the stream.
func (s *Stream) Name() string { return s.name }

// Durability returns what an acknowledgement of the stream means.
func (s *Stream) Durability() record.Durability { return s.view.Load().config.Durability }

// Config returns the configuration with defaults filled in. Its Shards counts all
// shards, also closed and expired ones.
func (s *Stream) Config() Config { return s.view.Load().config }

// Route returns the open shard that owns a hash key. It may be closed by the time
// it is used: its appends then fail with failure.WrongShard, and Route knows better.
func (s *Stream) Route(key record.HashKey) record.ShardID { return s.view.Load().route(key) }

// Shard returns one shard, open or closed: failure.NotFound if the stream has
// none of that number or it has expired ([ErrShardExpired]), or the reason why it
// could not be opened.
func (s *Stream) Shard(id record.ShardID) (*shard.Shard, error) { return s.view.Load().shard(id) }

// CountRead adds to what the shard reports as read. Cursors do not count, since
// only their user knows what was delivered.
func (s *Stream) CountRead(id record.ShardID, records, bytes uint64) {
	if found, err := s.view.Load().find(id); err == nil {
		found.reads.records.Add(records)
		found.reads.bytes.Add(bytes)
	}
}

// Description is what there is to know about a stream.
type Description struct {
	ID      uint64
	Created time.Time
	// Config is the stream's configuration with defaults filled in. Its Shards
	// counts all shards, also closed and expired ones.
	Config Config
	// Shards is indexed by shard id.
	Shards []ShardDescription
}

// ShardDescription is what there is to know about a shard.
type ShardDescription struct {
	ID    record.ShardID
	Range record.HashRange
	// Created is, in whole seconds, later than the creation of every parent, so that
	// the sequence numbers of a shard are above those of its parents.
	Created time.Time
	// Closed shards take no records; their children do. ClosedAt is when they were
	// closed, which is when their children were created; zero if the shard is open.
	Closed   bool
	ClosedAt time.Time
	// Expired shards have been closed for longer than records are kept, and have
	// none left. They are here for the sake of their children.
	Expired bool
	Parents []record.ShardID
	// First is the oldest record's sequence number and Next that of the record
	// to come; they are equal when there are no records.
	First, Next uint64
	// Last is the sequence number of the last record of a closed shard, which
	// retention may have taken; 0 if it never had one, and 0 if it is open.
	Last uint64
	// Bytes is what the shard's log occupies.
	Bytes int64
	// Err is why the shard is not available; First, Next and Bytes are then 0.
	Err error
}

// Describe returns a snapshot.
func (s *Stream) Describe() Description {
	v := s.view.Load()
	d := Description{ID: s.id, Created: s.created, Config: v.config, Shards: make([]ShardDescription, len(v.shards))}
	for i := range v.shards {
		d.Shards[i] = v.shards[i].describe()
	}
	return d
}

// DescribeShard returns a snapshot of one shard, or failure.NotFound. Unlike
// [Stream.Shard] it also knows those that expired.
func (s *Stream) DescribeShard(id record.ShardID) (ShardDescription, error) {
	found, err := s.view.Load().find(id)
	if err != nil {
		return ShardDescription{}, err
	}
	return found.describe(), nil
}

// Children returns the shards that name the given one as a parent, in order: two
// after a split, one after a merge, none while the shard is open.
func (s *Stream) Children(id record.ShardID) []ShardDescription {
	var children []ShardDescription
	v := s.view.Load()
	for i := range v.shards {
		if slices.Contains(v.shards[i].parents, id) {
			children = append(children, v.shards[i].describe())
		}
	}
	return children
}

func (e *entry) describe() ShardDescription {
	d := ShardDescription{
		ID:       e.options.ID,
		Range:    e.options.Range,
		Created:  e.options.Created,
		Closed:   e.options.Closed,
		ClosedAt: e.closedAt,
		Expired:  e.expired,
		Parents:  slices.Clone(e.parents),
		Last:     e.last,
	}
	switch {
	case e.shard != nil:
		stats := e.shard.Stats().Log
		d.First, d.Next, d.Bytes = stats.First, stats.Next, stats.Bytes
		if e.options.Closed {
			// The log knows best: it may have been cut by a repair.
			d.Last = stats.Next - 1
		}
	case e.expired:
		d.First, d.Next = e.last+1, e.last+1
	default:
		d.Err = e.err
	}
	return d
}

func unixTime(nanoseconds int64) time.Time { return time.Unix(0, nanoseconds).UTC() }
