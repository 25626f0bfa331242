package wire_test

import (
	"errors"
	"testing"

	"github.com/millrace-io/millrace/kinesis/wire"
)

// TestAnotherKindIsConsumed: whatever is asked for where something else is, reading
// goes on behind it.
func TestAnotherKindIsConsumed(t *testing.T) {
	asks := map[wire.Kind]func(r wire.Reader) error{
		wire.Null:   func(r wire.Reader) error { return r.Null() },
		wire.Bool:   func(r wire.Reader) error { _, err := r.Bool(); return err },
		wire.Number: func(r wire.Reader) error { _, err := r.Float(); return err },
		wire.Text:   func(r wire.Reader) error { _, err := r.Text(); return err },
		wire.Blob:   func(r wire.Reader) error { _, err := r.Blob(nil); return err },
		wire.Time:   func(r wire.Reader) error { _, err := r.Time(); return err },
		wire.List:   func(r wire.Reader) error { return r.List() },
		wire.Object: func(r wire.Reader) error { return r.Object() },
	}
	documents := map[string]map[wire.Kind]string{
		"JSON": {
			wire.Null: "null", wire.Bool: "true", wire.Number: "1.5", wire.Text: `"te\u0078t"`,
			wire.List: `[1,[2],{"a":3}]`, wire.Object: `{"a":{"b":[]},"c":1}`,
		},
		"CBOR": {
			wire.Null: "\xf6", wire.Bool: "\xf5", wire.Number: "\x19\x01\x00", wire.Text: "\x7f\x61a\x60\xff", wire.Blob: "\x5f\x41\x00\xff",
			wire.Time: "\xc1\x1b\x00\x00\x01\x74\x87\x6e\x80\x7b", wire.List: "\x83\x01\x9f\xff\xa1\x01\x02", wire.Object: "\xbf\x61a\x01\x42bb\xf6\xff",
		},
	}
	for _, encoding := range encodings {
		for got, document := range documents[encoding.name] {
			for want, ask := range asks {
				fits := got == want || encoding.name == "JSON" && got == wire.Number && want == wire.Time
				if fits || encoding.name == "JSON" && got == wire.Text && want == wire.Blob {
					continue
				}
				r := encoding.reader([]byte(document))
				kind, err := r.Peek()
				if err != nil || kind != got {
					t.Fatalf("%s %q is %v, %v", encoding.name, document, kind, err)
				}
				err = ask(r)
				var mismatch *wire.TypeError
				if !errors.As(err, &mismatch) || *mismatch != (wire.TypeError{Want: want, Got: got}) {
					t.Errorf("%s %q as %v: %v", encoding.name, document, want, err)
				}
				if err := r.End(); err != nil || r.Offset() != len(document) {
					t.Errorf("%s %q as %v is not consumed: %v", encoding.name, document, want, err)
				}
			}
		}
	}
}

// TestCallsOutOfPlace: what a caller may do wrong is an error as well.
func TestCallsOutOfPlace(t *testing.T) {
	documents := map[string][2]string{"JSON": {"}", "[1]"}, "CBOR": {"\xff", "\x81\x01"}}
	for _, encoding := range encodings {
		if _, more, err := encoding.reader([]byte(documents[encoding.name][0])).Key(); more || !isSyntaxError(err) {
			t.Errorf("%s: a name outside of an object: %v", encoding.name, err)
		}
		if more, err := encoding.reader([]byte(documents[encoding.name][0])).More(); more || !isSyntaxError(err) {
			t.Errorf("%s: an element outside of a list: %v", encoding.name, err)
		}
		r := encoding.reader([]byte(documents[encoding.name][1]))
		if err := r.List(); err != nil {
			t.Fatal(err)
		}
		if err := r.End(); !isSyntaxError(err) {
			t.Errorf("%s: the end of an open list: %v", encoding.name, err)
		}
	}
}

func TestErrorTexts(t *testing.T) {
	cases := []struct {
		err  error
		want string
	}{
		{&wire.SyntaxError{Offset: 7, Detail: "a colon is expected"}, "kinesis/wire: byte 7 of the document: a colon is expected"},
		{&wire.TypeError{Offset: 7, Want: wire.Blob, Got: wire.List}, "kinesis/wire: byte 7 of the document: list where a value of kind blob is expected"},
		{
			&wire.TypeError{Want: wire.Number, Got: wire.Number, Detail: "not a whole number of 64 bits"},
			"kinesis/wire: byte 0 of the document: number where a value of kind number is expected: not a whole number of 64 bits",
		},
		{&wire.TypeError{Want: 99}, "kinesis/wire: byte 0 of the document: null where a value of kind unknown is expected"},
	}
	for _, c := range cases {
		if got := c.err.Error(); got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
}
