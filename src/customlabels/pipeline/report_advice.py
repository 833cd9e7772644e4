"""What to do about a model: labels that are probably wrong, and what would have to be right for it to pass.

Pure: parts of a run's report as JSON objects.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from customlabels.evaluation import (
    NOTHING,
    Boxes,
    BoxPredictions,
    Evaluation,
    Mistake,
    Predictions,
    Suspect,
    repairs,
    suspects,
)
from customlabels.pipeline.report_evidence import Evidence

SUSPECTS, NEEDS = 24, 12
EARLY_IMAGES = 4.0  # times as many: more than this are not asked for
WEAK = 0.5  # mean F1 on held-out images: who knows less should not doubt others


def suspected(training: Mapping[str, Any]) -> tuple[list[str], list[Suspect]]:
    """The images that something spoke of which had not learned from them, and what is doubted of these.

    training: the training's record
    """
    labels, single = training["Labels"], training["Kind"] == "single-label"
    kept = [*training["OutOfFold"]["Kept"], *training.get("LeftOut", {}).get("Kept", ())]
    said: Predictions | BoxPredictions
    if training["Kind"] == "boxes":
        found, true = ([_read_boxes(each[side]) for each in kept] for side in ("Found", "Truth"))
        said = BoxPredictions(labels, found, true)
    else:
        truth = np.zeros((len(kept), len(labels)), dtype=bool)
        for row, each in enumerate(kept):
            truth[row, each["Truth"]] = True
        scores = np.array([each["Scores"] for each in kept], dtype=np.float64).reshape(-1, len(labels))
        said = Predictions(labels, scores, truth)
    return [each["Image"] for each in kept], suspects(said, single=single)


def doubtful(training: Mapping[str, Any]) -> dict[str, Any]:
    """Probable label errors among the training images; empty where nobody can tell."""
    if not training or training["Metrics"]["validation"]["f1"] < WEAK:
        return {}
    images, doubted = suspected(training)
    names = [*training["Labels"], None]  # NOTHING is the last one
    return {
        "Examined": len(images),
        "Of": training["Training"]["training_images"],
        "Count": len(doubted),
        "ByLabel": dict(Counter(names[each.given] or names[each.likely] for each in doubted)),
        "Suspects": [
            {"Image": images[each.image], "Doubt": round(each.doubt, 4)}
            | {"Given": names[each.given], "Likely": names[each.likely]}
            | ({"Box": [round(side, 4) for side in each.corners]} if each.corners else {})
            for each in doubted[:SUSPECTS]
        ],
    }


def _read_boxes(told: Sequence[Sequence[float]]) -> Boxes:
    rows = np.array(told, dtype=np.float64).reshape(-1, 6)
    return Boxes(rows[:, 0].astype(np.int64), rows[:, 2:], rows[:, 1])


def ways_to_pass(
    found: Evidence, evaluation: Evaluation, wrong: Sequence[Mistake], doubts: Mapping[str, Any]
) -> dict[str, Any]:
    """What would have to be right for the F1 score to pass, and what each weak label lacks."""
    bound = found.decision.get("F1Threshold")
    if bound is None:
        return {}
    told: dict[str, Any] = {"Bound": bound, "Mistakes": len(wrong)}
    chosen = repairs(evaluation.counts, float(bound))
    if chosen is None:
        return told | {"Repairs": None}
    fixed, images = Counter(chosen), found.training_images
    typical = int(np.median(list(images.values()))) if images else 0
    needs = []
    for label in dict.fromkeys(at for at, _missed in chosen):
        figures, missed, surplus = evaluation.by_label[label], fixed[label, True], fixed[label, False]
        others = Counter(
            evaluation.labels[each.instead]
            for each in wrong
            if each.label == label and each.instead != NOTHING
        )
        mistakes, mine = figures.false_negatives + figures.false_positives, images.get(figures.label)
        needs.append(
            {
                "Label": figures.label,
                "Missed": missed,
                "Wrong": surplus,
                "Lacks": "recall" if figures.recall <= figures.precision else "precision",
                "ConfusedWith": [other for other, _ in others.most_common(3)],
                "Suspects": doubts.get("ByLabel", {}).get(figures.label, 0),
                "TrainingImages": mine,
                "Typical": typical,
                "MoreImages": _more_images(mine, mistakes, missed + surplus),
            }
        )
    return told | {"Repairs": len(chosen), "Needs": needs[:NEEDS], "MoreNeeds": max(0, len(needs) - NEEDS)}


def _more_images(images: int | None, mistakes_now: int, repaired: int) -> int | None:
    """Training images to add, if mistakes fall with the root of their number; None: will not do."""
    left = mistakes_now - repaired
    if not images or left <= 0 or (mistakes_now / left) ** 2 > EARLY_IMAGES:
        return None
    return int(np.ceil(images * ((mistakes_now / left) ** 2 - 1)))
