"""Checksums that S3 clients send with a body, by the names of S3's model.

Layer: wire. zlib and hashlib have all but two; CRC32C and CRC64NVME are computed here, many words at once.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["ALGORITHMS", "Checksum"]

PIECE = 8192  # words of eight bytes that are taken at once: as much as the nearest cache holds
Words = NDArray[np.uint64]


class Checksum(Protocol):
    """What hashlib's objects can."""

    def update(self, data: bytes, /) -> None:
        """Take more bytes."""
        ...

    def digest(self) -> bytes:
        """The checksum of all bytes so far."""
        ...


class _Crc32:
    def __init__(self) -> None:
        self._value = 0

    def update(self, data: bytes, /) -> None:
        self._value = zlib.crc32(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(4, "big")


class _Crc:
    """A reflected CRC with all ones before and after, as both of ours are; `bits` is its width."""

    def __init__(self, polynomial: int, bits: int) -> None:
        self._table, self._ones, self._bits = _table(polynomial), (1 << bits) - 1, bits
        self._advances = _advances(polynomial)
        self._value = self._ones

    def update(self, data: bytes, /) -> None:
        words = np.frombuffer(data, "<u8", len(data) // 8)
        for start in range(0, len(words), PIECE):
            self._value = self._joined(words[start : start + PIECE])
        value, table = self._value, self._table
        for byte in data[8 * len(words) :]:
            value = table[(value ^ byte) & 0xFF] ^ (value >> 8)
        self._value = value

    def _joined(self, words: Words) -> int:
        """The value after more words: each word's own, then neighbours joined until one is left."""
        values = words.copy()
        values[0] ^= np.uint64(self._value)
        values = _advanced(self._advances[0], values)
        for advance in self._advances:
            if len(values) == 1:
                break
            if len(values) % 2:  # a zero in front changes nothing
                values = np.concatenate([np.zeros(1, np.uint64), values])
            values = _advanced(advance, values[0::2]) ^ values[1::2]
        return int(values[0])

    def digest(self) -> bytes:
        return (self._value ^ self._ones).to_bytes(self._bits // 8, "big")


@lru_cache
def _table(polynomial: int) -> list[int]:
    """What eight steps make of each byte."""
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (polynomial if value & 1 else 0)
        table.append(value)
    return table


@lru_cache
def _advances(polynomial: int) -> list[Words]:
    """What 8, 16, 32 ... bytes of zero make of each of a value's eight bytes: (8, 256) each."""
    table = np.array(_table(polynomial), np.uint64)
    values = np.arange(256, dtype=np.uint64) << (np.arange(8, dtype=np.uint64) * np.uint64(8))[:, None]
    advances = [table[values & np.uint64(0xFF)] ^ (values >> np.uint64(8))]  # one byte of zero
    while 1 << len(advances) < 16 * PIECE:
        advances.append(_advanced(advances[-1], advances[-1]))
    return advances[3:]


def _advanced(advance: Words, values: Words) -> Words:
    places = np.ascontiguousarray(values).view(np.uint8).reshape(*values.shape, 8)
    moved: Words = advance[0].take(places[..., 0])
    for place in range(1, 8):
        moved ^= advance[place].take(places[..., place])
    return moved


def _without_security(name: str) -> Callable[[], Any]:
    return lambda: hashlib.new(name, usedforsecurity=False)


ALGORITHMS: Mapping[str, Callable[[], Checksum]] = {
    "CRC32": _Crc32,
    "CRC32C": lambda: _Crc(0x82F63B78, 32),
    "CRC64NVME": lambda: _Crc(0x9A6C9329AC4BC9B5, 64),
    "SHA1": _without_security("sha1"),
    "SHA256": hashlib.sha256,
    "SHA512": hashlib.sha512,
    "MD5": _without_security("md5"),
}
