package stream

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/shard"
)

// Create makes a stream. When it returns without an error the stream is
// durable and takes records; otherwise it does not exist, also after a crash.
func (s *Store) Create(ctx context.Context, c Config) (*Stream, error) {
	c, err := c.withDefaults(s.options)
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
		return nil, failure.New(failure.InvalidArgument, "stream: create",
			"%d more shards would exceed the limit of %d; there are %d", c.Shards, s.options.ShardsMax, s.shards)
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
	created, err := s.build(r)
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

func alreadyExists(name string) error {
	err := failure.New(failure.AlreadyExists, "stream: create", "the name is taken")
	err.Stream = name
	return err
}

// newRow lays out the shards of a new stream.
func (s *Store) newRow(c Config) *row {
	now := s.options.Clock.Now().UnixNano()
	r := &row{
		Version:        rowVersion,
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
		r.Shards = append(r.Shards, shardRow{
			ID:      record.ShardID(i),
			Start:   part.Start.String(),
			End:     part.End.String(),
			Created: now,
		})
	}
	return r
}

// build opens the new logs of a reserved row and activates it.
func (s *Store) build(r *row) (*Stream, error) {
	created, err := s.newStream(r)
	if err != nil {
		return nil, err
	}
	parallel(len(created.shards), func(i int) { s.openShard(created, i) })
	for i := range created.shards {
		if err := created.shards[i].err; err != nil {
			return nil, err
		}
	}
	return created, s.catalogue.setState(r, stateActive)
}

// undo takes a creation back that failed after its logs were made. The intent
// comes first, since the row may be active in spite of the failure; what cannot
// be done now is done by the next Open.
func (s *Store) undo(r *row) error {
	if err := s.catalogue.setState(r, stateDeleting); err != nil {
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
		if err := s.catalogue.setState(r, stateDeleting); err != nil {
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
	s.shards -= len(r.Shards)
	if tell := s.options.Listener.StreamDeleted; tell != nil {
		tell(name)
	}
	return nil
}

// retire withdraws a stream and tells its users why.
func (s *Store) retire(gone *Stream) {
	s.withdraw(gone)
	reason := failure.New(failure.NotFound, "stream", "the stream was deleted")
	reason.Stream = gone.config.Name
	for i := range gone.shards {
		if opened := gone.shards[i].shard; opened != nil {
			opened.Retire(reason)
		}
	}
}

// erase removes the logs of a row that is being created or deleted, as many as
// there are, and then the row.
func (s *Store) erase(r *row) error {
	existing := s.logs.Logs()
	owned := slices.DeleteFunc(r.logs(), func(id uint64) bool { return !slices.Contains(existing, id) })
	failed := make([]error, len(owned))
	parallel(len(owned), func(i int) { failed[i] = s.logs.RemoveLog(owned[i]) })
	if err := errors.Join(failed...); err != nil {
		return err
	}
	for _, id := range r.logs() {
		s.places.Delete(id)
	}
	return s.catalogue.remove(r)
}

// newStream makes the stream of a row, with its shards still to be opened.
func (s *Store) newStream(r *row) (*Stream, error) {
	durability, err := record.ParseDurability(r.Durability)
	if err != nil {
		return nil, failure.Wrap(failure.Corrupt, "stream: catalogue row "+r.Name, err)
	}
	created := &Stream{
		id:      r.ID,
		created: unixTime(r.Created),
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
		part, err := each.hashRange()
		if err != nil {
			return nil, failure.Wrap(failure.Corrupt, "stream: catalogue row "+r.Name, err)
		}
		options := shard.Options{
			Stream:  r.Name,
			ID:      each.ID,
			Range:   part,
			Created: unixTime(each.Created),
			Closed:  each.Closed,
			Clock:   s.options.Clock,
		}
		if r.EnforceLimits {
			options.Limits = s.options.Limits
		}
		created.shards[i] = entry{log: each.Log, options: options, parents: each.Parents, reads: new(reads)}
	}
	return created, created.layRoutes()
}

// reads counts what left a shard. It is apart from entry so that entries can
// be moved.
type reads struct{ records, bytes atomic.Uint64 }
