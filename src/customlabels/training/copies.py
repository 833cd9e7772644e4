"""Images that are there twice: the same bytes, or a test image that is a training image, changed a little.

Layer: training; no torch. Near copies are looked for between both sets alone, where they flatter all figures,
and in the pixels that are learned from: `customlabels check` takes longer and finds those within a set, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from customlabels.images import fingerprint, leaks
from customlabels.training.pictures import Pictures

SHOWN = 5  # addresses in a note
MOST_PAIRS, MOST_TESTED = 50_000_000, 10_000  # that near copies are looked for among: some minutes

Copy = Mapping[str, str | float]
Set = tuple[Sequence[str], Pictures]  # addresses of images, and these


@dataclass(frozen=True)
class CopiesFound:
    """An object each: Image, Split, Of, OfSplit, and Likeness where bytes differ.

    leaked: test images that are training images, each once     within: the others     notes: for people
    """

    leaked: Sequence[Copy] = ()
    within: Sequence[Copy] = ()
    notes: Sequence[str] = ()


def copies_in(training: Set, testing: Set) -> CopiesFound:
    """What is there twice; looked for again after a power cut, with the same result."""
    within = list(_same_bytes("training", training))
    leaked, notes = list(_same_bytes("test", testing, training)), []
    if (pairs := len(training[0]) * len(testing[0])) <= MOST_PAIRS and len(testing[0]) <= MOST_TESTED:
        leaked += _near(training, testing, {str(each["Image"]) for each in leaked})
    else:
        notes.append(
            f"Test and training images were compared by their bytes alone: {pairs} pairs are too many for "
            "more. `customlabels check TRAIN TEST` finds near copies."
        )
    if within:
        notes.append(f"{len(within)} training images are copies of another one: {_some(within)}")
    if leaked:
        many = f"{len(leaked)} test images are copies of training images"
        notes.append(f"{many}, so the figures flatter: {_some(leaked)}")
    return CopiesFound(leaked, within, notes)


def _same_bytes(split: str, images: Set, training: Set | None = None) -> Iterable[Copy]:
    """Those with the bytes of an earlier one, or of one of the training images."""
    seen = {} if training is None else dict(zip(training[1].digests, training[0], strict=True))
    for address, digest in zip(images[0], images[1].digests, strict=True):
        if digest and digest in seen:
            yield {"Image": address, "Split": split, "Of": seen[digest], "OfSplit": "training"}
        elif training is None:
            seen[digest] = address


def _near(training: Set, testing: Set, known: set[str]) -> Iterable[Copy]:
    """Test images that look like a training image, those apart that are known to be one."""
    for pair in leaks(_prints(training[1]), _prints(testing[1])):
        address = testing[0][pair.second]
        if address not in known:
            known.add(address)
            of = {"Of": training[0][pair.first], "OfSplit": "training"}
            yield {"Image": address, "Split": "test", **of, "Likeness": round(pair.likeness, 3)}


def _prints(pictures: Pictures) -> NDArray[np.uint8]:
    prints = [fingerprint(Image.fromarray(each)) for each in pictures.pixels]
    return np.stack(prints) if prints else np.zeros((0, 0), dtype=np.uint8)


def _some(found: Sequence[Copy]) -> str:
    shown = ", ".join(str(each["Image"]) for each in found[:SHOWN])
    return shown if len(found) <= SHOWN else f"{shown}, ..."
