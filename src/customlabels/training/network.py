"""The classifier: a residual network, small enough to learn on two cores.

Layer: training (torch). Plain 3x3 convolutions only: they are what CPUs with bfloat16 units do fastest.
1.9 million parameters. Halving by stride instead of pooling made a step 1.6 times cheaper, and the same CPU
time better spent: 0.70 instead of 0.63 validation F1 on photographs of clothes (with the growing side of
`plan`).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

# The usual channel statistics of photographs; they only centre the input, the net learns the rest.
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
WIDTHS = (32, 64, 128, 256)  # channels after the stem and after each stage


def convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class Stage(nn.Module):
    """More channels at half the side, then one residual pair."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.halve = convolution(inputs, outputs, stride=2)
        self.pair = nn.Sequential(convolution(outputs, outputs), convolution(outputs, outputs))

    def forward(self, maps: Tensor) -> Tensor:
        halved = self.halve(maps)
        refined: Tensor = halved + self.pair(halved)
        return refined


class Classifier(nn.Module):
    """Images to logits, one a label; takes any side from 16 pixels.

    small: what the labels name may be a small part of an image, so that its strongest place counts as well
    """

    def __init__(self, labels: int, *, small: bool = False) -> None:
        super().__init__()
        self.small = small
        self.stem = convolution(3, WIDTHS[0], stride=2)
        self.stages = nn.Sequential(*map(Stage, WIDTHS, WIDTHS[1:]))
        self.head = nn.Linear(WIDTHS[-1] * (2 if small else 1), labels)

    def forward(self, images: Tensor) -> Tensor:
        """images: (n, 3, side, side) float, normalised; returns (n, labels) logits."""
        maps = self.stages(self.stem(images))
        seen = [maps.mean(dim=(2, 3))] + [maps.amax(dim=(2, 3))] * self.small
        logits: Tensor = self.head(torch.cat(seen, dim=1))
        return logits


def normalised(images: Tensor) -> Tensor:
    """images: (n, side, side, 3), 0..255; returns (n, 3, side, side) float, channels last in memory."""
    mean, std = (torch.tensor(each, device=images.device) * 255 for each in (MEAN, STD))
    return ((images.float() - mean) / std).permute(0, 3, 1, 2)


class Served(nn.Module):
    """The classifier as it is exported: bytes in, calibrated probabilities out.

    classifier: takes normalised images; alone or together with
    answer: takes images as they are     weights: of what each says
    single: an image has one label, so that scores share 1; else each stands for itself
    """

    def __init__(
        self,
        classifier: nn.Module,
        answer: nn.Module | None = None,
        weights: tuple[float, float] = (1.0, 0.0),
        *,
        single: bool,
    ) -> None:
        super().__init__()
        self.classifier, self.answer = classifier, answer
        self.weights, self.single = weights, single

    def forward(self, images: Tensor) -> Tensor:
        """images: (n, side, side, 3) uint8; returns (n, labels) float, 0..1."""
        net, other = self.weights
        parts = [net * self.classifier(normalised(images))] if net > 0 else []
        if self.answer is not None and other > 0:
            parts.append(other * self.answer(images))
        logits = torch.stack(parts).sum(dim=0)
        return torch.softmax(logits, dim=1) if self.single else torch.sigmoid(logits)
