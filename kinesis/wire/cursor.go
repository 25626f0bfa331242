package wire

import (
	"math"
	"time"
)

// depthMax is how deep lists and objects may nest.
const depthMax = 64

// cursor is where a reader is in its document.
type cursor struct {
	document []byte
	position int
	// depth is how many lists and objects are open.
	depth int
	// scratch holds the text that was read last if it is not in the document in one
	// piece.
	scratch []byte
	failure error
}

// Offset returns how many bytes of the document were read: where an error is.
func (c *cursor) Offset() int { return c.position }

// fail ends the document at the offset. Whoever reads on finds its end, fails too, and
// gets the first error again: no call need look for it beforehand.
func (c *cursor) fail(offset int, detail string) error {
	if c.failure == nil {
		c.failure = &SyntaxError{Offset: offset, Detail: detail}
		c.document = c.document[:offset]
		c.position, c.depth = offset, 0
	}
	return c.failure
}

// reset begins another document and keeps the scratch memory.
func (c *cursor) reset(document []byte) {
	*c = cursor{document: document, scratch: c.scratch}
}

// The times that readers accept, in milliseconds since 1970: the years 1 to 9999.
const (
	millisecondsMin = -62135596800_000
	millisecondsMax = 253402300799_999
)

// timeOf returns the time, or false if it is out of range.
func timeOf(milliseconds int64) (time.Time, bool) {
	if milliseconds < millisecondsMin || milliseconds > millisecondsMax {
		return time.Time{}, false
	}
	return time.UnixMilli(milliseconds).UTC(), true
}

// wholeOf returns the integer that the number is, or false if it is none of 64 bits.
func wholeOf(number float64) (int64, bool) {
	// The upper bound, 2^63, is the first float64 that is too large.
	if number != math.Trunc(number) || number < math.MinInt64 || number >= -math.MinInt64 {
		return 0, false
	}
	return int64(number), true
}
