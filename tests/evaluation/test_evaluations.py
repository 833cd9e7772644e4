"""Whole evaluations: their figures, their interval, their protocol."""

import time

import numpy as np
import pytest

from customlabels.evaluation import (
    OUT_OF_FOLD,
    Predictions,
    count,
    evaluate,
    evaluate_test_tuned,
)
from customlabels.evaluation.evaluations import TEST_TUNED


def guesses(images: int, labels: int, right: float, seed: int = 0) -> Predictions:
    """Single-label images in turn; a score is near 1 for the true label in a share `right` of them."""
    dice = np.random.default_rng(seed)
    of_image = np.arange(images) % labels
    seen = np.where(dice.random(images) < right, of_image, dice.integers(0, labels, images))
    scores = np.full((images, labels), 0.1)
    scores[np.arange(images), seen] = 0.9
    names = [f"label{number}" for number in range(labels)]
    return Predictions(names, scores, np.eye(labels, dtype=bool)[of_image])


HALF = np.full(4, 0.5)


def test_an_evaluation_holds_the_figures_of_its_counts() -> None:
    predictions = guesses(200, 4, 0.8)
    counts = count(predictions.scores, predictions.truth, HALF)

    evaluation = evaluate(predictions, HALF, OUT_OF_FOLD, seed=1)

    assert evaluation.f1 == float(counts.macro_f1)
    assert evaluation.precision == pytest.approx(counts.precision.mean())
    assert [label.recall for label in evaluation.by_label] == counts.recall.tolist()
    assert [label.images for label in evaluation.by_label] == [50] * 4
    assert (evaluation.images, evaluation.split, evaluation.protocol) == (200, "test", OUT_OF_FOLD)
    for label in evaluation.by_label:
        cells = (label.true_positives, label.false_positives, label.false_negatives)
        assert label.true_positives + label.false_negatives == 50 <= sum(cells) <= 200


def test_test_tuned_figures_are_never_below_those_of_other_thresholds() -> None:
    predictions = guesses(200, 4, 0.6)

    tuned = evaluate_test_tuned(predictions, seed=1)

    assert tuned.protocol == TEST_TUNED
    assert tuned.f1 >= evaluate(predictions, np.full(4, 0.05), OUT_OF_FOLD, seed=1).f1
    assert tuned.f1 >= evaluate(predictions, HALF, OUT_OF_FOLD, seed=1).f1


def test_the_interval_holds_the_figure_and_is_the_same_for_the_same_seed() -> None:
    first, again, other = (evaluate(guesses(120, 4, 0.8), HALF, OUT_OF_FOLD, seed) for seed in (7, 7, 8))

    assert first == again
    assert first.f1_interval != other.f1_interval
    assert first.f1_interval.low < first.f1 < first.f1_interval.high


def test_the_interval_is_that_of_resampling_images_one_by_one() -> None:
    """Against the plain way: draw images with replacement within each label, 2,000 times."""
    predictions = guesses(80, 4, 0.7)
    dice = np.random.default_rng(3)
    groups = [np.flatnonzero(predictions.truth[:, label]) for label in range(4)]
    drawn = [np.concatenate([dice.choice(group, len(group)) for group in groups]) for _ in range(2000)]
    plain = [count(predictions.scores[rows], predictions.truth[rows], HALF).macro_f1 for rows in drawn]

    interval = evaluate(predictions, HALF, OUT_OF_FOLD, seed=5, resamples=2000).f1_interval

    assert interval.low == pytest.approx(np.quantile(plain, 0.025), abs=0.02)
    assert interval.high == pytest.approx(np.quantile(plain, 0.975), abs=0.02)


def test_more_images_give_a_narrower_interval_at_no_more_cost() -> None:
    few, many = guesses(100, 4, 0.8), guesses(100_000, 4, 0.8)
    begin = time.process_time()

    narrow = evaluate(many, HALF, OUT_OF_FOLD, seed=1).f1_interval

    assert time.process_time() - begin < 2
    wide = evaluate(few, HALF, OUT_OF_FOLD, seed=1).f1_interval
    assert narrow.high - narrow.low < (wide.high - wide.low) / 10


def test_images_with_several_labels_still_have_an_interval() -> None:
    dice = np.random.default_rng(0)
    truth = dice.random((60, 4)) < 0.5
    scores = np.where(dice.random((60, 4)) < 0.8, truth, ~truth).astype(float)

    interval = evaluate(Predictions("abcd", scores, truth), HALF, OUT_OF_FOLD, seed=1).f1_interval

    assert interval.high - interval.low > 0.05


def test_without_images_nothing_is_known() -> None:
    nothing = Predictions("abcd", np.zeros((0, 4)), np.zeros((0, 4), dtype=bool))

    evaluation = evaluate(nothing, HALF, OUT_OF_FOLD, seed=1)

    assert (evaluation.f1, evaluation.f1_interval.low, evaluation.f1_interval.high) == (0, 0, 1)


def test_predictions_of_the_wrong_shape_or_range_are_refused() -> None:
    right = np.zeros((3, 2)), np.zeros((3, 2), dtype=bool)
    for labels, scores, truth in [
        ("abc", *right),
        ("ab", right[0], right[1][:2]),
        ("ab", right[0], right[0]),
        ("ab", right[0] + 1.5, right[1]),
        ("ab", right[0] + np.nan, right[1]),
    ]:
        with pytest.raises(ValueError, match=r"scores are|truth is"):
            Predictions(labels, scores, truth)


def test_a_protocol_that_nobody_knows_is_refused() -> None:
    with pytest.raises(ValueError, match="protocol is one of"):
        evaluate(guesses(8, 4, 1.0), HALF, "by eye", seed=1)
