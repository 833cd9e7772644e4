"""Source refs of many entries as one text, which is searched at memory's speed.

Layer: datasets. Pure.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator

import numpy as np
from stringzilla import find


def joined(refs: Iterable[str]) -> str:
    """The refs in one text, each on a line; what is looked for has no line break of any kind."""
    return "\n".join(ref.replace("\n", "\r") for ref in refs)


class Refs:
    """Such a text, and where its lines begin."""

    def __init__(self, text: str) -> None:
        self._text = text.encode()
        ends = np.flatnonzero(np.frombuffer(self._text, np.uint8) == ord("\n"))
        self._begins = array("q", bytes(8) + (ends + 1).tobytes())
        self.size = len(self._text) + 8 * len(self._begins)  # in bytes

    def containing(self, text: str, wanted: bytes) -> Iterator[int]:
        """The lines, from 0, that contain the text. wanted: a byte for each line, 1 for those to look at.

        Goes from wanted line to next match and on to the next wanted line: what is rare sets the pace.
        """
        sought, line = text.encode(), 0
        while (line := wanted.find(1, line)) >= 0:
            place = find(self._text, sought, self._begins[line])
            if place < 0:
                return
            line = bisect_right(self._begins, place, line) - 1
            if wanted[line]:
                yield line
            line += 1
