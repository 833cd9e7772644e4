"""Checksums that S3 clients send with a body, by the names of S3's model.

Layer: wire. zlib and hashlib have all but two, which AWS's own library has.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Mapping
from functools import partial
from typing import Protocol


class Checksum(Protocol):
    """What hashlib's objects can."""

    def update(self, data: bytes, /) -> None:
        """Take more bytes."""

    def digest(self) -> bytes:
        """The checksum of all bytes so far."""


class _Crc:
    """A checksum of `size` bytes by a function of more bytes and the value so far."""

    def __init__(self, advance: Callable[[bytes, int], int], size: int) -> None:
        self._advance, self._size, self._value = advance, size, 0

    def update(self, data: bytes, /) -> None:
        self._value = self._advance(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(self._size, "big")


def _of_aws(name: str, size: int) -> Callable[[], Checksum]:
    def begun() -> Checksum:
        from awscrt import checksums  # late: it is large, and few clients ask for it

        return _Crc(getattr(checksums, name), size)

    return begun


ALGORITHMS: Mapping[str, Callable[[], Checksum]] = {
    "CRC32": lambda: _Crc(zlib.crc32, 4),
    "CRC32C": _of_aws("crc32c", 4),
    "CRC64NVME": _of_aws("crc64nvme", 8),
    "SHA1": partial(hashlib.sha1, usedforsecurity=False),
    "SHA256": hashlib.sha256,
    "SHA512": hashlib.sha512,
    "MD5": partial(hashlib.md5, usedforsecurity=False),
}
