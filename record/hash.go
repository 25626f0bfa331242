package record

import (
	"cmp"
	"crypto/md5"
	"encoding/binary"
	"math/bits"
	"strconv"
	"strings"
	"unsafe"

	"github.com/millrace-io/millrace/failure"
)

// HashKey is an unsigned 128-bit integer that places a record on the ring of
// shards.
type HashKey struct{ Hi, Lo uint64 }

// HashKeyMax is the last hash key, 2^128 - 1.
var HashKeyMax = HashKey{Hi: ^uint64(0), Lo: ^uint64(0)}

// decimalStep is the largest power of ten in 64 bits: wide numbers are printed
// and read nineteen digits at a time.
const (
	decimalStep       = 1e19
	decimalStepDigits = 19
	hashKeyDigits     = 39
)

// HashOf returns the MD5 of the partition key's bytes, read as a big-endian
// number. MD5 is what the Kinesis API prescribes; nothing relies on its strength.
// It does not allocate.
func HashOf[K ~string | ~[]byte](partitionKey K) HashKey {
	// A conversion from string would copy keys beyond 32 bytes to the heap,
	// because inside a generic function the compiler cannot see that md5.Sum
	// only reads. Both kinds begin with a pointer and a length, and the bytes
	// are not kept.
	data := unsafe.Slice(*(**byte)(unsafe.Pointer(&partitionKey)), len(partitionKey))
	sum := md5.Sum(data)
	return HashKey{Hi: binary.BigEndian.Uint64(sum[:8]), Lo: binary.BigEndian.Uint64(sum[8:])}
}

// Compare returns -1, 0 or +1 as k is below, equal to or above other.
func (k HashKey) Compare(other HashKey) int {
	if order := cmp.Compare(k.Hi, other.Hi); order != 0 {
		return order
	}
	return cmp.Compare(k.Lo, other.Lo)
}

// String renders the key in decimal, without leading zeros.
func (k HashKey) String() string {
	if k.Hi == 0 {
		return strconv.FormatUint(k.Lo, 10)
	}
	var buffer [3 * decimalStepDigits]byte
	hi, lo := k.Hi, k.Lo
	for end := len(buffer); end > 0; end -= decimalStepDigits {
		var remainder uint64
		hi, remainder = bits.Div64(0, hi, decimalStep)
		lo, remainder = bits.Div64(remainder, lo, decimalStep)
		putDigits(buffer[end-decimalStepDigits:end], remainder)
	}
	return strings.TrimLeft(string(buffer[:]), "0")
}

// ParseHashKey reads a key written in decimal, as Kinesis clients send it: 0, or
// digits that do not begin with 0.
func ParseHashKey(decimal string) (HashKey, error) {
	malformed := decimal == "" || len(decimal) > hashKeyDigits || !allDigits(decimal) ||
		(decimal[0] == '0' && decimal != "0")
	if malformed {
		return HashKey{}, failure.New(failure.InvalidArgument, "record: parse hash key",
			"%.64q is not a decimal number below 2^128", decimal)
	}
	var key HashKey
	for i := range len(decimal) {
		carry, lo := bits.Mul64(key.Lo, 10)
		lo, carryDigit := bits.Add64(lo, uint64(decimal[i]-'0'), 0)
		over, hi := bits.Mul64(key.Hi, 10)
		hi, overflow := bits.Add64(hi, carry, carryDigit)
		if over != 0 || overflow != 0 {
			return HashKey{}, failure.New(failure.InvalidArgument, "record: parse hash key",
				"%s is not below 2^128", decimal)
		}
		key = HashKey{Hi: hi, Lo: lo}
	}
	return key, nil
}

// HashRange is the hash keys of one shard, both ends included.
type HashRange struct{ Start, End HashKey }

// Contains reports whether the key lies within the range.
func (r HashRange) Contains(key HashKey) bool {
	return r.Start.Compare(key) <= 0 && key.Compare(r.End) <= 0
}

// String renders the range as "start-end".
func (r HashRange) String() string { return r.Start.String() + "-" + r.End.String() }

// SplitEvenly cuts all hash keys into n ranges as AWS does: each has
// floor(2^128/n) keys and the last also takes what is left over. It returns nil
// for n below 1.
func SplitEvenly(n int) []HashRange {
	if n < 1 {
		return nil
	}
	if n == 1 {
		return []HashRange{{End: HashKeyMax}}
	}
	// floor(2^128/n) from the long division of 1:0:0 in base 2^64; the top
	// digit's quotient is zero because n > 1.
	hi, remainder := bits.Div64(1, 0, uint64(n))
	lo, _ := bits.Div64(remainder, 0, uint64(n))
	ranges := make([]HashRange, n)
	var start HashKey
	for i := range ranges {
		nextLo, carry := bits.Add64(start.Lo, lo, 0)
		nextHi, _ := bits.Add64(start.Hi, hi, carry)
		next := HashKey{Hi: nextHi, Lo: nextLo}
		endLo, borrow := bits.Sub64(next.Lo, 1, 0)
		endHi, _ := bits.Sub64(next.Hi, 0, borrow)
		ranges[i] = HashRange{Start: start, End: HashKey{Hi: endHi, Lo: endLo}}
		start = next
	}
	ranges[n-1].End = HashKeyMax
	return ranges
}

// twoDigits are 00 to 99: half as many divisions, which depend on each other, as one
// digit at a time.
const twoDigits = "0001020304050607080910111213141516171819202122232425262728293031323334353637383940414243444546474849" +
	"5051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899"

// putDigits writes number into destination in decimal, padded with zeros.
func putDigits(destination []byte, number uint64) {
	i := len(destination)
	for ; i >= 2; i -= 2 {
		pair := number % 100 * 2
		number /= 100
		destination[i-2], destination[i-1] = twoDigits[pair], twoDigits[pair+1]
	}
	if i == 1 {
		destination[0] = byte('0' + number%10)
	}
}
