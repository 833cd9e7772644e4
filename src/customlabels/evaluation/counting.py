"""Hits and misses by label, what follows from them, and the thresholds that make the most of them.

Layer: evaluation.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Truth = NDArray[np.bool_]

UNTESTED_THRESHOLD = 0.5  # of a label that no image carries: nothing speaks for another value
# Of a label, that are taken to be like the other labels'. Measured on training data alone, cuts from a part,
# F1 on the rest. Photographs of clothes: best cuts 0.697, a prior of 10 0.727, 40 0.730, 200 0.730 from 45
# images; 0.720, 0.728, 0.734, 0.736 from 179. Boxes around cells: 0.851 (0), 0.849, 0.849, 0.847 from 22.
PRIOR = 40.0
CUTS = 1000  # that are tried, at most
# Of log odds, about which chances are averaged. F1 on the rest, cuts from 44 images, out of folds: boxes of
# cells 0.863 without, 0.866 with 0.2 to 0.6; of cards 0.840 without, 0.843, 0.844, 0.844 with 0.2, 0.4, 0.6.
SPREAD = 0.4
SUREST = 0.9999  # a score


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
    def arrays(self) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """True positives, false positives, false negatives."""
        return self.true_positives, self.false_positives, self.false_negatives

    @property
    def of_all_images(self) -> "Counts":
        """Added up over the first axis."""
        return Counts(*(each.sum(axis=0) for each in self.arrays))

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


@dataclass(frozen=True, eq=False)
class Candidates:
    """All that could be called one label, best first.

    scores: (k,) float, falling     hits: (k,) bool, whether each is right
    wanted: how many there are to find
    """

    scores: Floats
    hits: Truth
    wanted: int

    @classmethod
    def of(cls, scores: Floats, hits: Truth, wanted: int) -> "Candidates":
        """Candidates in any order."""
        order = np.argsort(-scores, kind="stable")
        return cls(scores[order].astype(np.float64), hits[order], wanted)


@dataclass(frozen=True, eq=False)
class Curve:
    """Precision over recall, at every cut that changes either: three arrays (cuts,), cuts falling."""

    cuts: Floats
    precision: Floats
    recall: Floats


def curve(label: Candidates) -> Curve:
    """What a label's cut trades; empty where there is nothing to find."""
    ends = np.flatnonzero(np.append(label.scores[1:] != label.scores[:-1], True)[: len(label.scores)])
    if label.wanted == 0:
        ends = ends[:0]
    hits = np.cumsum(label.hits)[ends]
    return Curve(label.scores[ends], hits / (ends + 1), hits / max(label.wanted, 1))


def average_precision(label: Candidates, *, falling: bool) -> float:
    """The area below precision over recall, in steps; 0 for a label that is nowhere to be found.

    falling: whether precision counts as the best that any lower cut has too, as is usual for boxes
    """
    told = curve(label)
    precision = np.maximum.accumulate(told.precision[::-1])[::-1] if falling else told.precision
    return float((np.diff(told.recall, prepend=0.0) * precision).sum())


def candidates_of(scores: Floats, truth: Truth) -> list[Candidates]:
    """Every image is a candidate for every label; one entry a label."""
    return [
        Candidates.of(scores[:, at], truth[:, at], int(truth[:, at].sum())) for at in range(scores.shape[1])
    ]


def best_cut(label: Candidates) -> float:
    """The cut of a label with the best F1.

    Among equals the highest cut; placed half-way down to the next lower score, or to 0 below the lowest.
    A label that is nowhere to be found gets 0.5.
    """
    falling, count = label.scores, len(label.scores)
    if label.wanted == 0 or count == 0:
        return UNTESTED_THRESHOLD
    f1 = 2 * np.cumsum(label.hits) / (np.arange(1, count + 1) + label.wanted)
    f1[:-1][falling[:-1] == falling[1:]] = -1  # no cut separates equal scores
    best = int(np.argmax(f1))  # the first of equals is the highest cut
    return _between(falling, best)


def _between(falling: Floats, at: int) -> float:
    """Half-way from a score down to the next lower one, or to 0."""
    here, lower = float(falling[at]), float(falling[at + 1]) if at + 1 < len(falling) else 0.0
    middle = (here + lower) / 2
    return middle if middle > lower else here  # between adjacent floats there is no middle


def steady_thresholds(labels: Sequence[Candidates]) -> Floats:
    """Cuts from few images, (labels,) float64: each label's own curve, steadied by its neighbourhood and by
    that of all labels.

    A candidate counts as right by the share of hits among those of about its score. Every label is judged as
    if PRIOR more of it were there, found and confused as the labels are on average: one with many images
    keeps its own best cut; one with a handful, whose own would be luck, goes along with the others.
    """
    scores = np.concatenate([each.scores for each in labels])
    right = scores[np.concatenate([each.hits for each in labels])]
    if len(right) == 0:
        return np.full(len(labels), UNTESTED_THRESHOLD)
    scores, right = np.sort(scores)[::-1], np.sort(right)[::-1]
    right = np.unique(right[np.linspace(0, len(right) - 1, CUTS).astype(int)])[::-1]
    last = np.searchsorted(-scores, -right, side="right") - 1
    cuts = np.array([_between(scores, at) for at in last])  # falling; the best ones are below a hit
    own = [_curves(each, cuts) for each in labels]
    wanted = np.array([each.wanted for each in labels])
    hits, found = (np.sum(curves, axis=0) * PRIOR / wanted.sum() for curves in zip(*own, strict=True))
    f1 = [
        2 * (own_hits + hits) / (own_found + found + count + PRIOR)
        for (own_hits, own_found), count in zip(own, wanted, strict=True)
    ]
    return np.array([cuts[np.argmax(each)] for each in f1])


def _curves(label: Candidates, cuts: Floats) -> tuple[Floats, Floats]:
    """At each cut, how many candidates are right, and how many there are."""
    found = np.searchsorted(-label.scores, -cuts, side="right")
    hits = np.concatenate([[0.0], np.cumsum(_chances(label))])[found]
    return hits, found.astype(np.float64)


def _chances(label: Candidates) -> Floats:
    """(k,) of each candidate to be right: the share of hits among those of about its score.

    Scores are compared as log odds; the bell of a hundred cells around each is SPREAD wide.
    """
    scores = label.scores.clip(1 - SUREST, SUREST)
    odds = np.log(scores / (1 - scores))
    furthest = float(np.log(SUREST / (1 - SUREST)))
    edges = np.arange(-furthest, furthest + SPREAD / 10, SPREAD / 10)
    bell = np.exp(-0.5 * np.square(np.linspace(-5, 5, 101)))
    hits, found = (
        np.convolve(np.histogram(odds, edges, weights=weights)[0], bell, mode="same")
        for weights in (label.hits.astype(np.float64), np.ones(len(odds)))
    )
    return np.asarray(np.interp(odds, (edges[:-1] + edges[1:]) / 2, _share(hits, found)))


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
    empty = np.zeros(np.broadcast_shapes(part.shape, whole.shape))
    return np.asarray(np.divide(part, whole, out=empty, where=whole > 0))
