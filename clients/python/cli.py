"""Commands of the AWS CLI. Most are run inside this process by the function that the script aws
calls, since starting that takes a second; the first and the last are run as the script."""

import base64
import contextlib
import io
import json
import os
import subprocess
import sys
import time

os.environ["AWS_PAGER"] = ""
os.environ["AWS_ENDPOINT_URL_KINESIS"] = os.environ["MILLRACE_ENDPOINT"]
TLS = os.environ["MILLRACE_ENDPOINT"].startswith("https")
if TLS:
    os.environ["AWS_CA_BUNDLE"] = os.environ["MILLRACE_CERTIFICATE"]
NAME = "cli-tls" if TLS else "cli"

import awscli.clidriver  # noqa: E402 the variables come first

from report import begin, check, end, outcome  # noqa: E402


driver = awscli.clidriver.create_clidriver()


def script(*words):
    """Run the script aws as a shell would."""
    aws = os.path.join(os.path.dirname(os.path.dirname(awscli.__file__)), "bin", "aws")
    done = subprocess.run([sys.executable, aws, *words], capture_output=True, text=True, timeout=60)
    check(done.returncode == 0, words, done.stderr)
    return json.loads(done.stdout) if done.stdout.strip() else None


def aws(command, *words, fails=None):
    """Run aws kinesis COMMAND; fails is the error that it is to have."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = driver.main(["kinesis", command, *[str(w) for w in words]])
        except SystemExit as e:  # words that it does not know
            status = e.code
    operation = "".join(word.capitalize() for word in command.split("-"))
    if fails:
        check(status != 0 and f"({fails})" in err.getvalue(), command, words, "is to fail with", fails, "got", status, err.getvalue())
        outcome(operation, fails)
        return None
    check(status == 0, command, words, err.getvalue())
    if command != "wait":
        outcome(operation)
    return json.loads(out.getvalue()) if out.getvalue().strip() else None


def named(command, *words, **more):
    return aws(command, "--stream-name", NAME, *words, **more)


def active():
    """The waiter of the CLI asks every ten seconds, so it is used once, where nothing is awaited."""
    limit = time.monotonic() + 20
    while named("describe-stream-summary")["StreamDescriptionSummary"]["StreamStatus"] != "ACTIVE":
        check(time.monotonic() < limit, "waiting for", NAME)
        time.sleep(0.05)


def gone():
    """Wait until the stream is not there any more."""
    while NAME in aws("list-streams")["StreamNames"]:
        time.sleep(0.05)


def streams():
    named("create-stream", "--shard-count", 2, "--tags", "team=river")
    named("create-stream", "--shard-count", 2, fails="ResourceInUseException")
    active()
    aws("wait", "stream-exists", "--stream-name", NAME)
    check(NAME in aws("list-streams")["StreamNames"], "list-streams")
    described = named("describe-stream")["StreamDescription"]
    check(len(described["Shards"]) == 2, described)
    aws("describe-stream", "--stream-name", "nowhere", fails="ResourceNotFoundException")
    check(len(named("list-shards")["Shards"]) == 2, "list-shards")
    return described["StreamARN"]


def records():
    data = base64.b64encode(bytes(range(256))).decode()
    put = named("put-record", "--partition-key", "größe", "--data", data, "--explicit-hash-key", 0)
    many = named("put-records", "--records", json.dumps([{"Data": data, "PartitionKey": str(i), "ExplicitHashKey": "0"} for i in range(10)]))
    check(many["FailedRecordCount"] == 0, many)
    at = named("get-shard-iterator", "--shard-id", put["ShardId"], "--shard-iterator-type", "TRIM_HORIZON")["ShardIterator"]
    got = aws("get-records", "--shard-iterator", at)
    # The first version of the CLI takes text for blobs and so encodes what is encoded already.
    inside = [base64.b64decode(r["Data"]) for r in got["Records"]]
    check(len(inside) == 11 and all(i == data.encode() or i == bytes(range(256)) for i in inside), got)
    check(got["Records"][0]["PartitionKey"] == "größe" and got["MillisBehindLatest"] == 0, got)
    # A shell that takes an iterator from JSON leaves the quotes around it.
    aws("get-records", "--shard-iterator", f'"{at}"', "--limit", 1)
    aws("get-records", "--shard-iterator", "AAAA", fails="InvalidArgumentException")


def consumers(arn):
    made = aws("register-stream-consumer", "--stream-arn", arn, "--consumer-name", "pushed")["Consumer"]
    aws("describe-stream-consumer", "--consumer-arn", made["ConsumerARN"])
    check(len(aws("list-stream-consumers", "--stream-arn", arn)["Consumers"]) == 1, "list-stream-consumers")
    named("delete-stream", fails="ResourceInUseException")
    return made["ConsumerARN"]


def reshard():
    named("split-shard", "--shard-to-split", "shardId-000000000000", "--new-starting-hash-key", 2**126)
    active()
    named("merge-shards", "--shard-to-merge", "shardId-000000000003", "--adjacent-shard-to-merge", "shardId-000000000001")
    active()
    named("update-shard-count", "--target-shard-count", 4, "--scaling-type", "UNIFORM_SCALING")
    active()
    check(len(named("list-shards", "--shard-filter", "Type=AT_LATEST")["Shards"]) == 4, "after scaling")


def settings(arn):
    named("add-tags-to-stream", "--tags", "cost=12")
    named("remove-tags-from-stream", "--tag-keys", "team")
    check(named("list-tags-for-stream")["Tags"] == [{"Key": "cost", "Value": "12"}], "list-tags-for-stream")
    aws("tag-resource", "--resource-arn", arn, "--tags", "a=b")
    aws("untag-resource", "--resource-arn", arn, "--tag-keys", "cost")
    check(aws("list-tags-for-resource", "--resource-arn", arn)["Tags"] == [{"Key": "a", "Value": "b"}], "list-tags-for-resource")
    policy = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "kinesis:*", "Resource": arn}]})
    aws("put-resource-policy", "--resource-arn", arn, "--policy", policy)
    check(json.loads(aws("get-resource-policy", "--resource-arn", arn)["Policy"]) == json.loads(policy), "get-resource-policy")
    aws("delete-resource-policy", "--resource-arn", arn)
    for command, words in (
            ("increase-stream-retention-period", ("--retention-period-hours", 48)), ("decrease-stream-retention-period", ("--retention-period-hours", 24)),
            ("enable-enhanced-monitoring", ("--shard-level-metrics", "ALL")), ("disable-enhanced-monitoring", ("--shard-level-metrics", "ALL")),
            ("start-stream-encryption", ("--encryption-type", "KMS", "--key-id", "k")), ("stop-stream-encryption", ("--encryption-type", "KMS", "--key-id", "k"))):
        named(command, *words)
        active()
    aws("update-max-record-size", "--stream-arn", arn, "--max-record-size-in-ki-b", 2048)
    active()
    aws("update-stream-mode", "--stream-arn", arn, "--stream-mode-details", "StreamMode=ON_DEMAND")
    active()
    aws("describe-limits")
    aws("describe-account-settings")


def main():
    begin("AWS CLI", awscli.__version__)
    check("StreamNames" in script("kinesis", "list-streams"), "the script aws")
    arn = streams()
    records()
    consumer = consumers(arn)
    reshard()
    settings(arn)
    aws("deregister-stream-consumer", "--consumer-arn", consumer)
    check(len(aws("list-streams", "--page-size", 1, "--max-items", 1)["StreamNames"]) == 1, "a page of streams")
    script("kinesis", "delete-stream", "--stream-name", NAME)
    gone()
    aws("wait", "stream-not-exists", "--stream-name", NAME)
    outcome("DeleteStream")
    end("HTTP/1.1, " + ("TLS" if TLS else "clear text") + ", JSON")


main()
