package record_test

import (
	"crypto/md5"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/record"
)

func drawHashKey(t *rapid.T) record.HashKey {
	return record.HashKey{Hi: rapid.Uint64().Draw(t, "hi"), Lo: rapid.Uint64().Draw(t, "lo")}
}

func bigHashKey(k record.HashKey) *big.Int {
	number := new(big.Int).SetUint64(k.Hi)
	return number.Lsh(number, 64).Or(number, new(big.Int).SetUint64(k.Lo))
}

func TestHashOfIsMD5(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.String().Draw(t, "key")
		sum := md5.Sum([]byte(key))
		want := new(big.Int).SetBytes(sum[:])
		if got := bigHashKey(record.HashOf(key)); got.Cmp(want) != 0 {
			t.Fatalf("HashOf(%q) = %v, want %v", key, got, want)
		}
		if record.HashOf(key) != record.HashOf([]byte(key)) {
			t.Fatalf("the bytes of %q hash differently", key)
		}
	})
}

func TestHashOfAllocatesNothing(t *testing.T) {
	long, data := strings.Repeat("k", 200), []byte("customer-17")
	var sink record.HashKey
	allocations := testing.AllocsPerRun(100, func() {
		sink = record.HashOf(long)
		sink = record.HashOf(data)
		sink = record.HashOf("")
	})
	if allocations != 0 {
		t.Errorf("%v allocations", allocations)
	}
	_ = sink
}

func TestHashKeyDecimal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawHashKey(t), drawHashKey(t)
		if got, want := a.String(), bigHashKey(a).String(); got != want {
			t.Fatalf("String = %s, want %s", got, want)
		}
		parsed, err := record.ParseHashKey(a.String())
		if err != nil || parsed != a {
			t.Fatalf("ParseHashKey(%v) = %v, %v", a, parsed, err)
		}
		if got, want := a.Compare(b), bigHashKey(a).Cmp(bigHashKey(b)); got != want {
			t.Fatalf("Compare(%v, %v) = %d, want %d", a, b, got, want)
		}
	})
	for _, text := range []string{"0", "9", "10000000000000000000", "18446744073709551616", record.HashKeyMax.String()} {
		key, err := record.ParseHashKey(text)
		if err != nil || key.String() != text {
			t.Errorf("%s became %v, %v", text, key, err)
		}
	}
}

func TestParseHashKeyRejects(t *testing.T) {
	for _, text := range []string{
		"", "-1", "+1", "01", "00", " 1", "1 ", "0x1", "1e3", "١",
		"340282366920938463463374607431768211456", "999999999999999999999999999999999999999", strings.Repeat("1", 40),
	} {
		if key, err := record.ParseHashKey(text); !errors.Is(err, failure.InvalidArgument) {
			t.Errorf("ParseHashKey(%q) = %v, %v", text, key, err)
		}
	}
}

func TestSplitEvenly(t *testing.T) {
	if got := record.SplitEvenly(0); got != nil {
		t.Errorf("SplitEvenly(0) = %v", got)
	}
	space := new(big.Int).Lsh(big.NewInt(1), 128)
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 2000).Draw(t, "n")
		ranges := record.SplitEvenly(n)
		width := new(big.Int).Div(space, big.NewInt(int64(n)))
		for i, r := range ranges {
			start := new(big.Int).Mul(width, big.NewInt(int64(i)))
			end := new(big.Int).Sub(new(big.Int).Add(start, width), big.NewInt(1))
			if i == n-1 {
				end = bigHashKey(record.HashKeyMax)
			}
			if bigHashKey(r.Start).Cmp(start) != 0 || bigHashKey(r.End).Cmp(end) != 0 {
				t.Fatalf("range %d of %d is %v, want %v-%v", i, n, r, start, end)
			}
		}
		if len(ranges) != n {
			t.Fatalf("%d ranges, want %d", len(ranges), n)
		}
		key := drawHashKey(t)
		owners := 0
		for _, r := range ranges {
			if r.Contains(key) {
				owners++
			}
		}
		if owners != 1 {
			t.Fatalf("%v lies in %d of %d ranges", key, owners, n)
		}
	})
}

func TestShardID(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := record.ShardID(rapid.Uint32().Draw(t, "id"))
		if got, want := id.String(), fmt.Sprintf("shardId-%012d", uint32(id)); got != want {
			t.Fatalf("String = %s, want %s", got, want)
		}
		parsed, err := record.ParseShardID(id.String())
		if err != nil || parsed != id {
			t.Fatalf("ParseShardID(%v) = %v, %v", id, parsed, err)
		}
	})
	if id, err := record.ParseShardID("shardId-7"); id != 7 || err != nil {
		t.Errorf("unpadded id became %v, %v", id, err)
	}
	for _, text := range []string{"", "shardId-", "7", "shardId-+7", "shardId-4294967296", "shardid-7", "shardId-0000000000007", "shardId-7 "} {
		if id, err := record.ParseShardID(text); !errors.Is(err, failure.InvalidArgument) {
			t.Errorf("ParseShardID(%q) = %v, %v", text, id, err)
		}
	}
}

func TestRecordHash(t *testing.T) {
	explicit := record.HashKey{Hi: 1, Lo: 2}
	if got := (record.Record{PartitionKey: "a", ExplicitHash: &explicit}).Hash(); got != explicit {
		t.Errorf("explicit hash ignored: %v", got)
	}
	if got := (record.Record{PartitionKey: "a"}).Hash(); got != record.HashOf("a") {
		t.Errorf("key hash is %v", got)
	}
}

func TestStart(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	cases := []struct {
		start record.Start
		want  string
	}{
		{record.Start{}, "TRIM_HORIZON"},
		{record.TrimHorizon(), "TRIM_HORIZON"},
		{record.Latest(), "LATEST"},
		{record.AtSequence(7), "AT_SEQUENCE_NUMBER(7)"},
		{record.AfterSequence(7), "AFTER_SEQUENCE_NUMBER(7)"},
		{record.AtTime(at), "AT_TIMESTAMP(2026-01-02T03:04:05.000000006Z)"},
		{record.Start{Kind: 9}, "StartKind(9)"},
	}
	for _, c := range cases {
		if got := c.start.String(); got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
}

func TestDurability(t *testing.T) {
	for _, d := range []record.Durability{record.Group, record.Interval, record.None} {
		parsed, err := record.ParseDurability(d.String())
		if err != nil || parsed != d || !d.Valid() {
			t.Errorf("%v became %v, %v", d, parsed, err)
		}
	}
	if _, err := record.ParseDurability("fsync"); !errors.Is(err, failure.InvalidArgument) {
		t.Errorf("unknown mode: %v", err)
	}
	if record.Durability(3).Valid() || record.Durability(3).String() != "Durability(3)" {
		t.Error("3 is no mode")
	}
	if got := record.None.Stronger(record.Interval); got != record.Interval {
		t.Errorf("Stronger = %v", got)
	}
	// The zero value must stay the safe one.
	if diff := cmp.Diff(record.Group, record.Durability(0)); diff != "" {
		t.Error(diff)
	}
}

func TestRange(t *testing.T) {
	r := record.Range{First: 5, Last: 9, Time: 1_500_000_000}
	if r.Count() != 5 || (record.Range{}).Count() != 0 {
		t.Errorf("Count = %d", r.Count())
	}
	if got := r.Arrival(); !got.Equal(time.Unix(1, 500_000_000)) {
		t.Errorf("Arrival = %v", got)
	}
}
