package stream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/shard"
	"github.com/millrace-io/millrace/wal"
)

// shardIDsMax bounds how many shards a stream has in all its life, and with it the
// size of its row.
const shardIDsMax = 1 << 16

// Split closes a shard and gives its range to two new ones: the first gets what is
// below the hash key, the second the key and what is above. Appends go on: those
// that come while the parent is being closed wait for a moment. When Split returns
// without an error the change is durable; otherwise nothing has changed, also after
// a crash, unless the error says something else.
//
// The parent keeps its records, and [shard.Shard.End] tells its readers where they
// end. Errors are failure.NotFound for the stream, [ErrNoShard], [ErrShardExpired],
// [ErrShardClosed], [ErrSplitKey], [ErrShardLimit], that of ctx, which bounds the
// waiting for appends that are under way, or what the disk says.
func (s *Store) Split(ctx context.Context, name string, parent record.ShardID, at record.HashKey) (children [2]record.ShardID, err error) {
	s.control.Lock()
	defer s.control.Unlock()
	of, err := s.controlled(ctx, name)
	if err != nil {
		return children, err
	}
	from, err := of.view.Load().open("stream: split", parent)
	if err != nil {
		return children, err
	}
	part := from.options.Range
	if part.Start.Compare(at) >= 0 || at.Compare(part.End) > 0 {
		return children, &failure.Error{
			Kind: failure.InvalidArgument, Operation: "stream: split", Stream: name, Shard: parent.String(), Err: ErrSplitKey,
			Detail: fmt.Sprintf("%s is not above %s and up to %s", at, part.Start, part.End),
		}
	}
	made, err := s.reshard(ctx, of, []record.ShardID{parent}, []record.HashRange{
		{Start: part.Start, End: predecessor(at)}, {Start: at, End: part.End},
	})
	if err != nil {
		return children, err
	}
	return [2]record.ShardID(made), nil
}

// Merge closes two open shards whose ranges meet and gives both ranges to a new
// one. All else is as with [Store.Split]; shards whose ranges do not meet are
// [ErrNotAdjacent].
func (s *Store) Merge(ctx context.Context, name string, a, b record.ShardID) (child record.ShardID, err error) {
	s.control.Lock()
	defer s.control.Unlock()
	of, err := s.controlled(ctx, name)
	if err != nil {
		return 0, err
	}
	v := of.view.Load()
	one, err := v.open("stream: merge", a)
	if err != nil {
		return 0, err
	}
	other, err := v.open("stream: merge", b)
	if err != nil {
		return 0, err
	}
	low, high := one.options.Range, other.options.Range
	if high.Start.Compare(low.Start) < 0 {
		low, high = high, low
	}
	// A shard and itself do not meet either: no end is its own successor but the last.
	if a == b || successor(low.End) != high.Start {
		return 0, &failure.Error{
			Kind: failure.InvalidArgument, Operation: "stream: merge", Stream: name, Shard: a.String(), Err: ErrNotAdjacent,
			Detail: fmt.Sprintf("the other is %v", b),
		}
	}
	made, err := s.reshard(ctx, of, []record.ShardID{a, b}, []record.HashRange{{Start: low.Start, End: high.End}})
	if err != nil {
		return 0, err
	}
	return made[0], nil
}

// controlled returns the stream that is to be changed. The caller holds control.
func (s *Store) controlled(ctx context.Context, name string) (*Stream, error) {
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	return s.Stream(name)
}

// open returns an open shard that is available.
func (v *view) open(operation string, id record.ShardID) (*entry, error) {
	found, err := v.find(id)
	switch {
	case err != nil:
		return nil, err
	case found.options.Closed && !found.expired:
		return nil, &failure.Error{
			Kind: failure.Closed, Operation: operation, Stream: v.config.Name, Shard: id.String(), Err: ErrShardClosed,
		}
	}
	return found, found.err
}

// reshard replaces open shards by new ones with the given ranges, which together
// are the same: see the documentation of the package. The caller holds control.
func (s *Store) reshard(ctx context.Context, of *Stream, parents []record.ShardID, ranges []record.HashRange) ([]record.ShardID, error) {
	r := s.rows[of.name]
	if err := s.settle(r); err != nil { // what an earlier failure left
		return nil, err
	}
	if err := s.roomFor(r, len(ranges)); err != nil {
		return nil, err
	}
	intent := make([]shardRow, len(ranges))
	for i, part := range ranges {
		intent[i] = newShardRow(record.ShardID(len(r.Shards)+i), part, 0)
		intent[i].Parents = parents
	}
	if err := s.catalogue.intend(r, intent); err != nil {
		return nil, err
	}
	c := change{store: s, stream: of, row: r, before: of.view.Load(), parents: parents}
	if err := c.makeLogs(); err != nil {
		// After a failed write to the MANIFEST only the next Open can tell whether the
		// logs exist. It needs the intent to know whose they are.
		if r.unsettled = errors.Is(err, failure.Poisoned); r.unsettled {
			return nil, err
		}
		return nil, errors.Join(err, s.abandon(r))
	}
	if err := c.make(ctx); err != nil {
		return nil, errors.Join(err, s.abandon(r))
	}
	s.shards += len(ranges)
	ids := make([]record.ShardID, len(ranges))
	for i := range ids {
		ids[i] = intent[i].ID
	}
	return ids, nil
}

// roomFor refuses shards beyond the limits. A closed shard counts until it expires,
// since it has a log like any other.
func (s *Store) roomFor(r *row, more int) error {
	const operation = "stream: reshard"
	switch live := r.live(); {
	case s.shards+more > s.options.ShardsMax:
		return s.errShardLimit(operation, r.Name, more, s.shards, s.options.ShardsMax)
	case live+more > s.options.ShardsPerStreamMax:
		return s.errShardLimit(operation, r.Name, more, live, s.options.ShardsPerStreamMax)
	case len(r.Shards)+more > shardIDsMax:
		return s.errShardLimit(operation, r.Name, more, len(r.Shards), shardIDsMax)
	}
	return nil
}

// abandon takes an intent back, if there is one. The old list of shards is stored
// first: a transaction that failed may have stored the new one all the same, and
// that must not be found without its logs.
func (s *Store) abandon(r *row) error {
	if len(r.Intent) == 0 {
		return nil
	}
	if r.unsettled {
		err := failure.New(failure.Poisoned, "stream: reshard", "an earlier change has to be undone by the next opening")
		err.Stream = r.Name
		return err
	}
	err := s.catalogue.replace(r, r.copy())
	if err == nil {
		err = s.removeLogs(logsOf(r.Intent))
	}
	if err == nil {
		undone := r.copy()
		undone.Intent = nil
		err = s.catalogue.replace(r, undone)
	}
	if err != nil {
		return fmt.Errorf("stream: undo the change of the shards of %s: the next change, or the next opening, has to: %w", r.Name, err)
	}
	return nil
}

// change is a split or a merge whose intent is stored.
type change struct {
	store   *Store
	stream  *Stream
	row     *row
	before  *view
	parents []record.ShardID
	logs    []*wal.Log // of the children
	// suspended are those parents that take no appends now.
	suspended []*shard.Shard
}

// make carries the change out, with the logs made. After an error appends to the
// parents go on.
func (c *change) make(ctx context.Context) error {
	changed, after := c.row.copy(), c.before.copy()
	err := c.closeParents(ctx, changed, after)
	if err == nil {
		err = c.addChildren(changed, after)
	}
	if err == nil {
		err = c.store.catalogue.replace(c.row, changed)
	}
	if err != nil {
		for _, parent := range c.suspended {
			parent.Resume()
		}
		return err
	}
	// Published first: who is sent away must find the way.
	c.stream.view.Store(after)
	for _, parent := range c.suspended {
		parent.Finish()
	}
	return nil
}

// makeLogs makes and opens the logs of the children, which takes longer than all
// that happens while the parents are suspended.
func (c *change) makeLogs() error {
	if err := c.store.logs.CreateLogs(logsOf(c.row.Intent)...); err != nil {
		return err
	}
	c.logs = make([]*wal.Log, len(c.row.Intent))
	for i, each := range c.row.Intent {
		log, err := c.store.openLog(&c.before.config, each.Log, each.ID)
		if err != nil {
			return err
		}
		c.logs[i] = log
	}
	return nil
}

// closeParents suspends the parents, and closes them in what they are to be.
func (c *change) closeParents(ctx context.Context, changed *row, after *view) error {
	for _, id := range c.parents {
		parent := c.before.shards[id].shard
		last, err := parent.Suspend(ctx)
		if err != nil {
			return err
		}
		c.suspended = append(c.suspended, parent)
		changed.Shards[id].Last, after.shards[id].last = last, last
	}
	// Not before: no record of a parent may be younger than its end.
	moment := c.moment()
	for _, id := range c.parents {
		closed, entry := &changed.Shards[id], &after.shards[id]
		closed.Closed, closed.ClosedAt = true, moment.UnixNano()
		entry.options.Closed, entry.closedAt = true, moment
	}
	return nil
}

// moment returns when the parents end and the children begin. Sequence numbers have
// whole seconds of it: those of a child are to be above those of its parents.
func (c *change) moment() time.Time {
	now := c.store.options.Clock.Now()
	for _, id := range c.parents {
		if least := time.Unix(c.before.shards[id].options.Created.Unix()+1, 0); now.Before(least) {
			now = least
		}
	}
	return unixTime(now.UnixNano())
}

// addChildren moves the shards of the intent to the others.
func (c *change) addChildren(changed *row, after *view) error {
	created := changed.Shards[c.parents[0]].ClosedAt
	for i, each := range changed.Intent {
		each.Created = created
		made, err := c.store.newEntry(changed, each)
		if err != nil {
			return err
		}
		made.shard = shard.New(c.logs[i], made.options)
		changed.Shards = append(changed.Shards, each)
		after.shards = append(after.shards, made)
	}
	changed.Intent = nil
	after.config.Shards = len(after.shards)
	return after.layRoutes()
}
