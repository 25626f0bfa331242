package wire

import "time"

// Kind is what a value in a document is.
type Kind uint8

// The kinds. JSON has no Blob and no Time: a blob is Text there, a time a Number.
const (
	Null Kind = iota
	Bool
	Number
	Text
	Blob
	Time
	List
	Object
)

// kindNames holds the text of each kind, indexed by it.
var kindNames = [...]string{"null", "boolean", "number", "text", "blob", "time", "list", "object"}

// String returns the kind as error texts have it.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "unknown"
}

// Reader pulls one document apart, value by value, in the order in which it is
// written. It keeps no tree and copies nothing that it need not.
//
// Every method that returns a value consumes it. A value of another kind than was
// asked for is a [*TypeError] and is consumed as well, so that reading can go on; what
// is no document at all is a [*SyntaxError], after which every call returns it again.
// Not safe for concurrent use.
type Reader interface {
	// Peek returns the kind of the next value and consumes nothing.
	Peek() (Kind, error)
	// Null consumes a null.
	Null() error
	// Bool returns a boolean.
	Bool() (bool, error)
	// Int returns a number that is whole and fits.
	Int() (int64, error)
	// Float returns a number.
	Float() (float64, error)
	// Text returns a string, valid UTF-8. It lies in the document or in the reader's
	// memory: it is good until the next call.
	Text() ([]byte, error)
	// Blob appends binary data to dst: a byte string, or base64 in JSON. With an error
	// it returns dst as it was.
	Blob(dst []byte) ([]byte, error)
	// Time returns a time in UTC, to the millisecond: seconds with a fraction in JSON,
	// tag 1 over milliseconds in CBOR. It lies in the years 1 to 9999.
	Time() (time.Time, error)
	// Object begins an object. [Reader.Key] then yields its members.
	Object() error
	// Key returns the name of the next member, good until the next call, or false
	// at the end of the object, which is consumed by that.
	Key() (name []byte, more bool, err error)
	// List begins a list. [Reader.More] then says whether there is another element.
	List() error
	// More reports whether the list has another element, and consumes its end if not.
	More() (bool, error)
	// Skip consumes a value of any kind with all that is in it.
	Skip() error
	// End returns nil if nothing follows but white space.
	End() error
	// Offset is how many bytes of the document were read: where an error is.
	Offset() int
}

// Writer appends one document to a buffer. It does not check that calls make a
// document: its callers are tables and tests. Not safe for concurrent use.
type Writer interface {
	Null()
	Bool(v bool)
	Int(v int64)
	Float(v float64)
	// Text appends a string. What is no UTF-8 is replaced as encoding/json does.
	Text(v string)
	// TextBytes is Text of bytes.
	TextBytes(v []byte)
	// Blob appends binary data: a byte string, or base64 in JSON.
	Blob(v []byte)
	// Time appends a time with milliseconds.
	Time(v time.Time)
	// Object begins an object and EndObject ends it; Key names the member that the
	// next value is.
	Object()
	Key(name string)
	EndObject()
	// List begins a list and EndList ends it.
	List()
	EndList()
	// Bytes returns what was written. It is good until the next call.
	Bytes() []byte
	// Reset forgets what was written and goes on in buffer[:0].
	Reset(buffer []byte)
	// Continue forgets what was written and appends the next document to buffer, whose
	// content Bytes returns as well: so a document is written straight into a frame.
	Continue(buffer []byte)
}
