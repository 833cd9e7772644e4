"""What a model said of its test images, as pages count it."""

from datetime import UTC, datetime
from typing import Any

import numpy as np

from customlabels.console.judging import cells_of, items_of
from customlabels.evaluation import (
    OUT_OF_FOLD,
    Boxes,
    BoxPredictions,
    Predictions,
    Recorded,
    box_line,
    read_recorded,
)

NOW = datetime(2026, 1, 2, tzinfo=UTC)
LABELS = ("cat", "dog")
HALVES = np.array([0.5, 0.5])


def of_images() -> Recorded:
    """A cat found, a cat taken for a dog, a dog not found."""
    scores = np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.4]])
    truth = np.array([[True, False], [True, False], [False, True]])
    return Recorded(
        Predictions(LABELS, scores, truth), [f"s3://b/{at}.png" for at in range(3)], HALVES, OUT_OF_FOLD
    )


def of_boxes(found: Boxes, truth: Boxes) -> Recorded:
    """One image, as its line on record says."""
    predictions = BoxPredictions(LABELS, (found,), (truth,))
    line = box_line(predictions, 0, "s3://b/0.png", (100, 50), HALVES, NOW)
    summary: dict[str, Any] = {
        "EvaluationDetails": {"Labels": LABELS},
        "LabelEvaluationResults": [{"Label": label, "Metrics": {"Threshold": 0.5}} for label in LABELS],
    }
    return read_recorded(summary, [line])


def test_every_image_is_an_item_of_every_label() -> None:
    said = items_of(of_images(), "cat")

    assert said["items"][0] == ("s3://b/0.png", 0.9, 1, None)
    assert len(said["items"]) == 3
    assert said["truth"]["s3://b/2.png"] == [("dog", None)]


def test_a_cell_holds_the_images_that_were_taken_for_something() -> None:
    assert cells_of(of_images()) == {
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

    cells = cells_of(of_boxes(found, truth))

    counts = {pair: len(images) for pair, images in cells.items()}
    assert counts == {("cat", "cat"): 1, ("cat", "dog"): 1, ("dog", ""): 1, ("", "dog"): 1}


def test_a_true_box_that_was_not_found_is_an_item_that_no_threshold_finds() -> None:
    truth = Boxes(np.array([0]), np.array([[0.1, 0.1, 0.3, 0.3]]), np.ones(1))
    found = Boxes(np.array([0]), np.array([[0.6, 0.6, 0.9, 0.9]]), np.array([0.7]))

    said = items_of(of_boxes(found, truth), "cat")

    wrong, missed = ("s3://b/0.png", 0.7, 0, [0.6, 0.6, 0.9, 0.9]), [0.1, 0.1, 0.3, 0.3]
    assert said["items"] == [wrong, ("s3://b/0.png", 0.0, 1, missed)]
    assert said["truth"] == {"s3://b/0.png": [("cat", missed)]}
