"""Evaluations in the service's words: the evaluation summary, and the lines of the testing output.

Layer: evaluation. Wire names stand here because these two are files of the service that clients read.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from customlabels.evaluation.boxes import Boxes, BoxPredictions
from customlabels.evaluation.counting import Floats
from customlabels.evaluation.evaluations import Evaluation, LabelFigures, Predictions

TRAINING_JOB = "rekognition-custom-labels-training-job"
EVALUATION_JOB = "rekognition-custom-labels-evaluation-job"
FIGURES = {"Precision": "precision", "Recall": "recall", "F1Score": "f1"}  # as the service names ours


def summary(
    honest: Evaluation, tuned: Evaluation, version_arn: str, ended: datetime, training_images: int
) -> dict[str, Any]:
    """The evaluation summary as a JSON object.

    honest: with out-of-fold thresholds; all figures at the service's places are its
    tuned: with test-tuned thresholds, what the service would have said; under `CustomLabels`
    """
    best_first = sorted(honest.by_label, key=lambda figures: -figures.f1)
    return {
        "Version": 1,
        "EvaluationDetails": {
            "EvaluationEndTimestamp": _timestamp(ended),
            "Labels": list(honest.labels),
            "NumberOfTrainingImages": training_images,
            "NumberOfTestingImages": honest.images,
            "ProjectVersionArn": version_arn,
        },
        "AggregatedEvaluationResults": _means(honest)
        | ({"ConfusionMatrix": list(_cells(honest))} if honest.confusion else {}),
        "LabelEvaluationResults": [_label_results(figures) for figures in best_first],
        "CustomLabels": {
            **_provenance(honest),
            "LabelsWithoutTestImages": [each.label for each in honest.by_label if each.images == 0],
            "LabelCounts": {each.label: _counts(each, honest) for each in honest.by_label},
            "LabelIntervals": {each.label: _intervals(each) for each in honest.by_label},
            "LabelAveragePrecision": {each.label: each.average_precision for each in honest.by_label},
            "TestTuned": {
                **_means(tuned),
                **_provenance(tuned),
                "Thresholds": dict(zip(tuned.labels, tuned.thresholds, strict=True)),
            },
        },
    }


def _means(evaluation: Evaluation) -> dict[str, float]:
    means = {name: float(getattr(evaluation, figure)) for name, figure in FIGURES.items()}
    further = {"AveragePrecision": evaluation.average_precision, "AverageRecall": evaluation.average_recall}
    return means | {name: value for name, value in further.items() if value is not None}


def _cells(evaluation: Evaluation) -> Iterator[dict[str, Any]]:
    for truth, row in zip(evaluation.labels, evaluation.confusion, strict=True):
        for found, share in zip(evaluation.labels, row, strict=True):
            yield {"GroundTruthLabel": truth, "PredictedLabel": found, "Value": share}


def _label_results(figures: LabelFigures) -> dict[str, Any]:
    return {
        "Label": figures.label,
        "NumberOfTestingImages": figures.images,
        "Metrics": {name: getattr(figures, figure) for name, figure in FIGURES.items()}
        | {"Threshold": figures.threshold},
    }


def _provenance(evaluation: Evaluation) -> dict[str, Any]:
    interval = evaluation.f1_interval
    return {
        "Split": evaluation.split,
        "Protocol": evaluation.protocol,
        "F1ScoreInterval": {"Low": interval.low, "High": interval.high, "Level": interval.level},
        "PooledF1Score": evaluation.pooled_f1,
    }


def _counts(figures: LabelFigures, evaluation: Evaluation) -> dict[str, int]:
    """Of images, or of boxes: then nobody can count what was rightly not found."""
    hits, wrong, missed = figures.true_positives, figures.false_positives, figures.false_negatives
    counts = {"TruePositives": hits, "FalsePositives": wrong, "FalseNegatives": missed}
    return counts | (
        {"TrueNegatives": evaluation.images - hits - wrong - missed} if evaluation.confusion else {}
    )


def _intervals(figures: LabelFigures) -> dict[str, list[float]]:
    """Low and high of each figure, at the level that `F1ScoreInterval` says."""
    told = {name: getattr(figures, f"{figure}_interval") for name, figure in FIGURES.items()}
    return {name: [interval.low, interval.high] for name, interval in told.items()}


def prediction_line(
    predictions: Predictions, image: int, source_ref: str, thresholds: Floats, created: datetime
) -> dict[str, Any]:
    """One line of the testing output: an image's labels under new keys, and a pair of keys for each score.

    image: row in `predictions`, from 0     thresholds: (labels,) float, 0..1
    """
    scores, truth = predictions.scores[image], predictions.truth[image]
    carried = [label for label, present in zip(predictions.labels, truth, strict=True) if present]
    line: dict[str, Any] = {"source-ref": source_ref, "rekognition-custom-labels-object-id": image + 1}
    for number, label in enumerate(carried):
        key = f"rekognition-custom-labels-training-{number}"
        line[key] = 1
        line[f"{key}-metadata"] = _metadata(label, 1.0, TRAINING_JOB, "yes", created)
    for number, label in enumerate(predictions.labels):
        key = f"rekognition-custom-labels-evaluation-{number}"
        found, present = bool(scores[number] >= thresholds[number]), bool(truth[number])
        line[key] = int(found)
        line[f"{key}-metadata"] = {
            **_metadata(label, float(scores[number]), EVALUATION_JOB, "no", created),
            "rekognition-custom-labels-evaluation-details": _details(found, present),
        }
    return line


def box_line(
    predictions: BoxPredictions,
    image: int,
    source_ref: str,
    size: tuple[int, int],
    thresholds: Floats,
    created: datetime,
) -> dict[str, Any]:
    """One line of the testing output for a model that finds boxes.

    Every true box stands there once, found or missed, and every box that was found wrongly; a box below its
    threshold that finds nothing is left out. So the summary can be counted again from these lines.
    size: of the image, width and height in pixels     thresholds: (labels,) float, 0..1
    """
    found, truth, matched = predictions.found[image], predictions.truth[image], predictions.matched[image]
    key, job = "rekognition-custom-labels-training-0", "rekognition-custom-labels-evaluation"
    line: dict[str, Any] = {"source-ref": source_ref, "rekognition-custom-labels-object-id": image + 1}
    line[key] = _boxes(truth, size)
    line[f"{key}-metadata"] = _boxes_metadata(truth, predictions.labels, TRAINING_JOB, "yes", created)
    kept = found.scores >= thresholds[found.labels]
    listed = np.flatnonzero(kept | (matched >= 0))
    unseen = np.setdiff1d(np.arange(len(truth)), matched)
    missed = Boxes(truth.labels[unseen], truth.corners[unseen], np.zeros(len(unseen)))
    shown = Boxes(
        *(np.concatenate([getattr(found, name)[listed], getattr(missed, name)]) for name in vars(found))
    )
    line[job] = _boxes(shown, size)
    line[f"{job}-metadata"] = _boxes_metadata(shown, predictions.labels, EVALUATION_JOB, "no", created)
    outcomes = [(bool(kept[at]), bool(matched[at] >= 0)) for at in listed] + [(False, True)] * len(unseen)
    for item, outcome in zip(line[f"{job}-metadata"]["objects"], outcomes, strict=True):
        item["rekognition-custom-labels-evaluation-details"] = _details(*outcome)
    return line


def _boxes(boxes: Boxes, size: tuple[int, int]) -> dict[str, Any]:
    scale = np.array([*size, *size])
    annotations = []
    for label, (left, top, right, bottom) in zip(boxes.labels, boxes.corners * scale, strict=True):
        sides = {"left": left, "top": top, "width": right - left, "height": bottom - top}
        annotations.append(
            {"class_id": int(label), **{name: round(float(side), 2) for name, side in sides.items()}}
        )
    return {"image_size": [{"width": size[0], "height": size[1], "depth": 3}], "annotations": annotations}


def _boxes_metadata(
    boxes: Boxes, labels: Sequence[str], job: str, by_human: str, created: datetime
) -> dict[str, Any]:
    return {
        "objects": [{"confidence": float(score)} for score in boxes.scores],
        "class-map": {str(number): label for number, label in enumerate(labels)},
        "job-name": job,
        "human-annotated": by_human,
        "creation-date": _timestamp(created),
        "type": "groundtruth/object-detection",
    }


def _metadata(label: str, confidence: float, job: str, by_human: str, created: datetime) -> dict[str, Any]:
    return {
        "confidence": confidence,
        "job-name": job,
        "class-name": label,
        "human-annotated": by_human,
        "creation-date": _timestamp(created),
        "type": "groundtruth/image-classification",
    }


def _details(found: bool, present: bool) -> dict[str, Any]:
    return {
        "version": 1,
        "ground-truth-labelling-jobs": [TRAINING_JOB],
        "is-true-positive": found and present,
        "is-true-negative": not found and not present,
        "is-false-positive": found and not present,
        "is-false-negative": not found and present,
        "is-present-in-ground-truth": present,
    }


def _timestamp(moment: datetime) -> str:
    """As the service writes it: microseconds and no zone, meaning UTC; `moment` carries its zone."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
