package wire

import (
	"bytes"
	"strconv"
	"time"
)

// JSONReader reads a JSON document (RFC 8259, strictly: no trailing commas, no NaN,
// nothing but UTF-8). Half a surrogate pair, which the grammar allows, is read as U+FFFD.
// It implements [Reader]. The document must not change meanwhile.
type JSONReader struct {
	cursor
	// fresh is whether the innermost list or object has only been begun, so that no
	// comma stands before its next element.
	fresh bool
}

var _ Reader = (*JSONReader)(nil)

// NewJSONReader returns a reader at the beginning of the document.
func NewJSONReader(document []byte) *JSONReader {
	r := new(JSONReader)
	r.Reset(document)
	return r
}

// Reset goes to the beginning of another document and keeps the reader's memory.
func (r *JSONReader) Reset(document []byte) {
	r.reset(document)
	r.fresh = false
}

// next skips white space and returns the byte after it, which it does not consume.
func (r *JSONReader) next() (byte, error) {
	for ; r.position < len(r.document); r.position++ {
		switch c := r.document[r.position]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c, nil
		}
	}
	return 0, r.fail(len(r.document), "the document ends too early")
}

// Peek implements [Reader].
func (r *JSONReader) Peek() (Kind, error) {
	c, err := r.next()
	if err != nil {
		return 0, err
	}
	switch c {
	case '"':
		return Text, nil
	case '{':
		return Object, nil
	case '[':
		return List, nil
	case 't', 'f':
		return Bool, nil
	case 'n':
		return Null, nil
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		return Number, nil
	default:
		return 0, r.fail(r.position, "a value is expected")
	}
}

// expect returns nil if the next value is of the kind as which JSON writes what is
// wanted, and otherwise consumes the value.
func (r *JSONReader) expect(kind, want Kind) error {
	got, err := r.Peek()
	if err != nil || got == kind {
		return err
	}
	offset := r.position
	if err := r.skip(got); err != nil {
		return err
	}
	return &TypeError{Offset: offset, Want: want, Got: got}
}

// Null implements [Reader].
func (r *JSONReader) Null() error {
	if err := r.expect(Null, Null); err != nil {
		return err
	}
	return r.literal("null")
}

// Bool implements [Reader].
func (r *JSONReader) Bool() (bool, error) {
	if err := r.expect(Bool, Bool); err != nil {
		return false, err
	}
	if r.document[r.position] == 't' {
		return true, r.literal("true")
	}
	return false, r.literal("false")
}

// literal consumes the word.
func (r *JSONReader) literal(word string) error {
	rest := r.document[r.position:]
	if len(rest) < len(word) || string(rest[:len(word)]) != word {
		return r.fail(r.position, "a value is expected")
	}
	r.position += len(word)
	return nil
}

// Int implements [Reader]. It accepts 3, 3.0 and 30e-1.
func (r *JSONReader) Int() (int64, error) {
	number, offset, err := r.number(Number)
	if err != nil {
		return 0, err
	}
	value, exact, fits := number.scaled(0)
	if !exact || !fits {
		return 0, &TypeError{Offset: offset, Want: Number, Got: Number, Detail: detailNotWhole}
	}
	return value, nil
}

// Float implements [Reader].
func (r *JSONReader) Float() (float64, error) {
	number, offset, err := r.number(Number)
	if err != nil {
		return 0, err
	}
	value, err := strconv.ParseFloat(string(number.text), 64)
	if err != nil {
		return 0, &TypeError{Offset: offset, Want: Number, Got: Number, Detail: detailTooLarge}
	}
	return value, nil
}

// Time implements [Reader]. What is finer than a millisecond is rounded: clients that
// count in floating point send 1.0009999 where they mean 1.001.
func (r *JSONReader) Time() (time.Time, error) {
	number, offset, err := r.number(Time)
	if err != nil {
		return time.Time{}, err
	}
	milliseconds, _, fits := number.scaled(3)
	if t, ok := timeOf(milliseconds); ok && fits {
		return t, nil
	}
	return time.Time{}, &TypeError{Offset: offset, Want: Time, Got: Number, Detail: detailNotTime}
}

// number consumes a number and returns where it began.
func (r *JSONReader) number(want Kind) (decimal, int, error) {
	if err := r.expect(Number, want); err != nil {
		return decimal{}, 0, err
	}
	offset := r.position
	number, ok := scanDecimal(r.document[offset:])
	if !ok {
		return decimal{}, 0, r.fail(offset+len(number.text), "a digit is expected")
	}
	r.position += len(number.text)
	return number, offset, nil
}

// Text implements [Reader].
func (r *JSONReader) Text() ([]byte, error) {
	if err := r.expect(Text, Text); err != nil {
		return nil, err
	}
	return r.text()
}

// Blob implements [Reader].
func (r *JSONReader) Blob(dst []byte) ([]byte, error) {
	if err := r.expect(Text, Blob); err != nil {
		return dst, err
	}
	offset := r.position
	raw := r.document[offset+1:]
	if end := bytes.IndexByte(raw, '"'); end >= 0 {
		if decoded, ok := appendDecoded(dst, raw[:end]); ok {
			r.position += end + 2
			return decoded, nil
		}
	}
	// It is not plain base64: it may still be when its escapes are undone.
	text, err := r.text()
	if err != nil {
		return dst, err
	}
	decoded, ok := appendDecoded(dst, text)
	if !ok {
		return dst, &TypeError{Offset: offset, Want: Blob, Got: Text, Detail: detailBase64}
	}
	return decoded, nil
}

// Object implements [Reader].
func (r *JSONReader) Object() error {
	if err := r.expect(Object, Object); err != nil {
		return err
	}
	return r.begin()
}

// List implements [Reader].
func (r *JSONReader) List() error {
	if err := r.expect(List, List); err != nil {
		return err
	}
	return r.begin()
}

// begin consumes the bracket that is next.
func (r *JSONReader) begin() error {
	if r.depth == depthMax {
		return r.fail(r.position, "lists and objects are nested too deep")
	}
	r.position++
	r.depth++
	r.fresh = true
	return nil
}

// Key implements [Reader].
func (r *JSONReader) Key() (name []byte, more bool, err error) {
	if more, err = r.another('}'); !more {
		return nil, false, err
	}
	if c, err := r.next(); err != nil {
		return nil, false, err
	} else if c != '"' {
		return nil, false, r.fail(r.position, "a name in quotes is expected")
	}
	if name, err = r.text(); err != nil {
		return nil, false, err
	}
	if c, err := r.next(); err != nil {
		return nil, false, err
	} else if c != ':' {
		return nil, false, r.fail(r.position, "a colon is expected")
	}
	r.position++
	return name, true, nil
}

// More implements [Reader].
func (r *JSONReader) More() (bool, error) { return r.another(']') }

// another consumes the comma before another element, or the closing bracket.
func (r *JSONReader) another(closing byte) (bool, error) {
	c, err := r.next()
	switch {
	case err != nil:
		return false, err
	case r.depth == 0:
		return false, r.fail(r.position, "no list and no object is open")
	case c == closing:
		r.position++
		r.depth--
		r.fresh = false
		return false, nil
	case r.fresh:
		r.fresh = false
		return true, nil
	case c != ',':
		return false, r.fail(r.position, "a comma or a closing bracket is expected")
	default:
		r.position++
		return true, nil
	}
}

// Skip implements [Reader].
func (r *JSONReader) Skip() error {
	kind, err := r.Peek()
	if err != nil {
		return err
	}
	return r.skip(kind)
}

// skip consumes a value of the kind that Peek said it has. The depth limit bounds the
// recursion.
func (r *JSONReader) skip(kind Kind) (err error) {
	switch kind {
	case Null:
		return r.Null()
	case Bool:
		_, err = r.Bool()
	case Number:
		_, _, err = r.number(Number)
	case Text:
		_, err = r.text()
	case List:
		return r.skipList()
	case Object:
		return r.skipObject()
	}
	return err
}

func (r *JSONReader) skipList() error {
	if err := r.begin(); err != nil {
		return err
	}
	for {
		if more, err := r.More(); !more {
			return err
		}
		if err := r.Skip(); err != nil {
			return err
		}
	}
}

func (r *JSONReader) skipObject() error {
	if err := r.begin(); err != nil {
		return err
	}
	for {
		if _, more, err := r.Key(); !more {
			return err
		}
		if err := r.Skip(); err != nil {
			return err
		}
	}
}

// End implements [Reader].
func (r *JSONReader) End() error {
	if r.failure != nil {
		return r.failure
	}
	if r.depth > 0 {
		return r.fail(r.position, "a list or an object has no end")
	}
	rest := bytes.TrimLeft(r.document[r.position:], " \t\n\r")
	if r.position = len(r.document) - len(rest); len(rest) > 0 {
		return r.fail(r.position, "nothing is expected after the document")
	}
	return nil
}
