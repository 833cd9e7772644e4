"""The detector: a net that looks for boxes everywhere at once, small enough to learn on two cores.

Layer: training (torch). The classifier's stages, one more, and two steps back up to a single map of every
eighth pixel, where each place says which labels it sees and how far their edges are. One map serves tiny and
large boxes alike, since what the coarser maps know has been added to it. No anchors. 2.5 million parameters.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from customlabels.training.network import Stage, convolution, normalised

WIDTHS = (24, 48, 96, 192, 192)  # channels after the stem and after each stage
MAP = WIDTHS[2]  # channels of the map that the answers are read from
STRIDE = 8  # pixels from one place of that map to the next
RARE = -4.6  # a label is at about one place in a hundred, so says a net that knows nothing
USUAL_REACH = 1.0  # of an edge from the place, as a logarithm of places
MOST_REACH = 6.0


class Detector(nn.Module):
    """Images to scores and corners at every place; sides are multiples of 32."""

    def __init__(self, labels: int) -> None:
        super().__init__()
        self.stem = convolution(3, WIDTHS[0], stride=2)
        self.stages = nn.ModuleList(map(Stage, WIDTHS, WIDTHS[1:]))
        self.lateral = nn.ModuleList(nn.Conv2d(width, MAP, 1) for width in WIDTHS[2:])
        self.fuse = nn.ModuleList([convolution(MAP, MAP), convolution(MAP, MAP)])
        self.seen = nn.Sequential(convolution(MAP, MAP), convolution(MAP, MAP))
        self.measured = nn.Sequential(convolution(MAP, MAP), convolution(MAP, MAP))
        self.head = nn.Conv2d(MAP, labels, 1)
        self.edges = nn.Conv2d(MAP, 4, 1)
        nn.init.constant_(self.head.bias, RARE)  # type: ignore[arg-type]
        nn.init.constant_(self.edges.bias, USUAL_REACH)  # type: ignore[arg-type]

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """images: (n, 3, height, width) float, normalised.

        Places row by row: logits (n, places, labels), and corners (n, places, 4) as shares of the sides.
        """
        maps, levels = self.stem(images), []
        for number, stage in enumerate(self.stages):
            maps = stage(maps)
            if number > 0:
                levels.append(self.lateral[number - 1](maps))
        finest, middle, coarsest = levels
        middle = self.fuse[0](middle + functional.interpolate(coarsest, scale_factor=2.0))
        finest = self.fuse[1](finest + functional.interpolate(middle, scale_factor=2.0))
        rows, columns = finest.shape[2], finest.shape[3]
        logits = self.head(self.seen(finest)).flatten(2).transpose(1, 2)
        edges = self.edges(self.measured(finest)).flatten(2).transpose(1, 2).float()
        sides = torch.tensor([columns, rows, columns, rows], device=edges.device)
        outwards = torch.tensor([-1.0, -1.0, 1.0, 1.0], device=edges.device)
        reach = torch.exp(edges.clamp(-MOST_REACH, MOST_REACH)) / sides
        return logits, centres(rows, columns, edges.device).repeat(1, 2) + reach * outwards


def centres(rows: int, columns: int, device: torch.device | None = None) -> Tensor:
    """Where the places are, row by row: (places, 2) across and down, as shares of the sides."""
    down = (torch.arange(rows, device=device) + 0.5) / rows
    across = (torch.arange(columns, device=device) + 0.5) / columns
    return torch.stack([across.repeat(rows), down.repeat_interleave(columns)], dim=1)


class ServedDetector(nn.Module):
    """The detector as it is exported: bytes in, scores and corners of every place out.

    both_ways: says the mean of what the net says of an image and of its mirror image, which takes twice as
        long. Out of folds of `cells`, two seeds, it gains 0.005 and 0.008 of mAP50 and 0.005 and 0.007 of F1.
    """

    def __init__(self, detector: nn.Module, *, both_ways: bool = False) -> None:
        super().__init__()
        self.detector, self.both_ways = detector, both_ways

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """images: (n, height, width, 3) uint8; returns (n, places, labels) 0..1, (n, places, 4)."""
        scores, corners = self._said(normalised(images))
        if self.both_ways:
            turned, edges = self._said(normalised(images.flip(2)))
            rows, columns = images.shape[1] // STRIDE, images.shape[2] // STRIDE
            # Where the mirror image has each place: rows as they are, from their ends.
            places = (
                torch.arange(rows * columns, device=images.device).reshape(rows, columns).flip(1).flatten()
            )
            left, top, right, bottom = edges[:, places].unbind(dim=2)
            scores = (scores + turned[:, places]) / 2
            corners = (corners + torch.stack([1 - right, top, 1 - left, bottom], dim=2)) / 2
        return scores, corners

    def _said(self, images: Tensor) -> tuple[Tensor, Tensor]:
        logits, corners = self.detector(images)
        return torch.sigmoid(logits), corners
