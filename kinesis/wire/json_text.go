package wire

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// plainPrefix returns how many bytes at the beginning of the text stand for themselves
// in a JSON string and are ASCII: up to a quote, a backslash, a control character or a
// byte of a longer character. It looks at eight bytes at a time.
func plainPrefix(text []byte) int {
	n := 0
	for ; n+8 <= len(text); n += 8 {
		if special := specialBytes(binary.LittleEndian.Uint64(text[n:])); special != 0 {
			return n + bits.TrailingZeros64(special)/8
		}
	}
	for ; n < len(text); n++ {
		if c := text[n]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			break
		}
	}
	return n
}

// specialBytes sets the top bit of the bytes that end a plain prefix. A subtraction may
// borrow from the byte above and mark that one too, but only above a byte that is
// marked rightly: the lowest mark is exact.
func specialBytes(word uint64) uint64 {
	const ones = 0x0101010101010101
	quotes := word ^ ones*'"'
	backslashes := word ^ ones*'\\'
	low := (word-ones*' ')&^word | (quotes-ones)&^quotes | (backslashes-ones)&^backslashes
	return (low | word) & (ones * 0x80)
}

// text consumes a string, whose opening quote is next, and returns what it stands for.
func (r *JSONReader) text() ([]byte, error) {
	start := r.position + 1
	for end := start; ; {
		end += plainPrefix(r.document[end:])
		switch {
		case end == len(r.document):
			return nil, r.fail(end, "a string has no end")
		case r.document[end] == '"':
			r.position = end + 1
			return r.document[start:end], nil
		case r.document[end] == '\\':
			r.scratch = append(r.scratch[:0], r.document[start:end]...)
			return r.escapedText(end)
		}
		size, err := r.character(end)
		if err != nil {
			return nil, err
		}
		end += size
	}
}

// escapedText is the rest of text, from the first escape on. What comes before it is in
// the scratch memory, and so will be all.
func (r *JSONReader) escapedText(end int) ([]byte, error) {
	for {
		plain := plainPrefix(r.document[end:])
		r.scratch = append(r.scratch, r.document[end:end+plain]...)
		end += plain
		switch {
		case end == len(r.document):
			return nil, r.fail(end, "a string has no end")
		case r.document[end] == '"':
			r.position = end + 1
			return r.scratch, nil
		case r.document[end] == '\\':
			character, size := unescape(r.document[end:])
			if size == 0 {
				return nil, r.fail(end, "a backslash begins no escape that there is")
			}
			r.scratch = utf8.AppendRune(r.scratch, character)
			end += size
			continue
		}
		size, err := r.character(end)
		if err != nil {
			return nil, err
		}
		r.scratch = append(r.scratch, r.document[end:end+size]...)
		end += size
	}
}

// character returns the size of the character at the offset, which is not plain.
func (r *JSONReader) character(offset int) (int, error) {
	if r.document[offset] < ' ' {
		return 0, r.fail(offset, "a control character is in a string")
	}
	character, size := utf8.DecodeRune(r.document[offset:])
	if character == utf8.RuneError && size == 1 {
		return 0, r.fail(offset, "a string is not UTF-8")
	}
	return size, nil
}

// unescape returns the character that the escape at the beginning of the text stands
// for, and its size, 0 if it is none. A pair of surrogates is one character, half a
// pair is U+FFFD.
func unescape(text []byte) (character rune, size int) {
	if len(text) < 2 {
		return 0, 0
	}
	switch text[1] {
	case '"', '\\', '/':
		return rune(text[1]), 2
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	}
	unit, ok := codeUnit(text)
	if !ok {
		return 0, 0
	}
	if !utf16.IsSurrogate(unit) {
		return unit, codeUnitSize
	}
	if second, ok := codeUnit(text[codeUnitSize:]); ok {
		if pair := utf16.DecodeRune(unit, second); pair != utf8.RuneError {
			return pair, 2 * codeUnitSize
		}
	}
	return utf8.RuneError, codeUnitSize
}

// codeUnitSize is the size of an escape \u12ab.
const codeUnitSize = 6

// codeUnit reads the escape of one unit of UTF-16.
func codeUnit(text []byte) (unit rune, ok bool) {
	if len(text) < codeUnitSize || text[0] != '\\' || text[1] != 'u' {
		return 0, false
	}
	for _, c := range text[2:codeUnitSize] {
		switch {
		case '0' <= c && c <= '9':
			unit = unit<<4 | rune(c-'0')
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			unit = unit<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return unit, true
}
