package kpl_test

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/record/kpl"
)

// TestGoldenBytes pins the bytes of the page docs/format/aggregated-record.md.
func TestGoldenBytes(t *testing.T) {
	hash := record.HashKey{Lo: 12}
	first := record.Record{PartitionKey: "red", Data: []byte("hello")}
	got := aggregate(t, []record.Record{first, {PartitionKey: "blue", ExplicitHash: &hash, Data: []byte("!")}, {PartitionKey: "red"}})
	want := "f3899ac2" + // magic
		"0a03" + "726564" + "0a04" + "626c7565" + // partition keys red, blue
		"1202" + "3132" + // explicit hash key 12
		"1a09" + "0800" + "1a05" + "68656c6c6f" + // red, hello
		"1a07" + "0801" + "1000" + "1a01" + "21" + // blue, 12, !
		"1a04" + "0800" + "1a00" + // red, nothing
		"0d2daa13bf27118ebe0d6f8d11161216" // MD5
	if text := hex.EncodeToString(got.Data); text != want {
		t.Errorf("got\n%s, want\n%s", text, want)
	}
	if got.PartitionKey != "red" || got.ExplicitHash != nil || got.Hash() != first.Hash() {
		t.Errorf("the aggregate is routed by %s, %v", got.PartitionKey, got.ExplicitHash)
	}
}

func TestOrdinaryDataIsItself(t *testing.T) {
	hash := record.HashKey{Hi: 1}
	for _, data := range []string{"", "x", magic, magic + strings.Repeat("x", 16), magic + strings.Repeat("x", 17), "x" + string(wrap("\x0a\x01k"))} {
		r := record.Record{PartitionKey: "k", ExplicitHash: &hash, Data: []byte(data)}
		got, err := read(r)
		if diff := cmp.Diff([]record.Record{r}, got); err != nil || diff != "" || kpl.Is(r.Data) {
			t.Errorf("%q: error %v (-want +got):\n%s", data, err, diff)
		}
	}
}

func TestBrokenMessagesAreNamed(t *testing.T) {
	const key = "\x0a\x01k"
	cases := map[string]string{
		key + "\x1a":         "the field at byte 3 is malformed",
		key + "\x1a\x02\x08": "the field at byte 3 is malformed",
		"\x00\x00":           "the field at byte 0 is malformed",
		"\x0b\x0c":           "the field at byte 0 is malformed", // a group
		"\x0a\x80\x80\x80\x80\x80\x80\x80\x80\x80\x02": "the field at byte 0 is malformed", // past 2^64
		"\x0a\x00":           "partition key 0 is empty",
		key + "\x0a\x01\xff": "partition key 1 is not valid UTF-8",
		"\x0a\x81\x08" + strings.Repeat("k", 1025): "partition key 0 has 1025 bytes, more than a key may",
		"\x0a\x81\x02" + strings.Repeat("k", 257):  "partition key 0 has 257 bytes, more than a key may",
		"\x12\x00":                               "is not a decimal number",
		"\x12\x0201":                             "is not a decimal number",
		"\x12\x27" + strings.Repeat("9", 39):     "is not below 2^128",
		key + "\x1a\x00":                         "record 0 is malformed or lacks its key or data",
		key + "\x1a\x02\x08\x00":                 "record 0 is malformed or lacks its key or data",
		key + "\x1a\x03\x1a\x01x":                "record 0 is malformed or lacks its key or data",
		key + "\x1a\x05\x08\x00\x1a\x02x":        "record 0 is malformed or lacks its key or data",
		key + "\x1a\x04\x08\x01\x1a\x00":         "record 0 has partition key 1 of 1",
		key + "\x1a\x06\x08\x00\x10\x00\x1a\x00": "record 0 has explicit hash key 0 of 0",
	}
	for message, want := range cases {
		var reader kpl.Reader
		aggregated, err := reader.Open(wrap(message))
		if aggregated || !errors.Is(err, failure.Corrupt) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, %v, want %s", message, aggregated, err, want)
		}
		if reader.Len() != 0 || len(slices.Collect(reader.All())) != 0 {
			t.Errorf("%q: the reader has records", message)
		}
	}
	if got, err := kpl.Records(record.Record{Data: wrap(strings.Repeat("\x20\x00", record.DataMax/2))}); !errors.Is(err, failure.TooLarge) {
		t.Errorf("got %v, %v, want failure.TooLarge", got, err)
	}
}

// someRecords draws records of few keys.
func someRecords() *rapid.Generator[[]record.Record] {
	one := rapid.Custom(func(t *rapid.T) record.Record {
		r := record.Record{
			PartitionKey: rapid.OneOf(rapid.SampledFrom([]string{"a", "b", "é"}), rapid.StringN(1, 20, -1)).Draw(t, "key"),
			Data:         rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "data"),
		}
		if rapid.Bool().Draw(t, "hashed") {
			r.ExplicitHash = &record.HashKey{Hi: rapid.Uint64Range(0, 2).Draw(t, "hi"), Lo: rapid.Uint64Range(0, 2).Draw(t, "lo")}
		}
		return r
	})
	return rapid.SliceOfN(one, 1, 60)
}

// TestWhatGoesInComesOut aggregates with all limits: the records come out as
// they went in, no aggregate is beyond a limit and none has room for the next
// record.
func TestWhatGoesInComesOut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		records := someRecords().Draw(t, "records")
		options := kpl.Options{
			BytesMax:   rapid.SampledFrom([]int{0, 1, 100, 700, 3000}).Draw(t, "bytes"),
			RecordsMax: rapid.SampledFrom([]int{0, 1, 2, 7}).Draw(t, "records max"),
		}
		a := kpl.NewAggregator(options)
		var got, group []record.Record
		finish := func() {
			result := a.Finish()
			if a.Len() != 0 || result.Hash() != group[0].Hash() || result.PartitionKey != group[0].PartitionKey {
				t.Fatalf("%d left, routed by %v", a.Len(), result)
			}
			if kpl.Is(result.Data) != (len(group) > 1) {
				t.Fatalf("%d records come out as %x", len(group), result.Data)
			}
			limit := options.BytesMax
			if limit == 0 {
				limit = kpl.BytesMaxDefault
			}
			if len(group) > 1 && len(result.Data) > limit || options.RecordsMax > 0 && len(group) > options.RecordsMax {
				t.Fatalf("%d records in %d bytes", len(group), len(result.Data))
			}
			inside, err := read(result)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, inside...)
		}
		for _, r := range records {
			if !a.Add(r) {
				finish()
				refusedRightly(t, options, append(group, r))
				group = nil
				if !a.Add(r) {
					t.Fatal("an empty aggregator refuses a record")
				}
			}
			group = append(group, r)
		}
		finish()
		if diff := cmp.Diff(records, got); diff != "" {
			t.Fatalf("-in +out:\n%s", diff)
		}
	})
}

// refusedRightly checks that the records together are beyond a limit.
func refusedRightly(t *rapid.T, options kpl.Options, group []record.Record) {
	a := kpl.NewAggregator(kpl.Options{BytesMax: record.DataMax})
	for _, r := range group {
		a.Add(r)
	}
	limit := options.BytesMax
	if limit == 0 {
		limit = kpl.BytesMaxDefault
	}
	size := len(a.Finish().Data)
	if size <= limit && len(group) != options.RecordsMax+1 {
		t.Fatalf("%d records of %d bytes are refused", len(group), size)
	}
}

func TestNothingComesToNothing(t *testing.T) {
	a := kpl.NewAggregator(kpl.Options{})
	if diff := cmp.Diff(record.Record{}, a.Finish()); diff != "" {
		t.Error(diff)
	}
	large := record.Record{PartitionKey: "k", Data: make([]byte, 60_000)}
	if !a.Add(large) || a.Add(record.Record{PartitionKey: "k"}) {
		t.Error("a record beyond the limit is not left alone")
	}
	if got := a.Finish(); &got.Data[0] != &large.Data[0] {
		t.Error("a single record was copied")
	}
}

func TestWithinLeavesOutOtherShards(t *testing.T) {
	halves := record.SplitEvenly(2)
	var records []record.Record
	want := make([][]string, 2)
	for i := range 40 {
		r := record.Record{PartitionKey: fmt.Sprint("key-", i), Data: []byte(fmt.Sprint(i))}
		if i%4 == 0 {
			r.ExplicitHash = &halves[i/4%2].End
		}
		records = append(records, r)
		half := 0
		if halves[1].Contains(r.Hash()) {
			half = 1
		}
		want[half] = append(want[half], string(r.Data))
	}
	whole := aggregate(t, records)
	for half, shard := range halves {
		views, err := kpl.Records(whole)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for v := range kpl.Within(views, shard) {
			if text := fmt.Sprint(v.Index); text != string(v.Data) {
				t.Errorf("record %s has index %s", v.Data, text)
			}
			got = append(got, string(v.Data))
		}
		if diff := cmp.Diff(want[half], got); diff != "" {
			t.Errorf("half %d (-want +got):\n%s", half, diff)
		}
		for range kpl.Within(views, shard) {
			break
		}
	}
}

// TestViewsAlias: data and keys stand where they stood, and cannot grow into
// what follows.
func TestViewsAlias(t *testing.T) {
	whole := aggregate(t, []record.Record{{PartitionKey: "k", Data: []byte("ab")}, {PartitionKey: "k", Data: []byte("cd")}})
	views, err := kpl.Records(whole)
	if err != nil {
		t.Fatal(err)
	}
	for v := range views {
		if cap(v.Data) != 2 || cap(v.Key) != 1 {
			t.Errorf("capacities %d, %d", cap(v.Data), cap(v.Key))
		}
		v.Data[0] = 'x'
	}
	if text := string(whole.Data); strings.Count(text, "xb") != 1 || strings.Count(text, "xd") != 1 {
		t.Errorf("the views are copies: %q", text)
	}
}

func TestReadingDoesNotAllocate(t *testing.T) {
	var records []record.Record
	for i := range 100 {
		hash := record.HashKey{Hi: uint64(i)}
		records = append(records, record.Record{PartitionKey: fmt.Sprint("key-", i), Data: []byte("data"), ExplicitHash: &hash})
	}
	whole := aggregate(t, records)
	var reader kpl.Reader
	shard := record.HashRange{End: record.HashKeyMax}
	allocations := testing.AllocsPerRun(20, func() {
		if _, err := reader.Open(whole.Data); err != nil {
			t.Fatal(err)
		}
		bytes := 0
		for v := range kpl.Within(reader.All(), shard) {
			bytes += len(v.Key) + len(v.Data)
		}
		if bytes != 990 {
			t.Fatalf("%d bytes", bytes)
		}
	})
	if allocations > 5 { // of the sequences, not of the records
		t.Errorf("%v allocations for 100 records", allocations)
	}
}
