// Kinesis by the AWS SDK for JavaScript, which speaks HTTP/2 only: with prior knowledge on http://,
// and by ALPN on https://. Its commands all have the form client.send(new XCommand(input)).

import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { begin, check, end, outcome } from "./report.mjs";

// The SDK is in another folder than this program.
const require = createRequire(process.env.MILLRACE_MODULES + "/");
const sdk = await import(pathToFileURL(require.resolve("@aws-sdk/client-kinesis")));
const version = require("@aws-sdk/client-kinesis/package.json").version;

const endpoint = process.env.MILLRACE_ENDPOINT;
const tls = endpoint.startsWith("https");
const NAME = tls ? "javascript-tls" : "javascript";
const kinesis = connect(endpoint);
const types = new Set();

function connect(at) {
  const client = new sdk.KinesisClient({ endpoint: at });
  client.middlewareStack.add(
    (next, context) => async (args) => {
      const answer = await next(args);
      types.add(answer.response.headers["content-type"]);
      check(answer.response.headers["x-amzn-requestid"], context.commandName, "has no request id");
      return answer;
    },
    { step: "deserialize", priority: "low", name: "observe" },
  );
  return client;
}

/** Send a command: call("PutRecord", input). */
async function call(operation, input = {}, client = kinesis) {
  try {
    const answer = await client.send(new sdk[operation + "Command"](input));
    outcome(operation);
    return answer;
  } catch (error) {
    if (error.$metadata?.httpStatusCode >= 400) {
      outcome(operation, error.name);
    }
    throw error;
  }
}

/** Send a command that is to fail with an error of that class. */
async function fails(code, operation, input, client = kinesis) {
  let failed;
  try {
    await call(operation, input, client);
  } catch (error) {
    failed = error;
  }
  check(failed, operation, "is to fail with", code);
  check(failed.name === code && failed.message, operation, "is to fail with", code, "got", failed.name, failed.message);
  check(failed.$fault === "client" && failed.$metadata.requestId, failed.name, failed.$metadata);
}

const pause = { minDelay: 0.1, maxDelay: 0.2, maxWaitTime: 30 };
const named = (more) => ({ StreamName: NAME, ...more });
const active = () => sdk.waitUntilStreamExists({ client: kinesis, ...pause }, named());
const data = (records) => records.map((r) => Buffer.from(r.Data).toString("latin1"));

async function all(pages) {
  const got = [];
  for await (const page of pages) {
    got.push(page);
  }
  return got;
}

async function create() {
  await call("CreateStream", named({ ShardCount: 2, Tags: { team: "river" } }));
  await fails("ResourceInUseException", "CreateStream", named({ ShardCount: 2 }));
  await fails("ValidationException", "CreateStream", { StreamName: "no spaces", ShardCount: 1 });
  await active();
  const pages = await all(sdk.paginateListStreams({ client: kinesis, pageSize: 1 }, {}));
  check(pages.flatMap((p) => p.StreamNames).includes(NAME), "pages of streams", pages);
  outcome("ListStreams");
  const { StreamDescription: described } = await call("DescribeStream", named());
  check(described.Shards.length === 2 && described.StreamStatus === "ACTIVE", described);
  check(described.StreamCreationTimestamp instanceof Date, described);
  const { StreamDescriptionSummary: summary } = await call("DescribeStreamSummary", { StreamARN: described.StreamARN });
  check(Math.abs(Date.now() - summary.StreamCreationTimestamp) < 60_000, summary);
  const first = await call("ListShards", named({ MaxResults: 1 }));
  const second = await call("ListShards", { NextToken: first.NextToken });
  check(first.Shards.length === 1 && second.Shards.length === 1 && !second.NextToken, first, second);
  for (const operation of ["DescribeStream", "DescribeStreamSummary", "ListShards", "DeleteStream"]) {
    await fails("ResourceNotFoundException", operation, { StreamName: "nowhere" });
  }
  return { arn: described.StreamARN, shards: described.Shards.map((s) => s.ShardId) };
}

async function iterator(ShardId, ShardIteratorType = "TRIM_HORIZON", more = {}) {
  const got = await call("GetShardIterator", named({ ShardId, ShardIteratorType, ...more }));
  return got.ShardIterator;
}

async function read(at, count = Infinity) {
  const records = [];
  let children;
  while (at && records.length < count) {
    const got = await call("GetRecords", { ShardIterator: at, Limit: 100 });
    records.push(...got.Records);
    at = got.NextShardIterator;
    children = got.ChildShards;
  }
  return { records, children };
}

async function records({ shards }) {
  const everything = Uint8Array.from({ length: 256 }, (_, i) => i);
  const first = await call("PutRecord", named({ Data: everything, PartitionKey: "größe", ExplicitHashKey: "0" }));
  check(first.ShardId === shards[0] && /^\d+$/.test(first.SequenceNumber), first);
  const entries = Array.from({ length: 500 }, (_, i) => ({ Data: Buffer.from(`record ${i}`), PartitionKey: `key ${i % 17}` }));
  const many = await call("PutRecords", named({ Records: entries }));
  check(many.FailedRecordCount === 0 && many.Records.length === 500, many);
  // Forty at once: each has a connection of its own or waits for one.
  const puts = await Promise.all(Array.from({ length: 40 }, (_, i) => call("PutRecord", named({ Data: Buffer.from(`at once ${i}`), PartitionKey: `${i}` }))));

  const wanted = new Map(shards.map((s) => [s, []]));
  wanted.get(first.ShardId).push(Buffer.from(everything).toString("latin1"));
  many.Records.forEach((put, i) => wanted.get(put.ShardId).push(`record ${i}`));
  for (const shard of shards) {
    const atOnce = puts.filter((p) => p.ShardId === shard).length;
    const { records: got } = await read(await iterator(shard), wanted.get(shard).length + atOnce);
    check(JSON.stringify(data(got).slice(0, wanted.get(shard).length)) === JSON.stringify(wanted.get(shard)), "records of", shard);
    wanted.set(shard, data(got));
    const numbers = got.map((r) => BigInt(r.SequenceNumber));
    check(numbers.every((n, i) => i === 0 || n > numbers[i - 1]), "sequence numbers of", shard);
    check(got.every((r) => Math.abs(Date.now() - r.ApproximateArrivalTimestamp) < 60_000), "arrival", got[0]);
  }
  const at = { StartingSequenceNumber: first.SequenceNumber };
  const { records: one } = await read(await iterator(shards[0], "AT_SEQUENCE_NUMBER", at), 1);
  check(one[0].SequenceNumber === first.SequenceNumber && one[0].PartitionKey === "größe", one[0]);
  const { records: next } = await read(await iterator(shards[0], "AFTER_SEQUENCE_NUMBER", at), 1);
  check(next[0].SequenceNumber !== first.SequenceNumber, next[0]);
  const { records: since } = await read(await iterator(shards[0], "AT_TIMESTAMP", { Timestamp: one[0].ApproximateArrivalTimestamp }), 1);
  check(since[0].SequenceNumber === first.SequenceNumber, since[0]);
  await fails("InvalidArgumentException", "GetRecords", { ShardIterator: "AAAA" });
  await fails("ResourceNotFoundException", "GetShardIterator", named({ ShardId: "shardId-000000000099", ShardIteratorType: "LATEST" }));
  await fails("ResourceNotFoundException", "PutRecord", { StreamName: "nowhere", Data: everything, PartitionKey: "k" });
  await fails("InvalidArgumentException", "PutRecord", named({ Data: everything, PartitionKey: "k", ExplicitHashKey: (1n << 128n).toString() }));
  await fails("ResourceNotFoundException", "PutRecords", { StreamName: "nowhere", Records: entries.slice(0, 1) });
  for (const [operation, input] of Object.entries({
    PutRecord: { Data: everything, PartitionKey: "k" },
    PutRecords: { Records: entries.slice(0, 1) },
    GetShardIterator: { ShardId: shards[0], ShardIteratorType: "LATEST" },
  })) {
    await fails("DryRunOperationException", operation, named({ DryRun: true, ...input }));
  }
  return wanted;
}

async function consumers({ arn, shards }, wanted) {
  const { Consumer: made } = await call("RegisterStreamConsumer", { StreamARN: arn, ConsumerName: "pushed", Tags: { a: "b" } });
  const consumer = made.ConsumerARN;
  await fails("ResourceInUseException", "RegisterStreamConsumer", { StreamARN: arn, ConsumerName: "pushed" });
  for (let status; status !== "ACTIVE"; ) {
    const { ConsumerDescription: described } = await call("DescribeStreamConsumer", { ConsumerARN: consumer });
    status = described.ConsumerStatus;
  }
  const pages = await all(sdk.paginateListStreamConsumers({ client: kinesis, pageSize: 1 }, { StreamARN: arn }));
  check(pages.flatMap((p) => p.Consumers).length === 1, pages);
  outcome("ListStreamConsumers");
  await fails("ResourceNotFoundException", "DescribeStreamConsumer", { StreamARN: arn, ConsumerName: "nobody" });
  await fails("ResourceNotFoundException", "DeregisterStreamConsumer", { StreamARN: arn, ConsumerName: "nobody" });

  const start = { ConsumerARN: consumer, ShardId: shards[0], StartingPosition: { Type: "TRIM_HORIZON" } };
  await fails("ResourceNotFoundException", "SubscribeToShard", { ...start, ShardId: "shardId-000000000099" });
  await fails("DryRunOperationException", "SubscribeToShard", { ...start, DryRun: true });
  const { EventStream: events } = await call("SubscribeToShard", start);
  await fails("ResourceInUseException", "SubscribeToShard", start);
  const got = [];
  const expected = wanted.get(shards[0]);
  for await (const { SubscribeToShardEvent: event } of events) {
    check(/^\d+$/.test(event.ContinuationSequenceNumber) && event.MillisBehindLatest >= 0, event);
    got.push(...data(event.Records));
    if (got.length === expected.length) {
      await call("PutRecord", named({ Data: Buffer.from("pushed"), PartitionKey: "k", ExplicitHashKey: "0" }));
    } else if (got.length > expected.length) {
      break;
    }
  }
  expected.push("pushed");
  check(JSON.stringify(got) === JSON.stringify(expected), "pushed", got.length, "of", expected.length);
  return consumer;
}

async function reshard({ shards }, consumer, wanted) {
  await call("SplitShard", named({ ShardToSplit: shards[0], NewStartingHashKey: (1n << 126n).toString() }));
  await active();
  await fails("InvalidArgumentException", "SplitShard", named({ ShardToSplit: shards[0], NewStartingHashKey: (1n << 126n).toString() }));
  const { records: got, children } = await read(await iterator(shards[0]));
  check(JSON.stringify(data(got)) === JSON.stringify(wanted.get(shards[0])), "the parent holds", got.length);
  check(children.length === 2 && children.every((c) => c.ParentShards[0] === shards[0]), children);

  // To the end of the shard, where the server ends the subscription.
  const { EventStream: events } = await call("SubscribeToShard", { ConsumerARN: consumer, ShardId: shards[0], StartingPosition: { Type: "TRIM_HORIZON" } });
  let last;
  for await (const { SubscribeToShardEvent: event } of events) {
    last = event;
  }
  check(last.ChildShards.length === 2 && last.ContinuationSequenceNumber === undefined, last);

  await call("MergeShards", named({ ShardToMerge: children[1].ShardId, AdjacentShardToMerge: shards[1] }));
  await active();
  const scaled = await call("UpdateShardCount", named({ TargetShardCount: 4, ScalingType: "UNIFORM_SCALING" }));
  check(scaled.CurrentShardCount === 2 && scaled.TargetShardCount === 4, scaled);
  await active();
  const open = await call("ListShards", named({ ShardFilter: { Type: "AT_LATEST" } }));
  check(open.Shards.length === 4, open);
}

async function settings({ arn }, consumer) {
  await call("AddTagsToStream", named({ Tags: { cost: "12" } }));
  await call("RemoveTagsFromStream", named({ TagKeys: ["team"] }));
  const { Tags: tags } = await call("ListTagsForStream", named());
  check(tags.length === 1 && tags[0].Key === "cost", tags);
  await call("TagResource", { ResourceARN: consumer, Tags: { c: "d" } });
  await call("UntagResource", { ResourceARN: consumer, TagKeys: ["a"] });
  const { Tags: ofConsumer } = await call("ListTagsForResource", { ResourceARN: consumer });
  check(ofConsumer.length === 1 && ofConsumer[0].Value === "d", ofConsumer);
  const Policy = JSON.stringify({ Version: "2012-10-17", Statement: [{ Effect: "Allow", Principal: "*", Action: "kinesis:PutRecord", Resource: arn }] });
  await call("PutResourcePolicy", { ResourceARN: arn, Policy });
  check((await call("GetResourcePolicy", { ResourceARN: arn })).Policy === Policy, "policy");
  await call("DeleteResourcePolicy", { ResourceARN: arn });
  await fails("InvalidArgumentException", "PutResourcePolicy", { ResourceARN: arn, Policy: "no JSON" });

  const key = { EncryptionType: "KMS", KeyId: "alias/aws/kinesis" };
  for (const [operation, input] of [
    ["IncreaseStreamRetentionPeriod", { RetentionPeriodHours: 48 }],
    ["DecreaseStreamRetentionPeriod", { RetentionPeriodHours: 24 }],
    ["EnableEnhancedMonitoring", { ShardLevelMetrics: ["ALL"] }],
    ["DisableEnhancedMonitoring", { ShardLevelMetrics: ["ALL"] }],
    ["StartStreamEncryption", key],
    ["StopStreamEncryption", key],
  ]) {
    await call(operation, named(input));
    await active();
    await fails("ResourceNotFoundException", operation, { StreamName: "nowhere", ...input });
  }
  await call("UpdateMaxRecordSize", { StreamARN: arn, MaxRecordSizeInKiB: 10240 });
  await active();
  await call("PutRecord", named({ Data: new Uint8Array(8 << 20), PartitionKey: "k" }));
  await call("UpdateStreamMode", { StreamARN: arn, StreamModeDetails: { StreamMode: "ON_DEMAND" } });
  await active();
  await call("UpdateStreamRecordDistributionStrategy", { StreamARN: arn, RecordDistributionStrategy: "AUTO" });
  await active();
  await call("UpdateAccountSettings", { MinimumThroughputBillingCommitment: { Status: "ENABLED" } });
  await call("DescribeAccountSettings");
  await call("UpdateStreamWarmThroughput", named({ WarmThroughputMiBps: 20 }));
  await active();
  await call("DescribeLimits");
}

async function channels({ arn }) {
  const { ChannelDescription: made } = await call("CreateChannel", {
    ChannelName: NAME,
    ServiceExecutionRoleARN: "arn:aws:iam::000000000000:role/delivery",
    StreamConfigurationList: [{ StreamARN: arn, RecordConfiguration: { RecordFormatType: "JSON" } }],
    S3DestinationConfiguration: {
      StorageConfiguration: { BucketARN: "arn:aws:s3:::bucket", ExpectedBucketOwner: "000000000000", CompressionType: "GZIP" },
    },
  });
  const ChannelARN = made.ChannelARN;
  for (let status; status !== "ACTIVE"; ) {
    const { ChannelDescription: described } = await call("DescribeChannel", { ChannelARN });
    status = described.ChannelStatus;
  }
  await call("UpdateChannel", { ChannelARN, S3DestinationConfiguration: { DataFreshnessInSeconds: 60 } });
  const { ChannelSummaries: listed } = await call("ListChannels", { StreamFilter: [{ StreamARN: arn }] });
  check(listed.length === 1 && listed[0].ChannelARN === ChannelARN, listed);
  for (let status; status !== "ACTIVE"; ) {
    const { ChannelDescription: described } = await call("DescribeChannel", { ChannelARN });
    status = described.ChannelStatus;
  }
  await call("DeleteChannel", { ChannelARN });
}

begin("AWS SDK for JavaScript v3", version);
const stream = await create();
const wanted = await records(stream);
const consumer = await consumers(stream, wanted);
await reshard(stream, consumer, wanted);
await settings(stream, consumer);
await channels(stream);
await fails("ResourceInUseException", "DeleteStream", named());
await call("DeregisterStreamConsumer", { ConsumerARN: consumer });
await call("DeleteStream", named());
await sdk.waitUntilStreamNotExists({ client: kinesis, ...pause }, named());
check(kinesis.config.requestHandler.metadata.handlerProtocol === "h2", kinesis.config.requestHandler.metadata);
check([...types].sort().join() === "application/vnd.amazon.eventstream,application/x-amz-json-1.1", [...types]);
end(`HTTP/2, ${tls ? "TLS" : "clear text"}, JSON`);
kinesis.destroy();
