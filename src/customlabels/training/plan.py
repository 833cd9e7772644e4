"""The plan of a training: everything that is decided by looking at the machine, the clock or the data's size.

Layer: training; no torch. It is made once and stored before the first step, so that the clock never reaches
the result: a training that was killed goes on by the same plan, and ends with the same bits (on the same kind
of processor).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "MODEL",
    "RESERVED_SECONDS",
    "Course",
    "Plan",
    "Size",
    "batch_for",
    "courses",
    "held_out_part",
    "planned_steps",
    "size_for",
]

AUTOMATIC_SECONDS = 15 * 60.0  # the most that a training takes without a budget of its own
RESERVED_SECONDS = 12.0  # of a budget: starting, exporting, comparing, writing (measured 8 to 10)
RESERVED_SHARE = 0.1  # of a budget: measuring, and a machine that slows down
LEAST_STEPS = 12  # of a learning, whatever the budget: fewer cannot even warm up
AUTOMATIC_LEAST_STEPS = 200  # of a learning without a budget, for sets that are small
HOLDOUT_SHARE, HOLDOUT_MOST = 0.15, 5000  # of the training images; more would sharpen no threshold
HOLDOUT_LEAST = 15  # images of a middling label that a holdout must have, else folds
FOLDS = 3
MODEL = "model"  # name of the course whose net is released
CACHE_MARGIN = 1.25  # cached side / training side: what random crops are taken from


@dataclass(frozen=True)
class Size:
    """How large the net sees its images.

    side: pixels, at the end and when serving     epochs: without a budget, after which little is gained
    growth: (share of the steps, side), in order: small images first teach the coarse things at a fraction of
        the price
    """

    side: int
    growth: tuple[tuple[float, int], ...]
    epochs: int

    @property
    def cached_side(self) -> int:
        """Pixels a side of the stored training images."""
        return round(self.side * CACHE_MARGIN)

    def side_at(self, share: float) -> int:
        """The side in use when `share` (0..1) of the steps are done."""
        return next((side for until, side in self.growth if share < until), self.side)

    def work_done(self, share: float) -> float:
        """The share of a course's work that is done with `share` of its steps; work grows with the area."""
        begun, done, whole = 0.0, 0.0, 0.0
        for until, side in self.growth:
            whole += (until - begun) * side**2
            done += max(0.0, min(until, share) - begun) * side**2
            begun = until
        return done / whole


PHOTOGRAPHS = Size(96, ((0.5, 64), (0.8, 80), (1.0, 96)), epochs=100)
# Epochs measured on digits: 4, 5 and 8 give a validation F1 of 0.995, 1.0 and 0.998.
SMALL_PICTURES = Size(48, ((1.0, 48),), epochs=5)


def size_for(shorter_sides: Sequence[int]) -> Size:
    """By the median of the images' shorter sides in pixels: below 96 a larger input shows no more."""
    return SMALL_PICTURES if np.median(shorter_sides) < PHOTOGRAPHS.side else PHOTOGRAPHS


@dataclass(frozen=True)
class Course:
    """One learning of a net from the start to the end of its steps.

    name: of its files, such as "fold-2"     learn: indices of images     held_out: of those that are scored
    """

    name: str
    learn: NDArray[np.int64]
    held_out: NDArray[np.int64]

    def epoch_at(self, step: int, batch: int) -> int:
        """The epoch that a step begins in, from 0."""
        return step * batch // len(self.learn)


def courses(truth: NDArray[np.int64], labels: int, seed: int) -> list[Course]:
    """How the training images are used; the last course gives the model, all give scores for the thresholds.

    truth: (n,) index of the label

    With enough images a label, one course: 15 % are held out, and the net that learned from the rest is the
    model, so temperature and thresholds belong to this very net. With fewer, a holdout of a handful of images
    chooses thresholds by luck: then three folds, in which every image is scored once by a net that did not
    see it, and a last course on all images, whose held-out part is empty.
    """
    everything = np.arange(len(truth))
    parts = {MODEL: np.empty(0, dtype=np.int64)}
    median = np.median(np.bincount(truth, minlength=labels))
    if HOLDOUT_SHARE * median >= HOLDOUT_LEAST:
        share = min(HOLDOUT_SHARE, HOLDOUT_MOST / len(truth))
        parts = {MODEL: held_out_part(truth, share, seed)}
    else:
        turn = _turns(truth, seed)
        parts = {f"fold-{fold + 1}": np.flatnonzero(turn == fold) for fold in range(FOLDS)} | parts
    return [Course(name, np.setdiff1d(everything, part), part) for name, part in parts.items()]


def held_out_part(truth: NDArray[np.int64], share: float, seed: int) -> NDArray[np.int64]:
    """Indices, ascending, of a random part: the same share of every label, but never its last image."""
    random = np.random.default_rng([seed, 1])
    parts = []
    for label in np.unique(truth):
        places = random.permutation(np.flatnonzero(truth == label))
        parts.append(places[: min(max(1, round(share * len(places))), len(places) - 1)])
    return np.sort(np.concatenate(parts))


def _turns(truth: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """The fold of each image: labels are dealt out like cards, each goes on where the one before ended."""
    random = np.random.default_rng([seed, 2])
    dealt = np.concatenate([random.permutation(np.flatnonzero(truth == label)) for label in np.unique(truth)])
    turn = np.empty(len(truth), dtype=np.int64)
    turn[dealt] = np.arange(len(truth)) % FOLDS
    return turn


@dataclass(frozen=True)
class Plan:
    """What a resumed training must not decide anew.

    steps, batch: of each course     mirror: whether views may swap left and right
    threads, bfloat16: the fastest way on this machine, as timed     step_seconds: timed, for estimates only
    """

    seed: int
    side: int
    batch: int
    steps: int
    threads: int
    bfloat16: bool
    mirror: bool
    step_seconds: float

    @property
    def size(self) -> Size:
        """The size whose side was chosen."""
        return next(size for size in (PHOTOGRAPHS, SMALL_PICTURES) if size.side == self.side)


def batch_for(images: int) -> int:
    """Images a step: 32, fewer for sets so small that an epoch would be two or three steps."""
    return int(min(32, max(4, 2 ** int(math.log2(max(images, 8) / 4)))))


def planned_steps(size: Size, images: int, parts: int, budget: float | None, step_seconds: float) -> int:
    """Steps of each of `parts` courses over `images` images.

    budget: seconds left, None for as long as it helps
    """
    batch = batch_for(images)
    limit = AUTOMATIC_SECONDS if budget is None else budget
    affordable = int((limit * (1 - RESERVED_SHARE) - RESERVED_SECONDS) / (parts * step_seconds))
    if budget is not None:
        return max(LEAST_STEPS, affordable)
    wanted = max(AUTOMATIC_LEAST_STEPS, math.ceil(size.epochs * images / batch))
    return max(LEAST_STEPS, min(wanted, affordable))
