package wire

import (
	"encoding/binary"
	"math"
	"strings"
	"time"
	"unicode/utf8"
)

// CBORWriter writes a CBOR document as AWS does: lists and objects end with a break,
// integers are as short as they can be, times are tag 1 over milliseconds. The zero
// value is ready. It implements [Writer].
type CBORWriter struct {
	buffer []byte
}

var _ Writer = (*CBORWriter)(nil)

// Bytes implements [Writer].
func (w *CBORWriter) Bytes() []byte { return w.buffer }

// Reset implements [Writer].
func (w *CBORWriter) Reset(buffer []byte) { w.buffer = buffer[:0] }

// Continue implements [Writer].
func (w *CBORWriter) Continue(buffer []byte) { w.buffer = buffer }

// head appends the head of a value, drawn at the constants of heads.
func (w *CBORWriter) head(major byte, argument uint64) {
	major <<= 5
	switch {
	case argument < lowOneByte:
		w.buffer = append(w.buffer, major|byte(argument))
	case argument <= math.MaxUint8:
		w.buffer = append(w.buffer, major|lowOneByte, byte(argument))
	case argument <= math.MaxUint16:
		w.buffer = binary.BigEndian.AppendUint16(append(w.buffer, major|(lowOneByte+1)), uint16(argument))
	case argument <= math.MaxUint32:
		w.buffer = binary.BigEndian.AppendUint32(append(w.buffer, major|(lowOneByte+2)), uint32(argument))
	default:
		w.buffer = binary.BigEndian.AppendUint64(append(w.buffer, major|lowEightBytes), argument)
	}
}

// other appends a value that is all in its first byte, or a break.
func (w *CBORWriter) other(low byte) { w.buffer = append(w.buffer, majorOther<<5|low) }

// Null implements [Writer].
func (w *CBORWriter) Null() { w.other(lowNull) }

// Bool implements [Writer].
func (w *CBORWriter) Bool(v bool) {
	if v {
		w.other(lowTrue)
	} else {
		w.other(lowFalse)
	}
}

// Int implements [Writer].
func (w *CBORWriter) Int(v int64) {
	if v < 0 {
		w.head(majorNegative, uint64(^v))
	} else {
		w.head(majorUnsigned, uint64(v))
	}
}

// Float implements [Writer]. It always takes eight bytes.
func (w *CBORWriter) Float(v float64) {
	w.other(lowDouble)
	w.buffer = binary.BigEndian.AppendUint64(w.buffer, math.Float64bits(v))
}

// Text implements [Writer].
func (w *CBORWriter) Text(v string) {
	if !utf8.ValidString(v) {
		v = valid(v)
	}
	w.head(majorText, uint64(len(v)))
	w.buffer = append(w.buffer, v...)
}

// TextBytes implements [Writer].
func (w *CBORWriter) TextBytes(v []byte) {
	if !utf8.Valid(v) {
		w.Text(string(v))
		return
	}
	w.head(majorText, uint64(len(v)))
	w.buffer = append(w.buffer, v...)
}

// valid replaces each byte that is no UTF-8, one by one as encoding/json does.
func valid(text string) string {
	var fixed strings.Builder
	for _, character := range text {
		fixed.WriteRune(character)
	}
	return fixed.String()
}

// Blob implements [Writer].
func (w *CBORWriter) Blob(v []byte) {
	w.head(majorBytes, uint64(len(v)))
	w.buffer = append(w.buffer, v...)
}

// Time implements [Writer].
func (w *CBORWriter) Time(v time.Time) {
	w.head(majorTag, tagEpoch)
	w.Int(v.UnixMilli())
}

// Object implements [Writer].
func (w *CBORWriter) Object() { w.buffer = append(w.buffer, majorMap<<5|lowIndefinite) }

// Key implements [Writer].
func (w *CBORWriter) Key(name string) { w.Text(name) }

// EndObject implements [Writer].
func (w *CBORWriter) EndObject() { w.other(lowIndefinite) }

// List implements [Writer].
func (w *CBORWriter) List() { w.buffer = append(w.buffer, majorList<<5|lowIndefinite) }

// EndList implements [Writer].
func (w *CBORWriter) EndList() { w.other(lowIndefinite) }
