"""What the wire costs a request: parsing, checking, serialising and verifying, in microseconds.

    python benchmarks/wire.py

Each figure is the best of several rounds on one core, without a server: the protocol's own share.
"""

import asyncio
import base64
import timeit
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

import customlabels
from customlabels.wire import (
    Invocation,
    Key,
    Service,
    Signatures,
    SignedRequest,
    WireApp,
    load_services,
    serialise,
    validate,
)
from customlabels.wire.serialising import parse_body

Row = tuple[float, float, float, float, float]

SERVICES = load_services(Path(customlabels.__file__).parent / "operations" / "models")
TITLES = ("µs a request", "parse", "validate", "serialise", "verify", "all, with ASGI")
WIDTHS = (22, 10, 10, 11, 10, 16)
ARN = "arn:aws:rekognition:us-east-1:123456789012:project/p/version/v/1690476084738"
EVENT = {
    "timestamp": 1690476084.738,
    "type": "TaskStateEntered",
    "id": 7,
    "previousEventId": 6,
    "stateEnteredEventDetails": {"name": "Train", "input": '{"a": 1}', "inputDetails": {"truncated": False}},
}
CASES: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = [
    (
        "rekognition",
        "CreateProject",
        {"ProjectName": "logos", "Tags": {"team": "vision"}},
        {"ProjectArn": ARN},
    ),
    (
        "rekognition",
        "DetectCustomLabels",
        {"ProjectVersionArn": ARN, "Image": {"Bytes": base64.b64encode(bytes(200_000)).decode()}},
        {"CustomLabels": [{"Name": f"label {number}", "Confidence": 91.25} for number in range(10)]},
    ),
    (
        "stepfunctions",
        "DescribeExecution",
        {"executionArn": "arn:aws:states:us-east-1:123456789012:execution:pipeline:run-1"},
        {
            "executionArn": "arn",
            "stateMachineArn": "arn",
            "status": "RUNNING",
            "startDate": 1690476084.738,
            "input": "{}",
        },
    ),
    (
        "stepfunctions",
        "GetExecutionHistory",
        {"executionArn": "arn:aws:states:us-east-1:123456789012:execution:pipeline:run-1"},
        {"events": [EVENT] * 1000},
    ),
]


def microseconds(work: Callable[[], object]) -> float:
    """The best time of one call, over rounds of about 50 ms."""
    timer = timeit.Timer(work)
    number = max(1, int(0.05 / max(timer.timeit(1), 1e-7)))
    return min(timer.repeat(7, number)) / number * 1e6


def signed(service: Service, operation: str, body: bytes) -> SignedRequest:
    """The request as botocore signs it now."""
    headers = {
        "Host": "127.0.0.1:4577",
        "X-Amz-Target": f"{service.model.metadata['targetPrefix']}.{operation}",
        "Content-Type": service.content_type,
    }
    request = AWSRequest("POST", "http://127.0.0.1:4577/", headers=headers, data=body)
    SigV4Auth(Credentials("AKID", "secret"), service.signing_name, "us-east-1").add_auth(request)
    pairs = [(name.lower().encode(), str(value).encode()) for name, value in request.headers.items()]
    return SignedRequest("POST", b"/", b"", pairs, body)


def whole(app: WireApp, request: SignedRequest) -> Callable[[], None]:
    """One request through the whole application, without a server."""
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/",
        "query_string": b"",
        "headers": list(request.headers),
    }
    loop = asyncio.new_event_loop()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": request.body}

    async def send(message: Any) -> None:
        if message.get("status", 200) != 200:
            raise RuntimeError(message)

    return lambda: loop.run_until_complete(app(scope, receive, send))


def figures_of(service: Service, operation_name: str, params: dict[str, Any], result: dict[str, Any]) -> Row:
    """Parse, validate, serialise, verify, and all of it."""
    operation = service.operation(operation_name)
    signatures = Signatures({"AKID": Key("secret", "123456789012")})
    body = orjson.dumps(params)
    request = signed(service, operation_name, body)
    now = datetime.now(UTC).timestamp()

    async def dispatch(_: Invocation) -> dict[str, Any]:
        return result

    return (
        microseconds(lambda: parse_body(body)),
        microseconds(lambda: validate(operation, params)),
        microseconds(lambda: serialise(operation, result)),
        microseconds(lambda: signatures.verify(replace(request), service.signing_name, now)),
        microseconds(whole(WireApp(SERVICES, dispatch, signatures), request)),
    )


def main() -> None:
    """Print the table."""
    print("".join(f"{title:>{width}}" for title, width in zip(TITLES, WIDTHS, strict=True)))
    for name, operation, params, result in CASES:
        figures = figures_of(SERVICES[name], operation, params, result)
        print(f"{operation:>{WIDTHS[0]}}", end="")
        print("".join(f"{figure:{width}.1f}" for figure, width in zip(figures, WIDTHS[1:], strict=True)))


if __name__ == "__main__":
    main()
