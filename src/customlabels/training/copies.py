"""Images that are there twice: the same bytes, or one picture, changed a little.

Layer: training; no torch. Near copies are looked for in the pixels that are learned from: between both sets,
where they flatter all figures; and within each where that takes a small part of the training's time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from customlabels.images import Alike, alike, fingerprint, grouped, leaks
from customlabels.training.pictures import Pictures

SHOWN = 5  # addresses in a note
MOST_PAIRS, MOST_TESTED = 50_000_000, 10_000  # that near copies are looked for among: some minutes
# Seconds that an image takes to be compared with its set (measured: 0.0002 to 0.006), and the share of a
# training's time for that. Few images are always compared.
ONE_WITHIN, SHARE_WITHIN, FEW = 0.005, 0.1, 300

Copy = Mapping[str, str | float]
Set = tuple[Sequence[str], Pictures]  # addresses of images, and these


@dataclass(frozen=True)
class CopiesFound:
    """An object each: Image, Split, Of, OfSplit, and Likeness where bytes differ.

    originals: (lines,) of each training image, the first one that it is a copy of; its own place for others
    leaked: test images that are training images, each once     within: the others     notes: for people
    """

    originals: NDArray[np.int64]

    leaked: Sequence[Copy] = ()
    within: Sequence[Copy] = ()
    notes: Sequence[str] = ()


def copies_in(training: Set, testing: Set, seconds: float) -> CopiesFound:
    """What is there twice; looked for again after a power cut, with the same result.

    seconds: that the training may take, or is likely to
    """
    sets = {"training": training, "test": testing}
    prints = cache(lambda split: _prints(sets[split][1]))
    leaked, within, notes = list(_same_bytes("test", testing, training)), list[Copy](), list[str]()
    if (pairs := len(training[0]) * len(testing[0])) <= MOST_PAIRS and len(testing[0]) <= MOST_TESTED:
        leaked += _near(training, testing, leaks(prints("training"), prints("test")), leaked)
    else:
        notes.append(
            f"Test and training images were compared by their bytes alone: {pairs} pairs are too many for "
            "more. `customlabels check TRAIN TEST` finds near copies."
        )
    if leaked:
        many = f"{len(leaked)} test images are copies of training images"
        notes.append(f"{many}, so the figures flatter: {_some(leaked)}")
    most = min(MOST_TESTED, max(FEW, SHARE_WITHIN * seconds / ONE_WITHIN))
    near: dict[str, list[Alike]] = {}
    for split, images in sets.items():
        same = list(_same_bytes(split, images))
        within += same
        if same:
            notes.append(f"{len(same)} {split} images are copies of another one: {_some(same)}")
        if len(images[0]) <= most:
            near[split] = alike(prints(split))
            within += _near(images, images, near[split], same, split)
        else:
            notes.append(
                f"Near copies among the {len(images[0])} {split} images were not looked for, since that "
                "takes too much of this training's time. `customlabels check` finds them."
            )
    return CopiesFound(_originals(training[1].digests, near.get("training", [])), leaked, within, notes)


def copies_of(originals: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """The places of each two or more images that are copies of one. originals: (n,) of each image"""
    _, counts = np.unique(originals, return_counts=True)
    groups = np.split(np.argsort(originals, kind="stable"), counts.cumsum()[:-1])
    return [group for group in groups if len(group) > 1]


def _same_bytes(split: str, images: Set, training: Set | None = None) -> Iterable[Copy]:
    """Those with the bytes of an earlier one, or of one of the training images."""
    seen = {} if training is None else dict(zip(training[1].digests, training[0], strict=True))
    of = split if training is None else "training"
    for address, digest in zip(images[0], images[1].digests, strict=True):
        if digest and digest in seen:
            yield {"Image": address, "Split": split, "Of": seen[digest], "OfSplit": of}
        elif training is None:
            seen[digest] = address


def _originals(digests: Sequence[str], near: Iterable[Alike]) -> NDArray[np.int64]:
    seen: dict[str, int] = {}
    same = [(seen.setdefault(digest, place), place) for place, digest in enumerate(digests) if digest]
    return grouped(len(digests), [*same, *((pair.first, pair.second) for pair in near)])


def _near(
    originals: Set, images: Set, pairs: Iterable[Alike], same: Sequence[Copy], split: str = ""
) -> Iterable[Copy]:
    """Images of pairs that look alike, each once, those apart that have the same bytes.

    split: of both; without it these are training and test images
    """
    known = {each["Image"] for each in same}
    for pair in pairs:
        address = images[0][pair.second]
        if address not in known:
            known.add(address)
            of = {"Of": originals[0][pair.first], "OfSplit": split or "training"}
            yield {"Image": address, "Split": split or "test", **of, "Likeness": round(pair.likeness, 3)}


def _prints(pictures: Pictures) -> NDArray[np.uint8]:
    prints = [fingerprint(Image.fromarray(each)) for each in pictures.pixels]
    return np.stack(prints) if prints else np.zeros((0, 0), dtype=np.uint8)


def _some(found: Sequence[Copy]) -> str:
    shown = ", ".join(str(each["Image"]) for each in found[:SHOWN])
    return shown if len(found) <= SHOWN else f"{shown}, ..."
