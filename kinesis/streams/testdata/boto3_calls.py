"""Sends the requests that come as lines of JSON with boto3, and answers each with a line:
{} if it succeeded, or code, message and status of the error."""

import base64
import json
import sys

import boto3
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import ClientError

# What is wrong with a request is for the server to say, once.
config = Config(parameter_validation=False, retries={"total_max_attempts": 1})
session = boto3.session.Session(aws_access_key_id="any", aws_secret_access_key="any")


def typed(value):
    return base64.b64decode(value["base64"]) if value.keys() == {"base64"} else value


def ask(request):
    client = session.client("kinesis", region_name=request["region"], endpoint_url=request["endpoint"], config=config)
    try:
        answer = getattr(client, xform_name(request["operation"]))(**request["input"])
        if "EventStream" in answer:
            answer["EventStream"].close()
        return {}
    except ClientError as error:
        shown = error.response
        return {
            "code": shown["Error"]["Code"],
            "message": shown["Error"]["Message"],
            "status": shown["ResponseMetadata"]["HTTPStatusCode"],
        }
    except Exception as error:
        return {"code": "not of the server", "message": repr(error)}
    finally:
        client.close()


for line in sys.stdin:
    print(json.dumps(ask(json.loads(line, object_hook=typed))), flush=True)
