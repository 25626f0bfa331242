package protocol

import (
	"encoding/binary"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/record"
)

// VerifyBatch returns nil if and only if payload is the canonical encoding of a
// batch of count records. Then no accessor of its views can fault, the records
// are as large as the payload and no larger, and encoding them again yields the
// same bytes. It says nothing about the limits of single records: see
// [RecordView.Check].
//
// Errors are of kind Malformed. It allocates nothing unless it returns one.
func VerifyBatch(payload []byte, count int) error {
	reason, index := verifyBatch(payload, count)
	if reason == "" {
		return nil
	}
	if index < 0 {
		return failure.New(failure.Malformed, "protocol: verify batch", "%s", reason)
	}
	return failure.New(failure.Malformed, "protocol: verify batch", "record %d of %d: %s", index, count, reason)
}

// verifyBatch returns why payload is not canonical, and the record at fault or
// -1. The reason is empty for a good batch.
func verifyBatch(payload []byte, count int) (reason string, index int) {
	if reason := verifyPrefix(payload, count); reason != "" {
		return reason, -1
	}
	at := int64(batchPrefix + batchOffset*count)
	if at > int64(len(payload)) {
		return "the record offsets pass the end", -1
	}
	for i := range count {
		next, reason := verifyRecord(payload, int64(batchPrefix+batchOffset*i), at)
		if reason != "" {
			return reason, i
		}
		at = next
	}
	if at != int64(len(payload)) {
		return "bytes follow the last record", -1
	}
	return "", -1
}

// verifyPrefix checks all that comes before the offset of the first record.
func verifyPrefix(payload []byte, count int) string {
	switch {
	case count < 1 || count > record.BatchRecordsMax:
		return "the frame's record count is out of range"
	case len(payload) < batchBytesMin:
		return "shorter than the smallest batch"
	case len(payload) > record.BatchBytesMax:
		return "longer than the largest batch"
	case string(payload[:batchTemplateSize]) != batchTemplate:
		return "the first bytes are not those of a canonical batch"
	case binary.LittleEndian.Uint16(payload[batchZero:]) != 0:
		return "padding is not zero"
	case binary.LittleEndian.Uint32(payload[batchCount:]) != uint32(count):
		return "the record count differs from the frame's"
	}
	anonymous := binary.LittleEndian.Uint64(payload[batchProducerID:]) == 0
	if anonymous && binary.LittleEndian.Uint64(payload[batchProducerSeq:]) != 0 {
		return "an epoch or producer sequence without a producer"
	}
	return ""
}

// verifyRecord checks the record whose offset stands at slot, which must begin
// at offset at, a multiple of 4 that is not past the end. It returns where the
// next record begins. Lengths from the payload are at most 2^32, so no sum of
// them can wrap an int64.
func verifyRecord(payload []byte, slot, at int64) (next int64, reason string) {
	size := int64(len(payload))
	table := slot + wordAt(payload, slot)
	if padded := at&4 == 0 && table == at+4 && table <= size; padded {
		// Only to bring a hash to a multiple of 8, which the vtable must confirm.
		if wordAt(payload, at) != 0 {
			return 0, "padding before the record is not zero"
		}
	} else if table != at {
		return 0, "not where the one before it ends"
	}
	fields := int64(plainTable)
	if table+plainTable > size {
		return 0, "the table passes the end"
	}
	switch wordAt(payload, table) {
	case table - plainVtable:
		if table != at {
			return 0, "padding before a record that needs none"
		}
	case table - hashedVtable:
		fields = hashedTable
		if table&4 == 0 {
			return 0, "the hash is not aligned"
		}
	default:
		return 0, "not one of the two vtables"
	}
	key := table + fields
	if key+lengthBytes > size {
		return 0, "the key passes the end"
	}
	keyEnd := key + lengthBytes + wordAt(payload, key)
	data := keyEnd&^3 + 4
	if data+lengthBytes > size {
		return 0, "the key passes the end"
	}
	dataEnd := data + lengthBytes + wordAt(payload, data)
	next = (dataEnd + 3) &^ 3
	switch {
	case next > size:
		return 0, "the data passes the end"
	case wordAt(payload, table+tableKey) != key-table-tableKey:
		return 0, "the key is not behind the table"
	case wordAt(payload, table+tableData) != data-table-tableData:
		return 0, "the data is not behind the key"
	case wordAt(payload, data-4)>>(8*(4-(data-keyEnd))) != 0:
		return 0, "padding behind the key is not zero"
	case wordAt(payload, next-4)>>(8*(4-(next-dataEnd))) != 0:
		return 0, "padding behind the data is not zero"
	}
	return next, ""
}

// wordAt returns the 32 bits at an offset that the caller has bounds-checked.
func wordAt(b []byte, at int64) int64 {
	return int64(binary.LittleEndian.Uint32(b[at:]))
}
