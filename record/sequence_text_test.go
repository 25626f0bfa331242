package record_test

import (
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/millrace-io/millrace/record"
)

// TestSequenceText: one that follows the last, in steps or leaps, looks as it does alone.
func TestSequenceText(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var text record.SequenceText
	check := func(n record.SequenceNumber) {
		t.Helper()
		if got := string(text.Append(nil, n)); got != n.String() {
			t.Fatalf("%+v is %s instead of %s", n, got, n)
		}
	}
	check(record.SequenceNumber{})
	check(record.SequenceNumber{Index: 1})
	for range 1000 {
		n := record.SequenceNumber{
			ShardCreated: random.Int64N(1 << 37), Shard: record.ShardID(random.Uint32()), Index: random.Uint64N(record.IndexMax), Arrival: random.Int64N(1 << 37),
		}
		if random.IntN(2) == 0 {
			n.Index = beforeCarry(n)
		}
		for range 5 {
			check(n)
			check(n)
			n.Index++
		}
		n.Arrival++
		check(n)
	}
	last := record.SequenceNumber{Index: record.IndexMax - 2}
	for range 5 {
		check(last)
		last.Index++
	}
}

// beforeCarry returns a greater index, whose successor changes the highest digits.
func beforeCarry(n record.SequenceNumber) uint64 {
	value, _ := new(big.Int).SetString(n.String(), 10)
	low := new(big.Int).Exp(big.NewInt(10), big.NewInt(38), nil)
	left := new(big.Int).Sub(low, new(big.Int).Mod(value, low))
	steps := new(big.Int).Rsh(left, 80)
	return min(n.Index+steps.Uint64(), record.IndexMax-10)
}

func BenchmarkSequenceText(b *testing.B) {
	var text record.SequenceText
	n := record.SequenceNumber{ShardCreated: 1_700_000_000, Shard: 7, Index: 12345, Arrival: 1_700_000_000}
	buffer := make([]byte, 0, 64)
	b.ReportAllocs()
	for b.Loop() {
		buffer = text.Append(buffer[:0], n)
		n.Index++
	}
}
