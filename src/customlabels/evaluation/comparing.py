"""Two models on the same images: is the first better, or not much worse?

Layer: evaluation.
"""

from dataclasses import dataclass
from fractions import Fraction
from math import comb

import numpy as np
from numpy.typing import NDArray

from customlabels.errors import InvalidInput
from customlabels.evaluation.counting import Counts, Truth
from customlabels.evaluation.evaluations import RESAMPLES
from customlabels.evaluation.intervals import Interval, difference_interval, redraw
from customlabels.evaluation.recorded import Recorded
from customlabels.evaluation.wear import widened

LEAST_SHARED = 0.5  # of the first model's test images


@dataclass(frozen=True)
class Comparison:
    """The first model against the second, on test images of both.

    difference: of macro F1, over the first model's labels     mcnemar: p, of image labels only
    only_first, only_second: images that one of them alone got wholly right
    """

    images: int
    difference: float
    interval: Interval
    only_first: int
    only_second: int
    mcnemar: float | None

    def low(self, decisions: int) -> float:
        """The difference is at least this; widened for how often the test set was asked."""
        return widened(self.difference, self.interval.low, decisions)


def compared(first: Recorded, second: Recorded, seed: int, resamples: int = RESAMPLES) -> Comparison:
    """Compare on the images that both were tested on; a label that the second lacks counts as missed by it.

    Raises InvalidInput where they cannot be compared: one finds boxes and the other does not, or less than
    half of the first model's test images, with the same truth, were test images of the second.
    """
    if first.predictions.one_by_one != second.predictions.one_by_one:
        raise InvalidInput("one of them finds boxes, the other labels whole images")
    place = {ref: row for row, ref in enumerate(second.source_refs)}
    rows = np.array([row for row, ref in enumerate(first.source_refs) if ref in place], dtype=np.int64)
    others = np.array([place[first.source_refs[row]] for row in rows], dtype=np.int64)
    one, two = _rows(first, rows), _aligned(first, second, rows, others)
    shared = [label in second.predictions.labels for label in first.predictions.labels]
    same = (_wanted(one) == _wanted(two))[:, shared].all(axis=1)
    least = LEAST_SHARED * len(first.source_refs)
    if same.sum() < max(least, 1):
        raise InvalidInput(
            f"{same.sum()} of {len(first.source_refs)} test images were test images of that version too, "
            "with the same labels; it takes half"
        )
    one, two = (Counts(*(each[same] for each in counts.arrays)) for counts in (one, two))
    carried: Truth = first.predictions.carried[rows][same]
    difference = float(one.of_all_images.macro_f1 - two.of_all_images.macro_f1)
    right = [(counts.false_positives + counts.false_negatives).sum(axis=1) == 0 for counts in (one, two)]
    only_first, only_second = int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())
    return Comparison(
        images=int(same.sum()),
        difference=difference,
        interval=difference_interval(redraw([one, two], carried, seed, resamples), difference),
        only_first=only_first,
        only_second=only_second,
        mcnemar=mcnemar(only_first, only_second) if first.predictions.one_by_one else None,
    )


def mcnemar(only_first: int, only_second: int) -> float:
    """Exact p, two-sided: how likely so uneven a split of the images that one of them alone got right is."""
    of = only_first + only_second
    ways = sum(comb(of, hits) for hits in range(max(only_first, only_second), of + 1))
    return min(1.0, float(Fraction(2 * ways, 2**of)))  # of whole numbers: they may be past a float


def _wanted(counts: Counts) -> NDArray[np.int64]:
    wanted: NDArray[np.int64] = counts.true_positives + counts.false_negatives
    return wanted


def _rows(model: Recorded, rows: NDArray[np.int64]) -> Counts:
    counts = model.predictions.counted(model.thresholds)
    return Counts(*(each[rows].astype(np.int64) for each in counts.arrays))


def _aligned(first: Recorded, second: Recorded, rows: NDArray[np.int64], others: NDArray[np.int64]) -> Counts:
    """The second model's counts on the rows of the first, in the order of the first model's labels."""
    own, wanted = _rows(second, others), _wanted(_rows(first, rows))
    hits, wrong, missed = np.zeros_like(wanted), np.zeros_like(wanted), wanted.copy()
    for column, label in enumerate(first.predictions.labels):
        if label in second.predictions.labels:
            at = list(second.predictions.labels).index(label)
            hits[:, column], wrong[:, column], missed[:, column] = (each[:, at] for each in own.arrays)
    return Counts(hits, wrong, missed)
