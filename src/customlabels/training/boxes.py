"""Boxes: what a detector learns from, and what is said of its answers.

Layer: training (torch).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor, nn

from customlabels.evaluation import Boxes, BoxPredictions, box_line, boxes_of_labels, steady_thresholds
from customlabels.inference import Predictor, kept_boxes
from customlabels.training.assignment import TrueBoxes, box_loss
from customlabels.training.augmentation import random_frames
from customlabels.training.detector import STRIDE, Detector, ServedDetector, centres
from customlabels.training.learning import OWN_RATE, Images, Said, Weights, label_weights
from customlabels.training.material import Part
from customlabels.training.network import normalised
from customlabels.training.plan import Plan

SCORED_AT_ONCE = 16  # images; bounds memory
# Of a course. Moved views cut boxes off at their edges, and tell of each that is left; people who draw boxes
# often leave out what the edge of an image cuts off. The last views are images as they will be served.
WHOLE_FROM = 0.8
ARRAYS = ("labels", "corners", "scores")  # of boxes
NOTHING = Boxes(np.zeros(0, np.int64), np.zeros((0, 4)), np.zeros(0, np.float32))


@dataclass(frozen=True, eq=False)
class BoxesInImages:
    """The lesson of a model of boxes.

    truth: the true boxes of every image
    images: (places,) to (places, height, width, 3) uint8
    as_served: the same of images that are ever held out, as served
    mirror: whether swapping left and right is harmless: then a served image is looked at both ways
    """

    labels: Sequence[str]
    truth: Sequence[Boxes]
    images: Images
    as_served: Images
    mirror: bool = False

    @property
    def count(self) -> int:
        """How many images there are to learn from."""
        return len(self.truth)

    @property
    def rate(self) -> float:
        """Of learning."""
        return OWN_RATE

    def net(self) -> nn.Module:
        """The detector."""
        return Detector(len(self.labels))

    def batch(
        self, places: NDArray[np.int64], pixels: Tensor, share: float, plan: Plan, generator: Generator
    ) -> tuple[Tensor, TrueBoxes]:
        """Normalised views, and the boxes in them."""
        boxes = [self.truth[at] for at in places]
        most = max(map(len, boxes))
        labels, present = np.zeros((len(boxes), most), np.int64), np.zeros((len(boxes), most), np.bool_)
        edges = np.zeros((len(boxes), most, 4), np.float32)
        for row, each in enumerate(boxes):
            labels[row, : len(each)] = each.labels
            edges[row, : len(each)] = each.corners
            present[row, : len(each)] = True
        carried, corners, told = (
            torch.from_numpy(array).to(pixels.device) for array in (labels, edges, present)
        )
        height, width = plan.size.sides_at(share)
        views, corners, kept = random_frames(
            pixels,
            corners,
            (height, width),
            generator,
            whole=share >= WHOLE_FROM,
            mirror=plan.mirror,
            upend=plan.upend,
        )
        seen = centres(height // STRIDE, width // STRIDE, pixels.device)
        return normalised(views), TrueBoxes(carried, corners, told & kept, seen)

    @cached_property
    def _carriers(self) -> NDArray[np.int64]:
        """(images, labels) boxes."""
        return boxes_of_labels(self.truth, len(self.labels))

    def loss(self, outputs: tuple[Tensor, Tensor], targets: TrueBoxes, learned: NDArray[np.int64]) -> Tensor:
        """Of labels and of corners; rare labels count more."""
        weights = label_weights(self._carriers[learned].sum(axis=0)).to(targets.corners.device)
        return box_loss(*outputs, targets, weights)

    def say(self, net: nn.Module, places: NDArray[np.int64]) -> Said:
        """Every box that a net finds. image: index of its image"""
        served = ServedDetector(net, both_ways=self.mirror).eval()
        found = [NOTHING]  # so that there is something to join
        with torch.inference_mode():
            device = next(net.parameters()).device
            for part in torch.split(torch.from_numpy(self.as_served(places)), SCORED_AT_ONCE):
                scores, corners = (each.float().cpu().numpy() for each in served(part.to(device)))
                found += [kept_boxes(*each) for each in zip(scores, corners, strict=True)]
        said = {name: np.concatenate([getattr(boxes, name) for boxes in found]) for name in ARRAYS}
        return {**said, "image": np.repeat(places, list(map(len, found[1:])))}

    def f1(self, said: Said, places: NDArray[np.int64]) -> float:
        """At the thresholds that these very images ask for: a little flattering, and good for following."""
        predictions, _ = self.predicted(said, places)
        cuts = steady_thresholds(predictions.candidates)
        return float(predictions.counted(cuts).of_all_images.macro_f1)

    def predicted(self, said: Said, places: NDArray[np.int64]) -> tuple[BoxPredictions, Weights]:
        """The boxes of held-out images; as they are: a score has learned to say how well its box fits."""
        order = np.argsort(said["image"], kind="stable")
        first, last = (
            np.searchsorted(said["image"], places, side, sorter=order) for side in ("left", "right")
        )
        spans = [order[slice(*span)] for span in zip(first, last, strict=True)]
        found = [Boxes(*(said[name][rows] for name in ARRAYS)) for rows in spans]
        truth = [self.truth[place] for place in places]
        return BoxPredictions(self.labels, found, truth, "held-out training images"), (1.0, 0.0)

    def served(self, net: nn.Module, _weights: Weights) -> nn.Module:
        """The net as it is exported."""
        return ServedDetector(net, both_ways=self.mirror)

    def tested(self, predictor: Predictor, part: Part) -> BoxPredictions:
        """The boxes of the test images."""
        found: list[Boxes] = []
        for start in range(0, len(part.entries), SCORED_AT_ONCE):
            found += predictor.boxes_of(part.images(slice(start, start + SCORED_AT_ONCE)))
        return BoxPredictions(self.labels, found, part.boxes)

    def lines(
        self, tested: BoxPredictions, part: Part, thresholds: NDArray[np.floating[Any]], ended: datetime
    ) -> Iterator[str]:
        """The lines of the testing output."""
        for row, entry in enumerate(part.entries):
            width, height = entry.frame or (1.0, 1.0)
            size = (round(width), round(height))
            yield json.dumps(box_line(tested, row, entry.source_ref, size, thresholds, ended))
