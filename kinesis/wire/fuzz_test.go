package wire_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/big"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/fxamacker/cbor/v2"

	"github.com/millrace-io/millrace/kinesis/wire"
)

const depthMax = 64

// FuzzJSONReader: what is accepted is what encoding/json accepts, if it is UTF-8 and not
// too deep, and is read as encoding/json reads it. Skipping and reading agree.
func FuzzJSONReader(f *testing.F) {
	for _, seed := range []string{
		`{"StreamName":"a","Records":[{"Data":"aGVsbG8=","PartitionKey":"\ud83d\ude00\u00e9\/"}],"Limit":10}`,
		`[1,-0,3.0,3e2,1.5E-3,1600000000.123,9223372036854775808,1e400,true,false,null]`,
		" {\"a\" : {\"a\":[ ] , \"b\":\"\\n\xc3\xa9\"}\t}\r\n",
		`"\ud800\u0041"`, `[1,]`, `{"a":1,}`, `01`, `NaN`, `"` + "\xff" + `"`,
		strings.Repeat("[", 64) + strings.Repeat("]", 64), strings.Repeat("[", 65) + strings.Repeat("]", 65),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		err := skipAll(wire.NewJSONReader(document))
		fine := json.Valid(document) && utf8.Valid(document) && jsonDepth(document) <= depthMax
		if fine != (err == nil) || err != nil && !isSyntaxError(err) {
			t.Fatalf("%q: %v, want it accepted: %v", document, err, fine)
		}
		r := wire.NewJSONReader(document)
		got, err := readAny(r)
		if err == nil {
			err = r.End()
		}
		if fine != (err == nil) {
			t.Fatalf("%q: %v, want it read: %v", document, err, fine)
		}
		if !fine {
			return
		}
		decoder := json.NewDecoder(bytes.NewReader(document))
		decoder.UseNumber()
		var want any
		if err := decoder.Decode(&want); err != nil {
			t.Fatal(err)
		}
		if want = numbersOf(want); !same(want, got) {
			t.Fatalf("%q is %#v, want %#v", document, got, want)
		}
	})
}

// jsonDepth returns how deep a valid document nests.
func jsonDepth(document []byte) int {
	decoder := json.NewDecoder(bytes.NewReader(document))
	decoder.UseNumber() // no number is too large
	depth, deepest := 0, 0
	for {
		token, err := decoder.Token()
		if err == io.EOF {
			return deepest
		}
		if err != nil {
			return math.MaxInt // deeper than encoding/json goes, too
		}
		switch token {
		case json.Delim('['), json.Delim('{'):
			depth++
			deepest = max(deepest, depth)
		case json.Delim(']'), json.Delim('}'):
			depth--
		}
	}
}

// number is what a reader makes of a number.
type number struct {
	Float              float64
	Int, Milliseconds  int64
	IsInt, IsTime, Big bool
}

// numbersOf replaces the numbers in what encoding/json read by what exact arithmetic
// makes of them.
func numbersOf(value any) any {
	switch v := value.(type) {
	case json.Number:
		return numberOf(string(v))
	case []any:
		for i := range v {
			v[i] = numbersOf(v[i])
		}
	case map[string]any:
		for name := range v {
			v[name] = numbersOf(v[name])
		}
	}
	return value
}

func numberOf(text string) number {
	var n number
	float, err := strconv.ParseFloat(text, 64)
	if n.Big = err != nil; !n.Big {
		n.Float = float
	}
	mantissa, exponent, _ := strings.Cut(strings.ToLower(text), "e")
	if e, err := strconv.Atoi(exponent); exponent != "" && (err != nil || e > 1000 || e < -1000) {
		// Exact arithmetic would take for ever. As long as a number has fewer digits than
		// that, it is zero, or next to nothing, or neither an integer nor a time.
		isZero := strings.Trim(mantissa, "-0.") == ""
		isTime := isZero || e < 0 || exponent[0] == '-'
		return number{Float: n.Float, Big: n.Big, IsInt: isZero, IsTime: isTime}
	}
	exact, _ := new(big.Rat).SetString(text)
	if exact.IsInt() && exact.Num().IsInt64() {
		n.Int, n.IsInt = exact.Num().Int64(), true
	}
	thousandfold := exact.Mul(exact, big.NewRat(1000, 1))
	if rounded, ok := new(big.Int).SetString(thousandfold.FloatString(0), 10); ok && rounded.IsInt64() {
		n.Milliseconds = rounded.Int64()
		n.IsTime = n.Milliseconds >= -62135596800_000 && n.Milliseconds <= 253402300799_999
	}
	if !n.IsTime {
		n.Milliseconds = 0
	}
	return n
}

// fork returns a reader at the same place.
func fork(r wire.Reader) wire.Reader {
	switch r := r.(type) {
	case *wire.JSONReader:
		copied := *r
		return &copied
	case *wire.CBORReader:
		copied := *r
		return &copied
	default:
		panic("another reader")
	}
}

// readAny reads a value as a tree.
func readAny(r wire.Reader) (any, error) {
	kind, err := r.Peek()
	if err != nil {
		return nil, err
	}
	switch kind {
	case wire.Null:
		return nil, r.Null()
	case wire.Bool:
		return r.Bool()
	case wire.Number:
		return readNumber(r)
	case wire.Text:
		text, err := r.Text()
		return string(text), err
	case wire.Blob:
		return r.Blob([]byte{})
	case wire.Time:
		moment, err := r.Time()
		if isTypeError(err) {
			return "no time", nil
		}
		return moment, err
	case wire.List:
		return readAnyList(r)
	default:
		return readAnyObject(r)
	}
}

func readNumber(r wire.Reader) (any, error) {
	var n number
	var err error
	if n.Int, err = fork(r).Int(); err == nil {
		n.IsInt = true
	} else if !isTypeError(err) {
		return nil, err
	}
	if moment, err := fork(r).Time(); err == nil {
		n.IsTime, n.Milliseconds = true, moment.UnixMilli()
	} else if !isTypeError(err) {
		return nil, err
	}
	n.Float, err = r.Float()
	if n.Big = isTypeError(err); n.Big {
		err = nil
	}
	return n, err
}

func readAnyList(r wire.Reader) (any, error) {
	if err := r.List(); err != nil {
		return nil, err
	}
	list := []any{}
	for {
		if more, err := r.More(); !more {
			return list, err
		}
		element, err := readAny(r)
		if err != nil {
			return nil, err
		}
		list = append(list, element)
	}
}

func readAnyObject(r wire.Reader) (any, error) {
	if err := r.Object(); err != nil {
		return nil, err
	}
	object := map[string]any{}
	for {
		key, more, err := r.Key()
		switch {
		case isTypeError(err): // a name that is no text
		case !more:
			return object, err
		}
		name := string(key)
		if object[name], err = readAny(r); err != nil {
			return nil, err
		}
	}
}

// FuzzCBORReader: what is accepted is well formed, what is well formed is accepted unless
// it is among what is documented as refused, and it is read as another library reads it.
func FuzzCBORReader(f *testing.F) {
	for _, seed := range []string{
		"\xbf\x6aStreamName\x61a\x67Records\x9f\xbf\x64Data\x45hello\xff\xff\xff",
		"\x83\x01\x20\xf9\x3c\x00", "\xc1\x1b\x00\x00\x01\x74\x87\x6e\x80\x7b", "\x7f\x61a\x61b\xff", "\x5f\x41a\xff",
		"\x9b\xff\xff\xff\xff\xff\xff\xff\xff", "\xa2\x01\x02\x03\x04", "\xf0", "\xf8\xff", "\x61\xff", "\x1c",
		strings.Repeat("\x81", 64) + "\x00", strings.Repeat("\x9f", 65) + strings.Repeat("\xff", 65),
	} {
		f.Add([]byte(seed))
	}
	strict, err := cbor.DecOptions{MaxNestedLevels: 65535, DefaultMapType: typeOfObject, IntDec: cbor.IntDecConvertSignedOrFail}.DecMode()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		err := skipAll(wire.NewCBORReader(document))
		if err != nil && !isSyntaxError(err) {
			t.Fatalf("%x: %v", document, err)
		}
		r := wire.NewCBORReader(document)
		got, readErr := readAny(r)
		if readErr == nil {
			readErr = r.End()
		}
		if (err == nil) != (readErr == nil) {
			t.Fatalf("%x: skipped with %v, read with %v", document, err, readErr)
		}
		wellFormed := strict.Wellformed(document)
		if err == nil && wellFormed != nil {
			t.Fatalf("%x is accepted: %v", document, wellFormed)
		}
		if wellFormed == nil && err != nil && !mayBeRefused(err) {
			t.Fatalf("%x is well formed: %v", document, err)
		}
		if err != nil {
			return
		}
		// What is read is written, and read again, also by the other library, to which
		// times would be others.
		w := new(wire.CBORWriter)
		write(w, plainNumbers(got))
		again, err := readAny(wire.NewCBORReader(w.Bytes()))
		if err != nil || !same(plainNumbers(got), plainNumbers(again)) {
			t.Fatalf("%x from %x: %v\n%#v, want %#v", w.Bytes(), document, err, again, got)
		}
		ours := withoutTimes(plainNumbers(got))
		w.Reset(nil)
		write(w, ours)
		var theirs any
		if err := strict.Unmarshal(w.Bytes(), &theirs); err != nil || !same(ours, theirs) {
			t.Fatalf("%x from %x: %v\n%#v, want %#v", w.Bytes(), document, err, theirs, ours)
		}
	})
}

// same compares two trees, in which NaN is itself. Package cmp takes twice as long for
// every level.
func same(a, b any) bool { return fmt.Sprintf("%#v", a) == fmt.Sprintf("%#v", b) }

// mayBeRefused reports whether the error is one that a well-formed document may have.
func mayBeRefused(err error) bool {
	for _, detail := range []string{"nested too deep", "not UTF-8", "a value is expected"} {
		if strings.Contains(err.Error(), detail) {
			return true
		}
	}
	return false
}

// plainNumbers makes integers of the numbers that are, and floating point of the others.
func plainNumbers(value any) any {
	switch v := value.(type) {
	case number:
		if v.IsInt {
			return v.Int
		}
		return v.Float
	case []any:
		list := []any{}
		for _, element := range v {
			list = append(list, plainNumbers(element))
		}
		return list
	case map[string]any:
		object := map[string]any{}
		for name, member := range v {
			object[name] = plainNumbers(member)
		}
		return object
	default:
		return value
	}
}
