"""Grams: which short pieces a text has, as a small map of bits that tells what it surely does not contain.

Layer: datasets. Pure. The map of a thousand images' addresses has 8 kB, whatever their length.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

LENGTHS = (3, 4)  # bytes of a piece
LETTERS = 32  # bytes at the front of a map: which bytes the text has at all
MOST_BITS = 16  # log2 of the further bits: a thousand random addresses set four tenths of them
FACTOR = 2_654_435_761  # spreads pieces over the bits


def grams_of(text: str) -> bytes:
    """The map of a text: of its letters, and of its pieces of some length."""
    data = text.encode()
    exponent = min(MOST_BITS, max(3, len(data).bit_length()))
    bits = np.zeros(8 * LETTERS + (1 << exponent), bool)
    bits[np.frombuffer(data, np.uint8)] = True
    for length in LENGTHS:
        bits[8 * LETTERS + _places(data, length, exponent)] = True
    return np.packbits(bits, bitorder="little").tobytes()


def may_contain(grams: bytes, text: str) -> bool:
    """Whether a text of this map may contain `text`; False is certain. A map of nothing is of any text."""
    return all(grams[byte] & mask for byte, mask in _bits(text, len(grams)))


@lru_cache(maxsize=64)
def _bits(text: str, size: int) -> list[tuple[int, int]]:
    """Byte and mask of each letter and piece of the text in a map of so many bytes."""
    data, further = text.encode(), 8 * (size - LETTERS)
    places = list(dict.fromkeys(data)) if size else []
    if size and len(data) >= LENGTHS[0]:
        length = min(LENGTHS[-1], len(data))
        places += (8 * LETTERS + _places(data, length, further.bit_length() - 1)).tolist()
    return [(place >> 3, 1 << (place & 7)) for place in places]


def _places(data: bytes, length: int, exponent: int) -> NDArray[np.uint32]:
    """Which bit each piece of so many bytes has among 2 ** exponent bits."""
    letters = np.frombuffer(data, np.uint8).astype(np.uint32)
    count = max(0, len(letters) - length + 1)
    codes = np.zeros(count, np.uint32)
    for step in range(length):
        codes |= letters[step : step + count] << np.uint32(8 * step)
    return codes * np.uint32(FACTOR) >> np.uint32(32 - exponent)
