package streams_test

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awskinesis "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"

	"github.com/millrace-io/millrace/kinesis/streams"
)

// position asks for an iterator and returns what it reads.
func (f *fixture) position(in awskinesis.GetShardIteratorInput) ([]string, error) {
	f.t.Helper()
	in.StreamName, in.ShardId = aws.String("orders"), aws.String(shard0)
	out, err := f.client.GetShardIterator(f.t.Context(), &in)
	if err != nil {
		return nil, err
	}
	return data(f.get(out.ShardIterator).Records), nil
}

// TestIterators: every type, and what is refused.
func TestIterators(t *testing.T) {
	f := newFixture(t)
	f.create("orders", 1)
	f.create("other", 1)
	began := f.clock.Now()
	var numbers []string
	for i := range 4 {
		f.clock.Advance(time.Minute)
		numbers = append(numbers, *f.put("orders", strconv.Itoa(i), "").SequenceNumber)
	}
	f.clock.Advance(time.Minute)
	at := func(d time.Duration) awskinesis.GetShardIteratorInput {
		return awskinesis.GetShardIteratorInput{ShardIteratorType: types.ShardIteratorTypeAtTimestamp, Timestamp: aws.Time(began.Add(d))}
	}
	by := func(kind types.ShardIteratorType, number string) awskinesis.GetShardIteratorInput {
		return awskinesis.GetShardIteratorInput{ShardIteratorType: kind, StartingSequenceNumber: &number}
	}
	all := []string{"0", "1", "2", "3"}
	start := *f.shards("orders", nil)[0].SequenceNumberRange.StartingSequenceNumber
	for _, c := range []struct {
		name string
		in   awskinesis.GetShardIteratorInput
		want []string
	}{
		{"TRIM_HORIZON", awskinesis.GetShardIteratorInput{ShardIteratorType: types.ShardIteratorTypeTrimHorizon}, all},
		{"LATEST", awskinesis.GetShardIteratorInput{ShardIteratorType: types.ShardIteratorTypeLatest}, nil},
		{"at the first", by(types.ShardIteratorTypeAtSequenceNumber, numbers[0]), all},
		{"at the third", by(types.ShardIteratorTypeAtSequenceNumber, numbers[2]), all[2:]},
		{"after the third", by(types.ShardIteratorTypeAfterSequenceNumber, numbers[2]), all[3:]},
		{"after the last", by(types.ShardIteratorTypeAfterSequenceNumber, numbers[3]), nil},
		{"at the start of the shard", by(types.ShardIteratorTypeAtSequenceNumber, start), all},
		{"after the start of the shard", by(types.ShardIteratorTypeAfterSequenceNumber, start), all},
		{"before the stream was", at(-time.Hour), all},
		{"before the second", at(2*time.Minute - time.Millisecond), all[1:]},
		{"with the second", at(2 * time.Minute), all[1:]},
		{"after the second", at(2*time.Minute + time.Millisecond), all[2:]},
		{"after all", at(5 * time.Minute), nil},
	} {
		got, err := f.position(c.in)
		f.must(err)
		f.expect(c.name, got, c.want)
	}
	future := at(5*time.Minute + time.Second)
	_, err := f.position(future)
	f.refused(err, "InvalidArgumentException", fmt.Sprintf("The timestampInMillis parameter cannot be greater than the currentTimestampInMillis. timestampInMillis: %d, currentTimestampInMillis: %d",
		future.Timestamp.UnixMilli(), f.clock.Now().UnixMilli()))
	for _, in := range []awskinesis.GetShardIteratorInput{
		{ShardIteratorType: types.ShardIteratorTypeAtTimestamp},
		{ShardIteratorType: types.ShardIteratorTypeAtSequenceNumber},
		{ShardIteratorType: types.ShardIteratorTypeAfterSequenceNumber},
		by(types.ShardIteratorTypeAtSequenceNumber, "1"),
		by(types.ShardIteratorTypeAtSequenceNumber, strings.Repeat("9", 56)),
	} {
		_, err := f.position(in)
		f.refused(err, "InvalidArgumentException", "")
	}
	_, err = f.client.GetShardIterator(t.Context(), &awskinesis.GetShardIteratorInput{StreamName: aws.String("orders"), ShardId: aws.String("shardId-7"), ShardIteratorType: types.ShardIteratorTypeLatest})
	f.refused(err, "ResourceNotFoundException", "Shard shardId-000000000007 in stream orders under account "+account+" does not exist")
}

// TestIteratorTokens: iterators are opaque, differ, live 300 seconds, survive a restart, and are
// good with the quotes that people paste with them.
func TestIteratorTokens(t *testing.T) {
	f := newFixture(t)
	f.create("orders", 1)
	latest := f.iterator("orders", shard0, types.ShardIteratorTypeLatest)
	f.put("orders", "a", "")
	f.restart()
	f.clock.Advance(300 * time.Second)
	got := f.get(latest) // pinned when it was issued
	f.expect("LATEST", data(got.Records), []string{"a"})
	if len(*latest) > 512 || *latest == *got.NextShardIterator || !strings.HasPrefix(*latest, "AAAAAAAAAA") {
		t.Errorf("the iterators are %q and %q", *latest, *got.NextShardIterator)
	}
	f.expect("quoted", data(f.get(aws.String(`"`+*latest+`"`)).Records), []string{"a"})
	f.clock.Advance(time.Millisecond)
	_, err := f.client.GetRecords(t.Context(), &awskinesis.GetRecordsInput{ShardIterator: latest})
	f.refused(err, "ExpiredIteratorException", "Iterator expired. The iterator was created at time Tue Nov 14 22:13:20 UTC 2023 while right now it is Tue Nov 14 22:18:20 UTC 2023 "+
		"which is further in the future than the tolerated delay of 300000 milliseconds.")
	for _, forged := range []string{"a", "AAAA", *latest + "A", strings.ToLower(*latest), (*latest)[:len(*latest)-4], strings.Repeat("A", 512)} {
		_, err := f.client.GetRecords(t.Context(), &awskinesis.GetRecordsInput{ShardIterator: &forged})
		f.refused(err, "InvalidArgumentException", "Invalid ShardIterator.")
	}
	_, err = f.client.GetRecords(t.Context(), &awskinesis.GetRecordsInput{ShardIterator: got.NextShardIterator, StreamARN: aws.String(arnOf("other"))})
	f.refused(err, "InvalidArgumentException", "")
	_, err = f.client.GetRecords(t.Context(), &awskinesis.GetRecordsInput{ShardIterator: got.NextShardIterator, StreamARN: aws.String(arnOf("orders"))})
	f.must(err)
	_, err = f.client.DeleteStream(t.Context(), &awskinesis.DeleteStreamInput{StreamName: aws.String("orders")})
	f.must(err)
	f.create("orders", 1) // another one of that name
	_, err = f.client.GetRecords(t.Context(), &awskinesis.GetRecordsInput{ShardIterator: got.NextShardIterator})
	f.refused(err, "ResourceNotFoundException", "")
}

// TestEmptyShard: there is nothing to read, and reading goes on all the same.
func TestEmptyShard(t *testing.T) {
	f := newFixture(t)
	f.create("orders", 1)
	created := f.clock.Now()
	f.clock.Advance(time.Minute)
	for _, moment := range []time.Time{created.Add(-time.Hour), created, f.clock.Now()} {
		got, err := f.position(awskinesis.GetShardIteratorInput{ShardIteratorType: types.ShardIteratorTypeAtTimestamp, Timestamp: &moment})
		f.must(err)
		f.expect("nothing", got, nil)
	}
	next := f.iterator("orders", shard0, types.ShardIteratorTypeTrimHorizon)
	for range 3 {
		got := f.get(next)
		if len(got.Records) != 0 || got.NextShardIterator == nil || *got.MillisBehindLatest != 0 || got.ChildShards != nil {
			t.Fatalf("an empty shard reads as %+v", got)
		}
		next = got.NextShardIterator
	}
	f.put("orders", "a", "")
	f.expect("the first record", data(f.get(next).Records), []string{"a"})
}

// TestReading: pages, lateness, and the end of what retention keeps.
func TestReading(t *testing.T) {
	f := newFixture(t)
	f.create("orders", 1)
	for i := range 5 {
		f.put("orders", strconv.Itoa(i), "")
		f.clock.Advance(time.Second)
	}
	next := f.iterator("orders", shard0, types.ShardIteratorTypeTrimHorizon)
	var read []string
	for want := range 3 {
		got, err := f.client.GetRecords(t.Context(), &awskinesis.GetRecordsInput{ShardIterator: next, Limit: aws.Int32(2)})
		f.must(err)
		if behind := []int64{4000, 2000, 0}[want]; *got.MillisBehindLatest != behind {
			t.Errorf("page %d is %d ms behind instead of %d", want, *got.MillisBehindLatest, behind)
		}
		read, next = append(read, data(got.Records)...), got.NextShardIterator
	}
	f.expect("pages", read, []string{"0", "1", "2", "3", "4"})
	record := f.get(f.iterator("orders", shard0, types.ShardIteratorTypeTrimHorizon)).Records[1]
	if want := f.clock.Now().Add(-4 * time.Second); !record.ApproximateArrivalTimestamp.Equal(want.Truncate(time.Millisecond)) || *record.PartitionKey != "key" || record.EncryptionType != "" {
		t.Errorf("the record is %+v", record)
	}
	f.must(w(f.client.StartStreamEncryption(t.Context(), &awskinesis.StartStreamEncryptionInput{StreamName: aws.String("orders"), EncryptionType: types.EncryptionTypeKms, KeyId: aws.String("key")})))
	put := f.put("orders", "secret", "")
	if got := f.get(next).Records[0]; got.EncryptionType != types.EncryptionTypeKms || put.EncryptionType != types.EncryptionTypeKms {
		t.Errorf("an encrypted record was put as %q and read as %q", put.EncryptionType, got.EncryptionType)
	}
}

// w drops an output.
func w[Out any](_ Out, err error) error { return err }

// TestLargeRecords: up to 10 MiB with the key, once the stream allows it, and 10 MiB a request and an answer.
func TestLargeRecords(t *testing.T) {
	f := newFixture(t)
	f.create("orders", 1)
	put := func(size int) error {
		return w(f.client.PutRecord(t.Context(), &awskinesis.PutRecordInput{StreamName: aws.String("orders"), PartitionKey: aws.String("key"), Data: make([]byte, size)}))
	}
	f.must(put(1<<20 - 3))
	f.refused(put(1<<20-2), "ValidationException", "1 validation error detected: Value at 'data' failed to satisfy constraint: Member must have length less than or equal to 1048576")
	f.must(w(f.client.UpdateMaxRecordSize(t.Context(), &awskinesis.UpdateMaxRecordSizeInput{StreamARN: aws.String(arnOf("orders")), MaxRecordSizeInKiB: aws.Int32(10240)})))
	f.must(put(10<<20 - 3))
	f.refused(put(10<<20-2), "ValidationException", "1 validation error detected: Value at 'data' failed to satisfy constraint: Member must have length less than or equal to 10485760")
	f.refused(put(10<<20+1), "ValidationException", "1 validation error detected: Value 'java.nio.HeapByteBuffer[pos=0 lim=10485761 cap=10485761]' at 'data' failed to satisfy constraint: Member must have length less than or equal to 10485760")

	half := types.PutRecordsRequestEntry{PartitionKey: aws.String("key"), Data: make([]byte, 5<<20-3)}
	over := half
	over.Data = make([]byte, 5<<20-2)
	_, err := f.client.PutRecords(t.Context(), &awskinesis.PutRecordsInput{StreamName: aws.String("orders"), Records: []types.PutRecordsRequestEntry{half, over}})
	f.refused(err, "InvalidArgumentException", "Records size exceeds 10 MB limit")
	out, err := f.client.PutRecords(t.Context(), &awskinesis.PutRecordsInput{StreamName: aws.String("orders"), Records: []types.PutRecordsRequestEntry{half, half}})
	f.must(err)
	if *out.FailedRecordCount != 0 || len(out.Records) != 2 {
		t.Errorf("10 MiB: %+v", out)
	}
	var sizes []int
	next := f.iterator("orders", shard0, types.ShardIteratorTypeTrimHorizon)
	for len(sizes) < 4 {
		got := f.get(next)
		total := 0
		for _, r := range got.Records {
			sizes = append(sizes, len(r.Data))
			total += len(r.Data) + len(*r.PartitionKey)
		}
		if total > 10<<20 || total == 0 {
			t.Fatalf("an answer has %d bytes", total)
		}
		next = got.NextShardIterator
	}
	if got := fmt.Sprint(sizes); got != "[1048573 10485757 5242877 5242877]" {
		t.Errorf("the records have %s bytes", got)
	}
	small := newFixture(t)
	small.create("orders", 1)
	_, err = small.client.PutRecords(t.Context(), &awskinesis.PutRecordsInput{StreamName: aws.String("orders"), Records: []types.PutRecordsRequestEntry{
		{PartitionKey: aws.String("key"), Data: []byte("small")}, {PartitionKey: aws.String("key"), Data: make([]byte, 1<<20)},
	}})
	small.refused(err, "ValidationException", "1 validation error detected: Value at 'records.2.member.data' failed to satisfy constraint: Member must have length less than or equal to 1048576")
}

// TestPutting: keys and hash keys choose the shard, and what is no hash key is refused.
func TestPutting(t *testing.T) {
	f := newFixture(t)
	f.create("orders", 2)
	if got := f.put("orders", "", middle); *got.ShardId != shard1 || got.EncryptionType != "" { // data may be empty
		t.Errorf("the upper half is %s", *got.ShardId)
	}
	const beyond = "340282366920938463463374607431768211456"
	_, err := f.client.PutRecord(t.Context(), &awskinesis.PutRecordInput{StreamName: aws.String("orders"), Data: []byte("a"), PartitionKey: aws.String("k"), ExplicitHashKey: aws.String(beyond)})
	f.refused(err, "InvalidArgumentException", "Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was "+beyond)
	_, err = f.client.PutRecords(t.Context(), &awskinesis.PutRecordsInput{StreamName: aws.String("orders"), Records: []types.PutRecordsRequestEntry{
		{Data: []byte("a"), PartitionKey: aws.String("k")}, {Data: []byte("a"), PartitionKey: aws.String("k"), ExplicitHashKey: aws.String(beyond)},
	}})
	f.refused(err, "InvalidArgumentException", "Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was "+beyond)
	_, err = f.client.PutRecord(t.Context(), &awskinesis.PutRecordInput{StreamName: aws.String("orders"), Data: []byte("a")})
	f.refused(err, "ValidationException", "1 validation error detected: Value null at 'partitionKey' failed to satisfy constraint: Member must not be null")
	_, err = f.client.PutRecords(t.Context(), &awskinesis.PutRecordsInput{StreamName: aws.String("orders"), Records: []types.PutRecordsRequestEntry{{Data: []byte("a")}}})
	f.refused(err, "ValidationException", "1 validation error detected: Value null at 'records.1.member.partitionKey' failed to satisfy constraint: Member must not be null")
	_, err = f.client.PutRecord(t.Context(), &awskinesis.PutRecordInput{Data: []byte("a"), PartitionKey: aws.String("k")})
	f.refused(err, "InvalidArgumentException", "")
	_, err = f.client.PutRecord(t.Context(), &awskinesis.PutRecordInput{StreamARN: aws.String(strings.Replace(arnOf("orders"), account, "111111111111", 1)), Data: []byte("a"), PartitionKey: aws.String("k")})
	f.refused(err, "ResourceNotFoundException", "Stream orders under account 111111111111 not found.")
	_, err = f.client.PutRecord(t.Context(), &awskinesis.PutRecordInput{StreamName: aws.String("orders"), StreamARN: aws.String(arnOf("orders")), Data: []byte("a"), PartitionKey: aws.String(strings.Repeat("é", 256))})
	f.must(err)
	_, err = f.client.PutRecord(t.Context(), &awskinesis.PutRecordInput{StreamName: aws.String("orders"), Data: []byte("a"), PartitionKey: aws.String(strings.Repeat("é", 257))})
	f.refused(err, "ValidationException", "")
}

// TestOrdering: a sequence number that is none of the stream's is refused.
func TestOrdering(t *testing.T) {
	f := newFixture(t)
	f.create("orders", 1)
	f.create("other", 1)
	put := func(name, after string) (*awskinesis.PutRecordOutput, error) {
		return f.client.PutRecord(t.Context(), &awskinesis.PutRecordInput{StreamName: &name, Data: []byte("a"), PartitionKey: aws.String("k"), SequenceNumberForOrdering: &after})
	}
	last := *f.put("orders", "a", "").SequenceNumber
	for range 3 {
		out, err := put("orders", last)
		f.must(err)
		if *out.SequenceNumber <= last {
			t.Errorf("%s is not above %s", *out.SequenceNumber, last)
		}
		last = *out.SequenceNumber
	}
	f.clock.Advance(time.Second)
	f.split("orders", shard0, middle)
	if _, err := put("orders", last); err != nil { // of the parent
		t.Error(err)
	}
	_, err := put("other", last)
	f.refused(err, "InvalidArgumentException", "ExclusiveMinimumSequenceNumber "+last+" used in PutRecord on stream other under account "+account+" is invalid because it did not come from this stream.")
	_, err = put("orders", "7")
	f.refused(err, "InvalidArgumentException", "")
}

// TestWriteLimits: PutRecords fails for the records that there is no room for, and for no others.
func TestWriteLimits(t *testing.T) {
	f := newFixture(t, func(o *streams.Options) { o.EnforceLimits = true })
	f.create("orders", 2)
	var records []types.PutRecordsRequestEntry
	for range 3 {
		for _, hash := range []string{"0", middle} {
			records = append(records, types.PutRecordsRequestEntry{Data: bytes.Repeat([]byte{1}, 400<<10), PartitionKey: aws.String("k"), ExplicitHashKey: &hash})
		}
	}
	out, err := f.client.PutRecords(t.Context(), &awskinesis.PutRecordsInput{StreamName: aws.String("orders"), Records: records})
	f.must(err)
	failed := 0
	for i, r := range out.Records {
		if r.ErrorCode == nil {
			if r.SequenceNumber == nil || *r.ShardId != []string{shard0, shard1}[i%2] {
				t.Errorf("record %d is at %+v", i, r)
			}
			continue
		}
		failed++
		shard := []string{shard0, shard1}[i%2]
		if *r.ErrorCode != "ProvisionedThroughputExceededException" || *r.ErrorMessage != "Rate exceeded for shard "+shard+" in stream orders under account "+account+"." || r.SequenceNumber != nil {
			t.Errorf("record %d failed with %s: %s", i, *r.ErrorCode, *r.ErrorMessage)
		}
	}
	if failed != 2 || *out.FailedRecordCount != 2 {
		t.Errorf("%d records failed, and %d are said to", failed, *out.FailedRecordCount)
	}
}

// TestReadLimits: after 10 MiB a shard rests for 5 seconds; a second has 5 reads.
func TestReadLimits(t *testing.T) {
	f := newFixture(t, func(o *streams.Options) { o.EnforceLimits = true })
	f.create("orders", 1)
	for range 10 {
		f.must(w(f.client.PutRecord(t.Context(), &awskinesis.PutRecordInput{StreamName: aws.String("orders"), PartitionKey: aws.String("key"), Data: make([]byte, 1<<20-3)})))
		f.clock.Advance(time.Second)
	}
	next := f.iterator("orders", shard0, types.ShardIteratorTypeTrimHorizon)
	got := f.get(next)
	if len(got.Records) != 10 {
		t.Fatalf("%d records", len(got.Records))
	}
	busy := func() bool {
		err := w(f.client.GetRecords(t.Context(), &awskinesis.GetRecordsInput{ShardIterator: got.NextShardIterator}))
		var shown smithy.APIError
		if err != nil && (!errors.As(err, &shown) || shown.ErrorCode() != "ProvisionedThroughputExceededException") {
			t.Fatal(err)
		}
		return err != nil
	}
	f.clock.Advance(4900 * time.Millisecond)
	if !busy() {
		t.Error("the shard does not rest after 10 MiB")
	}
	f.clock.Advance(100 * time.Millisecond)
	for i := range 5 {
		if busy() {
			t.Errorf("read %d of a second is refused", i+1)
		}
	}
	if !busy() {
		t.Error("a sixth read is not refused")
	}
	f.clock.Advance(time.Second)
	if busy() {
		t.Error("the next second is refused")
	}
}

// TestDistribution: with AUTO records go everywhere, whatever their key, which they need not have.
func TestDistribution(t *testing.T) {
	f := newFixture(t)
	f.createOnDemand("demand")
	f.must(w(f.client.UpdateStreamRecordDistributionStrategy(t.Context(), &awskinesis.UpdateStreamRecordDistributionStrategyInput{
		StreamARN: aws.String(arnOf("demand")), RecordDistributionStrategy: types.RecordDistributionStrategyAuto,
	})))
	counts := make(map[string]int)
	for i := range 100 {
		in := &awskinesis.PutRecordInput{StreamName: aws.String("demand"), Data: []byte("a")}
		if i%2 == 0 {
			in.PartitionKey, in.ExplicitHashKey = aws.String("same"), aws.String("0")
		}
		out, err := f.client.PutRecord(t.Context(), in)
		f.must(err)
		counts[*out.ShardId]++
	}
	out, err := f.client.PutRecords(t.Context(), &awskinesis.PutRecordsInput{StreamName: aws.String("demand"), Records: make100()})
	f.must(err)
	for _, r := range out.Records {
		counts[*r.ShardId]++
	}
	for shard, n := range counts {
		if n < 40 || n > 60 {
			t.Errorf("shard %s has %d of 200 records", shard, n)
		}
	}
	if len(counts) != 4 {
		t.Errorf("the records are in %d shards", len(counts))
	}
	f.create("orders", 1)
	err = w(f.client.UpdateStreamRecordDistributionStrategy(t.Context(), &awskinesis.UpdateStreamRecordDistributionStrategyInput{
		StreamARN: aws.String(arnOf("orders")), RecordDistributionStrategy: types.RecordDistributionStrategyAuto,
	}))
	f.refused(err, "ValidationException", "")
}

func make100() []types.PutRecordsRequestEntry {
	records := make([]types.PutRecordsRequestEntry, 100)
	for i := range records {
		records[i].Data = []byte{byte(i)}
	}
	return records
}

// TestDryRuns: nothing is written, and what would fail fails.
func TestDryRuns(t *testing.T) {
	f := newFixture(t)
	f.create("orders", 1)
	dry := aws.Bool(true)
	const says = "Request would have succeeded, but DryRun flag is set."
	next := f.iterator("orders", shard0, types.ShardIteratorTypeTrimHorizon)
	err := w(f.client.PutRecord(t.Context(), &awskinesis.PutRecordInput{StreamName: aws.String("orders"), Data: []byte("a"), PartitionKey: aws.String("k"), DryRun: dry}))
	f.refused(err, "DryRunOperationException", says)
	err = w(f.client.PutRecords(t.Context(), &awskinesis.PutRecordsInput{StreamName: aws.String("orders"), Records: []types.PutRecordsRequestEntry{{Data: []byte("a"), PartitionKey: aws.String("k")}}, DryRun: dry}))
	f.refused(err, "DryRunOperationException", says)
	if got := f.get(next); len(got.Records) != 0 {
		t.Errorf("a dry run has written %v", data(got.Records))
	}
	err = w(f.client.PutRecord(t.Context(), &awskinesis.PutRecordInput{StreamName: aws.String("missing"), Data: []byte("a"), PartitionKey: aws.String("k"), DryRun: dry}))
	f.refused(err, "ResourceNotFoundException", "")
	err = w(f.client.GetShardIterator(t.Context(), &awskinesis.GetShardIteratorInput{StreamName: aws.String("orders"), ShardId: aws.String("shardId-1"), ShardIteratorType: types.ShardIteratorTypeLatest, DryRun: dry}))
	f.refused(err, "ResourceNotFoundException", "")
	f.must(w(f.client.PutRecord(t.Context(), &awskinesis.PutRecordInput{StreamName: aws.String("orders"), Data: []byte("a"), PartitionKey: aws.String("k"), DryRun: aws.Bool(false)})))
}
