import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.services.kinesis.KinesisClient;
import software.amazon.awssdk.services.kinesis.model.*;

/** What is set on streams and beside them. */
final class Settings {
    private static final KinesisClient K = Sdk.KINESIS;
    private static final String NAME = Sdk.NAME;

    private Settings() {}

    static void change(String arn, String consumer) {
        tags(arn, consumer);
        K.increaseStreamRetentionPeriod(r -> r.streamName(NAME).retentionPeriodHours(48));
        Sdk.active();
        Sdk.fails(InvalidArgumentException.class, () -> K.increaseStreamRetentionPeriod(r -> r.streamName(NAME).retentionPeriodHours(24)));
        K.decreaseStreamRetentionPeriod(r -> r.streamName(NAME).retentionPeriodHours(24));
        Sdk.active();
        K.enableEnhancedMonitoring(r -> r.streamName(NAME).shardLevelMetrics(MetricsName.ALL));
        Sdk.active();
        K.disableEnhancedMonitoring(r -> r.streamName(NAME).shardLevelMetrics(MetricsName.ALL));
        Sdk.active();
        K.startStreamEncryption(r -> r.streamName(NAME).encryptionType(EncryptionType.KMS).keyId("alias/aws/kinesis"));
        Sdk.active();
        K.stopStreamEncryption(r -> r.streamName(NAME).encryptionType(EncryptionType.KMS).keyId("alias/aws/kinesis"));
        Sdk.active();
        K.updateMaxRecordSize(r -> r.streamARN(arn).maxRecordSizeInKiB(10240));
        Sdk.active();
        K.putRecord(r -> r.streamName(NAME).partitionKey("k").data(SdkBytes.fromByteArray(new byte[8 << 20])));
        K.updateStreamMode(r -> r.streamARN(arn).streamModeDetails(d -> d.streamMode(StreamMode.ON_DEMAND)));
        Sdk.active();
        K.updateStreamRecordDistributionStrategy(r -> r.streamARN(arn).recordDistributionStrategy("AUTO"));
        Sdk.active();
        K.updateAccountSettings(r -> r.minimumThroughputBillingCommitment(c -> c.status("ENABLED")));
        Report.check(K.describeAccountSettings(r -> { }).minimumThroughputBillingCommitment().statusAsString().equals("ENABLED"), "commitment");
        K.updateStreamWarmThroughput(r -> r.streamName(NAME).warmThroughputMiBps(20));
        Sdk.active();
        Report.check(K.describeLimits(r -> { }).onDemandStreamCount() >= 1, "describeLimits");
    }

    private static void tags(String arn, String consumer) {
        K.addTagsToStream(r -> r.streamName(NAME).tags(Map.of("cost", "12")));
        K.removeTagsFromStream(r -> r.streamName(NAME).tagKeys("team"));
        Report.check(K.listTagsForStream(r -> r.streamName(NAME)).tags().equals(List.of(Tag.builder().key("cost").value("12").build())), "tags");
        K.tagResource(r -> r.resourceARN(consumer).tags(Map.of("c", "d")));
        K.untagResource(r -> r.resourceARN(consumer).tagKeys("a"));
        Report.check(K.listTagsForResource(r -> r.resourceARN(consumer)).tags().size() == 1, "tags of the consumer");
        String policy = "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"kinesis:*\",\"Resource\":\"" + arn + "\"}]}";
        K.putResourcePolicy(r -> r.resourceARN(arn).policy(policy));
        Report.check(K.getResourcePolicy(r -> r.resourceARN(arn)).policy().equals(policy), "policy");
        K.deleteResourcePolicy(r -> r.resourceARN(arn));
        Sdk.fails(InvalidArgumentException.class, () -> K.putResourcePolicy(r -> r.resourceARN(arn).policy("no JSON")));
    }

    static void channels(String arn) throws Exception {
        Consumer<CreateChannelRequest.Builder> definition = r -> r
                .channelName(NAME)
                .serviceExecutionRoleARN("arn:aws:iam::000000000000:role/delivery")
                .streamConfigurationList(c -> c.streamARN(arn).recordConfiguration(f -> f.recordFormatType("JSON")))
                .s3DestinationConfiguration(d -> d.storageConfiguration(
                        s -> s.bucketARN("arn:aws:s3:::bucket").expectedBucketOwner("000000000000").compressionType("GZIP")));
        String channel = K.createChannel(definition).channelDescription().channelARN();
        Sdk.fails(ResourceInUseException.class, () -> K.createChannel(definition));
        until(channel);
        K.updateChannel(r -> r.channelARN(channel).s3DestinationConfiguration(d -> d.dataFreshnessInSeconds(60)));
        until(channel);
        Report.check(K.listChannels(r -> r.streamFilter(f -> f.streamARN(arn))).channelSummaries().size() == 1, "listChannels");
        K.deleteChannel(r -> r.channelARN(channel));
    }

    private static void until(String channel) throws Exception {
        Report.until("the channel", () -> K.describeChannel(r -> r.channelARN(channel)).channelDescription().channelStatusAsString().equals("ACTIVE"));
    }
}
