package main

import (
	"context"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/millrace-io/millrace/client"
	"github.com/millrace-io/millrace/cmd/millrace/internal/follow"
	"github.com/millrace-io/millrace/cmd/millrace/internal/lines"
	"github.com/millrace-io/millrace/cmd/millrace/internal/load"
	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/internal/units"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/record/kpl"
)

// This file is where the client's types meet those that commands read and print.

// config returns what the flags of stream create ask for.
func (f createFlags) config(name string) (client.StreamConfig, error) {
	durability, err := record.ParseDurability(f.durability)
	if err != nil {
		return client.StreamConfig{}, err
	}
	config := client.StreamConfig{
		Name: name, Shards: f.shards, Durability: durability, SyncInterval: time.Duration(f.syncInterval),
		RetentionTime: -1, RetentionBytes: int64(f.retentionBytes), EnforceLimits: f.enforceLimits,
	}
	if f.retention != retainForever {
		retention, err := units.ParseDuration(f.retention)
		if err != nil {
			return client.StreamConfig{}, err
		}
		config.RetentionTime = time.Duration(retention)
	}
	return config, nil
}

// viewOf returns the printed form of a description.
func viewOf(d client.Description) streamView {
	view := streamView{
		Name: d.Name, ID: d.StreamID, Created: d.Created, Durability: d.Durability.String(),
		Retention: retainForever, RetentionBytes: d.RetentionBytes, Shards: []shardView{},
	}
	if d.Durability == record.Interval {
		view.SyncInterval = units.Duration(d.SyncInterval).String()
	}
	if d.RetentionTime > 0 {
		view.Retention = units.Duration(d.RetentionTime).String()
	}
	for _, s := range d.Shards {
		shard := shardView{
			ID: s.ID.String(), Created: s.Created,
			StartHash: s.Range.Start.String(), EndHash: s.Range.End.String(),
			FirstSequence: s.First, NextSequence: s.Next, Records: s.Next - s.First, Bytes: int64(s.Bytes),
		}
		view.Records += shard.Records
		view.Bytes += shard.Bytes
		view.Shards = append(view.Shards, shard)
	}
	return view
}

// parseShards reads the values of --shard: full ids, or their numbers.
func parseShards(texts []string) ([]record.ShardID, error) {
	var shards []record.ShardID
	for _, text := range texts {
		if number, err := strconv.ParseUint(text, 10, 32); err == nil {
			shards = append(shards, record.ShardID(number))
			continue
		}
		shard, err := record.ParseShardID(text)
		if err != nil {
			return nil, usageError{err}
		}
		shards = append(shards, shard)
	}
	slices.Sort(shards)
	return slices.Compact(shards), nil
}

// noSuchShard says which of the chosen shards a stream lacks.
func noSuchShard(d client.Description, chosen []record.ShardID) error {
	var missing []string
	for _, id := range chosen {
		if !slices.ContainsFunc(d.Shards, func(s client.ShardDescription) bool { return s.ID == id }) {
			missing = append(missing, id.String())
		}
	}
	return failure.New(failure.NotFound, "get "+d.Name, "no shard %s", strings.Join(missing, ", "))
}

// printable turns a record of the client into one to print.
func printable(r client.Record) lines.Record {
	return lines.Record{
		Shard: r.Position.Shard, Sequence: r.Position.Sequence, Arrival: r.Position.Arrival(),
		Key: r.PartitionKey, Hash: r.Hash(), Data: r.Data,
	}
}

// unpacker finds what is to be printed for a record.
type unpacker struct {
	raw    bool // aggregated records stay whole
	reader kpl.Reader
}

// each yields a record of the client, or those inside it if it is aggregated, and
// reports whether to go on. One that is broken inside is yielded as it is: AWS's
// consumers take it for an ordinary record, and nothing may be missing.
func (u *unpacker) each(r client.Record, yield func(lines.Record, error) bool) bool {
	whole := printable(r)
	if u.raw {
		return yield(whole, nil)
	}
	if aggregated, err := u.reader.Open(r.Data); !aggregated || err != nil {
		return yield(whole, nil)
	}
	for v := range u.reader.All() {
		inside := whole
		inside.Key, inside.Hash, inside.Data = string(v.Key), v.Hash(), v.Data
		inside.Aggregated, inside.Subsequence = true, v.Index
		if !yield(inside, nil) {
			return false
		}
	}
	return true
}

// reader reads spans of a stream, each over a connection of its own.
func reader(cl *client.Client, stream string, raw bool) follow.Read {
	return func(ctx context.Context, span follow.Span) iter.Seq2[lines.Record, error] {
		return func(yield func(lines.Record, error) bool) {
			unpacked := unpacker{raw: raw}
			for r, err := range cl.Records(ctx, stream, client.InShard(span.Shard), startOption(span.Start), client.UntilLatest()) {
				if err != nil {
					yield(lines.Record{}, err)
					return
				}
				if r.Position.Sequence >= span.Until || !unpacked.each(r, yield) || r.Position.Sequence == span.Until-1 {
					return
				}
			}
		}
	}
}

// startOption returns the option for the two kinds of start that spans have.
func startOption(start record.Start) client.ConsumerOption {
	if start.Kind == record.StartAtTime {
		return client.FromTime(time.Unix(0, start.Time))
	}
	return client.FromSequence(start.Sequence)
}

// comeIn returns the records that follow the given sequence numbers, as they
// come.
func comeIn(ctx context.Context, cl *client.Client, stream string, after map[record.ShardID]uint64, raw bool) iter.Seq2[lines.Record, error] {
	var shards []record.ShardID
	for shard := range after {
		shards = append(shards, shard)
	}
	return func(yield func(lines.Record, error) bool) {
		unpacked := unpacker{raw: raw}
		for r, err := range cl.Records(ctx, stream, client.InShard(shards...), client.FromPositions(after)) {
			if err != nil {
				yield(lines.Record{}, err)
				return
			}
			if !unpacked.each(r, yield) {
				return
			}
		}
	}
}

// singles puts records one by one: the next is sent when the last one is
// acknowledged.
type singles struct {
	client  *client.Client
	stream  string
	timeout time.Duration
}

// Produce implements load.Sink.
func (s *singles) Produce(ctx context.Context, rec record.Record, done func(load.Position, error)) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	position, err := s.client.Put(ctx, s.stream, rec)
	done(load.Position{Shard: position.Shard, Sequence: position.Sequence}, err)
	return nil
}

// Flush implements load.Sink: nothing is ever under way.
func (*singles) Flush(context.Context) error { return nil }

// batched puts records through the asynchronous producer.
type batched struct{ producer *client.Producer }

// newProducer returns a sink over a new producer, and what ends it.
func newProducer(ctx context.Context, cl *client.Client, stream string) (load.Sink, func() error, error) {
	producer, err := cl.NewProducer(ctx, stream)
	if err != nil {
		return nil, nil, err
	}
	return &batched{producer}, func() error { return producer.Close(ctx) }, nil
}

// Produce implements load.Sink.
func (b *batched) Produce(ctx context.Context, rec record.Record, done func(load.Position, error)) error {
	return b.producer.Produce(ctx, rec, func(r client.Result) {
		done(load.Position{Shard: r.Position.Shard, Sequence: r.Position.Sequence}, r.Err)
	})
}

// Flush implements load.Sink.
func (b *batched) Flush(ctx context.Context) error { return b.producer.Flush(ctx) }
