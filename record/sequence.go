package record

import (
	"cmp"
	"math/bits"

	"github.com/millrace-io/millrace/failure"
)

// SequenceNumber is the position of a record, unique within its stream and
// ordered across its shards: the children of a split are created after the
// parent's last record and so sort after it.
//
// It is rendered as the 56-digit decimal form that Kinesis clients know, which
// is this number of 47 hexadecimal digits, most significant first (frozen):
//
//	digits  value
//	     1  2              version
//	     9  ShardCreated
//	     1  Shard          its low four bits
//	    16  Index
//	     2  0
//	     9  Arrival
//	     8  Shard
//	     1  2              version
//
// Within a shard the order of the decimals is therefore the order of Index.
type SequenceNumber struct {
	// ShardCreated is when the shard was created, in Unix seconds.
	ShardCreated int64
	Shard        ShardID
	// Index numbers the records of the shard from 1.
	Index uint64
	// Arrival is when the record arrived, in Unix seconds.
	Arrival int64
}

const (
	// IndexMax is the index at which a closed shard ends in the eyes of Kinesis
	// clients; no record reaches it.
	IndexMax = 1<<63 - 1

	sequenceDigits  = 56
	sequenceVersion = 2
	secondsMax      = 1<<36 - 1 // nine hexadecimal digits: the year 4147
)

// wide is an unsigned integer of 192 bits.
type wide struct{ high, middle, low uint64 }

// String renders the number in decimal, always 56 digits. Times outside
// 1970..4147 are clamped and an Index past IndexMax is cut to it.
func (n SequenceNumber) String() string { return string(n.AppendText(nil)) }

// AppendText appends the rendering to destination.
func (n SequenceNumber) AppendText(destination []byte) []byte {
	return new(SequenceText).begin(destination, n)
}

// Compare orders sequence numbers as their decimal renderings are ordered.
func (n SequenceNumber) Compare(other SequenceNumber) int {
	return cmp.Or(
		cmp.Compare(clampSeconds(n.ShardCreated), clampSeconds(other.ShardCreated)),
		cmp.Compare(n.Shard&0xf, other.Shard&0xf),
		cmp.Compare(min(n.Index, IndexMax), min(other.Index, IndexMax)),
		cmp.Compare(clampSeconds(n.Arrival), clampSeconds(other.Arrival)),
		cmp.Compare(n.Shard, other.Shard),
	)
}

// ParseSequenceNumber reads a sequence number as String renders it and accepts
// nothing else: a number that parses renders to the same digits.
func ParseSequenceNumber(decimal string) (SequenceNumber, error) {
	if len(decimal) != sequenceDigits || !allDigits(decimal) {
		return SequenceNumber{}, errSequence(decimal)
	}
	var number wide
	for i := range len(decimal) {
		number.appendDigit(decimal[i] - '0')
	}
	parsed := number.unpack()
	// Only what String can have written packs back to the same number: this
	// checks both version digits, the zeros, the doubled nibble and the range.
	if parsed.Index > IndexMax || parsed.wide() != number {
		return SequenceNumber{}, errSequence(decimal)
	}
	return parsed, nil
}

// wide packs the fields; the words hold these bits, lowest first:
//
//	low     4 version, 32 shard, 28 low bits of arrival
//	middle  8 high bits of arrival, 8 zero, 48 low bits of index
//	high    16 high bits of index, 4 low bits of shard, 36 created, 4 version
func (n SequenceNumber) wide() wide {
	created, arrival := clampSeconds(n.ShardCreated), clampSeconds(n.Arrival)
	index := min(n.Index, IndexMax)
	return wide{
		low:    sequenceVersion | uint64(n.Shard)<<4 | arrival<<36,
		middle: arrival>>28 | index<<16,
		high:   index>>48 | uint64(n.Shard&0xf)<<16 | created<<20 | sequenceVersion<<56,
	}
}

// unpack is the reverse of SequenceNumber.wide for numbers that it made.
func (w wide) unpack() SequenceNumber {
	return SequenceNumber{
		ShardCreated: int64(w.high >> 20 & secondsMax),
		Shard:        ShardID(w.low >> 4),
		Index:        w.high<<48 | w.middle>>16,
		Arrival:      int64(w.middle&0xff<<28 | w.low>>36),
	}
}

// cut divides by 10^19 and returns the remainder.
func (w *wide) cut() (remainder uint64) {
	w.high, remainder = bits.Div64(0, w.high, decimalStep)
	w.middle, remainder = bits.Div64(remainder, w.middle, decimalStep)
	w.low, remainder = bits.Div64(remainder, w.low, decimalStep)
	return remainder
}

// appendDigit multiplies by ten and adds; it cannot overflow within 56 digits,
// since 10^56 < 2^192.
func (w *wide) appendDigit(digit byte) {
	carryLow, low := bits.Mul64(w.low, 10)
	low, carry := bits.Add64(low, uint64(digit), 0)
	carryMiddle, middle := bits.Mul64(w.middle, 10)
	middle, carry = bits.Add64(middle, carryLow, carry)
	w.low, w.middle, w.high = low, middle, w.high*10+carryMiddle+carry
}

// clampSeconds brings a time into the 36 bits the format has for it.
func clampSeconds(seconds int64) uint64 { return uint64(min(max(seconds, 0), secondsMax)) }

func errSequence(decimal string) error {
	return failure.New(failure.InvalidArgument, "record: parse sequence number",
		"%.64q is not a sequence number of this service", decimal)
}
