package session

import (
	"cmp"
	"context"
	"fmt"
	"math/big"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

const (
	// streamName is the stream of a session, partitionKey that of all records:
	// the explicit hash key decides.
	streamName   = "bench"
	partitionKey = "bench"
	// activeMax is how long a stream may take to become active, and activePoll
	// is between two looks.
	activeMax  = time.Minute
	activePoll = 5 * time.Millisecond
	// pagesMax bounds the pages of a list of shards.
	pagesMax = 1000
)

// shardAddress is how a shard is written to and read from.
type shardAddress struct {
	id   *string
	hash *string // the lowest hash key of its range
}

// createStream makes the stream.
func createStream(ctx context.Context, client *kinesis.Client, shards int) error {
	_, err := client.CreateStream(ctx, &kinesis.CreateStreamInput{
		StreamName: aws.String(streamName), ShardCount: aws.Int32(int32(shards)),
		StreamModeDetails: &types.StreamModeDetails{StreamMode: types.StreamModeProvisioned},
	})
	if err != nil {
		return fmt.Errorf("session: create a stream of %d shards: %w", shards, err)
	}
	return nil
}

// awaitActive waits until the stream can be used.
func awaitActive(ctx context.Context, client *kinesis.Client) error {
	ctx, cancel := context.WithTimeout(ctx, activeMax)
	defer cancel()
	ticker := time.NewTicker(activePoll)
	defer ticker.Stop()
	for {
		summary, err := client.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: aws.String(streamName)})
		if err != nil {
			return fmt.Errorf("session: wait for the stream: %w", err)
		}
		status := types.StreamStatus("")
		if summary.StreamDescriptionSummary != nil {
			status = summary.StreamDescriptionSummary.StreamStatus
		}
		if status == types.StreamStatusActive {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("session: the stream is %q and not active: %w", status, ctx.Err())
		}
	}
}

// listShards returns the shards of the stream in the order of their ranges.
func listShards(ctx context.Context, client *kinesis.Client, wanted int) ([]shardAddress, error) {
	type found struct {
		shardAddress
		start *big.Int
	}
	var all []found
	input := &kinesis.ListShardsInput{StreamName: aws.String(streamName)}
	for range pagesMax {
		page, err := client.ListShards(ctx, input)
		if err != nil {
			return nil, fmt.Errorf("session: list shards: %w", err)
		}
		for _, shard := range page.Shards {
			if shard.HashKeyRange == nil {
				return nil, fmt.Errorf("session: list shards: %s has no range of hash keys", aws.ToString(shard.ShardId))
			}
			start, ok := new(big.Int).SetString(aws.ToString(shard.HashKeyRange.StartingHashKey), 10)
			if !ok {
				return nil, fmt.Errorf("session: list shards: %s begins at %q, which is no hash key", aws.ToString(shard.ShardId), aws.ToString(shard.HashKeyRange.StartingHashKey))
			}
			all = append(all, found{shardAddress{id: shard.ShardId, hash: shard.HashKeyRange.StartingHashKey}, start})
		}
		if aws.ToString(page.NextToken) == "" {
			break
		}
		input = &kinesis.ListShardsInput{NextToken: page.NextToken}
	}
	if len(all) != wanted {
		return nil, fmt.Errorf("session: the stream has %d shards, wanted are %d", len(all), wanted)
	}
	slices.SortFunc(all, func(a, b found) int {
		return cmp.Or(a.start.Cmp(b.start), cmp.Compare(aws.ToString(a.id), aws.ToString(b.id)))
	})
	addresses := make([]shardAddress, len(all))
	for i := range all {
		addresses[i] = all[i].shardAddress
	}
	return addresses, nil
}
