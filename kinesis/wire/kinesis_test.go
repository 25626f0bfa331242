package wire_test

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/millrace-io/millrace/kinesis/wire"
)

// The traffic that servers have most of: 500 records of 1 KiB in, and out again.
const (
	recordCount = 500
	recordBytes = 1 << 10
)

// recordData are bytes without a pattern.
func recordData() []byte {
	data := make([]byte, recordBytes)
	random := rand.NewChaCha8([32]byte{1})
	_, _ = random.Read(data)
	return data
}

// writePutRecords writes the request of a producer.
func writePutRecords(w wire.Writer, data []byte) {
	w.Object()
	w.Key("StreamName")
	w.Text("orders")
	w.Key("Records")
	w.List()
	for i := range recordCount {
		w.Object()
		w.Key("Data")
		w.Blob(data)
		w.Key("PartitionKey")
		w.Text(partitionKeys[i%len(partitionKeys)])
		w.EndObject()
	}
	w.EndList()
	w.EndObject()
}

// partitionKeys are made beforehand, so that no allocation but the writer's is counted.
var partitionKeys = []string{"customer-1", "customer-22", "a partition key of more than thirty-two bytes", "Größe"}

// putRecords reads the request as a server does: into one buffer.
func putRecords(r wire.Reader, buffer []byte) (data []byte, records, keyBytes int, err error) {
	data = buffer[:0]
	if err = r.Object(); err != nil {
		return data, 0, 0, err
	}
	for {
		name, more, err := r.Key()
		switch {
		case err != nil:
			return data, records, keyBytes, err
		case !more:
			return data, records, keyBytes, r.End()
		case string(name) != "Records":
			err = r.Skip()
		default:
			err = r.List()
		}
		if err != nil {
			return data, records, keyBytes, err
		}
		if string(name) != "Records" {
			continue
		}
		for {
			if more, err := r.More(); err != nil {
				return data, records, keyBytes, err
			} else if !more {
				break
			}
			n := 0
			if data, n, err = putRecord(r, data); err != nil {
				return data, records, keyBytes, err
			}
			keyBytes += n
			records++
		}
	}
}

func putRecord(r wire.Reader, data []byte) (_ []byte, keyBytes int, err error) {
	if err := r.Object(); err != nil {
		return data, 0, err
	}
	for {
		name, more, err := r.Key()
		if err != nil || !more {
			return data, keyBytes, err
		}
		switch string(name) {
		case "Data":
			data, err = r.Blob(data)
		case "PartitionKey":
			var key []byte
			key, err = r.Text()
			keyBytes = len(key)
		default:
			err = r.Skip()
		}
		if err != nil {
			return data, keyBytes, err
		}
	}
}

// writeGetRecords writes the answer that a consumer gets.
func writeGetRecords(w wire.Writer, data []byte) {
	arrival := time.UnixMilli(1600000000123)
	w.Object()
	w.Key("Records")
	w.List()
	for i := range recordCount {
		w.Object()
		w.Key("SequenceNumber")
		w.Text("49646437577175378652512468275301311464827193309299474482")
		w.Key("ApproximateArrivalTimestamp")
		w.Time(arrival)
		w.Key("Data")
		w.Blob(data)
		w.Key("PartitionKey")
		w.Text(partitionKeys[i%len(partitionKeys)])
		w.EndObject()
	}
	w.EndList()
	w.Key("NextShardIterator")
	w.Text("AAAAAAAAAAE")
	w.Key("MillisBehindLatest")
	w.Int(0)
	w.EndObject()
}

// TestTrafficDoesNotAllocate: neither encoding takes memory for what servers do most.
func TestTrafficDoesNotAllocate(t *testing.T) {
	data := recordData()
	for _, encoding := range encodings {
		w := encoding.writer()
		writePutRecords(w, data)
		request := w.Bytes()
		r := encoding.reader(nil)
		var buffer []byte
		reading := testing.AllocsPerRun(10, func() {
			r.(interface{ Reset(document []byte) }).Reset(request)
			var records, keyBytes int
			var err error
			if buffer, records, keyBytes, err = putRecords(r, buffer); err != nil || records != recordCount || len(buffer) != recordCount*recordBytes || keyBytes == 0 {
				t.Fatal(records, len(buffer), err)
			}
		})
		w = encoding.writer()
		var answer []byte
		writing := testing.AllocsPerRun(10, func() {
			w.Reset(answer)
			writeGetRecords(w, data)
			answer = w.Bytes()
		})
		if reading != 0 || writing != 0 {
			t.Errorf("%s: reading allocates %v times, writing %v times", encoding.name, reading, writing)
		}
	}
}

// BenchmarkReadPutRecords reads a request; throughput counts the records' data.
func BenchmarkReadPutRecords(b *testing.B) {
	for _, encoding := range encodings {
		b.Run(encoding.name, func(b *testing.B) {
			w := encoding.writer()
			writePutRecords(w, recordData())
			request := w.Bytes()
			r := encoding.reader(nil)
			reset := r.(interface{ Reset(document []byte) })
			var buffer []byte
			b.SetBytes(recordCount * recordBytes)
			b.ReportAllocs()
			for b.Loop() {
				reset.Reset(request)
				var err error
				if buffer, _, _, err = putRecords(r, buffer); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("base64", func(b *testing.B) {
		text := base64.StdEncoding.AppendEncode(nil, recordData())
		buffer := make([]byte, 0, recordCount*recordBytes)
		b.SetBytes(recordCount * recordBytes)
		for b.Loop() {
			buffer = buffer[:0]
			for range recordCount {
				buffer, _ = base64.StdEncoding.AppendDecode(buffer, text)
			}
		}
	})
}

// BenchmarkWriteGetRecords writes an answer; throughput counts the records' data.
func BenchmarkWriteGetRecords(b *testing.B) {
	data := recordData()
	for _, encoding := range encodings {
		b.Run(encoding.name, func(b *testing.B) {
			w := encoding.writer()
			b.SetBytes(recordCount * recordBytes)
			b.ReportAllocs()
			for b.Loop() {
				w.Reset(w.Bytes())
				writeGetRecords(w, data)
			}
		})
	}
	b.Run("base64", func(b *testing.B) {
		var buffer []byte
		b.SetBytes(recordCount * recordBytes)
		for b.Loop() {
			buffer = buffer[:0]
			for range recordCount {
				buffer = base64.StdEncoding.AppendEncode(buffer, data)
			}
		}
	})
}

// BenchmarkText is names and keys, which are not in base64.
func BenchmarkText(b *testing.B) {
	for _, encoding := range encodings {
		for _, size := range []int{8, 64, 1024} {
			b.Run(fmt.Sprintf("%s/%d", encoding.name, size), func(b *testing.B) {
				text := base64.RawStdEncoding.EncodeToString(make([]byte, size))[:size]
				w := encoding.writer()
				w.Text(text)
				document := w.Bytes()
				r := encoding.reader(nil)
				reset := r.(interface{ Reset(document []byte) })
				b.SetBytes(int64(size))
				for b.Loop() {
					reset.Reset(document)
					if _, err := r.Text(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
