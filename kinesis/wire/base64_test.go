package wire_test

import (
	"bytes"
	"encoding/base64"
	"testing"

	"pgregory.net/rapid"

	"github.com/millrace-io/millrace/kinesis/wire"
)

// guard is written around memory that must not be touched.
var guard = bytes.Repeat([]byte{0xa5}, 64)

// guarded returns memory with so many bytes of capacity, and a function that reports
// whether what is around it is as it was.
func guarded(size int) (memory []byte, intact func() bool) {
	whole := bytes.Repeat(guard[:1], size+2*len(guard))
	memory = whole[len(guard) : len(guard) : len(guard)+size]
	return memory, func() bool {
		return bytes.Equal(whole[:len(guard)], guard) && bytes.Equal(whole[len(guard)+size:], guard)
	}
}

// TestBase64IsThatOfTheStandardLibrary compares blobs in JSON with encoding/base64, with
// a byte changed too, and watches the memory around them.
func TestBase64IsThatOfTheStandardLibrary(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		data := rapid.SliceOfN(rapid.Byte(), 0, 400).Draw(t, "data")
		text := base64.StdEncoding.EncodeToString(data)
		memory, intact := guarded(len(text) + 2)
		w := new(wire.JSONWriter)
		w.Reset(memory)
		w.Blob(data)
		if got := string(w.Bytes()); got != `"`+text+`"` || !intact() {
			t.Fatalf("%x is written as %s, want %s, intact: %v", data, got, text, intact())
		}

		document := w.Bytes()
		for at := 0; at < len(text); at += rapid.IntRange(1, 40).Draw(t, "step") {
			changed := bytes.Clone(document)
			changed[1+at] = rapid.ByteRange(' ', '~').Filter(func(c byte) bool { return c != '"' && c != '\\' }).Draw(t, "byte")
			compareBlob(t, changed)
		}
		compareBlob(t, document)
	})
}

// compareBlob compares what is read with what the standard library decodes.
func compareBlob(t *rapid.T, document []byte) {
	text := document[1 : len(document)-1]
	memory, intact := guarded(base64.StdEncoding.DecodedLen(len(text)))
	got, err := wire.NewJSONReader(document).Blob(memory)
	want, wantErr := base64.StdEncoding.DecodeString(string(text))
	if (err == nil) != (wantErr == nil) || err == nil && !bytes.Equal(got, want) || !intact() {
		t.Fatalf("%s is read as %x, %v; want %x, %v; intact: %v", document, got, err, want, wantErr, intact())
	}
}
