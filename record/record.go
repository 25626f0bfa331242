package record

import "time"

// Limits on records and on the batches that carry them. They are part of the
// format: a batch within them always fits a frame.
const (
	// PartitionKeyMax is the longest partition key in Unicode characters.
	PartitionKeyMax = 256
	// PartitionKeyBytesMax is the longest partition key in bytes of UTF-8.
	PartitionKeyBytesMax = 1024
	// DataMax is the largest record data in bytes.
	DataMax = 10 << 20
	// BatchRecordsMax is the most records of one batch; the frame counts them in
	// 16 bits.
	BatchRecordsMax = 65535
	// BatchBytesMax is the largest encoded batch.
	BatchBytesMax = 16 << 20
)

// Record is what a producer writes.
type Record struct {
	// PartitionKey groups records: those of one key keep their order. It must be
	// UTF-8 and not empty.
	PartitionKey string
	// ExplicitHash, if set, routes the record in place of the key's hash.
	ExplicitHash *HashKey
	// Data is the record itself, opaque to Millrace.
	Data []byte
}

// Hash returns the key that routes the record.
func (r Record) Hash() HashKey {
	if r.ExplicitHash != nil {
		return *r.ExplicitHash
	}
	return HashOf(r.PartitionKey)
}

// Range is what one append was given: the sequences First to Last, inclusive,
// and the arrival time they share.
type Range struct {
	First, Last uint64
	// Time is the arrival in Unix nanoseconds; it never decreases within a log.
	Time int64
}

// Count returns the number of records in the range, 0 for the zero value.
func (r Range) Count() uint64 {
	if r.First == 0 {
		return 0
	}
	return r.Last - r.First + 1
}

// Arrival returns the arrival time in UTC.
func (r Range) Arrival() time.Time { return time.Unix(0, r.Time).UTC() }
