"""Bodies of any length: taken as they arrive, held to everything that their headers promise.

Layer: wire. A body is given on in pieces and never held as a whole. What was promised (length, digests, the
signatures of its chunks) is known to hold only at the end: whoever keeps the pieces keeps them only then.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from customlabels.errors import ServiceError
from customlabels.wire.checksums import ALGORITHMS
from customlabels.wire.chunks import Chunks, Seal

SLOWEST = 16 * 1024  # bytes a second; who is slower for long is cut off
HEX_DIGEST = re.compile(r"[0-9a-f]{64}")
CHECKSUM = "x-amz-checksum-"
UNCHECKED = frozenset({"x-amz-checksum-algorithm", "x-amz-checksum-type", "x-amz-checksum-mode"})
STREAMING = {
    "STREAMING-UNSIGNED-PAYLOAD-TRAILER": False,
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD": True,
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER": True,
}  # x-amz-content-sha256 of a body in chunks: whether each is signed

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


@dataclass(frozen=True)
class Promise:
    """What the headers of a request say about its body.

    length: bytes, once taken out of its chunks     sha256: hex     digests: by algorithm, as bytes
    trailers: names that are to come at the end     in_chunks: in AWS's own chunks, signed where `signed`
    """

    length: int | None = None
    sha256: str | None = None
    digests: Mapping[str, bytes] = field(default_factory=dict)
    trailers: tuple[str, ...] = ()
    in_chunks: bool = False
    signed: bool = False


def promise_of(headers: Mapping[str, str], *, checksums: bool = False) -> Promise:
    """What headers (lower-case names) promise; ServiceError with S3's code where they cannot be meant.

    checksums: whether x-amz-checksum-* headers are about this body.
    """
    said = headers.get("x-amz-content-sha256", "UNSIGNED-PAYLOAD")
    in_chunks = said in STREAMING
    if not (in_chunks or said == "UNSIGNED-PAYLOAD" or HEX_DIGEST.fullmatch(said)):
        offered = f"a SHA-256 in lower-case hex, UNSIGNED-PAYLOAD, {', '.join(STREAMING)}"
        raise ServiceError("InvalidRequest", f"x-amz-content-sha256 {said[:80]!r} is not one of: {offered}")
    trailers = tuple(name.strip().lower() for name in headers.get("x-amz-trailer", "").split(",") if name)
    sums = [name for name in headers if name.startswith(CHECKSUM) and name not in UNCHECKED]
    digests = {_algorithm(name): _decoded(name, headers[name]) for name in sums if checksums}
    if "content-md5" in headers:
        digests["MD5"] = _decoded("Content-MD5", headers["content-md5"])
    for name in trailers:
        _algorithm(name)
    if trailers and not in_chunks:
        raise ServiceError("InvalidRequest", f"x-amz-trailer needs a body in chunks, not {said}")
    length = headers.get("x-amz-decoded-content-length" if in_chunks else "content-length")
    if length is not None and not re.fullmatch(r"\d{1,18}", length, re.ASCII):
        raise ServiceError("InvalidArgument", f"the length {length[:40]!r} is not a number of bytes")
    if in_chunks and length is None:
        raise ServiceError("MissingContentLength", f"{said} needs x-amz-decoded-content-length")
    return Promise(
        length=None if length is None else int(length),
        sha256=said if HEX_DIGEST.fullmatch(said) else None,
        digests=digests,
        trailers=trailers,
        in_chunks=in_chunks,
        signed=STREAMING.get(said, False),
    )


def _algorithm(header: str) -> str:
    name = header.removeprefix(CHECKSUM).upper()
    if not header.startswith(CHECKSUM) or name not in ALGORITHMS:
        raise ServiceError("NotImplemented", f"{header[:80]}: checksums here are {', '.join(ALGORITHMS)}")
    return name


def _decoded(header: str, value: str) -> bytes:
    try:
        digest = base64.b64decode(value, validate=True)
    except ValueError:
        digest = b""
    algorithm = "MD5" if header == "Content-MD5" else _algorithm(header)
    if len(digest) != len(ALGORITHMS[algorithm]().digest()):
        code = "InvalidDigest" if header == "Content-MD5" else "InvalidRequest"
        raise ServiceError(code, f"{header} {value[:80]!r} is no {algorithm} in base64")
    return digest


class Payload:
    """One request's body: `async for piece in payload`. Raises ServiceError where it breaks a promise."""

    def __init__(
        self,
        receive: Receive,
        promise: Promise,
        *,
        limit: int,
        patience_seconds: float,
    ) -> None:
        """limit: bytes.  patience_seconds: for the first, and then for each 16 KiB a second less."""
        if promise.length is not None and promise.length > limit:
            raise _too_large(promise.length, limit)
        self._receive, self._promise, self._limit = receive, promise, limit
        self._patience = patience_seconds
        self._chunks = Chunks() if promise.in_chunks else None
        named = [*promise.digests, *(_algorithm(name) for name in promise.trailers)]
        self._sums = {name: ALGORITHMS[name]() for name in named}
        self._sha256 = hashlib.sha256() if promise.sha256 else None
        self.size = 0
        self.begun = False  # whether the client was let send it
        self.ended = False  # whether all of it was read from the connection
        self.left = False  # whether the client went away in the middle

    def sealed(self, seal: Seal | None) -> None:
        """Hold the chunks to come to their signatures, where they have any."""
        if self._chunks and self._promise.signed:
            self._chunks.seal = seal

    @property
    def checksums(self) -> dict[str, str]:
        """What was promised and kept, as members of S3's model (`ChecksumCRC32`); once the body has ended."""
        kept = ((name, each.digest()) for name, each in self._sums.items() if name != "MD5")
        return {f"Checksum{name}": base64.b64encode(digest).decode() for name, digest in kept}

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for received in self._arriving(self._patience):
            for piece in self._chunks.feed(received) if self._chunks else (received,):
                self.size += len(piece)
                self._require_length(whole=False)
                for each in self._sums.values():
                    each.update(piece)
                if self._sha256:
                    self._sha256.update(piece)
                yield piece
        self._require_length(whole=True)
        self._require_digests(self._chunks.end() if self._chunks else {})

    async def whole(self) -> bytes:
        """All of it, for bodies that are small by nature."""
        return b"".join([piece async for piece in self])

    async def drain(self, most: int, seconds: float) -> None:
        """Read and forget what is still to come, within limits: a client may read its answer only then."""
        with suppress(ServiceError):
            async for received in self._arriving(seconds):
                most -= len(received)
                if most < 0:
                    return

    async def _arriving(self, patience_seconds: float) -> AsyncIterator[bytes]:
        """Bytes as they come over the connection, within their time."""
        clock = asyncio.get_running_loop().time
        deadline = clock() + patience_seconds
        self.begun = True
        while not self.ended:
            try:
                async with asyncio.timeout_at(deadline):
                    message = await self._receive()
            except TimeoutError as error:
                raise ServiceError("RequestTimeout", "the body did not arrive in its time") from error
            if message["type"] == "http.disconnect":
                self.left = True
                raise ServiceError("IncompleteBody", "the client left before the body's end")
            body: bytes = message.get("body", b"")
            deadline += len(body) / SLOWEST
            self.ended = not message.get("more_body", False)
            if body:
                yield body

    def _require_length(self, *, whole: bool) -> None:
        if self.size > self._limit:
            raise _too_large(self.size, self._limit)
        promised = self._promise.length
        if promised is not None and (self.size > promised or (whole and self.size < promised)):
            raise ServiceError("IncompleteBody", f"{promised} bytes were announced; {self.size} came")

    def _require_digests(self, trailers: Mapping[str, str]) -> None:
        promise = self._promise
        if self._sha256 and not hmac.compare_digest(self._sha256.hexdigest(), promise.sha256 or ""):
            raise ServiceError("XAmzContentSHA256Mismatch", "the body is not that of x-amz-content-sha256")
        if missing := set(promise.trailers) - trailers.keys():
            raise ServiceError("MalformedTrailerError", f"announced, and not there: {', '.join(missing)}")
        digests = dict(promise.digests)
        digests |= {_algorithm(name): _decoded(name, trailers[name]) for name in promise.trailers}
        for name, digest in digests.items():
            if self._sums[name].digest() != digest:
                raise ServiceError("BadDigest", f"the {name} that you gave is not that of the body")


def _too_large(size: int, limit: int) -> ServiceError:
    return ServiceError("EntityTooLarge", f"{size} bytes; at most {limit} are taken here")
