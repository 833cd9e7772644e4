"""Intervals: they cover what they say, and a result without faults still has one."""

import numpy as np
import pytest
from benchmarks.intervals import coverage
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, binom

from customlabels.evaluation import OUT_OF_FOLD, Predictions, evaluate
from customlabels.evaluation.intervals import share_interval

HALF = np.array([0.5, 0.5])


@pytest.mark.parametrize("of", [50, 100])
def test_the_exact_interval_of_a_share_covers_95_percent_in_the_mean_and_never_less_than_92(of: int) -> None:
    """Exactly: the chances of all that may be counted whose interval holds the share, added up."""
    intervals = [share_interval(hits, of) for hits in range(of + 1)]

    covered = []
    for share in np.linspace(0.5, 0.999, 200):
        held = [hits for hits, each in enumerate(intervals) if each.low <= share <= each.high]
        covered.append(binom.pmf(held, of, share).sum())

    assert 0.945 < np.mean(covered) < 0.97
    assert min(covered) > 0.92


@given(st.integers(1, 80), st.data())
def test_the_exact_interval_lies_within_that_of_clopper_and_pearson(of: int, data: st.DataObject) -> None:
    """Which is never short; ours gives up half of the chance of what was seen."""
    hits = data.draw(st.integers(0, of))

    interval = share_interval(hits, of)

    low = beta.ppf(0.025, hits, of - hits + 1) if hits else 0.0
    high = beta.ppf(0.975, hits + 1, of - hits) if hits < of else 1.0
    assert low - 1e-9 <= interval.low <= hits / of <= interval.high <= high + 1e-9


def test_nothing_counted_is_nothing_known() -> None:
    assert (share_interval(0, 0).low, share_interval(0, 0).high) == (0, 1)


@pytest.mark.parametrize(("images", "low", "high"), [(20, 0.80, 0.97), (200, 0.975, 0.995)])
def test_a_faultless_result_has_an_interval_as_wide_as_its_images_are_few(
    images: int, low: float, high: float
) -> None:
    truth = np.eye(2, dtype=bool)[np.arange(images) % 2]

    evaluation = evaluate(Predictions("ab", truth.astype(float), truth), HALF, OUT_OF_FOLD, seed=0)

    assert evaluation.f1 == evaluation.f1_interval.high == 1
    assert low < evaluation.f1_interval.low < high
    assert all(low - 0.2 < label.f1_interval.low < high for label in evaluation.by_label)
    assert all(label.recall_interval.low < 1 for label in evaluation.by_label)


def test_many_labels_do_not_add_up_to_doubt_that_nobody_has() -> None:
    """Of 250 labels with 20 images each all are right: 5,000 images, not 250 times twenty."""
    truth = np.eye(250, dtype=bool)[np.arange(5000) % 250]
    predictions = Predictions([str(at) for at in range(250)], truth.astype(float), truth)

    evaluation = evaluate(predictions, np.full(250, 0.5), OUT_OF_FOLD, seed=0, resamples=500)

    assert 0.998 < evaluation.f1_interval.low < 1


@pytest.mark.parametrize(
    ("kind", "labels", "images", "f1", "least", "most"),
    [
        ("single", 2, 10, 0.95, 0.9, 1.0),
        ("single", 2, 20, 0.8, 0.9, 1.0),
        ("single", 2, 50, 0.8, 0.93, 0.97),
        ("single", 10, 50, 0.9, 0.93, 0.97),
        ("several", 5, 50, 0.9, 0.93, 0.97),
    ],
)
def test_the_interval_of_the_f1_score_holds_the_true_one(
    kind: str, labels: int, images: int, f1: float, least: float, most: float
) -> None:
    """Seeded; 300 tests a case, so that chance alone is good for one percent."""
    covered = coverage(kind, labels, images, f1, tests=300, resamples=300)

    assert least - 0.015 <= covered.f1 <= most + 0.015
