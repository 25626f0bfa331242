package ours

import (
	"context"
	"errors"
	"fmt"

	"github.com/millrace-io/millrace"
	"github.com/millrace-io/millrace/bench/target"
	"github.com/millrace-io/millrace/record"
)

// streamName is the stream that all measurements use.
const streamName = "bench"

// Engine is the embedded engine: one stream of so many shards.
type Engine struct{}

// About implements target.Target.
func (Engine) About() target.About {
	return target.About{
		Name: "engine", Version: version(), Kind: "log", Durabilities: everyDurability,
		Checks: true,
		Notes:  "the log with streams, hash ranges and limits in front; otherwise as wal",
	}
}

// Open implements target.Target.
func (Engine) Open(ctx context.Context, c target.Config) (target.Session, error) {
	promise, err := durability(c.Durability)
	if err != nil {
		return nil, err
	}
	if err := noOptions("engine", c.Options); err != nil {
		return nil, err
	}
	shards := max(c.Shards, 1)
	engine, err := millrace.Open(c.Dir, millrace.Options{ShardsPerStreamMax: shards, ShardsMax: shards})
	if err != nil {
		return nil, err
	}
	var stream *millrace.Stream
	if c.Reopen {
		stream, err = engine.Stream(streamName)
	} else {
		stream, err = engine.CreateStream(ctx, millrace.StreamConfig{Name: streamName, Shards: shards, Durability: promise})
	}
	if err != nil {
		return nil, fmt.Errorf("ours: open engine: %w", errors.Join(err, engine.Close()))
	}
	return &engineSession{engine: engine, stream: stream, hashes: hashesOf(shards)}, nil
}

// hashesOf returns a hash key in each shard of an evenly split stream.
func hashesOf(shards int) []record.HashKey {
	ranges := record.SplitEvenly(shards)
	hashes := make([]record.HashKey, shards)
	for i := range hashes {
		hashes[i] = ranges[i].Start
	}
	return hashes
}

// engineSession is an open engine with its stream.
type engineSession struct {
	engine *millrace.Engine
	stream *millrace.Stream
	hashes []record.HashKey
}

// Append implements target.Session.
func (s *engineSession) Append(ctx context.Context, shard int, records [][]byte) error {
	if len(records) == 1 {
		_, err := s.stream.Put(ctx, record.Record{PartitionKey: partitionKey, ExplicitHash: &s.hashes[shard], Data: records[0]})
		return err
	}
	b := batches.Get().(*batch)
	defer batches.Put(b)
	list := b.of(records)
	for i := range list {
		list[i].ExplicitHash = &s.hashes[shard]
	}
	results, err := s.stream.PutBatch(ctx, list)
	for i := range results {
		err = errors.Join(err, results[i].Err)
	}
	return err
}

// Follow implements target.Follower.
func (s *engineSession) Follow(ctx context.Context, shard int, ready func(), deliver func([]byte)) error {
	// The start is taken before the loop begins, so that nothing appended after
	// ready is missed.
	description := s.stream.Describe()
	next := description.Shards[shard].Next
	ready()
	for view, err := range s.stream.Records(ctx, millrace.ShardID(shard), record.AtSequence(next)) {
		if err != nil {
			return unlessEnded(ctx, err)
		}
		deliver(view.Data)
	}
	return nil
}

// Scan implements target.Scanner.
func (s *engineSession) Scan(ctx context.Context, shard int, visit func([]byte)) error {
	for view, err := range s.stream.Scan(ctx, millrace.ShardID(shard), record.TrimHorizon()) {
		if err != nil {
			return err
		}
		visit(view.Data)
	}
	return ctx.Err()
}

// Close implements target.Session.
func (s *engineSession) Close() error { return s.engine.Close() }

// unlessEnded drops the error that a loop has because it was told to end.
func unlessEnded(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}
