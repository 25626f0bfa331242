package kpl_test

import (
	"crypto/md5"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/record"
	"github.com/millrace-io/millrace/record/kpl"
)

// The dumb twin of the reader: it takes messages apart with the library of
// protocol buffers, copies all and looks at one thing after the other.

const magic = "\xf3\x89\x9a\xc2"

// wrap makes an aggregated record of a message.
func wrap(message string) []byte {
	sum := md5.Sum([]byte(message))
	return slices.Concat([]byte(magic), []byte(message), sum[:])
}

var errTwin = errors.New("broken")

// twinField is a field, with a number or a text as its value.
type twinField struct {
	number protowire.Number
	kind   protowire.Type
	value  uint64
	text   string
}

func twinFields(message []byte) (fields []twinField, err error) {
	for len(message) > 0 {
		number, kind, n := protowire.ConsumeField(message)
		if n < 0 || kind == protowire.StartGroupType {
			return nil, errTwin
		}
		_, _, tagged := protowire.ConsumeTag(message)
		f := twinField{number: number, kind: kind}
		switch kind {
		case protowire.VarintType:
			f.value, _ = protowire.ConsumeVarint(message[tagged:])
		case protowire.BytesType:
			text, _ := protowire.ConsumeBytes(message[tagged:])
			f.text = string(text)
		}
		fields = append(fields, f)
		message = message[n:]
	}
	return fields, nil
}

// texts returns the texts of one field, in order.
func texts(fields []twinField, number protowire.Number) (found []string) {
	for _, f := range fields {
		if f.number == number && f.kind == protowire.BytesType {
			found = append(found, f.text)
		}
	}
	return found
}

// lastIndex returns the last number of a field, and whether there is one.
func lastIndex(fields []twinField, number protowire.Number) (value uint64, found bool) {
	for _, f := range fields {
		if f.number == number && f.kind == protowire.VarintType {
			value, found = f.value, true
		}
	}
	return value, found
}

// twin reads the data of a record. It returns false for ordinary data.
func twin(data []byte) (records []record.Record, aggregated bool, err error) {
	text := string(data)
	if len(text) < len(magic)+1+md5.Size || !strings.HasPrefix(text, magic) {
		return nil, false, nil
	}
	message := text[len(magic) : len(text)-md5.Size]
	sum := md5.Sum([]byte(message))
	if hex.EncodeToString(sum[:]) != hex.EncodeToString(data[len(data)-md5.Size:]) {
		return nil, false, nil
	}
	fields, err := twinFields([]byte(message))
	if err != nil {
		return nil, false, err
	}
	keys := texts(fields, 1)
	for _, key := range keys {
		if key == "" || len(key) > record.PartitionKeyBytesMax || !utf8.ValidString(key) || len([]rune(key)) > record.PartitionKeyMax {
			return nil, false, errTwin
		}
	}
	var hashes []record.HashKey
	for _, decimal := range texts(fields, 2) {
		hash, err := record.ParseHashKey(decimal)
		if err != nil {
			return nil, false, errTwin
		}
		hashes = append(hashes, hash)
	}
	for _, stored := range texts(fields, 3) {
		r, err := twinRecord(stored, keys, hashes)
		if err != nil {
			return nil, false, err
		}
		records = append(records, r)
	}
	return records, true, nil
}

func twinRecord(stored string, keys []string, hashes []record.HashKey) (r record.Record, err error) {
	fields, err := twinFields([]byte(stored))
	if err != nil {
		return r, err
	}
	key, keyed := lastIndex(fields, 1)
	hash, hashed := lastIndex(fields, 2)
	data := texts(fields, 3)
	if !keyed || len(data) == 0 || key >= uint64(len(keys)) || hashed && hash >= uint64(len(hashes)) {
		return r, errTwin
	}
	r = record.Record{PartitionKey: keys[key], Data: []byte(data[len(data)-1])}
	if hashed {
		r.ExplicitHash = &hashes[hash]
	}
	return r, nil
}

// compare reads data both ways and returns what differs.
func compare(data []byte, readByTwin func([]byte) ([]record.Record, bool, error)) string {
	want, wantAggregated, wantErr := readByTwin(data)
	var reader kpl.Reader
	aggregated, err := reader.Open(data)
	switch {
	case (err != nil) != (wantErr != nil):
		return "error " + errorText(err) + ", the twin has " + errorText(wantErr)
	case err != nil && !errors.Is(err, failure.Corrupt):
		return "error of another kind: " + err.Error()
	case err != nil:
		return ""
	case aggregated != wantAggregated:
		return "they do not agree on whether it is aggregated"
	}
	var got []record.Record
	for v := range reader.All() {
		if v.Index != len(got) || v.Hash() != v.Record().Hash() {
			return "a wrong index or hash: " + v.Record().PartitionKey
		}
		got = append(got, v.Record())
	}
	if len(got) != reader.Len() {
		return "a wrong length"
	}
	return cmp.Diff(want, got)
}

func errorText(err error) string {
	if err == nil {
		return "none"
	}
	return err.Error()
}

// TestComparisonIsAwake plants errors in the twin.
func TestComparisonIsAwake(t *testing.T) {
	data := wrap("\x0a\x01k\x1a\x05\x08\x00\x1a\x01x\x1a\x05\x08\x00\x1a\x01y")
	if diff := compare(data, twin); diff != "" {
		t.Fatal(diff)
	}
	planted := map[string]func([]record.Record, bool, error) ([]record.Record, bool, error){
		"data": func(r []record.Record, is bool, err error) ([]record.Record, bool, error) {
			r[1].Data[0]++
			return r, is, err
		},
		"count": func(r []record.Record, is bool, err error) ([]record.Record, bool, error) { return r[:1], is, err },
		"verdict": func(r []record.Record, is bool, err error) ([]record.Record, bool, error) {
			return nil, false, err
		},
		"error": func([]record.Record, bool, error) ([]record.Record, bool, error) { return nil, false, errTwin },
	}
	for name, plant := range planted {
		if compare(data, func(data []byte) ([]record.Record, bool, error) { return plant(twin(data)) }) == "" {
			t.Errorf("a wrong %s goes unnoticed", name)
		}
	}
}

// FuzzRecords holds the reader against its twin: on the input as data, and on
// the input as a message whose MD5 is right, which the fuzzer would not find.
func FuzzRecords(f *testing.F) {
	vectors := readVectors(f)
	for _, c := range vectors.Cases {
		if len(c.Aggregate.Data) < 2000 {
			f.Add(c.Aggregate.Data)
		}
	}
	for _, c := range vectors.Foreign {
		f.Add(c.Data)
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		if diff := compare(input, twin); diff != "" {
			t.Error(diff)
		}
		message := input
		if len(input) > len(magic)+md5.Size && string(input[:len(magic)]) == magic {
			message = input[len(magic) : len(input)-md5.Size]
		}
		if diff := compare(wrap(string(message)), twin); diff != "" {
			t.Errorf("with the right MD5: %s", diff)
		}
	})
}
