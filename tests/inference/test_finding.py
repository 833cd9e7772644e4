"""The rules of DetectCustomLabels on scores."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from customlabels.inference import Found, found_labels

LABELS = ("a", "b", "c")
THRESHOLDS = [0.5, 0.25, 0.75]
SCORES = [0.5, 0.125, 0.625]


def names(found: list[Found]) -> list[str]:
    return [one.name for one in found]


def test_without_a_minimum_each_label_stands_against_its_own_threshold() -> None:
    assert found_labels(LABELS, THRESHOLDS, SCORES) == [Found("a", 50.0)]


def test_a_minimum_replaces_the_thresholds_and_includes_itself() -> None:
    assert names(found_labels(LABELS, THRESHOLDS, SCORES, min_confidence=50)) == ["c", "a"]


def test_a_minimum_of_zero_gives_every_label_even_at_score_zero() -> None:
    assert names(found_labels(LABELS, THRESHOLDS, [0.0, 0.0, 1.0], min_confidence=0)) == ["c", "a", "b"]


def test_max_results_cuts_after_sorting_and_zero_means_all() -> None:
    assert names(found_labels(LABELS, THRESHOLDS, SCORES, 0, 1)) == ["c"]
    assert names(found_labels(LABELS, THRESHOLDS, SCORES, 0, 0)) == ["c", "a", "b"]
    assert names(found_labels(LABELS, THRESHOLDS, SCORES, 0, 99)) == ["c", "a", "b"]


def test_nothing_found_is_an_empty_list() -> None:
    assert found_labels(LABELS, THRESHOLDS, [0.1, 0.1, 0.1]) == []


@given(st.lists(st.floats(0, 1, width=32), min_size=3, max_size=3), st.floats(0, 100) | st.none())
def test_answers_are_sorted_float32_percentages_that_find_themselves_again(
    scores: list[float], minimum: float | None
) -> None:
    found = found_labels(LABELS, THRESHOLDS, scores, minimum)

    confidences = [one.confidence for one in found]
    assert confidences == sorted(confidences, reverse=True)
    for one in found:
        assert 0 <= one.confidence <= 100
        assert one.confidence == float(np.float32(one.confidence))
        assert one in found_labels(LABELS, THRESHOLDS, scores, min_confidence=one.confidence)
