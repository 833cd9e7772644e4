"""Random views of a batch: crop, flip, rotation, colour, cutout and mixup.

Layer: training (torch). Everything is drawn from a generator that the caller seeds from the step's number,
so a view depends on (seed, step) alone: a resumed training sees the same pictures without a stored random
state.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn import functional

GREY = 124.0  # what hidden and missing parts are filled with
# Of views with boxes: logarithms of size and proportions, a share of the colours, and of a box's area.
ZOOM, STRETCH, BOX_COLOUR, LEAST_LEFT = 0.35, 0.1, 0.3, 0.3


@dataclass(frozen=True)
class Augmentation:
    """How far a view may depart from its image; all zero is the plain image.

    least_area: smallest share of the image's area that a crop keeps, 0..1
    stretch: change of its proportions, as a logarithm
    rotation_degrees; colour, a share of brightness, contrast and saturation; cutout_side, a share of the side
    mirror, upend: whether left and right, top and bottom may be swapped (see `mirroring`)
    """

    least_area: float = 0.35
    stretch: float = 0.25
    rotation_degrees: float = 15.0
    colour: float = 0.3
    cutout_side: float = 0.35
    mirror: bool = False
    upend: bool = False


def random_views(images: Tensor, side: int, rules: Augmentation, generator: Generator) -> Tensor:
    """images: (n, cached, cached, 3) uint8; returns (n, side, side, 3) float, 0..255."""
    count = len(images)
    pixels = images.permute(0, 3, 1, 2).float()
    grid = functional.affine_grid(
        _transforms(count, rules, generator), [count, 3, side, side], align_corners=False
    )
    views = functional.grid_sample(pixels, grid, padding_mode="reflection", align_corners=False)
    views = _recoloured(views, rules.colour, generator)
    views = _cut_out(views, rules.cutout_side, generator)
    return views.permute(0, 2, 3, 1)


def mixed(views: Tensor, truth: Tensor, alpha: float, generator: Generator) -> tuple[Tensor, Tensor]:
    """Mixup with the batch's own images in reverse order; one share for the batch.

    views: (n, side, side, 3) float     truth: (n, labels) float, rows sum to 1; returns both, mixed
    """
    if alpha <= 0:
        return views, truth
    # A beta distribution of two equal parameters from two gammas; torch's own beta takes no generator.
    gammas = torch._standard_gamma(torch.full((2,), alpha, device=views.device), generator)
    share = float((gammas[0] / gammas.sum().clamp_min(1e-12)).clamp(0, 1))
    return views * share + views.flip(0) * (1 - share), truth * share + truth.flip(0) * (1 - share)


def _uniform(count: int, low: float, high: float, generator: Generator) -> Tensor:
    return low + (high - low) * torch.rand(count, generator=generator, device=generator.device)


def _signs(count: int, mirror: bool, upend: bool, generator: Generator) -> Tensor:
    """(n, 2) of each view, across and down: -1 where its sides are swapped."""
    chances = torch.tensor([0.5 * mirror, 0.5 * upend], device=generator.device)
    drawn = torch.rand((count, 2), generator=generator, device=generator.device)
    return torch.where(drawn < chances, -1.0, 1.0)


def _transforms(count: int, rules: Augmentation, generator: Generator) -> Tensor:
    """One affine map an image, from the view's coordinates (-1..1) to the image's; returns (n, 2, 3)."""
    area = _uniform(count, rules.least_area, 1.0, generator)
    aspect = torch.exp(_uniform(count, -rules.stretch, rules.stretch, generator))
    width, height = (area * aspect).sqrt().clamp_max(1), (area / aspect).sqrt().clamp_max(1)
    angle = torch.deg2rad(_uniform(count, -rules.rotation_degrees, rules.rotation_degrees, generator))
    left = (1 - width) * _uniform(count, -1, 1, generator)
    top = (1 - height) * _uniform(count, -1, 1, generator)
    across, down = _signs(count, rules.mirror, rules.upend, generator).T
    cosine, sine = torch.cos(angle), torch.sin(angle)
    rows = [torch.stack([across * width * cosine, -down * height * sine, left], dim=1)]
    rows.append(torch.stack([across * width * sine, down * height * cosine, top], dim=1))
    return torch.stack(rows, dim=1)


def _recoloured(views: Tensor, reach: float, generator: Generator) -> Tensor:
    """Brightness, contrast and saturation, each by its own factor an image."""
    if reach <= 0:
        return views
    count = len(views)
    factors = [_uniform(count, 1 - reach, 1 + reach, generator).view(-1, 1, 1, 1) for _ in range(3)]
    brightness, contrast, saturation = factors
    grey = views.mean(dim=1, keepdim=True)
    coloured = grey + (views - grey) * saturation
    middle = grey.mean(dim=(2, 3), keepdim=True)
    return ((middle + (coloured - middle) * contrast) * brightness).clamp(0, 255)


def _cut_out(views: Tensor, reach: float, generator: Generator) -> Tensor:
    """A grey square of random size and place, at most `reach` of the side."""
    if reach <= 0:
        return views
    count, _, side, _ = views.shape
    half = _uniform(count, 0, reach, generator).view(-1, 1) * side / 2
    places = torch.arange(side, device=views.device).view(1, -1)
    down = (places - _uniform(count, 0, side, generator).view(-1, 1)).abs() <= half
    across = (places - _uniform(count, 0, side, generator).view(-1, 1)).abs() <= half
    hidden = down[:, None, :, None] & across[:, None, None, :]
    return views.masked_fill(hidden, GREY)


def random_frames(
    images: Tensor,
    corners: Tensor,
    sides: tuple[int, int],
    generator: Generator,
    *,
    whole: bool = False,
    mirror: bool = False,
    upend: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:
    """Views of images with boxes: zoomed and moved unless they stay `whole`, mirrored, recoloured.

    images: (n, cached, cached, 3) uint8     corners: (n, k, 4) shares of the sides     sides: height, width
    Returns views (n, height, width, 3) float, 0..255; corners in the views, cut at their edges; and whether
    enough of each box is left to be found: (n, k) bool
    """
    count = len(images)
    moved = 0.0 if whole else 1.0
    zoom = torch.exp(moved * _uniform(count, -ZOOM, ZOOM, generator))
    stretch = torch.exp(moved * _uniform(count, -STRETCH, STRETCH, generator))
    scale = torch.stack([zoom * stretch, zoom / stretch], dim=1)  # of a view's sides in the image, x and y
    slack = (1 - scale).abs()
    drawn = torch.rand((count, 2), generator=generator, device=generator.device)
    shift = slack * (2 * drawn - 1)  # in -1..1 coordinates of the image
    sign = _signs(count, mirror, upend, generator)
    transforms = torch.zeros((count, 2, 3), device=images.device)
    transforms[:, 0, 0], transforms[:, 1, 1] = (scale * sign).T
    transforms[:, :, 2] = shift
    grid = functional.affine_grid(transforms, [count, 3, *sides], align_corners=False)
    pixels = (
        images.permute(0, 3, 1, 2).float() - GREY
    )  # beyond the edge is grey: a mirrored box would be untold
    views = functional.grid_sample(pixels, grid, padding_mode="zeros", align_corners=False) + GREY
    views = _recoloured(views, BOX_COLOUR, generator)

    placed = (corners.view(count, -1, 2, 2) * 2 - 1 - shift[:, None, None]) / (scale * sign)[:, None, None]
    placed = (placed.sort(dim=2).values + 1) / 2  # mirrored, left and right change places
    cut = placed.clamp(0, 1)
    before, after = (torch.prod(each[:, :, 1] - each[:, :, 0], dim=2) for each in (placed, cut))
    return views.permute(0, 2, 3, 1), cut.flatten(2), after > LEAST_LEFT * before.clamp_min(1e-12)
