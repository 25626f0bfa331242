package wal

import (
	"context"

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
// durable. Use an idempotent producer to repeat it safely. Who waits for a sync
// looks at ctx only if that takes longer than 10 ms.
func (l *Log) Append(ctx context.Context, records []record.Record, p protocol.Producer) (record.Range, error) {
	placed := unencoded(records, p)
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
	return l.stage(ctx, &placed, d)
}

// StageRecords is Stage for records that are not encoded yet. They are encoded
// where they stay, which spares a copy of them, but while others wait.
func (l *Log) StageRecords(ctx context.Context, records []record.Record, p protocol.Producer, d record.Durability) (Pending, error) {
	placed := unencoded(records, p)
	return l.stage(ctx, &placed, d)
}

func (l *Log) stage(ctx context.Context, placed *placement, d record.Durability) (Pending, error) {
	pending, err := l.place(ctx, placed, l.options.Durability.Stronger(d))
	if err != nil {
		return Pending{}, err
	}
	if l.direct && !pending.durable {
		return pending, nil
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

// unencoded leaves the encoding to where the place is known.
func unencoded(records []record.Record, p protocol.Producer) placement {
	return placement{records: records, count: len(records), producer: p, size: int64(protocol.BatchSize(records))}
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

// place gives the batch its sequence numbers and its place: in a staging buffer,
// or in the segment itself.
func (l *Log) place(ctx context.Context, p *placement, d record.Durability) (Pending, error) {
	if p.count < 1 || p.count > record.BatchRecordsMax {
		return Pending{}, failure.New(failure.InvalidArgument, "append", "a batch holds 1 to %d records, not %d", record.BatchRecordsMax, p.count)
	}
	if p.size > batchBytesMax {
		return Pending{}, failure.New(failure.TooLarge, "append", "a batch of %d bytes exceeds %d; split it", p.size, batchBytesMax)
	}
	pending := Pending{durable: d == record.Group}
	span := protocol.FrameSpan(protocol.FrameHeaderSize + p.size)
	if l.direct {
		var err error
		pending.Range, err = l.store(ctx, p, span)
		return pending, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	repeated, err := l.admitLocked(ctx, p, span, &pending.Range)
	if err != nil || repeated {
		return pending, err
	}
	t, s := l.tail, l.fill
	b := p.encode(s.buffer[s.used:s.used+protocol.FrameHeaderSize], t.segment.Header.Salt)
	clear(s.buffer[s.used+len(b) : int64(s.used)+span])
	h := l.headerLocked(p)
	h.Seal(b, p.crc)
	pending.Range = l.countLocked(p, h, span)
	s.used += int(span)
	s.next = l.next
	return pending, nil
}

// admitLocked returns when there is room for the batch. It reports whether the
// batch is one that an idempotent producer repeats, and then what became of it
// is in r. It may let go of mu meanwhile.
func (l *Log) admitLocked(ctx context.Context, p *placement, span int64, r *record.Range) (repeated bool, err error) {
	for ready := false; !ready; {
		if l.refused != nil || l.closed {
			return false, l.refusalLocked()
		}
		if p.producer.ID != 0 {
			if *r, repeated, err = l.producers.check(p.producer, p.count); err != nil || repeated {
				return repeated, err
			}
		}
		if l.direct {
			ready, err = l.makePlaceLocked(ctx, span)
		} else {
			ready, err = l.makeRoomLocked(ctx, span)
		}
		if err != nil {
			return false, err
		}
	}
	return false, nil
}

func (l *Log) refusalLocked() error {
	if l.refused != nil {
		return l.refused
	}
	return errClosed
}

// encode appends the payload to the header space b, whose capacity suffices, and
// settles its checksum with the salt of the segment.
func (p *placement) encode(b []byte, salt uint32) []byte {
	if p.payload == nil {
		b = protocol.AppendBatch(b, p.records, p.producer)
	} else {
		b = append(b, p.payload...)
	}
	if p.payload == nil || p.salt != salt {
		p.crc, p.salt = protocol.Checksum(salt, b[protocol.FrameHeaderSize:]), salt
	}
	return b
}

// headerLocked returns the header of the batch as the next frame of the log.
func (l *Log) headerLocked(p *placement) protocol.FrameHeader {
	h := protocol.FrameHeader{
		Sequence: l.next, Time: max(l.stamper.UnixNano(), l.lastTime),
		Durable8: uint32(l.tail.durable / 8), Count: uint16(p.count), Type: protocol.FrameData,
	}
	if p.producer.ID != 0 {
		h.Flags = protocol.FlagProducer
	}
	return h
}

// countLocked counts a batch whose frame was encoded at the end of the tail.
func (l *Log) countLocked(p *placement, h protocol.FrameHeader, span int64) record.Range {
	r := record.Range{First: h.Sequence, Last: h.Sequence + uint64(p.count) - 1, Time: h.Time}
	if p.producer.ID != 0 {
		l.producers.note(p.producer, r)
	}
	l.next, l.lastTime = r.Last+1, h.Time
	l.addFrameLocked(h, span)
	l.stats.appends++
	l.stats.records += uint64(p.count)
	l.stats.bytes += uint64(span)
	return r
}

// addFrameLocked counts a frame that was encoded at the end of the tail.
func (l *Log) addFrameLocked(h protocol.FrameHeader, span int64) {
	t := l.tail
	t.segment.Index().Add(t.off, uint32(h.Sequence-t.segment.Header.Base), h.Time, t.totals.RaftFrames)
	t.totals.Add(h)
	t.off += span
	l.prepareLocked()
}
