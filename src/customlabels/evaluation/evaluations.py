"""One evaluation: what a model's scores are worth at given thresholds, and how sure that is.

Layer: evaluation. Two protocols, never mixed up: thresholds chosen on out-of-fold predictions for the
training data leave the test images unseen; thresholds tuned on the test images flatter, as the service's do.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from customlabels.evaluation.counting import Counts, Floats, Truth, best_thresholds, confusion_matrix, count

__all__ = [
    "OUT_OF_FOLD",
    "TEST_TUNED",
    "Evaluation",
    "Interval",
    "LabelFigures",
    "Predictions",
    "evaluate",
    "evaluate_test_tuned",
]

OUT_OF_FOLD = "out-of-fold thresholds"
TEST_TUNED = "test-tuned thresholds"
PROTOCOLS = (OUT_OF_FOLD, TEST_TUNED)


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


@dataclass(frozen=True)
class Interval:
    """Where a figure may lie, had other images of the same kind been drawn; `level` is 0.95."""

    low: float
    high: float
    level: float = 0.95


@dataclass(frozen=True)
class LabelFigures:
    """One label: its cut, 0..1, the images that carry it, its counts and figures, 0..1."""

    label: str
    threshold: float
    images: int
    true_positives: int
    false_positives: int
    false_negatives: int
    true_negatives: int
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class Evaluation:
    """What a model is worth on one split under one protocol.

    by_label: in the order of the labels          confusion: [truth][found], shares as in `confusion_matrix`
    precision, recall, f1: unweighted means       f1_interval: of `f1`, from resampling the images
    """

    by_label: tuple[LabelFigures, ...]
    confusion: tuple[tuple[float, ...], ...]
    images: int
    split: str
    protocol: str
    precision: float
    recall: float
    f1: float
    pooled_f1: float
    f1_interval: Interval

    @property
    def labels(self) -> tuple[str, ...]:
        """Names, in the order of the scores' columns."""
        return tuple(figures.label for figures in self.by_label)

    @property
    def thresholds(self) -> tuple[float, ...]:
        """The cut of each label, 0..1."""
        return tuple(figures.threshold for figures in self.by_label)


def evaluate_test_tuned(predictions: Predictions, seed: int, resamples: int = 1000) -> Evaluation:
    """The figures as the service would report them: each cut is the best one for these very images."""
    thresholds = best_thresholds(predictions.scores, predictions.truth)
    return evaluate(predictions, thresholds, TEST_TUNED, seed, resamples)


def evaluate(
    predictions: Predictions, thresholds: Floats, protocol: str, seed: int, resamples: int = 1000
) -> Evaluation:
    """All figures at the given cuts; the interval is that of `resamples` seeded, stratified resamples.

    thresholds: (labels,) float, 0..1     protocol: OUT_OF_FOLD or TEST_TUNED, says where they come from
    """
    if protocol not in PROTOCOLS:
        raise ValueError(f"protocol is one of {PROTOCOLS}, not {protocol!r}")
    scores, truth = predictions.scores, predictions.truth
    counts = count(scores, truth, thresholds)
    confusion = confusion_matrix(scores, truth, thresholds)
    return Evaluation(
        by_label=_by_label(predictions, thresholds, counts),
        confusion=tuple(tuple(float(share) for share in row) for row in confusion),
        images=len(scores),
        split=predictions.split,
        protocol=protocol,
        precision=float(counts.precision.mean()),
        recall=float(counts.recall.mean()),
        f1=float(counts.macro_f1),
        pooled_f1=float(counts.pooled_f1),
        f1_interval=_f1_interval(truth, scores >= thresholds, seed, resamples),
    )


def _by_label(predictions: Predictions, thresholds: Floats, counts: Counts) -> tuple[LabelFigures, ...]:
    carriers, images = predictions.truth.sum(axis=0), len(predictions.truth)
    hits, wrong, missed = counts.true_positives, counts.false_positives, counts.false_negatives
    return tuple(
        LabelFigures(
            label=label,
            threshold=float(thresholds[at]),
            images=int(carriers[at]),
            true_positives=int(hits[at]),
            false_positives=int(wrong[at]),
            false_negatives=int(missed[at]),
            true_negatives=images - int(hits[at] + wrong[at] + missed[at]),
            precision=float(counts.precision[at]),
            recall=float(counts.recall[at]),
            f1=float(counts.f1[at]),
        )
        for at, label in enumerate(predictions.labels)
    )


def _f1_interval(truth: Truth, found: Truth, seed: int, resamples: int) -> Interval:
    """Percentiles of the macro F1 over resamples of the images, drawn within each label.

    truth, found: (images, labels) bool. Images with no label or several are one group of their own: within
    each combination there are often too few to draw from. Images of a group that were found alike are
    interchangeable, so a resample draws how often each kind comes: the same distribution as drawing images,
    at a cost free of their number. It says nothing of what another training run would give.
    """
    if len(truth) == 0:
        return Interval(0.0, 1.0)
    rows = np.column_stack([np.packbits(truth, axis=1), np.packbits(found, axis=1)])
    _, kinds, sizes = np.unique(rows, axis=0, return_index=True, return_counts=True)  # an image of each kind
    carried, seen = truth[kinds], found[kinds]  # (kinds, labels)
    group = np.where(carried.sum(axis=1) == 1, carried.argmax(axis=1), carried.shape[1])
    dice = np.random.default_rng(seed)
    drawn = np.zeros((resamples, len(kinds)))
    for one in np.unique(group):
        members = group == one
        total = sizes[members].sum()
        drawn[:, members] = dice.multinomial(total, sizes[members] / total, size=resamples)
    counts = Counts(drawn @ (carried & seen), drawn @ (seen & ~carried), drawn @ (carried & ~seen))
    low, high = np.quantile(counts.macro_f1, [0.025, 0.975])
    return Interval(float(low), float(high))
