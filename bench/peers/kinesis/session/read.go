package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// readRecordsMax is how many records are asked for at once. The API has room for
// 10,000, and some emulators are slower with that many.
const readRecordsMax = 2000

// emptyMax is how many answers in a row may have no records although the server
// says that there are more: real services send some.
const emptyMax = 1000

// ErrShardEnded is that a shard takes no more records, as after a split.
var ErrShardEnded = errors.New("session: the shard was closed: its stream was changed by somebody else")

// Follow implements target.Follower. It looks for new records every so often,
// and at once when the server says that there are more.
func (s *Session) Follow(ctx context.Context, shard int, ready func(), deliver func(record []byte)) error {
	if err := s.check(shard); err != nil {
		return err
	}
	iterator, err := s.iterator(ctx, shard, types.ShardIteratorTypeLatest)
	if err == nil {
		// Some servers find out what the latest is with the first request.
		iterator, _, err = s.read(ctx, iterator, func([]byte) {})
	}
	if err == nil {
		ready()
	}
	for err == nil {
		start := time.Now()
		var behind bool
		iterator, behind, err = s.read(ctx, iterator, deliver)
		if wait := s.options.poll - time.Since(start); err == nil && !behind && wait > 0 {
			pause(ctx, wait)
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// Scan implements target.Scanner. The present end is where the server says that
// nothing is behind, and all records are seen that this session knew to be in
// the shard when Scan began: some servers say so with every answer.
func (s *Session) Scan(ctx context.Context, shard int, visit func(record []byte)) error {
	if err := s.check(shard); err != nil {
		return err
	}
	wanted := s.shards[shard].acknowledged.Load()
	iterator, err := s.iterator(ctx, shard, types.ShardIteratorTypeTrimHorizon)
	seen, empty := int64(0), 0
	for err == nil {
		before := seen
		var behind bool
		iterator, behind, err = s.read(ctx, iterator, func(record []byte) {
			seen++
			visit(record)
		})
		if err == nil && !behind && (seen == before || s.counted && seen >= wanted) {
			return nil
		}
		if empty++; seen > before {
			empty = 0
		}
		if err == nil && empty == emptyMax {
			err = fmt.Errorf("session: scan shard %d: %d answers without records, and the server says that there are more", shard, emptyMax)
		}
	}
	return err
}

// iterator asks for a place in a shard.
func (s *Session) iterator(ctx context.Context, shard int, place types.ShardIteratorType) (*string, error) {
	answer, err := s.client.GetShardIterator(ctx, &kinesis.GetShardIteratorInput{
		ShardId: s.shards[shard].id, ShardIteratorType: place, StreamName: aws.String(streamName),
	})
	if err != nil {
		return nil, fmt.Errorf("session: place a reader in shard %d: %w", shard, err)
	}
	return answer.ShardIterator, nil
}

// read delivers what one request finds, and returns where the next one goes on
// and whether the server says that there is more.
func (s *Session) read(ctx context.Context, iterator *string, deliver func([]byte)) (next *string, behind bool, err error) {
	answer, err := s.client.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: iterator, Limit: aws.Int32(readRecordsMax)})
	if err != nil {
		return nil, false, fmt.Errorf("session: get records: %w", err)
	}
	for i := range answer.Records {
		deliver(answer.Records[i].Data)
	}
	if aws.ToString(answer.NextShardIterator) == "" {
		return nil, false, ErrShardEnded
	}
	return answer.NextShardIterator, aws.ToInt64(answer.MillisBehindLatest) > 0, nil
}
