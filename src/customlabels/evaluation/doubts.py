"""Which labels are probably wrong, by what was said of images that were not learned from.

Layer: evaluation. Confident learning (Northcutt, Jiang, Chuang: JAIR 70, 2021): a label is suspected where
another one is said with more confidence than that other label has on average where it is right. Of boxes the
same, where the data mostly agrees with that label's boxes; a box beside a true one of its label that was not
found; a box on nothing, with a score that only a quarter of the right ones have; and true boxes where nothing
at all was seen. A suspect is to be looked at, not to be changed unseen.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from customlabels.evaluation.boxes import LEAST_OVERLAP, BoxPredictions, overlaps
from customlabels.evaluation.counting import Floats
from customlabels.evaluation.evaluations import Predictions

NOTHING = -1  # no label
SURE = 0.75  # of several labels each has a score of its own; a weak model's are all near a half
TRUSTED = 0.8  # share of a label's surest boxes that agree with the data, else it contradicts nothing
UNSEEN_OVERLAP = 0.1  # of a true box with all that was found: less is "nothing was seen there"


@dataclass(frozen=True)
class Suspect:
    """A label that is probably wrong.

    image: row of the predictions     given: label of the data, NOTHING: none is there
    likely: what it should be, NOTHING: it should not be there, as given: its box should be elsewhere
    doubt: 0..1, how sure that is
    corners: of boxes: left, top, right, bottom of the box in question, as shares of the image's sides
    """

    image: int
    given: int
    likely: int
    doubt: float
    corners: tuple[float, ...] = ()


def suspects(predictions: Predictions | BoxPredictions, *, single: bool) -> list[Suspect]:
    """Everything suspected, the most doubtful first. single: an image has exactly one label"""
    if isinstance(predictions, BoxPredictions):
        found = list(_of_boxes(predictions))
    else:
        found = list((_of_one_label if single else _of_several)(predictions))
    return sorted(found, key=lambda suspect: (-suspect.doubt, suspect.image))


def _means(scores: Floats, where: NDArray[np.bool_]) -> Floats:
    """(labels,) the mean score of each label where it is right; infinite where it is nowhere."""
    count = where.sum(axis=0)
    told = np.where(where, scores, 0.0).sum(axis=0)
    return np.asarray(np.divide(told, count, out=np.full(len(count), np.inf), where=count > 0))


def _of_one_label(predictions: Predictions) -> Iterator[Suspect]:
    """As many of each pair (given, likely) as are estimated to be swapped, those with the largest margin."""
    known = predictions.truth.any(axis=1)
    scores, given = predictions.scores, predictions.truth.argmax(axis=1)
    confident = np.where(scores >= _means(scores, predictions.truth), scores, -1.0)
    likely, counted = confident.argmax(axis=1), known & (confident.max(axis=1) >= 0)
    swapped = np.zeros((len(predictions.labels),) * 2)
    np.add.at(swapped, (given[counted], likely[counted]), 1)
    # Images of which nothing is said with confidence are taken to be like the others of their label.
    share = np.divide(swapped, rows := swapped.sum(axis=1, keepdims=True), out=swapped * 0, where=rows > 0)
    doubted: dict[int, tuple[float, int]] = {}
    for label, other in np.argwhere(share * (1 - np.eye(len(share))) > 0):
        images = np.flatnonzero(known & (given == label) & (scores.argmax(axis=1) != label))
        margins = scores[images, other] - scores[images, label]
        most = round(share[label, other] * np.count_nonzero(known & (given == label)))
        for at in np.argsort(-margins, kind="stable")[:most]:
            doubt = float((1 + margins[at]) / 2)
            doubted[images[at]] = max(doubted.get(images[at], (0.0, 0)), (doubt, int(other)))
    for image, (doubt, other) in doubted.items():
        yield Suspect(int(image), int(given[image]), other, doubt)


def _of_several(predictions: Predictions) -> Iterator[Suspect]:
    scores, truth = predictions.scores, predictions.truth
    missing = ~truth & (scores >= _means(scores, truth)) & (scores > SURE)
    surplus = truth & (1 - scores >= _means(1 - scores, ~truth)) & (1 - scores > SURE)
    for image, label in np.argwhere(missing):
        yield Suspect(int(image), NOTHING, int(label), float(scores[image, label]))
    for image, label in np.argwhere(surplus):
        yield Suspect(int(image), int(label), NOTHING, float(1 - scores[image, label]))


def _of_boxes(predictions: BoxPredictions) -> Iterator[Suspect]:
    right = [label.scores[label.hits] for label in predictions.candidates]
    usual = np.array([scores.mean() if len(scores) else np.inf for scores in right])
    high = [float(np.quantile(scores, SURE)) if len(scores) else np.inf for scores in right]
    trusted = _trusted(predictions, usual)
    for image, (found, truth) in enumerate(zip(predictions.found, predictions.truth, strict=True)):
        shared, matched = overlaps(found.corners, truth.corners), predictions.matched[image]
        best = shared.max(axis=1, initial=0.0)
        unfound = np.isin(np.arange(len(truth)), matched, invert=True)
        for at in np.flatnonzero((matched < 0) & (found.scores >= usual[found.labels])):
            label, score = int(found.labels[at]), float(found.scores[at])
            if best[at] >= LEAST_OVERLAP:
                given = int(truth.labels[shared[at].argmax()])
                told = given != label and trusted[label]  # else a second box for the same thing
            else:
                beside = unfound & (truth.labels == label) & (shared[at] >= UNSEEN_OVERLAP)
                given, told = (label, True) if beside.any() else (NOTHING, score >= high[label])
            if told:
                yield Suspect(image, given, label, score, tuple(found.corners[at].tolist()))
        for at in np.flatnonzero(shared.max(axis=0, initial=0.0) < UNSEEN_OVERLAP):
            if np.isfinite(score := float(usual[truth.labels[at]])):
                box = tuple(truth.corners[at].tolist())
                yield Suspect(image, int(truth.labels[at]), NOTHING, score, box)


def _trusted(predictions: BoxPredictions, usual: Floats) -> NDArray[np.bool_]:
    """(labels,) whether nearly all boxes that were found with confidence on something say what it is."""
    said, agreed = np.zeros(len(predictions.labels)), np.zeros(len(predictions.labels))
    for found, truth in zip(predictions.found, predictions.truth, strict=True):
        shared = overlaps(found.corners, truth.corners)
        on_something = shared.max(axis=1, initial=0.0) >= LEAST_OVERLAP
        sure = np.flatnonzero(on_something & (found.scores >= usual[found.labels]))
        labels = found.labels[sure]
        np.add.at(said, labels, 1)
        np.add.at(agreed, labels, truth.labels[shared[sure].argmax(axis=1)] == labels if len(sure) else 0)
    return agreed >= TRUSTED * np.maximum(said, 1)
