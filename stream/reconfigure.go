package stream

import (
	"context"
	"time"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/shard"
)

// SetRetention changes how long the records of a stream are kept: see
// [Store.Reconfigure].
func (s *Store) SetRetention(ctx context.Context, name string, d time.Duration) error {
	return s.Reconfigure(ctx, name, func(c *Config) { c.RetentionTime = d })
}

// Reconfigure changes the configuration of a stream to what change makes of it:
// RetentionTime, RetentionBytes and EnforceLimits; a change of something else, or
// one to what cannot be, is failure.InvalidArgument. It is durable when Reconfigure
// returns, and in force at once: the next append meets the new limits, the next
// round of retention the new time. What has been removed does not come back. Change
// must not call the store.
func (s *Store) Reconfigure(ctx context.Context, name string, change func(*Config)) error {
	s.control.Lock()
	defer s.control.Unlock()
	of, err := s.controlled(ctx, name)
	if err != nil {
		return err
	}
	after := of.view.Load().copy()
	before := after.config
	change(&after.config)
	if err := before.mayBecome(after.config); err != nil {
		return err
	}
	if after.config == before {
		return nil
	}
	r := s.rows[name]
	changed := r.copy()
	changed.RetentionTime = after.config.RetentionTime
	changed.RetentionBytes = after.config.RetentionBytes
	changed.EnforceLimits = after.config.EnforceLimits
	if err := s.catalogue.replace(r, changed); err != nil {
		return err
	}
	if after.config.EnforceLimits != before.EnforceLimits {
		s.limit(after)
	}
	of.view.Store(after)
	return nil
}

// mayBecome refuses changes that cannot be made to a stream.
func (c Config) mayBecome(next Config) error {
	same := next
	same.RetentionTime, same.RetentionBytes, same.EnforceLimits = c.RetentionTime, c.RetentionBytes, c.EnforceLimits
	if same != c {
		err := failure.New(failure.InvalidArgument, "stream: reconfigure", "only retention and limits can be changed")
		err.Stream = c.Name
		return err
	}
	return next.validate("stream: reconfigure")
}

// limit gives the shards of a view the limits that its configuration asks for.
func (s *Store) limit(v *view) {
	limits := shard.Limits{}
	if v.config.EnforceLimits {
		limits = s.options.Limits
	}
	for i := range v.shards {
		v.shards[i].options.Limits = limits
		if opened := v.shards[i].shard; opened != nil {
			opened.SetLimits(limits)
		}
	}
}
