"""Probable label errors: found where a sure model contradicts the data, and nowhere else."""

import numpy as np
import pytest

from customlabels.evaluation import NOTHING, Boxes, BoxPredictions, Predictions, suspects

LABELS = ("cat", "dog", "fox")
LEFT, RIGHT = (0.0, 0.0, 0.4, 0.9), (0.5, 0.0, 0.9, 0.9)
BESIDE = (0.7, 0.0, 1.0, 0.9)  # RIGHT, moved by half its width


def sure(*said: int) -> np.ndarray:
    """Scores of a model that says these labels, with 0.9."""
    return np.where(np.eye(3)[list(said)] > 0, 0.9, 0.05)


def test_a_label_that_a_sure_model_contradicts_is_suspected() -> None:
    truth = np.eye(3)[[0, 0, 1, 1, 2, 2, 0]] > 0

    found = suspects(Predictions(LABELS, sure(0, 0, 1, 1, 2, 2, 1), truth), single=True)

    assert [(each.image, each.given, each.likely) for each in found] == [(6, 0, 1)]
    assert found[0].doubt == pytest.approx((1 + 0.9 - 0.05) / 2)


def test_a_model_that_is_less_sure_than_usual_suspects_nothing() -> None:
    truth = np.eye(3)[[0, 0, 1, 1, 2, 2, 0]] > 0
    scores = sure(0, 0, 1, 1, 2, 2, 1)
    scores[6] = [0.35, 0.4, 0.25]

    assert suspects(Predictions(LABELS, scores, truth), single=True) == []


def test_ten_percent_of_flipped_labels_are_found_with_few_false_alarms() -> None:
    dice = np.random.default_rng(3)
    right = dice.integers(3, size=600)
    logits = 4 * np.eye(3)[right] + dice.normal(0, 1, (600, 3))
    scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    flipped = dice.random(600) < 0.1
    given = np.where(flipped, (right + dice.integers(1, 3, size=600)) % 3, right)

    found = {each.image for each in suspects(Predictions(LABELS, scores, np.eye(3)[given] > 0), single=True)}

    wanted = set(np.flatnonzero(flipped).tolist())
    assert len(found & wanted) / len(found) > 0.8
    assert len(found & wanted) / len(wanted) > 0.8


def test_of_several_labels_one_may_be_missing_or_one_too_many() -> None:
    truth = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1], [0, 0, 1], [1, 0, 0]]) > 0
    scores = np.where(truth, 0.9, 0.1)
    scores[0, 1], scores[5, 0] = 0.95, 0.02

    found = suspects(Predictions(LABELS, scores, truth), single=False)

    assert {(each.image, each.given, each.likely) for each in found} == {(0, NOTHING, 1), (5, 0, NOTHING)}


Told = tuple[int, tuple[float, ...], float]  # label, corners, score


def boxes(*told: Told) -> Boxes:
    labels, corners, scores = zip(*told, strict=True) if told else ((), (), ())
    true = Boxes.true(labels, corners)
    return Boxes(true.labels, true.corners, np.array(scores, dtype=np.float64))


def test_of_boxes_a_missing_one_a_wrong_label_a_misplaced_one_and_one_around_nothing_are_suspected() -> None:
    usual = (boxes((0, LEFT, 0.8), (1, RIGHT, 0.8)), boxes((0, LEFT, 1), (1, RIGHT, 1)))
    pairs = [
        *5 * [usual],
        (boxes((0, LEFT, 0.9), (1, RIGHT, 0.9)), boxes((0, LEFT, 1))),
        (boxes((0, LEFT, 0.8), (1, RIGHT, 0.85)), boxes((0, LEFT, 1), (0, RIGHT, 1))),
        (boxes((0, LEFT, 0.8)), boxes((0, LEFT, 1), (1, RIGHT, 1))),
        (boxes((0, LEFT, 0.8), (0, LEFT, 0.3)), boxes((0, LEFT, 1))),
        (boxes((0, LEFT, 0.8), (1, BESIDE, 0.9)), boxes((0, LEFT, 1), (1, RIGHT, 1))),
    ]

    said, truth = zip(*pairs, strict=True)
    found = suspects(BoxPredictions(LABELS, said, truth), single=False)

    told = {(each.image, each.given, each.likely, each.corners) for each in found}
    assert told == {(5, NOTHING, 1, RIGHT), (6, 0, 1, RIGHT), (7, 1, NOTHING, RIGHT), (9, 1, 1, BESIDE)}


def test_a_label_of_boxes_that_is_often_contradicted_contradicts_nothing() -> None:
    right = (boxes((1, RIGHT, 0.8)), boxes((1, RIGHT, 1)))
    wrong = (boxes((1, RIGHT, 0.9)), boxes((0, RIGHT, 1)))

    said, truth = zip(right, right, wrong, strict=True)

    assert suspects(BoxPredictions(LABELS, said, truth), single=False) == []


def test_without_images_nothing_is_suspected() -> None:
    nothing = Predictions(LABELS, np.zeros((0, 3)), np.zeros((0, 3), dtype=bool))

    assert suspects(nothing, single=True) == suspects(nothing, single=False) == []
