"""Small data sets that tests draw: circles, crosses and stripes, and the spec of a training on them."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from customlabels.inference import BOXES, SINGLE_LABEL
from customlabels.training import TrainingOutcome, TrainingSpec, train

LABELS = ("circle", "cross", "stripes")
SIDE, QUARTER = 64, 32  # pixels of a picture, and of a quarter of a scene
VERSION = "arn:aws:rekognition:us-east-1:123456789012:project/shapes/version/v1/1"


def drawn(label: str, seed: int) -> NDArray[np.uint8]:
    """(64, 64, 3) uint8: one shape in a random colour at a random place."""
    random = np.random.default_rng([seed, LABELS.index(label)])
    pixels = random.integers(0, 60, (SIDE, SIDE, 3))
    down, across = np.mgrid[:SIDE, :SIDE] - random.integers(24, 40, (2, 1, 1))
    shape = {
        "circle": (down**2 + across**2) < 200,
        "cross": (abs(down) < 5) | (abs(across) < 5),
        "stripes": (down + across * (0.6 + 0.37 * seed % 1)) % 12 < 5,  # in a direction of its own
    }[label]
    pixels[shape] = random.integers(120, 255, 3)
    return pixels.astype(np.uint8)


def line(reference: str, *labels: str, **more: Any) -> dict[str, Any]:
    """A Ground Truth image-classification line."""
    value: dict[str, Any] = {"source-ref": reference, **more}
    for number, label in enumerate(labels):
        metadata = {
            "class-name": label,
            "confidence": 1,
            "type": "groundtruth/image-classification",
            "human-annotated": "yes",
            "creation-date": "2026-01-01T00:00:00",
        }
        value |= {f"shape{number}": number, f"shape{number}-metadata": metadata}
    return value


def written(path: Path, lines: Sequence[Mapping[str, Any] | str]) -> Path:
    """A manifest; texts stand as they are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        "".join((value if isinstance(value, str) else json.dumps(value)) + "\n" for value in lines)
    )
    return path


def image_lines(bucket: Path, name: str, each: int, labels: Sequence[str] = LABELS) -> list[dict[str, Any]]:
    """Draw `each` images a label into the bucket's folder; returns their lines."""
    lines = []
    for label in labels:
        for number in range(each):
            key = f"{name}/{label}-{number}.png"
            (bucket / name).mkdir(parents=True, exist_ok=True)
            Image.fromarray(drawn(label, hash_of(name) + number)).save(bucket / key)
            lines.append(line(f"s3://images/{key}", label))
    return lines


def hash_of(name: str) -> int:
    """A number that is the same in every process."""
    return sum(name.encode()) * 1000


def spec_on(folder: Path, each: int = 8, tested: int = 4, **changes: Any) -> TrainingSpec:
    """A training of seconds on drawn images below `folder`."""
    bucket, output = folder / "images", folder / "output"
    output.mkdir(parents=True, exist_ok=True)
    spec = TrainingSpec(
        work_folder=folder / "work",
        train_manifest=written(folder / "train.manifest", image_lines(bucket, "train", each)),
        test_manifest=written(folder / "test.manifest", image_lines(bucket, "test", tested)),
        buckets={"images": bucket, "output": output},
        output_bucket="output",
        output_prefix="runs/",
        project_name="shapes",
        version_name="v1",
        version_arn=VERSION,
        budget_seconds=1.0,
        threads=1,
    )
    return replace(spec, **changes)


def trained_once(factory: pytest.TempPathFactory, kind: str) -> tuple[TrainingSpec, TrainingOutcome]:
    """A training of this kind to look at, for all files and processes of a test run; nobody changes it."""
    root = factory.getbasetemp()
    root = root.parent if "PYTEST_XDIST_WORKER" in os.environ else root
    told = root / f"trained-{kind}.json"
    with (root / f"trained-{kind}.lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if not told.exists():
            spec = replace(spec_of_kind(root / f"trained-{kind}", kind), checkpoint_seconds=0.3)
            outcome = train(spec, lambda _: None, lambda: False)
            told.write_text(json.dumps([spec.to_json(), outcome.to_json()]))
    spec_text, outcome_value = json.loads(told.read_text())
    return TrainingSpec.from_json(spec_text), TrainingOutcome.from_json(outcome_value)


def scene(seed: int, labels: Sequence[str] = LABELS) -> tuple[NDArray[np.uint8], list[tuple[str, int, int]]]:
    """(64, 64, 3) uint8: shapes in some of its quarters; and which, with left and top of the quarter."""
    random = np.random.default_rng([7, seed])
    pixels = random.integers(0, 60, (2 * QUARTER, 2 * QUARTER, 3)).astype(np.uint8)
    shown = []
    for quarter in random.permutation(4)[: random.integers(1, 4)]:
        label = labels[int(random.integers(len(labels)))]
        top, left = QUARTER * (quarter // 2), QUARTER * (quarter % 2)
        pixels[top : top + QUARTER, left : left + QUARTER] = drawn(label, seed)[::2, ::2]
        shown.append((label, int(left), int(top)))
    return pixels, shown


def boxed(reference: str, *boxes: tuple[str, int, int], side: int = 2 * QUARTER) -> dict[str, Any]:
    """A Ground Truth object-detection line of boxes of a quarter of the image. boxes: label, left, top"""
    names = sorted({label for label, _, _ in boxes})
    annotations = [
        {"class_id": names.index(label), "left": left, "top": top, "width": QUARTER, "height": QUARTER}
        for label, left, top in boxes
    ]
    metadata = {
        "objects": [{"confidence": 1} for _ in boxes],
        "class-map": {str(number): name for number, name in enumerate(names)},
        "type": "groundtruth/object-detection",
        "human-annotated": "yes",
        "creation-date": "2026-01-01T00:00:00",
    }
    frame = [{"width": side, "height": side, "depth": 3}]
    return {
        "source-ref": reference,
        "boxes": {"image_size": frame, "annotations": annotations},
        "boxes-metadata": metadata,
    }


def scene_lines(bucket: Path, name: str, count: int, kind: str) -> list[dict[str, Any]]:
    """Draw scenes into the bucket's folder; their lines with boxes, or with several labels an image."""
    (bucket / name).mkdir(parents=True, exist_ok=True)
    lines = []
    for number in range(count):
        pixels, shown = scene(hash_of(name) + number)
        Image.fromarray(pixels).save(bucket / name / f"{number}.png")
        reference = f"s3://images/{name}/{number}.png"
        labels = sorted({label for label, _, _ in shown})
        lines.append(boxed(reference, *shown) if kind == BOXES else line(reference, *labels))
    return lines


def spec_of_kind(folder: Path, kind: str, count: int = 24, tested: int = 12) -> TrainingSpec:
    """A training of seconds of any kind of model."""
    spec = spec_on(folder)
    if kind == SINGLE_LABEL:
        return spec
    bucket = spec.buckets["images"]
    written(spec.train_manifest, scene_lines(bucket, "scenes", count, kind))
    written(folder / "test.manifest", scene_lines(bucket, "tested", tested, kind))
    return spec
