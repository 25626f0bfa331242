package stream

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/shard"
)

// Create makes a stream. When it returns without an error the stream is
// durable and takes records; otherwise it does not exist, also after a crash. The
// documents are the first of the stream's, and exist as soon as it does.
func (s *Store) Create(ctx context.Context, c Config, documents ...Document) (*Stream, error) {
	c, err := c.withDefaults(s.options)
	if err == nil {
		err = checkDocuments(documents)
	}
	if err != nil {
		return nil, err
	}
	s.control.Lock()
	defer s.control.Unlock()
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	if _, err := s.Stream(c.Name); err == nil {
		return nil, alreadyExists(c.Name)
	}
	if s.shards+c.Shards > s.options.ShardsMax {
		return nil, s.errShardLimit("stream: create", c.Name, c.Shards, s.shards, s.options.ShardsMax)
	}
	r := s.newRow(c)
	if err := s.catalogue.reserve(r); err != nil {
		return nil, err
	}
	if err := s.logs.CreateLogs(r.logs()...); err != nil {
		if errors.Is(err, failure.NoSpace) {
			return nil, errors.Join(err, s.catalogue.remove(r))
		}
		// The logs may exist or not, which only the next Open can tell. It needs
		// the row to know whose they are.
		return nil, err
	}
	created, err := s.build(r, documents)
	if err != nil {
		return nil, errors.Join(err, s.undo(r))
	}
	s.rows[c.Name] = r
	s.shards += c.Shards
	s.publish(created)
	if tell := s.options.Listener.StreamCreated; tell != nil {
		tell(c.Name, c.Shards)
	}
	return created, nil
}

// errShardLimit refuses shards beyond a limit.
func (s *Store) errShardLimit(operation, stream string, more, now, limit int) error {
	return &failure.Error{
		Kind: failure.InvalidArgument, Operation: operation, Stream: stream, Err: ErrShardLimit,
		Detail: fmt.Sprintf("%d more beside %d, the limit is %d", more, now, limit),
	}
}

func alreadyExists(name string) error {
	err := failure.New(failure.AlreadyExists, "stream: create", "the name is taken")
	err.Stream = name
	return err
}

// newRow lays out the shards of a new stream.
func (s *Store) newRow(c Config) *row {
	now := s.options.Clock.Now().UnixNano()
	r := &row{
		Name:           c.Name,
		State:          stateCreating,
		Created:        now,
		Durability:     c.Durability.String(),
		SyncInterval:   c.SyncInterval,
		RetentionTime:  c.RetentionTime,
		RetentionBytes: c.RetentionBytes,
		EnforceLimits:  c.EnforceLimits,
	}
	for i, part := range record.SplitEvenly(c.Shards) {
		r.Shards = append(r.Shards, newShardRow(record.ShardID(i), part, now))
	}
	return r
}

// build opens the new logs of a reserved row and activates it.
func (s *Store) build(r *row, documents []Document) (*Stream, error) {
	created, err := s.newStream(r)
	if err != nil {
		return nil, err
	}
	v := created.view.Load()
	parallel(len(v.shards), func(i int) { s.openShard(v, i) })
	for i := range v.shards {
		if err := v.shards[i].err; err != nil {
			return nil, err
		}
	}
	return created, s.catalogue.activate(r, documents)
}

// undo takes a creation back that failed after its logs were made. The intent
// comes first, since the row may be active in spite of the failure; what cannot
// be done now is done by the next Open.
func (s *Store) undo(r *row) error {
	if err := s.catalogue.condemn(r); err != nil {
		return err
	}
	return s.erase(r)
}

// Delete removes a stream with all its records. Who still reads or writes it
// gets failure.NotFound. A stream whose deletion failed half-way is no longer
// found, but Delete of its name tries again, as does the next Open.
func (s *Store) Delete(ctx context.Context, name string) error {
	s.control.Lock()
	defer s.control.Unlock()
	if err := s.usable(ctx); err != nil {
		return err
	}
	r := s.rows[name]
	if r == nil {
		return notFound(name)
	}
	if r.State != stateDeleting {
		if err := s.catalogue.condemn(r); err != nil {
			return err
		}
		if gone, err := s.Stream(name); err == nil {
			s.retire(gone)
		}
	}
	if err := s.erase(r); err != nil {
		return err
	}
	delete(s.rows, name)
	s.shards -= r.live()
	if tell := s.options.Listener.StreamDeleted; tell != nil {
		tell(name)
	}
	return nil
}

// retire withdraws a stream and tells its users why.
func (s *Store) retire(gone *Stream) {
	s.withdraw(gone)
	reason := failure.New(failure.NotFound, "stream", "the stream was deleted")
	reason.Stream = gone.name
	v := gone.view.Load()
	for i := range v.shards {
		if opened := v.shards[i].shard; opened != nil {
			opened.Retire(reason)
		}
	}
}

// erase removes the logs of a row that is being created or deleted, as many as
// there are, and then the row.
func (s *Store) erase(r *row) error {
	if err := s.removeLogs(r.logs()); err != nil {
		return err
	}
	return s.catalogue.remove(r)
}

// removeLogs removes those of the given logs that exist.
func (s *Store) removeLogs(logs []uint64) error {
	if len(logs) == 0 {
		return nil
	}
	existing := s.logs.Logs()
	owned := slices.DeleteFunc(slices.Clone(logs), func(id uint64) bool {
		_, found := slices.BinarySearch(existing, id)
		return !found
	})
	failed := make([]error, len(owned))
	parallel(len(owned), func(i int) { failed[i] = s.logs.RemoveLog(owned[i]) })
	if err := errors.Join(failed...); err != nil {
		return err
	}
	for _, id := range logs {
		s.places.Delete(id)
	}
	return nil
}

// newStream makes the stream of a row, with its shards still to be opened.
func (s *Store) newStream(r *row) (*Stream, error) {
	durability, err := record.ParseDurability(r.Durability)
	if err != nil {
		return nil, failure.Wrap(failure.Corrupt, "stream: catalogue row "+r.Name, err)
	}
	v := &view{
		config: Config{
			Name:           r.Name,
			Shards:         len(r.Shards),
			Durability:     durability,
			SyncInterval:   r.SyncInterval,
			RetentionTime:  r.RetentionTime,
			RetentionBytes: r.RetentionBytes,
			EnforceLimits:  r.EnforceLimits,
		},
		shards: make([]entry, len(r.Shards)),
	}
	for i, each := range r.Shards {
		if v.shards[i], err = s.newEntry(r, each); err != nil {
			return nil, err
		}
	}
	if err := v.layRoutes(); err != nil {
		return nil, err
	}
	created := &Stream{id: r.ID, name: r.Name, created: unixTime(r.Created), catalogue: s.catalogue}
	created.view.Store(v)
	return created, nil
}

// newEntry makes the place of a shard that is still to be opened.
func (s *Store) newEntry(of *row, r shardRow) (entry, error) {
	part, err := r.hashRange()
	if err != nil {
		return entry{}, failure.Wrap(failure.Corrupt, "stream: catalogue row "+of.Name, err)
	}
	e := entry{
		log: r.Log,
		options: shard.Options{
			Stream:  of.Name,
			ID:      r.ID,
			Range:   part,
			Created: unixTime(r.Created),
			Closed:  r.Closed,
			Clock:   s.options.Clock,
		},
		parents: r.Parents, last: r.Last, expired: r.Expired, reads: new(reads),
	}
	if of.EnforceLimits {
		e.options.Limits = s.options.Limits
	}
	if r.Closed {
		e.closedAt = unixTime(r.ClosedAt)
	}
	if r.Expired {
		e.err = errExpired(of.Name, r.ID)
	}
	return e, nil
}
