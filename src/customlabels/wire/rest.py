"""S3's requests and answers by botocore's model of it: which operation is meant, its members, its answer.

Layer: wire. Knows addresses, headers and XML; knows nothing of what an operation does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import formatdate, parsedate_to_datetime
from typing import Any
from urllib.parse import unquote_plus, unquote_to_bytes

from botocore.model import OperationModel, ServiceModel, Shape

from customlabels.errors import ServiceError
from customlabels.wire.xml import NAMESPACE, XML_HEAD, element, escaped, read_xml

COPY_SOURCE = "x-amz-copy-source"
CARRIED = ("x-amz-", "content-")  # headers that a signed address may carry as parameters
LEVELS = {"/": 0, "/{Bucket}": 1, "/{Bucket}/{Key+}": 2}
# Root elements that are not named by the output's shape; clients of some languages look at them.
ROOTS = {
    "ListBuckets": "ListAllMyBucketsResult",
    "ListObjects": "ListBucketResult",
    "ListObjectsV2": "ListBucketResult",
    "ListParts": "ListPartsResult",
    "ListMultipartUploads": "ListMultipartUploadsResult",
    "CreateMultipartUpload": "InitiateMultipartUploadResult",
    "CompleteMultipartUpload": "CompleteMultipartUploadResult",
    "DeleteObjects": "DeleteResult",
    "GetBucketVersioning": "VersioningConfiguration",
    "GetObjectTagging": "Tagging",
}


@dataclass(frozen=True)
class Address:
    """What the path of a request names; both empty for the service itself."""

    bucket: str = ""
    key: str = ""

    @classmethod
    def parse(cls, raw_path: bytes) -> Address:
        """Path-style: /BUCKET/KEY, a key being everything behind, slashes included."""
        bucket, _, key = raw_path.removeprefix(b"/").partition(b"/")
        try:
            return cls(unquote_to_bytes(bucket).decode("utf-8"), unquote_to_bytes(key).decode("utf-8"))
        except UnicodeDecodeError as error:
            raise ServiceError("InvalidURI", "the path is not UTF-8") from error

    @property
    def level(self) -> int:
        """0: the service; 1: a bucket; 2: an object."""
        return 2 if self.key else 1 if self.bucket else 0


def query_of(raw: bytes) -> dict[str, str]:
    """The parameters of a query; of one that comes twice, the first."""
    parsed: dict[str, str] = {}
    for pair in raw.decode("latin-1").split("&"):
        name, _, value = pair.partition("=")
        if name:
            parsed.setdefault(unquote_plus(name), unquote_plus(value))
    return parsed


class Routes:
    """The operations by method and level, and by what tells those of one address apart."""

    def __init__(self, model: ServiceModel) -> None:
        self._routes: dict[tuple[str, int], list[tuple[frozenset[str], OperationModel]]] = {}
        self._subresources: set[str] = set()
        for name in sorted(model.operation_names):
            operation = model.operation_model(name)
            path, _, query = operation.http["requestUri"].partition("?")
            if path in LEVELS:
                marks = {mark.partition("=")[0] for mark in query.split("&") if mark}
                self._subresources |= marks
                marks |= _required(operation.input_shape)
                where = (operation.http["method"], LEVELS[path])
                self._routes.setdefault(where, []).append((frozenset(marks), operation))

    def match(self, method: str, address: Address, given: Collection[str]) -> OperationModel:
        """The operation of a request whose parameters and headers have the names `given`."""
        known = self._routes.get((method, address.level), [])
        fitting = [(marks, operation) for marks, operation in known if marks <= set(given)]
        if not fitting:
            raise ServiceError("MethodNotAllowed", f"{method} is not offered for {_named(address)}")
        marks, operation = max(fitting, key=lambda route: len(route[0]))  # the first by name of equals
        if unmet := sorted(self._subresources & set(given) - marks - _members(operation)):
            raise ServiceError("NotImplemented", f"{method} of {_named(address)}?{unmet[0]} is not offered")
        return operation


def _named(address: Address) -> str:
    return ("the service", "a bucket", "an object")[address.level]


def _required(shape: Shape | None) -> set[str]:
    """The parameters (and the one header) without which a request means another operation."""
    if shape is None:
        return set()
    placed = {shape.members[name].serialization.get("name"): name for name in shape.required_members}
    return {
        wire
        for wire, name in placed.items()
        if shape.members[name].serialization.get("location") == "querystring" or wire == COPY_SOURCE
    }


def _members(operation: OperationModel) -> set[str]:
    shape = operation.input_shape
    return set() if shape is None else {each.serialization.get("name", "") for each in shape.members.values()}


def members_of(
    operation: OperationModel, address: Address, query: Mapping[str, str], headers: Mapping[str, str]
) -> dict[str, Any]:
    """The members that address, query and headers (lower-case names) carry; the body's are not among them."""
    shape = operation.input_shape
    members: dict[str, Any] = {}
    carried = {name.lower(): value for name, value in query.items()}
    for name, member in shape.members.items() if shape else ():
        location, wire_name = member.serialization.get("location"), member.serialization.get("name", name)
        text = None
        if location == "uri":
            text = address.bucket if name == "Bucket" else address.key
        elif location == "querystring":
            text = query.get(wire_name)
        elif location == "header":
            text = headers.get(wire_name.lower())
            if text is None and wire_name.lower().startswith(CARRIED):
                text = carried.get(wire_name.lower())
        elif location == "headers":
            found = {key: value for key, value in headers.items() if key.startswith(wire_name.lower())}
            if found:
                members[name] = {key.removeprefix(wire_name.lower()): value for key, value in found.items()}
        if text is not None:
            members[name] = _value(member, wire_name, text)
    return members


def body_member(operation: OperationModel, body: bytes) -> dict[str, Any]:
    """The one member that is the body's XML; empty where there is none."""
    shape = operation.input_shape
    payload = shape.serialization.get("payload") if shape else None
    if not (shape and payload and body):
        return {}
    return {payload: read_xml(shape.members[payload], body)}


def _value(shape: Shape, name: str, text: str) -> Any:
    read = READERS.get(shape.type_name)
    # The SDK for C++ writes `x-amz-checksum-mode: enabled`, where the model and other SDKs have ENABLED.
    alike = [one for one in getattr(shape, "enum", ()) if one.lower() == text.lower()]
    if alike and text not in alike:
        text = alike[0]
    try:
        return text if read is None else read(text)
    except (ValueError, LookupError, TypeError, OverflowError) as error:
        raise ServiceError("InvalidArgument", f"{name}: {text[:80]!r} is no {shape.type_name}") from error


def _moment(text: str) -> float:
    """Epoch seconds of a time in any of the forms that headers have."""
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


READERS: Mapping[str, Callable[[str], Any]] = {
    "integer": int,
    "long": int,
    "boolean": lambda text: {"true": True, "false": False}[text.lower()],
    "timestamp": _moment,
    "list": lambda text: [part.strip() for part in text.split(",")],
}


def answer_of(
    operation: OperationModel, result: Mapping[str, Any]
) -> tuple[int, list[tuple[bytes, bytes]], Any]:
    """Status, headers and body of an answer; the body is bytes, or what the handler gives as a stream."""
    shape = operation.output_shape
    status = int(operation.http.get("responseCode", 200))
    if shape is None:
        return status, [], b""
    headers: list[tuple[bytes, bytes]] = []
    for name, value in result.items():
        headers += _headers(shape.members[name], name, value)
    if "ContentRange" in result:
        status = 206
    payload = shape.serialization.get("payload")
    if payload and shape.members[payload].type_name == "blob":
        return status, headers, result.get(payload, b"")
    body = b""
    if payload:
        body = _document(shape.members[payload], payload, result[payload])
    elif any("location" not in member.serialization for member in shape.members.values()):
        body = _location(result) if operation.name == "GetBucketLocation" else b""
        body = body or _document(shape, ROOTS.get(operation.name, shape.name), result)
    if body:
        headers.append((b"content-type", b"application/xml"))
    return status, headers, body


def _document(shape: Shape, name: str, value: Any) -> bytes:
    return (XML_HEAD + element(shape, name, value, f' xmlns="{NAMESPACE}"')).encode()


def _location(result: Mapping[str, Any]) -> bytes:
    """The one answer whose root is its member."""
    text = escaped(result.get("LocationConstraint") or "")
    return f'{XML_HEAD}<LocationConstraint xmlns="{NAMESPACE}">{text}</LocationConstraint>'.encode()


def _headers(shape: Shape, name: str, value: Any) -> list[tuple[bytes, bytes]]:
    location, wire_name = shape.serialization.get("location"), shape.serialization.get("name", name)
    if value is None or location not in ("header", "headers"):
        return []
    if location == "headers":
        return [_header(wire_name + key, item) for key, item in value.items()]
    if shape.type_name == "timestamp":
        value = formatdate(math.floor(value), usegmt=True)
    if isinstance(value, bool):
        value = str(value).lower()
    return [_header(wire_name, str(value))]


def _header(name: str, value: str) -> tuple[bytes, bytes]:
    if not value.isprintable():  # a value of the request that would begin a header of its own
        raise ServiceError(
            "InvalidArgument", f"{name}: {value[:80]!r} has characters that no header may have"
        )
    return name.lower().encode(), value.encode("latin-1", "replace")
