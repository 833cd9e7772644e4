"""Images drawn from formulas, by the thousand a second: what our own nets see before they see a user's.

A *shape* is a smooth union of thick strokes, some of them cut out, mirrored or not, with a wavy outline. A
*texture* is a small random network of the coordinates joined with noise of a spectrum of its own. Both are
classes: the numbers of a class are drawn once, from a seed, and every instance strays a little from them in
form, and far in colour, light, size and turn. Contours are what such images can teach (Kataoka et al. 2022).

torch alone; everything is drawn on torch's default device. Coordinates are -1..1, across and down.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn import functional

STROKES, WAVES = 6, 6  # of a shape: at most; harmonics of its outline
HIDDEN, FIELDS = 12, 3  # of a texture's network: width; what colours are made of
EDGE = 0.03  # of a shape: how wide its outline blends


@dataclass(frozen=True, eq=False)
class Shapes:
    """The numbers of shape classes, one row each.

    ends: (n, STROKES, 4) two points     thick: (n, STROKES)     sign: (n, STROKES) 1, -1 cut out, 0 absent
    waves: (n, WAVES, 2) cosine and sine of the outline's harmonics
    mirrored: (n,) 1 for a left like its right
    """

    ends: Tensor
    thick: Tensor
    sign: Tensor
    waves: Tensor
    mirrored: Tensor

    @classmethod
    def drawn(cls, count: int, random: Generator) -> Shapes:
        """So many classes."""
        first = 0.75 * (2 * torch.rand((count, STROKES, 2), generator=random) - 1)
        first[:, 0] *= 0.4  # so that something is in the middle
        # Strokes begin where an earlier one ends, as limbs do, or anywhere.
        follows = torch.rand((count, STROKES - 1, 1), generator=random) < 0.5
        second = (first + 0.7 * torch.randn((count, STROKES, 2), generator=random)).clamp(-0.85, 0.85)
        joined = torch.cat([first[:, :1], torch.where(follows, second[:, :-1], first[:, 1:])], dim=1)
        thick = 0.06 + 0.24 * torch.rand((count, STROKES), generator=random) ** 1.5
        thick[:, 0] += 0.15
        number = torch.randint(1, STROKES + 1, (count, 1), generator=random)
        place = torch.arange(STROKES)
        cut = (torch.rand((count, STROKES), generator=random) < 0.2) & (place > 0)
        sign = torch.where(cut, -1.0, 1.0) * (place < number)
        reach = 0.28 * torch.rand((count, 1, 1), generator=random) ** 2
        falling = 1 / (1 + torch.arange(WAVES)).view(1, -1, 1) ** 0.7
        waves = reach * falling * torch.randn((count, WAVES, 2), generator=random)
        mirrored = (torch.rand(count, generator=random) < 0.6).float()
        return cls(torch.cat([joined, second], dim=2), thick, sign, waves, mirrored)

    @property
    def count(self) -> int:
        """How many classes there are."""
        return len(self.thick)

    def depth(self, which: Tensor, places: Tensor, random: Generator) -> Tensor:
        """(k, height, width) how deep each place lies inside an instance of its class; below 0 outside.

        which: (k,) classes     places: (k, height, width, 2)
        """
        count = len(which)

        def strayed(values: Tensor, by: float) -> Tensor:
            return values[which] + by * torch.randn(values[which].shape, generator=random)

        across, down = places.unbind(dim=-1)
        mirrored = self.mirrored[which].view(-1, 1, 1)
        across = torch.where(mirrored > 0, across.abs(), across)
        waves = strayed(self.waves, 0.012).view(count, WAVES, 2, 1, 1)
        angle, far = torch.atan2(across, down), torch.hypot(across, down)
        turn = torch.polar(torch.ones_like(angle), angle)
        bulge, power = torch.ones_like(far), turn
        for wave in range(WAVES):
            power = power * turn  # from the second harmonic: the first would only move it
            bulge = bulge + waves[:, wave, 0] * power.real + waves[:, wave, 1] * power.imag
        bulge = bulge.clamp(0.4, 2.0)
        across, down = across / bulge, down / bulge

        ends, thick = (
            strayed(self.ends, 0.035),
            self.thick[which] * torch.exp(0.12 * torch.randn((count, STROKES), generator=random)),
        )
        sign = self.sign[which]
        depth = torch.full_like(across, -2.0)
        for stroke in range(STROKES):
            x0, y0, x1, y1 = (ends[:, stroke, at].view(-1, 1, 1) for at in range(4))
            dx, dy = x1 - x0, y1 - y0
            along = (((across - x0) * dx + (down - y0) * dy) / (dx * dx + dy * dy).clamp_min(1e-4)).clamp(
                0, 1
            )
            inside = thick[:, stroke].view(-1, 1, 1) - torch.hypot(
                across - x0 - along * dx, down - y0 - along * dy
            )
            kind = sign[:, stroke].view(-1, 1, 1)
            grown = torch.maximum(depth, inside)
            cut = torch.minimum(depth, 0.05 - inside)
            depth = torch.where(kind > 0, grown, torch.where(kind < 0, cut, depth))
        return depth


@dataclass(frozen=True, eq=False)
class Textures:
    """The numbers of texture classes, one row each.

    first: (n, HIDDEN, 2), shift: (n, HIDDEN), second: (n, FIELDS, HIDDEN) of the network
    sharp: (n,) how hard its edges are     band: (n, 4) of the noise: frequency, width, angle, how directed
    noisy: (n,) the noise's share, 0..1
    """

    first: Tensor
    shift: Tensor
    second: Tensor
    sharp: Tensor
    band: Tensor
    noisy: Tensor

    @classmethod
    def drawn(cls, count: int, random: Generator) -> Textures:
        """So many classes."""

        def uniform(*shape: int) -> Tensor:
            return torch.rand(shape, generator=random)

        frequency = 1.5 * torch.exp(3.0 * uniform(count, 1, 1))
        # From waves of one direction, which are stripes, to waves of all.
        spread = uniform(count, 1) ** 2 * math.pi
        angle = uniform(count, 1) * math.pi + spread * (uniform(count, HIDDEN) - 0.5)
        direction = torch.stack([torch.cos(angle), torch.sin(angle)], dim=2)
        first = frequency * direction * torch.exp(0.5 * torch.randn((count, HIDDEN, 1), generator=random))
        second = torch.randn((count, FIELDS, HIDDEN), generator=random) * (2.5 / math.sqrt(HIDDEN))
        second = second * (uniform(count, 1, HIDDEN) < 0.5)
        band = torch.stack(
            [
                torch.exp(3.2 * uniform(count)),
                0.2 + uniform(count),
                uniform(count) * math.pi,
                4 * uniform(count) ** 2,
            ],
            dim=1,
        )
        return cls(
            first, 2 * math.pi * uniform(count, HIDDEN), second, 6 * uniform(count) ** 2, band, uniform(count)
        )

    @property
    def count(self) -> int:
        """How many classes there are."""
        return len(self.sharp)

    def fields(self, which: Tensor, places: Tensor, random: Generator) -> Tensor:
        """(k, height, width, FIELDS) about -1..1. which: (k,) classes     places: (k, height, width, 2)"""
        count = len(places)
        first = self.first[which] * torch.exp(0.08 * torch.randn((count, 1, 1), generator=random))
        waves = torch.sin(
            torch.einsum("khwc,knc->khwn", places, first) + self.shift[which].view(count, 1, 1, HIDDEN)
        )
        said = torch.sin(torch.einsum("khwn,kfn->khwf", waves, self.second[which]))
        noise = self._noise(which, places, random)
        noisy = self.noisy[which].view(-1, 1, 1, 1)
        said = said * (1 - noisy) + noise * noisy
        sharp = 1 + self.sharp[which].view(-1, 1, 1, 1)
        return torch.tanh(sharp * said)

    def _noise(self, which: Tensor, places: Tensor, random: Generator) -> Tensor:
        """(k, height, width, FIELDS) noise of the class's spectrum, deviation about 1/2."""
        count, height, width, _ = places.shape
        white = torch.randn((count, FIELDS, height, width), generator=random)
        down = torch.fft.fftfreq(height).view(1, -1, 1) * height
        across = torch.fft.rfftfreq(width).view(1, 1, -1) * width
        far, angle = torch.hypot(across, down), torch.atan2(down, across + 1e-6)
        frequency, wide, towards, directed = (self.band[which, at].view(-1, 1, 1) for at in range(4))
        kept = torch.exp(-(((torch.log(far + 0.5) - torch.log(frequency)) / wide) ** 2) / 2)
        kept = kept * torch.exp(directed * (torch.cos(2 * (angle - towards)) - 1))
        shaped: Tensor = torch.fft.irfft2(torch.fft.rfft2(white) * kept[:, None], s=(height, width))
        deviation = shaped.std(dim=(2, 3), keepdim=True).clamp_min(1e-6)
        return (shaped / (2 * deviation)).permute(0, 2, 3, 1)


@dataclass(frozen=True, eq=False)
class World:
    """All classes that are drawn."""

    shapes: Shapes
    textures: Textures

    @classmethod
    def drawn(cls, shapes: int, textures: int, random: Generator) -> World:
        """So many classes of each."""
        return cls(Shapes.drawn(shapes, random), Textures.drawn(textures, random))

    def grounds(self, textures: Tensor, sides: tuple[int, int], random: Generator) -> Tensor:
        """(k, 3, height, width) grounds of these textures, 0..1."""
        places = turned(len(textures), sides, random, turn=math.pi, grow=0.3)
        return self._coloured(self.textures.fields(textures, places, random), random)

    def objects(
        self, shapes: Tensor, textures: Tensor, side: int, random: Generator, *, turn: float
    ) -> Tensor:
        """(k, 4, side, side) objects: colours 0..1, and how much of each pixel is theirs.

        shapes, textures: (k,) classes     turn: at most, in radians
        """
        places = turned(len(shapes), (side, side), random, turn=turn, grow=0.15)
        depth = self.shapes.depth(shapes, 1.3 * _bent(places, random), random)  # so that most are whole
        colours = self._coloured(self.textures.fields(textures, places, random), random)
        colours = colours * _lit(depth, random) * _outlined(depth, random)
        alpha = torch.sigmoid(depth / (EDGE / 3))
        return torch.cat([colours.clamp(0, 1), alpha[:, None]], dim=1)

    def _coloured(self, fields: Tensor, random: Generator) -> Tensor:
        """(k, 3, height, width) 0..1: each instance has colours of its own."""
        count = len(fields)
        base = torch.rand((count, 3, 1, 1), generator=random)
        pale = torch.rand((count, 1, 1, 1), generator=random)  # vivid colours are rare in photographs
        base = base * (1 - pale) + base.mean(dim=1, keepdim=True) * pale
        strength = 0.07 + 0.3 * torch.rand((count, 1, 1), generator=random) ** 1.5
        towards = strength * torch.randn((count, 3, FIELDS), generator=random)
        # Most textures of the world are shades of one colour.
        grey = 0.3 + 0.7 * torch.rand((count, 1, 1), generator=random)
        towards = grey * towards.mean(dim=1, keepdim=True) * 1.7 + (1 - grey) * towards
        return (base + torch.einsum("khwf,kcf->kchw", fields, towards)).clamp(0, 1)


def turned(count: int, sides: tuple[int, int], random: Generator, *, turn: float, grow: float) -> Tensor:
    """(count, height, width, 2) places as instances see them: each turned, grown, slanted.

    turn: at most, in radians; by half of it is rare     grow: deviation of the logarithm of the size
    """
    height, width = sides
    down = torch.linspace(-1, 1, height) * min(1.0, height / width)
    across = torch.linspace(-1, 1, width) * min(1.0, width / height)
    places = torch.stack(torch.meshgrid(down, across, indexing="ij")[::-1], dim=-1)
    angle = turn * (2 * torch.rand(count, generator=random) - 1) ** 3
    size = torch.exp(grow * torch.randn((count, 2), generator=random))
    slant = 0.1 * torch.randn(count, generator=random)
    cosine, sine = torch.cos(angle), torch.sin(angle)
    rows = [torch.stack([cosine * size[:, 0], -sine * size[:, 0] + slant], dim=1)]
    rows.append(torch.stack([sine * size[:, 1], cosine * size[:, 1]], dim=1))
    return torch.einsum("hwc,krc->khwr", places, torch.stack(rows, dim=1))


def _bent(places: Tensor, random: Generator) -> Tensor:
    """The same places, pushed here and there as cloth is."""
    count, height, width, _ = places.shape
    push = (
        0.06
        * torch.rand((count, 1, 1, 1), generator=random)
        * torch.randn((count, 2, 4, 4), generator=random)
    )
    smooth = functional.interpolate(push, (height, width), mode="bicubic", align_corners=True)
    return places + smooth.permute(0, 2, 3, 1)


def _lit(depth: Tensor, random: Generator) -> Tensor:
    """(k, 1, height, width) about 1: light from one side on a rounded body."""
    count = len(depth)
    roundness = 0.05 + 0.4 * torch.rand((count, 1, 1), generator=random)
    height = torch.sqrt((depth / roundness).clamp(0, 1) + 1e-3)
    down, across = torch.gradient(height, dim=(1, 2))
    angle = 2 * math.pi * torch.rand((count, 1, 1), generator=random)
    strength = 3 * torch.rand((count, 1, 1), generator=random) ** 2
    light = 1 + strength * (across * torch.cos(angle) + down * torch.sin(angle))
    return light.clamp(0.3, 1.7)[:, None]


def _outlined(depth: Tensor, random: Generator) -> Tensor:
    """(k, 1, height, width) at most 1: a darker rim, of some."""
    count = len(depth)
    wide = 0.02 + 0.05 * torch.rand((count, 1, 1), generator=random)
    strength = (1.6 * torch.rand((count, 1, 1), generator=random) - 0.8).clamp(0, 0.8)
    return (1 - strength * torch.exp(-((depth / wide) ** 2)))[:, None]


def pasted(objects: Tensor, sides: tuple[int, int], middle: Tensor, size: Tensor) -> Tensor:
    """(k, 4, height, width) objects in a frame. middle: (k, 2) in -1..1     size: (k, 2) half their sides"""
    count = len(objects)
    transforms = torch.zeros((count, 2, 3))
    transforms[:, 0, 0], transforms[:, 1, 1] = (1 / size).unbind(dim=1)
    transforms[:, :, 2] = -middle / size
    grid = functional.affine_grid(transforms, [count, 4, *sides], align_corners=False)
    return functional.grid_sample(objects, grid, padding_mode="zeros", align_corners=False)


def over(front: Tensor, behind: Tensor) -> Tensor:
    """(k, 3, height, width) `front` (k, 4, ...) on `behind` (k, 3, ...)."""
    alpha = front[:, 3:]
    return front[:, :3] * alpha + behind * (1 - alpha)


def photographed(images: Tensor, random: Generator) -> Tensor:
    """(k, height, width, 3) 0..255 as a camera would have them: light that falls off, blur, grain."""
    count, _, height, width = images.shape
    light = 1 + 0.25 * torch.randn((count, 1, 3, 3), generator=random)
    light = functional.interpolate(light, (height, width), mode="bicubic", align_corners=True)
    contrast = torch.exp(0.25 * torch.randn((count, 1, 1, 1), generator=random))
    images = 0.5 + (images * light.clamp(0.3, 1.8) - 0.5) * contrast
    soft = functional.avg_pool2d(functional.pad(images, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    share = torch.rand((count, 1, 1, 1), generator=random)
    images = images * (1 - share) + soft * share
    grain = 0.06 * torch.rand((count, 1, 1, 1), generator=random) ** 2
    images = images + grain * torch.randn((count, 1, height, width), generator=random)
    return (images.clamp(0, 1) * 255).permute(0, 2, 3, 1)
