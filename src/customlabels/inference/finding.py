"""Which labels an answer holds: the rules of DetectCustomLabels on the scores of one image.

Layer: inference. Pure, but for `detect`, which asks a predictor first.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from customlabels.inference.predictor import Predictor

__all__ = ["Found", "detect", "found_labels"]


@dataclass(frozen=True)
class Found:
    """A label in an image; confidence is a percentage, 0 to 100, exactly a float32."""

    name: str
    confidence: float


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
    share = np.asarray(scores, dtype=np.float32)
    confidence = share * np.float32(100)
    if min_confidence is None:
        # In float64: the same comparison as evaluation's, so that served and measured decisions are one.
        kept = share.astype(np.float64) >= np.asarray(thresholds, dtype=np.float64)
    else:
        kept = confidence >= np.float32(min_confidence)  # a confidence that we gave finds its label again
    order = [at for at in np.argsort(-confidence, kind="stable") if kept[at]]
    return [Found(labels[at], float(confidence[at])) for at in order[: max_results or None]]


def detect(
    predictor: Predictor, image: bytes, min_confidence: float | None = None, max_results: int | None = None
) -> list[Found]:
    """Labels found in an image file; rules of `found_labels`, errors of `Predictor.scores`."""
    (scores,) = predictor.scores([image])
    return found_labels(predictor.labels, predictor.thresholds, scores, min_confidence, max_results)
