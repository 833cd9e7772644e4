"""Drawn images, and learning from them: what stands behind the weights that come with the package."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from pretraining.drawing import World
from pretraining.scenes import framed, labelled
from safetensors.torch import load_file
from torch import Generator

from customlabels.training.detector import Detector
from customlabels.training.network import Classifier
from customlabels.training.starting import DRAWN

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def world() -> World:
    return World.drawn(8, 8, Generator().manual_seed(0))


def random() -> Generator:
    return Generator().manual_seed(1)


def test_the_same_seed_draws_the_same_images(world: World) -> None:
    first, again = (labelled(world, 4, 48, random()) for _ in range(2))

    assert all(map(torch.equal, first, again))
    assert first[0].shape == (4, 48, 48, 3)
    assert first[0].min() >= 0
    assert first[0].max() <= 255


def test_a_class_strays_less_than_classes_differ(world: World) -> None:
    number, one = 24, world.shapes.count
    classes = torch.arange(number) % one
    drawn = world.objects(classes, torch.zeros(number, dtype=torch.int64), 48, random(), turn=0.2)[:, 3]

    apart = torch.cdist(drawn.flatten(1), drawn.flatten(1))
    alike = classes[:, None] == classes[None]
    assert apart[alike & ~torch.eye(number, dtype=torch.bool)].mean() < 0.8 * apart[~alike].mean()


def test_an_object_fills_its_box(world: World) -> None:
    images, truth = framed(world, 6, (128, 160), random())

    assert images.shape == (6, 128, 160, 3)
    assert truth.present.any(dim=1).all()
    corners = truth.corners[truth.present]
    assert ((corners >= 0) & (corners <= 1)).all()
    assert (corners[:, 2:] > corners[:, :2]).all()
    # Something begins at a box's edges: colours differ more within a frame's boxes than by grain alone.
    for image, boxes, there in zip(images, truth.corners, truth.present, strict=True):
        x0, y0, x1, y1 = (boxes[there][0] * torch.tensor([160, 128, 160, 128])).round().int().tolist()
        assert image[y0:y1, x0:x1].std() > 1


@pytest.mark.parametrize(("file", "net"), [("labels", Classifier(3, small=True)), ("boxes", Detector(3))])
def test_the_weights_of_the_package_are_those_of_our_nets(file: str, net: torch.nn.Module) -> None:
    shipped = load_file(DRAWN / f"{file}.safetensors")

    own = {name: weight.shape for name, weight in net.state_dict().items() if not name.startswith("head.")}
    assert {name: weight.shape for name, weight in shipped.items()} == own
    assert all(weight.isfinite().all() for weight in shipped.values())
    assert sum(file.stat().st_size for file in DRAWN.iterdir()) < 12e6


def test_the_program_learns_and_leaves_weights_that_a_training_takes(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pretraining", str(tmp_path), "--classifier", "2", "--detector", "2"]
    subprocess.run([*command, "--share", "0.01", "--device", "cpu"], cwd=ROOT, check=True, timeout=120)

    for ours, file in (("labels", "classifier"), ("boxes", "detector")):
        made, shipped = load_file(tmp_path / f"{file}.safetensors"), load_file(DRAWN / f"{ours}.safetensors")
        assert {name: weight.shape for name, weight in made.items()} == {
            name: weight.shape for name, weight in shipped.items()
        }
