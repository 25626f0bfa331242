package stream

import (
	"regexp"
	"time"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/internal/clock"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/shard"
	"github.com/millrace-io/millrace/wal"
)

// Options configure a store. The zero value is ready for use.
type Options struct {
	// Options are those of the log directory. Its Clock is the store's too.
	wal.Options
	// ShardsPerStreamMax bounds the shards of one stream, closed ones included until
	// they expire. Default: 1,024.
	ShardsPerStreamMax int
	// ShardsMax bounds the shards of all streams together, likewise; each holds at
	// least one segment and its file open. Default: 10,000.
	ShardsMax int
	// RetentionInterval is the pause between two rounds of retention.
	// Default: 1 minute. Negative: never, call EnforceRetention.
	RetentionInterval time.Duration
	// Limits are the write limits of each shard of a stream that enforces
	// them. Default: those of Kinesis.
	Limits shard.Limits
	// Listener is told what happens to streams. Default: nothing.
	Listener Listener
}

// Listener receives what an operator may want to know. Its functions may be
// called concurrently, and must return soon and not call the store.
type Listener struct {
	// StreamCreated: the stream takes records.
	StreamCreated func(stream string, shards int)
	// StreamDeleted: the stream and its data are gone.
	StreamDeleted func(stream string)
	// ShardUnavailable: the shard's log could not be opened.
	ShardUnavailable func(stream string, shard record.ShardID, err error)
	// RetentionFailed: a shard could not be trimmed; it is tried again in the
	// next round.
	RetentionFailed func(stream string, shard record.ShardID, err error)
}

// Config describes a stream that is to be created.
type Config struct {
	// Name is 1 to 128 characters of a-z, A-Z, 0-9, underscore, dot and hyphen.
	Name string
	// Shards is how many shards the stream starts with. Default: 1.
	Shards int
	// Durability is what an acknowledgement means. Default: record.Group.
	Durability record.Durability
	// SyncInterval is how long written records may stay unsynced with
	// record.Interval. Default: 100 ms.
	SyncInterval time.Duration
	// RetentionTime is how long records are kept. Default: 24 hours.
	// RetainForever keeps them.
	RetentionTime time.Duration
	// RetentionBytes is how much each shard keeps. Default: no limit.
	RetentionBytes int64
	// EnforceLimits gives each shard the write limits of Options.Limits.
	EnforceLimits bool
}

const (
	// RetainForever as a retention time disables retention by time.
	RetainForever time.Duration = -1
	// RetentionTimeDefault is what Kinesis keeps unless told otherwise.
	RetentionTimeDefault = 24 * time.Hour

	syncIntervalDefault      = 100 * time.Millisecond
	shardsPerStreamDefault   = 1024
	shardsDefault            = 10_000
	retentionIntervalDefault = time.Minute
	opensMax                 = 16 // logs opened or closed at once: enough to keep a device busy
)

var namePattern = regexp.MustCompile(`^[a-zA-Z0-9_.-]{1,128}$`)

// withDefaults fills the zero fields.
func (o Options) withDefaults() Options {
	if o.Clock == nil {
		o.Clock = clock.System()
	}
	if o.ShardsPerStreamMax == 0 {
		o.ShardsPerStreamMax = shardsPerStreamDefault
	}
	if o.ShardsMax == 0 {
		o.ShardsMax = shardsDefault
	}
	if o.RetentionInterval == 0 {
		o.RetentionInterval = retentionIntervalDefault
	}
	if o.Limits == (shard.Limits{}) {
		o.Limits = shard.KinesisLimits()
	}
	return o
}

// withDefaults fills the zero fields and rejects what cannot be.
func (c Config) withDefaults(o Options) (Config, error) {
	if c.Shards == 0 {
		c.Shards = 1
	}
	if c.SyncInterval == 0 {
		c.SyncInterval = syncIntervalDefault
	}
	if c.RetentionTime == 0 {
		c.RetentionTime = RetentionTimeDefault
	}
	if err := validateName(c.Name); err != nil {
		return c, err
	}
	if c.Shards < 1 || c.Shards > o.ShardsPerStreamMax {
		return c, c.invalid("stream: create", "%d shards are not within 1 to %d", c.Shards, o.ShardsPerStreamMax)
	}
	return c, c.validate("stream: create")
}

// validate rejects what cannot be, but for name and number of shards.
func (c Config) validate(operation string) error {
	switch {
	case !c.Durability.Valid():
		return c.invalid(operation, "unknown durability %d", c.Durability)
	case c.SyncInterval < time.Millisecond || c.SyncInterval > time.Hour:
		return c.invalid(operation, "sync interval %v is not within 1ms to 1h", c.SyncInterval)
	case c.RetentionTime != RetainForever && c.RetentionTime < time.Second:
		return c.invalid(operation, "retention time %v is below 1s", c.RetentionTime)
	case c.RetentionBytes < 0:
		return c.invalid(operation, "retention bytes %d are negative", c.RetentionBytes)
	}
	return nil
}

func (c Config) invalid(operation, format string, args ...any) error {
	err := failure.New(failure.InvalidArgument, operation, format, args...)
	err.Stream = c.Name
	return err
}

func validateName(name string) error {
	if !namePattern.MatchString(name) {
		return failure.New(failure.InvalidArgument, "stream: name",
			"%.140q does not match [a-zA-Z0-9_.-]{1,128}", name)
	}
	return nil
}
