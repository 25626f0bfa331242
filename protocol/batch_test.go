package protocol_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"

	flatbuffers "github.com/google/flatbuffers/go"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/protocol"
	"github.com/millrace-io/millrace/protocol/fb"
	"github.com/millrace-io/millrace/record"
)

// equateEmpty lets nil and empty data be the same record.
var equateEmpty = cmpopts.EquateEmpty()

func drawRecord(t *rapid.T) record.Record {
	r := record.Record{
		PartitionKey: rapid.StringN(0, 40, -1).Draw(t, "key"),
		Data:         rapid.SliceOfN(rapid.Byte(), 0, 64).Draw(t, "data"),
	}
	if rapid.Bool().Draw(t, "explicit") {
		r.ExplicitHash = &record.HashKey{Hi: rapid.Uint64().Draw(t, "hi"), Lo: rapid.Uint64().Draw(t, "lo")}
	}
	return r
}

func drawRecords(t *rapid.T) []record.Record {
	return rapid.SliceOfN(rapid.Custom(drawRecord), 1, 12).Draw(t, "records")
}

func drawProducer(t *rapid.T) protocol.Producer {
	if rapid.Bool().Draw(t, "anonymous") {
		return protocol.Producer{}
	}
	return protocol.Producer{
		ID:       rapid.Uint64Min(1).Draw(t, "id"),
		Epoch:    rapid.Uint16().Draw(t, "epoch"),
		Sequence: rapid.Uint32().Draw(t, "sequence"),
	}
}

// decode reads a batch back through Millrace's own views.
func decode(payload []byte) ([]record.Record, protocol.Producer) {
	batch := protocol.OpenBatch(payload)
	records := make([]record.Record, batch.Len())
	for i := range records {
		records[i] = batch.Record(i).Record()
	}
	return records, batch.Producer()
}

// decodeStock reads a batch through the accessors that flatc generated.
func decodeStock(payload []byte) ([]record.Record, protocol.Producer) {
	batch := fb.GetRootAsBatch(payload, 0)
	records := make([]record.Record, batch.RecordsLength())
	for i := range records {
		var r fb.Record
		batch.Records(&r, i)
		records[i] = record.Record{PartitionKey: string(r.Key()), Data: r.DataBytes()}
		if hash := r.Hash(nil); hash != nil {
			records[i].ExplicitHash = &record.HashKey{Hi: hash.Hi(), Lo: hash.Lo()}
		}
	}
	return records, protocol.Producer{ID: batch.ProducerId(), Epoch: batch.Epoch(), Sequence: batch.ProducerSeq()}
}

// encodeStock makes a batch with the stock builder.
func encodeStock(records []record.Record, p protocol.Producer) []byte {
	builder := flatbuffers.NewBuilder(0)
	offsets := make([]flatbuffers.UOffsetT, len(records))
	for i, r := range records {
		key, data := builder.CreateString(r.PartitionKey), builder.CreateByteVector(r.Data)
		fb.RecordStart(builder)
		fb.RecordAddKey(builder, key)
		fb.RecordAddData(builder, data)
		if r.ExplicitHash != nil {
			fb.RecordAddHash(builder, fb.CreateHash128(builder, r.ExplicitHash.Hi, r.ExplicitHash.Lo))
		}
		offsets[i] = fb.RecordEnd(builder)
	}
	fb.BatchStartRecordsVector(builder, len(records))
	for _, offset := range slices.Backward(offsets) {
		builder.PrependUOffsetT(offset)
	}
	vector := builder.EndVector(len(records))
	fb.BatchStart(builder)
	fb.BatchAddRecords(builder, vector)
	fb.BatchAddProducerId(builder, p.ID)
	fb.BatchAddEpoch(builder, p.Epoch)
	fb.BatchAddProducerSeq(builder, p.Sequence)
	builder.FinishWithFileIdentifier(fb.BatchEnd(builder), []byte("MRB1"))
	return builder.FinishedBytes()
}

func TestBatchRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		records, producer := drawRecords(t), drawProducer(t)
		payload := protocol.AppendBatch(nil, records, producer)
		if got, want := len(payload), protocol.BatchSize(records); got != want {
			t.Fatalf("%d bytes, BatchSize said %d", got, want)
		}
		if err := protocol.VerifyBatch(payload, len(records)); err != nil {
			t.Fatalf("VerifyBatch: %v", err)
		}
		gotRecords, gotProducer := decode(payload)
		if diff := cmp.Diff(records, gotRecords, equateEmpty); diff != "" {
			t.Fatalf("records (-want +got):\n%s", diff)
		}
		if gotProducer != producer {
			t.Fatalf("producer %+v, want %+v", gotProducer, producer)
		}
		for i, r := range records {
			if got := protocol.OpenBatch(payload).Record(i).Hash(); got != r.Hash() {
				t.Fatalf("record %d hashes to %v, want %v", i, got, r.Hash())
			}
		}
	})
}

func TestBatchAgreesWithStockFlatBuffers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		records, producer := drawRecords(t), drawProducer(t)
		ours, stock := protocol.AppendBatch(nil, records, producer), encodeStock(records, producer)
		for name, payload := range map[string][]byte{"ours": ours, "stock": stock} {
			gotRecords, gotProducer := decodeStock(payload)
			if diff := cmp.Diff(records, gotRecords, equateEmpty); diff != "" {
				t.Fatalf("%s through the stock reader (-want +got):\n%s", name, diff)
			}
			if gotProducer != producer {
				t.Fatalf("%s: producer %+v, want %+v", name, gotProducer, producer)
			}
			if !flatbuffers.BufferHasIdentifier(payload, "MRB1") {
				t.Fatalf("%s lacks the identifier", name)
			}
		}
		// The builder's encoding is as valid a FlatBuffer as ours, but not the
		// canonical one.
		if err := protocol.VerifyBatch(stock, len(records)); !errors.Is(err, failure.Malformed) {
			t.Fatalf("the builder's encoding was accepted: %v", err)
		}
	})
}

// TestBatchDirtyDestination proves that no byte of the encoding is left to what
// the buffer held before.
func TestBatchDirtyDestination(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		records, producer := drawRecords(t), drawProducer(t)
		clean := protocol.AppendBatch(nil, records, producer)
		dirty := bytes.Repeat([]byte{0xff}, len(clean)+16)
		got := protocol.AppendBatch(dirty[:8], records, producer)
		if !bytes.Equal(got[8:], clean) || !bytes.Equal(got[:8], dirty[:8]) {
			t.Fatal("the encoding depends on the buffer's former content")
		}
	})
}

func TestRecordSizeMaxBoundsBatchSize(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		records := drawRecords(t)
		bound, hashed := 68, 0
		for _, r := range records {
			bound += protocol.RecordSizeMax(r)
			if r.ExplicitHash != nil {
				hashed++
			}
		}
		size := protocol.BatchSize(records)
		if size > bound || size < bound-4*hashed {
			t.Fatalf("size %d, bound %d, %d hashed", size, bound, hashed)
		}
	})
}

// TestVerifyBatchEveryByteMatters changes single bytes: the result is either
// refused or a different batch that is itself canonical.
func TestVerifyBatchEveryByteMatters(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		payload := protocol.AppendBatch(nil, drawRecords(t), drawProducer(t))
		at := rapid.IntRange(0, len(payload)-1).Draw(t, "at")
		payload[at] ^= byte(rapid.IntRange(1, 255).Draw(t, "flip"))
		checkVerified(t, payload, protocol.OpenBatch(payload).Len())
	})
}

func TestVerifyBatchTruncation(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		records := drawRecords(t)
		payload := protocol.AppendBatch(nil, records, drawProducer(t))
		cut := rapid.IntRange(0, len(payload)-1).Draw(t, "cut")
		if err := protocol.VerifyBatch(payload[:cut], len(records)); !errors.Is(err, failure.Malformed) {
			t.Fatalf("%d of %d bytes accepted: %v", cut, len(payload), err)
		}
		longer := append(slices.Clone(payload), 0, 0, 0, 0)
		if err := protocol.VerifyBatch(longer, len(records)); !errors.Is(err, failure.Malformed) {
			t.Fatalf("trailing bytes accepted: %v", err)
		}
	})
}

// tester is what rapid.T and testing.T have in common here.
type tester interface {
	Fatalf(format string, args ...any)
}

// checkVerified holds VerifyBatch to its promise: what it accepts can be read
// without fault and encodes to the same bytes, also for the stock reader.
func checkVerified(t tester, payload []byte, count int) {
	if err := protocol.VerifyBatch(payload, count); err != nil {
		if !errors.Is(err, failure.Malformed) {
			t.Fatalf("unexpected kind of error: %v", err)
		}
		return
	}
	records, producer := decode(payload)
	if len(records) != count {
		t.Fatalf("%d records, verified as %d", len(records), count)
	}
	if again := protocol.AppendBatch(nil, records, producer); !bytes.Equal(again, payload) {
		t.Fatalf("accepted bytes are not canonical:\n%x\n%x", payload, again)
	}
	stock, stockProducer := decodeStock(payload)
	if diff := cmp.Diff(records, stock, equateEmpty); diff != "" || producer != stockProducer {
		t.Fatalf("the stock reader disagrees: %s", diff)
	}
}

func TestVerifyBatchRejects(t *testing.T) {
	hash := record.HashKey{Hi: 1, Lo: 2}
	two := []record.Record{{PartitionKey: "a", Data: []byte("x")}, {PartitionKey: "b", Data: []byte("yy"), ExplicitHash: &hash}}
	word := func(b []byte, at int, delta int64) {
		binary.LittleEndian.PutUint32(b[at:], uint32(int64(binary.LittleEndian.Uint32(b[at:]))+delta))
	}
	// Record 0 is at 76: table 12, key 8, data 8. Record 1 is at 104 and, being
	// hashed, moves on to 108: table 28, key 8, data 8; the batch ends at 152.
	cases := []struct {
		name   string
		count  int
		damage func(b []byte) []byte
		want   string
	}{
		{"count zero", 0, nil, "count is out of range"},
		{"count above 16 bits", 65536, nil, "count is out of range"},
		{"count differs", 1, nil, "count differs"},
		{"empty", 2, func([]byte) []byte { return nil }, "shorter than"},
		{"too long", 2, func(b []byte) []byte { return append(b, make([]byte, record.BatchBytesMax)...) }, "longer than"},
		{"identifier", 2, func(b []byte) []byte { b[4] = 'X'; return b }, "first bytes"},
		{"padding of the root", 2, func(b []byte) []byte { b[63] = 1; return b }, "padding is not zero"},
		{"epoch without producer", 2, func(b []byte) []byte { b[60] = 1; return b }, "without a producer"},
		{"shared record", 2, func(b []byte) []byte { word(b, 72, 76-72-(108-72)); return b }, "record 1 of 2: not where"},
		{"offset past the end", 2, func(b []byte) []byte { word(b, 68, 1<<30); return b }, "record 0 of 2: not where"},
		{"vtable of the batch", 2, func(b []byte) []byte { word(b, 76, 12); return b }, "two vtables"},
		{"hash field unaligned", 2, func(b []byte) []byte { word(b, 76, -8); return b }, "record 0 of 2: the key is not"},
		{"dirty padding before", 2, func(b []byte) []byte { b[105] = 1; return b }, "before the record"},
		{"padding for a plain record", 2, func(b []byte) []byte { word(b, 108, 8); return b }, "needs none"},
		{"key offset", 2, func(b []byte) []byte { word(b, 80, 4); return b }, "key is not behind"},
		{"data offset", 2, func(b []byte) []byte { word(b, 84, 4); return b }, "data is not behind"},
		{"key length", 2, func(b []byte) []byte { word(b, 88, 1<<31); return b }, "key passes"},
		{"key length wraps", 2, func(b []byte) []byte { word(b, 88, -2); return b }, "key passes"},
		{"data length", 2, func(b []byte) []byte { word(b, 96, -2); return b }, "data passes"},
		{"no NUL", 2, func(b []byte) []byte { b[93] = 1; return b }, "behind the key"},
		{"dirty data padding", 2, func(b []byte) []byte { b[103] = 1; return b }, "behind the data"},
		{"room for offsets only", 2, func(b []byte) []byte { b[64] = 200; return b[:100] }, "count differs"},
	}
	for _, c := range cases {
		payload := protocol.AppendBatch(nil, two, protocol.Producer{})
		if len(payload) != 152 {
			t.Fatalf("the offsets of this test assume 152 bytes, not %d", len(payload))
		}
		if c.damage != nil {
			payload = c.damage(payload)
		}
		err := protocol.VerifyBatch(payload, c.count)
		if !errors.Is(err, failure.Malformed) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

func TestVerifyBatchOffsetsPassTheEnd(t *testing.T) {
	payload := protocol.AppendBatch(nil, []record.Record{{PartitionKey: "a", Data: []byte("x")}}, protocol.Producer{})
	binary.LittleEndian.PutUint32(payload[64:], 60000)
	if err := protocol.VerifyBatch(payload, 60000); !errors.Is(err, failure.Malformed) {
		t.Errorf("accepted: %v", err)
	}
}

func TestCheckRecord(t *testing.T) {
	wide := strings.Repeat("\U0001f600", 256) // 1,024 bytes, 256 characters
	cases := []struct {
		name string
		r    record.Record
		want failure.Kind
	}{
		{"plain", record.Record{PartitionKey: "k", Data: []byte("x")}, 0},
		{"no data", record.Record{PartitionKey: "k"}, 0},
		{"longest key", record.Record{PartitionKey: wide}, 0},
		{"largest data", record.Record{PartitionKey: "k", Data: make([]byte, record.DataMax)}, 0},
		{"empty key", record.Record{}, failure.InvalidArgument},
		{"bad UTF-8", record.Record{PartitionKey: "a\xff"}, failure.InvalidArgument},
		{"key of 257 characters", record.Record{PartitionKey: strings.Repeat("k", 257)}, failure.TooLarge},
		{"key of 1,025 bytes", record.Record{PartitionKey: wide + "x"}, failure.TooLarge},
		{"data", record.Record{PartitionKey: "k", Data: make([]byte, record.DataMax+1)}, failure.TooLarge},
	}
	for _, c := range cases {
		if got := failure.KindOf(protocol.CheckRecord(c.r)); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
		payload := protocol.AppendBatch(nil, []record.Record{c.r}, protocol.Producer{})
		if err := protocol.VerifyBatch(payload, 1); err != nil {
			t.Errorf("%s: limits are no matter of VerifyBatch: %v", c.name, err)
		}
		if got := failure.KindOf(protocol.OpenBatch(payload).Record(0).Check()); got != c.want {
			t.Errorf("%s as a view: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestExplicitHash(t *testing.T) {
	hash := record.HashKey{Hi: 3, Lo: 4}
	payload := protocol.AppendBatch(nil, []record.Record{
		{PartitionKey: "a"}, {PartitionKey: "a", ExplicitHash: &hash},
	}, protocol.Producer{})
	batch := protocol.OpenBatch(payload)
	if _, given := batch.Record(0).ExplicitHash(); given {
		t.Error("a hash where none was given")
	}
	if got, given := batch.Record(1).ExplicitHash(); !given || got != hash {
		t.Errorf("hash %v, given %v", got, given)
	}
	if got := batch.Bytes(); !bytes.Equal(got, payload) {
		t.Error("Bytes is not the payload")
	}
}
