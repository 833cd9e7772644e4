"""The machine that needs no net: what it says of an image is what it would say without it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tests.training.shapes import LABELS, drawn

from customlabels.inference import SINGLE_LABEL
from customlabels.training import handcrafted
from customlabels.training.calibration import blended
from customlabels.training.handcrafted import Handcrafted, fitted
from customlabels.training.image_labels import ImageLabels

PICTURES = np.stack([drawn(label, seed) for seed in range(10) for label in LABELS])
CARRIED = np.eye(3, dtype=bool)[np.arange(30) % 3]

EVERY = np.arange(30)


def some(places: NDArray[np.int64]) -> NDArray[np.uint8]:
    return PICTURES[places]


def test_it_tells_shapes_apart_that_it_has_not_seen() -> None:
    machine, left_out = fitted(some, CARRIED, EVERY, mirror=True, seed=0)

    others = np.stack([drawn(label, seed) for seed in range(50, 60) for label in LABELS])
    said = machine(torch.from_numpy(others)).argmax(dim=1).numpy()
    assert (said == np.arange(30) % 3).mean() > 0.8
    assert (left_out.argmax(dim=1).numpy() == np.arange(30) % 3).mean() > 0.7


@pytest.mark.parametrize("mirror", [False, True])
def test_left_out_means_left_out(monkeypatch: pytest.MonkeyPatch, mirror: bool) -> None:
    """The closed form against fitting again without the image and its copy, at the same settings."""
    monkeypatch.setattr(handcrafted, "WIDTHS", (1.0,))
    monkeypatch.setattr(handcrafted, "COLOUR_WEIGHTS", (0.5,))
    monkeypatch.setattr(handcrafted, "_middling", lambda _rows: 1.0)
    originals = np.where(EVERY == 20, 17, EVERY)
    pictures = PICTURES[originals]
    _, left_out = fitted(pictures.__getitem__, CARRIED, EVERY, originals=originals, mirror=mirror, seed=0)

    for image in (0, 17):
        rest = np.flatnonzero(originals != image)
        others = pictures[rest]
        machine, _ = fitted(others.__getitem__, CARRIED[rest], EVERY[: len(rest)], mirror=mirror, seed=0)
        # The mean of the targets moves a little with the image; the order of the answers stays.
        again = machine(torch.from_numpy(pictures[image : image + 1]))[0]
        assert torch.allclose(again, left_out[image], atol=0.03)


def test_of_many_images_some_make_the_machine_and_those_that_matter_are_judged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(handcrafted, "MOST_ROWS", 18)

    machine, left_out = fitted(some, CARRIED, EVERY[:15], mirror=True, seed=0)

    spoken_of = torch.isfinite(left_out[:, 0])
    assert machine.get_buffer("columns").shape[1] == 18
    assert bool(spoken_of[:15].all())
    assert not bool(spoken_of.all())


def test_a_machine_comes_back_from_its_state() -> None:
    machine, _ = fitted(some, CARRIED, EVERY, mirror=False, seed=0)

    again = Handcrafted.of(machine.state_dict())

    assert torch.equal(again(torch.from_numpy(PICTURES)), machine(torch.from_numpy(PICTURES)))


@pytest.mark.parametrize("side", [48, 64, 96, 120])
def test_images_of_every_side_give_nearly_the_same_features(side: int) -> None:
    machine, _ = fitted(some, CARRIED, EVERY, mirror=False, seed=0)
    rows = np.arange(side) * 64 // side
    enlarged = torch.from_numpy(PICTURES[:, rows][:, :, rows])

    said = machine(enlarged).argmax(dim=1)

    assert (said.numpy() == np.arange(30) % 3).mean() > 0.8


def test_images_that_are_all_the_same_break_nothing() -> None:
    machine, left_out = fitted(lambda at: PICTURES[at * 0], CARRIED, EVERY, mirror=True, seed=0)

    assert bool(torch.isfinite(left_out).all())
    assert bool(torch.isfinite(machine(torch.from_numpy(PICTURES))).all())


def test_the_better_of_two_voices_speaks_alone_and_two_good_ones_together() -> None:
    random = np.random.default_rng(0)
    truth = random.integers(0, 4, 200)
    carried = np.eye(4, dtype=bool)[truth]
    noise = [random.normal(0, 1, (200, 4)) for _ in range(3)]

    only_net = blended(carried * 4 + noise[0], noise[1] * 0.1, carried)
    only_other = blended(noise[1], carried * 0.7 + noise[0] * 0.1, carried)
    both = blended(carried * 1.5 + noise[0], carried * 0.3 + noise[2] * 0.2, carried)

    assert only_net[1] == 0
    assert only_other[0] == 0
    assert min(both) > 0


def test_images_that_no_course_held_out_are_spoken_of_by_what_was_fitted_without_them() -> None:
    carried = np.eye(2, dtype=bool)[[0, 1, 0, 1, 0, 1]]
    left_out = np.where(carried, 0.9, 0.1).astype(np.float32)
    left_out[2], left_out[4] = (0.1, 0.9), np.nan  # one that is contradicted, one that is not known

    lesson = ImageLabels(SINGLE_LABEL, ("a", "b"), carried, some, some, left_out=left_out)
    told = lesson.said_left_out(np.array([0, 3]))

    assert told is not None
    assert told[0].tolist() == [1, 2, 5]
    assert told[1].scores.argmax(axis=1).tolist() == [1, 1, 1]
    assert told[1].truth.argmax(axis=1).tolist() == [1, 0, 1]
    assert replace(lesson, left_out=None).said_left_out(np.array([0])) is None
