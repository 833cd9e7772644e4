"""Boxes: their overlap, which of them are right, and the figures that follow."""

import json
from collections import Counter
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from customlabels.evaluation import (
    OUT_OF_FOLD,
    Boxes,
    BoxPredictions,
    box_line,
    evaluate,
    evaluate_test_tuned,
    matches,
    overlaps,
    summary,
)

HALF = np.array([0.5, 0.5])


def found(*boxes: tuple[int, float, float, float, float, float]) -> Boxes:
    """Boxes of (label, score, left, top, right, bottom)."""
    rows = np.array(boxes, dtype=np.float64).reshape(-1, 6)
    return Boxes(rows[:, 0].astype(np.int64), rows[:, 2:], rows[:, 1])


def test_overlap_is_intersection_over_union() -> None:
    one = np.array([[0.0, 0.0, 0.5, 0.5]])
    others = np.array([[0.0, 0.0, 0.5, 0.5], [0.25, 0.0, 0.75, 0.5], [0.5, 0.5, 1, 1], [0.2, 0.2, 0.2, 0.2]])

    assert overlaps(one, others)[0] == pytest.approx([1, 1 / 3, 0, 0])


def test_the_most_confident_box_finds_the_true_one_and_others_on_it_are_wrong() -> None:
    truth = Boxes.true([0], [(0, 0, 0.4, 0.4)])
    two = found((0, 0.6, 0, 0, 0.4, 0.4), (0, 0.9, 0.02, 0, 0.42, 0.4))

    assert matches(two, truth).tolist() == [-1, 0]


def test_a_box_of_another_label_or_too_far_away_finds_nothing() -> None:
    truth = Boxes.true([0], [(0, 0, 0.4, 0.4)])

    assert matches(found((1, 0.9, 0, 0, 0.4, 0.4), (0, 0.9, 0.2, 0, 0.6, 0.4)), truth).tolist() == [-1, -1]
    assert matches(found(), truth).tolist() == []
    assert matches(found((0, 0.9, 0, 0, 1, 1)), Boxes.true([], [])).tolist() == [-1]


corners = st.tuples(*[st.sampled_from([0.0, 0.1, 0.2])] * 2, *[st.sampled_from([0.4, 0.5, 0.6])] * 2)
some_found = st.lists(
    st.tuples(st.integers(0, 1), st.sampled_from([0.2, 0.5, 0.7, 0.9]), corners), max_size=6
).map(lambda boxes: found(*((label, score, *place) for label, score, place in boxes)))
some_true = st.lists(st.tuples(st.integers(0, 1), corners), max_size=4).map(
    lambda boxes: Boxes.true([label for label, _ in boxes], [place for _, place in boxes])
)
predictions = st.lists(st.tuples(some_found, some_true), min_size=1, max_size=5).map(
    lambda images: BoxPredictions("ab", [each for each, _ in images], [each for _, each in images])
)


@given(predictions, st.sampled_from([0.1, 0.5, 0.6, 1.0]))
def test_counts_at_a_threshold_are_those_of_the_boxes_above_it_alone(
    given: BoxPredictions, cut: float
) -> None:
    """The rule by which one matching serves every threshold."""
    kept = []
    for boxes in given.found:
        above = boxes.scores >= cut
        kept.append(Boxes(boxes.labels[above], boxes.corners[above], boxes.scores[above]))
    alone = BoxPredictions("ab", kept, given.truth)

    expected, counted = alone.counted(np.zeros(2)), given.counted(np.full(2, cut))

    for one, other in zip(counted.arrays, expected.arrays, strict=True):
        assert np.array_equal(one, other)


@given(predictions)
def test_tuned_figures_are_never_below_others_and_all_are_shares(given: BoxPredictions) -> None:
    honest = evaluate(given, HALF, OUT_OF_FOLD, seed=0, resamples=20)
    tuned = evaluate_test_tuned(given, seed=0, resamples=20)

    assert tuned.f1 >= honest.f1
    for figure in (honest.precision, honest.recall, honest.average_precision, honest.average_recall):
        assert figure is not None
        assert 0 <= figure <= 1
    assert honest.average_recall == tuned.average_recall


@given(predictions)
def test_the_summary_can_be_counted_again_from_the_lines(given: BoxPredictions) -> None:
    ended = datetime(2026, 1, 1, tzinfo=UTC)
    honest = evaluate(given, HALF, OUT_OF_FOLD, seed=0, resamples=20)
    told = summary(honest, evaluate_test_tuned(given, 0, 20), "arn", ended, 5)

    counted: dict[str, Counter[str]] = {"a": Counter(), "b": Counter()}
    for image in range(len(given.found)):
        line = json.loads(json.dumps(box_line(given, image, "s3://b/k", (100, 80), HALF, ended)))
        metadata = line["rekognition-custom-labels-evaluation-metadata"]
        boxes = line["rekognition-custom-labels-evaluation"]["annotations"]
        for box, item in zip(boxes, metadata["objects"], strict=True):
            details = item["rekognition-custom-labels-evaluation-details"]
            verdicts = ("is-true-positive", "is-false-positive", "is-false-negative", "is-true-negative")
            assert sum(details[name] for name in verdicts) == 1
            counted[metadata["class-map"][str(box["class_id"])]].update(n for n in verdicts if details[n])

    for label, counts in told["CustomLabels"]["LabelCounts"].items():
        seen = counted[label]
        verdict = [seen[f"is-{name}"] for name in ("true-positive", "false-positive", "false-negative")]
        assert verdict == [counts[name] for name in ("TruePositives", "FalsePositives", "FalseNegatives")]
    assert set(told["AggregatedEvaluationResults"]) == {
        "Precision", "Recall", "F1Score", "AveragePrecision", "AverageRecall",
    }  # fmt: skip


def test_average_precision_is_the_area_below_precision_over_recall() -> None:
    """By hand: right, wrong, right, of three true boxes: 1, then 2/3, then 0."""
    place, far = (0.0, 0.0, 0.2, 0.2), (0.8, 0.8, 1.0, 1.0)
    second = (0.4, 0.4, 0.6, 0.6)
    one = found((0, 0.9, *place), (0, 0.8, *far), (0, 0.7, *second))
    truth = Boxes.true([0, 0, 0], [place, second, (0.0, 0.8, 0.2, 1.0)])

    evaluation = evaluate(BoxPredictions(["a"], [one], [truth]), HALF[:1], OUT_OF_FOLD, seed=0, resamples=5)

    assert evaluation.average_precision == pytest.approx((1 + 2 / 3 + 0) / 3)
    assert evaluation.average_recall == pytest.approx(2 / 3)
