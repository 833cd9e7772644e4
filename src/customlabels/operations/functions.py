"""Functions that tasks call: what AWS Lambda is to an execution on AWS, in this process.

Layer: operations. A function is the user's own Python; its errors are told as AWS Lambda tells them.
"""

from __future__ import annotations

import json
import re
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from customlabels.operations.integrations import metadata
from customlabels.workflows import TaskFailure

FUNCTION = re.compile(
    r"(?:arn:[a-z0-9-]+:lambda:[a-z0-9-]*:\d*:function:)?([A-Za-z0-9_-]+)(?::[A-Za-z0-9$_-]+)?"
)
INVOKED = {
    "X-Amz-Executed-Version": "$LATEST",
    "x-amzn-Remapped-Content-Length": "0",
    "Connection": "keep-alive",
    "x-amzn-RequestId": "",
    "Content-Length": "",
    "Date": "",
    "X-Amzn-Trace-Id": "",
    "Content-Type": "application/json",
}


@dataclass(frozen=True, slots=True)
class FunctionContext:
    """What a function is told besides its event, under the names that AWS Lambda uses.

    account: of the execution; not one of Lambda's
    """

    function_name: str
    aws_request_id: str
    account: str


Function = Callable[[Any, FunctionContext], Any]


def called(functions: Mapping[str, Function], named: str, event: Any, token: str, account: str) -> Any:
    """What one of the functions, by name, answers to `event`, a JSON value; its exception is a TaskFailure.

    named: its name or ARN    token: of the request; the same in every run of it    account: who asks
    """
    name = name_of(named)
    function = functions.get(name)
    if function is None:
        offered = ", ".join(sorted(functions)) or "none"
        about = f"Status Code: 404; Error Code: ResourceNotFoundException; Request ID: {token[:36]}"
        raise TaskFailure(
            "Lambda.ResourceNotFoundException",
            f"Function not found: {named}; this server has {offered} "
            f"(Service: AWSLambda; {about}; Proxy: null)",
        )
    try:
        result = function(event, FunctionContext(name, token, account))
        return json.loads(json.dumps(result, allow_nan=False))
    except Exception as error:
        # As AWS Lambda tells it: the error is the exception's class, the cause a JSON text.
        told = {
            "errorMessage": str(error),
            "errorType": type(error).__name__,
            "requestId": token[:36],
            "stackTrace": traceback.format_tb(error.__traceback__),
        }
        raise TaskFailure(type(error).__name__, json.dumps(told, separators=(",", ":"))) from error


def invoked(payload: Any, token: str, request_id: str) -> dict[str, Any]:
    """The result of a task that invoked a function, which answered `payload`."""
    body = json.dumps(payload, separators=(",", ":"), ensure_ascii=False).encode()
    headers = {**INVOKED, "X-Amzn-Trace-Id": f"Root=1-{token[:8]}-{token[8:32]};Sampled=0"}
    about = metadata(headers, body, request_id)
    return {"ExecutedVersion": "$LATEST", "Payload": payload, **about, "StatusCode": 200}


def name_of(named: str) -> str:
    """A function's name in its name or ARN, with or without a version."""
    found = FUNCTION.fullmatch(named)
    return found[1] if found else named
