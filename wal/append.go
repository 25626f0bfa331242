package wal

import (
	"context"
	"errors"
	"fmt"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/record"
)

// Pending is an append that has its place in the log and is not acknowledged.
type Pending struct {
	Range record.Range
	// durable asks for the device rather than for the log's own durability.
	durable bool
}

// placement is what an append wants to place: records to encode, or a payload.
type placement struct {
	records  []record.Record
	payload  []byte
	size     int64 // of the payload
	count    int
	producer protocol.Producer
	crc      uint32 // of the payload, seeded with salt
	salt     uint32
}

// Append encodes the records as one batch and returns when the batch is as
// durable as the log promises. It is atomic: all records get consecutive
// sequence numbers in one frame, or none is in the log.
//
// If ctx ends first, the outcome is unknown: the batch may still become
// durable. Use an idempotent producer to repeat it safely.
func (l *Log) Append(ctx context.Context, records []record.Record, p protocol.Producer) (record.Range, error) {
	placed := placement{records: records, count: len(records), producer: p, size: int64(protocol.BatchSize(records))}
	pending, err := l.place(ctx, &placed, l.options.Durability)
	if err != nil {
		return record.Range{}, err
	}
	return pending.Range, l.Wait(ctx, pending)
}

// AppendBatch is Append for a payload that is encoded and verified already
// (protocol.VerifyBatch) and names the same producer. The payload is copied
// before it returns.
func (l *Log) AppendBatch(ctx context.Context, payload []byte, count int, p protocol.Producer) (record.Range, error) {
	placed := l.placement(payload, count, p)
	pending, err := l.place(ctx, &placed, l.options.Durability)
	if err != nil {
		return record.Range{}, err
	}
	return pending.Range, l.Wait(ctx, pending)
}

// Stage places a verified payload into the log, copying it, and starts its
// commit without waiting for it; [Log.Wait] waits. It waits itself only while
// the staging buffers are full, and ctx bounds that. The durability may be
// stronger than the log's own.
func (l *Log) Stage(ctx context.Context, payload []byte, count int, p protocol.Producer, d record.Durability) (Pending, error) {
	placed := l.placement(payload, count, p)
	pending, err := l.place(ctx, &placed, l.options.Durability.Stronger(d))
	if err != nil {
		return Pending{}, err
	}
	l.mu.Lock()
	l.wantSync = l.wantSync || pending.durable && l.options.Durability != record.Group
	l.startLocked()
	l.mu.Unlock()
	return pending, nil
}

// placement takes the payload's checksum before the lock, with the salt of the
// segment that will most likely receive it.
func (l *Log) placement(payload []byte, count int, p protocol.Producer) placement {
	salt := l.salt.Load()
	return placement{
		payload: payload, size: int64(len(payload)), count: count, producer: p,
		salt: salt, crc: protocol.Checksum(salt, payload),
	}
}

// Wait returns when the append is as durable as it was asked to be. The first
// goroutine to wait runs the commit itself. If ctx ends first the outcome is
// unknown.
func (l *Log) Wait(ctx context.Context, p Pending) error {
	if l.reached(p.Range.Last, p.durable) {
		return nil
	}
	return l.await(ctx, p.Range.Last, p.durable)
}

// WaitDurable returns when the record with that sequence number is on the
// device, whatever the durability of the log.
func (l *Log) WaitDurable(ctx context.Context, sequence uint64) error {
	if l.durable.Load() >= sequence {
		return nil
	}
	if sequence >= l.nextSequence() {
		return failure.New(failure.InvalidArgument, "wal", "record %d was not appended yet", sequence)
	}
	return l.await(ctx, sequence, true)
}

func (l *Log) nextSequence() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.next
}

func (l *Log) await(ctx context.Context, last uint64, durable bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.awaitLocked(ctx, waitFor{last: last, durable: durable})
	if err != nil && errors.Is(err, ctx.Err()) {
		return fmt.Errorf("wal: stopped waiting for record %d, its outcome is unknown: %w", last, err)
	}
	return err
}

// place gives the batch its sequence numbers and its place in a staging
// buffer.
func (l *Log) place(ctx context.Context, p *placement, d record.Durability) (Pending, error) {
	if p.count < 1 || p.count > record.BatchRecordsMax {
		return Pending{}, failure.New(failure.InvalidArgument, "append", "a batch holds 1 to %d records, not %d", record.BatchRecordsMax, p.count)
	}
	if p.size > batchBytesMax {
		return Pending{}, failure.New(failure.TooLarge, "append", "a batch of %d bytes exceeds %d; split it", p.size, batchBytesMax)
	}
	span := protocol.FrameSpan(protocol.FrameHeaderSize + p.size)
	pending := Pending{durable: d == record.Group}
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		if l.refused != nil || l.closed {
			return Pending{}, l.refusalLocked()
		}
		if p.producer.ID != 0 {
			r, repeated, err := l.producers.check(p.producer, p.count)
			if err != nil || repeated {
				pending.Range = r
				return pending, err
			}
		}
		ready, err := l.makeRoomLocked(ctx, span)
		if err != nil {
			return Pending{}, err
		}
		if ready {
			break
		}
	}
	pending.Range = l.encodeLocked(p, span)
	return pending, nil
}

func (l *Log) refusalLocked() error {
	if l.refused != nil {
		return l.refused
	}
	return errClosed
}

// encodeLocked writes the frame into the staging buffer, which has room.
func (l *Log) encodeLocked(p *placement, span int64) record.Range {
	t, s := l.tail, l.fill
	now := max(l.dir.options.Clock.Now().UnixNano(), l.lastTime)
	b := s.buffer[s.used : s.used+protocol.FrameHeaderSize]
	if p.payload != nil {
		b = append(b, p.payload...)
	} else {
		b = protocol.AppendBatch(b, p.records, p.producer)
	}
	if t.segment.Header.Salt != p.salt || p.payload == nil {
		p.crc = protocol.Checksum(t.segment.Header.Salt, b[protocol.FrameHeaderSize:])
	}
	h := protocol.FrameHeader{
		Sequence: l.next, Time: now, Durable8: uint32(t.durable / 8), Count: uint16(p.count), Type: protocol.FrameData,
	}
	if p.producer.ID != 0 {
		h.Flags = protocol.FlagProducer
	}
	h.Seal(b, p.crc)
	clear(s.buffer[s.used+len(b) : int64(s.used)+span])
	r := record.Range{First: l.next, Last: l.next + uint64(p.count) - 1, Time: now}
	if p.producer.ID != 0 {
		l.producers.note(p.producer, r)
	}
	l.next, l.lastTime = r.Last+1, now
	l.addFrameLocked(h, span)
	l.stats.appends.Add(1)
	l.stats.records.Add(uint64(p.count))
	l.stats.bytes.Add(uint64(span))
	return r
}

// addFrameLocked counts a frame that was encoded at the end of the stage.
func (l *Log) addFrameLocked(h protocol.FrameHeader, span int64) {
	t, s := l.tail, l.fill
	t.segment.Index().Add(t.off, uint32(h.Sequence-t.segment.Header.Base), h.Time, t.totals.RaftFrames)
	t.totals.Add(h)
	t.off += span
	s.used += int(span)
	s.next = l.next
	l.prepareLocked()
}
