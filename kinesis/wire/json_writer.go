package wire

import (
	"math"
	"strconv"
	"time"
	"unicode/utf8"
)

// JSONWriter writes a JSON document without white space. The zero value is ready. It
// implements [Writer].
type JSONWriter struct {
	buffer []byte
	// start is where in the buffer the document begins.
	start int
}

var _ Writer = (*JSONWriter)(nil)

// Bytes implements [Writer].
func (w *JSONWriter) Bytes() []byte { return w.buffer }

// Reset implements [Writer].
func (w *JSONWriter) Reset(buffer []byte) { w.Continue(buffer[:0]) }

// Continue implements [Writer].
func (w *JSONWriter) Continue(buffer []byte) { w.buffer, w.start = buffer, len(buffer) }

// separate writes the comma that belongs before an element which is not the first. No
// value and no name ends in one of these bytes, so that the last byte tells.
func (w *JSONWriter) separate() {
	if len(w.buffer) == w.start {
		return
	}
	switch w.buffer[len(w.buffer)-1] {
	case '{', '[', ':':
	default:
		w.buffer = append(w.buffer, ',')
	}
}

// Null implements [Writer].
func (w *JSONWriter) Null() {
	w.separate()
	w.buffer = append(w.buffer, "null"...)
}

// Bool implements [Writer].
func (w *JSONWriter) Bool(v bool) {
	w.separate()
	w.buffer = strconv.AppendBool(w.buffer, v)
}

// Int implements [Writer].
func (w *JSONWriter) Int(v int64) {
	w.separate()
	w.buffer = strconv.AppendInt(w.buffer, v, 10)
}

// Float implements [Writer]. There is no exponent: some clients cannot read one. What
// is not finite becomes a text, "NaN", "Infinity" or "-Infinity", as AWS has it.
func (w *JSONWriter) Float(v float64) {
	switch {
	case math.IsNaN(v):
		w.Text("NaN")
	case math.IsInf(v, 1):
		w.Text("Infinity")
	case math.IsInf(v, -1):
		w.Text("-Infinity")
	default:
		w.separate()
		w.buffer = strconv.AppendFloat(w.buffer, v, 'f', -1, 64)
	}
}

// Text implements [Writer].
func (w *JSONWriter) Text(v string) { w.TextBytes([]byte(v)) }

// TextBytes implements [Writer].
func (w *JSONWriter) TextBytes(v []byte) {
	w.separate()
	w.buffer = append(w.buffer, '"')
	for {
		plain := plainPrefix(v)
		w.buffer = append(w.buffer, v[:plain]...)
		if v = v[plain:]; len(v) == 0 {
			break
		}
		character, size := utf8.DecodeRune(v)
		w.character(character, v[:size])
		v = v[size:]
	}
	w.buffer = append(w.buffer, '"')
}

// character appends a character that is not plain, given with its bytes.
func (w *JSONWriter) character(character rune, v []byte) {
	const hex = "0123456789abcdef"
	switch {
	case character == utf8.RuneError && len(v) == 1:
		w.buffer = append(w.buffer, `\ufffd`...)
	case character == '\u2028' || character == '\u2029': // they end a line in old JavaScript
		w.buffer = append(w.buffer, `\u202`...)
		w.buffer = append(w.buffer, hex[character&0xf])
	case character >= utf8.RuneSelf:
		w.buffer = append(w.buffer, v...)
	case character == '"' || character == '\\':
		w.buffer = append(w.buffer, '\\', v[0])
	case character == '\b':
		w.buffer = append(w.buffer, `\b`...)
	case character == '\f':
		w.buffer = append(w.buffer, `\f`...)
	case character == '\n':
		w.buffer = append(w.buffer, `\n`...)
	case character == '\r':
		w.buffer = append(w.buffer, `\r`...)
	case character == '\t':
		w.buffer = append(w.buffer, `\t`...)
	default:
		w.buffer = append(w.buffer, `\u00`...)
		w.buffer = append(w.buffer, hex[v[0]>>4], hex[v[0]&0xf])
	}
}

// Blob implements [Writer].
func (w *JSONWriter) Blob(v []byte) {
	w.separate()
	w.buffer = append(w.buffer, '"')
	w.buffer = appendEncoded(w.buffer, v)
	w.buffer = append(w.buffer, '"')
}

// Time implements [Writer]: seconds, and as many of three decimals as are not zero.
func (w *JSONWriter) Time(v time.Time) {
	w.separate()
	milliseconds := v.UnixMilli()
	if milliseconds < 0 {
		w.buffer = append(w.buffer, '-')
		milliseconds = -milliseconds
	}
	w.buffer = strconv.AppendInt(w.buffer, milliseconds/1000, 10)
	fraction := milliseconds % 1000
	if fraction == 0 {
		return
	}
	w.buffer = append(w.buffer, '.', byte('0'+fraction/100))
	if fraction %= 100; fraction != 0 {
		w.buffer = append(w.buffer, byte('0'+fraction/10))
	}
	if fraction %= 10; fraction != 0 {
		w.buffer = append(w.buffer, byte('0'+fraction))
	}
}

// Object implements [Writer].
func (w *JSONWriter) Object() {
	w.separate()
	w.buffer = append(w.buffer, '{')
}

// Key implements [Writer].
func (w *JSONWriter) Key(name string) {
	w.Text(name)
	w.buffer = append(w.buffer, ':')
}

// EndObject implements [Writer].
func (w *JSONWriter) EndObject() { w.buffer = append(w.buffer, '}') }

// List implements [Writer].
func (w *JSONWriter) List() {
	w.separate()
	w.buffer = append(w.buffer, '[')
}

// EndList implements [Writer].
func (w *JSONWriter) EndList() { w.buffer = append(w.buffer, ']') }
