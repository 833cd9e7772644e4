"""Between bytes and values: the JSON bodies of requests and answers.

Layer: wire. Times leave as seconds with milliseconds, blobs as base64, and an absent member not at all:
clients loop for as long as a key such as NextToken is there, so null is never sent.
"""

import base64
import math
import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import orjson
import pybase64
from botocore.model import OperationModel, Shape

from customlabels.errors import CustomLabelsError, ServiceError

LARGE = 64 * 1024  # bytes of a body, from which on a blob in it is worth its own way
BLOBS = {"DetectCustomLabels": ("Image", "Bytes"), "UpdateDatasetEntries": ("Changes", "GroundTruth")}
MARK = secrets.token_hex()

Write = Callable[[Any], Any]


class OutputError(CustomLabelsError, AssertionError):
    """An answer that its own model does not allow: a fault of the handler that made it."""


def parse_body(body: bytes, operation: str = "") -> dict[str, Any]:
    """The JSON object in a request's body; raises ServiceError SerializationException.

    A large blob of the operation may come as bytes already. orjson bounds the nesting at 1,024 levels, so no
    body can exhaust the stack.
    """
    try:
        if len(body) > LARGE and operation in BLOBS and (around := _around_blob(body, *BLOBS[operation])):
            return around
        params = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ServiceError("SerializationException", f"the body is not JSON: {error}") from error
    if not isinstance(params, dict):
        raise ServiceError("SerializationException", "the body is not a JSON object")
    return params


def _around_blob(body: bytes, outer: str, name: str) -> dict[str, Any] | None:
    """The body with the base64 of its member outer.name as bytes; None where it is not plainly there.

    The first string after the member's name is cut out, unless it has more than base64 in it (as an escape),
    and a mark put in; only where the mark comes out as the whole value of the member was it that value.
    """
    quoted = f'"{name}"'.encode()
    start = body.find(b'"', body.find(quoted) + len(quoted)) + 1
    end = body.find(b'"', start)
    try:
        blob = pybase64.b64decode(memoryview(body)[start:end], validate=True)
        params: dict[str, Any] = orjson.loads(body[:start] + MARK.encode() + body[end:])
        if params[outer][name] != MARK:
            return None
        params[outer][name] = blob
    except (ValueError, LookupError, TypeError):
        return None
    return params


def serialise(operation: OperationModel, result: Mapping[str, Any] | None) -> bytes:
    """An answer's JSON: by the output shape, members that are None left out.

    Raises OutputError for a member that the model does not know and a value that JSON cannot carry.
    """
    shape = operation.output_shape
    if shape is None:
        if result:
            raise OutputError(f"{operation.name} has no output, but its handler answers {list(result)}")
        return b"{}"
    try:
        return orjson.dumps(_writer(shape)(result or {}))
    except (TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
        # A value is not of the type that its shape promises.
        raise OutputError(f"{operation.name} answers what its model cannot carry: {error}") from error


def serialise_error(code: str, message: str) -> bytes:
    """The body of a refusal; characters that UTF-8 lacks (from odd file names) are replaced.

    Code and text stand there under two names: errors of Rekognition have the members Code and Message, by
    which the SDK for Go reads them, and those of Step Functions have message.
    """
    text = message.encode("utf-8", "replace").decode()
    return orjson.dumps({"__type": code, "Code": code, "Message": text, "message": text})


@lru_cache(maxsize=4096)
def _writer(shape: Shape) -> Write:
    """How a value of `shape` becomes JSON."""
    if shape.type_name in CONTAINERS:
        return CONTAINERS[shape.type_name](shape)
    return SCALARS.get(shape.type_name, _as_it_is)


def _structure(shape: Shape) -> Write:
    members: dict[str, Write] = {}  # filled as they are met, for a shape may contain itself

    def write(value: Any) -> Any:
        written = {}
        for name, item in value.items():
            if item is not None:
                if name not in members:
                    members[name] = _member(shape, name)
                written_by = members[name]
                written[name] = item if written_by is _as_it_is else written_by(item)
        return written

    return (lambda value: value) if shape.is_document_type else write


def _member(shape: Shape, name: str) -> Write:
    if name not in shape.members:
        raise OutputError(f"{shape.name} has no member {name}; it has {', '.join(shape.members)}")
    return _writer(shape.members[name])


def _list(shape: Shape) -> Write:
    member = _writer(shape.member)

    def write(value: Any) -> Any:
        if not isinstance(value, list | tuple):
            raise TypeError(f"a {type(value).__name__} stands for the list {shape.name}")
        return [member(item) for item in value]

    return write


def _map(shape: Shape) -> Write:
    member = _writer(shape.value)
    return lambda value: {key: member(item) for key, item in value.items()}


def _as_it_is(value: Any) -> Any:
    if value is None:
        raise ValueError("null stands in a list or map")
    return value


def _finite(value: Any) -> Any:
    if not math.isfinite(value):  # orjson would write null
        raise ValueError(f"{value} is not a number that JSON has")
    return value


def _seconds(value: Any) -> Any:
    if isinstance(value, datetime):
        value = (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    return round(_finite(value), 3)


CONTAINERS: Mapping[str, Callable[[Shape], Write]] = {"structure": _structure, "list": _list, "map": _map}
SCALARS: Mapping[str, Write] = {
    "blob": lambda value: base64.b64encode(value).decode(),
    "float": _finite,
    "double": _finite,
    "timestamp": _seconds,
}
