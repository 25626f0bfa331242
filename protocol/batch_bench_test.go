package protocol_test

import (
	"fmt"
	"testing"

	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/record"
)

// benchmarkRecords returns a batch's worth of records of one size.
func benchmarkRecords(count, dataBytes int) []record.Record {
	records := make([]record.Record, count)
	for i := range records {
		records[i] = record.Record{PartitionKey: fmt.Sprintf("customer-%012d", i), Data: make([]byte, dataBytes)}
	}
	return records
}

var batchShapes = []struct{ count, dataBytes int }{{1, 100}, {1, 1024}, {100, 100}, {500, 1024}}

func BenchmarkBatchEncode(b *testing.B) {
	for _, shape := range batchShapes {
		b.Run(fmt.Sprintf("%dx%d", shape.count, shape.dataBytes), func(b *testing.B) {
			records := benchmarkRecords(shape.count, shape.dataBytes)
			buffer := make([]byte, 0, protocol.BatchSize(records))
			b.SetBytes(int64(cap(buffer)))
			b.ReportAllocs()
			for b.Loop() {
				buffer = protocol.AppendBatch(buffer[:0], records, protocol.Producer{ID: 1})
			}
		})
	}
}

func BenchmarkBatchVerify(b *testing.B) {
	for _, shape := range batchShapes {
		b.Run(fmt.Sprintf("%dx%d", shape.count, shape.dataBytes), func(b *testing.B) {
			payload := protocol.AppendBatch(nil, benchmarkRecords(shape.count, shape.dataBytes), protocol.Producer{})
			b.SetBytes(int64(len(payload)))
			b.ReportAllocs()
			for b.Loop() {
				if err := protocol.VerifyBatch(payload, shape.count); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkBatchAccess(b *testing.B) {
	payload := protocol.AppendBatch(nil, benchmarkRecords(500, 100), protocol.Producer{})
	b.ReportAllocs()
	for b.Loop() {
		batch, total := protocol.OpenBatch(payload), 0
		var view protocol.RecordView
		for i := range batch.Len() {
			batch.ReadRecord(i, &view)
			total += len(view.Key) + len(view.Data)
		}
		if total == 0 {
			b.Fatal("nothing read")
		}
	}
}

func TestBatchAllocatesNothing(t *testing.T) {
	hash := record.HashKey{Hi: 1, Lo: 2}
	records := append(benchmarkRecords(20, 100), record.Record{PartitionKey: "k", ExplicitHash: &hash})
	buffer := make([]byte, 0, protocol.BatchSize(records))
	var sink record.HashKey
	allocations := testing.AllocsPerRun(100, func() {
		payload := protocol.AppendBatch(buffer, records, protocol.Producer{ID: 9})
		if err := protocol.VerifyBatch(payload, len(records)); err != nil {
			t.Fatal(err)
		}
		batch := protocol.OpenBatch(payload)
		for i := range batch.Len() {
			view := batch.Record(i)
			if err := view.Check(); err != nil {
				t.Fatal(err)
			}
			sink = view.Hash()
		}
	})
	if allocations != 0 {
		t.Errorf("%v allocations", allocations)
	}
	_ = sink
}
