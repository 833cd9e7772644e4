"""What a model said of its test images, as pages count it."""

import json
from datetime import UTC, datetime

import numpy as np
import pytest

from customlabels.console.judging import Item, Judged, confusions, curve
from customlabels.evaluation import Boxes, BoxPredictions, Predictions, box_line, prediction_line

NOW = datetime(2026, 1, 2, tzinfo=UTC)
LABELS = ("cat", "dog")
HALVES = {"cat": 0.5, "dog": 0.5}


def of_images() -> Judged:
    """A cat found, a cat taken for a dog, a dog not found."""
    scores = np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.4]])
    truth = np.array([[True, False], [True, False], [False, True]])
    predictions = Predictions(LABELS, scores, truth)
    cuts = np.array([0.5, 0.5])
    return Judged.of(
        json.dumps(prediction_line(predictions, at, f"s3://b/{at}.png", cuts, NOW)).encode()
        for at in range(3)
    )


def test_every_image_is_an_item_of_every_label() -> None:
    judged = of_images()

    assert judged.items[0] == Item("s3://b/0.png", "cat", 0.9, present=True)
    assert len(judged.items) == 6
    assert judged.truth["s3://b/2.png"] == [("dog", None)]


def test_a_cell_holds_the_images_that_were_taken_for_something() -> None:
    assert confusions(of_images(), HALVES) == {
        ("cat", "cat"): ["s3://b/0.png"],
        ("cat", "dog"): ["s3://b/1.png"],
        ("dog", ""): ["s3://b/2.png"],
    }


def test_a_wrong_box_on_a_missed_one_was_taken_for_it_and_one_on_nothing_is_false() -> None:
    def box(left: float) -> list[float]:
        return [left, 0.1, left + 0.2, 0.5]

    truth = Boxes(np.array([0, 0, 1]), np.array([box(0.0), box(0.3), box(0.6)]), np.ones(3))
    found = Boxes(
        np.array([0, 1, 1, 0]), np.array([box(0.0), box(0.32), box(0.8), box(0.3)]), np.full(4, 0.9)
    )
    found.scores[3] = 0.3  # right, but below the threshold
    predictions = BoxPredictions(LABELS, (found,), (truth,))
    line = box_line(predictions, 0, "s3://b/0.png", (100, 50), np.array([0.5, 0.5]), NOW)

    cells = confusions(Judged.of([json.dumps(line).encode()]), HALVES)

    counts = {pair: len(images) for pair, images in cells.items()}
    assert counts == {("cat", "cat"): 1, ("cat", "dog"): 1, ("dog", ""): 1, ("", "dog"): 1}


def test_a_curve_falls_through_every_score_once() -> None:
    items = [
        Item("", "cat", score, present)
        for score, present in [(0.9, True), (0.6, False), (0.6, True), (0.1, False)]
    ]

    assert curve(items, 2) == [(0.5, 1.0), (1.0, 2 / 3), (1.0, 0.5)]


def test_a_true_box_that_was_not_found_is_an_item_that_no_threshold_finds() -> None:
    truth = Boxes(np.array([0]), np.array([[0.1, 0.1, 0.3, 0.3]]), np.ones(1))
    found = Boxes(np.array([0]), np.array([[0.6, 0.6, 0.9, 0.9]]), np.array([0.7]))
    predictions = BoxPredictions(LABELS, (found,), (truth,))
    line = box_line(predictions, 0, "s3://b/0.png", (100, 50), np.array([0.5, 0.5]), NOW)

    judged = Judged.of([json.dumps(line).encode()])

    assert judged.finds_boxes
    assert [(item.present, item.is_found(0.5), item.is_found(0)) for item in judged.items] == [
        (False, True, True),
        (True, False, False),
    ]
    assert judged.items[0].box == pytest.approx((60, 30, 30, 15))
