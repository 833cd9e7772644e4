"""S3 over HTTP: a raw ASGI application beside that of the JSON services, on the same port.

Layer: wire. How a request is told apart, in this order:

    1. POST / with X-Amz-Target                                            the JSON services (`WireApp`)
    2. signed as AWS clients sign (an Authorization that begins with AWS, a
       signature in the address), or with any x-amz-* or amz-sdk-* header   S3, here
    3. everything else                                                     pages: `fallback`

A browser sends nothing of 2 to a foreign address by itself, except a signature in an address that a page
made up: so a request with a foreign Origin is refused where no keys protect what is here.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from botocore.model import OperationModel

from customlabels.errors import ServiceError
from customlabels.wire.checking import validate
from customlabels.wire.hosts import FOREIGN_HOST, has_own_host
from customlabels.wire.http import Application, Dispatch, Invocation, Limits, Receive, Send
from customlabels.wire.payloads import Payload, promise_of
from customlabels.wire.rest import Address, Routes, answer_of, body_member, members_of
from customlabels.wire.s3_signatures import S3Request, S3Signatures, Verified
from customlabels.wire.services import Service
from customlabels.wire.xml import XML_HEAD, escaped

logger = logging.getLogger(__name__)

LARGEST_PUT = 5 * 2**30  # bytes of an object, or a part, in one request; S3's own
LARGEST_XML = 8 * 2**20  # bytes; 10,000 parts with their digests have a third of it
DRAINED = 8 * 2**20  # bytes that are read of a request that is refused already
DRAIN_SECONDS = 5.0
RECEIVE_SECONDS = Limits().receive_seconds
IN_SIGNATURES = (b"X-Amz-Algorithm=", b"X-Amz-Signature=", b"AWSAccessKeyId=")
# An object may be a page: a browser shows it without letting it act as one of ours.
HARMLESS = ((b"content-security-policy", b"sandbox"), (b"x-content-type-options", b"nosniff"))
# Members that this application has seen to before a handler is asked.
SEEN_TO = ("ContentLength", "ContentMD5")

# Codes that S3's model does not have, with their status; any other is 400.
STATUSES = {
    "BucketNotEmpty": 409,
    "InternalError": 500,
    "InvalidAccessKeyId": 403,
    "InvalidPartNumber": 416,
    "InvalidRange": 416,
    "MethodNotAllowed": 405,
    "MissingContentLength": 411,
    "NoSuchBucket": 404,
    "NotImplemented": 501,
    "NotModified": 304,
    "PreconditionFailed": 412,
    "RequestTimeTooSkewed": 403,
    "SignatureDoesNotMatch": 403,
    "SlowDown": 503,
}
# What the protocol's own refusals are called here.
RENAMED = {
    "ValidationException": "InvalidArgument",
    "SerializationException": "InvalidArgument",
    "UnknownOperationException": "NotImplemented",
}


def is_s3(scope: Mapping[str, Any]) -> bool:
    """Whether a request that is none of the JSON services' is meant for S3."""
    for name, value in scope["headers"]:
        if name.startswith((b"x-amz-", b"amz-sdk-")) or (name == b"authorization" and value[:3] == b"AWS"):
            return True
    return any(mark in scope["query_string"] for mark in IN_SIGNATURES)


@dataclass(eq=False)
class S3App:
    """The ASGI application of S3, over the operations that `dispatch` has.

    service: S3's model    dispatch: awaits an operation's result; raises ServiceError to refuse
    """

    service: Service
    dispatch: Dispatch
    signatures: S3Signatures
    fallback: Application

    def __post_init__(self) -> None:
        self.routes = Routes(self.service.model)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one ASGI connection."""
        if scope["type"] == "http" and is_s3(scope):
            await _Exchange(self, scope, receive, send).run()
        else:
            await self.fallback(scope, receive, send)

    def verified(self, request: S3Request) -> Verified:
        """The caller; raises ServiceError."""
        if self.signatures.is_open:
            if not has_own_host({"headers": request.headers}):
                raise ServiceError("AccessDenied", FOREIGN_HOST)
            origin = request.named.get("origin", "")
            if origin and urlsplit(origin).netloc != request.named.get("host"):
                raise ServiceError("AccessDenied", f"a page of {origin[:200]} may not ask this server")
        return self.signatures.verified(request, time.time())


class _Exchange:
    """One request and its answer."""

    def __init__(self, app: S3App, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        self.app, self.scope, self.receive, self.send = app, scope, receive, send
        self.request_id = uuid4().hex.upper()
        path = scope.get("raw_path") or scope["path"].encode()
        self.request = S3Request(scope["method"], path, scope["query_string"], scope["headers"])
        self.headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        self.payload: Payload | None = None

    async def run(self) -> None:
        """Answer; a refusal is an answer too."""
        try:
            status, headers, body = await self._answer()
        except ServiceError as refusal:
            if self.payload and self.payload.left:
                return
            code = RENAMED.get(refusal.code, refusal.code)
            status, headers, body = self._refused(code, refusal.message)
        except Exception:
            logger.exception(
                "request %s (%s %s) failed", self.request_id, self.scope["method"], self.scope["path"]
            )
            message = f"The request failed inside the service; its log has {self.request_id}"
            status, headers, body = self._refused("InternalError", message)
        if not await self._is_read():
            headers.append((b"connection", b"close"))
        with suppress(OSError):  # what ASGI servers raise for a client that has gone
            await self._send(status, headers, body)

    async def _answer(self) -> tuple[int, list[tuple[bytes, bytes]], Any]:
        address = Address.parse(self.request.raw_path)
        query = self.request.params
        operation = self.app.routes.match(self.request.method, address, query.keys() | self.headers.keys())
        # A presigned address carries headers as parameters.
        carried = {name.lower(): value for name, value in query.items() if name.lower().startswith("x-amz-")}
        promise = promise_of(carried | self.headers, checksums=_is_checked(operation))
        streamed = _takes_stream(operation)
        self.payload = Payload(
            self.receive,
            promise,
            limit=LARGEST_PUT if streamed else LARGEST_XML,
            patience_seconds=RECEIVE_SECONDS,
        )
        verified = self.app.verified(self.request)
        self.payload.sealed(verified.seal)
        members = members_of(operation, address, query, self.headers)
        members = {name: value for name, value in members.items() if not _is_seen_to(operation, name)}
        if not streamed:
            members |= body_member(operation, await self.payload.whole())
        params = validate(operation, members)
        if streamed:
            params["Body"] = self.payload  # whose pieces a handler may keep only after the last one
        invocation = Invocation("s3", operation.name, params, verified.caller, self.request_id)
        return answer_of(operation, await self.app.dispatch(invocation) or {})

    def _refused(self, code: str, message: str) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        status = self.app.service.statuses.get(code) or STATUSES.get(code, 400)
        if status == 304:
            return status, [], b""
        resource = escaped(self.request.raw_path.decode("latin-1"))
        parts = f"<Code>{code}</Code><Message>{escaped(message)}</Message><Resource>{resource}</Resource>"
        text = f"{XML_HEAD}<Error>{parts}<RequestId>{self.request_id}</RequestId></Error>"
        return status, [(b"content-type", b"application/xml")], text.encode()

    async def _is_read(self) -> bool:
        """Whether the connection can be used again: the request's body was read, or is read now."""
        if self.payload is None:
            self.payload = Payload(
                self.receive, promise_of({}), limit=DRAINED, patience_seconds=RECEIVE_SECONDS
            )
        announced = self.headers.get("content-length", "0")
        is_short = announced.isdecimal() and len(announced) < 9 and int(announced) <= DRAINED
        # Who waits for a word to go on sends no body after a refusal.
        is_sent = self.payload.begun or "expect" not in self.headers
        if not self.payload.ended and is_short and is_sent:
            await self.payload.drain(DRAINED, DRAIN_SECONDS)
        return self.payload.ended

    async def _send(self, status: int, headers: list[tuple[bytes, bytes]], body: Any) -> None:
        headers += [(b"x-amz-request-id", self.request_id.encode()), *HARMLESS]
        if isinstance(body, bytes) and status not in (204, 304) and self.scope["method"] != "HEAD":
            headers = [pair for pair in headers if pair[0] != b"content-length"]
            headers.append((b"content-length", str(len(body)).encode()))
        await self.send({"type": "http.response.start", "status": status, "headers": headers})
        if isinstance(body, bytes):
            await self.send({"type": "http.response.body", "body": body})
        else:
            await self._stream(body)

    async def _stream(self, pieces: Iterator[bytes]) -> None:
        """Send what a thread reads, no faster than the client takes it; no longer than it is there."""
        gone = asyncio.ensure_future(self.receive())  # nothing more comes of this request but its end
        try:
            while not gone.done():
                piece = await asyncio.to_thread(next, pieces, b"")
                message = {"type": "http.response.body", "body": piece, "more_body": bool(piece)}
                async with asyncio.timeout(RECEIVE_SECONDS):
                    await self.send(message)
                if not piece:
                    return
        except TimeoutError:
            logger.debug("request %s: the client takes nothing", self.request_id)
        finally:
            gone.cancel()
            await asyncio.to_thread(pieces.close)  # type: ignore[attr-defined]  # a generator


def _takes_stream(operation: OperationModel) -> bool:
    shape = operation.input_shape
    payload = shape.serialization.get("payload") if shape else None
    return bool(shape and payload and shape.members[payload].type_name == "blob")


def _is_checked(operation: OperationModel) -> bool:
    """Whether checksum headers are about the request's body; of other operations they are the object's."""
    return "requestAlgorithmMember" in operation.http_checksum


def _is_seen_to(operation: OperationModel, member: str) -> bool:
    """Whether the payload's checks have done what a member asks for."""
    return member in SEEN_TO or (_is_checked(operation) and member.startswith("Checksum"))
