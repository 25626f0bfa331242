package requests

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/millrace-io/millrace/record"
)

const (
	// activeMax is how long a stream or a consumer may take to become active, and
	// activePoll is between two looks.
	activeMax  = time.Minute
	activePoll = 5 * time.Millisecond
	// pagesMax bounds the pages of a list of shards.
	pagesMax = 1000
	// keysPerShard is how many partition keys a shard's records take turns with.
	keysPerShard = 64
)

// call makes a request that carries no records.
func (s *Session) call(ctx context.Context, operation string, in, out any) error {
	document, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("requests: %s: %w", operation, err)
	}
	return s.pool.do(ctx, operation, s.request(jsonEncoding.media, operation, document), func(document []byte) error {
		if out == nil {
			return nil
		}
		return wrapped(operation, json.Unmarshal(document, out))
	})
}

// object is an input.
type object map[string]any

// create makes the stream.
func (s *Session) create(ctx context.Context, shards int) error {
	return s.call(ctx, "CreateStream", object{
		"StreamName": s.pool.stream, "ShardCount": shards, "StreamModeDetails": object{"StreamMode": "PROVISIONED"},
	}, nil)
}

// awaitActive waits until the stream can be used.
func (s *Session) awaitActive(ctx context.Context) error {
	return await(ctx, "the stream", func(ctx context.Context) (status string, err error) {
		var answer struct {
			StreamDescriptionSummary struct{ StreamStatus string }
		}
		err = s.call(ctx, "DescribeStreamSummary", object{"StreamName": s.pool.stream}, &answer)
		return answer.StreamDescriptionSummary.StreamStatus, err
	})
}

// await asks again and again until the status is ACTIVE.
func await(ctx context.Context, what string, ask func(context.Context) (status string, err error)) error {
	ctx, cancel := context.WithTimeout(ctx, activeMax)
	defer cancel()
	ticker := time.NewTicker(activePoll)
	defer ticker.Stop()
	for {
		status, err := ask(ctx)
		if err != nil || status == "ACTIVE" {
			return err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("requests: %s is %q and not active: %w", what, status, ctx.Err())
		}
	}
}

// listed is a shard in an answer of ListShards.
type listed struct {
	ID    string `json:"ShardId"`
	Range struct {
		Start string `json:"StartingHashKey"`
		End   string `json:"EndingHashKey"`
	} `json:"HashKeyRange"`

	hashes record.HashRange
}

// list learns the shards of the stream, in the order of their ranges.
func (s *Session) list(ctx context.Context, wanted int) error {
	var all []listed
	in := object{"StreamName": s.pool.stream}
	for range pagesMax {
		var page struct {
			Shards    []listed
			NextToken string
		}
		if err := s.call(ctx, "ListShards", in, &page); err != nil {
			return err
		}
		all = append(all, page.Shards...)
		if page.NextToken == "" {
			break
		}
		in = object{"NextToken": page.NextToken}
	}
	if len(all) != wanted {
		return fmt.Errorf("requests: the stream has %d shards, wanted are %d", len(all), wanted)
	}
	for i := range all {
		var err error
		if all[i].hashes.Start, err = record.ParseHashKey(all[i].Range.Start); err == nil {
			all[i].hashes.End, err = record.ParseHashKey(all[i].Range.End)
		}
		if err != nil {
			return fmt.Errorf("requests: list shards: %s: %w", all[i].ID, err)
		}
	}
	slices.SortFunc(all, func(a, b listed) int {
		return cmp.Or(a.hashes.Start.Compare(b.hashes.Start), cmp.Compare(a.ID, b.ID))
	})
	s.shards = make([]shard, len(all))
	for i := range all {
		s.shards[i].id = all[i].ID
	}
	return s.findKeys(all)
}

// findKeys finds partition keys for every shard, by trying.
func (s *Session) findKeys(all []listed) error {
	const triesPerKey = 100
	missing := len(all) * keysPerShard
	for n, most := 0, triesPerKey*missing; missing > 0; n++ {
		if n == most {
			return fmt.Errorf("requests: %d partition keys do not reach every shard", n)
		}
		key := "key-" + strconv.Itoa(n)
		hash := record.HashOf(key)
		at, found := slices.BinarySearchFunc(all, hash, func(l listed, hash record.HashKey) int { return l.hashes.Start.Compare(hash) })
		if !found {
			at--
		}
		if at < 0 || !all[at].hashes.Contains(hash) {
			return fmt.Errorf("requests: no shard takes the hash key %s", hash)
		}
		if keys := s.shards[at].keys; len(keys) < keysPerShard {
			s.shards[at].keys = append(keys, key)
			missing--
		}
	}
	return nil
}
