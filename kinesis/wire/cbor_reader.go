package wire

import (
	"math"
	"time"
	"unicode/utf8"
)

// CBORReader reads a CBOR document (RFC 8949) as AWS writes and accepts it. Tags other
// than that of times are passed over; simple values without a meaning are refused. A
// name that is no text is a [*TypeError] of Key, and its value comes next. It implements
// [Reader]. The document must not change meanwhile.
type CBORReader struct {
	cursor
	// left is how many elements or members each open list and object still has.
	left [depthMax]int
}

// untilBreak in left is a list or object that ends with a break.
const untilBreak = -1

var _ Reader = (*CBORReader)(nil)

// NewCBORReader returns a reader at the beginning of the document.
func NewCBORReader(document []byte) *CBORReader {
	r := new(CBORReader)
	r.Reset(document)
	return r
}

// Reset goes to the beginning of another document and keeps the reader's memory.
func (r *CBORReader) Reset(document []byte) { r.reset(document) }

// Peek implements [Reader].
func (r *CBORReader) Peek() (Kind, error) {
	start := r.position
	h, err := r.head()
	if err != nil {
		return 0, err
	}
	r.position = start
	return h.kind, nil
}

// expect consumes the head of a value of the kind, or a whole value of another kind.
func (r *CBORReader) expect(want Kind) (head, error) {
	h, err := r.head()
	if err != nil || h.kind == want {
		return h, err
	}
	if err := r.skip(h); err != nil {
		return h, err
	}
	return h, &TypeError{Offset: h.offset, Want: want, Got: h.kind}
}

// Null implements [Reader]. Undefined is null.
func (r *CBORReader) Null() error {
	_, err := r.expect(Null)
	return err
}

// Bool implements [Reader].
func (r *CBORReader) Bool() (bool, error) {
	h, err := r.expect(Bool)
	return err == nil && h.low() == lowTrue, err
}

// Int implements [Reader]. It accepts floating point if it is whole.
func (r *CBORReader) Int() (int64, error) {
	h, err := r.expect(Number)
	if err != nil {
		return 0, err
	}
	value, ok := h.whole()
	if !ok {
		return 0, &TypeError{Offset: h.offset, Want: Number, Got: Number, Detail: detailNotWhole}
	}
	return value, nil
}

// Float implements [Reader]. It need not be finite.
func (r *CBORReader) Float() (float64, error) {
	h, err := r.expect(Number)
	if err != nil {
		return 0, err
	}
	return h.float(), nil
}

// Time implements [Reader]: milliseconds as an integer, or seconds in floating point,
// which are rounded to milliseconds.
func (r *CBORReader) Time() (time.Time, error) {
	h, err := r.expect(Time)
	if err != nil {
		return time.Time{}, err
	}
	if bare, _ := h.bareKind(); bare != Number {
		if err := r.skip(h); err != nil {
			return time.Time{}, err
		}
		return time.Time{}, &TypeError{Offset: h.offset, Want: Time, Got: bare}
	}
	milliseconds, ok := h.whole()
	if h.isFloat() {
		milliseconds, ok = wholeOf(math.Round(h.float() * 1000))
	}
	if t, inRange := timeOf(milliseconds); ok && inRange {
		return t, nil
	}
	return time.Time{}, &TypeError{Offset: h.offset, Want: Time, Got: Time, Detail: detailNotTime}
}

// Text implements [Reader].
func (r *CBORReader) Text() ([]byte, error) {
	h, err := r.expect(Text)
	if err != nil {
		return nil, err
	}
	if !h.indefinite() {
		return r.text(h)
	}
	r.scratch = r.scratch[:0]
	for {
		piece, more, err := r.piece(h)
		switch {
		case err != nil:
			return nil, err
		case !more:
			return r.scratch, nil
		}
		r.scratch = append(r.scratch, piece...)
	}
}

// Blob implements [Reader].
func (r *CBORReader) Blob(dst []byte) ([]byte, error) {
	h, err := r.expect(Blob)
	if err != nil {
		return dst, err
	}
	if !h.indefinite() {
		content, err := r.content(h)
		return append(dst, content...), err
	}
	for joined := dst; ; {
		piece, more, err := r.piece(h)
		switch {
		case err != nil:
			return dst, err
		case !more:
			return joined, nil
		}
		joined = append(joined, piece...)
	}
}

// content consumes the bytes of a string whose length is in its head.
func (r *CBORReader) content(h head) ([]byte, error) {
	rest := r.document[r.position:]
	if h.argument > uint64(len(rest)) {
		return nil, r.fail(h.offset, "a string is longer than the document")
	}
	r.position += int(h.argument)
	return rest[:h.argument:h.argument], nil
}

// text is content of a text.
func (r *CBORReader) text(h head) ([]byte, error) {
	content, err := r.content(h)
	if err != nil {
		return nil, err
	}
	if !utf8.Valid(content) {
		return nil, r.fail(h.offset, "a text is not UTF-8")
	}
	return content, nil
}

// piece consumes a piece of a string that a break ends. Each is a string of the same
// kind that knows its length, and a text is cut between characters.
func (r *CBORReader) piece(whole head) (content []byte, more bool, err error) {
	h, err := r.bareHead()
	switch {
	case err != nil:
		return nil, false, err
	case h.major() == majorOther && h.indefinite():
		return nil, false, nil
	case h.major() != whole.major() || h.indefinite():
		return nil, false, r.fail(h.offset, "a string in pieces has a piece of another kind")
	case h.major() == majorText:
		content, err = r.text(h)
	default:
		content, err = r.content(h)
	}
	return content, err == nil, err
}

// Object implements [Reader].
func (r *CBORReader) Object() error {
	h, err := r.expect(Object)
	if err != nil {
		return err
	}
	return r.begin(h, 2)
}

// List implements [Reader].
func (r *CBORReader) List() error {
	h, err := r.expect(List)
	if err != nil {
		return err
	}
	return r.begin(h, 1)
}

// begin opens the list or object, each of whose elements consists of so many values.
func (r *CBORReader) begin(h head, values int) error {
	left := untilBreak
	if !h.indefinite() {
		// A value has a byte at least: what cannot be there is refused at once.
		if h.argument > uint64((len(r.document)-r.position)/values) {
			return r.fail(h.offset, "a list or an object is longer than the document")
		}
		left = int(h.argument)
	}
	if r.depth == depthMax {
		return r.fail(h.offset, "lists and objects are nested too deep")
	}
	r.left[r.depth] = left
	r.depth++
	return nil
}

// Key implements [Reader].
func (r *CBORReader) Key() (name []byte, more bool, err error) {
	if more, err = r.More(); !more {
		return nil, false, err
	}
	name, err = r.Text()
	return name, err == nil, err
}

// More implements [Reader].
func (r *CBORReader) More() (bool, error) {
	if r.depth == 0 {
		return false, r.fail(r.position, "no list and no object is open")
	}
	left := &r.left[r.depth-1]
	switch {
	case *left > 0:
		*left--
		return true, nil
	case *left == untilBreak && r.position == len(r.document):
		return false, r.fail(r.position, "the document ends too early")
	case *left == untilBreak && r.document[r.position] != byteBreak:
		return true, nil
	case *left == untilBreak:
		r.position++
	}
	r.depth--
	return false, nil
}

// Skip implements [Reader].
func (r *CBORReader) Skip() error {
	h, err := r.head()
	if err != nil {
		return err
	}
	return r.skip(h)
}

// skip consumes what follows the head of a value. The depth limit bounds the recursion.
func (r *CBORReader) skip(h head) error {
	values := 1
	switch h.major() {
	case majorBytes, majorText:
		return r.skipString(h)
	case majorList:
	case majorMap:
		values = 2 // a name may be anything here
	default:
		return nil
	}
	if err := r.begin(h, values); err != nil {
		return err
	}
	for {
		if more, err := r.More(); !more {
			return err
		}
		for range values {
			if err := r.Skip(); err != nil {
				return err
			}
		}
	}
}

// skipString is skip of a text or blob.
func (r *CBORReader) skipString(h head) (err error) {
	more := h.indefinite()
	switch {
	case !more && h.major() == majorText:
		_, err = r.text(h)
	case !more:
		_, err = r.content(h)
	}
	for more && err == nil {
		_, more, err = r.piece(h)
	}
	return err
}

// End implements [Reader].
func (r *CBORReader) End() error {
	switch {
	case r.failure != nil:
		return r.failure
	case r.depth > 0:
		return r.fail(r.position, "a list or an object has no end")
	case r.position < len(r.document):
		return r.fail(r.position, "nothing is expected after the document")
	default:
		return nil
	}
}
