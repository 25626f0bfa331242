package kpl

import (
	"bytes"
	"crypto/md5"
	"encoding/binary"
	"math"
)

// The data of an aggregated record. AWS defines it (aggregation-format.md in
// awslabs/amazon-kinesis-producer), so nothing here can ever change.
//
//	off size
//	  0    4  magic     F3 89 9A C2
//	  4    n  message   AggregatedRecord, in protocol buffers
//	4+n   16  digest    MD5 of the message
//
// AggregatedRecord, of fields in any order, which are written in this one:
//
//	0A k key      partition key table, repeated: UTF-8
//	12 k hash     explicit hash key table, repeated: decimal
//	1A n Record   repeated
//
// Record, likewise:
//
//	08 i          index into the partition keys, from 0
//	10 i          index into the explicit hash keys; only if there is one
//	1A n data
//	22 n tag      repeated; reserved by AWS, not written, skipped
//
// k, n and i are varints: seven bits a byte, the low ones first, and the top bit
// on all but the last. The byte before them is a field's number times eight plus
// how its value is written. Fields of other numbers are skipped. The parts that
// are needed of protocol buffers are fewer than their library's import would add
// to every client.
const (
	magic       = "\xf3\x89\x9a\xc2"
	digestBytes = md5.Size
	// overhead is what surrounds the message.
	overhead = len(magic) + digestBytes

	fieldPartitionKey = 1 // of AggregatedRecord
	fieldHashKey      = 2
	fieldRecord       = 3

	fieldKeyIndex  = 1 // of Record
	fieldHashIndex = 2
	fieldData      = 3
)

// wire is how a field's value is written. Groups (3 and 4) were abandoned before
// the format was made, and are refused.
type wire uint8

const (
	wireVarint  wire = 0
	wireFixed64 wire = 1
	wireBytes   wire = 2
	wireFixed32 wire = 5
)

// split returns the message within the data of an aggregated record, or false if
// it is none.
func split(data []byte) (message []byte, found bool) {
	if len(data) <= overhead || string(data[:len(magic)]) != magic {
		return nil, false
	}
	message, digest := data[len(magic):len(data)-digestBytes], data[len(data)-digestBytes:]
	sum := md5.Sum(message)
	return message, bytes.Equal(sum[:], digest)
}

// field is one field of a message.
type field struct {
	number  uint64
	wire    wire
	value   uint64 // of wireVarint
	content []byte // of wireBytes; aliases the message
}

// is reports whether the field is the one of this number, written as it should
// be. Others are skipped, as readers of protocol buffers do.
func (f *field) is(number uint64, w wire) bool { return f.number == number && f.wire == w }

// nextField takes the first field off a message, or returns false if it is
// malformed or cut short.
func nextField(message []byte) (f field, rest []byte, ok bool) {
	tag, rest, ok := nextVarint(message)
	f.number, f.wire = tag>>3, wire(tag&7)
	if !ok || f.number == 0 || f.number > math.MaxInt32 {
		return f, nil, false
	}
	skipped := uint64(0)
	switch f.wire {
	case wireVarint:
		f.value, rest, ok = nextVarint(rest)
		return f, rest, ok
	case wireBytes:
		skipped, rest, ok = nextVarint(rest)
	case wireFixed64:
		skipped = 8
	case wireFixed32:
		skipped = 4
	default:
		ok = false
	}
	if !ok || skipped > uint64(len(rest)) {
		return f, nil, false
	}
	f.content = rest[:skipped:skipped]
	return f, rest[skipped:], true
}

// nextVarint takes a varint off the front, or returns false if there is none
// below 2^64.
func nextVarint(message []byte) (value uint64, rest []byte, ok bool) {
	value, n := binary.Uvarint(message)
	if n <= 0 {
		return 0, nil, false
	}
	return value, message[n:], true
}

// varintSize returns the bytes of a varint.
func varintSize(value uint64) int {
	size := 1
	for ; value >= 0x80; value >>= 7 {
		size++
	}
	return size
}

// bytesFieldSize returns the bytes of a field of wireBytes with n bytes in it.
func bytesFieldSize(n int) int { return 1 + varintSize(uint64(n)) + n }

// indexFieldSize returns the bytes of a field that holds an index.
func indexFieldSize(i uint64) int { return 1 + varintSize(i) }

// appendTag appends what a field begins with. All our numbers fit one byte.
func appendTag(b []byte, number uint64, w wire) []byte { return append(b, byte(number<<3)|byte(w)) }

// appendIndex appends a field that holds an index.
func appendIndex(b []byte, number, i uint64) []byte {
	return binary.AppendUvarint(appendTag(b, number, wireVarint), i)
}

// appendBytes appends a field that holds bytes.
func appendBytes[T ~string | ~[]byte](b []byte, number uint64, content T) []byte {
	b = binary.AppendUvarint(appendTag(b, number, wireBytes), uint64(len(content)))
	return append(b, content...)
}
