"""How finely images are seen: as finely as what tells the labels apart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from tests.training.shapes import line, spec_on, written

from customlabels.storage import Objects
from customlabels.training import TrainingSpec
from customlabels.training.documents import Documents
from customlabels.training.fineness import fine_enough
from customlabels.training.material import Material, gathered
from customlabels.training.pictures import PictureSource
from customlabels.training.plan import FINER_SIDES, PHOTOGRAPHS, Plan

EACH, SIDE = 20, FINER_SIDES[-1]


def cloth(seed: int, across: bool) -> NDArray[np.uint8]:
    """(SIDE, SIDE, 3): a thread each three pixels, woven one way or the other, in blotches of any colour."""
    random = np.random.default_rng([seed, across])
    blotches = Image.fromarray(random.integers(60, 190, (6, 6, 3), np.uint8)).resize((SIDE, SIDE))
    threads = 40 * (np.arange(SIDE) % 3 == 0)
    woven = np.asarray(blotches) + (threads[:, None, None] if across else threads[None, :, None])
    return np.asarray(woven + random.integers(0, 20, woven.shape), np.uint8)


def shade(seed: int, light: bool) -> NDArray[np.uint8]:
    """(SIDE, SIDE, 3): the same cloth, darker or lighter, which any side shows."""
    return cloth(seed, across=seed % 2 == 0) // (1 if light else 2)


CARRIED = np.repeat(np.eye(2, dtype=bool), EACH, axis=0)
FINE = np.stack([cloth(seed, across) for across in (False, True) for seed in range(EACH)])
COARSE = np.stack([shade(seed, light) for light in (False, True) for seed in range(EACH)])


def test_labels_that_differ_in_fine_threads_are_seen_as_finely_as_these_show() -> None:
    assert fine_enough(PHOTOGRAPHS, FINE, CARRIED, len(FINE), 600.0) > PHOTOGRAPHS.height


def test_labels_that_any_side_tells_apart_are_seen_at_the_usual_one() -> None:
    assert fine_enough(PHOTOGRAPHS, COARSE, CARRIED, len(COARSE), 600.0) == PHOTOGRAPHS.height


def test_labels_that_nothing_tells_apart_are_seen_at_the_usual_side() -> None:
    chance = np.random.default_rng(0).permutation(CARRIED)

    assert fine_enough(PHOTOGRAPHS, FINE, chance, len(FINE), 600.0) == PHOTOGRAPHS.height


def test_a_side_that_there_is_no_time_to_learn_at_is_not_chosen() -> None:
    assert fine_enough(PHOTOGRAPHS, FINE, CARRIED, 1_000_000, 60.0) == PHOTOGRAPHS.height


@pytest.fixture(scope="module")
def woven(tmp_path_factory: pytest.TempPathFactory) -> TrainingSpec:
    folder = tmp_path_factory.mktemp("woven")
    lines = []
    for number, pixels in enumerate(FINE):
        Image.fromarray(pixels).save(folder / f"{number}.png")
        lines.append(line(f"s3://images/{number}.png", "up" if number < EACH else "across"))
    spec = spec_on(folder, budget_seconds=None)
    manifest = written(folder / "woven.manifest", lines)
    buckets = {**spec.buckets, "images": folder}
    return replace(spec, buckets=buckets, train_manifest=manifest, test_manifest=None)


def material_of(spec: TrainingSpec, folder: Path, looked: list[int], side: int = 192) -> Material:
    """The material of a training, where a look at some images, which is kept, says `side`."""
    objects = Objects(spec.folder)

    def look(_usual: object, pixels: NDArray[np.uint8], carried: NDArray[np.bool_], images: int) -> int:
        looked.append(images)
        assert pixels.shape == (2 * EACH - EACH // 5 * 2, SIDE, SIDE, 3)
        assert carried.sum() == len(pixels)
        return side

    source = PictureSource(objects, folder, 1)
    return gathered(spec, source, Documents(spec, objects), lambda _: None, fine_enough=look)


def test_the_chosen_side_is_kept_for_a_later_run_and_noted(woven: TrainingSpec, tmp_path: Path) -> None:
    looked: list[int] = []
    first, again = (material_of(woven, tmp_path, looked) for _ in range(2))

    assert looked == [2 * EACH - EACH // 5 * 2]
    assert first.size == again.size
    assert first.size.sides_at(1.0) == (192, 192)
    assert any("192 x 192 pixels instead of 96 x 96" in note for note in first.notes)


def test_a_given_plan_decides_the_side(woven: TrainingSpec, tmp_path: Path) -> None:
    looked: list[int] = []
    size = material_of(woven, tmp_path / "first", looked).size
    plan = Plan(0, size, 8, 12, 1, bfloat16=False, mirror=False, step_seconds=0.1).to_json()
    followed = replace(woven, plan=plan)

    assert material_of(followed, tmp_path / "second", looked, side=288).size == size
    assert len(looked) == 1


def test_a_budget_of_seconds_leaves_no_time_to_look(woven: TrainingSpec, tmp_path: Path) -> None:
    hurried = replace(woven, budget_seconds=20.0)
    looked: list[int] = []

    assert material_of(hurried, tmp_path, looked).size == PHOTOGRAPHS
    assert not looked
