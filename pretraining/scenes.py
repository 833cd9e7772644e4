"""Whole images of what `drawing` draws: one thing before others, or a crowd with boxes around it."""

from __future__ import annotations

import math

import torch
from pretraining.drawing import World, over, pasted, photographed
from torch import Generator, Tensor
from torch.nn import functional

from customlabels.training.assignment import TrueBoxes
from customlabels.training.detector import STRIDE, centres

# Objects of a frame: how many at most, pixels they are drawn with, least and most of their sides in pixels.
CROWD = ((3, 96, 60, 180), (6, 48, 28, 80), (9, 24, 12, 36))
LEAST_SEEN = 0.35  # of an object, that it should be found


@torch.no_grad()
def labelled(world: World, count: int, side: int, random: Generator) -> tuple[Tensor, Tensor]:
    """So many images of one shape before others, and what it is."""
    shape = torch.randint(0, world.shapes.count, (count,), generator=random)
    texture, ground = torch.randint(0, world.textures.count, (2, count), generator=random)
    objects = world.objects(shape, texture, side, random, turn=0.9)
    images = world.grounds(ground, (side, side), random)
    # The objects of other images of the step stand behind this one's, and a little before it.
    for number, (chance, least, most) in enumerate(((0.6, 0.3, 0.6), (0.5, 0.2, 0.5))):
        images = over(_elsewhere(objects, number + 1, chance, least, most, random), images)
    size = _uniform(random, count, 1, low=0.55, high=1.05) * torch.exp(
        0.12 * torch.randn((count, 2), generator=random)
    )
    middle = (1.1 - size).clamp_min(0.05) * _uniform(random, count, 2, low=-1.0)
    images = over(pasted(objects, (side, side), middle, size), images)
    images = over(_elsewhere(objects, 3, 0.35, 0.08, 0.3, random), images)
    return photographed(images, random), torch.stack([shape, texture, ground])


def _elsewhere(
    objects: Tensor, by: int, chance: float, least: float, most: float, random: Generator
) -> Tensor:
    """The objects of others, small and anywhere; some are not there."""
    count, _, side, _ = objects.shape
    small = functional.avg_pool2d(objects.roll(by, 0), 2)
    size = _uniform(random, count, 1, low=least, high=most).expand(-1, 2)
    found = pasted(small, (side, side), _uniform(random, count, 2, low=-1.0), size)
    there = (_uniform(random, count, 1, 1, 1) < chance).float()
    return torch.cat([found[:, :3], found[:, 3:] * there], dim=1)


@torch.no_grad()
def framed(world: World, count: int, sides: tuple[int, int], random: Generator) -> tuple[Tensor, TrueBoxes]:
    """So many frames (k, height, width, 3) 0..255 with a crowd of shapes, and the boxes around them."""
    height, width = sides
    frame = torch.tensor([width, height]) / 2
    # A frame shows a few kinds of thing, each several times, as frames of the world do.
    kinds = torch.randint(0, world.shapes.count, (count, 4), generator=random)
    painted = torch.randint(0, world.textures.count, (count, 4), generator=random)
    crowded = _uniform(random, count)
    left, images = torch.ones((count, 1, height, width)), torch.zeros((count, 3, height, width))
    labels, corners, seen = [], [], []
    for most, side, least_pixels, most_pixels in CROWD:  # the first stand before the others
        for _ in range(most):
            which = torch.randint(0, 4, (count, 1), generator=random)
            shape, texture = kinds.gather(1, which)[:, 0], painted.gather(1, which)[:, 0]
            objects = world.objects(shape, texture, side, random, turn=0.9)
            pixels = torch.exp(
                _uniform(random, count, 1, low=math.log(least_pixels), high=math.log(most_pixels))
            )
            size = pixels * torch.exp(0.12 * torch.randn((count, 2), generator=random)) / 2 / frame
            middle = _uniform(random, count, 2, low=-1.0)
            there = _uniform(random, count) < 0.1 + 0.8 * crowded
            found = pasted(objects, sides, middle, size)
            alpha = found[:, 3:] * there.float().view(-1, 1, 1, 1)
            images += found[:, :3] * alpha * left
            visible = (alpha * left).sum(dim=(1, 2, 3)) / alpha.sum(dim=(1, 2, 3)).clamp_min(1e-6)
            left = left * (1 - alpha)
            box, whole = _around(objects[:, 3] > 0.5)
            box = (box * size.repeat(1, 2) + middle.repeat(1, 2) + 1) / 2
            cut = box.clamp(0, 1)
            inside = (cut[:, 2:] - cut[:, :2]).prod(1) / (box[:, 2:] - box[:, :2]).prod(1).clamp_min(1e-9)
            labels.append(shape)
            corners.append(cut)
            seen.append(there & whole & (visible * inside > LEAST_SEEN))
    images += (
        world.grounds(torch.randint(0, world.textures.count, (count,), generator=random), sides, random)
        * left
    )
    truth = TrueBoxes(
        torch.stack(labels, 1),
        torch.stack(corners, 1),
        torch.stack(seen, 1),
        centres(height // STRIDE, width // STRIDE),
    )
    return photographed(images, random), truth


def _around(inside: Tensor) -> tuple[Tensor, Tensor]:
    """(k, 4) corners in -1..1 of what is inside, and whether anything is. inside: (k, side, side) bool"""
    side = inside.shape[1]
    edges = []
    for dim in (1, 2):  # the columns, then the rows, in which there is something
        some = inside.any(dim=dim).float()
        first, last = some.argmax(1), side - some.flip(1).argmax(1)
        edges.append((first * 2 / side - 1, last * 2 / side - 1))
    (x0, x1), (y0, y1) = edges
    return torch.stack([x0, y0, x1, y1], dim=1), inside.flatten(1).sum(1) > 4


def _uniform(random: Generator, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=random)
