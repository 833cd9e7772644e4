"""The loop: it learns, it is the same whenever it is interrupted, and its pieces do what they say."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.training.shapes import LABELS, drawn, scene
from torch import nn

from customlabels.evaluation import Boxes
from customlabels.inference import KINDS
from customlabels.training.assignment import TrueBoxes, box_loss
from customlabels.training.augmentation import Augmentation, mixed, random_frames, random_views
from customlabels.training.boxes import BoxesInImages
from customlabels.training.checkpoints import Learner, read_checkpoint, write_checkpoint
from customlabels.training.detector import Detector, ServedDetector, centres
from customlabels.training.image_labels import ImageLabels
from customlabels.training.learning import Lesson, label_weights, learn, new_learner
from customlabels.training.network import Classifier, Served
from customlabels.training.optimiser import DECAY, AdamW
from customlabels.training.plan import SMALL_PICTURES, Course, Plan, Size, courses
from customlabels.training.planning import timed
from customlabels.training.starting import start_of_own

SIDE = SMALL_PICTURES.height
PLAN = Plan(0, SMALL_PICTURES, batch=8, steps=10, threads=1, bfloat16=False, mirror=True, step_seconds=0.01)
BOX_SIZE = Size(64, 64, ((1.0, 1.0),), epochs=1, batch=8, step=32, margin=1.0)
SINGLE, SEVERAL, FOUND = KINDS


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def lesson_of(kind: str) -> Lesson:
    """24 drawn images of one shape (60 pixels for learning, 48 for scoring), or of some (64 pixels)."""
    if kind == SINGLE:
        pictures = np.stack([drawn(label, seed) for seed in range(8) for label in LABELS])
        carried = np.eye(3, dtype=bool)[np.arange(24) % 3]
        return ImageLabels(
            kind, LABELS, carried, lambda at: pictures[at, 2:62, 2:62], lambda at: pictures[at, 8:56, 8:56]
        )
    scenes = [scene(seed) for seed in range(24)]
    pictures = np.stack([pixels for pixels, _ in scenes])
    if kind == SEVERAL:
        shown = [{label for label, _, _ in each} for _, each in scenes]
        carried = np.array([[label in each for label in LABELS] for each in shown])
        return ImageLabels(
            kind, LABELS, carried, lambda at: pictures[at], lambda at: pictures[at, 8:56, 8:56]
        )
    truth = [
        Boxes.true(
            [LABELS.index(label) for label, _, _ in each],
            [(left / 64, top / 64, left / 64 + 0.5, top / 64 + 0.5) for _, left, top in each],
        )
        for _, each in scenes
    ]
    return BoxesInImages(LABELS, truth, lambda at: pictures[at], lambda at: pictures[at])


def plan_of(kind: str, **changes: Any) -> Plan:
    return replace(PLAN, size=BOX_SIZE if kind == FOUND else SMALL_PICTURES, **changes)


@pytest.fixture(scope="module")
def lesson() -> Lesson:
    return lesson_of(SINGLE)


@pytest.fixture(scope="module")
def course() -> Course:
    return courses(np.eye(3, dtype=bool)[np.arange(24) % 3], seed=0)[0]


class Interrupted(Exception):
    """What a test raises in the middle of a course."""


def state(learner: Learner) -> dict[str, torch.Tensor]:
    """All that a course leaves behind, the optimiser included."""
    slots = learner.optimiser.state_dict()
    nets = {"net": learner.net.state_dict(), "average": learner.average.state_dict(), "slots": slots}
    return {f"{name}.{key}": value for name, values in nets.items() for key, value in values.items()}


def taken(lesson: Lesson, course: Course, plan: Plan, path: Path, also: Callable[[], None]) -> Learner:
    """A course to its end, its state kept after every step."""
    learner = new_learner(lesson, plan, 0)
    read_checkpoint(path, learner)

    def after_step() -> None:
        write_checkpoint(path, learner)
        also()

    learn(lesson, course, plan, learner, after_step)
    return learner


@pytest.mark.parametrize("kind", KINDS)
def test_from_scratch_no_kind_begins_with_anything(kind: str, course: Course) -> None:
    start, told = start_of_own(lesson_of(kind), kind, None, from_scratch=True)

    assert (start(course), told) == ({}, None)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bfloat16", [False, True])
def test_a_course_interrupted_after_any_step_ends_with_the_same_bits(
    tmp_path: Path, course: Course, kind: str, bfloat16: bool
) -> None:
    lesson, plan = lesson_of(kind), plan_of(kind, steps=4, bfloat16=bfloat16)
    whole = taken(lesson, course, plan, tmp_path / "whole", lambda: None)

    def interrupt() -> None:
        raise Interrupted

    for _ in range(plan.steps):
        with pytest.raises(Interrupted):
            taken(lesson, course, plan, tmp_path / "cut", interrupt)
    resumed = taken(lesson, course, plan, tmp_path / "cut", lambda: None)

    expected, found = state(whole), state(resumed)
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[key], found[key]) for key in expected)
    assert resumed.history == whole.history
    assert {entry["step"] for entry in whole.history} == {1, 2, 3, 4}


@pytest.mark.parametrize(("kind", "steps"), [(SINGLE, 40), (SEVERAL, 60), (FOUND, 60)])
def test_a_net_learns_what_it_is_shown(kind: str, steps: int) -> None:
    every, lesson = np.arange(24), lesson_of(kind)
    plan = plan_of(kind, steps=steps)
    learner = new_learner(lesson, plan, 0)

    learn(lesson, Course("model", every, every), plan, learner, lambda: None)

    assert lesson.f1(lesson.say(learner.average, every), every) > 0.7
    assert learner.history[-1]["f1"] > 0.7
    assert learner.history[-1]["loss"] < learner.history[0]["loss"]


def test_the_seed_decides_the_result(tmp_path: Path, lesson: Lesson, course: Course) -> None:
    one, other = (
        taken(lesson, course, replace(PLAN, steps=2, seed=seed), tmp_path / str(seed), lambda: None)
        for seed in (1, 2)
    )

    assert not all(
        torch.equal(*pair) for pair in zip(one.net.parameters(), other.net.parameters(), strict=True)
    )


def test_a_checkpoint_of_another_course_is_not_taken_up(tmp_path: Path, lesson: Lesson) -> None:
    write_checkpoint(tmp_path / "state", new_learner(lesson, PLAN, 0))

    assert not read_checkpoint(tmp_path / "state", new_learner(lesson, PLAN, 1))
    assert read_checkpoint(tmp_path / "state", new_learner(lesson, PLAN, 0))


def test_timing_gives_a_step_of_some_milliseconds(lesson: Lesson) -> None:
    timing = timed(lesson, PLAN)

    assert 1e-4 < timing.step_seconds < 10


@pytest.mark.parametrize("single", [True, False])
def test_the_served_net_takes_bytes_and_gives_scores(single: bool) -> None:
    images = torch.randint(0, 256, (3, SIDE, SIDE, 3), dtype=torch.uint8)

    scores = Served(Classifier(4, small=not single), single=single).eval()(images)

    assert scores.shape == (3, 4)
    assert bool(((scores > 0) & (scores < 1)).all())
    assert torch.allclose(scores.sum(dim=1), torch.ones(3)) is single


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


@pytest.mark.parametrize("upend", [False, True])
def test_top_and_bottom_are_swapped_only_where_it_is_allowed(upend: bool) -> None:
    image = torch.zeros((8, 60, 60, 3), dtype=torch.uint8)
    image[:, :30] = 200

    seen = random_views(image, SIDE, replace(PLAIN, upend=upend), torch.Generator().manual_seed(0))

    assert bool((seen[:, :10].mean(dim=(1, 2, 3)) < 100).any()) is upend


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


def frames(seed: int, **swaps: bool) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Views of an image that is black but for one white box, eight times; the box; whether it is left."""
    image = torch.zeros((8, 128, 128, 3), dtype=torch.uint8)
    image[:, 32:64, 16:80] = 255
    corners = torch.tensor([[0.125, 0.25, 0.625, 0.5]]).repeat(8, 1, 1)
    return random_frames(image, corners, (128, 128), torch.Generator().manual_seed(seed), **swaps)


@pytest.mark.parametrize("swaps", [{}, {"mirror": True}, {"upend": True}, {"mirror": True, "upend": True}])
def test_boxes_move_with_the_views(swaps: dict[str, bool]) -> None:
    seen, corners, kept = frames(2, **swaps)

    assert bool(kept.all())
    for view, ((left, top, right, bottom),) in zip(seen, (corners * 128).round().int().tolist(), strict=True):
        white = view.mean(dim=2) > 170
        inside = white[top + 2 : bottom - 2, left + 2 : right - 2]
        assert bool(inside.all())
        assert int(white.sum()) <= (right - left + 4) * (bottom - top + 4)


def test_views_that_stay_whole_keep_every_box_as_it_is_or_mirrored() -> None:
    _, moved, _ = frames(2, mirror=True)
    _, corners, kept = frames(2, mirror=True, whole=True)

    assert bool(kept.all())
    assert {tuple(box.tolist()) for (box,) in corners} == {
        (0.125, 0.25, 0.625, 0.5),
        (0.375, 0.25, 0.875, 0.5),
    }
    assert len({tuple(box.tolist()) for (box,) in moved}) == len(moved)


def test_a_box_of_which_little_is_left_is_not_asked_for() -> None:
    image = torch.zeros((64, 64, 64, 3), dtype=torch.uint8)
    corners = torch.tensor([[0.0, 0.0, 0.05, 0.05]]).repeat(64, 1, 1)

    _, placed, kept = random_frames(image, corners, (64, 64), torch.Generator().manual_seed(0))

    areas = (placed[:, 0, 2] - placed[:, 0, 0]) * (placed[:, 0, 3] - placed[:, 0, 1])
    assert not bool(kept.all())
    assert bool((areas[kept[:, 0]] > 0).all())


def test_places_without_a_box_are_wanted_to_say_nothing() -> None:
    logits, corners = torch.zeros((2, 16, 3)), torch.rand((2, 16, 4))
    places = centres(4, 4)
    nothing = TrueBoxes(
        torch.zeros((2, 0), dtype=torch.int64), torch.zeros((2, 0, 4)), torch.zeros((2, 0)) > 0, places
    )

    sure = box_loss(logits + 3, corners, nothing)

    assert box_loss(logits - 9, corners, nothing) < box_loss(logits, corners, nothing) < sure


def test_what_is_missed_of_a_rare_label_costs_more() -> None:
    box, present, places = torch.tensor([[[0.1, 0.1, 0.4, 0.4]]]), torch.tensor([[True]]), centres(1, 1)
    weights = label_weights(np.array([90, 10]))
    often, seldom = (TrueBoxes(torch.tensor([[label]]), box, present, places) for label in (0, 1))
    silent = torch.full((1, 1, 2), -3.0)

    assert box_loss(silent, box, seldom, weights) > box_loss(silent, box, often, weights)
    assert float((weights * torch.tensor([90, 10])).sum()) == pytest.approx(100)


def test_a_false_alarm_costs_more_than_a_box_that_is_missed_as_surely() -> None:
    box = torch.tensor([[[0.1, 0.1, 0.4, 0.4]]])
    one = TrueBoxes(torch.tensor([[0]]), box, torch.tensor([[True]]), centres(1, 1))
    none = TrueBoxes(torch.tensor([[0]]), box, torch.tensor([[False]]), centres(1, 1))
    sure = torch.full((1, 1, 1), 2.0)

    assert box_loss(sure, box, none) > box_loss(-sure, box, one)


def test_a_tiny_box_between_all_places_is_learned_from_too() -> None:
    places = centres(4, 4)
    tiny = torch.tensor([[[0.26, 0.26, 0.27, 0.27]]])
    truth = TrueBoxes(torch.tensor([[1]]), tiny, torch.tensor([[True]]), places)
    logits = torch.zeros((1, 16, 3), requires_grad=True)

    torch.autograd.backward(box_loss(logits, tiny.repeat(1, 16, 1), truth))

    assert logits.grad is not None
    assert (logits.grad[0, :, 1] < 0).nonzero().flatten().tolist() == [5]


def test_the_served_detector_gives_scores_and_corners_of_every_place() -> None:
    images = torch.randint(0, 256, (2, 64, 96, 3), dtype=torch.uint8)

    scores, corners = ServedDetector(Detector(5)).eval()(images)

    assert (scores.shape, corners.shape) == ((2, 96, 5), (2, 96, 4))
    assert bool((corners[:, :, :2] < corners[:, :, 2:]).all())


def test_a_detector_that_looks_both_ways_says_the_same_of_a_mirror_image_mirrored() -> None:
    images = torch.randint(0, 256, (2, 64, 96, 3), dtype=torch.uint8)
    served = ServedDetector(Detector(5), both_ways=True).eval()

    scores, corners = served(images)
    mirrored = [each.reshape(2, 8, 12, -1).flip(2).flatten(1, 2) for each in served(images.flip(2))]

    left, top, right, bottom = mirrored[1].unbind(dim=2)
    assert torch.allclose(scores, mirrored[0], atol=1e-5)
    assert torch.allclose(corners, torch.stack([1 - right, top, 1 - left, bottom], dim=2), atol=1e-5)
    assert not torch.allclose(scores, ServedDetector(served.detector).eval()(images)[0], atol=1e-5)


def test_the_optimiser_moves_weights_as_the_class_of_torch_does() -> None:
    one = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4 * 36, 5))
    other = copy.deepcopy(one)
    weights = [weight for weight in other.parameters() if weight.ndim > 1]
    rest = [weight for weight in other.parameters() if weight.ndim <= 1]
    groups = [{"params": weights, "weight_decay": DECAY}, {"params": rest, "weight_decay": 0.0}]
    ours, theirs = AdamW(one), torch.optim.AdamW(groups, lr=0.01)
    generator = torch.Generator().manual_seed(0)

    for _ in range(5):
        images = torch.randn(4, 3, 8, 8, generator=generator)
        for net in (one, other):
            torch.autograd.backward(net(images).square().mean())
        ours.step(0.01)
        theirs.step()
        theirs.zero_grad()

    pairs = zip(one.parameters(), other.parameters(), strict=True)
    assert all(torch.allclose(mine, its, atol=1e-6) for mine, its in pairs)
