"""The optimised integrations: services that a state calls by a name of their own, in their own words.

Layer: operations. What differs from a call of the SDK is here, by service: the spelling of errors and causes
(the SDK for Java 1), and the metadata of the HTTP answer that is part of the result. The metadata is that of
the service itself whoever answers here: an execution must not depend on the emulator behind it.
"""

from __future__ import annotations

import json
import socket
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any
from urllib.parse import urlsplit

from customlabels.operations.sdk_shapes import as_text
from customlabels.operations.service_calls import UNREACHED, Answered, Refused
from customlabels.workflows import TaskFailure, TaskRequest

JSON = "application/x-amz-json-1.0"


def _json_body(answer: Answered) -> bytes:
    return json.dumps(answer.wire, separators=(",", ":"), ensure_ascii=False, default=str).encode()


@dataclass(frozen=True)
class Integration:
    """model: botocore's name    prefix: of error names    service: in causes    other: errors without a model

    headers: of an answer, in the service's spelling, with fixed values; None where results have no metadata
    body: the answer as the service writes it    prepare: parameters as the call needs them
    failed: the error that an answer tells of, None for a good one
    """

    model: str
    prefix: str
    service: str
    other: str
    headers: Mapping[str, str] | None
    body: Callable[[Answered], bytes] = _json_body
    prepare: Callable[[dict[str, Any], TaskRequest], dict[str, Any]] = field(default=lambda given, _: given)
    failed: Callable[[dict[str, Any]], str | None] = field(default=lambda _value: None)

    def result(self, answer: Answered) -> dict[str, Any]:
        """The task's result; TaskFailure where the answer tells of one."""
        error = self.failed(answer.value)
        if error is not None:
            raise TaskFailure(error, json.dumps(answer.value, separators=(",", ":"), ensure_ascii=False))
        if self.headers is None:
            return answer.value
        return answer.value | metadata(self.headers, self.body(answer), answer.request_id)

    def failure(self, refused: Refused) -> TaskFailure:
        """The refusal in the words of the SDK for Java 1."""
        if refused.code == UNREACHED:
            return TaskFailure(f"{self.prefix}.{UNREACHED}", refused.message)
        name = refused.shape or self.other
        name = name if name.endswith("Exception") else f"{name}Exception"
        about = (
            f"Service: {self.service}; Status Code: {refused.status}; Error Code: {refused.code}; "
            f"Request ID: {refused.request_id}; Proxy: null"
        )
        return TaskFailure(f"{self.prefix}.{name}", f"{refused.message} ({about})")


def metadata(headers: Mapping[str, str], body: bytes, request_id: str) -> dict[str, Any]:
    """What results hold of the HTTP answer; an empty value of `headers` is filled in."""
    values = {
        "x-amzn-RequestId": request_id,
        "Content-Length": str(len(body)),
        "x-amz-crc32": str(zlib.crc32(body)),
        "Date": formatdate(usegmt=True),
    }
    single = {name: value or values[name] for name, value in headers.items()}
    return {
        "SdkHttpMetadata": {
            "AllHttpHeaders": {name: [value] for name, value in single.items()},
            "HttpHeaders": single,
            "HttpStatusCode": 200,
        },
        "SdkResponseMetadata": {"RequestId": request_id},
    }


def _headers(content_type: str, connection: str = "connection") -> dict[str, str]:
    return {
        "x-amzn-RequestId": "",
        connection: "keep-alive",
        "Content-Length": "",
        "Date": "",
        "Content-Type": content_type,
    }


def _started(answer: Answered) -> bytes:
    # The service writes times as Java writes a double: 1.688135000123E9.
    arn, seconds = answer.wire["executionArn"], answer.wire["startDate"]
    return f'{{"executionArn":"{arn}","startDate":{seconds / 1e9:.12f}E9}}'.encode()


def _published(answer: Answered) -> bytes:
    members = "".join(f"    <{name}>{value}</{name}>\n" for name, value in answer.wire.items())
    return (
        '<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/">\n'
        f"  <PublishResult>\n{members}  </PublishResult>\n"
        f"  <ResponseMetadata>\n    <RequestId>{answer.request_id:36.36}</RequestId>\n  </ResponseMetadata>\n"
        "</PublishResponse>\n"
    ).encode()


def _with_own_resources(parameters: dict[str, Any], task: TaskRequest) -> dict[str, Any]:
    # The service adds to each event which machine and execution it comes from.
    machine = task.execution_arn.replace(":execution:", ":stateMachine:", 1).rpartition(":")[0]
    entries = parameters.get("Entries")
    if not isinstance(entries, list):
        return parameters
    own = [machine, task.execution_arn]
    whole = [
        {**entry, "Resources": [*(entry.get("Resources") or []), *own]} if isinstance(entry, dict) else entry
        for entry in entries
    ]
    return {**parameters, "Entries": whole}


def _with_input(parameters: dict[str, Any], _task: TaskRequest) -> dict[str, Any]:
    return parameters if parameters.get("Input") is not None else {**parameters, "Input": "{}"}


def _at_its_host(parameters: dict[str, Any], _task: TaskRequest) -> dict[str, Any]:
    # The SDK for Java 1 asks the host that a queue's URL names. A name with dots is not looked up: it may be
    # AWS's own, in place of which the endpoint that is set answers.
    host = url = as_text(parameters.get("QueueUrl"))
    try:
        host = urlsplit(url).hostname or ""
        if host and "." not in host:
            socket.getaddrinfo(host, None)
    except (OSError, ValueError):  # the latter: no URL, or no name that DNS could have
        unknown = f"Unable to execute HTTP request: {host}: Name or service not known"
        raise TaskFailure(f"SQS.{UNREACHED}", unknown) from None
    return parameters


def _failed_entry(value: dict[str, Any]) -> str | None:
    return "EventBridge.FailedEntry" if value.get("FailedEntryCount") else None


INTEGRATIONS: Mapping[str, Integration] = {
    "states": Integration(
        "stepfunctions",
        "StepFunctions",
        "AWSStepFunctions",
        "AWSStepFunctionsException",
        _headers(JSON),
        body=_started,
        prepare=_with_input,
    ),
    "lambda": Integration("lambda", "Lambda", "AWSLambda", "AWSLambdaException", None),
    "sqs": Integration("sqs", "SQS", "AmazonSQS", "AmazonSQSException", _headers(JSON), prepare=_at_its_host),
    "sns": Integration(
        "sns", "SNS", "AmazonSNS", "AmazonSNSException", _headers("text/xml"), body=_published
    ),
    "dynamodb": Integration(
        "dynamodb",
        "DynamoDB",
        "AmazonDynamoDBv2",
        "AmazonDynamoDBException",
        {"Server": "Server", **_headers(JSON, "Connection"), "x-amz-crc32": ""},
    ),
    "events": Integration(
        "events",
        "EventBridge",
        "AmazonCloudWatchEvents",
        "AmazonEventBridgeException",
        None,
        prepare=_with_own_resources,
        failed=_failed_entry,
    ),
}
