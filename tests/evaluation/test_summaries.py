"""The two files of the service."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest

from customlabels.evaluation import (
    OUT_OF_FOLD,
    Predictions,
    count,
    evaluate,
    evaluate_test_tuned,
    prediction_line,
    summary,
)

ARN = "arn:aws:rekognition:eu-west-1:123456789012:project/p/version/v/1"
ENDED = datetime(2026, 3, 1, 12, 30, 5, 910943, UTC)
THRESHOLDS = np.array([0.5, 0.6, 0.5])
PREDICTIONS = Predictions(
    ("cat", "dog", "eel"),
    np.array([[0.9, 0.1, 0.0], [0.4, 0.6, 0.0], [0.3, 0.55, 0.2], [0.55, 0.7, 0.0]], dtype=np.float32),
    np.array([[1, 0, 0], [0, 1, 0], [0, 1, 0], [1, 0, 0]], dtype=bool),
)


@pytest.fixture
def written() -> dict[str, Any]:
    honest = evaluate(PREDICTIONS, THRESHOLDS, OUT_OF_FOLD, seed=1)
    value = summary(honest, evaluate_test_tuned(PREDICTIONS, seed=1), ARN, ENDED, training_images=16)
    parsed: dict[str, Any] = json.loads(json.dumps(value, allow_nan=False))
    return parsed


def test_the_summary_has_the_members_of_the_service_at_their_places(written: dict[str, Any]) -> None:
    assert written["Version"] == 1
    assert written["EvaluationDetails"] == {
        "EvaluationEndTimestamp": "2026-03-01T12:30:05.910943",
        "Labels": ["cat", "dog", "eel"],
        "NumberOfTrainingImages": 16,
        "NumberOfTestingImages": 4,
        "ProjectVersionArn": ARN,
    }
    aggregated = written["AggregatedEvaluationResults"]
    assert sorted(aggregated) == ["ConfusionMatrix", "F1Score", "Precision", "Recall"]
    assert len(aggregated["ConfusionMatrix"]) == 9
    assert aggregated["ConfusionMatrix"][1] == {
        "GroundTruthLabel": "cat",
        "PredictedLabel": "dog",
        "Value": 0.5,
    }


def test_labels_come_best_first_with_their_thresholds(written: dict[str, Any]) -> None:
    results = written["LabelEvaluationResults"]

    assert [result["Label"] for result in results] == ["cat", "dog", "eel"]
    assert results[0] == {
        "Label": "cat",
        "NumberOfTestingImages": 2,
        "Metrics": {"Precision": 1.0, "Recall": 1.0, "F1Score": 1.0, "Threshold": 0.5},
    }
    assert [result["Metrics"]["F1Score"] for result in results] == [1.0, 0.5, 0.0]


def test_our_own_key_says_protocol_interval_and_the_test_tuned_figure(written: dict[str, Any]) -> None:
    ours = written["CustomLabels"]

    assert (ours["Split"], ours["Protocol"]) == ("test", "out-of-fold thresholds")
    assert ours["LabelsWithoutTestImages"] == ["eel"]
    assert ours["F1ScoreInterval"]["Low"] <= written["AggregatedEvaluationResults"]["F1Score"]
    assert ours["TestTuned"]["Protocol"] == "test-tuned thresholds"
    assert ours["TestTuned"]["F1Score"] >= written["AggregatedEvaluationResults"]["F1Score"]
    assert ours["TestTuned"]["Thresholds"]["eel"] == 0.5


def test_the_summary_follows_from_the_testing_output(written: dict[str, Any]) -> None:
    """What users of the service missed: whoever counts the lines comes to the figures of the summary."""
    lines = [prediction_line(PREDICTIONS, row, f"s3://b/{row}.jpg", THRESHOLDS, ENDED) for row in range(4)]
    found = [[line[f"rekognition-custom-labels-evaluation-{n}"] for n in range(3)] for line in lines]

    counts = count(np.array(found, dtype=float), PREDICTIONS.truth, np.ones(3))

    assert written["AggregatedEvaluationResults"]["F1Score"] == pytest.approx(float(counts.macro_f1))


def test_a_line_holds_the_truth_and_one_pair_for_each_label() -> None:
    line = prediction_line(PREDICTIONS, 2, "s3://b/k.jpg", THRESHOLDS, ENDED)

    assert line["source-ref"] == "s3://b/k.jpg"
    assert line["rekognition-custom-labels-object-id"] == 3
    assert line["rekognition-custom-labels-training-0-metadata"] == {
        "confidence": 1.0,
        "job-name": "rekognition-custom-labels-training-job",
        "class-name": "dog",
        "human-annotated": "yes",
        "creation-date": "2026-03-01T12:30:05.910943",
        "type": "groundtruth/image-classification",
    }
    dog = line["rekognition-custom-labels-evaluation-1-metadata"]
    assert (dog["class-name"], dog["human-annotated"]) == ("dog", "no")
    assert dog["confidence"] == pytest.approx(0.55)
    assert dog["rekognition-custom-labels-evaluation-details"] == {
        "version": 1,
        "ground-truth-labelling-jobs": ["rekognition-custom-labels-training-job"],
        "is-true-positive": False,
        "is-true-negative": False,
        "is-false-positive": False,
        "is-false-negative": True,
        "is-present-in-ground-truth": True,
    }
    json.dumps(line)


@pytest.mark.parametrize("row", range(4))
def test_exactly_one_of_the_four_outcomes_is_true(row: int) -> None:
    line = prediction_line(PREDICTIONS, row, "s3://b/k.jpg", THRESHOLDS, ENDED)

    for number in range(3):
        metadata = line[f"rekognition-custom-labels-evaluation-{number}-metadata"]
        details = metadata["rekognition-custom-labels-evaluation-details"]
        outcomes = [details[f"is-{kind}"] for kind in ("true-positive", "true-negative")]
        outcomes += [details[f"is-{kind}"] for kind in ("false-positive", "false-negative")]
        assert outcomes.count(True) == 1


def test_times_of_any_zone_are_written_in_utc() -> None:
    there = ENDED.astimezone(timezone(timedelta(hours=2)))

    line = prediction_line(PREDICTIONS, 0, "s3://b/k.jpg", THRESHOLDS, there)

    created = line["rekognition-custom-labels-training-0-metadata"]["creation-date"]
    assert created == "2026-03-01T12:30:05.910943"
