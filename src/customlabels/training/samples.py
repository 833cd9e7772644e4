"""Sample data to try the whole pipeline with, one for each kind of model; nothing is downloaded.

Layer: training. `digits` are the 1,797 scans that scikit-learn ships, read when asked for;
`labels` and `boxes` are scenes of plain shapes, drawn here.
"""

from __future__ import annotations

import gzip
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from customlabels.datasets import Box, Item, item_lines, new_folder
from customlabels.errors import InvalidInput
from customlabels.training.plan import held_out_part

SIZE = 64  # pixels a side of a digit: the service takes no smaller image
TEST_SHARE = 0.25  # of each digit
SCENES = {"train": 240, "test": 80}
SCENE_SIZE = (192, 144)  # pixels
FINER = 4  # times the scene's size while drawing, so that edges are smooth
SMALLEST, LARGEST, MOST_SHAPES = 22, 56, 5  # sides in pixels; shapes of a scene
TRIES = 20  # to find room for a shape
SAMPLE = "a sample", None  # the place of what was said about an image

Drawn = tuple[Item, Image.Image]
Square = tuple[str, int, int, int]  # label, left, top, side


def write_sample(name: str, folder: Path, bucket: str, *, seed: int = 0) -> Mapping[str, int]:
    """Write folder/train/*, folder/test/*, train.manifest and test.manifest; digits in a folder per label.

    name: one of SAMPLES     bucket: the name in the manifests' s3:// references; register `folder` under it
    seed: of split and scenes
    Returns the number of images by set ("train", "test"). `folder` must not exist, or be empty: it appears
    whole or not at all. Raises InvalidInput.
    """
    if name not in SAMPLES:
        raise InvalidInput(f"{name!r} is no sample; there are: {', '.join(SAMPLES)}")
    counts = dict.fromkeys(SCENES, 0)
    with new_folder(folder) as beside:
        for part in counts:
            items = []
            for item, picture in SAMPLES[name](part, seed):
                place = beside / part / item.key
                place.parent.mkdir(parents=True, exist_ok=True)
                picture.save(place, compress_level=1)  # of noise, more would take long and save nothing
                items.append(item)
            text = "".join(f"{line}\n" for line in item_lines(items, f"s3://{bucket}/{part}/"))
            (beside / f"{part}.manifest").write_text(text, encoding="utf-8")
            counts[part] = len(items)
    return counts


def _digits(part: str, seed: int) -> Iterator[Drawn]:
    """Dark ink on white, enlarged smoothly."""
    package = find_spec("sklearn")  # only its file: to import it takes longer than all else here
    if package is None or package.origin is None:
        raise InvalidInput("the digits come with scikit-learn: pip install 'customlabels[train]'")
    with gzip.open(Path(package.origin).with_name("datasets") / "data" / "digits.csv.gz", "rt") as file:
        scans, digits = np.split(np.loadtxt(file, delimiter=","), [64], axis=1)
    test = held_out_part(digits[:, 0].astype(int), TEST_SHARE, seed)
    for at in test if part == "test" else np.setdiff1d(np.arange(len(digits)), test):
        digit = str(int(digits[at, 0]))
        pixels = (255 - scans[at].reshape(8, 8) * (255 / 16)).round().astype(np.uint8)  # ink from 0 to 16
        picture = Image.fromarray(pixels).resize((SIZE, SIZE), Image.Resampling.BICUBIC)
        yield Item(f"{digit}/{at:04d}.png", SAMPLE, (digit,)), picture


def _labels(part: str, seed: int) -> Iterator[Drawn]:
    """Scenes, each with the labels of what it shows."""
    for item, picture in _boxes(part, seed):
        yield replace(item, labels=tuple(sorted(set(item.all_labels))), boxes=(), frame=None), picture


def _boxes(part: str, seed: int) -> Iterator[Drawn]:
    """Scenes, each with a box around every shape."""
    for key, picture, squares in _scenes(part, seed):
        boxes = tuple(Box(label, left, top, side, side) for label, left, top, side in squares)
        yield Item(key, SAMPLE, boxes=boxes, frame=SCENE_SIZE), picture


SAMPLES: Mapping[str, Callable[[str, int], Iterator[Drawn]]] = {
    "digits": _digits,
    "labels": _labels,
    "boxes": _boxes,
}


def _regular(corners: int, depth: float = 1.0) -> list[tuple[float, float]]:
    """A polygon within (0, 0) to (1, 1); with a depth below 1 a star. Its first corner is on top."""
    points = corners if depth == 1.0 else 2 * corners
    reach = [1.0 if number % 2 == 0 or depth == 1.0 else depth for number in range(points)]
    turns = [2 * math.pi * number / points for number in range(points)]
    return [
        (0.5 + far * math.sin(turn) / 2, 0.5 - far * math.cos(turn) / 2)
        for far, turn in zip(reach, turns, strict=True)
    ]


SHAPES: Mapping[str, list[tuple[float, float]]] = {
    "circle": _regular(48),
    "diamond": _regular(4),
    "star": _regular(5, 0.4),
    "triangle": [(0.5, 0.0), (1.0, 1.0), (0.0, 1.0)],
}


def _scenes(part: str, seed: int) -> Iterator[tuple[str, Image.Image, list[Square]]]:
    """Shapes of any colour and size on a ground of another colour, with noise over all; and their boxes."""
    random = np.random.default_rng([seed, list(SCENES).index(part)])
    width, height = SCENE_SIZE
    for number in range(SCENES[part]):
        ground = random.integers(40, 216, 3)
        canvas = Image.new("RGB", (width * FINER, height * FINER), tuple(ground.tolist()))
        pencil, boxes = ImageDraw.Draw(canvas), list[Square]()
        for _ in range(random.integers(1, MOST_SHAPES + 1)):
            label, side = str(random.choice(list(SHAPES))), int(random.integers(SMALLEST, LARGEST + 1))
            place = _free_place(random, side, boxes)
            if place is None:
                continue
            boxes.append((label, *place, side))
            # At least 90 away in one colour from the ground, so that it can be seen.
            colour = (ground + random.choice([-1, 1], 3) * random.integers(90, 128, 3)) % 256
            corners = [
                ((place[0] + x * side) * FINER, (place[1] + y * side) * FINER) for x, y in SHAPES[label]
            ]
            pencil.polygon(corners, fill=tuple(colour.tolist()))
        small = np.asarray(canvas.resize(SCENE_SIZE, Image.Resampling.BOX)).astype(float)
        noisy = small + random.normal(0, 12, small.shape)
        yield f"{number:03d}.png", Image.fromarray(noisy.clip(0, 255).astype(np.uint8)), boxes


def _free_place(random: np.random.Generator, side: int, boxes: list[Square]) -> tuple[int, int] | None:
    """Left and top of a shape that touches no other one; None where none was found."""
    width, height = SCENE_SIZE
    for _ in range(TRIES):
        left, top = int(random.integers(width - side)), int(random.integers(height - side))
        if all(
            left > other_left + other
            or other_left > left + side
            or top > other_top + other
            or other_top > top + side
            for _, other_left, other_top, other in boxes
        ):
            return left, top
    return None
