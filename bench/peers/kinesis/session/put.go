package session

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

const (
	// requestRecordsMax is the API's bound of records in one request.
	requestRecordsMax = 500
	// requestBytesMax is of their data. The API once had a bound of 5 MiB, keys
	// and all, and servers that were written then still do.
	requestBytesMax = 4 << 20
	// backoffMin is the wait before a part of a request is sent again; it
	// doubles.
	backoffMin = 5 * time.Millisecond
)

// RefusedError is a record that the server has not taken although the rest of
// its request was in order, several times.
type RefusedError struct {
	// Code and Message are the server's.
	Code, Message string
	Attempts      int
}

// Error implements error.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("session: a record was refused %d times: %s: %s", e.Attempts, e.Code, e.Message)
}

// entry is a record in a request.
type entry = types.PutRecordsRequestEntry

// requests are lists of entries for use again.
var requests = sync.Pool{New: func() any {
	list := make([]entry, 0, requestRecordsMax)
	return &list
}}

// Append implements target.Session. Batches larger than a request become
// several, one after the other.
func (s *Session) Append(ctx context.Context, shard int, records [][]byte) error {
	if err := s.check(shard); err != nil {
		return err
	}
	list := requests.Get().(*[]entry)
	defer func() {
		clear(*list)
		requests.Put(list)
	}()
	for len(records) > 0 {
		count := requestOf(records)
		*list = (*list)[:0]
		for _, record := range records[:count] {
			*list = append(*list, s.entry(shard, record))
		}
		records = records[count:]
		var first error
		s.put(ctx, *list, func(_ int, err error) {
			switch {
			case err == nil:
				s.shards[shard].acknowledged.Add(1)
			case first == nil:
				first = err
			}
		})
		if first != nil {
			return first
		}
	}
	return nil
}

// requestOf returns how many of the records fit into one request, at least one.
func requestOf(records [][]byte) int {
	bytes := 0
	for i, record := range records[:min(len(records), requestRecordsMax)] {
		bytes += len(record) + len(partitionKey)
		if bytes > requestBytesMax && i > 0 {
			return i
		}
	}
	return min(len(records), requestRecordsMax)
}

// entry makes one of a record, which it keeps.
func (s *Session) entry(shard int, record []byte) entry {
	return entry{Data: record, ExplicitHashKey: s.shards[shard].hash, PartitionKey: aws.String(partitionKey)}
}

// put writes a request and settles every entry, by its number, once. What the
// server refuses is sent again, a bounded number of times.
func (s *Session) put(ctx context.Context, entries []entry, settle func(number int, err error)) {
	if len(entries) == 1 {
		settle(0, s.putOne(ctx, &entries[0]))
		return
	}
	remaining, numbers := entries, []int(nil)
	number := func(i int) int {
		if numbers == nil {
			return i
		}
		return numbers[i]
	}
	for attempt, backoff := 1, backoffMin; ; attempt, backoff = attempt+1, min(2*backoff, backoffMax) {
		answer, err := s.client.PutRecords(ctx, &kinesis.PutRecordsInput{Records: remaining, StreamName: aws.String(streamName)})
		if err == nil && len(answer.Records) != len(remaining) {
			err = fmt.Errorf("session: put %d records: the answer has %d", len(remaining), len(answer.Records))
		}
		if err != nil {
			for i := range remaining {
				settle(number(i), err)
			}
			return
		}
		var refused []entry
		var refusedNumbers []int
		for i := range answer.Records {
			result := &answer.Records[i]
			switch {
			case aws.ToString(result.ErrorCode) == "":
				settle(number(i), nil)
			case attempt == attemptsMax || ctx.Err() != nil:
				settle(number(i), &RefusedError{Code: *result.ErrorCode, Message: aws.ToString(result.ErrorMessage), Attempts: attempt})
			default:
				refused, refusedNumbers = append(refused, remaining[i]), append(refusedNumbers, number(i))
			}
		}
		if len(refused) == 0 {
			return
		}
		remaining, numbers = refused, refusedNumbers
		pause(ctx, backoff)
	}
}

// putOne writes one record. The SDK sends it again if it is refused.
func (s *Session) putOne(ctx context.Context, record *entry) error {
	_, err := s.client.PutRecord(ctx, &kinesis.PutRecordInput{
		Data: record.Data, ExplicitHashKey: record.ExplicitHashKey, PartitionKey: record.PartitionKey, StreamName: aws.String(streamName),
	})
	return err
}

// pause waits, or until ctx ends.
func pause(ctx context.Context, length time.Duration) {
	timer := time.NewTimer(length)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
