"""The aggregated records of AWS's own Python library, as test vectors.

    python3 -m venv venv
    venv/bin/pip install aws-kinesis-agg==1.2.3 protobuf==7.36.2 six==1.17.0
    venv/bin/python vectors.py write > vectors.json

`write` prints what the library makes of the records of each case ("aggregate")
and what it reads from that again ("read"), then messages that no producer writes
but readers must know ("foreign"): put together with the protocol buffers
library from the message types in aws-kinesis-agg, or broken on purpose. There,
"whole" says that it took the data for an ordinary record.

`read` takes lines of base64 from standard input and prints for each what the
library reads from it, as JSON. Tests use it on records of ours.

Hash keys are null where there is none. The library reports the first of the
table for a record without one, if others of the same aggregate have one:
"hash" is "first" then.
"""

import base64
import contextlib
import hashlib
import io
import json
import random
import sys

from aws_kinesis_agg import MAGIC, aggregator, deaggregator, messages_pb2


def text(data):
    return base64.b64encode(data).decode()


def aggregated(message):
    return MAGIC + message + hashlib.md5(message).digest()


def read(data):
    """What the library reads from the data, or None if it is ordinary to it."""
    outer = {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "sequenceNumber": "1",
            "approximateArrivalTimestamp": 0,
            "partitionKey": "outer",
            "data": base64.b64encode(data),
        }
    }
    with contextlib.redirect_stderr(io.StringIO()):
        found = [r["kinesis"] for r in deaggregator.deaggregate_records([outer])]
    if len(found) == 1 and "aggregated" not in found[0]:
        return None
    records = []
    for r in found:
        records.append(
            {
                "key": r["partitionKey"],
                "hash": r["explicitHashKey"],
                "index": r["subSequenceNumber"],
                "data": r["data"].decode(),
            }
        )
    mark_guesses(data, records)
    return records


def mark_guesses(data, records):
    message = messages_pb2.AggregatedRecord()
    message.ParseFromString(data[len(MAGIC) : -16])
    for record, stored in zip(records, message.records):
        if record["hash"] is not None and not stored.HasField("explicit_hash_key_index"):
            record["hash"] = "first"


def cases():
    hello, world = b"hello", b"world"
    largest = str(2**128 - 1)
    yield "two of one key", [("key", None, hello), ("key", None, world)]
    yield "two keys", [("a", None, hello), ("b", None, world), ("a", None, b"")]
    yield "all hashed", [("a", "0", hello), ("b", largest, world), ("c", "0", hello)]
    yield "some hashed", [("a", None, hello), ("a", "12", world), ("b", None, hello)]
    yield "not ASCII", [("schlüssel-€-🗝", None, "grüße".encode()), ("é" * 256, None, b"\xff\x00")]
    yield "indexes of two bytes", [(f"key-{i}", str(i), b"%d" % i) for i in range(130)]
    yield "data of a two-byte length", [("k", None, bytes(127)), ("k", None, bytes(128)), ("k", None, bytes(300))]
    yield "magic inside", [("k", None, MAGIC), ("k", None, aggregated(b"\x0a\x01k"))]
    made = random.Random(7)
    for n in range(8):
        yield f"random {n}", [
            (
                f"key-{made.randrange(12)}",
                str(made.getrandbits(128)) if made.random() < 0.3 else None,
                made.randbytes(made.randrange(40)),
            )
            for _ in range(made.randrange(2, 30))
        ]


def foreign():
    def message(records, keys=("a", "b"), hashes=()):
        m = messages_pb2.AggregatedRecord()
        m.partition_key_table.extend(keys)
        m.explicit_hash_key_table.extend(hashes)
        for key, data in records:
            r = m.records.add()
            r.partition_key_index, r.data = key, data
        return m

    plain = message([(0, b"x"), (1, b"y")])
    yield "keys that are not used, and twice there", aggregated(
        message([(2, b"x")], keys=("a", "b", "a"), hashes=("1", "1")).SerializeToString()
    )
    tagged = message([(0, b"x"), (1, b"y")])
    tag = tagged.records[0].tags.add()
    tag.key, tag.value = "name", "value"
    yield "tags", aggregated(tagged.SerializeToString())
    records_first = message([(0, b"x")]).records[0].SerializeToString()
    yield "tables behind records", aggregated(
        b"\x1a" + bytes([len(records_first)]) + records_first + b"\x0a\x01z"
    )
    yield "fields of other numbers", aggregated(
        b"\x20\x01" + b"\x29" + bytes(8) + plain.SerializeToString() + b"\x35" + bytes(4) + b"\xfa\x07\x02hi"
    )
    yield "a field twice", aggregated(b"\x0a\x01a\x0a\x01b\x1a\x0a\x08\x00\x1a\x01x\x08\x01\x1a\x01y")
    yield "tables only", aggregated(message([]).SerializeToString())
    yield "no message", aggregated(b"")
    yield "wrong digest", aggregated(plain.SerializeToString())[:-1] + b"\x00"
    yield "cut short", aggregated(plain.SerializeToString()[:-1])
    yield "record without data", aggregated(b"\x0a\x01a\x1a\x02\x08\x00")
    yield "record without key", aggregated(b"\x0a\x01a\x1a\x03\x1a\x01x")
    yield "index past the table", aggregated(message([(2, b"x")]).SerializeToString())


def write():
    out = {"cases": [], "foreign": []}
    for name, records in cases():
        library = aggregator.AggRecord()
        for key, hash_key, data in records:
            assert library.add_user_record(key, data, hash_key)
        key, hash_key, data = library.get_contents()
        out["cases"].append(
            {
                "name": name,
                "records": [{"key": k, "hash": h, "data": text(d)} for k, h, d in records],
                "aggregate": {"key": key, "hash": hash_key, "data": text(data)},
                "read": read(data),
            }
        )
    for name, data in foreign():
        records = read(data)
        out["foreign"].append({"name": name, "data": text(data), "whole": records is None, "read": records})
    json.dump(out, sys.stdout, indent=1)
    print()


def read_all():
    for line in sys.stdin:
        print(json.dumps(read(base64.b64decode(line))))


if __name__ == "__main__":
    {"write": write, "read": read_all}[sys.argv[1]]()
