package stream

import (
	"time"

	"github.com/millrace-io/millrace/failure"
)

// expiring reports whether retention is done with a shard: it has been closed for
// longer than records are kept, and all of them are gone.
func (e *entry) expiring(c *Config, now time.Time) bool {
	if e.shard == nil || !e.options.Closed || c.RetentionTime == RetainForever || now.Sub(e.closedAt) <= c.RetentionTime {
		return false
	}
	stats := e.shard.Stats().Log
	return stats.First >= stats.Next
}

// expire removes the log of an expiring shard. The catalogue says first that it is to
// go; what a crash leaves of it is removed at the next opening. A stream that was
// deleted meanwhile, or a store being closed, is left alone.
func (s *Store) expire(of *Stream, id int, now time.Time) error {
	s.control.Lock()
	defer s.control.Unlock()
	if found, err := s.Stream(of.name); s.closed || err != nil || found != of {
		return nil
	}
	after := of.view.Load().copy()
	gone := &after.shards[id]
	if !gone.expiring(&after.config, now) {
		return nil
	}
	expired := gone.shard
	last := expired.Next() - 1
	r := s.rows[of.name]
	changed := r.copy()
	changed.Shards[id].Expired, changed.Shards[id].Last = true, last
	if err := s.catalogue.replace(r, changed); err != nil {
		return err
	}
	gone.shard, gone.expired, gone.last = nil, true, last
	gone.err = errExpired(of.name, gone.options.ID)
	of.view.Store(after)
	s.shards--
	reason := failure.Wrap(failure.NotFound, "stream", ErrShardExpired)
	reason.Stream, reason.Shard = of.name, gone.options.ID.String()
	expired.Retire(reason)
	return s.removeLogs([]uint64{gone.log})
}
