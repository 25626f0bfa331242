package stream

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/millrace-io/millrace/failure"
)

// retention is the goroutine that enforces retention for as long as the store
// is open.
type retention struct {
	cancel context.CancelFunc
	group  sync.WaitGroup
}

func startRetention(s *Store) *retention {
	ctx, cancel := context.WithCancel(context.Background())
	r := &retention{cancel: cancel}
	r.group.Go(func() {
		due := make(chan struct{}, 1)
		for {
			timer := s.options.Clock.AfterFunc(s.options.RetentionInterval, func() { due <- struct{}{} })
			select {
			case <-ctx.Done():
				timer.Stop()
				return
			case <-due:
				// The errors have gone to the listener, shard by shard.
				_ = s.EnforceRetention(ctx)
			}
		}
	})
	return r
}

func (r *retention) stop() {
	r.cancel()
	r.group.Wait()
}

// EnforceRetention removes what every shard no longer has to keep. Only whole
// segments go, so a shard keeps up to one segment more than it must. One
// shard's failure does not keep the others from being trimmed. A closed shard that
// has no records left expires once it has been closed for the retention time. The
// store does this by itself every Options.RetentionInterval.
func (s *Store) EnforceRetention(ctx context.Context) error {
	var failed []error
	now := s.options.Clock.Now()
	for _, each := range s.all() {
		v := each.view.Load()
		for i := range v.shards {
			if err := ctx.Err(); err != nil {
				return errors.Join(append(failed, err)...)
			}
			err := v.shards[i].trim(ctx, v.config, now)
			if err == nil && v.shards[i].expiring(&v.config, now) {
				err = s.expire(each, i, now)
			}
			if err != nil {
				failed = append(failed, err)
				if tell := s.options.Listener.RetentionFailed; tell != nil {
					tell(v.config.Name, v.shards[i].options.ID, err)
				}
			}
		}
	}
	return errors.Join(failed...)
}

// trim enforces retention on one shard. A stream deleted meanwhile, or a store
// being closed, needs none.
func (e *entry) trim(ctx context.Context, c Config, now time.Time) error {
	if e.shard == nil {
		return nil
	}
	var err error
	if c.RetentionTime != RetainForever {
		err = e.shard.TrimTime(ctx, now.Add(-c.RetentionTime).UnixNano())
	}
	if c.RetentionBytes > 0 && err == nil {
		err = e.shard.TrimBytes(c.RetentionBytes)
	}
	if errors.Is(err, failure.NotFound) || errors.Is(err, failure.Closed) {
		return nil
	}
	return err
}
