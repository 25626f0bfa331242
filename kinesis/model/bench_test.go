package model_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/millrace-io/millrace/kinesis/model"
	"github.com/millrace-io/millrace/kinesis/streams"
	"github.com/millrace-io/millrace/kinesis/wire"
)

func putRecord() *streams.PutRecordInput {
	return &streams.PutRecordInput{StreamName: "orders", Data: bytes.Repeat([]byte("d"), 1024), PartitionKey: "customer-1"}
}

func putRecords(n int) *streams.PutRecordsInput {
	in := &streams.PutRecordsInput{StreamName: "orders"}
	for i := range n {
		in.Records = append(in.Records, streams.PutRecordsRequestEntry{Data: bytes.Repeat([]byte("d"), 1024), PartitionKey: fmt.Sprintf("customer-%d", i)})
	}
	return in
}

// BenchmarkDecode reads and checks requests of records of 1 KiB.
func BenchmarkDecode(b *testing.B) {
	s := kinesis(b)
	for _, c := range []struct {
		name string
		plan *model.Plan
		in   any
	}{
		{"PutRecord", bind[streams.PutRecordInput](b, s, "PutRecordInput"), putRecord()},
		{"PutRecords/500", bind[streams.PutRecordsInput](b, s, "PutRecordsInput"), putRecords(500)},
	} {
		var text wire.JSONWriter
		c.plan.Encode(&text, c.in)
		var binary wire.CBORWriter
		c.plan.Encode(&binary, c.in)
		b.Run(c.name+"/JSON", func(b *testing.B) {
			var r wire.JSONReader
			decode(b, c.plan, text.Bytes(), &r, r.Reset)
		})
		b.Run(c.name+"/CBOR", func(b *testing.B) {
			var r wire.CBORReader
			decode(b, c.plan, binary.Bytes(), &r, r.Reset)
		})
	}
}

func decode(b *testing.B, plan *model.Plan, document []byte, r wire.Reader, reset func([]byte)) {
	b.ReportAllocs()
	b.SetBytes(int64(len(document)))
	into := plan.New()
	for b.Loop() {
		reset(document)
		if err := plan.Decode(r, into); err != nil {
			b.Fatal(err)
		}
		if err := plan.Validate(into); err != nil {
			b.Fatal(err)
		}
	}
}
