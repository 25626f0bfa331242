package wire_test

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/millrace-io/millrace/kinesis/wire"
)

// numbers is a list of integers.
func numbers(from, to int64) []any {
	list := []any{}
	for ; from <= to; from++ {
		list = append(list, from)
	}
	return list
}

// object is an object of names and values in turn.
func object(members ...any) map[string]any {
	made := map[string]any{}
	for i := 0; i < len(members); i += 2 {
		made[members[i].(string)] = members[i+1]
	}
	return made
}

// examplesOfTheRFC are those of appendix A of RFC 8949. Of what AWS does not use, bignums
// are blobs behind a tag. Times are milliseconds here.
var examplesOfTheRFC = []struct {
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

// TestCBORExamplesOfTheRFC: all are read; simple values without a meaning are refused.
func TestCBORExamplesOfTheRFC(t *testing.T) {
	for _, c := range examplesOfTheRFC {
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
