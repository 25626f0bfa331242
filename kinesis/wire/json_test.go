package wire_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/millrace-io/millrace/kinesis/wire"
)

func TestJSONGoldenBytes(t *testing.T) {
	cases := []struct {
		value any
		want  string
	}{
		{nil, `null`},
		{true, `true`},
		{int64(math.MinInt64), `-9223372036854775808`},
		{0.1, `0.1`},
		{1e21, `1000000000000000000000`},
		{1e-7, `0.0000001`},
		{math.Inf(-1), `"-Infinity"`},
		{"a\"\\/<&>\b\f\n\r\t\x00\x1f\x7f", `"a\"\\/<&>\b\f\n\r\t\u0000\u001f` + "\x7f" + `"`},
		{"é😀\u2028\xff\xc3", `"é😀\u2028\ufffd\ufffd"`},
		{[]byte("\xff\xfe"), `"//4="`},
		{[]byte{}, `""`},
		{time.UnixMilli(1600000000123), `1600000000.123`},
		{time.UnixMilli(1600000000120), `1600000000.12`},
		{time.UnixMilli(1600000000100), `1600000000.1`},
		{time.UnixMilli(1600000000003), `1600000000.003`},
		{time.UnixMilli(1600000000000), `1600000000`},
		{time.UnixMilli(-1), `-0.001`},
		{time.UnixMilli(-1500), `-1.5`},
		{[]any{}, `[]`},
		{[]any{[]any{}, map[string]any{}, ",", "{", "[", ":", int64(1)}, `[[],{},",","{","[",":",1]`},
		{map[string]any{"a": []any{nil, map[string]any{"": "x"}}}, `{"a":[null,{"":"x"}]}`},
	}
	for _, c := range cases {
		w := new(wire.JSONWriter)
		write(w, c.value)
		if got := string(w.Bytes()); got != c.want {
			t.Errorf("%v is written as %s, want %s", c.value, got, c.want)
		}
	}
}

// TestJSONOfMembers: commas stand where they belong, also after what stood in the
// buffer before.
func TestJSONOfMembers(t *testing.T) {
	w := new(wire.JSONWriter)
	for _, before := range []string{"", "{", "frame,"} {
		w.Continue([]byte(before))
		w.Object()
		w.Key("a")
		w.List()
		w.EndList()
		w.Key("b")
		w.TextBytes([]byte("x"))
		w.EndObject()
		if got, want := string(w.Bytes()), before+`{"a":[],"b":"x"}`; got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	w.Reset([]byte("gone"))
	w.Null()
	if got := string(w.Bytes()); got != "null" {
		t.Errorf("%s", got)
	}
}

// TestJSONIsThatOfTheStandardLibrary compares the writer with encoding/json.
func TestJSONIsThatOfTheStandardLibrary(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := any(drawDocument(t))
		w := new(wire.JSONWriter)
		write(w, value)
		var got any
		if err := json.Unmarshal(w.Bytes(), &got); err != nil {
			t.Fatalf("%q: %v", w.Bytes(), err)
		}
		if diff := cmp.Diff(plain(value), got); diff != "" {
			t.Fatalf("%q is read as (-want +got)\n%s", w.Bytes(), diff)
		}

		text := string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")) + drawText(t, "text")
		w.Reset(nil)
		w.Text(text)
		var want bytes.Buffer
		standard := json.NewEncoder(&want)
		standard.SetEscapeHTML(false)
		if err := standard.Encode(text); err != nil {
			t.Fatal(err)
		}
		if got, want := string(w.Bytes()), strings.TrimSuffix(want.String(), "\n"); got != want {
			t.Fatalf("%q is written as %s, want %s", text, got, want)
		}
	})
}

func TestJSONNumbers(t *testing.T) {
	zeros := strings.Repeat("0", 1000)
	cases := []struct {
		document string
		want     int64
		fits     bool
	}{
		{"3", 3, true},
		{"-3.0", -3, true},
		{"3e2", 300, true},
		{"3E+2", 300, true},
		{"30e-1", 3, true},
		{"-0", 0, true},
		{"1.5e1", 15, true},
		{"9223372036854775807", math.MaxInt64, true},
		{"9223372036854775808", 0, false},
		{"-9223372036854775808", math.MinInt64, true},
		{"-9223372036854775809", 0, false},
		{"9223372036854775807.0", math.MaxInt64, true},
		{"9223372036854775807.5", 0, false},
		{"0.9223372036854775807e19", math.MaxInt64, true},
		{"3.5", 0, false},
		{"1e-1", 0, false},
		{"1e19", 0, false},
		{"1e99999999999999999999", 0, false},
		{"1e-99999999999999999999", 0, false},
		{"0e99999999999999999999", 0, true},
		{"1" + zeros + "e-1000", 1, true},
		{"0." + zeros + "1e1001", 1, true},
	}
	for _, c := range cases {
		r := wire.NewJSONReader([]byte(c.document))
		got, err := r.Int()
		if c.fits != (err == nil) || got != c.want || (err != nil && !isTypeError(err)) {
			t.Errorf("%.40s is %d, %v; want %d, fits %v", c.document, got, err, c.want, c.fits)
		}
		if err := r.End(); err != nil {
			t.Errorf("%.40s: %v", c.document, err)
		}
	}
}

func TestJSONTimes(t *testing.T) {
	cases := []struct {
		document string
		want     int64
		fits     bool
	}{
		{"1600000000.123", 1600000000123, true},
		{"1600000000", 1600000000000, true},
		{"1.600000000123E9", 1600000000123, true},
		{"1600000000123e-3", 1600000000123, true},
		{"1600000000.1229999", 1600000000123, true},
		{"1600000000.1225", 1600000000123, true},
		{"1600000000.1224999999", 1600000000122, true},
		{"-0.0005", -1, true},
		{"-0.0004", 0, true},
		{"253402300799.999", 253402300799999, true},
		{"253402300799.9995", 0, false},
		{"-62135596800", -62135596800000, true},
		{"-62135596800.001", 0, false},
		{"1e300", 0, false},
		{"9223372036854775.8075", 0, false},
	}
	for _, c := range cases {
		got, err := wire.NewJSONReader([]byte(c.document)).Time()
		if c.fits != (err == nil) || (c.fits && got.UnixMilli() != c.want) || (err != nil && !isTypeError(err)) {
			t.Errorf("%s is %v, %v; want %d, fits %v", c.document, got, err, c.want, c.fits)
		}
	}
}

func TestJSONTexts(t *testing.T) {
	cases := []struct{ document, want string }{
		{`"plain"`, "plain"},
		{`"é😀 and more than eight bytes"`, "é😀 and more than eight bytes"},
		{`"\"\\\/\b\f\n\r\t"`, "\"\\/\b\f\n\r\t"},
		{`"\u0041\u00e9\uD83D\ude00!"`, "Aé😀!"},
		{`"\ud83d"`, "\ufffd"},
		{`"\ud83d\u0041"`, "\ufffdA"},
		{`"\ude00\ud83d\ude00"`, "\ufffd😀"},
		{`"\ud83dx\ude00"`, "\ufffdx\ufffd"},
		{`"a\nb"`, "a\nb"},
		{`"é\n😀\té"`, "é\n😀\té"},
	}
	for _, c := range cases {
		got, err := wire.NewJSONReader([]byte(c.document)).Text()
		if err != nil || string(got) != c.want {
			t.Errorf("%s is %q, %v; want %q", c.document, got, err, c.want)
		}
	}
}

func TestJSONBlobs(t *testing.T) {
	cases := []struct {
		document, want string
		fine           bool
	}{
		{`"aGVsbG8="`, "hello", true},
		{`""`, "", true},
		{`"\u0061GVsbG8="`, "hello", true},
		{`"\/\/4="`, "\xff\xfe", true},
		{`"aGVsbG8"`, "", false},
		{`"aGVs\nbG8="`, "", false},
		{`"aGVs\n"`, "", false},
		{`"____"`, "", false},
		{`"a"`, "", false},
		{`"="`, "", false},
		{`7`, "", false},
	}
	for _, c := range cases {
		r := wire.NewJSONReader([]byte(c.document))
		got, err := r.Blob([]byte("before "))
		if string(got) != "before "+c.want || c.fine != (err == nil) || (err != nil && !isTypeError(err)) {
			t.Errorf("%s is %q, %v", c.document, got, err)
		}
		if err := r.End(); err != nil {
			t.Errorf("%s: %v", c.document, err)
		}
	}
	for _, document := range []string{"\"aGVs\nbG8=\"", "\"aGVs\n\n\n\nbG8=\"", "\"aGVs\n\"", `"aGVsbG8=`, "\"\xff\"", `"\x"`} {
		if got, err := wire.NewJSONReader([]byte(document)).Blob(nil); !isSyntaxError(err) {
			t.Errorf("%q is %q, %v", document, got, err)
		}
	}
}

func TestJSONRefusesWhatIsNone(t *testing.T) {
	cases := []struct {
		document string
		offset   int
	}{
		{"", 0},
		{" ", 1},
		{"[1,]", 3},
		{"[,1]", 1},
		{"[1 2]", 3},
		{"[1", 2},
		{"]", 0},
		{"[}", 1},
		{"{]", 1},
		{`{"a":1,}`, 7},
		{`{"a" 1}`, 5},
		{`{"a":}`, 5},
		{`{a:1}`, 1},
		{`{1:1}`, 1},
		{"nul", 0},
		{"nulL", 0},
		{"truth", 0},
		{"NaN", 0},
		{"-Infinity", 1},
		{"+1", 0},
		{"01", 1},
		{".5", 0},
		{"1.", 2},
		{"1.e1", 2},
		{"1e", 2},
		{"1e+", 3},
		{"-", 1},
		{"0x1", 1},
		{"1 2", 2},
		{"'a'", 0},
		{"\"a\tb\"", 2},
		{"\"a\\x\"", 2},
		{`"\u12g4"`, 1},
		{`"\u123"`, 1},
		{`"\`, 1},
		{`"abc`, 4},
		{`"\n`, 3},
		{"\"\\n\xff\"", 3},
		{"\"\\n\x01\"", 3},
		{"\"\xed\xa0\x80\"", 1},
		{"\"\xc0\x80\"", 1},
		{"\ufeff1", 0},
		{"\v1", 0},
		{"1\x00", 1},
		{strings.Repeat("[", 65) + strings.Repeat("]", 65), 64},
	}
	for _, c := range cases {
		r := wire.NewJSONReader([]byte(c.document))
		err := skipAll(r)
		if !isSyntaxError(err) || r.Offset() != c.offset {
			t.Errorf("%q: %v at %d, want %d", c.document, err, r.Offset(), c.offset)
		}
		checkSticky(t, r, err)
	}
	deepest := strings.Repeat(`[{"":`, 32) + "0" + strings.Repeat("}]", 32)
	if err := skipAll(wire.NewJSONReader([]byte(deepest))); err != nil {
		t.Error(err)
	}
}

// checkSticky wants every call to return the error again.
func checkSticky(t *testing.T, r wire.Reader, want error) {
	t.Helper()
	_, peek := r.Peek()
	_, boolean := r.Bool()
	_, integer := r.Int()
	_, float := r.Float()
	_, text := r.Text()
	_, blob := r.Blob(nil)
	_, moment := r.Time()
	_, more, key := r.Key()
	another, list := r.More()
	for _, err := range []error{peek, boolean, integer, float, text, blob, moment, key, list, r.Null(), r.Object(), r.List(), r.Skip(), r.End()} {
		if !errors.Is(err, want) || more || another {
			t.Errorf("%v after %v", err, want)
		}
	}
}
