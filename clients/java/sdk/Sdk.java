import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Consumer;
import software.amazon.awssdk.awscore.exception.AwsServiceException;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.core.interceptor.Context;
import software.amazon.awssdk.core.interceptor.ExecutionAttributes;
import software.amazon.awssdk.core.interceptor.ExecutionInterceptor;
import software.amazon.awssdk.core.interceptor.SdkExecutionAttribute;
import software.amazon.awssdk.core.retry.RetryMode;
import software.amazon.awssdk.core.util.VersionInfo;
import software.amazon.awssdk.retries.api.BackoffStrategy;
import software.amazon.awssdk.services.kinesis.KinesisAsyncClient;
import software.amazon.awssdk.services.kinesis.KinesisClient;
import software.amazon.awssdk.services.kinesis.model.*;

/** Kinesis by the AWS SDK for Java 2: the synchronous client first, then the asynchronous one. */
final class Sdk {
    static final String ENDPOINT = System.getenv("MILLRACE_ENDPOINT");
    static final boolean TLS = ENDPOINT.startsWith("https");
    static final boolean CBOR = !"false".equals(System.getProperty("aws.cborEnabled"));
    static final String NAME = "java" + (TLS ? "-tls" : "") + (CBOR ? "" : "-json");
    static final Set<String> TYPES = ConcurrentHashMap.newKeySet();

    /** Notes every outcome, and by which encoding it came. */
    static final class Observer implements ExecutionInterceptor {
        @Override
        public void afterTransmission(Context.AfterTransmission c, ExecutionAttributes a) {
            String type = c.httpResponse().firstMatchingHeader("Content-Type").orElse("none");
            String sent = c.httpRequest().firstMatchingHeader("Content-Type").orElse("none");
            Report.check(type.equals(sent) || type.equals("application/vnd.amazon.eventstream"),
                    a.getAttribute(SdkExecutionAttribute.OPERATION_NAME), "sent", sent, "and got", type);
            TYPES.add(type);
        }

        @Override
        public void afterExecution(Context.AfterExecution c, ExecutionAttributes a) {
            Report.outcome(a.getAttribute(SdkExecutionAttribute.OPERATION_NAME), null);
        }

        @Override
        public void onExecutionFailure(Context.FailedExecution c, ExecutionAttributes a) {
            Throwable e = c.exception() instanceof CompletionException ? c.exception().getCause() : c.exception();
            if (e instanceof AwsServiceException) {
                Report.outcome(a.getAttribute(SdkExecutionAttribute.OPERATION_NAME), ((AwsServiceException) e).awsErrorDetails().errorCode());
            }
        }
    }

    static final KinesisClient KINESIS = KinesisClient.builder()
            .endpointOverride(URI.create(ENDPOINT)).overrideConfiguration(c -> c.addExecutionInterceptor(new Observer())).build();
    static final KinesisAsyncClient ASYNC = KinesisAsyncClient.builder()
            .endpointOverride(URI.create(ENDPOINT)).overrideConfiguration(c -> c.addExecutionInterceptor(new Observer())).build();

    /** Runs what is to fail with an error of that class. */
    static <E extends KinesisException> void fails(Class<E> wanted, Runnable run) {
        try {
            run.run();
        } catch (RuntimeException e) {
            Throwable cause = e instanceof CompletionException ? e.getCause() : e;
            Report.check(wanted.isInstance(cause), "wanted", wanted, "got", cause);
            AwsServiceException got = (AwsServiceException) cause;
            Report.check(got.statusCode() == 400 && got.requestId() != null && !got.awsErrorDetails().errorMessage().isEmpty(), got);
            return;
        }
        throw new AssertionError(wanted + " expected, got an answer");
    }

    static void active() {
        KINESIS.waiter().waitUntilStreamExists(r -> r.streamName(NAME),
                o -> o.maxAttempts(300).backoffStrategyV2(BackoffStrategy.fixedDelay(Duration.ofMillis(100))));
    }

    static StreamDescription create() {
        KINESIS.createStream(r -> r.streamName(NAME).shardCount(2).tags(Map.of("team", "river")));
        fails(ResourceInUseException.class, () -> KINESIS.createStream(r -> r.streamName(NAME).shardCount(2)));
        fails(ValidationException.class, () -> KINESIS.createStream(r -> r.streamName("no spaces").shardCount(1)));
        active();
        StreamDescription s = KINESIS.describeStream(r -> r.streamName(NAME)).streamDescription();
        Report.check(s.shards().size() == 2 && s.streamStatus() == StreamStatus.ACTIVE, s);
        fresh(s.streamCreationTimestamp());
        fresh(KINESIS.describeStreamSummary(r -> r.streamARN(s.streamARN())).streamDescriptionSummary().streamCreationTimestamp());
        Report.check(KINESIS.listStreamsPaginator(r -> r.limit(1)).streamNames().stream().anyMatch(NAME::equals), "pages of streams");
        ListShardsResponse first = KINESIS.listShards(r -> r.streamName(NAME).maxResults(1));
        ListShardsResponse second = KINESIS.listShards(r -> r.nextToken(first.nextToken()));
        Report.check(first.shards().size() == 1 && second.shards().size() == 1 && second.nextToken() == null, first, second);
        fails(ResourceNotFoundException.class, () -> KINESIS.describeStream(r -> r.streamName("nowhere")));
        fails(ResourceNotFoundException.class, () -> KINESIS.describeStreamSummary(r -> r.streamName("nowhere")));
        fails(ResourceNotFoundException.class, () -> KINESIS.listShards(r -> r.streamName("nowhere")));
        fails(ResourceNotFoundException.class, () -> KINESIS.deleteStream(r -> r.streamName("nowhere")));
        return s;
    }

    static void fresh(Instant i) {
        Report.check(Duration.between(i, Instant.now()).abs().toSeconds() < 60, "time", i);
    }

    static String iterator(String shard, Consumer<GetShardIteratorRequest.Builder> more) {
        return KINESIS.getShardIterator(r -> {
            r.streamName(NAME).shardId(shard);
            more.accept(r);
        }).shardIterator();
    }

    static String oldest(String shard) {
        return iterator(shard, r -> r.shardIteratorType(ShardIteratorType.TRIM_HORIZON));
    }

    /** Reads that many records, or to the end of a closed shard; children receives what comes after it. */
    static List<SdkBytes> read(String shard, int count, List<ChildShard> children) {
        List<SdkBytes> data = new ArrayList<>();
        for (String at = oldest(shard); at != null && data.size() < count; ) {
            String from = at;
            GetRecordsResponse got = KINESIS.getRecords(r -> r.shardIterator(from).limit(100));
            got.records().forEach(r -> {
                data.add(r.data());
                fresh(r.approximateArrivalTimestamp());
            });
            children.addAll(got.childShards());
            at = got.nextShardIterator();
        }
        return data;
    }

    static Map<String, List<SdkBytes>> records(List<Shard> shards) {
        byte[] everything = new byte[256];
        for (int i = 0; i < 256; i++) {
            everything[i] = (byte) i;
        }
        Map<String, List<SdkBytes>> wanted = new HashMap<>();
        shards.forEach(s -> wanted.put(s.shardId(), new ArrayList<>()));
        PutRecordResponse one = KINESIS.putRecord(r -> r.streamName(NAME).partitionKey("größe").explicitHashKey("0").data(SdkBytes.fromByteArray(everything)));
        wanted.get(one.shardId()).add(SdkBytes.fromByteArray(everything));
        List<PutRecordsRequestEntry> entries = new ArrayList<>();
        for (int i = 0; i < 500; i++) {
            entries.add(PutRecordsRequestEntry.builder().partitionKey("key " + i % 17).data(SdkBytes.fromUtf8String("record " + i)).build());
        }
        PutRecordsResponse many = KINESIS.putRecords(r -> r.streamName(NAME).records(entries));
        Report.check(many.failedRecordCount() == 0 && many.records().size() == 500, many);
        for (int i = 0; i < 500; i++) {
            wanted.get(many.records().get(i).shardId()).add(entries.get(i).data());
        }
        PutRecordsResponse again = ASYNC.putRecords(r -> r.streamName(NAME).records(entries)).join();
        for (int i = 0; i < 500; i++) {
            wanted.get(again.records().get(i).shardId()).add(entries.get(i).data());
        }
        wanted.forEach((shard, data) -> Report.check(read(shard, data.size(), new ArrayList<>()).equals(data), "records of", shard));

        String shard = one.shardId();
        software.amazon.awssdk.services.kinesis.model.Record first = KINESIS.getRecords(r -> r.limit(1).shardIterator(iterator(shard,
                i -> i.shardIteratorType(ShardIteratorType.AT_SEQUENCE_NUMBER).startingSequenceNumber(one.sequenceNumber())))).records().get(0);
        Report.check(first.partitionKey().equals("größe") && first.sequenceNumber().equals(one.sequenceNumber()), first);
        software.amazon.awssdk.services.kinesis.model.Record since = KINESIS.getRecords(r -> r.limit(1).shardIterator(iterator(shard,
                i -> i.shardIteratorType(ShardIteratorType.AT_TIMESTAMP).timestamp(first.approximateArrivalTimestamp())))).records().get(0);
        Report.check(since.sequenceNumber().equals(one.sequenceNumber()), since);
        fails(InvalidArgumentException.class, () -> iterator(shard, i -> i.shardIteratorType(ShardIteratorType.AT_TIMESTAMP).timestamp(Instant.now().plusSeconds(3600))));
        fails(InvalidArgumentException.class, () -> KINESIS.getRecords(r -> r.shardIterator("AAAA")));
        fails(ResourceNotFoundException.class, () -> KINESIS.putRecord(r -> r.streamName("nowhere").partitionKey("k").data(SdkBytes.fromUtf8String("x"))));
        fails(ResourceNotFoundException.class, () -> KINESIS.putRecords(r -> r.streamName("nowhere").records(entries.get(0))));
        fails(ResourceNotFoundException.class, () -> KINESIS.getShardIterator(r -> r.streamName(NAME).shardId("shardId-000000000099").shardIteratorType("LATEST")));
        fails(DryRunOperationException.class, () -> KINESIS.putRecord(r -> r.streamName(NAME).partitionKey("k").data(SdkBytes.fromUtf8String("x")).dryRun(true)));
        return wanted;
    }

    /** A subscription: its events in order. */
    static void subscribe(String consumer, String shard, Consumer<SubscribeToShardEvent> events) {
        SubscribeToShardResponseHandler handler = SubscribeToShardResponseHandler.builder()
                .subscriber(SubscribeToShardResponseHandler.Visitor.builder().onSubscribeToShardEvent(events).build()).build();
        ASYNC.subscribeToShard(r -> r.consumerARN(consumer).shardId(shard).startingPosition(p -> p.type(ShardIteratorType.TRIM_HORIZON)), handler).join();
    }

    static String consumers(String arn, String shard) throws Exception {
        String consumer = KINESIS.registerStreamConsumer(r -> r.streamARN(arn).consumerName("pushed").tags(Map.of("a", "b"))).consumer().consumerARN();
        fails(ResourceInUseException.class, () -> KINESIS.registerStreamConsumer(r -> r.streamARN(arn).consumerName("pushed")));
        Report.until("the consumer", () -> KINESIS.describeStreamConsumer(r -> r.consumerARN(consumer)).consumerDescription().consumerStatus() == ConsumerStatus.ACTIVE);
        fails(ResourceNotFoundException.class, () -> KINESIS.describeStreamConsumer(r -> r.streamARN(arn).consumerName("nobody")));
        fails(ResourceNotFoundException.class, () -> KINESIS.deregisterStreamConsumer(r -> r.streamARN(arn).consumerName("nobody")));
        Report.check(KINESIS.listStreamConsumersPaginator(r -> r.streamARN(arn).maxResults(1)).stream().mapToInt(p -> p.consumers().size()).sum() == 1, "pages of consumers");
        fails(ResourceNotFoundException.class, () -> subscribe(consumer, "shardId-000000000099", e -> { }));
        return consumer;
    }

    /** Reads by a subscription while the shard is split, until the server ends it. */
    static List<ChildShard> split(String consumer, String shard, Map<String, List<SdkBytes>> wanted) {
        List<SdkBytes> got = Collections.synchronizedList(new ArrayList<>()), expected = wanted.get(shard);
        List<ChildShard> children = new ArrayList<>();
        SdkBytes pushed = SdkBytes.fromUtf8String("pushed");
        int before = expected.size();
        expected.add(pushed);
        subscribe(consumer, shard, event -> {
            event.records().forEach(r -> got.add(r.data()));
            Report.check(event.millisBehindLatest() >= 0 && event.hasChildShards() == (event.continuationSequenceNumber() == null), event);
            children.addAll(event.childShards());
            if (got.size() == before) {
                ASYNC.putRecord(r -> r.streamName(NAME).partitionKey("k").explicitHashKey("0").data(pushed))
                        .thenCompose(x -> ASYNC.splitShard(r -> r.streamName(NAME).shardToSplit(shard).newStartingHashKey("85070591730234615865843651857942052864")));
            }
        });
        Report.check(got.equals(expected), "pushed", got.size(), "of", expected.size());
        Report.check(children.size() == 2 && children.get(0).parentShards().equals(List.of(shard)), children);
        List<ChildShard> again = new ArrayList<>();
        Report.check(read(shard, Integer.MAX_VALUE, again).equals(expected) && again.equals(children), "the parent holds", again);
        return children;
    }

    static void reshard(List<ChildShard> children, String other) {
        active();
        fails(InvalidArgumentException.class, () -> KINESIS.splitShard(r -> r.streamName(NAME).shardToSplit("shardId-000000000000").newStartingHashKey("2")));
        KINESIS.mergeShards(r -> r.streamName(NAME).shardToMerge(children.get(1).shardId()).adjacentShardToMerge(other));
        active();
        UpdateShardCountResponse scaled = KINESIS.updateShardCount(r -> r.streamName(NAME).targetShardCount(4).scalingType(ScalingType.UNIFORM_SCALING));
        Report.check(scaled.currentShardCount() == 2 && scaled.targetShardCount() == 4, scaled);
        active();
        Report.check(KINESIS.listShards(r -> r.streamName(NAME).shardFilter(f -> f.type(ShardFilterType.AT_LATEST))).shards().size() == 4, "after scaling");
    }

    public static void main(String[] args) throws Exception {
        Report.begin("AWS SDK for Java 2", VersionInfo.SDK_VERSION);
        StreamDescription s = create();
        Map<String, List<SdkBytes>> wanted = records(s.shards());
        String shard = s.shards().get(0).shardId();
        String consumer = consumers(s.streamARN(), shard);
        reshard(split(consumer, shard, wanted), s.shards().get(1).shardId());
        Settings.change(s.streamARN(), consumer);
        Settings.channels(s.streamARN());
        fails(ResourceInUseException.class, () -> KINESIS.deleteStream(r -> r.streamName(NAME)));
        KINESIS.deregisterStreamConsumer(r -> r.consumerARN(consumer));
        ASYNC.deleteStream(r -> r.streamName(NAME)).join();
        KINESIS.waiter().waitUntilStreamNotExists(r -> r.streamName(NAME),
                o -> o.maxAttempts(300).backoffStrategyV2(BackoffStrategy.fixedDelay(Duration.ofMillis(100))));
        // Even where it prefers CBOR, the SDK asks for some things in JSON.
        Report.check(TYPES.contains("application/x-amz-cbor-1.1") == CBOR, TYPES);
        KINESIS.close();
        ASYNC.close();
        Report.end("HTTP/1.1 and HTTP/2, " + (TLS ? "TLS" : "clear text") + ", " + (CBOR ? "CBOR" : "JSON"));
    }
}
