"""Near duplicates: which pictures are the same one, cropped, brightened or stored anew.

Layer: images. A fingerprint is a small gray picture with coarse colours. Two of them are compared by what is
brighter or darker than its surroundings, so that brightness, contrast and compression hardly count; and one
of them in every frame that a crop of up to 30 % a side can have made of the other, so that crops hardly
count. Mirrored and turned copies are other pictures here.

Three sieves, from cheap to sharp: all pairs in ten coarse frames, by matrix products; the best of these
with the frame moved step by step to where it fits best; then a closer look at the same frame, so that things
of one outline are told apart. The threshold rises where all pictures of the set are alike (scans of digits).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["Alike", "alike", "fingerprint"]

SIDE = 32  # pixels of the gray picture
COLOURS = 4  # cells a side of the coarse colours
COARSE, FINE, SHARP = 8, 16, 24  # pixels a side for the three sieves
LEAST_COARSE = 0.65  # likeness that 99 of 100 crops reach in the first sieve
MOST_CANDIDATES = 16  # of an image: the time is bounded by their number
# Steps by which a frame is moved, in hundredths of a side, and what a pair must have reached after each.
MOVES = ((8, 0.3), (4, 0.5), (4, 0.6), (2, 0.75), (2, 0.8), (1, 0.85), (1, 0.0))
SMALLEST_FRAME = 70  # hundredths of a side
LEAST_LIKENESS = 0.9  # of near duplicates, by the measurement in docs/data.md
LEAST_SHARP = 0.84  # likeness in the third sieve: outlines alone reach less, crops nearly always more
NEIGHBOURS = 5  # that many others as alike as these are not copies, but the kind of picture
LEAST_CONTRAST = 1.0  # levels; a picture of one colour is like any other
COLOUR_DISTANCE = 30.0  # levels; a picture of other colours is another one
ELEMENTS, BLOCK = 1 << 24, 4096  # numbers of the largest array; pairs that are fitted together

Floats = NDArray[Any]  # of 32 bits; numpy's types lose that in products


@dataclass(frozen=True)
class Alike:
    """Two pictures, by their places, the earlier one first, and how alike they are, 0.9 to 1."""

    first: int
    second: int
    likeness: float


def fingerprint(image: Image.Image) -> NDArray[np.uint8]:
    """(1056,) of an upright RGB image: 32 x 32 of gray, then two colour differences of 4 x 4 cells."""
    small = image.resize((SIDE, SIDE), Image.Resampling.BOX).convert("YCbCr")
    gray, *colours = (np.asarray(small.getchannel(name)) for name in ("Y", "Cb", "Cr"))
    cell = SIDE // COLOURS
    means = [each.reshape(COLOURS, cell, COLOURS, cell).mean(axis=(1, 3)) for each in colours]
    return np.concatenate([gray.ravel(), np.round(means).astype(np.uint8).ravel()])


def alike(prints: NDArray[np.uint8]) -> list[Alike]:
    """Every pair of near duplicates, the most alike first.

    prints: (images, 1056), of images whose bytes differ. 10,000 photos take about a minute.
    """
    if len(prints) < 2:
        return []
    gray = prints[:, : SIDE * SIDE].reshape(-1, SIDE, SIDE).astype(np.float32)
    pairs, frames = _candidates(gray)
    likeness, frames = _fitted(gray, pairs, frames)
    colours = prints[:, SIDE * SIDE :].reshape(len(prints), 2, -1).astype(np.float32)
    apart = np.linalg.norm(colours[pairs[:, 0]] - colours[pairs[:, 1]], axis=1).mean(axis=1)
    found = (likeness > _threshold(pairs, likeness, len(prints))) & (apart < COLOUR_DISTANCE)
    found[found] = _sharp(gray, pairs[found], frames[found]) > LEAST_SHARP
    told = [
        Alike(int(min(pair)), int(max(pair)), float(value))
        for pair, value in zip(pairs[found], likeness[found], strict=True)
    ]
    return sorted(told, key=lambda pair: (-pair.likeness, pair.first, pair.second))


def _threshold(pairs: NDArray[np.intp], likeness: Floats, images: int) -> float:
    """Higher where an image of the set has several others that are nearly as alike: those are no copies."""
    best = np.zeros((images, NEIGHBOURS), dtype=np.float32)
    for pair, value in zip(pairs, likeness, strict=True):
        for image in pair:
            if value > best[image, 0]:
                best[image, 0] = value
                best[image].sort()
    return max(LEAST_LIKENESS, 1 - (1 - float(np.median(best[:, 0]))) / 4)


# ---------------------------------------------------------------- parts of a picture, as matrices


def _averages(low: float, high: float, cells: int) -> Floats:
    """(cells, 32): the means of equal parts of a side's stretch from `low` to `high`, both 0 to 1."""
    edges, pixels = SIDE * np.linspace(low, high, cells + 1)[:, None], np.arange(SIDE)
    covered = np.minimum(edges[1:], pixels + 1) - np.maximum(edges[:-1], pixels)
    weights = np.clip(covered, 0, None)
    means: Floats = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return means


def _blur(cells: int) -> Floats:
    """(cells, cells): each the mean of itself and its two neighbours; the border counts twice."""
    padded = np.eye(cells, dtype=np.float32)[np.clip(np.arange(-1, cells + 1), 0, cells - 1)]
    means: Floats = (padded[:-2] + padded[1:-1] + padded[2:]) / np.float32(3)
    return means


def _described(cells: Floats) -> Floats:
    """(n, k * k) of n pictures of k x k: what is brighter than its surroundings, as vectors of length 1.

    A picture without contrast becomes zeros.
    """
    blur = _blur(cells.shape[-1])
    detail: Floats = (cells - blur @ cells @ blur.T).reshape(len(cells), blur.size)
    detail -= detail.mean(axis=1, keepdims=True)
    length = np.linalg.norm(detail, axis=1, keepdims=True)
    detail[length[:, 0] < LEAST_CONTRAST * cells.shape[-1]] = 0
    detail /= np.maximum(length, 1e-6)
    return detail


# ---------------------------------------------------------------- the first sieve

# left, right, top, bottom in hundredths of a side: all of the picture, and nine parts of 85 %.
FRAMES = np.array(
    [(0, 100, 0, 100), *((x, x + 85, y, y + 85) for x in (0, 7, 15) for y in (0, 7, 15))], dtype=np.intp
)


def _candidates(gray: Floats) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """(pairs, 2): a picture of which a part looks like another one; and (pairs, 4): that part's frame."""
    whole = _averages(0, 1, COARSE)
    copies = _described(whole @ gray @ whole.T)
    best: dict[tuple[int, int], tuple[float, int, int, int]] = {}
    size = max(1, ELEMENTS // len(gray))
    for start in range(0, len(gray), size):
        for row, column, value, frame in _best_of_block(gray[start : start + size], copies, start):
            key = (row, column) if row < column else (column, row)
            if value > best.get(key, (0.0,))[0]:  # which of both is the part of the other shows here
                best[key] = (value, row, column, frame)
    kept = np.array([each[1:] for each in best.values()], dtype=np.intp).reshape(-1, 3)
    return kept[:, :2], FRAMES[kept[:, 2]]


def _best_of_block(gray: Floats, copies: Floats, start: int) -> Iterator[tuple[int, int, float, int]]:
    """For each picture the pictures that are most like a part of it: both places, likeness, frame."""
    parts = []
    for left, right, top, bottom in FRAMES / 100:
        cells = _averages(top, bottom, COARSE) @ gray @ _averages(left, right, COARSE).T
        parts.append(_described(cells))
    values = parts[0] @ copies.T
    for part in parts[1:]:
        np.maximum(values, part @ copies.T, out=values)
    here = np.arange(len(gray))
    values[here, start + here] = -1  # itself
    most = min(MOST_CANDIDATES, len(copies))
    columns = np.argpartition(values, -most, axis=1)[:, -most:]
    rows, places = np.nonzero(np.take_along_axis(values, columns, axis=1) > LEAST_COARSE)
    columns = columns[rows, places]
    of_frames = np.stack([np.einsum("nd,nd->n", part[rows], copies[columns]) for part in parts])
    for row, column, frame in zip(rows, columns, of_frames.argmax(axis=0), strict=True):
        yield start + int(row), int(column), float(values[row, column]), int(frame)


# ---------------------------------------------------------------- the second sieve


def _fitted(
    gray: Floats, pairs: NDArray[np.intp], frames: NDArray[np.intp]
) -> tuple[Floats, NDArray[np.intp]]:
    """(pairs,) likeness and (pairs, 4) frames moved to their best fit, of hopeless pairs as far as they came."""
    stretches = np.zeros(
        (31, 31, FINE, SIDE), dtype=np.float32
    )  # by left or top, and by 100 - right or bottom
    for low in range(31):
        for cut in range(31 - low):
            stretches[low, cut] = _averages(low / 100, 1 - cut / 100, FINE)
    copies = _described(stretches[0, 0] @ gray @ stretches[0, 0].T)
    likeness, fitted = np.zeros(len(pairs), dtype=np.float32), frames.copy()
    for at in range(0, len(pairs), BLOCK):
        whole, part = gray[pairs[at : at + BLOCK, 0]], copies[pairs[at : at + BLOCK, 1]]
        block = slice(at, at + BLOCK)
        likeness[block], fitted[block] = _fitted_block(stretches, whole, part, frames[block])
    return likeness, fitted


def _sharp(gray: Floats, pairs: NDArray[np.intp], frames: NDArray[np.intp]) -> Floats:
    """(pairs,) likeness in the given frames with more pixels."""
    whole, likeness = _averages(0, 1, SHARP), np.zeros(len(pairs), dtype=np.float32)
    for at, ((first, second), (left, right, top, bottom)) in enumerate(zip(pairs, frames / 100, strict=True)):
        part = _averages(top, bottom, SHARP) @ gray[first] @ _averages(left, right, SHARP).T
        one, other = _described(np.stack([part, whole @ gray[second] @ whole.T]))
        likeness[at] = one @ other
    return likeness


# One edge, or two together, outwards or inwards.
DIRECTIONS = np.array(
    [
        sign * np.array(edges)
        for edges in (*np.eye(4, dtype=int), (1, 1, 0, 0), (0, 0, 1, 1))
        for sign in (1, -1)
    ]
)


def _fitted_block(
    stretches: Floats, whole: Floats, part: Floats, frames: NDArray[np.intp]
) -> tuple[Floats, NDArray[np.intp]]:
    def likeness(tried: NDArray[np.intp]) -> Floats:
        left, right, top, bottom = tried.T
        cells = stretches[top, 100 - bottom] @ whole @ stretches[left, 100 - right].transpose(0, 2, 1)
        values: Floats = np.einsum("nd,nd->n", _described(cells), part)
        return values

    best = likeness(frames)
    reached, ended, places = best.copy(), frames.copy(), np.arange(len(best))
    for step, least in MOVES:
        for direction in DIRECTIONS:
            tried = np.clip(frames + step * direction, 0, 100)
            tried = np.where(_is_frame(tried)[:, None], tried, frames)
            values = likeness(tried)
            better = values > best
            frames = np.where(better[:, None], tried, frames)
            best = np.where(better, values, best)
        reached[places], ended[places] = best, frames
        kept = best > least
        places, frames, best = places[kept], frames[kept], best[kept]
        whole, part = whole[kept], part[kept]
    return reached, ended


def _is_frame(frames: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Whether each is large enough to be looked at."""
    sides: NDArray[np.intp] = frames[:, 1::2] - frames[:, ::2]
    large: NDArray[np.bool_] = np.logical_and.reduce(sides >= SMALLEST_FRAME, axis=1)
    return large
