"""What a training knows and the service's documents do not say: kept beside them, for the report.

Layer: training; no torch. One JSON object, `TrainingRecord-<project>-<version>.json`: how the model was
made, its curves, which images are copies of others, and what was said of images by what had not learned from
them: of those held out by the net, of the others by what needs no net. It is bounded: of a large set, evenly
chosen images stand for all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from customlabels.evaluation import Boxes, BoxPredictions, Predictions
from customlabels.inference import ModelCard
from customlabels.training.material import Material
from customlabels.training.pictures import evenly

MOST_SCORES = 200_000  # numbers; about 1.4 MB
MOST_BOXES = 10_000  # found boxes; about 1 MB
LEAST_SCORE = 0.05  # of a found box that is kept
MOST_COPIES = 200
DIGITS = 4


Said = tuple[NDArray[np.int64], Predictions | BoxPredictions]  # places of training images, what was said


def training_record(
    card: ModelCard, material: Material, held_out: Said, left_out: Said | None
) -> dict[str, Any]:
    """The object. left_out: what needs no net, of further images"""
    told = {"OutOfFold": _kept(material, held_out)}
    if left_out is not None:
        told["LeftOut"] = _kept(material, left_out)
    return told | {
        "Version": 1,
        "Kind": card.kind,
        "Labels": list(card.labels),
        "Thresholds": list(card.thresholds),
        "Environment": dict(card.environment),
        "Digests": dict(card.digests),
        "Metrics": dict(card.metrics),
        "Training": dict(card.card),
        "TrainingImages": dict(zip(card.labels, material.training.carried.sum(axis=0).tolist(), strict=True)),
        "Copies": [*material.copies.leaked, *material.copies.within][:MOST_COPIES],
    }


def _kept(material: Material, said: Said) -> dict[str, Any]:
    places, predictions = said
    references = [material.training.entries[place].source_ref for place in places]
    if isinstance(predictions, Predictions):
        chosen = evenly(len(references), MOST_SCORES // len(predictions.labels))
        images = [
            {"Image": references[at], "Truth": np.flatnonzero(predictions.truth[at]).tolist()}
            | {"Scores": predictions.scores[at].round(DIGITS).tolist()}
            for at in chosen
        ]
    else:
        kept = [np.flatnonzero(boxes.scores >= LEAST_SCORE) for boxes in predictions.found]
        mean = max(1.0, sum(map(len, kept)) / max(1, len(kept)))
        chosen = evenly(len(references), int(MOST_BOXES / mean))
        images = [
            {"Image": references[at], "Truth": _told(predictions.truth[at], None)}
            | {"Found": _told(predictions.found[at], kept[at].tolist())}
            for at in chosen
        ]
    return {"Split": predictions.split, "Images": len(references), "Kept": images}


def _told(boxes: Boxes, places: Sequence[int] | None) -> list[list[float]]:
    """label, score, left, top, right, bottom of each box; sides as shares of the image's."""
    return [
        [
            int(boxes.labels[at]),
            round(float(boxes.scores[at]), DIGITS),
            *boxes.corners[at].clip(0, 1).round(DIGITS).tolist(),
        ]
        for at in (range(len(boxes)) if places is None else places)
    ]
