"""One evaluation: what a model's scores are worth at given thresholds, and how sure that is.

Layer: evaluation. Two protocols, never mixed up: thresholds chosen on out-of-fold predictions for the
training data leave the test images unseen; thresholds tuned on the test images flatter, as the service's do.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from customlabels.evaluation.boxes import BoxPredictions
from customlabels.evaluation.counting import (
    Candidates,
    Counts,
    Floats,
    Truth,
    average_precision,
    best_cut,
    candidates_of,
    confusion_matrix,
)
from customlabels.evaluation.intervals import Interval, Redrawn, redraw, share_interval

OUT_OF_FOLD = "out-of-fold thresholds"
TEST_TUNED = "test-tuned thresholds"
PROTOCOLS = (OUT_OF_FOLD, TEST_TUNED)
RESAMPLES = 2000


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
    one_by_one: ClassVar[bool] = True

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


Scored = Predictions | BoxPredictions  # what a model said of images whose truth is known


@dataclass(frozen=True)
class LabelFigures:
    """One label: its cut, 0..1, the images that carry it, its counts and figures, 0..1.

    Counts are of images, or of boxes where the model finds boxes. average_precision: see `average_precision`.
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
    precision_interval: Interval
    recall_interval: Interval
    f1_interval: Interval
    average_precision: float


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
    def counts(self) -> Counts:
        """Those of each label: arrays (labels,)."""
        names = ("true_positives", "false_positives", "false_negatives")
        return Counts(*(np.array([getattr(each, name) for each in self.by_label]) for name in names))

    @property
    def thresholds(self) -> tuple[float, ...]:
        """The cut of each label, 0..1."""
        return tuple(figures.threshold for figures in self.by_label)


def evaluate_test_tuned(predictions: Scored, seed: int, resamples: int = RESAMPLES) -> Evaluation:
    """The figures as the service would report them: each cut is the best one for these very images."""
    thresholds = np.array([best_cut(label) for label in predictions.candidates])
    return evaluate(predictions, thresholds, TEST_TUNED, seed, resamples)


def evaluate(
    predictions: Scored, thresholds: Floats, protocol: str, seed: int, resamples: int = RESAMPLES
) -> Evaluation:
    """All figures at the given cuts; intervals are exact, or from `resamples` seeded, stratified resamples.

    thresholds: (labels,) float, 0..1     protocol: OUT_OF_FOLD or TEST_TUNED, says where they come from
    """
    if protocol not in PROTOCOLS:
        raise ValueError(f"protocol is one of {PROTOCOLS}, not {protocol!r}")
    by_image, carried = predictions.counted(thresholds), predictions.carried
    counts = by_image.of_all_images
    redrawn = redraw([by_image], carried, seed, resamples)[0]
    return Evaluation(
        by_label=_by_label(predictions, thresholds, counts, redrawn),
        images=len(carried),
        split=predictions.split,
        protocol=protocol,
        precision=float(counts.precision.mean()),
        recall=float(counts.recall.mean()),
        f1=float(counts.macro_f1),
        pooled_f1=float(counts.pooled_f1),
        f1_interval=redrawn.interval(lambda drawn: drawn.macro_f1, float(counts.macro_f1)),
        **predictions.further(thresholds),
    )


def _by_label(
    predictions: Scored, thresholds: Floats, counts: Counts, redrawn: Redrawn
) -> tuple[LabelFigures, ...]:
    carriers, hits = predictions.carried.sum(axis=0), counts.true_positives
    f1 = redrawn.by_label(lambda drawn: drawn.f1, counts.f1)
    if predictions.one_by_one:
        found = zip(hits.tolist(), (hits + counts.false_positives).tolist(), strict=True)
        wanted = zip(hits.tolist(), (hits + counts.false_negatives).tolist(), strict=True)
        precision, recall = ([share_interval(*pair) for pair in pairs] for pairs in (found, wanted))
    else:
        precision = redrawn.by_label(lambda drawn: drawn.precision, counts.precision)
        recall = redrawn.by_label(lambda drawn: drawn.recall, counts.recall)
    return tuple(
        LabelFigures(
            label=label,
            threshold=float(thresholds[at]),
            images=int(carriers[at]),
            true_positives=int(hits[at]),
            false_positives=int(counts.false_positives[at]),
            false_negatives=int(counts.false_negatives[at]),
            precision=float(counts.precision[at]),
            recall=float(counts.recall[at]),
            f1=float(counts.f1[at]),
            precision_interval=precision[at],
            recall_interval=recall[at],
            f1_interval=f1[at],
            average_precision=average_precision(candidates, falling=not predictions.one_by_one),
        )
        for at, (label, candidates) in enumerate(zip(predictions.labels, predictions.candidates, strict=True))
    )
