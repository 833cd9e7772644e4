"""The loop: it learns, it is the same whenever it is interrupted, and its pieces do what they say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.training.shapes import LABELS, drawn

from customlabels.training.augmentation import Augmentation, mixed, random_views
from customlabels.training.checkpoints import Learner, read_checkpoint, write_checkpoint
from customlabels.training.network import Classifier, Served
from customlabels.training.plan import SMALL_PICTURES, Course, Plan, courses
from customlabels.training.planning import timed
from customlabels.training.single_label import Examples, learn, logits_of, new_learner

SIDE = SMALL_PICTURES.side
PLAN = Plan(0, SIDE, batch=8, steps=10, threads=1, bfloat16=False, mirror=True, step_seconds=0.01)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def examples() -> Examples:
    """24 drawn images, of 60 pixels for learning and 48 for scoring."""
    pictures = np.stack([drawn(label, seed) for seed in range(8) for label in LABELS])
    truth = np.arange(24) % 3
    return Examples(truth, 3, lambda at: pictures[at, 2:62, 2:62], lambda at: pictures[at, 8:56, 8:56])


@pytest.fixture(scope="module")
def course() -> Course:
    return courses(np.arange(24) % 3, 3, seed=0)[0]


class Interrupted(Exception):
    """What a test raises in the middle of a course."""


def state(learner: Learner) -> dict[str, torch.Tensor]:
    """All that a course leaves behind, the optimiser included."""
    memory = learner.optimiser.state_dict()["state"]
    slots = {
        f"{at}.{slot}": torch.as_tensor(value) for at, kept in memory.items() for slot, value in kept.items()
    }
    nets = {"net": learner.net.state_dict(), "average": learner.average.state_dict(), "slots": slots}
    return {f"{name}.{key}": value for name, values in nets.items() for key, value in values.items()}


def taken(examples: Examples, course: Course, plan: Plan, path: Path, also: Callable[[], None]) -> Learner:
    """A course to its end, its state kept after every step."""
    learner = new_learner(plan, 3, 0)
    read_checkpoint(path, learner)

    def after_step() -> None:
        write_checkpoint(path, learner)
        also()

    learn(examples, course, plan, learner, after_step)
    return learner


@pytest.mark.parametrize("bfloat16", [False, True])
def test_a_course_interrupted_after_any_step_ends_with_the_same_bits(
    tmp_path: Path, examples: Examples, course: Course, bfloat16: bool
) -> None:
    plan = replace(PLAN, steps=4, bfloat16=bfloat16)
    whole = taken(examples, course, plan, tmp_path / "whole", lambda: None)

    def interrupt() -> None:
        raise Interrupted

    for _ in range(plan.steps):
        with pytest.raises(Interrupted):
            taken(examples, course, plan, tmp_path / "cut", interrupt)
    resumed = taken(examples, course, plan, tmp_path / "cut", lambda: None)

    expected, found = state(whole), state(resumed)
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[key], found[key]) for key in expected)
    assert resumed.history == whole.history
    assert [entry["step"] for entry in whole.history] == [1, 2, 3, 4]


def test_the_net_learns_to_tell_shapes_apart(tmp_path: Path, examples: Examples) -> None:
    every = np.arange(24)
    plan = replace(PLAN, steps=40)

    learner = taken(examples, Course("model", every, every), plan, tmp_path / "state", lambda: None)

    logits = logits_of(learner.average, examples.as_served(every))
    assert (logits.argmax(axis=1) == examples.truth).mean() > 0.8
    assert learner.history[-1]["f1"] > 0.8
    assert learner.history[-1]["loss"] < learner.history[0]["loss"]


def test_the_seed_decides_the_result(tmp_path: Path, examples: Examples, course: Course) -> None:
    one, other = (
        taken(examples, course, replace(PLAN, steps=2, seed=seed), tmp_path / str(seed), lambda: None)
        for seed in (1, 2)
    )

    assert not torch.equal(one.net.head.weight, other.net.head.weight)


def test_a_checkpoint_of_another_course_is_not_taken_up(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "state", new_learner(PLAN, 3, 0))

    assert not read_checkpoint(tmp_path / "state", new_learner(PLAN, 3, 1))
    assert read_checkpoint(tmp_path / "state", new_learner(PLAN, 3, 0))


def test_timing_gives_a_step_of_some_milliseconds(examples: Examples) -> None:
    timing = timed(examples, PLAN)

    assert 1e-4 < timing.step_seconds < 10


def test_the_served_net_takes_bytes_and_gives_shares() -> None:
    images = torch.randint(0, 256, (3, SIDE, SIDE, 3), dtype=torch.uint8)

    scores = Served(Classifier(4), temperature=2.0).eval()(images)

    assert scores.shape == (3, 4)
    assert torch.allclose(scores.sum(dim=1), torch.ones(3))


def views(rules: Augmentation, seed: int = 0) -> torch.Tensor:
    """Views of one bright-left image, eight times."""
    image = torch.zeros((8, 60, 60, 3), dtype=torch.uint8)
    image[:, :, :30] = 200
    return random_views(image, SIDE, rules, torch.Generator().manual_seed(seed))


PLAIN = Augmentation(least_area=1.0, stretch=0, rotation_degrees=0, colour=0, cutout_side=0, mirror=False)


def test_rules_of_nothing_leave_the_image_as_it_is() -> None:
    plain = views(PLAIN)

    assert plain.shape == (8, SIDE, SIDE, 3)
    assert (plain[:, :, :20].round() == 200).all()


@pytest.mark.parametrize("mirror", [False, True])
def test_sides_are_swapped_only_where_it_is_allowed(mirror: bool) -> None:
    left = views(replace(PLAIN, mirror=mirror))[:, :, :10].mean(dim=(1, 2, 3))

    assert bool((left < 100).any()) is mirror


@pytest.mark.parametrize(
    "change",
    [{"least_area": 0.3}, {"stretch": 0.3}, {"rotation_degrees": 20}, {"colour": 0.4}, {"cutout_side": 0.5}],
)
def test_each_rule_changes_the_image_and_stays_in_range(change: dict[str, Any]) -> None:
    changed = views(replace(PLAIN, **change))

    assert not torch.equal(changed, views(PLAIN))
    assert changed.min() >= 0
    assert changed.max() <= 255
    assert torch.equal(changed, views(replace(PLAIN, **change)))


def test_mixup_mixes_images_and_truth_by_the_same_share() -> None:
    images, truth = torch.eye(2).view(2, 1, 1, 2).expand(2, 4, 4, 2), torch.eye(2)

    mixed_images, mixed_truth = mixed(images, truth, 0.4, torch.Generator().manual_seed(3))

    assert torch.allclose(mixed_images[:, 0, 0], mixed_truth)
    assert torch.allclose(mixed_truth.sum(dim=1), torch.ones(2))
