"""Boxes: how far two overlap, which of those found are right, and what a model that finds boxes is worth.

Layer: evaluation. The service does not publish its rule; ours: the most confident box chooses first,
among the true boxes of its label that overlap it by half or more; each true box is found once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from customlabels.evaluation.counting import Candidates, Counts, Floats, Truth, average_precision

LEAST_OVERLAP = 0.5  # intersection over union from which two boxes are around one thing


@dataclass(frozen=True, eq=False)
class Boxes:
    """The boxes of one image.

    labels: (k,) int, index of each label     scores: (k,) float, 0..1, falling; 1 for the truth
    corners: (k, 4) float: left, top, right, bottom as shares of the image's width and height
    """

    labels: NDArray[np.int64]
    corners: Floats
    scores: Floats

    @classmethod
    def true(cls, labels: Sequence[int], corners: Sequence[Sequence[float]]) -> "Boxes":
        """What an annotator drew."""
        shape = np.array(corners, dtype=np.float64).reshape(-1, 4)
        return cls(np.array(labels, dtype=np.int64), shape, np.ones(len(shape)))

    def __len__(self) -> int:
        return len(self.labels)


def overlaps(some: Floats, others: Floats) -> Floats:
    """Intersection over union of corners (a, 4) and (b, 4): (a, b), 0..1."""
    # Side by side instead of as pairs of numbers: four times as fast, and this is part of every answer.
    width, height = (
        np.minimum(some[:, None, side + 2], others[:, side + 2])
        - np.maximum(some[:, None, side], others[:, side])
        for side in (0, 1)
    )
    shared = np.maximum(width, 0) * np.maximum(height, 0)
    areas = [np.prod(np.clip(each[:, 2:] - each[:, :2], 0, None), axis=1) for each in (some, others)]
    union = areas[0][:, None] + areas[1] - shared
    return np.asarray(np.divide(shared, union, out=np.zeros_like(shared), where=union > 0))


def overlap(one: Sequence[float] | None, other: Sequence[float] | None) -> float:
    """The same of two boxes (left, top, width, height); 0 where one is none."""
    pair = [np.array([[box[0], box[1], box[0] + box[2], box[1] + box[3]]]) for box in (one, other) if box]
    return float(overlaps(*pair)[0, 0]) if len(pair) == 2 else 0.0


def matches(found: Boxes, truth: Boxes) -> NDArray[np.int64]:
    """(k,) for each found box the true box that it finds, or -1. The outcome is the same at every threshold:
    whether a box matches depends on those of a higher score alone."""
    matched = np.full(len(found), -1)
    if len(truth) == 0 or len(found) == 0:
        return matched
    overlap = overlaps(found.corners, truth.corners)
    overlap[found.labels[:, None] != truth.labels[None, :]] = 0.0
    for at in np.argsort(-found.scores, kind="stable"):
        best = int(overlap[at].argmax())
        if overlap[at, best] >= LEAST_OVERLAP:
            matched[at] = best
            overlap[:, best] = 0.0
    return matched


def boxes_of_labels(images: Sequence[Boxes], labels: int) -> NDArray[np.int64]:
    """(images, labels) how many boxes of each label there are."""
    counts = [np.bincount(boxes.labels, minlength=labels) for boxes in images]
    return np.array(counts, dtype=np.int64).reshape(-1, labels)


@dataclass(frozen=True)
class BoxPredictions:
    """Boxes that a model found, and the true ones, image by image.

    labels: names, by index     recorded: of each image what `matched` is to say, where that is known already
    """

    labels: Sequence[str]
    found: Sequence[Boxes]
    truth: Sequence[Boxes]
    split: str = "test"
    recorded: Sequence[NDArray[np.int64]] | None = None
    one_by_one: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if len(self.found) != len(self.truth):
            raise ValueError(f"{len(self.found)} images with answers, {len(self.truth)} with truth")

    @cached_property
    def matched(self) -> Sequence[NDArray[np.int64]]:
        """For every image what `matches` says."""
        if self.recorded is not None:
            return self.recorded
        return [matches(*pair) for pair in zip(self.found, self.truth, strict=True)]

    @cached_property
    def _wanted(self) -> NDArray[np.int64]:
        """(images, labels) how many true boxes there are."""
        return boxes_of_labels(self.truth, len(self.labels))

    @property
    def carried(self) -> Truth:
        """(images, labels) whether there is a true box of the label."""
        return self._wanted > 0

    @cached_property
    def candidates(self) -> Sequence[Candidates]:
        """Every box that was found, for its label."""
        labels = np.concatenate([boxes.labels for boxes in self.found]) if self.found else np.zeros(0, int)
        scores = np.concatenate([np.zeros(0), *(boxes.scores for boxes in self.found)])
        hits = np.concatenate([np.zeros(0, dtype=int), *self.matched]) >= 0
        return [
            Candidates.of(scores[labels == at], hits[labels == at], int(self._wanted[:, at].sum()))
            for at in range(len(self.labels))
        ]

    def counted(self, thresholds: Floats) -> Counts:
        """The boxes of every image that are found, wrongly found, or not found: arrays (images, labels)."""
        right, wrong = np.zeros_like(self._wanted), np.zeros_like(self._wanted)
        for image, (boxes, matched) in enumerate(zip(self.found, self.matched, strict=True)):
            kept = boxes.scores >= thresholds[boxes.labels]
            np.add.at(right[image], boxes.labels[kept & (matched >= 0)], 1)
            np.add.at(wrong[image], boxes.labels[kept & (matched < 0)], 1)
        return Counts(right, wrong, self._wanted - right)

    def further(self, _thresholds: Floats) -> Mapping[str, Any]:
        """Means over the labels: area below precision over recall, and recall without any threshold."""
        return {
            "average_precision": float(
                np.mean([average_precision(each, falling=True) for each in self.candidates])
            ),
            "average_recall": float(
                np.mean([each.hits.sum() / max(each.wanted, 1) for each in self.candidates])
            ),
        }
