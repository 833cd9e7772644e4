"""Evaluations read back from their documents, ours and in the form of AWS's."""

import json
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from tests.evaluation.test_boxes import predictions as some_boxes

from customlabels.errors import InvalidInput
from customlabels.evaluation import (
    OUT_OF_FOLD,
    BoxPredictions,
    Predictions,
    box_line,
    evaluate,
    evaluate_test_tuned,
    prediction_line,
    read_recorded,
    summary,
)
from customlabels.evaluation.evaluations import TEST_TUNED

ENDED = datetime(2026, 1, 1, tzinfo=UTC)
CUTS = np.array([0.5, 0.45, 0.6])


def guesses(seed: int = 0, images: int = 60) -> Predictions:
    dice = np.random.default_rng(seed)
    truth = dice.random((images, 3)) < 0.4
    scores = np.clip(np.where(truth, 0.6, 0.35) + dice.normal(0, 0.2, truth.shape), 0, 1).astype(np.float32)
    return Predictions(["cat", "dog", "eel"], scores, truth)


def documents(predictions: Predictions, ours: bool = True) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Summary and lines as they are read from JSON; without our own key where they are to be AWS's."""
    honest = evaluate(predictions, CUTS, OUT_OF_FOLD, seed=0)
    told = summary(honest, evaluate_test_tuned(predictions, 0), "arn", ENDED, 9)
    if not ours:
        del told["CustomLabels"]
    lines = [
        prediction_line(predictions, row, f"s3://b/{row}.png", CUTS, ENDED)
        for row in range(len(predictions.truth))
    ]
    parsed: tuple[dict[str, Any], list[dict[str, Any]]] = json.loads(json.dumps([told, lines]))
    return parsed[0], parsed[1]


def test_an_evaluation_of_labels_is_the_same_when_it_is_read_back() -> None:
    predictions = guesses()

    again = read_recorded(*documents(predictions))

    assert again.evaluation(seed=0) == evaluate(predictions, CUTS, OUT_OF_FOLD, seed=0)
    assert again.source_refs[:2] == ["s3://b/0.png", "s3://b/1.png"]


def test_the_documents_of_aws_are_read_as_test_tuned() -> None:
    again = read_recorded(*documents(guesses(), ours=False))

    assert again.protocol == TEST_TUNED
    assert again.evaluation().f1 == float(guesses().counted(CUTS).of_all_images.macro_f1)


@given(some_boxes)
def test_an_evaluation_of_boxes_has_the_same_counts_when_it_is_read_back(given: BoxPredictions) -> None:
    cuts = np.array([0.5, 0.5])
    before = evaluate(given, cuts, OUT_OF_FOLD, seed=0, resamples=20)
    told = summary(before, evaluate_test_tuned(given, 0, 20), "arn", ENDED, 9)
    lines = [
        box_line(given, row, f"s3://b/{row}", (200, 160), cuts, ENDED) for row in range(len(given.found))
    ]

    again = read_recorded(*json.loads(json.dumps([told, lines]))).evaluation(resamples=20)

    for one, other in zip(again.by_label, before.by_label, strict=True):
        counted = ("images", "true_positives", "false_positives", "false_negatives", "f1")
        assert [getattr(one, name) for name in counted] == [getattr(other, name) for name in counted]
    assert again.average_recall == before.average_recall


def test_the_digest_is_of_images_and_their_truth_alone() -> None:
    told, lines = documents(guesses())
    other = Predictions(guesses().labels, 1 - guesses().scores, guesses().truth)
    wrong = Predictions(guesses().labels, guesses().scores, ~guesses().truth)

    digest = read_recorded(told, lines).digest

    assert read_recorded(told, lines[::-1]).digest == digest
    assert read_recorded(*documents(other)).digest == digest
    assert read_recorded(*documents(wrong)).digest != digest
    assert read_recorded(told, lines[1:]).digest != digest


@pytest.mark.parametrize("change", ["summary", "lines"])
def test_other_documents_are_refused_by_name(change: str) -> None:
    told, lines = documents(guesses())

    with pytest.raises(InvalidInput, match="not an evaluation summary and its testing output"):
        read_recorded({} if change == "summary" else told, [{}] if change == "lines" else lines)
