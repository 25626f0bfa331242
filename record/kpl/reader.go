package kpl

import (
	"iter"
	"unicode/utf8"
	"unsafe"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/record"
)

// Is reports whether the data is that of an aggregated record: the magic number
// in front, at least one byte of message, and its MD5 at the end. It reads all
// of data that begins with the magic number and does not allocate.
func Is(data []byte) bool {
	_, found := split(data)
	return found
}

// Records returns the records that r is made of, in order: those inside if it is
// aggregated, and r itself otherwise. The views alias r.Data. Errors are those of
// [Reader.Open]; all is checked before the first view, so that none can come
// later.
func Records(r record.Record) (iter.Seq[View], error) {
	reader := new(Reader)
	aggregated, err := reader.Open(r.Data)
	if err != nil {
		return nil, err
	}
	if aggregated {
		return reader.All(), nil
	}
	whole := View{Key: []byte(r.PartitionKey), Data: r.Data}
	if r.ExplicitHash != nil {
		whole.hash, whole.hashed = *r.ExplicitHash, true
	}
	return func(yield func(View) bool) { yield(whole) }, nil
}

// Within leaves out the records whose hash keys lie outside a shard's range, as
// consumers must after a reshard: their producer writes these, and only these,
// again where they belong. An ordinary record is always of its shard.
//
// The Kinesis Client Library documents the same rule. Where one record lies
// outside, its code leaves out the others of the same aggregated record too,
// which nobody writes again.
func Within(views iter.Seq[View], shard record.HashRange) iter.Seq[View] {
	return func(yield func(View) bool) {
		for v := range views {
			if shard.Contains(v.Hash()) && !yield(v) {
				return
			}
		}
	}
}

// View is one record inside an aggregated one. Key and Data alias the data given
// to the reader and must not be changed.
type View struct {
	// Key is the partition key.
	Key []byte
	// Data is the record itself.
	Data []byte
	// Index is the sub-sequence number: the place within the aggregated record,
	// from 0.
	Index int

	hash   record.HashKey
	hashed bool
}

// ExplicitHash returns the hash key that the producer gave, if it gave one.
func (v View) ExplicitHash() (key record.HashKey, given bool) { return v.hash, v.hashed }

// Hash returns the key that routes the record: the explicit one, or the MD5 of
// the partition key.
func (v View) Hash() record.HashKey {
	if v.hashed {
		return v.hash
	}
	return record.HashOf(v.Key)
}

// Record returns a copy that aliases nothing.
func (v View) Record() record.Record {
	owned := record.Record{PartitionKey: string(v.Key), Data: append([]byte{}, v.Data...)}
	if v.hashed {
		owned.ExplicitHash = &v.hash
	}
	return owned
}

// Reader reads one aggregated record after the other and keeps its memory, so
// that in the long run it does not allocate. The zero value is ready. It is not
// safe for concurrent use.
type Reader struct {
	message []byte
	keys    []span
	hashes  []record.HashKey
	count   int
}

// span is where in the message a partition key stands. Offsets rather than
// slices keep what a hostile table may cost at three times its own size.
type span struct{ start, end uint32 }

// Open takes the data of a record. If it is not aggregated, Open returns false
// and the reader holds no records. If it is, all of it is checked, and the data
// must not change as long as the records are read.
//
// Data beyond record.DataMax is failure.TooLarge. A message that is broken
// although its MD5 is right is failure.Corrupt: a table's key that could not be
// one, an index into a table that is not there, no key or no data. That is the
// fault of its producer. AWS's consumers take such a record for ordinary data.
func (r *Reader) Open(data []byte) (aggregated bool, err error) {
	*r = Reader{keys: r.keys[:0], hashes: r.hashes[:0]}
	message, found := split(data)
	if !found {
		return false, nil
	}
	if len(data) > record.DataMax {
		return false, failure.New(failure.TooLarge, "kpl: open", "%d bytes, the limit is %d", len(data), record.DataMax)
	}
	count, err := r.parse(message)
	if err != nil {
		return false, err
	}
	r.message, r.count = message, count
	return true, nil
}

// Len returns the number of records, 0 also for a message of tables only.
func (r *Reader) Len() int { return r.count }

// All returns the records in order. It can be ranged over again until the next
// Open.
func (r *Reader) All() iter.Seq[View] {
	return func(yield func(View) bool) {
		index := 0
		for rest := r.message; len(rest) > 0; {
			var f field
			f, rest, _ = nextField(rest)
			if !f.is(fieldRecord, wireBytes) {
				continue
			}
			e, _ := parseEntry(f.content)
			key := r.keys[e.key]
			v := View{Key: r.message[key.start:key.end:key.end], Data: e.data, Index: index, hashed: e.hashed}
			if e.hashed {
				v.hash = r.hashes[e.hash]
			}
			if !yield(v) {
				return
			}
			index++
		}
	}
}

// parse fills the tables, checks the records and counts them. There are two
// passes because a table may stand behind the records that need it.
func (r *Reader) parse(message []byte) (count int, err error) {
	for rest := message; len(rest) > 0; {
		f, behind, ok := nextField(rest)
		if !ok {
			return 0, broken("the field at byte %d is malformed", len(message)-len(rest))
		}
		rest = behind
		switch {
		case f.is(fieldPartitionKey, wireBytes):
			end := len(message) - len(rest)
			err = r.addKey(f.content, end)
		case f.is(fieldHashKey, wireBytes):
			err = r.addHash(f.content)
		}
		if err != nil {
			return 0, err
		}
	}
	for rest := message; len(rest) > 0; {
		var f field
		f, rest, _ = nextField(rest)
		if !f.is(fieldRecord, wireBytes) {
			continue
		}
		e, ok := parseEntry(f.content)
		switch {
		case !ok:
			return 0, broken("record %d is malformed or lacks its key or data", count)
		case e.key >= uint64(len(r.keys)):
			return 0, broken("record %d has partition key %d of %d", count, e.key, len(r.keys))
		case e.hashed && e.hash >= uint64(len(r.hashes)):
			return 0, broken("record %d has explicit hash key %d of %d", count, e.hash, len(r.hashes))
		}
		count++
	}
	return count, nil
}

// addKey takes a partition key that ends at a place of the message. Each key is
// checked once, however many records it has.
func (r *Reader) addKey(key []byte, end int) error {
	switch {
	case len(key) == 0:
		return broken("partition key %d is empty", len(r.keys))
	case len(key) > record.PartitionKeyBytesMax || utf8.RuneCount(key) > record.PartitionKeyMax:
		return broken("partition key %d has %d bytes, more than a key may", len(r.keys), len(key))
	case !utf8.Valid(key):
		return broken("partition key %d is not valid UTF-8", len(r.keys))
	}
	r.keys = append(r.keys, span{start: uint32(end - len(key)), end: uint32(end)})
	return nil
}

// addHash takes an explicit hash key.
func (r *Reader) addHash(decimal []byte) error {
	// Parsing only looks at the text, or puts it into an error's own; a
	// conversion would copy it.
	key, err := record.ParseHashKey(unsafe.String(unsafe.SliceData(decimal), len(decimal)))
	if err != nil {
		return failure.Wrap(failure.Corrupt, "kpl: open", err)
	}
	r.hashes = append(r.hashes, key)
	return nil
}

// entry is a Record as it is stored, with indexes into the tables.
type entry struct {
	key    uint64
	hash   uint64
	hashed bool
	data   []byte
}

// parseEntry reads a Record. Of a field that is there twice the last counts, as
// protocol buffers have it. It returns false if the bytes are malformed or a
// field is missing that must be there.
func parseEntry(content []byte) (e entry, ok bool) {
	keyed, filled := false, false
	for len(content) > 0 {
		var f field
		if f, content, ok = nextField(content); !ok {
			return entry{}, false
		}
		switch {
		case f.is(fieldKeyIndex, wireVarint):
			e.key, keyed = f.value, true
		case f.is(fieldHashIndex, wireVarint):
			e.hash, e.hashed = f.value, true
		case f.is(fieldData, wireBytes):
			e.data, filled = f.content, true
		}
	}
	return e, keyed && filled
}

// broken is the failure of a message that is not what its MD5 promises.
func broken(format string, args ...any) error {
	return failure.New(failure.Corrupt, "kpl: open", format, args...)
}
