package requests

import (
	"bytes"
	"context"
	"fmt"

	"github.com/millrace-io/millrace/kinesis/wire"
)

const (
	// requestRecordsMax is the API's bound of records in one request.
	requestRecordsMax = 500
	// requestBytesMax is of their data. The API once had a bound of 5 MiB, keys
	// and all, and servers that were written then still do.
	requestBytesMax = 4 << 20
)

// Append implements target.Session. Batches larger than a request become
// several, one after the other.
func (s *Session) Append(ctx context.Context, shard int, records [][]byte) error {
	prepared, err := s.Prepare(shard, records)
	if err != nil {
		return err
	}
	return prepared(ctx)
}

// Prepare implements target.Preparer.
func (s *Session) Prepare(shard int, records [][]byte) (func(context.Context) error, error) {
	if err := s.check(shard); err != nil {
		return nil, err
	}
	var all []prepared
	for len(records) > 0 {
		count := requestOf(records)
		all = append(all, s.prepare(shard, records[:count]))
		records = records[count:]
	}
	return func(ctx context.Context) error {
		for i := range all {
			if err := all[i].send(ctx, s); err != nil {
				return err
			}
		}
		return nil
	}, nil
}

// requestOf returns how many of the records fit into one request, at least one.
func requestOf(records [][]byte) int {
	bytes := 0
	for i, record := range records[:min(len(records), requestRecordsMax)] {
		if bytes += len(record); bytes > requestBytesMax && i > 0 {
			return i
		}
	}
	return min(len(records), requestRecordsMax)
}

// prepared is a request that writes, in bytes.
type prepared struct {
	operation string
	request   []byte
	shard     int
	records   int
}

// prepare makes the bytes of one request.
func (s *Session) prepare(shard int, records [][]byte) prepared {
	w, keys := s.encoding.writer(), s.shards[shard].keys
	operation := "PutRecord"
	w.Object()
	w.Key("StreamName")
	w.Text(s.pool.stream)
	if len(records) == 1 {
		entry(w, records[0], keys[0])
	} else {
		operation = "PutRecords"
		w.Key("Records")
		w.List()
		for i, record := range records {
			w.Object()
			entry(w, record, keys[i%len(keys)])
			w.EndObject()
		}
		w.EndList()
	}
	w.EndObject()
	return prepared{operation, s.request(s.encoding.media, operation, w.Bytes()), shard, len(records)}
}

// entry writes the members of a record.
func entry(w wire.Writer, record []byte, key string) {
	w.Key("Data")
	w.Blob(record)
	w.Key("PartitionKey")
	w.Text(key)
}

// sequenceNumber is the member that an answer has for every record that was taken,
// and for no other. In both encodings its name stands there as it is.
var sequenceNumber = []byte("SequenceNumber")

// send sends the request. That all records were taken is seen by their sequence
// numbers.
func (p *prepared) send(ctx context.Context, s *Session) error {
	return s.pool.do(ctx, p.operation, p.request, func(document []byte) error {
		if taken := bytes.Count(document, sequenceNumber); taken != p.records {
			const textMax = 256
			return fmt.Errorf("requests: %s: %d of %d records were taken: %.*s", p.operation, taken, p.records, textMax, document)
		}
		s.shards[p.shard].acknowledged.Add(int64(p.records))
		return nil
	})
}
