package stream

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/shard"
)

// view is a stream at one moment: what it is configured to be, its shards, and
// which of them take records. It does not change once it is published; a change of
// the stream publishes another one. Whoever does several things that must fit each
// other loads the view once.
type view struct {
	config Config
	shards []entry // indexed by shard id
	routes []route // the open shards, sorted by the start of their range
}

// entry is one shard: opened, or expired, or with the reason why it is not opened.
type entry struct {
	log     uint64
	options shard.Options
	parents []record.ShardID
	// closedAt is when the shard was closed; zero if it is open.
	closedAt time.Time
	// last is the last sequence number of a closed shard.
	last uint64
	// expired says that retention has taken the shard, log and all; err says so too.
	expired bool
	shard   *shard.Shard
	err     error
	reads   *reads
}

// reads counts what left a shard. It is apart from entry so that entries can
// be copied.
type reads struct{ records, bytes atomic.Uint64 }

// route is an open shard as routing sees it.
type route struct {
	start, end record.HashKey
	id         record.ShardID
}

// copy returns a view that may be changed until it is published; whoever changes
// which shards are open lays the routes again.
func (v *view) copy() *view {
	return &view{config: v.config, shards: slices.Clone(v.shards), routes: v.routes}
}

// layRoutes sorts the open shards and checks that they cover the hash space.
// The check is what lets route go without an error.
func (v *view) layRoutes() error {
	v.routes = nil
	for i := range v.shards {
		if o := &v.shards[i].options; !o.Closed {
			v.routes = append(v.routes, route{o.Range.Start, o.Range.End, o.ID})
		}
	}
	slices.SortFunc(v.routes, func(a, b route) int { return a.start.Compare(b.start) })
	expected, covered := record.HashKey{}, false
	for _, r := range v.routes {
		if covered || r.start != expected || r.end.Compare(r.start) < 0 {
			return v.corrupt("the ranges of the open shards overlap or leave a gap at %v", expected)
		}
		covered = r.end == record.HashKeyMax
		expected = successor(r.end)
	}
	if !covered {
		return v.corrupt("no open shard owns the hash key %v", record.HashKeyMax)
	}
	return nil
}

func (v *view) corrupt(format string, args ...any) error {
	err := failure.New(failure.Corrupt, "stream: catalogue", format, args...)
	err.Stream = v.config.Name
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

// predecessor returns the hash key before k; that of the first is the last.
func predecessor(k record.HashKey) record.HashKey {
	if k.Lo == 0 {
		k.Hi--
	}
	k.Lo--
	return k
}

// route returns the open shard that owns a hash key.
func (v *view) route(key record.HashKey) record.ShardID {
	low, high := 0, len(v.routes)-1
	for low < high { // the last route that starts at or before key
		middle := (low + high + 1) / 2
		if v.routes[middle].start.Compare(key) <= 0 {
			low = middle
		} else {
			high = middle - 1
		}
	}
	return v.routes[low].id
}

// find returns the place of a shard, or failure.NotFound.
func (v *view) find(id record.ShardID) (*entry, error) {
	if uint64(id) >= uint64(len(v.shards)) {
		return nil, &failure.Error{
			Kind: failure.NotFound, Operation: "stream: look up", Stream: v.config.Name,
			Shard: id.String(), Err: ErrNoShard,
		}
	}
	return &v.shards[id], nil
}

// shard returns an opened shard, or the reason why there is none.
func (v *view) shard(id record.ShardID) (*shard.Shard, error) {
	found, err := v.find(id)
	if err != nil {
		return nil, err
	}
	return found.shard, found.err
}

// errExpired is why an expired shard is not there.
func errExpired(stream string, id record.ShardID) error {
	return &failure.Error{
		Kind: failure.NotFound, Operation: "stream: look up", Stream: stream, Shard: id.String(), Err: ErrShardExpired,
	}
}
