package record_test

import (
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/record"
)

func drawSequenceNumber(t *rapid.T) record.SequenceNumber {
	return record.SequenceNumber{
		ShardCreated: rapid.Int64Range(0, 1<<36-1).Draw(t, "created"),
		Shard:        record.ShardID(rapid.Uint32().Draw(t, "shard")),
		Index:        rapid.Uint64Range(0, record.IndexMax).Draw(t, "index"),
		Arrival:      rapid.Int64Range(0, 1<<36-1).Draw(t, "arrival"),
	}
}

// hexadecimal is the documented layout, written down the slow way.
func hexadecimal(n record.SequenceNumber) string {
	return fmt.Sprintf("2%09x%x%016x00%09x%08x2", n.ShardCreated, uint32(n.Shard)&0xf, n.Index, n.Arrival, uint32(n.Shard))
}

func TestSequenceNumberLayout(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := drawSequenceNumber(t)
		want, _ := new(big.Int).SetString(hexadecimal(n), 16)
		got := n.String()
		if got != want.String() {
			t.Fatalf("%+v renders as %s, want %s", n, got, want)
		}
		if len(got) != 56 {
			t.Fatalf("%d digits", len(got))
		}
		parsed, err := record.ParseSequenceNumber(got)
		if err != nil || parsed != n {
			t.Fatalf("%s parses to %+v, %v; want %+v", got, parsed, err, n)
		}
	})
}

func TestSequenceNumberOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawSequenceNumber(t), drawSequenceNumber(t)
		if got, want := a.Compare(b), strings.Compare(a.String(), b.String()); got != want {
			t.Fatalf("Compare(%+v, %+v) = %d, but the decimals compare as %d", a, b, got, want)
		}
		if a.Compare(a) != 0 {
			t.Fatalf("%+v differs from itself", a)
		}
		// Within a shard only the index decides, whatever the clock did.
		b.ShardCreated, b.Shard = a.ShardCreated, a.Shard
		if a.Index != b.Index && (a.Index < b.Index) != (a.String() < b.String()) {
			t.Fatalf("index order lost between %+v and %+v", a, b)
		}
	})
}

func TestSequenceNumberClamps(t *testing.T) {
	wild := record.SequenceNumber{ShardCreated: -5, Shard: 3, Index: 1 << 63, Arrival: 1 << 40}
	tame := record.SequenceNumber{Shard: 3, Index: record.IndexMax, Arrival: 1<<36 - 1}
	if wild.String() != tame.String() || wild.Compare(tame) != 0 {
		t.Errorf("%s, want %s", wild, tame)
	}
}

func TestParseSequenceNumberRejects(t *testing.T) {
	valid := record.SequenceNumber{ShardCreated: 1_700_000_000, Shard: 19, Index: 42, Arrival: 1_700_000_001}
	decimal := func(hex string) string {
		number, ok := new(big.Int).SetString(hex, 16)
		if !ok {
			t.Fatalf("bad test: %s", hex)
		}
		return number.String()
	}
	good := hexadecimal(valid)
	replace := func(at int, with string) string { return decimal(good[:at] + with + good[at+len(with):]) }
	cases := map[string]string{
		"empty":           "",
		"short":           valid.String()[:55],
		"long":            valid.String() + "0",
		"sign":            "+" + valid.String()[1:],
		"letter":          valid.String()[:20] + "x" + valid.String()[21:],
		"leading version": replace(0, "3"),
		"last digit":      replace(46, "1"),
		"filler":          replace(27, "1"),
		"shard nibble":    replace(10, "f"),
		"index too large": replace(11, "8"),
		"all nines":       strings.Repeat("9", 56),
		"all zeros":       strings.Repeat("0", 56),
	}
	for name, text := range cases {
		if parsed, err := record.ParseSequenceNumber(text); !errors.Is(err, failure.InvalidArgument) {
			t.Errorf("%s: %q parsed to %+v, %v", name, text, parsed, err)
		}
	}
}

func FuzzParseSequenceNumber(f *testing.F) {
	f.Add(record.SequenceNumber{ShardCreated: 1_700_000_000, Shard: 7, Index: 1, Arrival: 1_700_000_000}.String())
	f.Add(record.SequenceNumber{}.String())
	f.Add(strings.Repeat("9", 56))
	f.Fuzz(func(t *testing.T, text string) {
		parsed, err := record.ParseSequenceNumber(text)
		if err == nil && parsed.String() != text {
			t.Errorf("%q renders back as %q", text, parsed)
		}
	})
}

func FuzzParseHashKey(f *testing.F) {
	f.Add("0")
	f.Add("340282366920938463463374607431768211455")
	f.Fuzz(func(t *testing.T, text string) {
		key, err := record.ParseHashKey(text)
		if err == nil && key.String() != text {
			t.Errorf("%q renders back as %q", text, key)
		}
	})
}

func BenchmarkSequenceNumberString(b *testing.B) {
	n := record.SequenceNumber{ShardCreated: 1_700_000_000, Shard: 7, Index: 12345, Arrival: 1_700_000_000}
	buffer := make([]byte, 0, 64)
	b.ReportAllocs()
	for b.Loop() {
		buffer = n.AppendText(buffer[:0])
	}
}

func BenchmarkHashOf(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		record.HashOf("customer-0123456789")
	}
}
