"""Sets: which entries of a revision have something, a bit for each position.

Layer: datasets. Pure. A set of 250,000 entries has at most 31 kB, and a tenth of it where few are in it.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Mapping
from functools import reduce

import numpy as np
from numpy.typing import NDArray

Bits = NDArray[np.uint8]

# The names of a revision's sets; see `of_label` for the others. Every entry is in one of the first two.
LABELED, UNLABELED, WITH_ERRORS = "labeled", "unlabeled", "errors"
EVERY = (LABELED, UNLABELED)


def of_label(label: str) -> str:
    """The name of the set of entries that carry a label."""
    return f"label {label}"


def packed(positions: NDArray[np.int64], last: int) -> bytes:
    """The set of these positions; `last` is the largest of the revision."""
    bits = np.zeros(last + 1, np.bool_)
    bits[positions] = True
    return zlib.compress(np.packbits(bits).tobytes(), level=1)


def unpacked(sets: Mapping[str, bytes]) -> dict[str, Bits]:
    """The bits of sets, eight in a byte."""
    return {name: np.frombuffer(zlib.decompress(bits), np.uint8) for name, bits in sets.items()}


def in_all(groups: Collection[Collection[str]], sets: Mapping[str, Bits]) -> NDArray[np.bool_]:
    """For each position whether one set of every group of names has it; a set that is absent is empty."""
    nothing = np.zeros(1, np.uint8)
    unions = [reduce(np.bitwise_or, (sets.get(name, nothing) for name in group)) for group in groups]
    return np.unpackbits(reduce(np.bitwise_and, unions)).view(np.bool_)
