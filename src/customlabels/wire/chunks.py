"""AWS's own chunks: how SDKs send a body whose checksum or signature they know only at its end.

Layer: wire. Bytes in, pieces of the body out, and the trailers at the end; nothing is held but a line.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass

from customlabels.errors import ServiceError
from customlabels.wire.signatures import ALGORITHM, MISMATCH, hmac_of

EMPTY_DIGEST = hashlib.sha256().hexdigest()
MOST_HEAD = 4096  # bytes of a chunk's first line, and of all trailers together
CHUNK_HEAD = re.compile(rb"([0-9a-fA-F]{1,12})(?:;chunk-signature=([0-9a-f]{64}))?")


@dataclass
class Seal:
    """The chain of signatures of a body in chunks, each of which builds on the one before."""

    key: bytes
    stamp: str
    scope: str
    last: str

    def chunk(self, digest: str, signature: str) -> None:
        """The next chunk, by the SHA-256 of its data; raises ServiceError SignatureDoesNotMatch."""
        self._hold(f"{ALGORITHM}-PAYLOAD", f"{EMPTY_DIGEST}\n{digest}", signature)

    def trailer(self, lines: bytes, signature: str) -> None:
        """The trailers, each `name:value` with a line's end; raises like `chunk`."""
        self._hold(f"{ALGORITHM}-TRAILER", hashlib.sha256(lines).hexdigest(), signature)

    def _hold(self, kind: str, digests: str, signature: str) -> None:
        text = f"{kind}\n{self.stamp}\n{self.scope}\n{self.last}\n{digests}"
        self.last = hmac_of(self.key, text).hex()
        if not hmac.compare_digest(self.last, signature):
            raise ServiceError("SignatureDoesNotMatch", MISMATCH)


class Chunks:
    """Takes a body out of AWS's chunks: `HEX-SIZE[;chunk-signature=HEX]`, data, and trailers at the end."""

    def __init__(self) -> None:
        self.seal: Seal | None = None
        self._held = bytearray()  # less than a line, or the trailers
        self._left = 0  # bytes of the present chunk that are still to come
        self._in_chunk = self._in_trailers = False
        self._signature = ""
        self._digest = hashlib.sha256()

    def feed(self, received: bytes) -> list[bytes]:
        """The pieces of the body in what was received."""
        self._held += received
        pieces = []
        while not self._in_trailers:
            if self._left:
                piece = bytes(self._held[: self._left])
                del self._held[: len(piece)]
                self._left -= len(piece)
                if piece:
                    pieces.append(piece)
                    if self.seal:
                        self._digest.update(piece)
                if self._left:
                    return pieces
            line = self._line()
            if line is None:
                return pieces
            self._take(line)
        if len(self._held) > MOST_HEAD:
            raise _malformed(f"its trailers have more than {MOST_HEAD} bytes")
        return pieces

    def _take(self, line: bytes) -> None:
        """The empty line after a chunk's data, or the head of the next chunk."""
        if self._in_chunk:
            if line:
                raise _malformed("a chunk is longer than its size")
            self._end_chunk()
            return
        head = CHUNK_HEAD.fullmatch(line)
        if head is None:
            raise _malformed(f"{line[:80]!r} is no chunk's size")
        self._left, self._signature = int(head[1], 16), (head[2] or b"").decode()
        self._digest = hashlib.sha256()
        self._in_chunk = self._left > 0
        if not self._in_chunk:  # the last chunk has no data
            self._end_chunk()
            self._in_trailers = True

    def _end_chunk(self) -> None:
        self._in_chunk = False
        if self.seal:
            self.seal.chunk(self._digest.hexdigest(), self._signature)

    def _line(self) -> bytes | None:
        end = self._held.find(b"\r\n")
        if end > MOST_HEAD or (end < 0 and len(self._held) > MOST_HEAD):
            raise _malformed(f"a chunk's first line has more than {MOST_HEAD} bytes")
        if end < 0:
            return None
        line = bytes(self._held[:end])
        del self._held[: end + 2]
        return line

    def end(self) -> dict[str, str]:
        """The trailers by lower-case name; raises where the body stopped in the middle."""
        if not self._in_trailers:
            raise _malformed("it ends in the middle of a chunk")
        trailers = {}
        for line in self._held.decode("latin-1").replace("\r\n", "\n").split("\n"):
            name, separator, value = line.partition(":")
            if separator:
                trailers[name.strip().lower()] = value.strip()
        signature = trailers.pop("x-amz-trailer-signature", "")
        if self.seal and trailers:
            lines = "".join(f"{name}:{value}\n" for name, value in sorted(trailers.items()))
            self.seal.trailer(lines.encode("latin-1"), signature)
        return trailers


def _malformed(what: str) -> ServiceError:
    return ServiceError("InvalidRequest", f"the body is not made of chunks as its headers say: {what}")
