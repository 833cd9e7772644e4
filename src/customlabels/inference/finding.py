"""Which labels an answer holds: the rules of DetectCustomLabels on the scores of one image.

Layer: inference. Pure, but for `detect`, which asks a predictor first.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from customlabels.evaluation import Boxes
from customlabels.inference.cards import BOXES
from customlabels.inference.found import Found
from customlabels.inference.predictor import Predictor


def found_labels(
    labels: Sequence[str],
    thresholds: ArrayLike,
    scores: ArrayLike,
    min_confidence: float | None = None,
    max_results: int | None = None,
) -> list[Found]:
    """The labels of an answer, highest confidence first, equals in the order of `labels`.

    thresholds, scores: (labels,) float, 0..1
    min_confidence: 0..100; given, it replaces the thresholds of all labels, and 0 gives every label.
    max_results: how many at most; 0 or None for all.
    """
    confidence, order = _chosen(thresholds, scores, min_confidence, max_results)
    return [Found(labels[at], float(confidence[at])) for at in order]


def found_boxes(
    labels: Sequence[str],
    thresholds: ArrayLike,
    boxes: Boxes,
    min_confidence: float | None = None,
    max_results: int | None = None,
) -> list[Found]:
    """The boxes of an answer, by the rules of `found_labels`; MinConfidence 0 gives every box of the model.

    thresholds: (labels,) float, 0..1
    """
    cuts = np.asarray(thresholds)[boxes.labels]
    confidence, order = _chosen(cuts, boxes.scores, min_confidence, max_results)
    found = []
    for at in order:
        left, top, right, bottom = map(float, boxes.corners[at])
        box = (left, top, right - left, bottom - top)
        found.append(Found(labels[boxes.labels[at]], float(confidence[at]), box))
    return found


def _chosen(
    thresholds: ArrayLike, scores: ArrayLike, min_confidence: float | None, max_results: int | None
) -> tuple[NDArray[np.float32], list[int]]:
    """Confidences of all candidates, and the places of those that are answered, in order."""
    share = np.asarray(scores, dtype=np.float32)
    confidence = share * np.float32(100)
    if min_confidence is None:
        # In float64: the same comparison as evaluation's, so that served and measured decisions are one.
        kept = share.astype(np.float64) >= np.asarray(thresholds, dtype=np.float64)
    else:
        kept = confidence >= np.float32(min_confidence)  # a confidence that we gave finds its label again
    order = [int(at) for at in np.argsort(-confidence, kind="stable") if kept[at]]
    return confidence, order[: max_results or None]


def detect(
    predictor: Predictor, image: bytes, min_confidence: float | None = None, max_results: int | None = None
) -> list[Found]:
    """Labels or boxes found in an image file; rules of `found_labels`, errors of `Predictor.scores`."""
    if predictor.card.kind == BOXES:
        (boxes,) = predictor.boxes([image])
        return found_boxes(predictor.labels, predictor.thresholds, boxes, min_confidence, max_results)
    (scores,) = predictor.scores([image])
    return found_labels(predictor.labels, predictor.thresholds, scores, min_confidence, max_results)
