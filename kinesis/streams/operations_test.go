package streams_test

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	awskinesis "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// given is what a request speaks of.
type given struct {
	name, arn  *string // of a stream
	resource   string  // an ARN
	consumer   *string // an ARN
	channel    *string // an ARN
	channelled string  // the name of a channel to be made
	mode       types.StreamMode
	shard      string
	iterator   *string
	token      *string
	status     types.MinimumThroughputBillingCommitmentInputStatus
	dryRun     *bool
	consumed   string // the name of a consumer to be made
}

// request sends one request of an operation.
type request func(ctx context.Context, c *awskinesis.Client, g given) error

// call makes a request of a method of the client's.
func call[In, Out any](method func(*awskinesis.Client, context.Context, *In, ...func(*awskinesis.Options)) (Out, error), input func(given) *In) request {
	return func(ctx context.Context, c *awskinesis.Client, g given) error {
		_, err := method(c, ctx, input(g))
		return err
	}
}

// requests has a request for every operation, which succeeds if what it speaks of is there.
var requests = map[string]request{
	"AddTagsToStream": call((*awskinesis.Client).AddTagsToStream, func(g given) *awskinesis.AddTagsToStreamInput {
		return &awskinesis.AddTagsToStreamInput{StreamName: g.name, StreamARN: g.arn, Tags: map[string]string{"a": "b"}}
	}),
	"CreateChannel": call((*awskinesis.Client).CreateChannel, func(g given) *awskinesis.CreateChannelInput {
		return channelInput(g.channelled, g.arn)
	}),
	"CreateStream": call((*awskinesis.Client).CreateStream, func(g given) *awskinesis.CreateStreamInput {
		return &awskinesis.CreateStreamInput{StreamName: g.name, ShardCount: aws.Int32(1), StreamModeDetails: &types.StreamModeDetails{StreamMode: g.mode}}
	}),
	"DecreaseStreamRetentionPeriod": call((*awskinesis.Client).DecreaseStreamRetentionPeriod, func(g given) *awskinesis.DecreaseStreamRetentionPeriodInput {
		return &awskinesis.DecreaseStreamRetentionPeriodInput{StreamName: g.name, StreamARN: g.arn, RetentionPeriodHours: aws.Int32(24)}
	}),
	"DeleteChannel": call((*awskinesis.Client).DeleteChannel, func(g given) *awskinesis.DeleteChannelInput {
		return &awskinesis.DeleteChannelInput{ChannelARN: g.channel}
	}),
	"DeleteResourcePolicy": call((*awskinesis.Client).DeleteResourcePolicy, func(g given) *awskinesis.DeleteResourcePolicyInput {
		return &awskinesis.DeleteResourcePolicyInput{ResourceARN: &g.resource}
	}),
	"DeleteStream": call((*awskinesis.Client).DeleteStream, func(g given) *awskinesis.DeleteStreamInput {
		return &awskinesis.DeleteStreamInput{StreamName: g.name, StreamARN: g.arn, EnforceConsumerDeletion: aws.Bool(true)}
	}),
	"DeregisterStreamConsumer": call((*awskinesis.Client).DeregisterStreamConsumer, func(g given) *awskinesis.DeregisterStreamConsumerInput {
		return &awskinesis.DeregisterStreamConsumerInput{ConsumerARN: g.consumer}
	}),
	"DescribeAccountSettings": call((*awskinesis.Client).DescribeAccountSettings, func(given) *awskinesis.DescribeAccountSettingsInput {
		return &awskinesis.DescribeAccountSettingsInput{}
	}),
	"DescribeChannel": call((*awskinesis.Client).DescribeChannel, func(g given) *awskinesis.DescribeChannelInput {
		return &awskinesis.DescribeChannelInput{ChannelARN: g.channel}
	}),
	"DescribeLimits": call((*awskinesis.Client).DescribeLimits, func(given) *awskinesis.DescribeLimitsInput {
		return &awskinesis.DescribeLimitsInput{}
	}),
	"DescribeStream": call((*awskinesis.Client).DescribeStream, func(g given) *awskinesis.DescribeStreamInput {
		return &awskinesis.DescribeStreamInput{StreamName: g.name, StreamARN: g.arn}
	}),
	"DescribeStreamConsumer": call((*awskinesis.Client).DescribeStreamConsumer, func(g given) *awskinesis.DescribeStreamConsumerInput {
		return &awskinesis.DescribeStreamConsumerInput{ConsumerARN: g.consumer}
	}),
	"DescribeStreamSummary": call((*awskinesis.Client).DescribeStreamSummary, func(g given) *awskinesis.DescribeStreamSummaryInput {
		return &awskinesis.DescribeStreamSummaryInput{StreamName: g.name, StreamARN: g.arn}
	}),
	"DisableEnhancedMonitoring": call((*awskinesis.Client).DisableEnhancedMonitoring, func(g given) *awskinesis.DisableEnhancedMonitoringInput {
		return &awskinesis.DisableEnhancedMonitoringInput{StreamName: g.name, StreamARN: g.arn, ShardLevelMetrics: []types.MetricsName{types.MetricsNameAll}}
	}),
	"EnableEnhancedMonitoring": call((*awskinesis.Client).EnableEnhancedMonitoring, func(g given) *awskinesis.EnableEnhancedMonitoringInput {
		return &awskinesis.EnableEnhancedMonitoringInput{StreamName: g.name, StreamARN: g.arn, ShardLevelMetrics: []types.MetricsName{types.MetricsNameIncomingBytes}}
	}),
	"GetRecords": call((*awskinesis.Client).GetRecords, func(g given) *awskinesis.GetRecordsInput {
		return &awskinesis.GetRecordsInput{ShardIterator: g.iterator, StreamARN: g.arn, DryRun: g.dryRun}
	}),
	"GetResourcePolicy": call((*awskinesis.Client).GetResourcePolicy, func(g given) *awskinesis.GetResourcePolicyInput {
		return &awskinesis.GetResourcePolicyInput{ResourceARN: &g.resource}
	}),
	"GetShardIterator": call((*awskinesis.Client).GetShardIterator, func(g given) *awskinesis.GetShardIteratorInput {
		return &awskinesis.GetShardIteratorInput{StreamName: g.name, StreamARN: g.arn, ShardId: &g.shard, ShardIteratorType: types.ShardIteratorTypeLatest, DryRun: g.dryRun}
	}),
	"IncreaseStreamRetentionPeriod": call((*awskinesis.Client).IncreaseStreamRetentionPeriod, func(g given) *awskinesis.IncreaseStreamRetentionPeriodInput {
		return &awskinesis.IncreaseStreamRetentionPeriodInput{StreamName: g.name, StreamARN: g.arn, RetentionPeriodHours: aws.Int32(48)}
	}),
	"ListChannels": call((*awskinesis.Client).ListChannels, func(g given) *awskinesis.ListChannelsInput {
		return &awskinesis.ListChannelsInput{NextToken: g.token}
	}),
	"ListShards": call((*awskinesis.Client).ListShards, func(g given) *awskinesis.ListShardsInput {
		return &awskinesis.ListShardsInput{StreamName: g.name, StreamARN: g.arn, NextToken: g.token}
	}),
	"ListStreamConsumers": call((*awskinesis.Client).ListStreamConsumers, func(g given) *awskinesis.ListStreamConsumersInput {
		return &awskinesis.ListStreamConsumersInput{StreamARN: g.arn, NextToken: g.token}
	}),
	"ListStreams": call((*awskinesis.Client).ListStreams, func(g given) *awskinesis.ListStreamsInput {
		return &awskinesis.ListStreamsInput{NextToken: g.token}
	}),
	"ListTagsForResource": call((*awskinesis.Client).ListTagsForResource, func(g given) *awskinesis.ListTagsForResourceInput {
		return &awskinesis.ListTagsForResourceInput{ResourceARN: &g.resource}
	}),
	"ListTagsForStream": call((*awskinesis.Client).ListTagsForStream, func(g given) *awskinesis.ListTagsForStreamInput {
		return &awskinesis.ListTagsForStreamInput{StreamName: g.name, StreamARN: g.arn}
	}),
	"MergeShards": call((*awskinesis.Client).MergeShards, func(g given) *awskinesis.MergeShardsInput {
		return &awskinesis.MergeShardsInput{StreamName: g.name, StreamARN: g.arn, ShardToMerge: aws.String(shard0), AdjacentShardToMerge: aws.String(shard1)}
	}),
	"PutRecord": call((*awskinesis.Client).PutRecord, func(g given) *awskinesis.PutRecordInput {
		return &awskinesis.PutRecordInput{StreamName: g.name, StreamARN: g.arn, Data: []byte("data"), PartitionKey: aws.String("key"), DryRun: g.dryRun}
	}),
	"PutRecords": call((*awskinesis.Client).PutRecords, func(g given) *awskinesis.PutRecordsInput {
		return &awskinesis.PutRecordsInput{
			StreamName: g.name, StreamARN: g.arn, DryRun: g.dryRun,
			Records: []types.PutRecordsRequestEntry{{Data: []byte("data"), PartitionKey: aws.String("key")}},
		}
	}),
	"PutResourcePolicy": call((*awskinesis.Client).PutResourcePolicy, func(g given) *awskinesis.PutResourcePolicyInput {
		return &awskinesis.PutResourcePolicyInput{ResourceARN: &g.resource, Policy: aws.String(`{"Version":"2012-10-17","Statement":[]}`)}
	}),
	"RegisterStreamConsumer": call((*awskinesis.Client).RegisterStreamConsumer, func(g given) *awskinesis.RegisterStreamConsumerInput {
		return &awskinesis.RegisterStreamConsumerInput{StreamARN: g.arn, ConsumerName: &g.consumed}
	}),
	"RemoveTagsFromStream": call((*awskinesis.Client).RemoveTagsFromStream, func(g given) *awskinesis.RemoveTagsFromStreamInput {
		return &awskinesis.RemoveTagsFromStreamInput{StreamName: g.name, StreamARN: g.arn, TagKeys: []string{"a"}}
	}),
	"SplitShard": call((*awskinesis.Client).SplitShard, func(g given) *awskinesis.SplitShardInput {
		return &awskinesis.SplitShardInput{StreamName: g.name, StreamARN: g.arn, ShardToSplit: aws.String(shard0), NewStartingHashKey: aws.String("100")}
	}),
	"StartStreamEncryption": call((*awskinesis.Client).StartStreamEncryption, func(g given) *awskinesis.StartStreamEncryptionInput {
		return &awskinesis.StartStreamEncryptionInput{StreamName: g.name, StreamARN: g.arn, EncryptionType: types.EncryptionTypeKms, KeyId: aws.String("alias/aws/kinesis")}
	}),
	"StopStreamEncryption": call((*awskinesis.Client).StopStreamEncryption, func(g given) *awskinesis.StopStreamEncryptionInput {
		return &awskinesis.StopStreamEncryptionInput{StreamName: g.name, StreamARN: g.arn, EncryptionType: types.EncryptionTypeKms, KeyId: aws.String("alias/aws/kinesis")}
	}),
	"SubscribeToShard": subscribeAndLeave,
	"TagResource": call((*awskinesis.Client).TagResource, func(g given) *awskinesis.TagResourceInput {
		return &awskinesis.TagResourceInput{ResourceARN: &g.resource, Tags: map[string]string{"a": "b"}}
	}),
	"UntagResource": call((*awskinesis.Client).UntagResource, func(g given) *awskinesis.UntagResourceInput {
		return &awskinesis.UntagResourceInput{ResourceARN: &g.resource, TagKeys: []string{"a"}}
	}),
	"UpdateAccountSettings": call((*awskinesis.Client).UpdateAccountSettings, func(g given) *awskinesis.UpdateAccountSettingsInput {
		return &awskinesis.UpdateAccountSettingsInput{MinimumThroughputBillingCommitment: &types.MinimumThroughputBillingCommitmentInput{Status: g.status}}
	}),
	"UpdateChannel": call((*awskinesis.Client).UpdateChannel, func(g given) *awskinesis.UpdateChannelInput {
		return &awskinesis.UpdateChannelInput{ChannelARN: g.channel, S3DestinationConfiguration: &types.S3DestinationUpdateInput{DataFreshnessInSeconds: aws.Int32(600)}}
	}),
	"UpdateMaxRecordSize": call((*awskinesis.Client).UpdateMaxRecordSize, func(g given) *awskinesis.UpdateMaxRecordSizeInput {
		return &awskinesis.UpdateMaxRecordSizeInput{StreamARN: g.arn, MaxRecordSizeInKiB: aws.Int32(2048)}
	}),
	"UpdateShardCount": call((*awskinesis.Client).UpdateShardCount, func(g given) *awskinesis.UpdateShardCountInput {
		return &awskinesis.UpdateShardCountInput{StreamName: g.name, StreamARN: g.arn, TargetShardCount: aws.Int32(3), ScalingType: types.ScalingTypeUniformScaling}
	}),
	"UpdateStreamMode": call((*awskinesis.Client).UpdateStreamMode, func(g given) *awskinesis.UpdateStreamModeInput {
		return &awskinesis.UpdateStreamModeInput{StreamARN: g.arn, StreamModeDetails: &types.StreamModeDetails{StreamMode: types.StreamModeOnDemand}}
	}),
	"UpdateStreamRecordDistributionStrategy": call((*awskinesis.Client).UpdateStreamRecordDistributionStrategy, func(g given) *awskinesis.UpdateStreamRecordDistributionStrategyInput {
		return &awskinesis.UpdateStreamRecordDistributionStrategyInput{StreamARN: g.arn, RecordDistributionStrategy: types.RecordDistributionStrategyAuto}
	}),
	"UpdateStreamWarmThroughput": call((*awskinesis.Client).UpdateStreamWarmThroughput, func(g given) *awskinesis.UpdateStreamWarmThroughputInput {
		return &awskinesis.UpdateStreamWarmThroughputInput{StreamName: g.name, StreamARN: g.arn, WarmThroughputMiBps: aws.Int32(10)}
	}),
}

const (
	shard0 = "shardId-000000000000"
	shard1 = "shardId-000000000001"
)

// subscribeAndLeave subscribes and ends that when the first event is there.
func subscribeAndLeave(ctx context.Context, c *awskinesis.Client, g given) error {
	out, err := c.SubscribeToShard(ctx, &awskinesis.SubscribeToShardInput{
		ConsumerARN: g.consumer, ShardId: &g.shard, DryRun: g.dryRun, StartingPosition: &types.StartingPosition{Type: types.ShardIteratorTypeTrimHorizon},
	})
	if err != nil {
		return err
	}
	return out.GetStream().Close()
}

// channelInput makes a channel to S3.
func channelInput(name string, streamARN *string) *awskinesis.CreateChannelInput {
	return &awskinesis.CreateChannelInput{
		ChannelName: &name, ServiceExecutionRoleARN: aws.String("arn:aws:iam::" + account + ":role/deliver"),
		StreamConfigurationList: []types.ChannelStreamConfiguration{{
			StreamARN: streamARN, RecordConfiguration: &types.RecordConfiguration{RecordFormatType: types.RecordFormatTypeJson},
		}},
		S3DestinationConfiguration: &types.S3DestinationConfiguration{StorageConfiguration: &types.S3StorageConfiguration{
			BucketARN: aws.String("arn:aws:s3:::bucket"), ExpectedBucketOwner: aws.String(account), CompressionType: types.S3CompressionTypeNone,
		}},
	}
}
