package streams_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awskinesis "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/millrace-io/millrace/kinesis/streams"
)

func slow(o *streams.Options) { o.StatusDelay = time.Second }

// vanishes waits until a stream is gone, which happens in the background.
func (f *fixture) vanishes(name string) {
	f.t.Helper()
	for deadline := time.Now().Add(patience); ; {
		_, err := f.client.DescribeStreamSummary(f.t.Context(), &awskinesis.DescribeStreamSummaryInput{StreamName: &name})
		var gone *types.ResourceNotFoundException
		if errors.As(err, &gone) {
			return
		}
		f.must(err)
		if time.Now().After(deadline) {
			f.t.Fatalf("stream %s does not go away", name)
		}
	}
}

// TestStates: CREATING, ACTIVE, UPDATING, DELETING, and then nothing.
func TestStates(t *testing.T) {
	f := newFixture(t, slow)
	f.create("orders", 1)
	update := func() error {
		return w(f.client.UpdateMaxRecordSize(t.Context(), &awskinesis.UpdateMaxRecordSizeInput{StreamARN: aws.String(arnOf("orders")), MaxRecordSizeInKiB: aws.Int32(2048)}))
	}
	const inState = "Stream orders under account " + account + " not ACTIVE, instead in state "
	if got := f.status("orders"); got != types.StreamStatusCreating {
		t.Errorf("a new stream is %s", got)
	}
	f.refused(update(), "ResourceInUseException", inState+"CREATING")
	f.clock.Advance(time.Second)
	if got := f.status("orders"); got != types.StreamStatusActive {
		t.Errorf("later it is %s", got)
	}
	f.must(update())
	if got := f.status("orders"); got != types.StreamStatusUpdating {
		t.Errorf("a stream that is changed is %s", got)
	}
	f.refused(update(), "ResourceInUseException", inState+"UPDATING")
	err := w(f.client.SplitShard(t.Context(), &awskinesis.SplitShardInput{StreamName: aws.String("orders"), ShardToSplit: aws.String(shard0), NewStartingHashKey: aws.String("9")}))
	f.refused(err, "ResourceInUseException", inState+"UPDATING")
	f.put("orders", "while it is updated", "")
	f.clock.Advance(time.Second)

	f.must(w(f.client.DeleteStream(t.Context(), &awskinesis.DeleteStreamInput{StreamName: aws.String("orders")})))
	if got := f.status("orders"); got != types.StreamStatusDeleting {
		t.Errorf("a stream that is deleted is %s", got)
	}
	f.put("orders", "while it is deleted", "")
	f.expect("reads while it is deleted", data(f.get(f.iterator("orders", shard0, types.ShardIteratorTypeTrimHorizon)).Records), []string{"while it is updated", "while it is deleted"})
	f.refused(w(f.client.DeleteStream(t.Context(), &awskinesis.DeleteStreamInput{StreamName: aws.String("orders")})), "ResourceInUseException", inState+"DELETING")
	f.refused(w(f.client.CreateStream(t.Context(), &awskinesis.CreateStreamInput{StreamName: aws.String("orders")})), "ResourceInUseException", "Stream orders under account "+account+" already exists.")
	f.restart() // the deletion goes on
	f.clock.Advance(time.Second)
	f.vanishes("orders")
	f.create("orders", 1)
}

// TestDeleteWithConsumers: a stream with consumers is deleted only if that is asked for.
func TestDeleteWithConsumers(t *testing.T) {
	f := newFixture(t)
	f.create("orders", 1)
	f.consumer("orders", "reader")
	for _, enforce := range []*bool{nil, aws.Bool(false)} {
		err := w(f.client.DeleteStream(t.Context(), &awskinesis.DeleteStreamInput{StreamName: aws.String("orders"), EnforceConsumerDeletion: enforce}))
		f.refused(err, "ResourceInUseException", "")
	}
	f.must(w(f.client.DeleteStream(t.Context(), &awskinesis.DeleteStreamInput{StreamName: aws.String("orders"), EnforceConsumerDeletion: aws.Bool(true)})))
	f.vanishes("orders")
}

// TestSummary: what was set is reported, also after a restart.
func TestSummary(t *testing.T) {
	f := newFixture(t)
	f.must(w(f.client.CreateStream(t.Context(), &awskinesis.CreateStreamInput{
		StreamName: aws.String("demand"), StreamModeDetails: &types.StreamModeDetails{StreamMode: types.StreamModeOnDemand},
		MaxRecordSizeInKiB: aws.Int32(4096), WarmThroughputMiBps: aws.Int32(7), RecordDistributionStrategy: types.RecordDistributionStrategyAuto, Tags: map[string]string{"team": "red"},
	})))
	arn := aws.String(arnOf("demand"))
	f.must(w(f.client.EnableEnhancedMonitoring(t.Context(), &awskinesis.EnableEnhancedMonitoringInput{StreamARN: arn, ShardLevelMetrics: []types.MetricsName{types.MetricsNameAll}})))
	out, err := f.client.DisableEnhancedMonitoring(t.Context(), &awskinesis.DisableEnhancedMonitoringInput{StreamARN: arn, ShardLevelMetrics: []types.MetricsName{types.MetricsNameOutgoingBytes}})
	f.must(err)
	if len(out.CurrentShardLevelMetrics) != 7 || len(out.DesiredShardLevelMetrics) != 6 || slices.Contains(out.DesiredShardLevelMetrics, types.MetricsNameAll) {
		t.Errorf("the metrics are %+v", out)
	}
	f.must(w(f.client.StartStreamEncryption(t.Context(), &awskinesis.StartStreamEncryptionInput{StreamARN: arn, EncryptionType: types.EncryptionTypeKms, KeyId: aws.String("alias/aws/kinesis")})))
	f.must(w(f.client.IncreaseStreamRetentionPeriod(t.Context(), &awskinesis.IncreaseStreamRetentionPeriodInput{StreamARN: arn, RetentionPeriodHours: aws.Int32(48)})))
	f.consumer("demand", "reader")
	f.must(w(f.client.CreateChannel(t.Context(), channelInput("channel", arn))))
	f.restart()
	summary, err := f.client.DescribeStreamSummary(t.Context(), &awskinesis.DescribeStreamSummaryInput{StreamARN: arn})
	f.must(err)
	s := summary.StreamDescriptionSummary
	if *s.OpenShardCount != 4 || *s.ConsumerCount != 1 || *s.ChannelCount != 1 || *s.MaxRecordSizeInKiB != 4096 || *s.WarmThroughput.TargetMiBps != 7 ||
		s.RecordDistributionStrategy != types.RecordDistributionStrategyAuto || s.EncryptionType != types.EncryptionTypeKms || *s.KeyId != "alias/aws/kinesis" ||
		*s.RetentionPeriodHours != 48 || len(s.EnhancedMonitoring[0].ShardLevelMetrics) != 6 || s.StreamModeDetails.StreamMode != types.StreamModeOnDemand || len(*s.StreamId) != 24 {
		t.Errorf("the summary is %+v", s)
	}
	tags, err := f.client.ListTagsForStream(t.Context(), &awskinesis.ListTagsForStreamInput{StreamARN: arn})
	f.must(err)
	if len(tags.Tags) != 1 || *tags.Tags[0].Key != "team" || *tags.Tags[0].Value != "red" {
		t.Errorf("the tags are %+v", tags.Tags)
	}
}

// TestRetention: AWS's texts, and that the same again is no error.
func TestRetention(t *testing.T) {
	f := newFixture(t)
	f.create("orders", 1)
	increase := func(hours int32) error {
		return w(f.client.IncreaseStreamRetentionPeriod(t.Context(), &awskinesis.IncreaseStreamRetentionPeriodInput{StreamName: aws.String("orders"), RetentionPeriodHours: &hours}))
	}
	decrease := func(hours int32) error {
		return w(f.client.DecreaseStreamRetentionPeriod(t.Context(), &awskinesis.DecreaseStreamRetentionPeriodInput{StreamName: aws.String("orders"), RetentionPeriodHours: &hours}))
	}
	f.must(increase(24))
	f.must(decrease(24))
	f.refused(decrease(23), "InvalidArgumentException", "Minimum allowed retention period is 24 hours. Requested retention period (23 hours) is too short.")
	f.refused(increase(8761), "InvalidArgumentException", "Maximum allowed retention period is 8760 hours. Requested retention period (8761 hours) is too long.")
	f.must(increase(8760))
	f.refused(increase(100), "InvalidArgumentException", "Requested retention period (100 hours) for stream orders can not be shorter than existing retention period (8760 hours). Use DecreaseRetentionPeriod API.")
	f.must(decrease(48))
	f.refused(decrease(49), "InvalidArgumentException", "Requested retention period (49 hours) for stream orders can not be longer than existing retention period (48 hours). Use IncreaseRetentionPeriod API.")
}

// TestTags: of streams, consumers and channels; 50 at most.
func TestTags(t *testing.T) {
	f := newFixture(t)
	f.create("orders", 1)
	f.createOnDemand("demand")
	consumer := *f.consumer("orders", "reader")
	made, err := f.client.CreateChannel(t.Context(), channelInput("channel", aws.String(arnOf("demand"))))
	f.must(err)
	for _, resource := range []string{arnOf("orders"), consumer, *made.ChannelDescription.ChannelARN} {
		tag := func(tags map[string]string) error {
			return w(f.client.TagResource(t.Context(), &awskinesis.TagResourceInput{ResourceARN: &resource, Tags: tags}))
		}
		list := func() map[string]string {
			out, err := f.client.ListTagsForResource(t.Context(), &awskinesis.ListTagsForResourceInput{ResourceARN: &resource})
			f.must(err)
			tags := make(map[string]string)
			for _, each := range out.Tags {
				tags[*each.Key] = *each.Value
			}
			return tags
		}
		f.must(tag(map[string]string{"a": "1", "b": ""}))
		f.must(tag(map[string]string{"a": "2", "c": "3"}))
		f.must(w(f.client.UntagResource(t.Context(), &awskinesis.UntagResourceInput{ResourceARN: &resource, TagKeys: []string{"c", "never"}})))
		if got := list(); !maps.Equal(got, map[string]string{"a": "2", "b": ""}) {
			t.Errorf("%s has the tags %v", resource, got)
		}
		many := make(map[string]string)
		for i := range 48 {
			many[fmt.Sprintf("t%02d", i)] = ""
		}
		f.must(tag(many))
		f.refused(tag(map[string]string{"one more": ""}), "InvalidArgumentException", "")
		f.refused(tag(map[string]string{"AWS:reserved": ""}), "InvalidArgumentException", "")
		f.must(tag(map[string]string{"t00": "changed"}))
		if got := list(); len(got) != 50 || got["t00"] != "changed" {
			t.Errorf("%s has %d tags", resource, len(got))
		}
	}
	out, err := f.client.ListTagsForStream(t.Context(), &awskinesis.ListTagsForStreamInput{StreamName: aws.String("orders"), Limit: aws.Int32(2)})
	f.must(err)
	if len(out.Tags) != 2 || *out.Tags[1].Key != "b" || !*out.HasMoreTags {
		t.Errorf("the first page is %+v", out)
	}
	out, err = f.client.ListTagsForStream(t.Context(), &awskinesis.ListTagsForStreamInput{StreamName: aws.String("orders"), ExclusiveStartTagKey: aws.String("b")})
	f.must(err)
	if len(out.Tags) != 48 || *out.Tags[0].Key != "t00" || *out.HasMoreTags {
		t.Errorf("the last page has %d tags", len(out.Tags))
	}
	err = w(f.client.AddTagsToStream(t.Context(), &awskinesis.AddTagsToStreamInput{StreamName: aws.String("orders"), Tags: map[string]string{"one more": ""}}))
	f.refused(err, "InvalidArgumentException", "Failed to add tags to stream orders under account "+account+" because a given stream cannot have more than 50 tags associated with it.")
}

// TestConsumers: names, ARNs, both, and pages.
func TestConsumers(t *testing.T) {
	f := newFixture(t, slow)
	f.create("orders", 1)
	f.create("other", 1)
	f.clock.Advance(time.Second)
	arn := f.consumer("orders", "reader")
	if want := fmt.Sprintf("%s/consumer/reader:%d", arnOf("orders"), f.clock.Now().Unix()); *arn != want {
		t.Errorf("the ARN is %s instead of %s", *arn, want)
	}
	err := w(f.client.RegisterStreamConsumer(t.Context(), &awskinesis.RegisterStreamConsumerInput{StreamARN: aws.String(arnOf("orders")), ConsumerName: aws.String("reader")}))
	f.refused(err, "ResourceInUseException", "")
	for _, c := range []struct {
		in   awskinesis.DescribeStreamConsumerInput
		code string
	}{
		{awskinesis.DescribeStreamConsumerInput{ConsumerARN: arn}, ""},
		{awskinesis.DescribeStreamConsumerInput{StreamARN: aws.String(arnOf("orders")), ConsumerName: aws.String("reader")}, ""},
		{awskinesis.DescribeStreamConsumerInput{ConsumerARN: arn, StreamARN: aws.String(arnOf("orders")), ConsumerName: aws.String("reader")}, ""},
		{awskinesis.DescribeStreamConsumerInput{ConsumerARN: arn, StreamARN: aws.String(arnOf("other"))}, "InvalidArgumentException"},
		{awskinesis.DescribeStreamConsumerInput{ConsumerARN: arn, ConsumerName: aws.String("writer")}, "InvalidArgumentException"},
		{awskinesis.DescribeStreamConsumerInput{StreamARN: aws.String(arnOf("orders"))}, "InvalidArgumentException"},
		{awskinesis.DescribeStreamConsumerInput{ConsumerName: aws.String("reader")}, "InvalidArgumentException"},
		{awskinesis.DescribeStreamConsumerInput{}, "InvalidArgumentException"},
		{awskinesis.DescribeStreamConsumerInput{StreamARN: aws.String(arnOf("other")), ConsumerName: aws.String("reader")}, "ResourceNotFoundException"},
		{awskinesis.DescribeStreamConsumerInput{ConsumerARN: aws.String(*arn + "1")}, "ResourceNotFoundException"},
		{awskinesis.DescribeStreamConsumerInput{ConsumerARN: aws.String(strings.Replace(*arn, account, "111111111111", 1))}, "ResourceNotFoundException"},
	} {
		out, err := f.client.DescribeStreamConsumer(t.Context(), &c.in)
		if c.code != "" {
			f.refused(err, c.code, "")
			continue
		}
		f.must(err)
		if d := out.ConsumerDescription; *d.ConsumerARN != *arn || d.ConsumerStatus != types.ConsumerStatusCreating || *d.StreamARN != arnOf("orders") {
			t.Errorf("the consumer is %+v", d)
		}
	}
	for _, name := range []string{"a", "b", "c"} {
		f.consumer("orders", name)
	}
	f.clock.Advance(time.Second)
	var names []string
	var token *string
	for more := true; more; more = token != nil {
		out, err := f.client.ListStreamConsumers(t.Context(), &awskinesis.ListStreamConsumersInput{StreamARN: aws.String(arnOf("orders")), MaxResults: aws.Int32(3), NextToken: token})
		f.must(err)
		for _, c := range out.Consumers {
			names = append(names, *c.ConsumerName+" "+string(c.ConsumerStatus))
		}
		token = out.NextToken
		if token != nil {
			err := w(f.client.ListStreamConsumers(t.Context(), &awskinesis.ListStreamConsumersInput{StreamARN: aws.String(arnOf("other")), NextToken: token}))
			f.refused(err, "InvalidArgumentException", "")
		}
	}
	f.expect("consumers", names, []string{"a ACTIVE", "b ACTIVE", "c ACTIVE", "reader ACTIVE"})
	wrong := f.clock.Now().Add(time.Hour)
	err = w(f.client.ListStreamConsumers(t.Context(), &awskinesis.ListStreamConsumersInput{StreamARN: aws.String(arnOf("orders")), StreamCreationTimestamp: &wrong}))
	f.refused(err, "ResourceNotFoundException", "")
}

// TestStreamPages: lists of streams go on by token or by name.
func TestStreamPages(t *testing.T) {
	f := newFixture(t)
	for _, name := range []string{"c", "a", "b", "d"} {
		f.create(name, 1)
	}
	first, err := f.client.ListStreams(t.Context(), &awskinesis.ListStreamsInput{Limit: aws.Int32(3)})
	f.must(err)
	f.expect("first page", first.StreamNames, []string{"a", "b", "c"})
	if !*first.HasMoreStreams || len(first.StreamSummaries) != 3 || *first.StreamSummaries[1].StreamARN != arnOf("b") {
		t.Errorf("the first page is %+v", first)
	}
	second, err := f.client.ListStreams(t.Context(), &awskinesis.ListStreamsInput{NextToken: first.NextToken})
	f.must(err)
	f.expect("second page", second.StreamNames, []string{"d"})
	if *second.HasMoreStreams || second.NextToken != nil {
		t.Errorf("the list goes on for ever: %+v", second)
	}
	byName, err := f.client.ListStreams(t.Context(), &awskinesis.ListStreamsInput{ExclusiveStartStreamName: aws.String("bb")})
	f.must(err)
	f.expect("by name", byName.StreamNames, []string{"c", "d"})
	err = w(f.client.ListStreams(t.Context(), &awskinesis.ListStreamsInput{ExclusiveStartStreamName: aws.String("a"), NextToken: first.NextToken}))
	f.refused(err, "InvalidArgumentException", "NextToken and ExclusiveStartStreamName cannot be provided together.")
}

// TestPolicies: what was put is got, and an empty policy where there is none.
func TestPolicies(t *testing.T) {
	f := newFixture(t)
	f.create("orders", 1)
	consumer := *f.consumer("orders", "reader")
	for _, resource := range []string{arnOf("orders"), consumer} {
		get := func() string {
			out, err := f.client.GetResourcePolicy(t.Context(), &awskinesis.GetResourcePolicyInput{ResourceARN: &resource})
			f.must(err)
			return *out.Policy
		}
		put := func(policy string) error {
			return w(f.client.PutResourcePolicy(t.Context(), &awskinesis.PutResourcePolicyInput{ResourceARN: &resource, Policy: &policy}))
		}
		if got := get(); got != "{}" {
			t.Errorf("without one the policy is %s", got)
		}
		const policy = `{"Version":"2012-10-17","Statement":[]}`
		f.must(put(policy))
		if got := get(); got != policy {
			t.Errorf("the policy is %s", got)
		}
		f.refused(put("[]"), "InvalidArgumentException", "")
		f.refused(put(`{"Statement":"`+strings.Repeat("a", 20<<10)+`"}`), "LimitExceededException", "")
		f.must(w(f.client.DeleteResourcePolicy(t.Context(), &awskinesis.DeleteResourcePolicyInput{ResourceARN: &resource})))
		if got := get(); got != "{}" {
			t.Errorf("a policy that was deleted is %s", got)
		}
	}
}
