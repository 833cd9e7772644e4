"""Labels of whole images: one for each image by softmax, or several by scores that are independent.

Layer: training (torch). Both kinds share the net and the views; loss, scores and their calibration differ.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor, nn
from torch.nn import functional

from customlabels.evaluation import Predictions, count, prediction_line
from customlabels.inference import SINGLE_LABEL, Predictor
from customlabels.training.augmentation import Augmentation, mixed, random_views
from customlabels.training.calibration import blended, probabilities, temperature_for, weight_for
from customlabels.training.learning import OWN_RATE, Images, Said, Weights, label_weights
from customlabels.training.material import Part
from customlabels.training.network import Classifier, Served, normalised
from customlabels.training.plan import Plan

BENDING = 1e-4  # rate of learning of what was pretrained; not measured with real weights
LABEL_SMOOTHING, MIXUP = 0.1, 0.2  # of single labels; two images mixed would carry the labels of both
LEAST_AREA, LEAST_AREA_OF_SEVERAL = 0.35, 0.6  # of a view: one of several things is soon cut off
SCORED_AT_ONCE = 64  # images; bounds memory
TESTED_AT_ONCE = 256


@dataclass(frozen=True, eq=False)
class ImageLabels:
    """The lesson of a model of image labels.

    kind: single-label or multi-label     carried: (n, labels) bool
    images: (places,) to (places, cached_side, cached_side, 3) uint8
    as_served: (places,) of images that are ever held out to (places, side, side, 3) uint8, as served
    originals: (n,) the one that each is held out with, as a copy of it
    answer, left_out: what needs no steps (handcrafted features, or those of a pretrained backbone), and what
        it says of each image that is kept from it; nan of some that are never held out
    pretrained: makes the net that learns on, where there is a pretrained backbone
    """

    kind: str
    labels: Sequence[str]
    carried: NDArray[np.bool_]
    images: Images
    as_served: Images
    originals: NDArray[np.int64] | None = None
    answer: nn.Module | None = None
    left_out: NDArray[np.float32] | None = None
    pretrained: Callable[[], nn.Module] | None = None

    @property
    def single(self) -> bool:
        """Whether an image has exactly one label."""
        return self.kind == SINGLE_LABEL

    @property
    def count(self) -> int:
        """How many images there are to learn from."""
        return len(self.carried)

    @property
    def rate(self) -> float:
        """Of learning: what was pretrained is only bent."""
        return OWN_RATE if self.pretrained is None else BENDING

    def net(self) -> nn.Module:
        """The classifier."""
        if self.pretrained is not None:
            return self.pretrained()
        return Classifier(len(self.labels), small=not self.single)

    def batch(
        self, places: NDArray[np.int64], pixels: Tensor, share: float, plan: Plan, generator: Generator
    ) -> tuple[Tensor, Tensor]:
        """Normalised views, and rows of shares (n, labels)."""
        truth = torch.from_numpy(self.carried[places]).to(pixels.device).float()
        height, _width = plan.size.sides_at(share)
        area = LEAST_AREA if self.single else LEAST_AREA_OF_SEVERAL
        rules = Augmentation(least_area=area, mirror=plan.mirror, upend=plan.upend)
        views = random_views(pixels, height, rules, generator)
        views, targets = mixed(views, truth, MIXUP if self.single else 0.0, generator)
        return normalised(views), targets

    def loss(self, outputs: Tensor, targets: Tensor, learned: NDArray[np.int64]) -> Tensor:
        """Cross entropy; rare labels count more."""
        carriers, outputs = self.carried[learned].sum(axis=0), outputs.float()
        if self.single:
            weight = label_weights(carriers).to(outputs.device)
            return functional.cross_entropy(outputs, targets, weight=weight, label_smoothing=LABEL_SMOOTHING)
        weight = _presence_weights(carriers, len(learned)).to(outputs.device)
        return functional.binary_cross_entropy_with_logits(outputs, targets, pos_weight=weight)

    def say(self, net: nn.Module, places: NDArray[np.int64]) -> Said:
        """The logits of a net."""
        return {"logits": logits_of(net, self.as_served(places))}

    def f1(self, said: Said, places: NDArray[np.int64]) -> float:
        """Of single labels by the highest score, of several by scores of a half."""
        logits = said["logits"]
        found = np.eye(len(self.labels))[logits.argmax(axis=1)] if self.single else (logits > 0).astype(float)
        return float(count(found, self.carried[places], np.full(len(self.labels), 0.5)).macro_f1)

    @property
    def left_out_f1(self) -> float | None:
        """What the machine that needs no net is worth."""
        if self.left_out is None:
            return None
        judged = np.flatnonzero(np.isfinite(self.left_out[:, 0]))
        return self.f1({"logits": self.left_out[judged]}, judged)

    def predicted(self, said: Said, places: NDArray[np.int64]) -> tuple[Predictions, Weights]:
        """Calibrated scores of held-out images, and how they come from the net and from the other machine."""
        logits, carried = said["logits"], self.carried[places]
        if self.left_out is None:
            weights = 1 / temperature_for(logits, carried, single=self.single), 0.0
            logits = weights[0] * logits
        else:
            # Two of the same backbone would cost twice as much to serve: then it is the one or the other.
            together = self.pretrained is None
            weights = blended(logits, self.left_out[places], carried, single=self.single, together=together)
            logits = weights[0] * logits + weights[1] * self.left_out[places]
        scores = probabilities(logits, single=self.single)
        return Predictions(self.labels, scores, carried, "held-out training images"), weights

    def said_left_out(self, held_out: NDArray[np.int64]) -> tuple[NDArray[np.int64], Predictions] | None:
        """Of images that no course held out: their places, and what the voice that needs no net says."""
        if self.left_out is None:
            return None
        known = np.isfinite(self.left_out[:, 0])
        weight = weight_for(self.left_out[known], self.carried[known], single=self.single)
        known[held_out] = False
        places = np.flatnonzero(known)
        scores = probabilities(weight * self.left_out[places], single=self.single)
        return places, Predictions(self.labels, scores, self.carried[places], "training images")

    def served(self, net: nn.Module, weights: Weights) -> nn.Module:
        """What is exported."""
        return Served(net, self.answer, weights, single=self.single)

    def tested(self, predictor: Predictor, part: Part) -> Predictions:
        """Scores of the test images."""
        scores = [np.zeros((0, len(self.labels)), dtype=np.float32)]
        for start in range(0, len(part.carried), TESTED_AT_ONCE):
            scores.append(predictor.scores_of(part.images(slice(start, start + TESTED_AT_ONCE))))
        return Predictions(self.labels, np.concatenate(scores), part.carried)

    def lines(
        self, tested: Predictions, part: Part, thresholds: NDArray[np.floating[Any]], ended: datetime
    ) -> Iterator[str]:
        """The lines of the testing output."""
        for row, entry in enumerate(part.entries):
            yield json.dumps(prediction_line(tested, row, entry.source_ref, thresholds, ended))


def logits_of(net: nn.Module, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """images: (n, side, side, 3) uint8; returns (n, labels) float32, in the precision of the export."""
    net.eval()
    # Not every backbone takes no images at all.
    some = torch.from_numpy(images if len(images) else np.zeros((1, *images.shape[1:]), dtype=np.uint8))
    with torch.inference_mode():
        device = next(net.parameters()).device
        parts = [net(normalised(part.to(device))).float() for part in torch.split(some, SCORED_AT_ONCE)]
    logits: NDArray[np.float32] = torch.cat(parts).cpu().numpy()
    return logits[: len(images)]


def _presence_weights(carriers: NDArray[np.int64], images: int) -> Tensor:
    """(labels,) float: how much more images with a label count than those without: the root of the odds."""
    odds = (images - carriers) / np.maximum(carriers, 1)
    return torch.tensor(np.sqrt(np.clip(odds, 1, 100)), dtype=torch.float32)
