package protocol

import (
	"encoding/binary"
	"slices"

	"github.com/millrace-io/millrace/record"
)

// A batch is a FlatBuffer (batch.fbs, root Batch, identifier "MRB1") in one
// canonical encoding, so that equal batches are equal bytes. All integers are
// little-endian and every offset counts from the byte it is stored at, except a
// table's first word, which counts backwards to its vtable.
//
// The first 68 bytes are fixed in place, and all but the 22 marked ones in value:
//
//	off size
//	  0    4  root              40, the Batch table
//	  4    4  identifier        "MRB1"
//	  8   12  Batch vtable      u16: size 12, table 24, fields at 4, 8, 20, 16
//	 20    8  plain vtable      u16: size 8, table 12, fields at 4, 8
//	 28   10  hashed vtable     u16: size 10, table 28, fields at 4, 8, 12
//	 38    2  zero
//	 40    4  Batch: vtable     32
//	 44    4    records         20
//	 48    8    producer_id     *  0 = none, and then the next two are 0
//	 56    4    producer_seq    *
//	 60    2    epoch           *
//	 62    2    zero
//	 64    4  record count n    *  1..65535, equal to the frame's count
//	 68   4n  offset of each Record table
//
// Then the records, in order, each of them
//
//	 0|4      zero, for a hashed record whose table would begin at a multiple of 8
//	 4        vtable          back to the plain or the hashed vtable
//	 4        key             8 plain, 24 hashed
//	 4        data
//	16        hash            hashed only: u64 high half, u64 low half
//	 4  k  1..4  key          length k, its bytes, zeros to the next multiple of 4
//	 4  d  0..3  data         length d, its bytes, zeros to the next multiple of 4
//
// and nothing after the last.
//
// The layout follows from the lengths alone, which is what makes the size pure
// arithmetic and lets the encoder write forwards. Two vtables rather than one:
// FlatBuffers says "absent" in the vtable, and an explicit hash is rare enough
// not to spend 16 bytes on every record. Both always stand there, used or not,
// for 10 bytes a batch is a fair price for constants. The first key byte is
// preceded by its length and followed by at least one zero because FlatBuffers
// strings end in NUL. The eight-byte alignment of producer_id and hash is relative
// to the start of the batch, so a batch belongs at a multiple of 8.
const (
	batchRoot         = 40
	batchVtable       = 8
	plainVtable       = 20
	hashedVtable      = 28
	batchProducerID   = 48
	batchProducerSeq  = 56
	batchEpoch        = 60
	batchZero         = 62
	batchCount        = 64
	batchPrefix       = 68 // bytes before the record offsets
	batchOffset       = 4  // bytes of one record offset
	plainTable        = 12
	hashedTable       = 28
	tableKey          = 4
	tableData         = 8
	tableHash         = 12
	lengthBytes       = 4
	batchBytesMin     = batchPrefix + batchOffset + plainTable + 2*lengthBytes + 4
	batchTemplateSize = batchProducerID
)

// batchTemplate is what every batch begins with.
const batchTemplate = "\x28\x00\x00\x00MRB1" +
	"\x0c\x00\x18\x00\x04\x00\x08\x00\x14\x00\x10\x00" + // Batch vtable
	"\x08\x00\x0c\x00\x04\x00\x08\x00" + // plain vtable
	"\x0a\x00\x1c\x00\x04\x00\x08\x00\x0c\x00" + // hashed vtable
	"\x00\x00" +
	"\x20\x00\x00\x00\x14\x00\x00\x00" // Batch: vtable, records

// ProducerBatchesMax is how many of its newest batches a log remembers of each
// idempotent producer, and so how many of them may await acknowledgement in one
// log: all of these can be sent again without harm.
const ProducerBatchesMax = 16

// Producer identifies an idempotent producer and the place of a batch among all
// that it sends to one log. The zero value means that the batch has none.
type Producer struct {
	// ID is chosen at random by the producer; 0 = none.
	ID uint64
	// Epoch fences: a log refuses epochs lower than the highest it has seen of
	// the same ID.
	Epoch uint16
	// Sequence is the number of the batch's first record among all records that
	// the producer sent to this log, from 0; it wraps.
	Sequence uint32
}

// BatchSize returns the exact number of bytes that AppendBatch will write. It
// is the same for every producer, with or without an id.
func BatchSize(records []record.Record) int {
	size := batchPrefix + batchOffset*len(records)
	for i := range records {
		size = recordEnd(size, len(records[i].PartitionKey), len(records[i].Data), records[i].ExplicitHash != nil)
	}
	return size
}

// RecordSizeMax returns the most that one record can add to the size of a batch:
// its offset, table, key and data with all padding. It lets a producer keep count
// of a batch that is still filling.
func RecordSizeMax(r record.Record) int {
	const offsetBytes, hashPadding = batchOffset, 4
	size := recordEnd(0, len(r.PartitionKey), len(r.Data), false) + offsetBytes
	if r.ExplicitHash != nil {
		size += hashedTable - plainTable + hashPadding
	}
	return size
}

// recordEnd returns where a record that begins at offset at ends.
func recordEnd(at, keyBytes, dataBytes int, hashed bool) int {
	if hashed {
		at |= 4 // at is a multiple of 4: go to 4 past a multiple of 8
		at += hashedTable
	} else {
		at += plainTable
	}
	at += lengthBytes + keyBytes
	at = at&^3 + 4 // at least one zero byte, at most four
	at += lengthBytes + dataBytes
	return (at + 3) &^ 3
}

// AppendBatch appends the canonical encoding of records to destination and
// returns the extended slice. The batch belongs at a multiple of 8 in the end, so
// len(destination) should be one. It does not allocate if the capacity suffices;
// see BatchSize.
//
// The records are not judged here: those that CheckRecord refuses, or more than
// record.BatchRecordsMax of them, make a batch that a server will refuse.
func AppendBatch(destination []byte, records []record.Record, producer Producer) []byte {
	start, size := len(destination), BatchSize(records)
	destination = slices.Grow(destination, size)[:start+size]
	encodeBatch(destination[start:], records, producer)
	return destination
}

// encodeBatch fills b, which has exactly BatchSize bytes of any content.
func encodeBatch(b []byte, records []record.Record, producer Producer) {
	if producer.ID == 0 {
		producer = Producer{}
	}
	copy(b, batchTemplate)
	binary.LittleEndian.PutUint64(b[batchProducerID:], producer.ID)
	binary.LittleEndian.PutUint32(b[batchProducerSeq:], producer.Sequence)
	binary.LittleEndian.PutUint16(b[batchEpoch:], producer.Epoch)
	binary.LittleEndian.PutUint16(b[batchZero:], 0)
	binary.LittleEndian.PutUint32(b[batchCount:], uint32(len(records)))
	at := batchPrefix + batchOffset*len(records)
	for i := range records {
		at = encodeRecord(b, batchPrefix+batchOffset*i, at, &records[i])
	}
}

// encodeRecord writes one record at offset at, its place into the given slot of
// the offset vector, and returns where the next record begins.
func encodeRecord(b []byte, slot, at int, r *record.Record) int {
	vtable, size := plainVtable, plainTable
	if r.ExplicitHash != nil {
		vtable, size = hashedVtable, hashedTable
		if at&4 == 0 {
			binary.LittleEndian.PutUint32(b[at:], 0)
			at += 4
		}
		binary.LittleEndian.PutUint64(b[at+tableHash:], r.ExplicitHash.Hi)
		binary.LittleEndian.PutUint64(b[at+tableHash+8:], r.ExplicitHash.Lo)
	}
	key := at + size
	data := (key+lengthBytes+len(r.PartitionKey))&^3 + 4
	end := (data + lengthBytes + len(r.Data) + 3) &^ 3
	binary.LittleEndian.PutUint32(b[slot:], uint32(at-slot))
	binary.LittleEndian.PutUint32(b[at:], uint32(at-vtable))
	binary.LittleEndian.PutUint32(b[at+tableKey:], uint32(key-at-tableKey))
	binary.LittleEndian.PutUint32(b[at+tableData:], uint32(data-at-tableData))
	// The padding is zeroed as the last whole word of its field, before the bytes
	// that may overlap it are written.
	binary.LittleEndian.PutUint32(b[data-4:], 0)
	binary.LittleEndian.PutUint32(b[key:], uint32(len(r.PartitionKey)))
	copy(b[key+lengthBytes:], r.PartitionKey)
	binary.LittleEndian.PutUint32(b[end-4:], 0)
	binary.LittleEndian.PutUint32(b[data:], uint32(len(r.Data)))
	copy(b[data+lengthBytes:], r.Data)
	return end
}
