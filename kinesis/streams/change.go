package streams

import (
	"context"
	"slices"
	"time"

	"github.com/millrace-io/millrace/kinesis"
	"github.com/millrace-io/millrace/stream"
)

const (
	retentionHoursMin = 24
	retentionHoursMax = 8760

	modeChangesMax = 2
	keyChangesMax  = 25
)

func (a *API) increaseRetention(ctx context.Context, c *kinesis.Call, in *IncreaseStreamRetentionPeriodInput) (*Empty, error) {
	t, err := a.target(ctx, c, in.StreamName, in.StreamARN)
	if err != nil {
		return nil, err
	}
	if now := hours(t.Describe().Config.RetentionTime); in.RetentionPeriodHours < now {
		return nil, invalidArgument("Requested retention period (%d hours) for stream %s can not be shorter than existing retention period (%d hours). Use DecreaseRetentionPeriod API.",
			in.RetentionPeriodHours, t.Name(), now)
	}
	return nil, a.setRetention(ctx, t, in.RetentionPeriodHours)
}

func (a *API) decreaseRetention(ctx context.Context, c *kinesis.Call, in *DecreaseStreamRetentionPeriodInput) (*Empty, error) {
	t, err := a.target(ctx, c, in.StreamName, in.StreamARN)
	if err != nil {
		return nil, err
	}
	if now := hours(t.Describe().Config.RetentionTime); in.RetentionPeriodHours > now {
		return nil, invalidArgument("Requested retention period (%d hours) for stream %s can not be longer than existing retention period (%d hours). Use IncreaseRetentionPeriod API.",
			in.RetentionPeriodHours, t.Name(), now)
	}
	return nil, a.setRetention(ctx, t, in.RetentionPeriodHours)
}

// setRetention changes how long records are kept. What it is already is no change, and no
// error: Terraform asks for it each time.
func (a *API) setRetention(ctx context.Context, t *target, wanted int64) error {
	if wanted < retentionHoursMin {
		return invalidArgument("Minimum allowed retention period is %d hours. Requested retention period (%d hours) is too short.", retentionHoursMin, wanted)
	}
	if wanted > retentionHoursMax {
		return invalidArgument("Maximum allowed retention period is %d hours. Requested retention period (%d hours) is too long.", retentionHoursMax, wanted)
	}
	d := time.Duration(wanted) * time.Hour
	if was := t.Describe().Config.RetentionTime; was == d {
		return a.requireActive(t, t.settings)
	}
	return a.update(ctx, t, func(*settings) error {
		return a.gone(t, a.store.Reconfigure(ctx, t.Name(), func(c *stream.Config) { c.RetentionTime = d }))
	})
}

// allMetrics are the shard-level metrics of AWS.
var allMetrics = []string{
	"IncomingBytes", "IncomingRecords", "IteratorAgeMilliseconds", "OutgoingBytes", "OutgoingRecords",
	"ReadProvisionedThroughputExceeded", "WriteProvisionedThroughputExceeded",
}

// metricsNamed returns the metrics of a request: ALL stands for all of them.
func metricsNamed(names []string) []string {
	if slices.Contains(names, "ALL") {
		return slices.Clone(allMetrics)
	}
	return names
}

func (a *API) enableMonitoring(ctx context.Context, c *kinesis.Call, in *EnableEnhancedMonitoringInput) (*EnhancedMonitoringOutput, error) {
	return a.changeMonitoring(ctx, c, in.StreamName, in.StreamARN, func(now []string) []string {
		wanted := slices.Concat(now, metricsNamed(in.ShardLevelMetrics))
		slices.Sort(wanted)
		return slices.Compact(wanted)
	})
}

func (a *API) disableMonitoring(ctx context.Context, c *kinesis.Call, in *DisableEnhancedMonitoringInput) (*EnhancedMonitoringOutput, error) {
	gone := metricsNamed(in.ShardLevelMetrics)
	return a.changeMonitoring(ctx, c, in.StreamName, in.StreamARN, func(now []string) []string {
		return slices.DeleteFunc(slices.Clone(now), func(name string) bool { return slices.Contains(gone, name) })
	})
}

func (a *API) changeMonitoring(ctx context.Context, c *kinesis.Call, name, arn string, wanted func([]string) []string) (*EnhancedMonitoringOutput, error) {
	t, err := a.target(ctx, c, name, arn)
	if err != nil {
		return nil, err
	}
	out := &EnhancedMonitoringOutput{StreamName: t.Name(), StreamARN: t.arn}
	err = a.update(ctx, t, func(s *settings) error {
		out.CurrentShardLevelMetrics = metricsShown(s.Monitoring)
		s.Monitoring = wanted(s.Monitoring)
		out.DesiredShardLevelMetrics = metricsShown(s.Monitoring)
		return nil
	})
	return out, err
}

func (a *API) startEncryption(ctx context.Context, c *kinesis.Call, in *StartStreamEncryptionInput) (*Empty, error) {
	t, err := a.target(ctx, c, in.StreamName, in.StreamARN)
	if err != nil {
		return nil, err
	}
	if in.EncryptionType != encryptionKMS {
		return nil, invalidArgument("EncryptionType must be %s.", encryptionKMS)
	}
	return nil, a.update(ctx, t, func(s *settings) error {
		if err := a.allow(&s.KeyChanges, keyChangesMax, "The key"); err != nil {
			return err
		}
		s.Encryption, s.Key = encryptionKMS, in.KeyId
		return nil
	})
}

func (a *API) stopEncryption(ctx context.Context, c *kinesis.Call, in *StopStreamEncryptionInput) (*Empty, error) {
	t, err := a.target(ctx, c, in.StreamName, in.StreamARN)
	if err != nil {
		return nil, err
	}
	if in.EncryptionType != encryptionKMS {
		return nil, invalidArgument("EncryptionType must be %s.", encryptionKMS)
	}
	return nil, a.update(ctx, t, func(s *settings) error {
		s.Encryption, s.Key = encryptionNone, ""
		return nil
	})
}

func (a *API) updateStreamMode(ctx context.Context, c *kinesis.Call, in *UpdateStreamModeInput) (*Empty, error) {
	t, err := a.target(ctx, c, "", in.StreamARN)
	if err != nil {
		return nil, err
	}
	mode := in.StreamModeDetails.StreamMode
	if in.WarmThroughputMiBps != nil && mode != modeOnDemand {
		return nil, invalidArgument("WarmThroughputMiBps needs a stream whose mode is ON_DEMAND.")
	}
	return nil, a.update(ctx, t, func(s *settings) error {
		if s.Mode != mode {
			if err := a.allow(&s.ModeChanges, modeChangesMax, "The stream mode"); err != nil {
				return err
			}
		}
		s.Mode = mode
		if in.WarmThroughputMiBps != nil {
			s.WarmMiBps = min(*in.WarmThroughputMiBps, warmMiBpsMax)
		}
		if mode == modeProvisioned {
			s.WarmMiBps, s.Distribution = 0, distributionUser
		}
		return nil
	})
}

func (a *API) updateMaxRecordSize(ctx context.Context, c *kinesis.Call, in *UpdateMaxRecordSizeInput) (*Empty, error) {
	t, err := a.target(ctx, c, "", in.StreamARN)
	if err != nil {
		return nil, err
	}
	return nil, a.update(ctx, t, func(s *settings) error {
		s.RecordKiBMax = in.MaxRecordSizeInKiB
		return nil
	})
}

func (a *API) updateWarmThroughput(ctx context.Context, c *kinesis.Call, in *UpdateStreamWarmThroughputInput) (*UpdateStreamWarmThroughputOutput, error) {
	t, err := a.target(ctx, c, in.StreamName, in.StreamARN)
	if err != nil {
		return nil, err
	}
	if in.WarmThroughputMiBps > warmMiBpsMax {
		return nil, validation("WarmThroughputMiBps must be at most %d.", warmMiBpsMax)
	}
	err = a.update(ctx, t, func(s *settings) error {
		if s.Mode != modeOnDemand {
			return validation("Warm throughput needs a stream whose mode is ON_DEMAND.")
		}
		s.WarmMiBps = in.WarmThroughputMiBps
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &UpdateStreamWarmThroughputOutput{StreamName: t.Name(), StreamARN: t.arn, WarmThroughput: warmThroughput(t.settings)}, nil
}

func (a *API) updateDistribution(ctx context.Context, c *kinesis.Call, in *UpdateStreamRecordDistributionStrategyInput) (*Empty, error) {
	t, err := a.target(ctx, c, "", in.StreamARN)
	if err != nil {
		return nil, err
	}
	return nil, a.update(ctx, t, func(s *settings) error {
		if in.RecordDistributionStrategy == distributionAuto && s.Mode != modeOnDemand {
			return validation("RecordDistributionStrategy AUTO needs a stream whose mode is ON_DEMAND.")
		}
		s.Distribution = in.RecordDistributionStrategy
		return nil
	})
}
