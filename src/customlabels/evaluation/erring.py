"""What a model got wrong on its test images, and what would have to be right instead.

Layer: evaluation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from customlabels.evaluation.boxes import LEAST_OVERLAP, Boxes, BoxPredictions, matches, overlaps
from customlabels.evaluation.counting import Counts
from customlabels.evaluation.doubts import NOTHING
from customlabels.evaluation.recorded import Recorded

Corners = tuple[float, ...]
Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Mistake:
    """A label that was found wrongly, or missed.

    image: row of the predictions     label, instead: index; `instead` was true, or was found, in its place
    score: of the label, 0..1     corners: of the box, shares of the image's sides; none of image labels
    """

    image: int
    label: int
    missed: bool
    score: float
    instead: int = NOTHING
    corners: Corners = ()


def mistakes(tested: Recorded) -> list[Mistake]:
    """Every mistake, the worst first: those farthest on the wrong side of their label's threshold."""
    said = tested.predictions
    found = list(_of_boxes(tested) if isinstance(said, BoxPredictions) else _of_labels(tested))
    cuts = tested.thresholds
    return sorted(found, key=lambda each: (-abs(each.score - cuts[each.label]), each.image))


def _of_labels(tested: Recorded) -> Iterator[Mistake]:
    said = tested.predictions
    assert not isinstance(said, BoxPredictions)
    found = said.scores >= tested.thresholds
    for image, label in np.argwhere(found != said.truth):
        missed = bool(said.truth[image, label])
        # What was taken for what: the surest wrong answer, or the truth that was missed.
        others = np.where(found[image] & ~said.truth[image], said.scores[image], -1.0)
        if not missed:
            others = np.where(said.truth[image] & ~found[image], 1 - said.scores[image], -1.0)
        instead = int(others.argmax()) if others.max(initial=-1.0) >= 0 else NOTHING
        yield Mistake(int(image), int(label), missed, float(said.scores[image, label]), instead)


def _of_boxes(tested: Recorded) -> Iterator[Mistake]:
    said = tested.predictions
    assert isinstance(said, BoxPredictions)
    for image, (found, truth) in enumerate(zip(said.found, said.truth, strict=True)):
        matched, kept = matches(found, truth), found.scores >= tested.thresholds[found.labels]
        hit = matched[kept & (matched >= 0)]
        wrong, unseen = np.flatnonzero(kept & (matched < 0)), np.setdiff1d(np.arange(len(truth)), hit)
        near = overlaps(found.corners[wrong], truth.corners[unseen])
        for row, at in enumerate(wrong.tolist()):
            instead = _nearest(near[row], truth.labels[unseen])
            label, score = int(found.labels[at]), float(found.scores[at])
            yield Mistake(image, label, False, score, instead, _corners(found, at))
        for column, at in enumerate(unseen.tolist()):
            score = float(found.scores[matched == at].max(initial=0.0))
            instead = _nearest(near[:, column], found.labels[wrong])
            yield Mistake(image, int(truth.labels[at]), True, score, instead, _corners(truth, at))


def _corners(boxes: Boxes, at: int) -> Corners:
    return tuple(boxes.corners[at].tolist())


def _nearest(near: Floats, labels: NDArray[np.int64]) -> int:
    return int(labels[near.argmax()]) if near.max(initial=0.0) >= LEAST_OVERLAP else NOTHING


def confusions(tested: Recorded, found: Sequence[Mistake]) -> dict[tuple[int, int], list[int]]:
    """What was taken for what: (truth, found) -> images, of mistakes the worst first.

    found: all mistakes; a missed label is left to the wrong one in its place, the worst one where there are
    several, so that every true one counts once. NOTHING: none, on either side
    """
    told: dict[tuple[int, int], list[int]] = {}
    for image, label in _right(tested):
        told.setdefault((label, label), []).append(image)
    missing = Counter((each.image, each.label) for each in found if each.missed)
    for each in sorted(found, key=lambda each: each.missed):  # the wrong ones first
        place = (each.image, each.label if each.missed else each.instead)
        true = place[1] if missing[place] > 0 else NOTHING
        missing[place] -= 1
        if (pair := (true, NOTHING if each.missed else each.label)) != (NOTHING, NOTHING):
            told.setdefault(pair, []).append(each.image)
    return told


def _right(tested: Recorded) -> Iterator[tuple[int, int]]:
    """Image and label of everything that was found and is there."""
    said = tested.predictions
    if isinstance(said, BoxPredictions):
        for image, (found, matched) in enumerate(zip(said.found, said.matched, strict=True)):
            kept = (matched >= 0) & (found.scores >= tested.thresholds[found.labels])
            yield from ((image, label) for label in found.labels[kept].tolist())
    else:
        yield from map(tuple, np.argwhere(said.truth & (said.scores >= tested.thresholds)).tolist())


def repairs(counts: Counts, bound: float) -> list[tuple[int, bool]] | None:
    """The fewest mistakes, chosen one by one, whose repair lifts the mean F1 above the bound.

    counts: arrays (labels,)     returns (label, whether it was missed) in the order of their gain; None where
    even a faultless model would not be above the bound
    """
    hits, wrong, missed = (each.astype(np.float64) for each in counts.arrays)
    chosen: list[tuple[int, bool]] = []
    while float(_f1(hits, wrong, missed).mean()) <= bound:
        now = _f1(hits, wrong, missed)
        gains = np.stack(
            [
                np.where(missed > 0, _f1(hits + 1, wrong, missed - 1) - now, -1.0),
                np.where(wrong > 0, _f1(hits, wrong - 1, missed) - now, -1.0),
            ]
        )
        kind, label = divmod(int(gains.argmax()), len(hits))
        if gains[kind, label] < 0:
            return None
        if kind == 0:
            hits[label], missed[label] = hits[label] + 1, missed[label] - 1
        else:
            wrong[label] -= 1
        chosen.append((label, kind == 0))
    return chosen


def _f1(hits: Floats, wrong: Floats, missed: Floats) -> Floats:
    whole = 2 * hits + wrong + missed
    return np.asarray(np.divide(2 * hits, whole, out=np.zeros_like(whole), where=whole > 0))
