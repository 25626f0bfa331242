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
		{int64(65535), "19ffff"},
		{int64(65536), "1a00010000"},
		{int64(1<<32 - 1), "1affffffff"},
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
		{"c1c200", 0, true},
		{"c1fb3ff004189374bc6a", 1001, true}, // 1.001, and a thousand times that is 1000.9999999999999
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
		"1c" + strings.Repeat("00", 16), "1d" + strings.Repeat("00", 32), "1e" + strings.Repeat("00", 64),
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
	if err := wire.NewCBORReader(fromHex(t, "a3010203")).Object(); !isSyntaxError(err) {
		t.Errorf("more members than bytes are noticed late: %v", err)
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
	decoder, err := cbor.DecOptions{MaxNestedLevels: 100, DefaultMapType: typeOfObject, IntDec: cbor.IntDecConvertSignedOrFail}.DecMode()
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
