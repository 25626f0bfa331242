package shard

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/internal/clock"
	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/wal"
)

// Options describe the shard that a log is to be.
type Options struct {
	// Stream is the name that errors carry.
	Stream string
	// ID is the number of the shard within its stream.
	ID record.ShardID
	// Range is the part of the hash space whose records the shard takes.
	Range record.HashRange
	// Created is when the shard came to be; it is part of every sequence number.
	Created time.Time
	// Closed makes the shard refuse writes, as the parent of a split or merge.
	Closed bool
	// Limits are the write limits. Default: none.
	Limits Limits
	// Clock is what the limits are measured by. Default: clock.System().
	Clock clock.Clock
}

// Shard is one ordered sequence of records. Its methods may be called
// concurrently.
type Shard struct {
	log     *wal.Log
	options Options
	whole   bool // the range is the whole hash space: nothing to check
	gate    *gate
	limiter atomic.Pointer[limiter] // nil without limits

	// retired is why the log went away; set once, before the log is closed.
	retired atomic.Pointer[failure.Error]
	gone    chan struct{} // closed by Retire

	throttledAppends atomic.Uint64
	throttledRecords atomic.Uint64
}

// New makes log a shard. The shard owns the log from here on.
func New(log *wal.Log, o Options) *Shard {
	if o.Clock == nil {
		o.Clock = clock.System()
	}
	s := &Shard{log: log, options: o, gone: make(chan struct{}), gate: newGate(), whole: o.Range == record.SplitEvenly(1)[0]}
	s.SetLimits(o.Limits)
	if o.Closed {
		_, _ = s.gate.shut(context.Background()) // nobody can be inside
		s.gate.close()
	}
	return s
}

// ID returns the number of the shard within its stream.
func (s *Shard) ID() record.ShardID { return s.options.ID }

// Range returns the part of the hash space that the shard owns.
func (s *Shard) Range() record.HashRange { return s.options.Range }

// Created returns when the shard came to be.
func (s *Shard) Created() time.Time { return s.options.Created }

// SetLimits replaces the write limits, from the next append on. The zero value is
// no limits.
func (s *Shard) SetLimits(l Limits) {
	if l.enabled() {
		s.limiter.Store(newLimiter(l, s.options.Clock))
	} else {
		s.limiter.Store(nil)
	}
}

// Next returns the sequence number that the next record will get.
func (s *Shard) Next() uint64 { return s.log.Next() }

// SequenceNumber renders the number of a record of this shard the way Kinesis
// does. The arrival is in Unix nanoseconds.
func (s *Shard) SequenceNumber(index uint64, arrival int64) record.SequenceNumber {
	return record.SequenceNumber{
		ShardCreated: s.options.Created.Unix(),
		Shard:        s.options.ID,
		Index:        index,
		Arrival:      arrival / int64(time.Second),
	}
}

// Put appends records as one batch, all or none, and returns when they are as
// durable as the log promises. The zero producer is none.
func (s *Shard) Put(ctx context.Context, records []record.Record, p protocol.Producer) (record.Range, error) {
	bytes := int64(0)
	for i := range records {
		if err := protocol.CheckRecord(records[i]); err != nil {
			return record.Range{}, s.Explain(err)
		}
		if !s.whole && !s.options.Range.Contains(records[i].Hash()) {
			return record.Range{}, s.wrongShard(i)
		}
		bytes += int64(len(records[i].PartitionKey) + len(records[i].Data))
	}
	return s.put(ctx, records, bytes, p)
}

// PutRouted is Put for who did what [Shard.StageRouted] asks for.
func (s *Shard) PutRouted(ctx context.Context, records []record.Record, bytes int64) (record.Range, error) {
	return s.put(ctx, records, bytes, protocol.Producer{})
}

func (s *Shard) put(ctx context.Context, records []record.Record, bytes int64, p protocol.Producer) (record.Range, error) {
	repeated, err := s.admit(ctx, len(records), bytes, p)
	if err != nil || repeated.Range.First > 0 {
		return repeated.Range, err
	}
	defer s.gate.leave()
	written, err := s.log.Append(ctx, records, p)
	s.gate.note(written.Last) // also when only the waiting failed
	return written, s.Explain(err)
}

// Stage hands over a batch of count records whose payload
// [protocol.VerifyBatch] has accepted, and starts its commit. The payload is
// copied before Stage returns. Staged batches get their places in the order of
// the calls. The durability may strengthen what the log promises, never weaken
// it. A staged batch must be waited for: that is where its failure shows. Stage
// itself waits only while the log's buffers are full, or the shard is suspended,
// for as long as ctx lets it.
func (s *Shard) Stage(ctx context.Context, payload []byte, count int, p protocol.Producer, d record.Durability) (wal.Pending, error) {
	bytes, err := s.inspect(payload)
	if err != nil {
		return wal.Pending{}, err
	}
	return s.stage(ctx, count, bytes, p, func() (wal.Pending, error) { return s.log.Stage(ctx, payload, count, p, d) })
}

// StageRouted is Stage for records that are not encoded, of who has checked each
// (protocol.CheckRecord), found by its hash key that it belongs to this shard, and
// counted the bytes of keys and data: taking the MD5 of every key again is 4 % of what a
// server does for a put.
func (s *Shard) StageRouted(ctx context.Context, records []record.Record, bytes int64, d record.Durability) (wal.Pending, error) {
	return s.stage(ctx, len(records), bytes, protocol.Producer{}, func() (wal.Pending, error) {
		return s.log.StageRecords(ctx, records, protocol.Producer{}, d)
	})
}

// stage lets records in and has their log take them.
func (s *Shard) stage(ctx context.Context, count int, bytes int64, p protocol.Producer, take func() (wal.Pending, error)) (wal.Pending, error) {
	repeated, err := s.admit(ctx, count, bytes, p)
	if err != nil || repeated.Range.First > 0 {
		return repeated, err
	}
	defer s.gate.leave()
	pending, err := take()
	if err != nil {
		return wal.Pending{}, s.Explain(err)
	}
	s.gate.note(pending.Range.Last)
	return pending, nil
}

// Wait returns once a staged batch is as durable as was asked for, or with the
// reason why it never will be. When ctx ends first the batch may still commit.
func (s *Shard) Wait(ctx context.Context, pending wal.Pending) error {
	if err := s.log.Wait(ctx, pending); err != nil {
		return s.Explain(err)
	}
	return nil
}

// Cursor opens a cursor of the shard's log. The caller closes it.
func (s *Shard) Cursor(start record.Start) (*wal.Cursor, error) {
	if reason := s.retired.Load(); reason != nil {
		return nil, reason
	}
	cursor, err := s.log.Cursor(start)
	if err != nil {
		if cursor != nil {
			err = errors.Join(err, cursor.Close())
		}
		return nil, s.Explain(err)
	}
	return cursor, nil
}

// TrimTime removes the segments whose records all arrived before the given
// Unix nanoseconds. The segment being written goes too once nothing in it is
// younger: a stream that fell silent must not keep its last records for ever.
func (s *Shard) TrimTime(ctx context.Context, before int64) error {
	silent, err := s.silentSince(before)
	if err == nil && silent {
		err = s.log.Seal(ctx)
	}
	if err == nil {
		err = s.log.TrimTime(before)
	}
	return s.Explain(err)
}

// silentSince reports whether the shard has records but none that arrived at
// the given time or later.
func (s *Shard) silentSince(time int64) (bool, error) {
	if stats := s.log.Stats(); stats.First >= stats.Next {
		return false, nil
	}
	cursor, err := s.log.Cursor(record.Start{Kind: record.StartAtTime, Time: time})
	if cursor == nil {
		return false, err
	}
	defer cursor.Close()
	if err != nil {
		return false, err
	}
	return !cursor.TryNext() && cursor.Err() == nil, cursor.Err()
}

// TrimBytes removes the oldest segments while the shard keeps more than that
// many bytes.
func (s *Shard) TrimBytes(keep int64) error { return s.Explain(s.log.TrimBytes(keep)) }

// Explain gives an error of the shard's log or cursors the names of stream and
// shard, and the true reason when the log was closed because its stream went
// away. Nil stays nil, and errors of a context stay as they are.
func (s *Shard) Explain(err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if reason := s.retired.Load(); reason != nil && errors.Is(err, failure.Closed) {
		return reason
	}
	return &failure.Error{
		Kind:      failure.KindOf(err),
		Operation: "shard",
		Stream:    s.options.Stream,
		Shard:     s.options.ID.String(),
		Err:       err,
	}
}

// Err returns why the shard takes no records although it should: the damage or
// the I/O error that made its log read-only. Nil if all is well.
func (s *Shard) Err() error { return s.Explain(s.log.Err()) }

// Acknowledged reports, without waiting, whether a staged batch already is as
// durable as the log promises. It says nothing about a batch that was to be
// safer than that.
func (s *Shard) Acknowledged(pending wal.Pending) bool { return s.log.Acknowledged(pending) }

// Retire says why the log is about to be closed under those who still use it:
// they get this reason instead of failure.Closed. The first reason stands.
func (s *Shard) Retire(reason *failure.Error) {
	if s.retired.CompareAndSwap(nil, reason) {
		close(s.gone)
	}
}

// Retired returns a channel that is closed when the shard is retired, for those
// who wait for something else than its log. Explain(failure.Closed) is the reason.
func (s *Shard) Retired() <-chan struct{} { return s.gone }

// Close closes the log. Cursors must have been closed before, or fail.
func (s *Shard) Close() error { return s.log.Close() }

// inspect checks that all records of a canonical payload are within the limits
// of records and belong here, and returns the bytes that the rate limits count.
func (s *Shard) inspect(payload []byte) (int64, error) {
	batch := protocol.OpenBatch(payload)
	bytes := int64(0)
	var view protocol.RecordView
	for i := range batch.Len() {
		batch.ReadRecord(i, &view)
		if err := view.Check(); err != nil {
			return 0, s.Explain(err)
		}
		if !s.whole && !s.options.Range.Contains(view.Hash()) {
			return 0, s.wrongShard(i)
		}
		bytes += int64(len(view.Key) + len(view.Data))
	}
	return bytes, nil
}

// admit refuses what the shard's state or its limits forbid. Who is admitted has to
// leave the gate, unless it gets a batch that was repeated.
func (s *Shard) admit(ctx context.Context, records int, bytes int64, p protocol.Producer) (repeated wal.Pending, err error) {
	entered, err := s.gate.enter(ctx)
	if err != nil {
		return repeated, err
	}
	if !entered {
		return s.repeated(p, records)
	}
	l := s.limiter.Load()
	if l == nil {
		return repeated, nil
	}
	wait := l.take(records, bytes)
	if wait == 0 {
		return repeated, nil
	}
	s.gate.leave()
	s.throttledAppends.Add(1)
	s.throttledRecords.Add(uint64(records))
	refused := s.failure(failure.Throttled, "rate exceeded: at most %d bytes and %d records a second", l.bytes.perSecond, l.records.perSecond)
	refused.RetryAfter = wait
	return repeated, refused
}

// repeated returns a batch that a closed shard took while it was open, for producers
// that did not hear of it: they would write it again, to a child. All else is
// refused.
func (s *Shard) repeated(p protocol.Producer, records int) (wal.Pending, error) {
	found, repeated, err := s.log.Repeated(p, records)
	switch kind := failure.KindOf(err); {
	case repeated:
		return found, nil
	case kind == failure.SequenceDuplicate || kind == failure.Fenced:
		return wal.Pending{}, s.Explain(err)
	default:
		return wal.Pending{}, s.closedShard()
	}
}

func (s *Shard) wrongShard(i int) error {
	return s.failure(failure.WrongShard, "record %d hashes outside of %s to %s",
		i, s.options.Range.Start, s.options.Range.End)
}

// closedShard is WrongShard too: the cure is the same, to ask for the shards
// of the stream again and route by them.
func (s *Shard) closedShard() error {
	return s.failure(failure.WrongShard, "the shard is closed; its hash range belongs to its children")
}

func (s *Shard) failure(kind failure.Kind, format string, args ...any) *failure.Error {
	err := failure.New(kind, "shard: append", format, args...)
	err.Stream = s.options.Stream
	err.Shard = s.options.ID.String()
	return err
}

// Stats is what a shard counts, since it was opened where nothing else is said.
type Stats struct {
	// Log is what the log under the shard counts.
	Log wal.Stats
	// ThrottledAppends and ThrottledRecords were refused by the limits.
	ThrottledAppends uint64
	ThrottledRecords uint64
}

// Stats returns a snapshot.
func (s *Shard) Stats() Stats {
	return Stats{
		Log:              s.log.Stats(),
		ThrottledAppends: s.throttledAppends.Load(),
		ThrottledRecords: s.throttledRecords.Load(),
	}
}
