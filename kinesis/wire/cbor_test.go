package wire_test

import (
	"bytes"
	"encoding/hex"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/millrace-io/millrace/kinesis/wire"
)

func TestCBORGoldenBytes(t *testing.T) {
	cases := []struct {
		value any
		want  string
	}{
		{nil, "f6"},
		{true, "f5"},
		{false, "f4"},
		{int64(0), "00"},
		{int64(23), "17"},
		{int64(24), "1818"},
		{int64(255), "18ff"},
		{int64(256), "190100"},
		{int64(65536), "1a00010000"},
		{int64(1 << 32), "1b0000000100000000"},
		{int64(math.MaxInt64), "1b7fffffffffffffff"},
		{int64(-1), "20"},
		{int64(-25), "3818"},
		{int64(math.MinInt64), "3b7fffffffffffffff"},
		{1.5, "fb3ff8000000000000"},
		{"é", "62c3a9"},
		{"a\xff\xc3", "6761efbfbdefbfbd"},
		{[]byte{}, "40"},
		{[]byte("\xff\xfe"), "42fffe"},
		{time.UnixMilli(1600000000123), "c11b00000174876e807b"},
		{time.UnixMilli(-1), "c120"},
		{[]any{}, "9fff"},
		{[]any{[]any{int64(1)}, map[string]any{"a": nil}}, "9f9f01ffbf6161f6ffff"},
	}
	for _, c := range cases {
		w := new(wire.CBORWriter)
		write(w, c.value)
		if got := hex.EncodeToString(w.Bytes()); got != c.want {
			t.Errorf("%v is written as %s, want %s", c.value, got, c.want)
		}
	}
	w := new(wire.CBORWriter)
	w.Continue([]byte("frame"))
	w.TextBytes([]byte("a\xff"))
	w.TextBytes([]byte("a"))
	if got, want := string(w.Bytes()), "frame"+"\x64a\xef\xbf\xbd"+"\x61a"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	w.Reset([]byte("gone"))
	w.Null()
	if got := string(w.Bytes()); got != "\xf6" {
		t.Errorf("%q", got)
	}
}

// TestCBORExamplesOfTheRFC goes through appendix A of RFC 8949. Of what AWS does not
// use, bignums are blobs behind a tag, and simple values without a meaning are refused.
func TestCBORExamplesOfTheRFC(t *testing.T) {
	numbers := func(from, to int64) []any {
		list := []any{}
		for ; from <= to; from++ {
			list = append(list, from)
		}
		return list
	}
	object := func(members ...any) map[string]any {
		made := map[string]any{}
		for i := 0; i < len(members); i += 2 {
			made[members[i].(string)] = members[i+1]
		}
		return made
	}
	cases := []struct {
		document string
		want     any
	}{
		{"00", int64(0)},
		{"01", int64(1)},
		{"0a", int64(10)},
		{"17", int64(23)},
		{"1818", int64(24)},
		{"1819", int64(25)},
		{"1864", int64(100)},
		{"1903e8", int64(1000)},
		{"1a000f4240", int64(1000000)},
		{"1b000000e8d4a51000", int64(1000000000000)},
		{"1bffffffffffffffff", float64(18446744073709551615)},
		{"c249010000000000000000", []byte{1, 0, 0, 0, 0, 0, 0, 0, 0}},
		{"3bffffffffffffffff", float64(-18446744073709551616)},
		{"c349010000000000000000", []byte{1, 0, 0, 0, 0, 0, 0, 0, 0}},
		{"20", int64(-1)},
		{"29", int64(-10)},
		{"3863", int64(-100)},
		{"3903e7", int64(-1000)},
		{"f90000", 0.0},
		{"f98000", math.Copysign(0, -1)},
		{"f93c00", 1.0},
		{"fb3ff199999999999a", 1.1},
		{"f93e00", 1.5},
		{"f97bff", 65504.0},
		{"fa47c35000", 100000.0},
		{"fa7f7fffff", 3.4028234663852886e+38},
		{"fb7e37e43c8800759c", 1.0e+300},
		{"f90001", 5.960464477539063e-8},
		{"f90400", 0.00006103515625},
		{"f9c400", -4.0},
		{"fbc010666666666666", -4.1},
		{"f97c00", math.Inf(1)},
		{"f97e00", math.NaN()},
		{"f9fc00", math.Inf(-1)},
		{"fa7f800000", math.Inf(1)},
		{"fa7fc00000", math.NaN()},
		{"faff800000", math.Inf(-1)},
		{"fb7ff0000000000000", math.Inf(1)},
		{"fb7ff8000000000000", math.NaN()},
		{"fbfff0000000000000", math.Inf(-1)},
		{"f4", false},
		{"f5", true},
		{"f6", nil},
		{"f7", nil},
		{"c074323031332d30332d32315432303a30343a30305a", "2013-03-21T20:04:00Z"},
		{"c11a514b67b0", time.UnixMilli(1363896240).UTC()}, // AWS counts milliseconds
		{"c1fb41d452d9ec200000", time.UnixMilli(1363896240500).UTC()},
		{"d74401020304", []byte{1, 2, 3, 4}},
		{"d818456449455446", []byte{0x64, 0x49, 0x45, 0x54, 0x46}},
		{"d82076687474703a2f2f7777772e6578616d706c652e636f6d", "http://www.example.com"},
		{"40", []byte{}},
		{"4401020304", []byte{1, 2, 3, 4}},
		{"60", ""},
		{"6161", "a"},
		{"6449455446", "IETF"},
		{"62225c", "\"\\"},
		{"62c3bc", "ü"},
		{"63e6b0b4", "水"},
		{"64f0908591", "𐅑"},
		{"80", []any{}},
		{"83010203", numbers(1, 3)},
		{"8301820203820405", []any{int64(1), numbers(2, 3), numbers(4, 5)}},
		{"98190102030405060708090a0b0c0d0e0f101112131415161718181819", numbers(1, 25)},
		{"a0", object()},
		{"a26161016162820203", object("a", int64(1), "b", numbers(2, 3))},
		{"826161a161626163", []any{"a", object("b", "c")}},
		{"a56161614161626142616361436164614461656145", object("a", "A", "b", "B", "c", "C", "d", "D", "e", "E")},
		{"5f42010243030405ff", []byte{1, 2, 3, 4, 5}},
		{"7f657374726561646d696e67ff", "streaming"},
		{"9fff", []any{}},
		{"9f018202039f0405ffff", []any{int64(1), numbers(2, 3), numbers(4, 5)}},
		{"9f01820203820405ff", []any{int64(1), numbers(2, 3), numbers(4, 5)}},
		{"83018202039f0405ff", []any{int64(1), numbers(2, 3), numbers(4, 5)}},
		{"83019f0203ff820405", []any{int64(1), numbers(2, 3), numbers(4, 5)}},
		{"9f0102030405060708090a0b0c0d0e0f101112131415161718181819ff", numbers(1, 25)},
		{"bf61610161629f0203ffff", object("a", int64(1), "b", numbers(2, 3))},
		{"826161bf61626163ff", []any{"a", object("b", "c")}},
		{"bf6346756ef563416d7421ff", object("Fun", true, "Amt", int64(-2))},
	}
	for _, c := range cases {
		r := wire.NewCBORReader(fromHex(t, c.document))
		got, err := read(r, c.want)
		if err == nil {
			err = r.End()
		}
		if diff := cmp.Diff(c.want, got, cmpopts.EquateNaNs()); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got)\n%s", c.document, err, diff)
		}
	}
	for _, document := range []string{"f0", "f8ff", "f8"} { // simple values
		if err := skipAll(wire.NewCBORReader(fromHex(t, document))); !isSyntaxError(err) {
			t.Errorf("%s: %v", document, err)
		}
	}
	r := wire.NewCBORReader(fromHex(t, "a201020304")) // names that are numbers
	if err := r.Object(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.Key(); !isTypeError(err) || r.Skip() != nil {
		t.Errorf("a name that is a number: %v", err)
	}
	if err := skipAll(wire.NewCBORReader(fromHex(t, "a201020304"))); err != nil {
		t.Error(err)
	}
}

func fromHex(t *testing.T, text string) []byte {
	t.Helper()
	document, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return document
}

func TestCBORNumbersAndTimes(t *testing.T) {
	integers := []struct {
		document string
		want     int64
		fits     bool
	}{
		{"1b7fffffffffffffff", math.MaxInt64, true},
		{"1b8000000000000000", 0, false},
		{"3b7fffffffffffffff", math.MinInt64, true},
		{"3b8000000000000000", 0, false},
		{"fb4008000000000000", 3, true},
		{"fb400c000000000000", 0, false},
		{"fbc3e0000000000000", math.MinInt64, true},
		{"fb43e0000000000000", 0, false},
		{"f97e00", 0, false},
		{"f97c00", 0, false},
	}
	for _, c := range integers {
		got, err := wire.NewCBORReader(fromHex(t, c.document)).Int()
		if got != c.want || c.fits != (err == nil) || (err != nil && !isTypeError(err)) {
			t.Errorf("%s is %d, %v", c.document, got, err)
		}
	}
	times := []struct {
		document string
		want     int64
		fits     bool
	}{
		{"c11b00000174876e807b", 1600000000123, true},
		{"d9d9f7c100", 0, true},
		{"c1c100", 0, true},
		{"c120", -1, true},
		{"c1fb41d7d7840007df3b", 1600000000123, true},
		{"c1fbbf50624dd2f1a9fc", -1, true},
		{"c11b7fffffffffffffff", 0, false},
		{"c11bffffffffffffffff", 0, false},
		{"c1f97e00", 0, false},
		{"c1f97c00", 0, false},
		{"c1fb7e37e43c8800759c", 0, false},
		{"c16161", 0, false},
		{"c18101", 0, false},
		{"c1f6", 0, false},
		{"00", 0, false},
	}
	for _, c := range times {
		r := wire.NewCBORReader(fromHex(t, c.document))
		got, err := r.Time()
		if c.fits != (err == nil) || (c.fits && got.UnixMilli() != c.want) || (err != nil && !isTypeError(err)) {
			t.Errorf("%s is %v (%d), %v", c.document, got, got.UnixMilli(), err)
		}
		if err := r.End(); err != nil {
			t.Errorf("%s: %v", c.document, err)
		}
	}
}

func TestCBORRefusesWhatIsNone(t *testing.T) {
	for _, document := range []string{
		"",
		"18", "19ff", "1a000000", "1b00000000000000", // heads cut short
		"1c", "3d", "5e", "7c", "9d", "be", "dc", "fc", "fd", "fe", // reserved
		"1f", "3f", "df", "ff", // nothing has no end here, and nothing is ended
		"41", "616161", "5affffffff", "7bffffffffffffffff", // longer than the document
		"9affffffff00", "9bffffffffffffffff", "8201", "a101", "bbffffffffffffffff", "a30102030405",
		"9f", "9f01", "bf6161", "bf6161ff", "5f", "7f6161", // no break
		"5f6161ff", "7f4161ff", "5f5f4100ffff", "7f00ff", "5fc24100ff", // wrong pieces
		"61ff", "63eda080", "7f61c361a9ff", // no UTF-8
		"c1", "0000", "f800", "f818", "f814",
		strings.Repeat("81", 65) + "00",
		strings.Repeat("9f", 65) + strings.Repeat("ff", 65),
	} {
		r := wire.NewCBORReader(fromHex(t, document))
		err := skipAll(r)
		if !isSyntaxError(err) {
			t.Errorf("%s: %v", document, err)
			continue
		}
		checkSticky(t, r, err)
	}
	for _, document := range []string{strings.Repeat("81", 64) + "00", strings.Repeat("c2", 10000) + "00"} {
		if err := skipAll(wire.NewCBORReader(fromHex(t, document))); err != nil {
			t.Error(err)
		}
	}
}

// TestCBORIsThatOfAnotherLibrary: what another library writes is read, and it reads
// what is written here. It takes times by the book, as seconds.
func TestCBORIsThatOfAnotherLibrary(t *testing.T) {
	decoder, err := cbor.DecOptions{MaxNestedLevels: 100, DefaultMapType: typeOfObject, IntDec: cbor.IntDecConvertSigned}.DecMode()
	if err != nil {
		t.Fatal(err)
	}
	encoder, err := cbor.EncOptions{ShortestFloat: cbor.ShortestFloat16}.EncMode()
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		value := withoutTimes(drawDocument(t))
		w := new(wire.CBORWriter)
		write(w, value)
		var got any
		if err := decoder.Unmarshal(w.Bytes(), &got); err != nil {
			t.Fatalf("%x: %v", w.Bytes(), err)
		}
		if diff := cmp.Diff(value, got); diff != "" {
			t.Fatalf("%x is read as (-want +got)\n%s", w.Bytes(), diff)
		}

		document, err := encoder.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		got, err = read(wire.NewCBORReader(document), value)
		if diff := cmp.Diff(value, got); err != nil || diff != "" {
			t.Fatalf("%x: %v (-want +got)\n%s", document, err, diff)
		}

		moment := drawTime(t)
		w.Reset(nil)
		w.Time(moment)
		var tag cbor.RawTag
		var milliseconds int64
		if err := decoder.Unmarshal(w.Bytes(), &tag); err != nil {
			t.Fatal(err)
		}
		if err := decoder.Unmarshal(tag.Content, &milliseconds); err != nil || tag.Number != 1 || milliseconds != moment.UnixMilli() {
			t.Fatalf("%x is tag %d over %d, %v", w.Bytes(), tag.Number, milliseconds, err)
		}
	})
}

// withoutTimes makes milliseconds of the times in the value.
func withoutTimes(value any) any {
	switch v := value.(type) {
	case time.Time:
		return v.UnixMilli()
	case []any:
		for i := range v {
			v[i] = withoutTimes(v[i])
		}
	case map[string]any:
		for name := range v {
			v[name] = withoutTimes(v[name])
		}
	}
	return value
}

// TestCBORHalves compares all floating-point numbers of 16 bits with another library.
func TestCBORHalves(t *testing.T) {
	for bits := range 1 << 16 {
		document := []byte{0xf9, byte(bits >> 8), byte(bits)}
		var want float64
		if err := cbor.Unmarshal(document, &want); err != nil {
			t.Fatal(err)
		}
		got, err := wire.NewCBORReader(document).Float()
		if err != nil || math.Float64bits(got) != math.Float64bits(want) && !(math.IsNaN(got) && math.IsNaN(want)) {
			t.Fatalf("%x is %v, %v; want %v", document, got, err, want)
		}
	}
}

// TestCBORPieces: it does not matter into which pieces a blob was cut.
func TestCBORPieces(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		document, want := []byte{0x5f}, []byte{}
		for range rapid.IntRange(0, 5).Draw(t, "pieces") {
			piece := rapid.SliceOfN(rapid.Byte(), 0, 23).Draw(t, "piece")
			document = append(append(document, 0x40|byte(len(piece))), piece...)
			want = append(want, piece...)
		}
		document = append(document, 0xff)
		got, err := wire.NewCBORReader(document).Blob(nil)
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%x is %x, %v", document, got, err)
		}
	})
}
