"""Evaluations in the service's words: the evaluation summary, and the lines of the testing output.

Layer: evaluation. Wire names stand here because these two are files of the service that clients read.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from customlabels.evaluation.counting import Floats
from customlabels.evaluation.evaluations import Evaluation, LabelFigures, Predictions

__all__ = ["prediction_line", "summary"]

TRAINING_JOB = "rekognition-custom-labels-training-job"
EVALUATION_JOB = "rekognition-custom-labels-evaluation-job"


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
        "AggregatedEvaluationResults": {**_means(honest), "ConfusionMatrix": list(_cells(honest))},
        "LabelEvaluationResults": [_label_results(figures) for figures in best_first],
        "CustomLabels": {
            **_provenance(honest),
            "LabelsWithoutTestImages": [each.label for each in honest.by_label if each.images == 0],
            "LabelCounts": {each.label: _counts(each) for each in honest.by_label},
            "TestTuned": {
                **_means(tuned),
                **_provenance(tuned),
                "Thresholds": dict(zip(tuned.labels, tuned.thresholds, strict=True)),
            },
        },
    }


def _means(evaluation: Evaluation) -> dict[str, float]:
    return {"Precision": evaluation.precision, "Recall": evaluation.recall, "F1Score": evaluation.f1}


def _cells(evaluation: Evaluation) -> Iterator[dict[str, Any]]:
    for truth, row in zip(evaluation.labels, evaluation.confusion, strict=True):
        for found, share in zip(evaluation.labels, row, strict=True):
            yield {"GroundTruthLabel": truth, "PredictedLabel": found, "Value": share}


def _label_results(figures: LabelFigures) -> dict[str, Any]:
    return {
        "Label": figures.label,
        "NumberOfTestingImages": figures.images,
        "Metrics": {
            "Precision": figures.precision,
            "Recall": figures.recall,
            "F1Score": figures.f1,
            "Threshold": figures.threshold,
        },
    }


def _provenance(evaluation: Evaluation) -> dict[str, Any]:
    interval = evaluation.f1_interval
    return {
        "Split": evaluation.split,
        "Protocol": evaluation.protocol,
        "F1ScoreInterval": {"Low": interval.low, "High": interval.high, "Level": interval.level},
        "PooledF1Score": evaluation.pooled_f1,
    }


def _counts(figures: LabelFigures) -> dict[str, int]:
    return {
        "TruePositives": figures.true_positives,
        "FalsePositives": figures.false_positives,
        "FalseNegatives": figures.false_negatives,
        "TrueNegatives": figures.true_negatives,
    }


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
