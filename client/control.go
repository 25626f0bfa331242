package client

import (
	"context"
	"fmt"
	"time"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/record"
)

// Description is what there is to know about a stream.
type Description = protocol.Description

// ShardDescription is one shard of a [Description].
type ShardDescription = protocol.ShardDescription

// StreamConfig says how a stream is to be. Zero durations and sizes leave the
// choice to the server.
type StreamConfig struct {
	Name string
	// Shards is the number of shards, at least 1; 0 means 1.
	Shards int
	// Durability is what an acknowledgement promises; the zero value, Group, is the
	// strongest.
	Durability record.Durability
	// SyncInterval is how often a stream of durability Interval is synced.
	SyncInterval time.Duration
	// RetentionTime is how long records are kept, and RetentionBytes how many bytes
	// of them in each shard.
	RetentionTime  time.Duration
	RetentionBytes int64
	// EnforceLimits holds each shard to the rates that AWS grants.
	EnforceLimits bool
}

// CreateStream creates a stream and returns its description. A name that is taken
// is of kind AlreadyExists; so may be the repetition after a lost connection.
func (c *Client) CreateStream(ctx context.Context, config StreamConfig) (Description, error) {
	if config.Name == "" || config.Shards < 0 || !config.Durability.Valid() {
		return Description{}, failure.New(failure.InvalidArgument, "client: create stream",
			"name %q, %d shards, durability %v", config.Name, config.Shards, config.Durability)
	}
	description, err := ask[protocol.Description](ctx, c, protocol.Create{
		Name: config.Name, Shards: uint32(max(config.Shards, 1)), Durability: config.Durability,
		SyncInterval: config.SyncInterval, RetentionTime: config.RetentionTime,
		RetentionBytes: config.RetentionBytes, EnforceLimits: config.EnforceLimits,
	})
	if err != nil {
		return Description{}, fmt.Errorf("client: create stream %s: %w", config.Name, err)
	}
	return description, nil
}

// DescribeStream returns the description of a stream.
func (c *Client) DescribeStream(ctx context.Context, stream string) (Description, error) {
	description, err := ask[protocol.Description](ctx, c, protocol.Describe{Name: stream})
	if err != nil {
		return Description{}, fmt.Errorf("client: describe stream %s: %w", stream, err)
	}
	return description, nil
}

// DeleteStream deletes a stream and all its records.
func (c *Client) DeleteStream(ctx context.Context, stream string) error {
	if _, err := ask[protocol.Done](ctx, c, protocol.Delete{Name: stream}); err != nil {
		return fmt.Errorf("client: delete stream %s: %w", stream, err)
	}
	return nil
}

// ListStreams returns the names of all streams, in order.
func (c *Client) ListStreams(ctx context.Context) ([]string, error) {
	var names []string
	for after := ""; ; {
		page, err := ask[protocol.Streams](ctx, c, protocol.List{After: after})
		if err != nil {
			return nil, fmt.Errorf("client: list streams: %w", err)
		}
		names = append(names, page.Names...)
		if !page.More {
			return names, nil
		}
		// Each page must lead on, or a faulty server could keep us for ever.
		if len(page.Names) == 0 || page.Names[len(page.Names)-1] <= after {
			return nil, failure.New(failure.Malformed, "client: list streams", "a page after %q does not lead on", after)
		}
		after = page.Names[len(page.Names)-1]
	}
}

// Ping makes the round trip to the server and returns how long it took.
func (c *Client) Ping(ctx context.Context) (time.Duration, error) {
	started := time.Now()
	if _, err := ask[protocol.Pong](ctx, c, protocol.Ping{}); err != nil {
		return 0, fmt.Errorf("client: ping: %w", err)
	}
	return time.Since(started), nil
}
