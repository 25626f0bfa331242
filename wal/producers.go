package wal

import (
	"encoding/binary"
	"slices"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/record"
)

// producerTable remembers what idempotent producers sent to one log.
//
//	off size TABLE of the manifest, little-endian, producers back to back
//	  0    8  producer id
//	  8    2  epoch
//	 10    2  batches n, at most 16
//	 12    4  next         producer sequence expected next
//	 16    8  last         sequence number of its newest record
//	 24  24n  batches, oldest first:
//	          4 producer sequence, 2 count, 2 zero, 8 first sequence number, 8 time
type producerTable struct {
	maximum int
	known   map[uint64]*producerState
}

type producerState struct {
	id      uint64
	epoch   uint16
	next    uint32 // producer sequence of the record to come; wraps
	last    uint64 // sequence number of its newest record: the smallest is forgotten first
	batches [protocol.ProducerBatchesMax]producerBatch
	count   int // of batches, oldest at 0
}

type producerBatch struct {
	sequence uint32 // producer sequence of the first record
	count    uint16
	first    uint64
	time     int64
}

const (
	producerHeaderSize = 24
	producerBatchSize  = 24
)

func newProducerTable(maximum int) producerTable {
	return producerTable{maximum: maximum, known: make(map[uint64]*producerState)}
}

// check decides what to do with a batch: repeated says that it is in the log
// already, at the returned range.
func (t *producerTable) check(p protocol.Producer, count int) (r record.Range, repeated bool, err error) {
	s := t.known[p.ID]
	if s == nil || p.Epoch > s.epoch {
		if p.Sequence != 0 {
			// A batch before it was refused, or the producer was silent for
			// so long that it was forgotten: it must not be appended out of
			// order, and begins again under another id.
			return record.Range{}, false, failure.New(failure.SequenceGap, "append",
				"producer %d sent record %d, but nothing is known of its records before; begin a new epoch or use a new id", p.ID, p.Sequence)
		}
		return record.Range{}, false, nil
	}
	if p.Epoch < s.epoch {
		return record.Range{}, false, failure.New(failure.Fenced, "append",
			"producer %d uses epoch %d, but epoch %d has begun; stop this instance", p.ID, p.Epoch, s.epoch)
	}
	if p.Sequence == s.next {
		return record.Range{}, false, nil
	}
	for _, b := range s.batches[:s.count] {
		if b.sequence == p.Sequence && int(b.count) == count {
			return record.Range{First: b.first, Last: b.first + uint64(count) - 1, Time: b.time}, true, nil
		}
	}
	if int32(p.Sequence-s.next) > 0 {
		return record.Range{}, false, failure.New(failure.SequenceGap, "append",
			"producer %d sent record %d, but %d is the next; resend from there", p.ID, p.Sequence, s.next)
	}
	return record.Range{}, false, failure.New(failure.SequenceDuplicate, "append",
		"producer %d repeats record %d, which was appended too long ago to say where", p.ID, p.Sequence)
}

// note remembers an appended batch.
func (t *producerTable) note(p protocol.Producer, r record.Range) {
	s := t.known[p.ID]
	if s == nil {
		if len(t.known) >= t.maximum {
			t.forgetOne()
		}
		s = &producerState{id: p.ID}
		t.known[p.ID] = s
	}
	if s.epoch != p.Epoch {
		s.epoch, s.count = p.Epoch, 0
	}
	if s.count == protocol.ProducerBatchesMax {
		copy(s.batches[:], s.batches[1:])
		s.count--
	}
	count := uint16(r.Last - r.First + 1)
	s.batches[s.count] = producerBatch{sequence: p.Sequence, count: count, first: r.First, time: r.Time}
	s.count++
	s.next, s.last = p.Sequence+uint32(count), r.Last
}

// forgetOne drops the producer that was silent for longest.
func (t *producerTable) forgetOne() {
	var oldest *producerState
	for _, s := range t.known {
		if oldest == nil || s.last < oldest.last {
			oldest = s
		}
	}
	delete(t.known, oldest.id)
}

// encode returns the table as the manifest keeps it.
func (t *producerTable) encode() []byte {
	states := make([]*producerState, 0, len(t.known))
	for _, s := range t.known {
		states = append(states, s)
	}
	slices.SortFunc(states, func(a, b *producerState) int { return int(int64(a.last - b.last)) })
	b := make([]byte, 0, len(states)*(producerHeaderSize+4*producerBatchSize))
	for _, s := range states {
		b = binary.LittleEndian.AppendUint64(b, s.id)
		b = binary.LittleEndian.AppendUint16(b, s.epoch)
		b = binary.LittleEndian.AppendUint16(b, uint16(s.count))
		b = binary.LittleEndian.AppendUint32(b, s.next)
		b = binary.LittleEndian.AppendUint64(b, s.last)
		for _, e := range s.batches[:s.count] {
			b = binary.LittleEndian.AppendUint32(b, e.sequence)
			b = binary.LittleEndian.AppendUint32(b, uint32(e.count))
			b = binary.LittleEndian.AppendUint64(b, e.first)
			b = binary.LittleEndian.AppendUint64(b, uint64(e.time))
		}
	}
	return b
}

// decode replaces the table by what encode wrote.
func (t *producerTable) decode(b []byte) error {
	clear(t.known)
	for len(b) > 0 {
		if len(b) < producerHeaderSize {
			return failure.New(failure.Corrupt, "producer table", "%d bytes are too few", len(b))
		}
		s := &producerState{
			id:    binary.LittleEndian.Uint64(b),
			epoch: binary.LittleEndian.Uint16(b[8:]),
			count: int(binary.LittleEndian.Uint16(b[10:])),
			next:  binary.LittleEndian.Uint32(b[12:]),
			last:  binary.LittleEndian.Uint64(b[16:]),
		}
		b = b[producerHeaderSize:]
		if s.count > protocol.ProducerBatchesMax || len(b) < s.count*producerBatchSize {
			return failure.New(failure.Corrupt, "producer table", "producer %d claims %d batches", s.id, s.count)
		}
		for i := range s.count {
			e := b[i*producerBatchSize:]
			s.batches[i] = producerBatch{
				sequence: binary.LittleEndian.Uint32(e),
				count:    binary.LittleEndian.Uint16(e[4:]),
				first:    binary.LittleEndian.Uint64(e[8:]),
				time:     int64(binary.LittleEndian.Uint64(e[16:])),
			}
		}
		b = b[s.count*producerBatchSize:]
		t.known[s.id] = s
	}
	return nil
}
