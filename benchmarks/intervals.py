"""How often the 95 % interval holds the true value, by number of images and true F1.

    python benchmarks/intervals.py

Drawn from models whose true F1 is known: of one label an image, with mistakes spread over the other labels;
and of several, where labels are missed and wrongly found equally often. Beside the interval of the F1 score
stands that of one label, and what the usual bootstrap (images drawn with replacement) would cover.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from customlabels.evaluation import Counts
from customlabels.evaluation.intervals import redraw

Truth = NDArray[np.bool_]
TESTS, RESAMPLES = 500, 500
IMAGES, SCORES = (10, 20, 50, 100), (0.6, 0.8, 0.9, 0.95, 0.98)
CASES = (("single", 2), ("single", 10), ("several", 5))


@dataclass(frozen=True)
class Coverage:
    """Shares of the tests in which an interval held the true value."""

    f1: float
    label: float
    usual: float


def coverage(
    kind: str, labels: int, images: int, f1: float, tests: int = TESTS, resamples: int = RESAMPLES
) -> Coverage:
    """images: of each label"""
    dice, held = np.random.default_rng(int(1000 * f1) + images + labels), np.zeros(3)
    for seed in range(tests):
        truth, found = _drawn(dice, kind, labels, images, f1)
        by_image = Counts(found & truth, found & ~truth, ~found & truth)
        total, redrawn = by_image.of_all_images, redraw([by_image], truth, seed, resamples)[0]
        whole = redrawn.interval(lambda counts: counts.macro_f1, float(total.macro_f1))
        label = redrawn.by_label(lambda counts: counts.f1, total.f1)[0]
        low, high = _usual(dice, by_image, truth, resamples)
        held += [whole.low <= f1 <= whole.high, label.low <= f1 <= label.high, low <= f1 <= high]
    return Coverage(*(held / tests))


def _drawn(dice: np.random.Generator, kind: str, labels: int, images: int, f1: float) -> tuple[Truth, Truth]:
    """Truth and what was found: (images, labels) bool."""
    if kind == "single":
        true = np.repeat(np.arange(labels), images)
        other = (true + dice.integers(1, labels, len(true))) % labels
        said = np.where(dice.random(len(true)) < f1, true, other)
        return np.eye(labels, dtype=bool)[true], np.eye(labels, dtype=bool)[said]
    truth = dice.random((4 * images, labels)) < 0.25
    chances = dice.random(truth.shape)
    return truth, np.where(truth, chances < f1, chances < (1 - f1) / 3)


def _usual(dice: np.random.Generator, by_image: Counts, truth: Truth, resamples: int) -> tuple[float, float]:
    rows = np.column_stack([truth, *by_image.arrays])
    _, kinds, sizes = np.unique(rows, axis=0, return_index=True, return_counts=True)
    drawn = dice.multinomial(sizes.sum(), sizes / sizes.sum(), size=resamples)
    scores = Counts(*(drawn @ each[kinds] for each in by_image.arrays)).macro_f1
    low, high = np.quantile(scores, [0.025, 0.975])
    return float(low), float(high)


def main() -> None:
    """Print the table."""
    print(f"{TESTS} tests a cell; percent that hold the truth: F1 score / one label / usual bootstrap\n")
    print("kind     labels  images a label  " + "".join(f"  F1 {score:<12}" for score in SCORES))
    for kind, labels in CASES:
        for images in IMAGES:
            cells = [coverage(kind, labels, images, score) for score in SCORES]
            told = [f"{100 * c.f1:5.1f} {100 * c.label:5.1f} {100 * c.usual:5.1f}" for c in cells]
            print(
                f"{kind:<8} {labels:>6}  {images:>14}  " + "".join(f"{each:<17}" for each in told), flush=True
            )


if __name__ == "__main__":
    main()
