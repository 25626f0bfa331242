"""Every operation of Kinesis by boto3, over the endpoint and the certificate of the environment."""

import datetime
import hashlib
import os
import threading
import time

import boto3
import botocore
from botocore.config import Config
from botocore.exceptions import ClientError

from report import begin, check, end, outcome

ENDPOINT = os.environ["MILLRACE_ENDPOINT"]
TLS = ENDPOINT.startswith("https")
NAME = "boto3-tls" if TLS else "boto3"
PAUSE = {"Delay": 0.2, "MaxAttempts": 100}

seen = {"version": set(), "type": set()}


def observe(http_response, parsed, model, **_):
    """Called by botocore for each answer: notes the outcome and what it came by."""
    outcome(model.name, parsed.get("Error", {}).get("Code"))
    check(http_response.headers.get("x-amzn-RequestId"), model.name, "has no request id")
    check(http_response.headers.get("x-amz-id-2"), model.name, "has no id 2")
    seen["version"].add(http_response.raw.version)
    seen["type"].add(http_response.headers["Content-Type"])


def connect(endpoint=ENDPOINT):
    client = boto3.client(
        "kinesis", endpoint_url=endpoint, verify=os.environ["MILLRACE_CERTIFICATE"] if TLS else None,
        config=Config(retries={"mode": "standard", "total_max_attempts": 2}, read_timeout=20))
    client.meta.events.register("after-call.kinesis.*", observe)
    return client


kinesis = connect()


def fails(code, call, **members):
    try:
        call(**members)
    except ClientError as e:
        check(e.response["Error"]["Code"] == code, code, "expected, got", e)
        check(e.response["Error"]["Message"], code, "has no message")
        return
    raise SystemExit(f"{code} expected, got an answer")


def active(name=NAME):
    kinesis.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig=PAUSE)


def until(what, condition):
    """Wait for something that has no waiter."""
    limit = time.monotonic() + 20
    while not condition():
        check(time.monotonic() < limit, "waiting for", what)
        time.sleep(0.05)


def create():
    kinesis.create_stream(StreamName=NAME, ShardCount=2, Tags={"team": "river"})
    fails("ResourceInUseException", kinesis.create_stream, StreamName=NAME, ShardCount=2)
    fails("ValidationException", kinesis.create_stream, StreamName="no spaces", ShardCount=1)
    active()
    for i in range(3):
        kinesis.create_stream(StreamName=f"{NAME}-{i}", ShardCount=1)
    names = [n for page in kinesis.get_paginator("list_streams").paginate(PaginationConfig={"PageSize": 1}) for n in page["StreamNames"]]
    check(set(names) >= {NAME, f"{NAME}-0", f"{NAME}-1", f"{NAME}-2"} and names == sorted(set(names)), names)
    for i in range(3):
        active(f"{NAME}-{i}")
        kinesis.delete_stream(StreamName=f"{NAME}-{i}")
    for i in range(3):
        kinesis.get_waiter("stream_not_exists").wait(StreamName=f"{NAME}-{i}", WaiterConfig=PAUSE)

    described = kinesis.describe_stream(StreamName=NAME)["StreamDescription"]
    summary = kinesis.describe_stream_summary(StreamARN=described["StreamARN"])["StreamDescriptionSummary"]
    check(summary["StreamName"] == NAME and summary["OpenShardCount"] == 2 and summary["StreamStatus"] == "ACTIVE", summary)
    check(isinstance(summary["StreamCreationTimestamp"], datetime.datetime), summary)
    age = datetime.datetime.now(datetime.timezone.utc) - summary["StreamCreationTimestamp"]
    check(abs(age.total_seconds()) < 60, "age", age)
    fails("ResourceNotFoundException", kinesis.describe_stream, StreamName="nowhere")
    fails("ResourceNotFoundException", kinesis.describe_stream_summary, StreamName="nowhere")
    fails("ResourceNotFoundException", kinesis.list_shards, StreamName="nowhere")
    fails("ResourceNotFoundException", kinesis.delete_stream, StreamName="nowhere")
    pages = list(kinesis.get_paginator("describe_stream").paginate(StreamName=NAME, PaginationConfig={"PageSize": 1}))
    check(len(pages) == 2, "pages", pages)
    # AWS takes a token without the name only, so the paginator of boto3 fails with it, too.
    page = kinesis.list_shards(StreamName=NAME, MaxResults=1)
    fails("InvalidArgumentException", kinesis.list_shards, StreamName=NAME, NextToken=page["NextToken"])
    rest = kinesis.list_shards(NextToken=page["NextToken"])
    shards = page["Shards"] + rest["Shards"]
    check(len(shards) == 2 and "NextToken" not in rest, "pages", page, rest)
    check(int(shards[1]["HashKeyRange"]["EndingHashKey"]) == 2**128 - 1, shards)
    return described["StreamARN"], shards


def iterator(shard, kind="TRIM_HORIZON", **more):
    return kinesis.get_shard_iterator(StreamName=NAME, ShardId=shard, ShardIteratorType=kind, **more)["ShardIterator"]


def read(at, count=None):
    """Read to the end of a closed shard, or as many records as there are to be."""
    records, children = [], None
    while at and (count is None or len(records) < count):
        got = kinesis.get_records(ShardIterator=at, Limit=100)
        records += got["Records"]
        at, children = got.get("NextShardIterator"), got.get("ChildShards")
        check("MillisBehindLatest" in got, got)
    return records, children


def records(arn, shards):
    everything = bytes(range(256))
    first = kinesis.put_record(StreamName=NAME, Data=everything, PartitionKey="größe", ExplicitHashKey="0")
    check(first["ShardId"] == shards[0]["ShardId"] and first["SequenceNumber"].isdigit(), first)
    second = kinesis.put_record(StreamARN=arn, Data=b"", PartitionKey="k", ExplicitHashKey="1", SequenceNumberForOrdering=first["SequenceNumber"])
    check(int(second["SequenceNumber"]) > int(first["SequenceNumber"]), second)
    batch = [{"Data": f"record {i}".encode(), "PartitionKey": f"key {i % 17}"} for i in range(500)]
    answer = kinesis.put_records(StreamName=NAME, Records=batch)
    check(answer["FailedRecordCount"] == 0 and len(answer["Records"]) == 500, answer)
    big = os.urandom(1_000_000)
    large = kinesis.put_record(StreamName=NAME, Data=big, PartitionKey="big", ExplicitHashKey="2")

    wanted = {s["ShardId"]: [] for s in shards}
    wanted[first["ShardId"]] += [everything, b""]
    for entry, put in zip(batch, answer["Records"]):
        wanted[put["ShardId"]].append(entry["Data"])
        half = int.from_bytes(hashlib.md5(entry["PartitionKey"].encode()).digest(), "big") >> 127
        check(put["ShardId"] == shards[half]["ShardId"], entry, put)
    wanted[large["ShardId"]].append(big)
    for shard, data in wanted.items():
        got, _ = read(iterator(shard), len(data))
        check([r["Data"] for r in got] == data, shard, len(got), len(data))
        numbers = [int(r["SequenceNumber"]) for r in got]
        check(numbers == sorted(set(numbers)), "sequence numbers", shard)
    shard = first["ShardId"]
    got, _ = read(iterator(shard), 2)
    check(got[0]["PartitionKey"] == "größe", got[0])
    arrival = got[0]["ApproximateArrivalTimestamp"]
    check(abs((datetime.datetime.now(datetime.timezone.utc) - arrival).total_seconds()) < 60, arrival)
    iterators(shard, first, second, arrival, big, large["ShardId"])
    return wanted


def iterators(shard, first, second, arrival, big, large):
    one = kinesis.get_records(ShardIterator=iterator(shard, "AT_SEQUENCE_NUMBER", StartingSequenceNumber=second["SequenceNumber"]), Limit=1)
    check(one["Records"][0]["SequenceNumber"] == second["SequenceNumber"], one)
    one = kinesis.get_records(ShardIterator=iterator(shard, "AFTER_SEQUENCE_NUMBER", StartingSequenceNumber=first["SequenceNumber"]), Limit=1)
    check(one["Records"][0]["SequenceNumber"] == second["SequenceNumber"], one)
    one = kinesis.get_records(ShardIterator=iterator(shard, "AT_TIMESTAMP", Timestamp=arrival), Limit=1)
    check(one["Records"][0]["SequenceNumber"] == first["SequenceNumber"], one)
    latest = iterator(large, "LATEST")
    check(kinesis.get_records(ShardIterator=latest)["Records"] == [], "LATEST")

    later = datetime.datetime.now() + datetime.timedelta(hours=1)
    position = dict(StreamName=NAME, ShardId=shard, ShardIteratorType="AT_TIMESTAMP")
    fails("InvalidArgumentException", kinesis.get_shard_iterator, Timestamp=later, **position)
    fails("ResourceNotFoundException", kinesis.get_shard_iterator, StreamName=NAME, ShardId="shardId-000000000099", ShardIteratorType="LATEST")
    fails("DryRunOperationException", kinesis.get_shard_iterator, StreamName=NAME, ShardId=shard, ShardIteratorType="LATEST", DryRun=True)
    fails("InvalidArgumentException", kinesis.get_records, ShardIterator="AAAA")
    fails("DryRunOperationException", kinesis.get_records, ShardIterator=latest, DryRun=True)
    fails("ResourceNotFoundException", kinesis.put_record, StreamName="nowhere", Data=b"", PartitionKey="k")
    fails("InvalidArgumentException", kinesis.put_record, StreamName=NAME, Data=b"", PartitionKey="k", ExplicitHashKey=str(2**128))
    fails("DryRunOperationException", kinesis.put_record, StreamName=NAME, Data=b"not written", PartitionKey="k", DryRun=True)
    fails("ResourceNotFoundException", kinesis.put_records, StreamName="nowhere", Records=[{"Data": b"", "PartitionKey": "k"}])
    fails("DryRunOperationException", kinesis.put_records, StreamName=NAME, Records=[{"Data": b"", "PartitionKey": "k"}], DryRun=True)
    check(kinesis.get_records(ShardIterator=latest)["Records"] == [], "a dry run wrote")


def subscribe(consumer, shard, position):
    return kinesis.subscribe_to_shard(ConsumerARN=consumer, ShardId=shard, StartingPosition=position)["EventStream"]


def consumers(arn, shards, wanted):
    made = kinesis.register_stream_consumer(StreamARN=arn, ConsumerName="pushed", Tags={"a": "b"})["Consumer"]
    consumer = made["ConsumerARN"]
    fails("ResourceInUseException", kinesis.register_stream_consumer, StreamARN=arn, ConsumerName="pushed")
    kinesis.register_stream_consumer(StreamARN=arn, ConsumerName="other")
    until("the consumer", lambda: kinesis.describe_stream_consumer(ConsumerARN=consumer)["ConsumerDescription"]["ConsumerStatus"] == "ACTIVE")
    fails("ResourceNotFoundException", kinesis.describe_stream_consumer, StreamARN=arn, ConsumerName="nobody")
    names = [c["ConsumerName"] for page in kinesis.get_paginator("list_stream_consumers").paginate(
        StreamARN=arn, PaginationConfig={"PageSize": 1}) for c in page["Consumers"]]
    check(sorted(names) == ["other", "pushed"], names)

    shard = shards[0]["ShardId"]
    fails("ResourceNotFoundException", kinesis.subscribe_to_shard, ConsumerARN=consumer, ShardId="shardId-000000000099", StartingPosition={"Type": "LATEST"})
    fails("DryRunOperationException", kinesis.subscribe_to_shard, ConsumerARN=consumer, ShardId=shard, StartingPosition={"Type": "LATEST"}, DryRun=True)
    stream = subscribe(consumer, shard, {"Type": "TRIM_HORIZON"})
    fails("ResourceInUseException", kinesis.subscribe_to_shard, ConsumerARN=consumer, ShardId=shard, StartingPosition={"Type": "LATEST"})
    got, last = [], b"pushed while subscribed"
    for event in stream:
        event = event["SubscribeToShardEvent"]
        check(event["ContinuationSequenceNumber"].isdigit() and "MillisBehindLatest" in event, event.keys())
        got += [r["Data"] for r in event["Records"]]
        if len(got) == len(wanted[shard]):
            threading.Thread(target=lambda: connect().put_record(StreamName=NAME, Data=last, PartitionKey="k", ExplicitHashKey="0")).start()
        elif len(got) > len(wanted[shard]):
            break
    wanted[shard].append(last)
    check(got == wanted[shard], "pushed", len(got), "wanted", len(wanted[shard]))
    stream.close()
    kinesis.deregister_stream_consumer(StreamARN=arn, ConsumerName="other")
    fails("ResourceNotFoundException", kinesis.deregister_stream_consumer, StreamARN=arn, ConsumerName="nobody")
    return consumer


def reshard(arn, consumer, shards, wanted):
    a, b = shards
    middle = (int(a["HashKeyRange"]["StartingHashKey"]) + int(a["HashKeyRange"]["EndingHashKey"])) // 2
    split = dict(StreamName=NAME, ShardToSplit=a["ShardId"], NewStartingHashKey=str(middle))
    kinesis.split_shard(**split)
    active()
    fails("InvalidArgumentException", kinesis.split_shard, **split)
    fails("ResourceNotFoundException", kinesis.split_shard, StreamName="nowhere", ShardToSplit=a["ShardId"], NewStartingHashKey="1")
    got, children = read(iterator(a["ShardId"]))
    check([r["Data"] for r in got] == wanted[a["ShardId"]], "the parent holds", len(got))
    check(len(children) == 2 and all(c["ParentShards"] == [a["ShardId"]] for c in children), children)

    got = []
    for event in subscribe(consumer, a["ShardId"], {"Type": "TRIM_HORIZON"}):
        event = event["SubscribeToShardEvent"]
        got += [r["Data"] for r in event["Records"]]
        pushed = event.get("ChildShards")
        check(bool(pushed) != ("ContinuationSequenceNumber" in event), event.keys())
    check(got == wanted[a["ShardId"]] and pushed == children, "to the end of the shard", len(got), pushed)

    merge = dict(StreamName=NAME, ShardToMerge=children[1]["ShardId"], AdjacentShardToMerge=b["ShardId"])
    fails("InvalidArgumentException", kinesis.merge_shards, StreamName=NAME, ShardToMerge=children[0]["ShardId"], AdjacentShardToMerge=b["ShardId"])
    fails("ResourceNotFoundException", kinesis.merge_shards, StreamName="nowhere", ShardToMerge="shardId-0", AdjacentShardToMerge="shardId-1")
    kinesis.merge_shards(**merge)
    active()
    merged = kinesis.list_shards(StreamName=NAME, ExclusiveStartShardId=children[1]["ShardId"])["Shards"]
    check(len(merged) == 1 and merged[0]["ParentShardId"] == children[1]["ShardId"] and merged[0]["AdjacentParentShardId"] == b["ShardId"], merged)
    open_ones = kinesis.list_shards(StreamName=NAME, ShardFilter={"Type": "AT_LATEST"})["Shards"]
    check([s["ShardId"] for s in open_ones] == [children[0]["ShardId"], merged[0]["ShardId"]], open_ones)

    scaled = kinesis.update_shard_count(StreamName=NAME, TargetShardCount=4, ScalingType="UNIFORM_SCALING")
    check(scaled["CurrentShardCount"] == 2 and scaled["TargetShardCount"] == 4 and scaled["StreamARN"] == arn, scaled)
    active()
    check(kinesis.describe_stream_summary(StreamName=NAME)["StreamDescriptionSummary"]["OpenShardCount"] == 4, "after scaling")
    fails("ResourceNotFoundException", kinesis.update_shard_count, StreamName="nowhere", TargetShardCount=2, ScalingType="UNIFORM_SCALING")


def tags(arn, consumer):
    kinesis.add_tags_to_stream(StreamName=NAME, Tags={"cost": "12", "näme": "wert"})
    pages = kinesis.get_paginator("list_tags_for_stream").paginate(StreamName=NAME, PaginationConfig={"PageSize": 2}) if kinesis.can_paginate(
        "list_tags_for_stream") else [kinesis.list_tags_for_stream(StreamName=NAME)]
    got = {t["Key"]: t["Value"] for page in pages for t in page["Tags"]}
    check(got == {"team": "river", "cost": "12", "näme": "wert"}, got)
    kinesis.remove_tags_from_stream(StreamName=NAME, TagKeys=["cost"])
    kinesis.tag_resource(ResourceARN=consumer, Tags={"c": "d"})
    kinesis.untag_resource(ResourceARN=consumer, TagKeys=["a"])
    check(kinesis.list_tags_for_resource(ResourceARN=consumer)["Tags"] == [{"Key": "c", "Value": "d"}], "tags of the consumer")
    check(len(kinesis.list_tags_for_resource(ResourceARN=arn)["Tags"]) == 2, "tags of the stream")
    fails("ResourceNotFoundException", kinesis.add_tags_to_stream, StreamName="nowhere", Tags={"a": "b"})
    fails("ResourceNotFoundException", kinesis.remove_tags_from_stream, StreamName="nowhere", TagKeys=["a"])
    fails("ResourceNotFoundException", kinesis.list_tags_for_stream, StreamName="nowhere")
    for call, more in ((kinesis.tag_resource, {"Tags": {"a": "b"}}), (kinesis.untag_resource, {"TagKeys": ["a"]}), (kinesis.list_tags_for_resource, {})):
        fails("ResourceNotFoundException", call, ResourceARN=arn + "-gone", **more)


def policies(arn):
    policy = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"kinesis:PutRecord","Resource":"' + arn + '"}]}'
    kinesis.put_resource_policy(ResourceARN=arn, Policy=policy)
    check(kinesis.get_resource_policy(ResourceARN=arn)["Policy"] == policy, "policy")
    kinesis.delete_resource_policy(ResourceARN=arn)
    check(kinesis.get_resource_policy(ResourceARN=arn)["Policy"] == "{}", "policy after its deletion")
    fails("InvalidArgumentException", kinesis.put_resource_policy, ResourceARN=arn, Policy="no JSON")
    fails("ResourceNotFoundException", kinesis.put_resource_policy, ResourceARN=arn + "-gone", Policy=policy)
    fails("ResourceNotFoundException", kinesis.get_resource_policy, ResourceARN=arn + "-gone")
    fails("ResourceNotFoundException", kinesis.delete_resource_policy, ResourceARN=arn + "-gone")


def settings(arn):
    kinesis.increase_stream_retention_period(StreamName=NAME, RetentionPeriodHours=48)
    active()
    fails("InvalidArgumentException", kinesis.increase_stream_retention_period, StreamName=NAME, RetentionPeriodHours=24)
    kinesis.decrease_stream_retention_period(StreamName=NAME, RetentionPeriodHours=24)
    active()
    fails("InvalidArgumentException", kinesis.decrease_stream_retention_period, StreamName=NAME, RetentionPeriodHours=30)
    on = kinesis.enable_enhanced_monitoring(StreamName=NAME, ShardLevelMetrics=["IncomingBytes", "OutgoingBytes"])
    check(sorted(on["DesiredShardLevelMetrics"]) == ["IncomingBytes", "OutgoingBytes"], on)
    active()
    kinesis.disable_enhanced_monitoring(StreamName=NAME, ShardLevelMetrics=["ALL"])
    active()
    kinesis.start_stream_encryption(StreamName=NAME, EncryptionType="KMS", KeyId="alias/aws/kinesis")
    active()
    check(kinesis.describe_stream_summary(StreamName=NAME)["StreamDescriptionSummary"]["EncryptionType"] == "KMS", "encryption")
    kinesis.stop_stream_encryption(StreamName=NAME, EncryptionType="KMS", KeyId="alias/aws/kinesis")
    active()
    kinesis.update_max_record_size(StreamARN=arn, MaxRecordSizeInKiB=2048)
    active()
    kinesis.put_record(StreamName=NAME, Data=bytes(2_000_000), PartitionKey="k")
    fails("ValidationException", kinesis.update_max_record_size, StreamARN=arn, MaxRecordSizeInKiB=20480)
    for call, more in (
            (kinesis.increase_stream_retention_period, {"RetentionPeriodHours": 24}), (kinesis.decrease_stream_retention_period, {"RetentionPeriodHours": 24}),
            (kinesis.enable_enhanced_monitoring, {"ShardLevelMetrics": ["ALL"]}), (kinesis.disable_enhanced_monitoring, {"ShardLevelMetrics": ["ALL"]}),
            (kinesis.start_stream_encryption, {"EncryptionType": "KMS", "KeyId": "k"}), (kinesis.stop_stream_encryption, {"EncryptionType": "KMS", "KeyId": "k"})):
        fails("ResourceNotFoundException", call, StreamName="nowhere", **more)


def on_demand(arn):
    fails("ValidationException", kinesis.update_stream_record_distribution_strategy, StreamARN=arn, RecordDistributionStrategy="AUTO")
    kinesis.update_stream_mode(StreamARN=arn, StreamModeDetails={"StreamMode": "ON_DEMAND"})
    active()
    fails("ValidationException", kinesis.update_shard_count, StreamName=NAME, TargetShardCount=8, ScalingType="UNIFORM_SCALING")
    kinesis.update_stream_record_distribution_strategy(StreamARN=arn, RecordDistributionStrategy="AUTO")
    active()
    check(kinesis.put_record(StreamName=NAME, Data=b"no key")["ShardId"], "a record without a key")
    commitment = kinesis.update_account_settings(MinimumThroughputBillingCommitment={"Status": "ENABLED"})["MinimumThroughputBillingCommitment"]
    check(commitment["Status"] == "ENABLED", commitment)
    check(kinesis.describe_account_settings()["MinimumThroughputBillingCommitment"]["Status"] == "ENABLED", "commitment")
    warm = kinesis.update_stream_warm_throughput(StreamName=NAME, WarmThroughputMiBps=20)
    check(warm["WarmThroughput"]["TargetMiBps"] == 20, warm)
    active()
    limits = kinesis.describe_limits()
    check(limits["OpenShardCount"] >= 0 and limits["OnDemandStreamCount"] >= 1, limits)


def channels(arn):
    bucket = {"BucketARN": "arn:aws:s3:::bucket", "ExpectedBucketOwner": "000000000000"}
    definition = dict(
        ChannelName=NAME, ServiceExecutionRoleARN="arn:aws:iam::000000000000:role/delivery",
        StreamConfigurationList=[{"StreamARN": arn, "RecordConfiguration": {"RecordFormatType": "JSON"}}],
        S3DestinationConfiguration={"StorageConfiguration": {"CompressionType": "ZSTD", **bucket}})
    channel = kinesis.create_channel(**definition)["ChannelDescription"]["ChannelARN"]
    fails("ResourceInUseException", kinesis.create_channel, **definition)
    described = lambda: kinesis.describe_channel(ChannelARN=channel)["ChannelDescription"]
    until("the channel", lambda: described()["ChannelStatus"] == "ACTIVE")
    check(described()["S3DestinationConfiguration"]["StorageConfiguration"]["CompressionType"] == "ZSTD", described())
    kinesis.update_channel(ChannelARN=channel, S3DestinationConfiguration={"DataFreshnessInSeconds": 60})
    until("the channel", lambda: described()["ChannelStatus"] == "ACTIVE")
    check(described()["S3DestinationConfiguration"]["DataFreshnessInSeconds"] == 60, described())
    check([c["ChannelARN"] for c in kinesis.list_channels(StreamFilter=[{"StreamARN": arn}])["ChannelSummaries"]] == [channel], "list_channels")
    kinesis.delete_channel(ChannelARN=channel)
    gone = channel + "-gone"
    fails("ResourceNotFoundException", kinesis.describe_channel, ChannelARN=gone)
    fails("ResourceNotFoundException", kinesis.update_channel, ChannelARN=gone, S3DestinationConfiguration={"DataFreshnessInSeconds": 60})
    fails("ResourceNotFoundException", kinesis.delete_channel, ChannelARN=gone)


def creating():
    """What a stream that is CREATING refuses, by a server where that takes an hour."""
    slow = connect(os.environ["MILLRACE_SLOW_ENDPOINT"])  # by HTTP in clear text
    slow.create_stream(StreamName=NAME, ShardCount=2)
    summary = slow.describe_stream_summary(StreamName=NAME)["StreamDescriptionSummary"]
    check(summary["StreamStatus"] == "CREATING", summary)
    arn = summary["StreamARN"]
    for call, members in (
            (slow.split_shard, {"ShardToSplit": "shardId-000000000000", "NewStartingHashKey": "2"}),
            (slow.merge_shards, {"ShardToMerge": "shardId-000000000000", "AdjacentShardToMerge": "shardId-000000000001"}),
            (slow.update_shard_count, {"TargetShardCount": 4, "ScalingType": "UNIFORM_SCALING"}),
            (slow.increase_stream_retention_period, {"RetentionPeriodHours": 48}),
            (slow.enable_enhanced_monitoring, {"ShardLevelMetrics": ["ALL"]}), (slow.disable_enhanced_monitoring, {"ShardLevelMetrics": ["ALL"]}),
            (slow.start_stream_encryption, {"EncryptionType": "KMS", "KeyId": "k"}), (slow.stop_stream_encryption, {"EncryptionType": "KMS", "KeyId": "k"})):
        fails("ResourceInUseException", call, StreamName=NAME, **members)
    fails("ResourceInUseException", slow.update_max_record_size, StreamARN=arn, MaxRecordSizeInKiB=2048)
    fails("ResourceInUseException", slow.update_stream_mode, StreamARN=arn, StreamModeDetails={"StreamMode": "ON_DEMAND"})


def finish(arn):
    fails("ResourceInUseException", kinesis.delete_stream, StreamName=NAME)
    kinesis.delete_stream(StreamName=NAME, EnforceConsumerDeletion=True)
    kinesis.get_waiter("stream_not_exists").wait(StreamName=NAME, WaiterConfig=PAUSE)


def main():
    begin("boto3", f"{boto3.__version__} (botocore {botocore.__version__})")
    arn, shards = create()
    wanted = records(arn, shards)
    consumer = consumers(arn, shards, wanted)
    reshard(arn, consumer, shards, wanted)
    tags(arn, consumer)
    policies(arn)
    settings(arn)
    on_demand(arn)
    channels(arn)
    creating()
    finish(arn)
    check(seen["version"] == {11}, "versions of HTTP", seen)
    check(seen["type"] == {"application/x-amz-json-1.1", "application/vnd.amazon.eventstream"}, seen)
    end("HTTP/1.1, " + ("TLS" if TLS else "clear text") + ", JSON")


main()
