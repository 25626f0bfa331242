package streams

import (
	"context"
	"encoding/json"
	"time"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/kinesis"
)

const (
	accountKey = "kinesis/account"

	onDemandStreamsMax = 50
	channelsMax        = 50
	// commitmentLife is how long AWS binds who commits to a throughput.
	commitmentLife = 24 * time.Hour

	commitmentEnabled  = "ENABLED"
	commitmentDisabled = "DISABLED"
)

// account is the settings of the account, a document of the store.
type account struct {
	// Commitment is ENABLED or DISABLED; the times are Unix nanoseconds.
	Commitment string `json:"commitment,omitempty"`
	Started    int64  `json:"started,omitempty"`
	Ended      int64  `json:"ended,omitempty"`
}

func (a *API) describeLimits(ctx context.Context, c *kinesis.Call, _ *DescribeLimitsInput) (*DescribeLimitsOutput, error) {
	if err := c.Permit(ctx, "*"); err != nil {
		return nil, err
	}
	out := &DescribeLimitsOutput{ShardLimit: int64(a.options.ShardsMax), OnDemandStreamCountLimit: onDemandStreamsMax}
	err := a.each(func(t *target) error {
		out.OpenShardCount += int64(openShards(t.Describe()))
		if t.settings.Mode == modeOnDemand {
			out.OnDemandStreamCount++
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	channels, err := a.allChannels()
	count, limit := int64(len(channels)), int64(channelsMax)
	out.ChannelCount, out.ChannelCountLimit = &count, &limit
	return out, err
}

func (a *API) accountSettings() (account, error) {
	var settings account
	value, found, err := a.store.Documents().Get(accountKey)
	if err != nil {
		return settings, err
	}
	if found {
		if err := json.Unmarshal(value, &settings); err != nil {
			return settings, failure.Wrap(failure.Corrupt, "streams: account settings", err)
		}
	}
	return settings, nil
}

func (a *API) describeAccountSettings(ctx context.Context, c *kinesis.Call, _ *DescribeAccountSettingsInput) (*DescribeAccountSettingsOutput, error) {
	if err := c.Permit(ctx, "*"); err != nil {
		return nil, err
	}
	settings, err := a.accountSettings()
	return &DescribeAccountSettingsOutput{MinimumThroughputBillingCommitment: settings.shown(a.options.Clock.Now())}, err
}

func (a *API) updateAccountSettings(ctx context.Context, c *kinesis.Call, in *UpdateAccountSettingsInput) (*UpdateAccountSettingsOutput, error) {
	if err := c.Permit(ctx, "*"); err != nil {
		return nil, err
	}
	a.changing.Lock()
	defer a.changing.Unlock()
	settings, err := a.accountSettings()
	if err != nil {
		return nil, err
	}
	now := a.options.Clock.Now()
	settings = settings.with(in.MinimumThroughputBillingCommitment.Status, now)
	value, err := json.Marshal(settings)
	if err == nil {
		err = a.store.Documents().Put(accountKey, value)
	}
	return &UpdateAccountSettingsOutput{MinimumThroughputBillingCommitment: settings.shown(now)}, err
}

// with returns the settings after a change to ENABLED or DISABLED. A commitment that is ended before
// it may be goes on until then.
func (s account) with(wanted string, now time.Time) account {
	switch {
	case wanted == commitmentDisabled && s.Commitment == commitmentEnabled:
		s.Commitment, s.Ended = commitmentDisabled, max(now.UnixNano(), s.Started+int64(commitmentLife))
	case wanted == commitmentEnabled && s.committed(now):
		s.Commitment, s.Ended = commitmentEnabled, 0
	case wanted == commitmentEnabled:
		s = account{Commitment: commitmentEnabled, Started: now.UnixNano()}
	}
	return s
}

// committed reports whether a commitment is in force.
func (s account) committed(now time.Time) bool {
	return s.Commitment == commitmentEnabled || now.UnixNano() < s.Ended
}

func (s account) shown(now time.Time) *MinimumThroughputBillingCommitmentOutput {
	out := &MinimumThroughputBillingCommitmentOutput{Status: commitmentDisabled}
	switch {
	case s.Commitment == commitmentEnabled:
		out.Status = commitmentEnabled
	case s.committed(now):
		out.Status = "ENABLED_UNTIL_EARLIEST_ALLOWED_END"
	}
	if s.Started != 0 {
		started := time.Unix(0, s.Started)
		out.StartedAt, out.EarliestAllowedEndAt = seconds(started), seconds(started.Add(commitmentLife))
	}
	if s.Ended != 0 {
		out.EndedAt = seconds(time.Unix(0, s.Ended))
	}
	return out
}
