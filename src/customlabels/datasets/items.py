"""Items: what every file format of labelled images says, before it becomes lines of a manifest.

Layer: datasets. A reader takes a path and gives a `Reading`: items, and problems with their places. A line
tells the data and nothing else: no time, no machine, so it is the same at each reading.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson

from customlabels.datasets.attributes import BOXES, IMAGE_LEVEL, Box
from customlabels.datasets.findings import Problem
from customlabels.images import ImageError, ImageLimits, upright_size

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png"}
ROUNDING = 1.0  # pixels by which a box may leave its image through rounding; it is cut off
CREATED = "2020-01-01T00:00:00"  # fixed: what the data is, not when it was read
ANY_SIZE = ImageLimits(
    min_side=1, max_side=1 << 16, max_aspect=1 << 16, max_pixels=1 << 32, max_bytes=1 << 28
)

Place = tuple[str, int | None]  # file and line


@dataclass(frozen=True)
class Item:
    """One image: its path below the root, and what was said about it at a place.

    frame: width and height of the image that the boxes are on; one without boxes was looked at and is empty
    """

    key: str
    place: Place
    labels: tuple[str, ...] = ()
    boxes: tuple[Box, ...] = ()
    frame: tuple[float, float] | None = None

    @property
    def all_labels(self) -> tuple[str, ...]:
        """Those of the image and those of its boxes."""
        return (*self.labels, *(box.label for box in self.boxes))


@dataclass
class Reading:
    """What a reader found. root: the folder that keys are relative to."""

    root: Path
    items: list[Item] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def refuse(self, place: Place, rule: str, message: str, advice: str = "correct it") -> None:
        """Note what is left out, and why."""
        self.problems.append(Problem("unusable", *place, rule, message, advice))


def key_below(text: str) -> str | None:
    """A relative path, made plain; None for one that is absolute or leads out of its folder."""
    key = posixpath.normpath(text.strip().replace("\\", "/"))
    return None if key in (".", "..") or key.startswith(("/", "../")) or key[1:2] == ":" else key


def fullest(folders: Iterable[Path], names: Iterable[str]) -> Path:
    """The folder that has most of the images; the first of equals."""
    keys = [key for name in names if (key := key_below(name))]
    return max(folders, key=lambda folder: sum((folder / key).is_file() for key in keys)).resolve()


def frame_of(image: Path) -> tuple[int, int] | None:
    """The sides of an image as it is seen, None where there is none; what is wrong with it `check` says."""
    try:
        return upright_size(image.read_bytes(), ANY_SIZE) if image.is_file() else None
    except (OSError, ImageError):
        return None


def item_lines(items: Sequence[Item], prefix: str) -> Iterator[str]:
    """The lines of a manifest, images addressed by prefix and key; the prefix is s3://bucket/ or folder/."""
    labels = {label for item in items for label in item.all_labels}
    numbers = {label: number for number, label in enumerate(sorted(labels))}
    for item in items:
        line: dict[str, Any] = {"source-ref": f"{prefix}{item.key}"}
        for place, label in enumerate(item.labels):
            name = "label" if len(item.labels) == 1 else f"label-{place + 1}"
            metadata = {"class-name": label, "confidence": 1, **_metadata(IMAGE_LEVEL)}
            line |= {name: numbers[label], f"{name}-metadata": metadata}
        if item.boxes or (item.frame and not item.labels):
            line |= _boxes(item, numbers)
        yield orjson.dumps(line).decode()


def _metadata(kind: str) -> dict[str, str]:
    common = {"human-annotated": "yes", "creation-date": CREATED, "job-name": "labeling-job/import"}
    return {"type": kind, **common}


def _boxes(item: Item, numbers: dict[str, int]) -> dict[str, Any]:
    width, height = item.frame or (0, 0)
    boxes = [_inside(box, width, height) for box in item.boxes]
    sides = ("left", "top", "width", "height")
    annotations = [
        {"class_id": numbers[box.label], **{side: getattr(box, side) for side in sides}} for box in boxes
    ]
    value = {"image_size": [{"width": width, "height": height, "depth": 3}], "annotations": annotations}
    used = {str(numbers[box.label]): box.label for box in boxes}
    metadata = {"objects": [{"confidence": 1}] * len(boxes), "class-map": used, **_metadata(BOXES)}
    return {"bounding-box": value, "bounding-box-metadata": metadata}


def _inside(box: Box, width: float, height: float) -> Box:
    """The box without what rounding put outside of the image; one that is farther outside stays as it is."""
    left, top = max(0.0, box.left), max(0.0, box.top)
    right, bottom = min(width, box.left + box.width), min(height, box.top + box.height)
    moved = max(left - box.left, top - box.top, box.left + box.width - right, box.top + box.height - bottom)
    if not 0 < moved <= ROUNDING:
        return box
    return replace(box, left=left, top=top, width=right - left, height=bottom - top)
