"""Searching: which entries fit, told by sets of positions and by long texts of source refs.

Layer: datasets. Pure. A set of 250,000 entries has at most 31 kB, and a tenth of it where few are in it; a
text is looked through at memory's speed.
"""

from __future__ import annotations

import zlib
from array import array
from bisect import bisect_right
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import reduce

import numpy as np
from numpy.typing import NDArray
from stringzilla import find

MOST_MISSES = 100  # matches in lines that are not wanted; then all are found at once, in their time


def packed(positions: Sequence[int], last: int) -> bytes:
    """The set of these positions, a bit for each; `last` is the largest of the revision."""
    bits = np.zeros(last + 1, np.bool_)
    bits[np.array(positions, np.int64)] = True
    return zlib.compress(np.packbits(bits).tobytes(), level=1)


def in_all(groups: Collection[Collection[str]], sets: Mapping[str, bytes]) -> NDArray[np.bool_]:
    """For each position whether one set of every group of names has it; a set that is absent is empty."""
    nothing = np.zeros(1, np.uint8)
    unpacked = {name: np.frombuffer(zlib.decompress(bits), np.uint8) for name, bits in sets.items()}
    unions = [reduce(np.bitwise_or, (unpacked.get(name, nothing) for name in group)) for group in groups]
    return np.unpackbits(reduce(np.bitwise_and, unions)).view(np.bool_)


class Refs:
    """Source refs in one text, each on a line, and where the lines begin.

    positions: of the entries of the lines, or of those and more, ascending
    """

    def __init__(self, text: str, positions: NDArray[np.int64]) -> None:
        self._text = text.encode()
        ends = np.flatnonzero(np.frombuffer(self._text, np.uint8) == ord("\n"))
        self._begins = array("q", bytes(8) + (ends + 1).tobytes())
        self.positions = positions[: len(self._begins)].copy()
        self.size = len(self._text) + 16 * len(self._begins)  # in bytes

    def containing(self, text: str, wanted: bytes) -> Iterator[int]:
        """The lines, from 0, that contain the text. wanted: a byte for each line, 1 for those to look at.

        Goes from wanted line to next match and on to the next wanted line: what is rare sets the pace. Where
        both are frequent and seldom meet, all matches are found at once.
        """
        sought, line, misses = text.encode(), 0, 0
        while (line := wanted.find(1, line)) >= 0 and misses < MOST_MISSES:
            place = find(self._text, sought, self._begins[line])
            if place < 0:
                return
            line = bisect_right(self._begins, place, line) - 1
            if wanted[line]:
                yield line
            else:
                misses += 1
            line += 1
        if line >= 0:
            fits = np.frombuffer(wanted, np.bool_) & self._have(sought)
            yield from (line + np.flatnonzero(fits[line:])).tolist()

    def _have(self, sought: bytes) -> NDArray[np.bool_]:
        """Of each line, whether it contains some bytes."""
        letters, have = np.frombuffer(self._text, np.uint8), np.zeros(len(self._begins), np.bool_)
        places = np.flatnonzero(letters[: 1 - len(sought) or None] == sought[0])
        for step, letter in enumerate(sought):
            places = places[letters[places + step] == letter]
        have[np.searchsorted(self._begins, places, "right") - 1] = True
        return have
