"""The plan: sizes, steps, and which images are held out."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from customlabels.inference import BOXES, MULTI_LABEL, SINGLE_LABEL
from customlabels.training.plan import (
    AUTOMATIC_SECONDS,
    BOX_AREA,
    BOX_SIDE,
    EASY_EPOCHS,
    FINER_FROM,
    FINER_SIDES,
    HOLDOUT_LEAST,
    LEAST_STEPS,
    MODEL,
    MOST_BOX_AREA,
    PHOTOGRAPHS,
    PHOTOGRAPHS_OF_SEVERAL,
    SMALL_PICTURES,
    TRIED,
    Plan,
    Size,
    affordable_steps,
    courses,
    finest_side,
    held_out_part,
    held_together,
    planned_steps,
    rarest_labels,
    size_for,
    with_all_again,
    with_steps,
)

label_counts = st.lists(st.integers(1, 40), min_size=2, max_size=6)


def truth_of(counts: list[int]) -> NDArray[np.int64]:
    """The labels 0, 1, ... as often as said, in a mixed order."""
    return np.random.default_rng(0).permutation(np.repeat(np.arange(len(counts)), counts))


def rows(truth: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(n, labels) which label each image carries."""
    return np.eye(truth.max() + 1, dtype=bool)[truth]


def test_an_image_of_several_labels_is_dealt_out_by_its_rarest() -> None:
    carried = np.array([[1, 1, 0], [1, 0, 0], [1, 0, 1], [0, 0, 0], [1, 1, 0]], dtype=bool)

    assert rarest_labels(carried).tolist() == [1, 0, 2, 3, 1]


def test_a_plan_comes_back_from_its_file() -> None:
    plan = Plan(3, PHOTOGRAPHS, 16, 99, 2, True, False, 0.125)

    assert Plan.from_json(json.loads(json.dumps(plan.to_json()))) == plan


def test_small_pictures_are_learned_at_a_smaller_side_than_photographs() -> None:
    assert size_for(SINGLE_LABEL, [(64, 64), (64, 100), (4000, 4000)]) is SMALL_PICTURES
    assert size_for(SINGLE_LABEL, [(256, 300), (480, 480), (64, 64)]) is PHOTOGRAPHS
    assert size_for(MULTI_LABEL, [(256, 300)]) is PHOTOGRAPHS_OF_SEVERAL


def test_photographs_may_be_seen_finer_where_they_have_the_pixels_and_there_is_time_to_look() -> None:
    large = [(4000, 3000), (300, 400), (100, 100)]

    assert finest_side(PHOTOGRAPHS, large, None) == FINER_SIDES[-1]
    assert finest_side(PHOTOGRAPHS, [(4000, 200)], None) == FINER_SIDES[0]
    assert finest_side(PHOTOGRAPHS, [(4000, 150)], None) is None
    assert finest_side(PHOTOGRAPHS, large, FINER_FROM - 1) is None
    assert finest_side(size_for(BOXES, large), large, None) is None
    assert finest_side(SMALL_PICTURES, large, None) is None


@given(st.integers(64, 4096), st.integers(64, 4096))
def test_boxes_are_looked_for_in_the_images_own_proportions(width: int, height: int) -> None:
    size = size_for(BOXES, [(width, height)])

    assert size.height % 32 == size.width % 32 == 0
    assert size.height * size.width <= 2 * BOX_AREA
    if 64 <= width / height * 64 <= 256:
        assert size.width / size.height == pytest.approx(width / height, rel=0.5)


def test_small_boxes_are_looked_for_in_more_pixels_within_bounds() -> None:
    image = [(1600, 1200)]
    usual, small, tiny = (size_for(BOXES, image, [side] * 9 + [500.0] * 11) for side in (200.0, 56.0, 4.0))

    assert size_for(BOXES, image) == usual
    assert small.width / 1600 * 56 == pytest.approx(BOX_SIDE, rel=0.05)
    assert usual.height * usual.width < small.height * small.width < tiny.height * tiny.width
    assert tiny.height * tiny.width <= 1.1 * MOST_BOX_AREA
    assert usual.batch > small.batch > tiny.batch
    assert size_for(BOXES, [(320, 256)], [4.0]).width == 320  # an image has no more than its pixels


def test_the_side_grows_to_the_full_side_and_work_with_its_area() -> None:
    shares = np.linspace(0, 1, 11)
    sides = [PHOTOGRAPHS.sides_at(share) for share in shares]
    done = [PHOTOGRAPHS.work_done(share) for share in shares]

    assert sides == sorted(sides)
    assert sides[-1] == (PHOTOGRAPHS.height, PHOTOGRAPHS.width)
    assert done == sorted(done)
    assert done[0] == 0
    assert done[-1] == pytest.approx(1)
    assert PHOTOGRAPHS.work_done(0.5) < 0.5


def timed(size: Size, step_seconds: float) -> Plan:
    """The plan of a large set that is timed and has no steps yet."""
    return Plan(0, size, size.batch, 0, 1, False, False, step_seconds)


def test_a_budget_is_divided_among_the_courses() -> None:
    one = planned_steps(timed(PHOTOGRAPHS, 0.1), 1000, 1, 180)
    four = planned_steps(timed(PHOTOGRAPHS, 0.1), 1000, 4, 180)

    assert 1000 < one < 1800
    assert four == one // 4


@pytest.mark.parametrize(
    ("budget", "hurried", "again", "parts"),
    [(110.0, True, False, 1), (250.0, True, True, 2), (1100.0, False, False, 4)],
)
def test_where_folds_would_hardly_learn_a_part_is_held_out_instead(
    budget: float, hurried: bool, again: bool, parts: int
) -> None:
    size = size_for(BOXES, [(640, 480)])

    plan = with_steps(timed(size, 0.25), 100, 4, budget)

    assert (plan.hurried, plan.again) == (hurried, again)
    assert plan.steps == planned_steps(timed(size, 0.25), 100, parts, budget)


def test_an_answer_that_needs_no_net_is_judged_in_folds_however_little_time_there_is() -> None:
    plan = with_steps(timed(PHOTOGRAPHS, 0.1), 400, 4, 5.0, known_f1=0.7)

    assert (plan.steps, plan.hurried) == (0, False)


@pytest.mark.parametrize(("images", "hurried"), [(150, False), (170, True)])
def test_a_net_is_not_weighed_against_an_answer_without_by_a_handful_of_images(
    images: int, hurried: bool
) -> None:
    plan = with_steps(timed(PHOTOGRAPHS, 0.1), images, 4, 20.0, known_f1=0.7)

    assert plan.hurried == hurried


def test_what_is_easy_is_not_hurried_by_its_few_steps() -> None:
    plan = with_steps(timed(PHOTOGRAPHS, 0.01), 250, 4, None, known_f1=0.99)

    assert plan.steps * PHOTOGRAPHS.batch / 250 < PHOTOGRAPHS.epochs / 2
    assert not plan.hurried


def test_a_budget_that_is_nearly_spent_still_gives_a_few_steps() -> None:
    assert planned_steps(timed(PHOTOGRAPHS, 0.1), 1000, 4, -5.0) == LEAST_STEPS


def test_a_net_that_has_no_time_to_look_at_each_image_is_left_out_where_there_is_an_answer_without() -> None:
    looks = [
        planned_steps(timed(PHOTOGRAPHS, 0.1), images, 1, 10, known_f1=0.7) * PHOTOGRAPHS.batch / images
        for images in (1000, 2000)
    ]

    assert looks[0] > 1
    assert looks[1] == 0
    assert planned_steps(timed(PHOTOGRAPHS, 0.1), 2000, 1, 10) > 0


def test_boxes_are_not_learned_more_often_than_is_good_for_them_whatever_the_budget() -> None:
    size = size_for(BOXES, [(640, 480)])
    assert size.most_epochs is not None

    steps = planned_steps(timed(size, 0.1), 600, 1, 10_000.0)

    assert steps * size.batch / 600 == pytest.approx(size.most_epochs, rel=0.01)
    assert planned_steps(timed(size, 0.1), 20, 1, 10_000.0) * size.batch / 20 > size.most_epochs


@given(st.floats(100, 400))
def test_most_of_a_budget_is_used_though_boxes_are_not_learned_too_often(budget: float) -> None:
    """Up to twice the looks that are good for one course."""
    size = size_for(BOXES, [(640, 480)])
    assert size.most_epochs is not None
    afforded = min(affordable_steps(timed(size, 0.1), 1, budget, 0), 2 * size.most_epochs * 300 / size.batch)

    plan = with_steps(timed(size, 0.1), 300, 1, budget)

    assert plan.steps * (1 + plan.again) >= 0.8 * afforded


def test_a_course_on_all_images_may_follow_the_one_that_holds_some_out() -> None:
    carried = rows(truth_of([200, 200]))
    (once,) = courses(carried, 0)

    tried, model = with_all_again([once])

    assert (tried.name, model.name) == (TRIED, MODEL)
    assert np.array_equal(tried.held_out, once.held_out)
    assert np.array_equal(tried.learn, once.learn)
    assert np.array_equal(model.learn, np.arange(400))
    assert len(model.held_out) == 0


def test_processes_that_learn_together_take_fewer_steps_over_as_many_images() -> None:
    alone = timed(PHOTOGRAPHS, 0.01)
    together = replace(alone, processes=4)

    steps = [planned_steps(plan, 2000, 1, None) * plan.together for plan in (alone, together)]

    assert steps == pytest.approx([PHOTOGRAPHS.epochs * 2000] * 2, rel=0.01)


def test_without_a_budget_a_training_ends_at_its_plateau_or_at_the_cap() -> None:
    easy = planned_steps(timed(SMALL_PICTURES, 0.05), 1347, 1, None, known_f1=0.99)
    small = planned_steps(timed(SMALL_PICTURES, 0.05), 1347, 1, None, known_f1=0.80)
    large = planned_steps(timed(PHOTOGRAPHS, 0.1), 100_000, 1, None)

    epochs = [steps * SMALL_PICTURES.batch / 1347 for steps in (easy, small)]
    assert epochs == pytest.approx([EASY_EPOCHS, SMALL_PICTURES.epochs], rel=0.01)
    assert large * 0.1 < AUTOMATIC_SECONDS


@given(label_counts, st.integers(0, 99))
def test_a_part_that_is_held_out_leaves_an_image_of_every_label(counts: list[int], seed: int) -> None:
    truth = truth_of(counts)

    part = held_out_part(truth, 0.2, seed)

    left = np.bincount(np.delete(truth, part), minlength=len(counts))
    assert (left >= 1).all()
    assert all((truth[part] == label).any() for label, count in enumerate(counts) if count >= 2)


@given(label_counts, st.integers(0, 99))
def test_no_course_learns_from_what_it_holds_out(counts: list[int], seed: int) -> None:
    truth = truth_of(counts)

    for course in courses(rows(truth), seed):
        together = np.concatenate([course.learn, course.held_out])
        assert sorted(together) == list(range(len(truth)))


def test_a_small_set_is_scored_in_folds_and_learned_whole() -> None:
    truth = truth_of([20, 20, 20])

    *folds, model = courses(rows(truth), seed=0)

    assert len(folds) == 3
    assert sorted(np.concatenate([fold.held_out for fold in folds])) == list(range(60))
    assert (model.name, len(model.held_out), len(model.learn)) == (MODEL, 0, 60)
    assert {tuple(np.bincount(truth[fold.held_out])) for fold in folds} <= {(7, 7, 6), (7, 6, 7), (6, 7, 7)}


def test_a_larger_set_has_one_holdout_and_one_course() -> None:
    truth = truth_of([120] * 4)

    (model,) = courses(rows(truth), seed=0)

    assert (model.name, list(np.bincount(truth[model.held_out]))) == (MODEL, [18] * 4)


@given(st.integers(2, 120), st.integers(0, 99))
def test_a_hurried_course_holds_out_a_quarter_or_as_many_images_as_a_holdout_needs(
    count: int, seed: int
) -> None:
    truth = truth_of([count, count])

    (model,) = courses(rows(truth), seed, hurried=True)

    assert len(model.held_out) == pytest.approx(min(0.25 * 2 * count, HOLDOUT_LEAST), abs=1)
    assert len(model.learn) + len(model.held_out) == 2 * count


def test_the_seed_decides_what_is_held_out() -> None:
    truth = truth_of([140] * 2)
    first, again, other = (courses(rows(truth), seed)[0].held_out for seed in (1, 1, 2))

    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@given(label_counts, st.integers(0, 99), st.integers(1, 4), st.booleans())
def test_copies_of_an_image_are_held_out_together(
    counts: list[int], seed: int, each: int, hurried: bool
) -> None:
    """Each image is there one to four times; a label that has two of them is learned from in every course."""
    truth = np.repeat(truth_of(counts), each)
    originals = held_together(rows(truth), np.arange(len(truth)) // each)
    several = {label for label in truth if len(set(originals[truth == label])) > 1}

    for course in courses(rows(truth), seed, originals, hurried=hurried):
        assert not set(originals[course.learn]) & set(originals[course.held_out])
        assert several <= set(truth[course.learn])


def test_images_are_held_together_with_copies_of_the_same_label_unless_most_of_it_are_copies() -> None:
    truth = np.array([0, 0, 0, 0, 1, 1, 1])
    copied = np.array([0, 1, 0, 3, 0, 5, 5])  # of image 0: 2 and 4, of image 5: 6

    assert list(held_together(rows(truth), copied)) == [0, 1, 0, 3, 4, 5, 6]
