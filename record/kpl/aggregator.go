package kpl

import (
	"crypto/md5"
	"encoding/binary"

	"github.com/millrace-io/millrace/record"
)

// BytesMaxDefault is how large the producer library lets an aggregated record
// grow unless it is told otherwise, in bytes.
const BytesMaxDefault = 51_200

// Options are the limits of an [Aggregator].
type Options struct {
	// BytesMax is the most data of an aggregated record, all included. Default:
	// BytesMaxDefault; never more than record.DataMax.
	BytesMax int
	// RecordsMax is the most records in one; 1 leaves every record alone.
	// Default: no limit but that of bytes.
	RecordsMax int
}

// Aggregator puts records together into one. It holds on to their data until
// Finish. It is not safe for concurrent use.
type Aggregator struct {
	options Options
	first   record.Record
	keys    table
	hashes  table
	entries []entry
	// size is the bytes of the message so far.
	size int
}

// NewAggregator returns an empty aggregator.
func NewAggregator(options Options) *Aggregator {
	if options.BytesMax <= 0 {
		options.BytesMax = BytesMaxDefault
	}
	options.BytesMax = min(options.BytesMax, record.DataMax)
	return &Aggregator{options: options, keys: newTable(), hashes: newTable()}
}

// Len returns the number of records.
func (a *Aggregator) Len() int { return len(a.entries) }

// Add takes a record, or returns false and leaves everything as it was if that
// would exceed a limit. An empty aggregator takes any record: one that is too
// large for company comes out as it went in.
//
// Records should be of one shard; only the first one's hash key routes them. A
// partition key is not checked, so it must be what [record.Record] asks for, or
// readers will refuse the result.
func (a *Aggregator) Add(r record.Record) bool {
	e, decimal := entry{data: r.Data}, ""
	var keyKnown, hashKnown bool
	e.key, keyKnown = a.keys.find(r.PartitionKey)
	size := 0
	if !keyKnown {
		size += bytesFieldSize(len(r.PartitionKey))
	}
	if e.hashed = r.ExplicitHash != nil; e.hashed {
		decimal = r.ExplicitHash.String()
		if e.hash, hashKnown = a.hashes.find(decimal); !hashKnown {
			size += bytesFieldSize(len(decimal))
		}
	}
	size += bytesFieldSize(e.size())
	if len(a.entries) == 0 {
		a.first = r
	} else if len(a.entries) == a.options.RecordsMax || overhead+a.size+size > a.options.BytesMax {
		return false
	}
	if !keyKnown {
		a.keys.add(r.PartitionKey)
	}
	if e.hashed && !hashKnown {
		a.hashes.add(decimal)
	}
	a.entries = append(a.entries, e)
	a.size += size
	return true
}

// Finish returns what the records came to and empties the aggregator. A single
// record comes out as it went in, and none as the zero value. The aggregate has
// the partition key and the explicit hash key, if any, of its first record, and
// so goes to its shard; its data is the caller's.
//
// Equal records give equal bytes, which are those of AWS's own libraries.
func (a *Aggregator) Finish() record.Record {
	result := a.first
	if len(a.entries) > 1 {
		result.Data = a.encode()
	}
	a.first, a.size = record.Record{}, 0
	a.keys.clear()
	a.hashes.clear()
	clear(a.entries)
	a.entries = a.entries[:0]
	return result
}

// encode returns the data of the aggregate.
func (a *Aggregator) encode() []byte {
	b := append(make([]byte, 0, overhead+a.size), magic...)
	for _, key := range a.keys.texts {
		b = appendBytes(b, fieldPartitionKey, key)
	}
	for _, decimal := range a.hashes.texts {
		b = appendBytes(b, fieldHashKey, decimal)
	}
	for i := range a.entries {
		b = a.entries[i].appendTo(b)
	}
	digest := md5.Sum(b[len(magic):])
	return append(b, digest[:]...)
}

// size returns the bytes of an entry without its own tag and length.
func (e *entry) size() int {
	size := indexFieldSize(e.key) + bytesFieldSize(len(e.data))
	if e.hashed {
		size += indexFieldSize(e.hash)
	}
	return size
}

// appendTo appends the entry as a field of the message.
func (e *entry) appendTo(b []byte) []byte {
	b = binary.AppendUvarint(appendTag(b, fieldRecord, wireBytes), uint64(e.size()))
	b = appendIndex(b, fieldKeyIndex, e.key)
	if e.hashed {
		b = appendIndex(b, fieldHashIndex, e.hash)
	}
	return appendBytes(b, fieldData, e.data)
}

// table numbers texts in the order of their coming.
type table struct {
	texts   []string
	indexes map[string]uint64
}

func newTable() table { return table{indexes: make(map[string]uint64)} }

// find returns the number of a text, and whether it has it already.
func (t *table) find(text string) (index uint64, known bool) {
	if index, known = t.indexes[text]; known {
		return index, true
	}
	return uint64(len(t.texts)), false
}

// add numbers a text that is not in the table.
func (t *table) add(text string) {
	t.indexes[text] = uint64(len(t.texts))
	t.texts = append(t.texts, text)
}

// clear empties the table.
func (t *table) clear() {
	clear(t.texts)
	t.texts = t.texts[:0]
	clear(t.indexes)
}
