package streams_test

import (
	"fmt"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awskinesis "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/millrace-io/millrace/kinesis/streams"
	"github.com/millrace-io/millrace/record"
)

func (f *fixture) split(name, shard, key string) {
	f.t.Helper()
	_, err := f.client.SplitShard(f.t.Context(), &awskinesis.SplitShardInput{StreamName: &name, ShardToSplit: &shard, NewStartingHashKey: &key})
	f.must(err)
}

func (f *fixture) merge(name, one, other string) {
	f.t.Helper()
	_, err := f.client.MergeShards(f.t.Context(), &awskinesis.MergeShardsInput{StreamName: &name, ShardToMerge: &one, AdjacentShardToMerge: &other})
	f.must(err)
}

// lineage renders shards as id<parent+parent, with a ! behind those that are closed.
func lineage(shards []types.Shard) []string {
	short := func(id *string) string { return (*id)[len("shardId-00000000000"):] }
	var texts []string
	for _, s := range shards {
		text := short(s.ShardId)
		if s.ParentShardId != nil {
			text += "<" + short(s.ParentShardId)
		}
		if s.AdjacentParentShardId != nil {
			text += "+" + short(s.AdjacentParentShardId)
		}
		if s.SequenceNumberRange.EndingSequenceNumber != nil {
			text += "!"
		}
		texts = append(texts, text)
	}
	return texts
}

func (f *fixture) expect(what string, got, want []string) {
	f.t.Helper()
	if !slices.Equal(got, want) {
		f.t.Errorf("%s: %v instead of %v", what, got, want)
	}
}

const middle = "170141183460469231731687303715884105728"

// TestReshard: parents are closed at a sequence number, children name them and begin behind it.
func TestReshard(t *testing.T) {
	f := newFixture(t)
	f.create("orders", 1)
	before := f.put("orders", "a", "0")
	f.split("orders", "shardId-0", middle) // an id without its zeros is good
	after := f.put("orders", "b", "0")
	if *after.ShardId != shard1 || *before.SequenceNumber >= *after.SequenceNumber {
		t.Errorf("behind the split is %v, before it %v", *after.SequenceNumber, *before.SequenceNumber)
	}
	f.merge("orders", "shardId-000000000002", shard1)
	f.expect("lineage", lineage(f.shards("orders", nil)), []string{"0!", "1<0!", "2<0!", "3<2+1"})
	for i, s := range f.shards("orders", nil) {
		if r := s.SequenceNumberRange; r.EndingSequenceNumber != nil && *r.EndingSequenceNumber <= *r.StartingSequenceNumber {
			t.Errorf("shard %d has the sequence numbers %s to %s", i, *r.StartingSequenceNumber, *r.EndingSequenceNumber)
		}
	}
	got := f.get(f.iterator("orders", shard1, types.ShardIteratorTypeTrimHorizon))
	f.expect("records", data(got.Records), []string{"b"})
	if got.NextShardIterator != nil || len(got.ChildShards) != 1 || *got.ChildShards[0].ShardId != "shardId-000000000003" ||
		!slices.Equal(got.ChildShards[0].ParentShards, []string{"shardId-000000000002", shard1}) ||
		*got.ChildShards[0].HashKeyRange.EndingHashKey != record.HashKeyMax.String() {
		t.Errorf("the end of the shard is told as %v, %+v", got.NextShardIterator, got.ChildShards)
	}
	got = f.get(f.iterator("orders", shard0, types.ShardIteratorTypeLatest)) // behind the last record of a closed shard
	if got.NextShardIterator != nil || len(got.ChildShards) != 2 || len(got.Records) != 0 {
		t.Errorf("behind the end of a shard there is %+v", got)
	}
}

// TestReshardRefusals: AWS's texts for what cannot be split or merged.
func TestReshardRefusals(t *testing.T) {
	f := newFixture(t)
	f.create("orders", 3)
	f.createOnDemand("demand")
	split := func(name, shard, key string) error {
		_, err := f.client.SplitShard(t.Context(), &awskinesis.SplitShardInput{StreamName: &name, ShardToSplit: &shard, NewStartingHashKey: &key})
		return err
	}
	merge := func(name, one, other string) error {
		_, err := f.client.MergeShards(t.Context(), &awskinesis.MergeShardsInput{StreamName: &name, ShardToMerge: &one, AdjacentShardToMerge: &other})
		return err
	}
	const of = " in stream orders under account " + account
	f.refused(split("orders", "shardId-9", "1"), "ResourceNotFoundException", "Could not find shard shardId-000000000009"+of+".")
	f.refused(split("orders", "other", "1"), "ResourceNotFoundException", "Could not find shard other"+of+".")
	f.refused(merge("orders", shard0, "shardId-9"), "ResourceNotFoundException", "Could not find shard shardId-000000000009"+of+".")
	f.refused(merge("orders", shard0, "shardId-2"), "InvalidArgumentException",
		"Shards shardId-000000000000 and shardId-000000000002"+of+" are not an adjacent pair of shards eligible for merging")
	f.refused(merge("orders", shard0, shard0), "InvalidArgumentException", "")
	f.refused(split("demand", shard0, "1"), "ValidationException", "")
	f.refused(merge("demand", shard0, shard1), "ValidationException", "")
	for _, key := range []string{"0", "113427455640312821154458202477256070484", "340282366920938463463374607431768211455", "340282366920938463463374607431768211456"} {
		f.refused(split("orders", shard0, key), "InvalidArgumentException", "")
	}
	f.split("orders", shard0, "100")
	const gone = "Shard " + shard0 + of + " has already been merged or split, and thus is not eligible for merging or splitting."
	f.refused(split("orders", shard0, "50"), "InvalidArgumentException", gone)
	f.refused(merge("orders", shard0, shard1), "InvalidArgumentException", gone)
}

// TestUpdateShardCount: shards come to be on the way, and what is left has equal ranges.
func TestUpdateShardCount(t *testing.T) {
	f := newFixture(t)
	f.create("orders", 4)
	update := func(count int32) (*awskinesis.UpdateShardCountOutput, error) {
		return f.client.UpdateShardCount(t.Context(), &awskinesis.UpdateShardCountInput{
			StreamName: aws.String("orders"), TargetShardCount: &count, ScalingType: types.ScalingTypeUniformScaling,
		})
	}
	for _, count := range []int32{3, 5, 5, 10, 1, 2, 7, 21, 14, 4} {
		now := len(f.shards("orders", &types.ShardFilter{Type: types.ShardFilterTypeAtLatest}))
		out, err := update(count)
		f.must(err)
		if int(*out.CurrentShardCount) != now || *out.TargetShardCount != count || *out.StreamARN != arnOf("orders") {
			t.Errorf("from %d to %d: %+v", now, count, out)
		}
		checkEven(t, f.shards("orders", &types.ShardFilter{Type: types.ShardFilterTypeAtLatest}), int(count))
	}
	before := len(f.shards("orders", nil))
	_, err := update(2000)
	f.refused(err, "LimitExceededException", "")
	if after := len(f.shards("orders", nil)); after != before {
		t.Errorf("what was refused has made %d shards", after-before)
	}
}

// checkEven wants so many shards that cover all keys, each beginning where it would if all were
// equal, to one part in 2^64.
func checkEven(t *testing.T, open []types.Shard, count int) {
	t.Helper()
	if len(open) != count {
		t.Fatalf("there are %d shards instead of %d", len(open), count)
	}
	key := func(text *string) *big.Int {
		n, _ := new(big.Int).SetString(*text, 10)
		return n
	}
	slices.SortFunc(open, func(a, b types.Shard) int {
		return key(a.HashKeyRange.StartingHashKey).Cmp(key(b.HashKeyRange.StartingHashKey))
	})
	next := new(big.Int)
	for i, want := range record.SplitEvenly(count) {
		begin := key(open[i].HashKeyRange.StartingHashKey)
		text := want.Start.String()
		off := new(big.Int).Abs(new(big.Int).Sub(begin, key(&text)))
		if begin.Cmp(next) != 0 || off.BitLen() > 64 {
			t.Errorf("of %d shards number %d begins at %v instead of %v", count, i, begin, want.Start)
		}
		next.Add(key(open[i].HashKeyRange.EndingHashKey), big.NewInt(1))
	}
	if next.BitLen() != 129 {
		t.Errorf("%d shards end at %v", count, next)
	}
}

// TestShardLimits: what AWS enforces of shards and streams, and its texts.
func TestShardLimits(t *testing.T) {
	f := newFixture(t, func(o *streams.Options) { o.EnforceLimits, o.ShardsMax = true, 6 })
	f.create("orders", 2)
	update := func(count int32) error {
		_, err := f.client.UpdateShardCount(t.Context(), &awskinesis.UpdateShardCountInput{
			StreamName: aws.String("orders"), TargetShardCount: &count, ScalingType: types.ScalingTypeUniformScaling,
		})
		return err
	}
	f.refused(update(5), "LimitExceededException", "UpdateShardCount cannot scale up over double your current open shard count. Current open shard count: 2 Target shard count: 5")
	f.must(update(4))
	f.refused(update(1), "LimitExceededException", "UpdateShardCount cannot scale down below half your current open shard count. Current open shard count: 4 Target shard count: 1")
	const room = "This request would exceed the shard limit for the account " + account + " in " + region + ". Current shard count for the account: 4. Limit: 6. " +
		"Number of additional shards that would have resulted from this request: %d. Refer to the AWS Service Limits page " +
		"(http://docs.aws.amazon.com/general/latest/gr/aws_service_limits.html) for current limits and how to request higher limits."
	f.refused(update(8), "LimitExceededException", fmt.Sprintf(room, 4))
	_, err := f.client.CreateStream(t.Context(), &awskinesis.CreateStreamInput{StreamName: aws.String("more"), ShardCount: aws.Int32(3)})
	f.refused(err, "LimitExceededException", fmt.Sprintf(room, 3))
	for range 9 { // and the first one
		f.clock.Advance(time.Hour)
		f.must(update(4))
	}
	f.clock.Advance(14 * time.Hour)
	f.refused(update(4), "LimitExceededException", "The shard count can be changed 10 times in 24 hours.")
	f.clock.Advance(2 * time.Hour)
	f.must(update(4))
}

// TestShardFilters lists shards by every filter, at every time that makes a difference.
func TestShardFilters(t *testing.T) {
	f := newFixture(t)
	created := f.clock.Now()
	f.create("orders", 2)
	f.clock.Advance(time.Hour)
	split := f.clock.Now()
	f.split("orders", shard0, "100") // 2 and 3
	f.clock.Advance(time.Hour)
	merged := f.clock.Now()
	f.merge("orders", "shardId-3", shard1) // 4
	f.clock.Advance(time.Hour)
	all := []string{"0!", "1!", "2<0", "3<0!", "4<3+1"}
	at := func(kind types.ShardFilterType, moment time.Time) []string {
		return lineage(f.shards("orders", &types.ShardFilter{Type: kind, Timestamp: &moment}))
	}
	f.expect("no filter", lineage(f.shards("orders", nil)), all)
	f.expect("FROM_TRIM_HORIZON", lineage(f.shards("orders", &types.ShardFilter{Type: types.ShardFilterTypeFromTrimHorizon})), all)
	f.expect("AT_TRIM_HORIZON", lineage(f.shards("orders", &types.ShardFilter{Type: types.ShardFilterTypeAtTrimHorizon})), []string{"0!", "1!"})
	f.expect("AT_LATEST", lineage(f.shards("orders", &types.ShardFilter{Type: types.ShardFilterTypeAtLatest})), []string{"2<0", "4<3+1"})
	f.expect("AFTER_SHARD_ID", lineage(f.shards("orders", &types.ShardFilter{Type: types.ShardFilterTypeAfterShardId, ShardId: aws.String("shardId-2")})), []string{"3<0!", "4<3+1"})
	f.expect("before it was there", at(types.ShardFilterTypeAtTimestamp, created.Add(-time.Hour)), []string{"0!", "1!"})
	f.expect("before the split", at(types.ShardFilterTypeAtTimestamp, split.Add(-time.Millisecond)), []string{"0!", "1!"})
	f.expect("at the split", at(types.ShardFilterTypeAtTimestamp, split), []string{"0!", "1!", "2<0", "3<0!"})
	f.expect("behind the split", at(types.ShardFilterTypeAtTimestamp, split.Add(time.Second)), []string{"1!", "2<0", "3<0!"})
	f.expect("now", at(types.ShardFilterTypeAtTimestamp, f.clock.Now()), []string{"2<0", "4<3+1"})
	f.expect("from before it was there", at(types.ShardFilterTypeFromTimestamp, created.Add(-time.Hour)), all)
	f.expect("from behind the split", at(types.ShardFilterTypeFromTimestamp, split.Add(time.Second)), []string{"1!", "2<0", "3<0!", "4<3+1"})
	f.expect("from the merge", at(types.ShardFilterTypeFromTimestamp, merged), []string{"1!", "2<0", "3<0!", "4<3+1"})
	f.expect("from now", at(types.ShardFilterTypeFromTimestamp, f.clock.Now()), []string{"2<0", "4<3+1"})

	f.clock.Advance(22*time.Hour + time.Minute) // the horizon is behind the split
	f.expect("AT_TRIM_HORIZON later", lineage(f.shards("orders", &types.ShardFilter{Type: types.ShardFilterTypeAtTrimHorizon})), []string{"1!", "2<0", "3<0!"})
	f.must(f.store.EnforceRetention(t.Context()))
	f.expect("expired shards", lineage(f.shards("orders", nil)), []string{"1!", "2<0", "3<0!", "4<3+1"})

	now := f.clock.Now()
	for _, wrong := range []types.ShardFilter{
		{Type: types.ShardFilterTypeAfterShardId},
		{Type: types.ShardFilterTypeAtTimestamp},
		{Type: types.ShardFilterTypeFromTimestamp},
		{Type: types.ShardFilterTypeAtLatest, ShardId: aws.String(shard0)},
		{Type: types.ShardFilterTypeAtLatest, Timestamp: &now},
		{Type: types.ShardFilterTypeAfterShardId, ShardId: aws.String("shard")},
	} {
		_, err := f.client.ListShards(t.Context(), &awskinesis.ListShardsInput{StreamName: aws.String("orders"), ShardFilter: &wrong})
		f.refused(err, "InvalidArgumentException", "")
	}
}

// TestShardPages: lists of shards go on where they ended, with their filter, after a change and a restart.
func TestShardPages(t *testing.T) {
	f := newFixture(t)
	f.create("orders", 5)
	f.split("orders", shard0, "100")
	filter := &types.ShardFilter{Type: types.ShardFilterTypeAtLatest}
	first, err := f.client.ListShards(t.Context(), &awskinesis.ListShardsInput{StreamName: aws.String("orders"), ShardFilter: filter, MaxResults: aws.Int32(2)})
	f.must(err)
	f.expect("first page", lineage(first.Shards), []string{"1", "2"})
	f.restart()
	f.clock.Advance(300 * time.Second)
	second, err := f.client.ListShards(t.Context(), &awskinesis.ListShardsInput{NextToken: first.NextToken, MaxResults: aws.Int32(3)})
	f.must(err)
	f.expect("second page", lineage(second.Shards), []string{"3", "4", "5<0"})
	third, err := f.client.ListShards(t.Context(), &awskinesis.ListShardsInput{NextToken: second.NextToken})
	f.must(err)
	f.expect("third page", lineage(third.Shards), []string{"6<0"})
	if third.NextToken != nil {
		t.Error("the list goes on for ever")
	}
	_, err = f.client.ListShards(t.Context(), &awskinesis.ListShardsInput{NextToken: first.NextToken, StreamARN: aws.String(arnOf("orders"))})
	f.refused(err, "InvalidArgumentException", "NextToken and StreamARN cannot be provided together.")
	_, err = f.client.ListShards(t.Context(), &awskinesis.ListShardsInput{NextToken: first.NextToken, StreamName: aws.String("orders"), ShardFilter: filter})
	f.refused(err, "InvalidArgumentException", "NextToken and StreamName cannot be provided together.")
	out, err := f.client.ListShards(t.Context(), &awskinesis.ListShardsInput{StreamName: aws.String("orders"), ExclusiveStartShardId: aws.String("shardId-4")})
	f.must(err)
	f.expect("after a shard", lineage(out.Shards), []string{"5<0", "6<0"})
	wrong := f.clock.Now()
	_, err = f.client.ListShards(t.Context(), &awskinesis.ListShardsInput{StreamName: aws.String("orders"), StreamCreationTimestamp: &wrong})
	f.refused(err, "ResourceNotFoundException", "Stream orders under account "+account+" not found.")

	described, err := f.client.DescribeStream(t.Context(), &awskinesis.DescribeStreamInput{StreamARN: aws.String(arnOf("orders")), Limit: aws.Int32(3)})
	f.must(err)
	f.expect("described", lineage(described.StreamDescription.Shards), []string{"0!", "1", "2"})
	if !*described.StreamDescription.HasMoreShards {
		t.Error("there are no more shards")
	}
	described, err = f.client.DescribeStream(t.Context(), &awskinesis.DescribeStreamInput{StreamName: aws.String("orders"), ExclusiveStartShardId: aws.String("shardId-2")})
	f.must(err)
	f.expect("described on", lineage(described.StreamDescription.Shards), []string{"3", "4", "5<0", "6<0"})
	if *described.StreamDescription.HasMoreShards {
		t.Error("there are more shards")
	}
}
