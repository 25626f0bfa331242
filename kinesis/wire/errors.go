package wire

import "fmt"

// SyntaxError is what is no document: nothing after it can be read.
type SyntaxError struct {
	// Offset is where in the document it was noticed.
	Offset int
	// Detail is what is wrong, for people.
	Detail string
}

// Error returns "kinesis/wire: byte 17 of the document: " and the detail.
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("kinesis/wire: byte %d of the document: %s", e.Offset, e.Detail)
}

// TypeError is a value that is not what was asked for. It has been consumed, and
// reading can go on behind it.
type TypeError struct {
	// Offset is where the value begins.
	Offset int
	// Want is what was asked for, Got what is there. Both may be Number: see Detail.
	Want, Got Kind
	// Detail is why a value of a fitting kind does not fit; empty if the kind is wrong.
	Detail string
}

// Error returns the two kinds, the detail and the place.
func (e *TypeError) Error() string {
	text := fmt.Sprintf("kinesis/wire: byte %d of the document: %s where a value of kind %s is expected", e.Offset, e.Got, e.Want)
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	return text
}

// Details of a [TypeError].
const (
	detailNotWhole = "not a whole number of 64 bits"
	detailTooLarge = "beyond the range of 64-bit floating point"
	detailNotTime  = "not in the years 1 to 9999"
	detailBase64   = "not base64"
)
