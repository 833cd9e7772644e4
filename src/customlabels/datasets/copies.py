"""Copies: which images of some data are the same ones, byte for byte or nearly.

Layer: datasets. Keeps a digest and a fingerprint of each image, about a kilobyte, and no pixels.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from customlabels.images import ImageError, alike, decode, fingerprint

DECODED_SIDE = 64  # pixels that are enough for a fingerprint


class Copies:
    """The images seen so far, by where they are."""

    def __init__(self) -> None:
        self._first: dict[bytes, str] = {}
        self._prints: list[NDArray[np.uint8]] = []

    def add(self, place: str, data: bytes, image: Image.Image) -> str:
        """Note an image; returns where the same bytes were first, `place` itself for new ones."""
        first = self._first.setdefault(hashlib.sha256(data).digest(), place)
        if first == place:
            self._prints.append(fingerprint(image))
        return first

    def near(self) -> list[tuple[str, str, float]]:
        """Pairs of places whose images are near duplicates but not the same bytes, and their likeness."""
        places = list(self._first.values())
        pairs = alike(np.stack(self._prints)) if self._prints else []
        return [(places[pair.first], places[pair.second], pair.likeness) for pair in pairs]


def near_duplicates(images: Iterable[tuple[str, bytes]]) -> list[tuple[str, str, float]]:
    """Pairs of places with the same image and their likeness, 1.0 for the same bytes.

    images: place and bytes, each place once. What cannot be decoded is passed over.
    """
    copies, same = Copies(), []
    for place, data in images:
        try:
            first = copies.add(place, data, decode(data, at_least=DECODED_SIDE))
        except ImageError:
            continue
        if first != place:
            same.append((first, place, 1.0))
    return [*same, *copies.near()]
