"""Hits and misses by label, what follows from them, and the thresholds that make the most of them.

Layer: evaluation.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["UNTESTED_THRESHOLD", "Counts", "Floats", "Truth", "best_thresholds", "confusion_matrix", "count"]

Floats = NDArray[np.floating[Any]]
Truth = NDArray[np.bool_]

UNTESTED_THRESHOLD = 0.5  # of a label that no image carries: nothing speaks for another value


@dataclass(frozen=True, eq=False)
class Counts:
    """How often each label was found or missed, rightly or wrongly.

    Each array is (..., labels) of counts; leading axes, such as resamples, are kept by all figures.
    A figure whose denominator is empty is 0.
    """

    true_positives: NDArray[Any]
    false_positives: NDArray[Any]
    false_negatives: NDArray[Any]

    @property
    def precision(self) -> Floats:
        """Of the images where a label was found, the share that carry it: (..., labels)."""
        return _share(self.true_positives, self.true_positives + self.false_positives)

    @property
    def recall(self) -> Floats:
        """Of the images that carry a label, the share where it was found: (..., labels)."""
        return _share(self.true_positives, self.true_positives + self.false_negatives)

    @property
    def f1(self) -> Floats:
        """The harmonic mean of precision and recall: (..., labels)."""
        return _f1(self.true_positives, self.false_positives, self.false_negatives)

    @property
    def macro_f1(self) -> Floats:
        """The unweighted mean of the labels' F1, the service's F1Score: (...)."""
        return np.asarray(self.f1.mean(axis=-1))

    @property
    def pooled_f1(self) -> Floats:
        """F1 of all labels' counts added up, so that frequent labels weigh more: (...)."""
        counts = (self.true_positives, self.false_positives, self.false_negatives)
        return _f1(*(np.asarray(each.sum(axis=-1)) for each in counts))


def count(scores: Floats, truth: Truth, thresholds: Floats) -> Counts:
    """The counts by label, each array (labels,)."""
    found = scores >= thresholds
    return Counts(
        true_positives=(found & truth).sum(axis=0),
        false_positives=(found & ~truth).sum(axis=0),
        false_negatives=(~found & truth).sum(axis=0),
    )


def best_thresholds(scores: Floats, truth: Truth) -> Floats:
    """The cut of each label with the best F1 on these images: (labels,) float64, 0..1.

    Among equals the highest cut; placed half-way down to the next lower score, or to 0 below the lowest.
    A label that no image carries gets 0.5. One sort a label, no loop.
    """
    images, labels = scores.shape
    if images == 0:
        return np.full(labels, UNTESTED_THRESHOLD)
    order = np.argsort(-scores, axis=0, kind="stable")
    falling = np.take_along_axis(scores, order, axis=0).astype(np.float64)  # (images, labels)
    hits = np.cumsum(np.take_along_axis(truth, order, axis=0), axis=0)  # true positives of the first 1..n
    carriers = hits[-1]  # (labels,)
    lower = np.vstack([falling[1:], np.zeros(labels)])
    f1 = 2 * hits / (np.arange(1, images + 1)[:, None] + carriers)
    f1[:-1][falling[:-1] == falling[1:]] = -1  # no cut separates equal scores
    best = np.argmax(f1, axis=0)[None]  # the first of equals is the highest cut
    here, next_lower = (np.take_along_axis(each, best, axis=0)[0] for each in (falling, lower))
    middle = (here + next_lower) / 2
    cut = np.where(middle > next_lower, middle, here)  # between adjacent floats there is no middle
    return np.where(carriers > 0, cut, UNTESTED_THRESHOLD)


def confusion_matrix(scores: Floats, truth: Truth, thresholds: Floats) -> Floats:
    """Of the images that carry label g, the share where label p was found: [g, p], (labels, labels).

    A row may add up to more or less than 1, since each label is found on its own; without images it is 0.
    """
    found = scores >= thresholds
    together = truth.astype(np.float64).T @ found.astype(np.float64)
    return _share(together, truth.sum(axis=0)[:, None])


def _f1(true_positives: NDArray[Any], false_positives: NDArray[Any], false_negatives: NDArray[Any]) -> Floats:
    return _share(2 * true_positives, 2 * true_positives + false_positives + false_negatives)


def _share(part: NDArray[Any], whole: NDArray[Any]) -> Floats:
    """part / whole, 0 where whole is 0."""
    return np.where(whole > 0, part / np.maximum(whole, 1), 0.0)
