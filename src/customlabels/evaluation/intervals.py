"""Where a figure may lie, had other images of the same kind been drawn.

Layer: evaluation. Two ways. Shares of things that are drawn one by one (recall, precision of image labels)
have an exact interval, the binomial one. F1, and everything about boxes, which come several to an image, is
drawn again: images by weight, within each label. Neither collapses where nothing is wrong yet. Neither says
what another training run would give.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from customlabels.evaluation.counting import Counts, Floats, Truth

LEVEL = 0.95
# Of an error, and of a hit, that the next image may bring: between 1, with which no interval is ever short
# and most are too wide, and 0, with which a faultless result has none. benchmarks/intervals.py measures it.
UNSEEN = 0.5
HALVINGS = 40  # of a bisection: to 1e-12


@dataclass(frozen=True)
class Interval:
    """Where a figure may lie, had other images of the same kind been drawn."""

    low: float
    high: float
    level: float = LEVEL


def tail(hits: int, of: int, share: float) -> float:
    """Chance that `hits` or more of `of` hit, each with `share`; that of just `hits` counts half (mid-p)."""
    numbers = np.arange(of + 1)
    logs = np.concatenate([[0.0], np.cumsum(np.log(numbers[1:]))])
    ways = logs[of] - logs - logs[::-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        powers = [
            np.where(each > 0, each * np.log(p), 0.0)
            for each, p in ((numbers, share), (of - numbers, 1 - share))
        ]
    chances = np.exp(ways + powers[0] + powers[1])
    return float(chances[hits + 1 :].sum() + chances[hits] / 2)


def share_interval(hits: int, of: int, level: float = LEVEL) -> Interval:
    """The exact binomial interval of hits / of, by mid-p; 0..1 where there is nothing to count.

    Clopper and Pearson's covers 97 to 99 % at 50 images, and so asks for images that nobody needs; Wilson's
    falls to 84 % near 1, where gates stand. This one stays between 93 and 97 % from 50 on.
    """
    if of == 0:
        return Interval(0.0, 1.0, level)
    beyond = (1 - level) / 2
    low = 0.0 if hits == 0 else _crossing(lambda share: tail(hits, of, share) < beyond)
    high = 1.0 if hits == of else _crossing(lambda share: tail(hits, of, share) < 1 - beyond)
    return Interval(low, high, level)


def _crossing(below: Callable[[float], bool]) -> float:
    """The share from which on `below` is false."""
    low, high = 0.0, 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if below(middle) else (low, middle)
    return (low + high) / 2


@dataclass(frozen=True, eq=False)
class Redrawn:
    """The counts of all images, drawn again: as unlucky, and as lucky, as what was not seen allows.

    Each array is (resamples, labels). What was not seen is UNSEEN of each label on its `own`; in the mean of
    all labels it is spread over them, or many labels would add up to doubt that nobody has.
    """

    counts: Counts
    error: Floats
    own_error: Floats
    hit: Floats
    own_hit: Floats

    def unlucky(self, *, own: bool = False) -> Counts:
        """With an error more, found wrongly and missed."""
        more = self.own_error if own else self.error
        hits, wrong, missed = self.counts.arrays
        return Counts(hits, wrong + more, missed + more)

    def lucky(self, *, own: bool = False) -> Counts:
        """With a hit more."""
        hits, wrong, missed = self.counts.arrays
        return Counts(hits + (self.own_hit if own else self.hit), wrong, missed)

    def interval(self, figure: Callable[[Counts], Floats], value: float) -> Interval:
        """Of a figure of all labels together; holds its value."""
        low, high = quantiles(figure(self.unlucky()), figure(self.lucky()))
        return Interval(min(float(low), value), max(float(high), value))

    def by_label(self, figure: Callable[[Counts], Floats], values: Floats) -> list[Interval]:
        """Of a figure of each label: (resamples, labels); holds its value."""
        low, high = quantiles(figure(self.unlucky(own=True)), figure(self.lucky(own=True)))
        ends = zip(np.minimum(low, values).tolist(), np.maximum(high, values).tolist(), strict=True)
        return [Interval(*pair) for pair in ends]


def quantiles(unlucky: Floats, lucky: Floats) -> tuple[Floats, Floats]:
    """The ends of the middle LEVEL of both, along the first axis."""
    beyond = (1 - LEVEL) / 2
    return np.quantile(unlucky, beyond, axis=0), np.quantile(lucky, 1 - beyond, axis=0)


def redraw(models: Sequence[Counts], carried: Truth, seed: int, resamples: int) -> list[Redrawn]:
    """Weigh the images anew, the same for each model; within each label, so that each keeps its number.

    models: counts of every image, arrays (images, labels)     carried: (images, labels) bool
    Weights are those of the Bayesian bootstrap (a gamma draw an image), smoother than drawing images with
    replacement. Images with no label or several are one group: within each combination there are often too
    few. Images of a group that count alike are one kind, which is drawn at once: the same distribution, at a
    cost that is nearly free of their number.
    """
    labels, dice = carried.shape[1], np.random.default_rng(seed)
    told = [each for counts in models for each in counts.arrays]
    compact = [np.packbits(each, axis=1) if each.dtype == np.bool_ else each for each in told]
    rows = np.column_stack([np.packbits(carried, axis=1), *compact])
    _, kinds, sizes = np.unique(rows, axis=0, return_index=True, return_counts=True)  # an image of each kind
    of_kind = carried[kinds]
    group = np.where(of_kind.sum(axis=1) == 1, of_kind.argmax(axis=1), labels)
    weights = dice.standard_gamma(sizes.astype(np.float32), (resamples, len(kinds)), dtype=np.float32)
    for one in np.unique(group):
        members = np.flatnonzero(group == one)
        drawn = weights[:, members]
        weights[:, members] = drawn * (sizes[members].sum() / drawn.sum(axis=1, keepdims=True))
    error, hit = dice.standard_gamma(UNSEEN / labels, (2, resamples, labels))
    own_error, own_hit = dice.standard_gamma(UNSEEN * (1 - 1 / labels), (2, resamples, labels))
    return [
        Redrawn(_weighed(weights, counts, kinds), error, error + own_error, hit, hit + own_hit)
        for counts in models
    ]


def _weighed(weights: NDArray[np.float32], counts: Counts, kinds: NDArray[np.int64]) -> Counts:
    return Counts(*((weights @ each[kinds].astype(np.float32)).astype(np.float64) for each in counts.arrays))


def difference_interval(models: Sequence[Redrawn], value: float) -> Interval:
    """Of the macro F1 of the first model less that of the second, on the same images; holds its value.

    What was not seen speaks against the first model at the low end, and for it at the high end.
    """
    first, second = models
    plain = second.counts.macro_f1
    low, high = quantiles(first.unlucky().macro_f1 - plain, first.lucky().macro_f1 - plain)
    return Interval(min(float(low), value), max(float(high), value))
