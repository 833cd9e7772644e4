"""API calls over HTTP: a raw ASGI application that turns requests into invocations.

Layer: wire. Reads, verifies, parses and checks; hands an `Invocation` to the `dispatch` that it is given and
writes down what comes back. What is no API call (pages, objects) goes to another application.
A client that leaves early changes nothing: an operation that has begun is carried through.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from customlabels.errors import ServiceError
from customlabels.wire.checking import check_output, validate
from customlabels.wire.hosts import FOREIGN_HOST, has_own_host
from customlabels.wire.serialising import parse_body, serialise, serialise_error
from customlabels.wire.services import PROTOCOL_STATUS, Service, Services
from customlabels.wire.signatures import Caller, Signatures, SignedRequest

logger = logging.getLogger(__name__)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

DEFAULT_CONTENT_TYPE = "application/x-amz-json-1.1"  # while it is unknown which service is meant


@dataclass(frozen=True)
class Invocation:
    """One checked call of one operation.

    params: as `validate` returns them.   token: the caller's own token, for calls that may be repeated.
    execution: the ARN of the one that calls, if one does.
    """

    service: str
    operation: str
    params: dict[str, Any]
    caller: Caller
    request_id: str
    token: str | None = None
    execution: str = ""


Dispatch = Callable[[Invocation], Awaitable[dict[str, Any] | None]]


@dataclass(frozen=True)
class Limits:
    """What one request may cost before it is known whose it is."""

    body_bytes: int = 32 * 2**20
    receive_seconds: float = 60.0  # for the whole body, so that a trickle ends too

    def __post_init__(self) -> None:
        if self.body_bytes <= 0 or self.receive_seconds <= 0:
            raise ValueError(f"limits must be above 0: {self}")


async def not_found(scope: MutableMapping[str, Any], _receive: Receive, send: Send) -> None:
    """The application for what is no API call, where no other is given: 404, or a refused websocket."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1000})
        return
    await _send_answer(send, 404, [(b"content-type", b"text/plain; charset=utf-8")], b"Not Found\n")


@dataclass(frozen=True, eq=False)
class WireApp:
    """The ASGI application of the API, for a server that does not ask for the lifespan protocol.

    dispatch         awaits the operation's result; raises ServiceError to refuse
    fallback         the application for everything that is not a POST to `/` with an X-Amz-Target
    own_host_only    refuse requests that come under a foreign name (see `hosts`)
    check_outputs    hold every answer to its model (for tests): a breach becomes a logged 500
    """

    services: Services
    dispatch: Dispatch
    signatures: Signatures
    fallback: Application = not_found
    limits: Limits = Limits()
    clock: Callable[[], float] = time.time
    new_request_id: Callable[[], str] = lambda: str(uuid4())
    own_host_only: bool = False
    check_outputs: bool = False

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one ASGI connection."""
        is_post = scope["type"] == "http" and scope["method"] == "POST"
        if is_post and scope["path"] == "/" and _target(scope):
            await self._answer(scope, receive, send)
        else:
            await self.fallback(scope, receive, send)

    async def _answer(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        request_id = self.new_request_id()
        service: Service | None = None
        request: SignedRequest | None = None
        status, code, body = 200, "", b""
        try:
            # Read first, also what will be refused: an answer to a half-sent request may never be seen.
            request = await self._read(scope, receive)
            if request is None:
                logger.debug("request %s: the client left before its request was complete", request_id)
                return
            service, operation = self.services.by_target(_target(scope))
            if self.own_host_only and not has_own_host(scope):
                raise ServiceError("AccessDeniedException", FOREIGN_HOST)
            caller = self.signatures.caller(request, service.signing_name, self.clock())
            params = validate(operation, parse_body(request.body, operation.name))
            result = await self.dispatch(Invocation(service.name, operation.name, params, caller, request_id))
            if self.check_outputs:
                check_output(operation, result or {})
            body = serialise(operation, result)
        except ServiceError as refusal:
            code = refusal.code
            status = service.status(code) if service else PROTOCOL_STATUS.get(code, 400)
            body = serialise_error(code, refusal.message)
        except Exception:
            logger.exception("request %s (%s) failed", request_id, _target(scope))
            code = service.fault_code if service else "InternalFailure"
            status = service.status(code) if service else 500
            body = serialise_error(code, f"The request failed inside the service; its log has {request_id}")
        content_type = service.content_type if service else DEFAULT_CONTENT_TYPE
        headers = [(b"content-type", content_type.encode()), (b"x-amzn-requestid", request_id.encode())]
        if code:
            headers.append((b"x-amzn-errortype", code.encode()))
        if request is None:  # nobody reads the rest of its body
            headers.append((b"connection", b"close"))
        await _send_answer(send, status, headers, body)

    async def _read(self, scope: MutableMapping[str, Any], receive: Receive) -> SignedRequest | None:
        """The whole request, None if the client left; a body over the limit is refused and never held.

        A body of up to twice the limit is read to its end and thrown away, so that the client sees why.
        """
        limit = self.limits.body_bytes
        too_large = ServiceError("RequestEntityTooLargeException", f"the body is larger than {limit:,} bytes")
        announced = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        if not announced.isdigit() or int(announced) > 2 * limit:
            raise too_large
        chunks: list[bytes] = []
        size, more = 0, True
        try:
            async with asyncio.timeout(self.limits.receive_seconds):
                while more and size <= 2 * limit:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return None
                    chunk = message.get("body", b"")
                    size, more = size + len(chunk), message.get("more_body", False)
                    if size <= limit:
                        chunks.append(chunk)
                    else:
                        chunks.clear()
        except TimeoutError as error:
            late = f"the body did not arrive within {self.limits.receive_seconds:g} seconds"
            raise ServiceError("RequestTimeoutException", late) from error
        if size > limit:
            raise too_large
        path = scope.get("raw_path") or scope["path"].encode()
        return SignedRequest(scope["method"], path, scope["query_string"], scope["headers"], b"".join(chunks))


def _target(scope: MutableMapping[str, Any]) -> str:
    for name, value in scope["headers"]:
        if name == b"x-amz-target":
            return str(value, "latin-1")
    return ""


async def _send_answer(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    headers.append((b"content-length", str(len(body)).encode()))
    try:
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
    except OSError as error:  # what ASGI servers raise for a client that has gone
        logger.debug("the client left before its answer: %s", error)
