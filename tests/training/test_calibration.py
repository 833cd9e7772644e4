"""Calibration: one temperature."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from customlabels.training.calibration import COLDEST, HOTTEST, blended, probabilities, temperature_for


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_that_made_the_labels_is_found_again(temperature: float) -> None:
    random = np.random.default_rng(0)
    logits = random.normal(0, 3, (4000, 5))
    shares = probabilities(logits, temperature)
    truth = (shares.cumsum(axis=1) > random.random((4000, 1))).argmax(axis=1)

    assert temperature_for(logits, np.eye(5, dtype=bool)[truth]) == pytest.approx(temperature, rel=0.1)


def test_images_that_are_all_right_do_not_make_every_score_a_one() -> None:
    truth = np.arange(30) % 3

    assert temperature_for(np.eye(3)[truth] * 4, np.eye(3, dtype=bool)[truth]) == pytest.approx(
        COLDEST, rel=1e-3
    )


def test_without_images_the_scores_stay_as_they_are() -> None:
    assert temperature_for(np.zeros((0, 3)), np.zeros((0, 3), dtype=bool)) == 1.0


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_of_independent_scores_is_found_again(temperature: float) -> None:
    random = np.random.default_rng(0)
    logits = random.normal(0, 3, (4000, 5))
    carried = probabilities(logits, temperature, single=False) > random.random(logits.shape)

    assert temperature_for(logits, carried, single=False) == pytest.approx(temperature, rel=0.1)


def test_two_voices_that_know_nothing_still_leave_one_to_speak() -> None:
    random = np.random.default_rng(0)
    carried = np.eye(4, dtype=bool)[random.integers(0, 4, 200)]
    wrong = 50 * random.normal(0, 1, (200, 4))

    assert max(blended(wrong, wrong, carried)) > 0


@pytest.mark.parametrize("single", [True, False])
def test_a_second_voice_is_heard_where_it_clearly_helps_and_not_by_luck(single: bool) -> None:
    random = np.random.default_rng(0)
    truth = np.eye(4, dtype=bool)[random.integers(0, 4, 200)]
    knowing, other, babble = (random.normal(0, 1, truth.shape) for _ in range(3))
    knowing, other = (2 * truth - 1 + noise for noise in (knowing, other))

    assert min(blended(knowing, other, truth, single=single)) > 0
    assert blended(knowing, babble, truth, single=single)[1] == 0


@given(st.lists(st.floats(-200, 200), min_size=2, max_size=8), st.floats(COLDEST, HOTTEST))
def test_scores_are_shares_in_the_order_of_the_logits(logits: list[float], temperature: float) -> None:
    (scores,) = probabilities(np.array([logits]), temperature)

    assert scores.sum() == pytest.approx(1)
    assert scores[np.argmax(logits)] == scores.max()
