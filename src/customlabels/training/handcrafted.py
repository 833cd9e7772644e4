"""An answer within seconds: features that people designed, and a kernel machine on them.

Layer: training (torch). Directions of edges in a grid of cells (HOG) and histograms of colours, then ridge
regression with a Gaussian kernel on rows of 0.5 and -0.5. It has a closed form, and so has what it says of
every training image when that image is left out: what chooses its settings, and what the net has to beat or
to be joined with, costs no second fit. Torch throughout, so that it is exported like a net; no scikit-learn.

On photographs of clothes this is worth 0.69 F1 after six seconds; the net needs minutes for that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from customlabels.training.copies import copies_of
from customlabels.training.learning import Images

SIDE, CELL, DIRECTIONS = 64, 8, 9  # pixels, pixels, of edges without their sign
LARGEST_SHARE = 0.3  # of one direction in its neighbourhood
COLOURS = ((0.0, 1.0, 8), (-0.4, 0.4, 8), (-0.4, 0.4, 8), (0.0, 0.6, 6))  # from, to, bins of each measure
COLOUR_GRID = 4

COLOUR_WEIGHTS = (0.0, 0.5, 1.0)  # of colours beside edges, that are tried
WIDTHS = (0.5, 1.0)  # of the kernel: what is tried
RIDGE = 0.1
MOST_ROWS = 2500  # images, mirrored ones included, that the machine is made of; the work grows with the cube
TRIED_ROWS = 800  # for its settings
AT_ONCE = 64  # images; bounds memory


class Handcrafted(nn.Module):
    """The kernel machine.

    support: (m, features)     weights: (m, labels)     mean: (labels,) of the targets
    width: of the kernel     colour_weight: of colours beside edges
    """

    def __init__(
        self, support: Tensor, weights: Tensor, mean: Tensor, width: float, colour_weight: float
    ) -> None:
        super().__init__()
        # As the product below takes it, and with its squares: a graph would make both and keep it twice.
        centred = support - support.mean(0)
        self.register_buffer("centre", support.mean(0))
        self.register_buffer("columns", centred.T.contiguous())
        self.register_buffer("squares", centred.square().sum(1))
        self.register_buffer("weights", weights)
        self.register_buffer("mean", mean)
        self.register_buffer("settings", torch.tensor([width, colour_weight]))

    @classmethod
    def of(cls, state: Mapping[str, Tensor]) -> Handcrafted:
        """From a `state_dict`."""
        width, colour_weight = state["settings"].tolist()
        machine = cls(state["columns"].T, state["weights"], state["mean"], width, colour_weight)
        machine.load_state_dict(state)  # to the bit, as sums of another order would not be
        return machine

    def forward(self, images: Tensor) -> Tensor:
        """images: (n, height, width, 3), 0..255; returns (n, labels), near 0.5 for the label, else -0.5."""
        names = ("centre", "columns", "squares", "weights", "mean")
        centre, columns, squares, weights, mean = map(self.get_buffer, names)
        width, colour_weight = self.get_buffer("settings").tolist()
        rows = _weighted(*_features(images), colour_weight) - centre
        distances = rows.square().sum(1, keepdim=True) + squares - 2 * rows @ columns
        return torch.exp(-width * distances) @ weights + mean


def fitted(
    images: Images,
    carried: NDArray[np.bool_],
    judged: NDArray[np.int64],
    *,
    originals: NDArray[np.int64] | None = None,
    mirror: bool,
    seed: int,
) -> tuple[Handcrafted, Tensor]:
    """The machine for these images, and what it says of an image that is left out: (n, labels).

    images: (places,) to (places, height, width, 3) uint8     carried: (n, labels) bool
    originals: (n,) of each image the one it is a copy of, itself for others; copies are left out together
    judged: places that it must speak of; of a large set it speaks of these and some others, the rest is nan
    mirror: whether swapping left and right is harmless; then each image is learned from both ways
    """
    chosen = np.sort(np.random.default_rng([seed, 3]).permutation(len(carried))[:MOST_ROWS])
    edges, colours = _joined(images, chosen, mirror=False)
    truth = torch.from_numpy(carried[chosen]).float() - 0.5
    tried = torch.arange(0, len(chosen), max(1, len(chosen) // TRIED_ROWS))
    originals = (np.arange(len(carried)) if originals is None else originals)[chosen]

    def error(settings: tuple[float, float]) -> float:
        width, colour_weight = settings
        some = _weighted(edges[tried], colours[tried], colour_weight)
        left_out, _ = _solved(some, truth[tried], width, 1, originals[tried.numpy()])
        return float((left_out - truth[tried]).square().mean())

    width, colour_weight = min(product(WIDTHS, COLOUR_WEIGHTS), key=error)
    support, targets, ways = _weighted(edges, colours, colour_weight), truth, 1
    if mirror and 2 * len(chosen) <= MOST_ROWS:
        support = torch.cat([support, _weighted(*_joined(images, chosen, mirror=True), colour_weight)])
        targets, ways = targets.repeat(2, 1), 2
    left_out, weights = _solved(support, targets, width, ways, originals)
    # The kernel is applied to plain distances from here on; its width is in units of the middling one.
    machine = Handcrafted(support, weights, truth.mean(0), width / _middling(support), colour_weight)
    said = torch.full(carried.shape, torch.nan)
    said[chosen] = left_out
    others = np.setdiff1d(judged, chosen)
    for start in range(0, len(others), AT_ONCE):
        part = others[start : start + AT_ONCE]
        said[part] = machine(torch.from_numpy(images(part)))
    return machine, said


def _solved(
    rows: Tensor, targets: Tensor, width: float, ways: int, originals: NDArray[np.int64]
) -> tuple[Tensor, Tensor]:
    """What is said of each image when it is left out, (n, labels), and the weights of the rows.

    rows: (ways * n, features): the images, then the same mirrored where `ways` is 2. An image is left out
    both ways at once, and with its copies: their block of the inverse says what it would have been without
    them.
    """
    kernel = torch.exp(-width * _distances(rows) / _middling(rows))
    inverse = torch.linalg.inv(kernel + RIDGE * torch.eye(len(rows)))
    mean = targets.mean(0)
    weights = inverse @ (targets - mean)
    count = len(rows) // ways
    own = torch.arange(count)[:, None] + count * torch.arange(ways)  # (n, ways)
    blocks = inverse[own[:, :, None], own[:, None, :]]  # (n, ways, ways)
    missing = torch.linalg.solve(blocks, weights[own])[:, 0]
    for copies in copies_of(originals):
        own = (torch.from_numpy(copies) + count * torch.arange(ways)[:, None]).reshape(-1)
        missing[copies] = torch.linalg.solve(inverse[own][:, own], weights[own])[: len(copies)]
    return targets[:count] - missing, weights


def _distances(rows: Tensor) -> Tensor:
    # Rows that are nearly the same would differ by less than their squares are rounded.
    rows = rows - rows.mean(0)
    squares = rows.square().sum(1)
    return (squares[:, None] + squares[None] - 2 * rows @ rows.T).clamp_min(0)


def _middling(rows: Tensor) -> float:
    """The median distance, squared, of some rows; at least a little, for images that are all the same."""
    return max(float(_distances(rows[: TRIED_ROWS // 2]).median()), 1e-3)


def _joined(images: Images, places: NDArray[np.int64], *, mirror: bool) -> tuple[Tensor, Tensor]:
    """Edges and colours of all these images, part by part."""

    def parts() -> Iterator[tuple[Tensor, Tensor]]:
        for start in range(0, len(places), AT_ONCE):
            pixels = torch.from_numpy(images(places[start : start + AT_ONCE]))
            yield _features(pixels.flip(2) if mirror else pixels)

    edges, colours = zip(*parts(), strict=True)
    return torch.cat(edges), torch.cat(colours)


def _weighted(edges: Tensor, colours: Tensor, colour_weight: float) -> Tensor:
    return torch.cat([edges, colour_weight * colours], dim=1)


def _features(images: Tensor) -> tuple[Tensor, Tensor]:
    """images: (n, height, width, 3), 0..255; returns edges and colours, (n, features) each of length 1."""
    pixels = images.permute(0, 3, 1, 2).float() / 255
    down, across = (_resampling(side) for side in pixels.shape[2:])
    small = down @ pixels @ across.T
    edges, colours = _edges(small.sqrt()), _colours(small)
    return (
        edges / edges.norm(dim=1, keepdim=True).clamp_min(1e-6),
        colours / colours.norm(dim=1, keepdim=True).clamp_min(1e-6),
    )


def _resampling(side: int) -> Tensor:
    """(SIDE, side) weights that shrink or enlarge a row of pixels: matrices, as any runtime has them."""
    scale = side / SIDE
    middle = (torch.arange(SIDE) + 0.5) * scale - 0.5
    near = (1 - (torch.arange(side) - middle[:, None]).abs() / max(scale, 1.0)).clamp_min(0)
    return near / near.sum(1, keepdim=True)


def _edges(pixels: Tensor) -> Tensor:
    """Shares of the directions in each cell, as seen in the four blocks of cells around it: (n, features)."""
    across = functional.pad(pixels[:, :, :, 2:] - pixels[:, :, :, :-2], (1, 1, 0, 0))
    down = functional.pad(pixels[:, :, 2:] - pixels[:, :, :-2], (0, 0, 1, 1))
    edges = (across.square() + down.square() + 1e-8).sqrt(), across, down
    strength, across, down = (each[:, :1] for each in edges)
    # Of the three colours the one with the strongest edge speaks. Compared one by one: `argmax` over so few
    # took as long as all the rest.
    for colour in (1, 2):
        other, *directions = (each[:, colour : colour + 1] for each in edges)
        across, down = (
            torch.where(other > strength, new, old)
            for new, old in zip(directions, (across, down), strict=True)
        )
        strength = torch.maximum(strength, other)
    angles = torch.arange(DIRECTIONS) * (np.pi / DIRECTIONS)
    cosines, sines = angles.cos().view(1, -1, 1, 1), angles.sin().view(1, -1, 1, 1)
    alike = ((across * cosines + down * sines) / strength).square()
    cells = functional.avg_pool2d(strength * alike.square().square(), CELL)
    energy = functional.avg_pool2d(cells.square().sum(dim=1, keepdim=True), 2, 1)
    around, last = (4 * energy + 1e-3).sqrt(), SIDE // CELL - 1
    blocks = [
        (cells[:, :, top : last + top, left : last + left] / around).clamp_max(LARGEST_SHARE)
        for top, left in product((0, 1), (0, 1))
    ]
    return torch.cat(blocks, dim=1).flatten(1)


def _colours(pixels: Tensor) -> Tensor:
    """Histograms of brightness, red to green, yellow to blue, and strength of colour: (n, features)."""
    red, green, blue = pixels.unbind(dim=1)
    strength = pixels.amax(dim=1) - pixels.amin(dim=1)
    measures = (pixels.mean(dim=1), red - green, (red + green) / 2 - blue, strength)
    bins = []
    for measure, (low, high, count) in zip(measures, COLOURS, strict=True):
        middles = torch.linspace(low, high, count).view(1, -1, 1, 1)
        apart = (measure.clamp(low, high).unsqueeze(1) - middles).abs()
        bins.append((1 - apart * ((count - 1) / (high - low))).clamp_min(0))
    shares = functional.avg_pool2d(torch.cat(bins, dim=1), SIDE // COLOUR_GRID)
    # The root makes much of a colour count for less than a little of several.
    return (shares + 1e-9).sqrt().flatten(1)
