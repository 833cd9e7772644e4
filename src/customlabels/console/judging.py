"""What a model said of its test images, item by item: what pages filter, count and draw.

Layer: console. Pure; lines of the testing output go in. An item is an image where labels are of whole images,
a box where they are of boxes; a true box that was not found is an item with score 0.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from customlabels.evaluation import LEAST_OVERLAP, overlaps

TRAINING, EVALUATION = "rekognition-custom-labels-training-", "rekognition-custom-labels-evaluation"
DETAILS = "rekognition-custom-labels-evaluation-details"
Box = tuple[float, float, float, float]  # left, top, width, height in pixels


Cells = dict[tuple[str, str], list[str]]


@dataclass(frozen=True)
class Item:
    """score: 0..1     present: whether the label is there in truth"""

    image: str
    label: str
    score: float
    present: bool
    box: Box | None = None

    def is_found(self, threshold: float) -> bool:
        """Whether it counts as found; a true box with score 0 was not found at any threshold."""
        return self.score >= threshold and (self.score > 0 or self.box is None)


@dataclass
class Judged:
    """truth: of each image the labels that it carries, with their boxes     frames: width, height"""

    items: list[Item] = field(default_factory=list)
    truth: dict[str, list[tuple[str, Box | None]]] = field(default_factory=dict)
    frames: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def finds_boxes(self) -> bool:
        """Whether the model finds boxes."""
        return bool(self.frames)

    @classmethod
    def of(cls, lines: Iterable[bytes]) -> Judged:
        """From the lines of a TestingGroundTruth document."""
        judged = cls()
        for line in filter(None, lines):
            judged._take(orjson.loads(line))
        return judged

    def _take(self, line: dict[str, Any]) -> None:
        image = line["source-ref"]
        truth = self.truth.setdefault(image, [])
        for name, value in line.items():
            metadata = line.get(f"{name}-metadata")
            if metadata is None or not name.startswith((TRAINING, EVALUATION)):
                continue
            if not isinstance(value, dict):
                label = metadata["class-name"]
                if name.startswith(TRAINING):
                    truth.append((label, None))
                else:
                    present = metadata[DETAILS]["is-present-in-ground-truth"]
                    self.items.append(Item(image, label, metadata["confidence"], present))
                continue
            size = value["image_size"][0]
            self.frames[image] = (size["width"], size["height"])
            names = metadata["class-map"]
            for each, told in zip(value["annotations"], metadata["objects"], strict=True):
                label = names[str(each["class_id"])]
                box = tuple(each[side] for side in ("left", "top", "width", "height"))
                if name.startswith(TRAINING):
                    truth.append((label, box))
                else:
                    present = told[DETAILS]["is-present-in-ground-truth"]
                    self.items.append(Item(image, label, told["confidence"], present, box))


def curve(items: Sequence[Item], there: int) -> list[tuple[float, float]]:
    """Recall and precision of one label as its threshold falls. there: how often the label is, in truth"""
    ranked = sorted((item for item in items if item.is_found(0)), key=lambda item: -item.score)
    found = 0
    points: list[tuple[float, float]] = []
    for count, item in enumerate(ranked, start=1):
        found += item.present
        if count == len(ranked) or ranked[count].score < item.score:
            points.append((found / max(there, 1), found / count))
    return points


def confusions(judged: Judged, thresholds: Mapping[str, float]) -> Cells:
    """Images that carry one label and were given another, or the same, or none (""), by that pair.

    Another only counts where the image does not carry it: several labels of one image are no confusion.
    Of boxes, the image of each: one that lies on nothing has the truth "".
    """
    if judged.finds_boxes:
        return _confused_boxes(judged, thresholds)
    found: dict[str, set[str]] = defaultdict(set)
    for item in judged.items:
        if item.is_found(thresholds.get(item.label, 1.0)):
            found[item.image].add(item.label)
    cells: Cells = defaultdict(list)
    for image, truth in judged.truth.items():
        carried = {label for label, _ in truth}
        for label in carried:
            said = (found[image] - carried) | ({label} & found[image])
            for other in said or {""}:
                cells[label, other].append(image)
    return cells


def _confused_boxes(judged: Judged, thresholds: Mapping[str, float]) -> Cells:
    """A wrong box is laid on the missed one under it, whatever its label; the surest chooses first."""
    wrong: dict[str, list[Item]] = defaultdict(list)
    missed: dict[str, list[Item]] = defaultdict(list)
    cells: Cells = defaultdict(list)
    for item in sorted(judged.items, key=lambda item: -item.score):
        is_found = item.is_found(thresholds.get(item.label, 1.0))
        if item.present and is_found:
            cells[item.label, item.label].append(item.image)
        elif item.present or is_found:
            (missed if item.present else wrong)[item.image].append(item)
    for image, items in wrong.items():
        left = missed[image]
        near = overlaps(_corners(items), _corners(left))
        for row, item in enumerate(items):
            truth = ""
            if near[row].max(initial=0.0) >= LEAST_OVERLAP:
                under = int(near[row].argmax())
                truth = left.pop(under).label
                near = np.delete(near, under, axis=1)
            cells[truth, item.label].append(image)
    for image, items in missed.items():
        for item in items:
            cells[item.label, ""].append(image)
    return cells


def _corners(items: Sequence[Item]) -> NDArray[np.float64]:
    """(items, 4); of an item without a box, which lies on nothing, zeros."""
    boxes = np.array([item.box or (0, 0, 0, 0) for item in items], dtype=np.float64).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    return boxes
