package wire

import "math"

// decimal is a number as JSON writes it, taken apart:
//
//	-12.50e+3   negative, whole "12", fraction "50", exponent 3
type decimal struct {
	text            []byte
	negative        bool
	whole, fraction []byte
	exponent        int64
}

// exponentMax bounds exponents. Documents are shorter, so that digits cannot make up
// for what lies beyond.
const exponentMax = 1 << 40

// scanDecimal returns the number that the document begins with. If it is none, text is
// what could have become one.
func scanDecimal(document []byte) (number decimal, ok bool) {
	end := 0
	digits := func() []byte {
		start := end
		for end < len(document) && document[end]-'0' <= 9 {
			end++
		}
		return document[start:end]
	}
	at := func(a, b byte) bool {
		return end < len(document) && (document[end] == a || document[end] == b)
	}
	defer func() { number.text = document[:end] }()

	if number.negative = at('-', '-'); number.negative {
		end++
	}
	if at('0', '0') {
		number.whole = document[end : end+1]
		end++
	} else if number.whole = digits(); len(number.whole) == 0 {
		return number, false
	}
	if at('.', '.') {
		end++
		if number.fraction = digits(); len(number.fraction) == 0 {
			return number, false
		}
	}
	if !at('e', 'E') {
		return number, true
	}
	end++
	sign := int64(1)
	if at('+', '-') {
		if document[end] == '-' {
			sign = -1
		}
		end++
	}
	exponent := digits()
	for _, digit := range exponent {
		number.exponent = min(number.exponent*10+int64(digit-'0'), exponentMax)
	}
	number.exponent *= sign
	return number, len(exponent) > 0
}

// scaled returns the number times 10^places as an integer, exactly: no floating point
// is involved. What is left behind the point is rounded, half away from zero, and then
// the result is not exact. It does not fit if it is beyond 64 bits.
func (d decimal) scaled(places int64) (value int64, exact, fits bool) {
	limit := uint64(math.MaxInt64)
	if d.negative {
		limit++
	}
	// point counts the digits that are still before the decimal point.
	point := int64(len(d.whole)) + d.exponent + places
	exact = true
	var magnitude uint64
	for _, digits := range [...][]byte{d.whole, d.fraction} {
		for _, c := range digits {
			digit := uint64(c - '0')
			switch {
			case point > 0:
				if magnitude > (limit-digit)/10 {
					return 0, false, false
				}
				magnitude = magnitude*10 + digit
			default:
				exact = exact && digit == 0
				if point == 0 && digit >= 5 {
					magnitude++
				}
			}
			point--
		}
	}
	for ; point > 0 && magnitude > 0; point-- {
		if magnitude > limit/10 {
			return 0, false, false
		}
		magnitude *= 10
	}
	switch {
	case magnitude > limit: // rounded beyond it
		return 0, false, false
	case d.negative:
		return -int64(magnitude), exact, true // also of 2^63, which wraps around to itself
	default:
		return int64(magnitude), exact, true
	}
}
