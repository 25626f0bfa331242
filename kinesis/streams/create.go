package streams

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/kinesis"
	"github.com/millrace-io/millrace/stream"
)

var accountPattern = regexp.MustCompile(`^\d{12}$`)

const (
	// onDemandShards is what a stream ON_DEMAND begins with: 4 MB/s.
	onDemandShards = 4
	// creatingMax is how many streams may be CREATING at once.
	creatingMax = 5
	// warmMiBpsMax is the largest warm throughput.
	warmMiBpsMax = 10 << 10
)

func (a *API) createStream(ctx context.Context, c *kinesis.Call, in *CreateStreamInput) (*Empty, error) {
	if err := c.Permit(ctx, a.arnOf(c, in.StreamName)); err != nil {
		return nil, err
	}
	known, shards, err := a.newSettings(in)
	if err != nil {
		return nil, err
	}
	if err := a.roomFor(shards, c); err != nil {
		return nil, err
	}
	known.Status, known.StatusUntil = statusCreating, a.soon()
	document, err := json.Marshal(known)
	if err != nil {
		return nil, fmt.Errorf("streams: encode settings of %s: %w", in.StreamName, err)
	}
	_, err = a.store.Create(ctx, stream.Config{
		Name: in.StreamName, Shards: shards, EnforceLimits: a.options.EnforceLimits,
	}, stream.Document{Key: settingsKey, Value: document})
	switch {
	case errors.Is(err, failure.AlreadyExists), errors.Is(err, failure.Conflict):
		return nil, resourceInUse("Stream %s under account %s already exists.", in.StreamName, a.options.Account)
	case errors.Is(err, failure.InvalidArgument):
		return nil, limitExceeded("%s", detailOf(err))
	}
	return nil, err
}

// newSettings returns the settings and the shards that a new stream is to have.
func (a *API) newSettings(in *CreateStreamInput) (settings, int, error) {
	s := settings{}.withDefaults()
	shards := 0
	if in.StreamModeDetails != nil {
		s.Mode = in.StreamModeDetails.StreamMode
	}
	switch {
	case s.Mode == modeOnDemand && in.ShardCount != nil:
		return s, 0, invalidArgument("ShardCount must not be given for a stream whose mode is ON_DEMAND.")
	case s.Mode == modeOnDemand:
		shards = onDemandShards
	case in.ShardCount == nil:
		shards = 1
	default:
		shards = int(min(*in.ShardCount, shardCountMax))
	}
	if in.WarmThroughputMiBps != nil {
		if s.Mode != modeOnDemand {
			return s, 0, invalidArgument("WarmThroughputMiBps needs a stream whose mode is ON_DEMAND.")
		}
		if *in.WarmThroughputMiBps > warmMiBpsMax {
			return s, 0, validation("WarmThroughputMiBps must be at most %d.", warmMiBpsMax)
		}
		s.WarmMiBps = *in.WarmThroughputMiBps
	}
	if in.RecordDistributionStrategy != "" {
		if in.RecordDistributionStrategy == distributionAuto && s.Mode != modeOnDemand {
			return s, 0, invalidArgument("RecordDistributionStrategy AUTO needs a stream whose mode is ON_DEMAND.")
		}
		s.Distribution = in.RecordDistributionStrategy
	}
	if in.MaxRecordSizeInKiB != nil {
		s.RecordKiBMax = *in.MaxRecordSizeInKiB
	}
	if err := mergeTags(&s.Tags, in.Tags, a.called("stream", in.StreamName)); err != nil {
		return s, 0, err
	}
	return s, shards, nil
}

// shardCountMax bounds what is asked for, before anything is multiplied.
const shardCountMax = 100_000

// roomFor refuses shards that the account has no room for, and too many streams at once.
func (a *API) roomFor(more int, c *kinesis.Call) error {
	if !a.options.EnforceLimits {
		return nil
	}
	open, creating, now := 0, 0, a.options.Clock.Now()
	err := a.each(func(t *target) error {
		open += openShards(t.Describe())
		if t.settings.statusAt(now) == statusCreating {
			creating++
		}
		return nil
	})
	if err != nil {
		return err
	}
	if creating >= creatingMax {
		return limitExceeded("This request would exceed the limit of %d streams in the CREATING state.", creatingMax)
	}
	return a.shardRoom(c, open, more)
}

// shardRoom refuses more open shards than the account may have.
func (a *API) shardRoom(c *kinesis.Call, open, more int) error {
	if !a.options.EnforceLimits || open+more <= a.options.ShardsMax {
		return nil
	}
	region := c.Region
	if region == "" {
		region = regionDefault
	}
	return limitExceeded("This request would exceed the shard limit for the account %s in %s. Current shard count for the account: %d. Limit: %d. "+
		"Number of additional shards that would have resulted from this request: %d. Refer to the AWS Service Limits page "+
		"(http://docs.aws.amazon.com/general/latest/gr/aws_service_limits.html) for current limits and how to request higher limits.",
		a.options.Account, region, open, a.options.ShardsMax, more)
}

// each calls do for every stream, sorted by name.
func (a *API) each(do func(*target) error) error {
	after := ""
	for more := true; more; {
		var names []string
		names, more = a.store.List(after, listPage)
		for _, name := range names {
			after = name
			of, err := a.store.Stream(name)
			if errors.Is(err, failure.NotFound) {
				continue // deleted meanwhile
			}
			if err != nil {
				return err
			}
			t, err := a.targetOf(of, "")
			if err != nil {
				return err
			}
			if err := do(t); err != nil {
				return err
			}
		}
		more = more && len(names) > 0
	}
	return nil
}

// listPage is how many names are taken from the store at a time.
const listPage = 1000

func (a *API) deleteStream(ctx context.Context, c *kinesis.Call, in *DeleteStreamInput) (*Empty, error) {
	t, err := a.target(ctx, c, in.StreamName, in.StreamARN)
	if err != nil {
		return nil, err
	}
	err = a.change(ctx, t, func(s *settings) error {
		if s.statusAt(a.options.Clock.Now()) == statusDeleting {
			return notActive(t, statusDeleting)
		}
		if in.EnforceConsumerDeletion == nil || !*in.EnforceConsumerDeletion {
			consumers, err := consumersOf(t)
			if err != nil {
				return err
			}
			if len(consumers) > 0 {
				return resourceInUse("Stream %s under account %s has active consumers. Deregister them first, or set EnforceConsumerDeletion.", t.Name(), t.account)
			}
		}
		s.Status = statusDeleting
		return nil
	})
	if err != nil {
		return nil, err
	}
	a.deleteSoon(ctx, t)
	return nil, nil
}

// deleteSoon deletes a stream once it has shown DELETING for long enough. With no delay it is
// gone before the operation is answered.
func (a *API) deleteSoon(ctx context.Context, t *target) {
	remove := func(ctx context.Context) {
		// What failed is found again by the next process: the settings say DELETING.
		_ = a.store.Delete(ctx, t.Name())
		a.forget(t.ID())
	}
	if a.options.StatusDelay == 0 {
		remove(context.WithoutCancel(ctx))
		return
	}
	a.later(a.options.StatusDelay, remove)
}

// resumeDeletions goes on with what an earlier process was told to delete.
func (a *API) resumeDeletions() error {
	return a.each(func(t *target) error {
		if t.settings.Status == statusDeleting {
			a.deleteSoon(a.closing, t)
		}
		return nil
	})
}

// forget drops what is known in memory of a stream that is gone.
func (a *API) forget(id uint64) {
	a.mutex.Lock()
	delete(a.settings, id)
	a.mutex.Unlock()
	a.reads.forget(id)
}

// detailOf returns what an error of the store says to people, without its place.
func detailOf(err error) string {
	var named *failure.Error
	if errors.As(err, &named) && named.Detail != "" {
		return named.Detail
	}
	return err.Error()
}

// hours returns a retention time in hours, at least 1.
func hours(d time.Duration) int64 {
	if d == stream.RetainForever {
		return retentionHoursMax
	}
	return max(int64(d/time.Hour), 1)
}
