package wire

import (
	"encoding/binary"
	"math"
)

// A value of CBOR (RFC 8949) begins with a head:
//
//	  7 6 5   4 3 2 1 0
//	+-------+-----------+------------------
//	| major |    low    | argument
//	+-------+-----------+------------------
//	0 unsigned   0..23   the argument itself
//	1 negative   24..27  it follows in 1, 2, 4 or 8 bytes, big-endian
//	2 bytes      28..30  reserved
//	3 text       31      no length: the end is marked by a break, 0xff
//	4 list
//	5 map
//	6 tag
//	7 simple, float and break
const (
	majorUnsigned = 0
	majorNegative = 1
	majorBytes    = 2
	majorText     = 3
	majorList     = 4
	majorMap      = 5
	majorTag      = 6
	majorOther    = 7

	lowOneByte    = 24 // the argument is in the next byte, and so on
	lowEightBytes = 27
	lowIndefinite = 31

	// The low bits of majorOther.
	lowFalse     = 20
	lowTrue      = 21
	lowNull      = 22
	lowUndefined = 23
	lowHalf      = 25
	lowSingle    = 26
	lowDouble    = 27

	byteBreak = majorOther<<5 | lowIndefinite

	// tagEpoch makes a number a time. The RFC counts seconds; AWS counts milliseconds,
	// and seconds only in floating point.
	tagEpoch = 1
)

// head is the head of a value. The compiler keeps it in registers, which it would not do
// if there were five fields.
type head struct {
	// offset is where the value begins, tags included.
	offset int
	// argument is a number, a length, or the bits of a floating-point number.
	argument uint64
	// first is the byte with the major type and the low bits.
	first byte
	kind  Kind
}

func (h head) major() byte { return h.first >> 5 }

func (h head) low() byte { return h.first & 0x1f }

// indefinite reports whether a break marks the end.
func (h head) indefinite() bool { return h.low() == lowIndefinite }

// isFloat reports whether the number is a floating-point one.
func (h head) isFloat() bool { return h.major() == majorOther }

// float returns the number.
func (h head) float() float64 {
	switch {
	case h.major() == majorUnsigned:
		return float64(h.argument)
	case h.major() == majorNegative:
		return -1 - float64(h.argument)
	case h.low() == lowHalf:
		return half(uint16(h.argument))
	case h.low() == lowSingle:
		return float64(math.Float32frombits(uint32(h.argument)))
	default:
		return math.Float64frombits(h.argument)
	}
}

// whole returns the number if it is an integer of 64 bits.
func (h head) whole() (int64, bool) {
	switch {
	case h.isFloat():
		return wholeOf(h.float())
	case h.argument > math.MaxInt64:
		return 0, false
	case h.major() == majorNegative:
		return ^int64(h.argument), true
	default:
		return int64(h.argument), true
	}
}

// half returns a floating-point number of 16 bits: sign, 5 bits of exponent, 10 of
// fraction.
func half(bits uint16) float64 {
	exponent, fraction := int(bits>>10&0x1f), float64(bits&0x3ff)
	var magnitude float64
	switch {
	case exponent == 0:
		magnitude = math.Ldexp(fraction, -24)
	case exponent < 31:
		magnitude = math.Ldexp(fraction+1024, exponent-25)
	case fraction == 0:
		magnitude = math.Inf(1)
	default:
		magnitude = math.NaN()
	}
	if bits>>15 != 0 {
		return -magnitude
	}
	return magnitude
}

// head consumes the head of a value and the tags before it.
func (r *CBORReader) head() (head, error) {
	offset, isTime := r.position, false
	for {
		h, err := r.bareHead()
		if err != nil {
			return head{}, err
		}
		if h.major() == majorTag {
			isTime = isTime || h.argument == tagEpoch
			continue
		}
		kind, ok := h.bareKind()
		if !ok {
			return head{}, r.fail(h.offset, "a value is expected")
		}
		if isTime {
			kind = Time
		}
		h.offset, h.kind = offset, kind
		return h, nil
	}
}

// bareKind returns the kind of a value that has no tag, or false if it is none.
func (h head) bareKind() (Kind, bool) {
	switch h.major() {
	case majorUnsigned, majorNegative:
		return Number, true
	case majorBytes:
		return Blob, true
	case majorText:
		return Text, true
	case majorList:
		return List, true
	case majorMap:
		return Object, true
	}
	switch h.low() {
	case lowFalse, lowTrue:
		return Bool, true
	case lowNull, lowUndefined:
		return Null, true
	case lowHalf, lowSingle, lowDouble:
		return Number, true
	default:
		return 0, false // a break, or a simple value that nobody has given a meaning
	}
}

// bareHead consumes one head. Its kind is not yet known.
func (r *CBORReader) bareHead() (head, error) {
	offset := r.position
	rest := r.document[offset:]
	if len(rest) == 0 {
		return head{}, r.fail(offset, "the document ends too early")
	}
	h := head{offset: offset, first: rest[0]}
	major, low := h.major(), h.low()
	switch {
	case low < lowOneByte:
		h.argument = uint64(low)
		r.position++
		return h, nil
	case low == lowIndefinite && (major == majorOther || majorBytes <= major && major <= majorMap):
		r.position++
		return h, nil
	case low > lowEightBytes:
		return head{}, r.fail(offset, "a value begins in a way that is reserved")
	}
	size := 1 << (low - lowOneByte)
	if rest = rest[1:]; len(rest) < size {
		return head{}, r.fail(offset, "the document ends too early")
	}
	switch size {
	case 1:
		h.argument = uint64(rest[0])
	case 2:
		h.argument = uint64(binary.BigEndian.Uint16(rest))
	case 4:
		h.argument = uint64(binary.BigEndian.Uint32(rest))
	default:
		h.argument = binary.BigEndian.Uint64(rest)
	}
	r.position += 1 + size
	return h, nil
}
