package protocol

import (
	"encoding/binary"

	"github.com/millrace-io/millrace/record"
)

// Batch is a view of an encoded batch. It aliases the bytes it was opened on and
// is valid as long as they are.
type Batch struct{ payload []byte }

// OpenBatch returns a view of a payload that VerifyBatch has accepted or
// AppendBatch has made. Accessors of other bytes may panic.
func OpenBatch(verified []byte) Batch { return Batch{payload: verified} }

// Len returns the number of records.
func (b Batch) Len() int {
	return int(binary.LittleEndian.Uint32(b.payload[batchCount:]))
}

// Producer returns the idempotent producer, or the zero value if there is none.
func (b Batch) Producer() Producer {
	return Producer{
		ID:       binary.LittleEndian.Uint64(b.payload[batchProducerID:]),
		Epoch:    binary.LittleEndian.Uint16(b.payload[batchEpoch:]),
		Sequence: binary.LittleEndian.Uint32(b.payload[batchProducerSeq:]),
	}
}

// Bytes returns the encoded batch.
func (b Batch) Bytes() []byte { return b.payload }

// Record returns a view of record i, from 0, in constant time.
func (b Batch) Record(i int) (view RecordView) {
	b.ReadRecord(i, &view)
	return view
}

// ReadRecord makes view that of record i, from 0, in constant time. It is Record
// for whoever goes through many: a view is nine words, and a processor that has
// stored words one by one stalls when they are copied two at a time right after.
// In place a record of 100 B takes 15 ns and not 28.
func (b Batch) ReadRecord(i int, view *RecordView) {
	payload := b.payload
	slot := batchPrefix + batchOffset*i
	table := slot + int(binary.LittleEndian.Uint32(payload[slot:]))
	fields := payload[table : table+plainTable]
	key := table + tableKey + int(binary.LittleEndian.Uint32(fields[tableKey:]))
	data := table + tableData + int(binary.LittleEndian.Uint32(fields[tableData:]))
	keyEnd := key + lengthBytes + int(binary.LittleEndian.Uint32(payload[key:]))
	dataEnd := data + lengthBytes + int(binary.LittleEndian.Uint32(payload[data:]))
	view.Key = payload[key+lengthBytes : keyEnd : keyEnd]
	view.Data = payload[data+lengthBytes : dataEnd : dataEnd]
	view.hashed = int(binary.LittleEndian.Uint32(fields)) == table-hashedVtable
	if view.hashed {
		view.hash.Hi = binary.LittleEndian.Uint64(payload[table+tableHash:])
		view.hash.Lo = binary.LittleEndian.Uint64(payload[table+tableHash+8:])
	} else {
		view.hash = record.HashKey{}
	}
}

// BatchSlot returns where a batch says where its record i is. The records follow behind
// the slots: in a batch of n, from BatchSlot(n) on.
func BatchSlot(i int) int { return batchPrefix + batchOffset*i }

// RecordView is one record of a batch. Key and Data alias the batch.
type RecordView struct {
	Key, Data []byte

	hash   record.HashKey
	hashed bool
}

// Hash returns the key that routes the record: the explicit one, or the MD5 of
// the partition key.
func (v RecordView) Hash() record.HashKey {
	if v.hashed {
		return v.hash
	}
	return record.HashOf(v.Key)
}

// ExplicitHash returns the hash key that the producer gave, if it gave one.
func (v RecordView) ExplicitHash() (key record.HashKey, given bool) { return v.hash, v.hashed }

// Check returns nil if the record is within the limits; see [CheckRecord].
func (v RecordView) Check() error { return checkRecord(v.Key, len(v.Data)) }

// Record returns a copy that does not alias the batch.
func (v RecordView) Record() record.Record {
	owned := record.Record{PartitionKey: string(v.Key), Data: append([]byte{}, v.Data...)}
	if v.hashed {
		hash := v.hash
		owned.ExplicitHash = &hash
	}
	return owned
}
