"""One evaluation: what a model's scores are worth at given thresholds, and how sure that is.

Layer: evaluation. Two protocols, never mixed up: thresholds chosen on out-of-fold predictions for the
training data leave the test images unseen; thresholds tuned on the test images flatter, as the service's do.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from customlabels.evaluation.counting import (
    Candidates,
    Counts,
    Floats,
    Truth,
    best_cut,
    candidates_of,
    confusion_matrix,
)

__all__ = [
    "OUT_OF_FOLD",
    "TEST_TUNED",
    "Evaluation",
    "Interval",
    "LabelFigures",
    "Predictions",
    "Scored",
    "evaluate",
    "evaluate_test_tuned",
]

OUT_OF_FOLD = "out-of-fold thresholds"
TEST_TUNED = "test-tuned thresholds"
PROTOCOLS = (OUT_OF_FOLD, TEST_TUNED)


class Scored(Protocol):
    """What a model said of images whose truth is known, of whichever kind it is."""

    @property
    def labels(self) -> Sequence[str]:
        """Names."""

    @property
    def split(self) -> str:
        """Which images these are, such as "test"."""

    @property
    def carried(self) -> Truth:
        """Which labels each image carries: (images, labels)."""

    @property
    def candidates(self) -> Sequence[Candidates]:
        """All that could be called each label."""

    def counted(self, thresholds: Floats) -> Counts:
        """The counts of every image: each array (images, labels)."""

    def further(self, thresholds: Floats) -> Mapping[str, Any]:
        """Figures that only this kind has: members of `Evaluation`."""


@dataclass(frozen=True, eq=False)
class Predictions:
    """A model's scores for images whose labels are known.

    labels: names, in the order of the columns     split: which images these are, such as "test"
    scores: (images, labels) float, 0..1           truth: (images, labels) bool
    """

    labels: Sequence[str]
    scores: Floats
    truth: Truth
    split: str = "test"

    def __post_init__(self) -> None:
        if self.scores.ndim != 2 or self.scores.shape[1] != len(self.labels) or not self.labels:
            raise ValueError(f"scores are (images, {len(self.labels)}), not {self.scores.shape}")
        if self.truth.shape != self.scores.shape or self.truth.dtype != np.bool_:
            raise ValueError(f"truth is bool {self.scores.shape}, not {self.truth.dtype} {self.truth.shape}")
        if not ((self.scores >= 0) & (self.scores <= 1)).all():
            raise ValueError("scores are numbers from 0 to 1")

    @property
    def carried(self) -> Truth:
        """The truth."""
        return self.truth

    @property
    def candidates(self) -> list[Candidates]:
        """Every image, for every label."""
        return candidates_of(self.scores, self.truth)

    def counted(self, thresholds: Floats) -> Counts:
        """The counts of every image: each array (images, labels) of 0 and 1."""
        found = self.scores >= thresholds
        return Counts(found & self.truth, found & ~self.truth, ~found & self.truth)

    def further(self, thresholds: Floats) -> dict[str, Any]:
        """What was taken for what."""
        shares = confusion_matrix(self.scores, self.truth, thresholds)
        return {"confusion": tuple(tuple(float(share) for share in row) for row in shares)}


@dataclass(frozen=True)
class Interval:
    """Where a figure may lie, had other images of the same kind been drawn; `level` is 0.95."""

    low: float
    high: float
    level: float = 0.95


@dataclass(frozen=True)
class LabelFigures:
    """One label: its cut, 0..1, the images that carry it, its counts and figures, 0..1.

    Counts are of images, or of boxes where the model finds boxes.
    """

    label: str
    threshold: float
    images: int
    true_positives: int
    false_positives: int
    false_negatives: int
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class Evaluation:
    """What a model is worth on one split under one protocol.

    by_label: in the order of the labels
    precision, recall, f1: unweighted means       f1_interval: of `f1`, from resampling the images
    confusion: [truth][found], shares as in `confusion_matrix`; of image labels only
    average_precision, average_recall: means over the labels; of boxes only
    """

    by_label: tuple[LabelFigures, ...]
    images: int
    split: str
    protocol: str
    precision: float
    recall: float
    f1: float
    pooled_f1: float
    f1_interval: Interval
    confusion: tuple[tuple[float, ...], ...] = ()
    average_precision: float | None = None
    average_recall: float | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """Names, in the order of the scores' columns."""
        return tuple(figures.label for figures in self.by_label)

    @property
    def thresholds(self) -> tuple[float, ...]:
        """The cut of each label, 0..1."""
        return tuple(figures.threshold for figures in self.by_label)


def evaluate_test_tuned(predictions: Scored, seed: int, resamples: int = 1000) -> Evaluation:
    """The figures as the service would report them: each cut is the best one for these very images."""
    thresholds = np.array([best_cut(label) for label in predictions.candidates])
    return evaluate(predictions, thresholds, TEST_TUNED, seed, resamples)


def evaluate(
    predictions: Scored, thresholds: Floats, protocol: str, seed: int, resamples: int = 1000
) -> Evaluation:
    """All figures at the given cuts; the interval is that of `resamples` seeded, stratified resamples.

    thresholds: (labels,) float, 0..1     protocol: OUT_OF_FOLD or TEST_TUNED, says where they come from
    """
    if protocol not in PROTOCOLS:
        raise ValueError(f"protocol is one of {PROTOCOLS}, not {protocol!r}")
    by_image, carried = predictions.counted(thresholds), predictions.carried
    counts = Counts(*(each.sum(axis=0) for each in by_image.arrays))
    return Evaluation(
        by_label=_by_label(predictions, thresholds, counts),
        images=len(carried),
        split=predictions.split,
        protocol=protocol,
        precision=float(counts.precision.mean()),
        recall=float(counts.recall.mean()),
        f1=float(counts.macro_f1),
        pooled_f1=float(counts.pooled_f1),
        f1_interval=_f1_interval(by_image, carried, seed, resamples),
        **predictions.further(thresholds),
    )


def _by_label(predictions: Scored, thresholds: Floats, counts: Counts) -> tuple[LabelFigures, ...]:
    carriers = predictions.carried.sum(axis=0)
    return tuple(
        LabelFigures(
            label=label,
            threshold=float(thresholds[at]),
            images=int(carriers[at]),
            true_positives=int(counts.true_positives[at]),
            false_positives=int(counts.false_positives[at]),
            false_negatives=int(counts.false_negatives[at]),
            precision=float(counts.precision[at]),
            recall=float(counts.recall[at]),
            f1=float(counts.f1[at]),
        )
        for at, label in enumerate(predictions.labels)
    )


def _f1_interval(by_image: Counts, carried: Truth, seed: int, resamples: int) -> Interval:
    """Percentiles of the macro F1 over resamples of the images, drawn within each label.

    by_image: arrays (images, labels)     carried: (images, labels) bool
    Images with no label or several are one group of their own: within each combination there are often too
    few to draw from. Images of a group that count alike are interchangeable, so a resample draws how often
    each kind comes: the same distribution as drawing images, at a cost free of their number. It says nothing
    of what another training run would give.
    """
    if len(carried) == 0:
        return Interval(0.0, 1.0)
    compact = [np.packbits(each, axis=1) if each.dtype == np.bool_ else each for each in by_image.arrays]
    rows = np.column_stack([np.packbits(carried, axis=1), *compact])
    _, kinds, sizes = np.unique(rows, axis=0, return_index=True, return_counts=True)  # an image of each kind
    of_kind = carried[kinds]  # (kinds, labels)
    group = np.where(of_kind.sum(axis=1) == 1, of_kind.argmax(axis=1), of_kind.shape[1])
    dice = np.random.default_rng(seed)
    drawn = np.zeros((resamples, len(kinds)))
    for one in np.unique(group):
        members = group == one
        total = sizes[members].sum()
        drawn[:, members] = dice.multinomial(total, sizes[members] / total, size=resamples)
    counts = Counts(*(drawn @ each[kinds] for each in by_image.arrays))
    low, high = np.quantile(counts.macro_f1, [0.025, 0.975])
    return Interval(float(low), float(high))
