"""Counts, figures and thresholds, against scikit-learn and against trying every cut."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from sklearn.metrics import f1_score, precision_score, recall_score

from customlabels.evaluation import count, steady_thresholds
from customlabels.evaluation.counting import Floats, Truth, best_cut, candidates_of, confusion_matrix

Case = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]


@st.composite
def cases(draw: st.DrawFn, dtype: str = "float64") -> Case:
    """Scores with many equals, truth with empty labels, any thresholds."""
    shape = (draw(st.integers(1, 12)), draw(st.integers(1, 4)))
    coarse = st.integers(0, 6).map(lambda sixth: sixth / 6)
    scores = draw(arrays.arrays(np.dtype(dtype), shape, elements=coarse))
    truth = draw(arrays.arrays(np.dtype(bool), shape))
    return scores, truth, draw(arrays.arrays(np.float64, shape[1], elements=coarse))


def best_thresholds(scores: Floats, truth: Truth) -> Floats:
    """The cut of each label with the best F1 on these images."""
    return np.array([best_cut(each) for each in candidates_of(scores, truth)])


@given(cases())
@settings(max_examples=60)
def test_figures_are_those_of_scikit_learn(case: Case) -> None:
    scores, truth, thresholds = case
    found = scores >= thresholds
    counts = count(scores, truth, thresholds)

    ours = (counts.precision, counts.recall, counts.f1)
    # one column alone would be taken for a binary problem, so a second one that is always right goes along
    more = [np.column_stack([each, np.ones(len(truth), dtype=bool)]) for each in (truth, found)]
    theirs = [
        np.asarray(score(*more, average=None, zero_division=0))[:-1]
        for score in (precision_score, recall_score, f1_score)
    ]

    assert np.allclose(ours, theirs)
    assert np.isclose(counts.macro_f1, theirs[2].mean())
    assert np.isclose(counts.pooled_f1, f1_score(truth.ravel(), found.ravel(), zero_division=0))


def best_by_trial(scores: NDArray[Any], truth: NDArray[Any]) -> tuple[float, int]:
    """Best F1 of one label over every possible cut, and the fewest images found with it."""
    cuts = [
        (float(count(scores, truth, cut).f1[0]), -int((scores >= cut).sum())) for cut in np.unique(scores)
    ]
    f1, fewest = max(cuts)
    return f1, -fewest


@given(cases() | cases("float32"))
@settings(max_examples=100)
def test_the_best_threshold_is_the_highest_cut_with_the_best_f1(case: Case) -> None:
    scores, truth, _ = case

    thresholds = best_thresholds(scores, truth)

    for label in np.flatnonzero(truth.any(axis=0)):
        column, carried = scores[:, [label]], truth[:, [label]]
        f1, images = best_by_trial(column, carried)
        assert float(count(column, carried, thresholds[[label]]).f1[0]) == f1
        assert (column >= thresholds[label]).sum() == images
    assert ((thresholds >= 0) & (thresholds <= 1)).all()
    assert (thresholds[~truth.any(axis=0)] == 0.5).all()


def test_a_threshold_lies_half_way_between_neighbouring_scores() -> None:
    scores = np.array([[0.9], [0.8], [0.4], [0.1]])
    truth = np.array([[True], [True], [False], [False]])

    assert best_thresholds(scores, truth).tolist() == [pytest.approx(0.6)]


def test_where_all_images_are_needed_the_threshold_lies_half_way_to_zero() -> None:
    assert best_thresholds(np.array([[0.4], [0.2]]), np.array([[True], [True]])).tolist() == [0.1]


def test_adjacent_floats_are_still_told_apart() -> None:
    low = 0.5
    high = np.nextafter(low, 1)
    scores, truth = np.array([[high], [low]]), np.array([[True], [False]])

    assert count(scores, truth, best_thresholds(scores, truth)).f1.tolist() == [1.0]


def test_no_images_give_thresholds_of_one_half_and_figures_of_zero() -> None:
    scores, truth = np.zeros((0, 2)), np.zeros((0, 2), dtype=bool)
    thresholds = best_thresholds(scores, truth)

    assert thresholds.tolist() == [0.5, 0.5]
    assert count(scores, truth, thresholds).f1.tolist() == [0.0, 0.0]


def test_macro_f1_is_the_mean_of_f1_and_not_the_f1_of_means() -> None:
    """The published two-label example: its aggregate equals the mean to the last digit."""
    scores = np.array([[1, 0], [1, 0], [0, 1], [1, 0]], dtype=float)
    truth = np.array([[1, 0], [1, 0], [0, 1], [0, 1]], dtype=bool)
    counts = count(scores, truth, np.full(2, 0.5))

    assert counts.macro_f1 == pytest.approx((0.8 + 2 / 3) / 2)


def test_a_confusion_matrix_gives_shares_of_the_images_that_carry_each_label() -> None:
    scores = np.array([[0.9, 0.8, 0.0], [0.9, 0.1, 0.0], [0.7, 0.2, 0.0]])
    truth = np.array([[1, 0, 0], [1, 0, 0], [0, 1, 0]], dtype=bool)

    matrix = confusion_matrix(scores, truth, np.full(3, 0.5))

    assert matrix.tolist() == [[1.0, 0.5, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]


@given(cases())
def test_the_diagonal_of_the_confusion_matrix_is_the_recall(case: Case) -> None:
    assert np.allclose(np.diag(confusion_matrix(*case)), count(*case).recall)


def drawn(images: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Two labels whose scores are right in three of four images; the best cut of both is near a half."""
    dice = np.random.default_rng(seed)
    truth = dice.random((images, 2)) < 0.4
    right = dice.random((images, 2)) < 0.75
    return np.clip(np.where(truth == right, 0.65, 0.35) + dice.normal(0, 0.15, (images, 2)), 0, 1), truth


def test_steady_cuts_from_few_images_do_better_on_others_than_best_cuts() -> None:
    unseen, unseen_truth = drawn(4000, 99)
    figures = []
    for seed in range(40):
        scores, truth = drawn(14, seed)
        cuts = steady_thresholds(candidates_of(scores, truth)), best_thresholds(scores, truth)
        figures.append([float(count(unseen, unseen_truth, cut).macro_f1) for cut in cuts])

    steady, best = np.mean(figures, axis=0)
    assert steady > best


def test_steady_cuts_from_many_images_are_as_good_as_best_cuts() -> None:
    scores, truth = drawn(4000, 1)

    steady = count(scores, truth, steady_thresholds(candidates_of(scores, truth))).macro_f1

    assert steady == pytest.approx(count(scores, truth, best_thresholds(scores, truth)).macro_f1, abs=0.01)


def test_a_steady_cut_of_one_label_does_better_on_other_images_than_its_best_cut() -> None:
    def drawn(images: int, seed: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """Scores that are the chances of the label."""
        dice = np.random.default_rng(seed)
        scores = 1 / (1 + np.exp(-dice.normal(0, 2, (images, 1))))
        return scores, dice.random((images, 1)) < scores

    unseen, figures = drawn(4000, 999), []
    for seed in range(60):
        few = candidates_of(*drawn(40, seed))
        cuts = steady_thresholds(few), np.array([best_cut(few[0])])
        figures.append([float(count(*unseen, cut).macro_f1) for cut in cuts])

    steady, best = np.mean(figures, axis=0)
    assert steady > best


@given(cases())
def test_steady_cuts_are_scores_of_a_half_where_nothing_is_to_be_found(case: Case) -> None:
    scores, truth, _ = case

    cuts = steady_thresholds(candidates_of(scores, truth & False))

    assert cuts.tolist() == [0.5] * truth.shape[1]
