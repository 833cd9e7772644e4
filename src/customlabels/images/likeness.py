"""Near duplicates: which pictures are the same one, cropped, brightened or stored anew.

Layer: images. A fingerprint is a small gray picture with coarse colours. Two of them are compared by what is
brighter or darker than its surroundings, so that brightness, contrast and compression hardly count; and one
of them in every frame that a crop of up to 30 % a side can have made of the other, so that crops hardly
count. Mirrored and turned copies are other pictures here.

Three sieves, from cheap to sharp: all pairs in ten coarse frames, by matrix products; the best of these
with the frame moved step by step to where it fits best; then a closer look at the same frame, so that things
of one outline are told apart, and so are other things before one camera: copies differ a little everywhere,
those in a few places. The threshold rises where all pictures of the set are alike (scans of digits).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 32  # pixels of the gray picture
COLOURS = 4  # cells a side of the coarse colours
COARSE, FINE, SHARP = 8, 16, 24  # pixels a side for the three sieves
LEAST_COARSE = 0.65  # likeness that 99 of 100 crops reach in the first sieve
MOST_CANDIDATES = 16  # of an image: their number bounds the time
# Steps by which a frame is moved, in hundredths of a side, and what a pair must have reached after each.
MOVES = ((8, 0.3), (4, 0.5), (4, 0.6), (2, 0.75), (2, 0.8), (1, 0.85), (1, 0.0))
SMALLEST_FRAME = 70  # hundredths of a side
LEAST_LIKENESS = 0.9  # of near duplicates, by the measurement in docs/data.md
LEAST_LEAKED = 0.95  # of a test image and a training image that one and the same picture must have made
LEAST_SHARP = 0.84  # likeness in the third sieve: outlines alone reach less, crops nearly always more
# A hundredth of the picture, in cells, and the share of the difference in it: nearly all copies have less,
# other things before one camera more; unless nothing differs by more than the last, a part of the contrast.
LOCAL, MOST_LOCAL, LEAST_DIFFERENT = 6, 0.5, 0.2
NEIGHBOURS = 5  # that many others as alike as these are not copies, but the kind of picture
COPIES = 2  # of a test image among the training images; the next most like one is a picture of its kind
# Where there are more copies, those are copies as well. So many are none: in the middle of a set 1.4 to 1.8
# times as unlike as those next, and up to four times for nearly each picture. That is asked where pictures
# that are alike make so many groups; fewer are kinds of pictures, such as labels.
NO_COPIES, FARTHER, MOST_FARTHER, MOST_KINDS = 15, 1.5, 4.0, 30
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
    pairs, likeness, sound = _compared(prints, 0)
    many = len(np.unique(grouped(len(prints), pairs[sound]))) > MOST_KINDS
    usual = _usual(_most_like(pairs, likeness, len(prints)), NEIGHBOURS, copied=many)
    return _told(pairs, likeness, sound & (likeness > max(LEAST_LIKENESS, 1 - (1 - usual) / 4)))


def leaks(training: NDArray[np.uint8], test: NDArray[np.uint8]) -> list[Alike]:
    """The pairs of a training image and a test image that are surely one picture, the most alike first.

    training, test: (images, 1056)     second, of a pair: its place in `test`
    A pair has to stand out from what else is like this test image, and from what is usual among these images.
    """
    if not (len(training) and len(test)):
        return []
    count = len(training)
    pairs, likeness, sound = _compared(np.concatenate([training, test]), count)
    best = _most_like(pairs, likeness, count + len(test))
    many = len(np.unique(grouped(len(best), pairs[sound])[count:])) > MOST_KINDS
    usual, others = _usual(best[count:], COPIES + 1, copied=many), best[:, -COPIES - 1]
    if many:
        others = np.minimum(others, 1 - (1 - best[:, 0]) / MOST_FARTHER)
    least = np.maximum(1 - (1 - others[pairs.max(axis=1)]) / 3, max(LEAST_LEAKED, 1 - (1 - usual) / 6))
    told = _told(pairs, likeness, sound & (likeness > least))
    return [replace(pair, second=pair.second - count) for pair in told]


def grouped(count: int, pairs: Iterable[Iterable[int]]) -> NDArray[np.int64]:
    """(count,) the first picture that each is a copy of, by any number of steps; its own place for others."""
    first = np.arange(count)
    for one, other in pairs:
        joined = first[[one, other]]
        if joined[0] != joined[1]:
            first[first == joined.max()] = joined.min()
    return first


def _compared(prints: NDArray[np.uint8], training: int) -> tuple[NDArray[np.intp], Floats, NDArray[np.bool_]]:
    """Pairs, (pairs,) their likeness, and whether colours and a closer look agree with it."""
    gray = prints[:, : SIDE * SIDE].reshape(-1, SIDE, SIDE).astype(np.float32)
    pairs, frames = _candidates(gray, training)
    likeness, fitted = _fitted(gray, pairs, frames)
    # Where the whole of one was most like the other, either may be the larger one.
    either = np.flatnonzero((frames == FRAMES[0]).all(axis=1))
    turned, turned_frames = _fitted(gray, pairs[either, ::-1], frames[either])
    better = turned > likeness[either]
    at = either[better]
    pairs[at], fitted[at], likeness[at] = pairs[at, ::-1], turned_frames[better], turned[better]
    colours = prints[:, SIDE * SIDE :].reshape(len(prints), 2, -1).astype(np.float32)
    apart = np.linalg.norm(colours[pairs[:, 0]] - colours[pairs[:, 1]], axis=1).mean(axis=1)
    sound = (likeness > LEAST_LIKENESS) & (apart < COLOUR_DISTANCE)
    sound[sound] = _sharply_alike(gray, pairs[sound], fitted[sound])
    return pairs, likeness, sound


def _told(pairs: NDArray[np.intp], likeness: Floats, found: NDArray[np.bool_]) -> list[Alike]:
    told = [
        Alike(int(min(pair)), int(max(pair)), float(value))
        for pair, value in zip(pairs[found], likeness[found], strict=True)
    ]
    return sorted(told, key=lambda pair: (-pair.likeness, pair.first, pair.second))


def _usual(best: Floats, rank: int, *, copied: bool) -> float:
    """How like the middle one of these a picture of its kind is that is no copy, mostly the `rank`th next.

    copied: whether that one may be a copy as well
    """
    next_one, no_copy = np.median(best[:, -rank]), np.median(best[:, 0])
    return float(min(next_one, 1 - (1 - no_copy) / FARTHER) if copied else next_one)


def _most_like(pairs: NDArray[np.intp], likeness: Floats, images: int) -> Floats:
    """(images, NO_COPIES) how like each one its most like pictures are, ascending; 0 where it has fewer."""
    best = np.zeros((images, NO_COPIES), dtype=np.float32)
    for pair, value in zip(pairs, likeness, strict=True):
        for image in pair:
            if value > best[image, 0]:
                best[image, 0] = value
                best[image].sort()
    return best


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


def _candidates(gray: Floats, training: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """(pairs, 2): a picture of which a part looks like another one; and (pairs, 4): that part's frame.

    training: pictures of which pairs are made with the others only; 0: of all with all
    """
    asked, others = np.arange(training, len(gray)), np.arange(training or len(gray))
    best: dict[tuple[int, int], tuple[float, int, int, int]] = {}
    for part in np.array_split(asked, 1 + len(asked) * len(others) // ELEMENTS):
        found = list(_best(gray, part, others))
        if training:  # else either of a pair is the larger one in its turn
            found += _best(gray, others, part, of_columns=True)
        for value, row, column, frame in found:
            key = (row, column) if row < column else (column, row)
            if value > best.get(key, (0.0,))[0]:  # which of both is the part of the other shows here
                best[key] = (value, row, column, frame)
    kept = np.array([each[1:] for each in best.values()], dtype=np.intp).reshape(-1, 3)
    return kept[:, :2], FRAMES[kept[:, 2]]


def _best(
    gray: Floats, rows: NDArray[np.intp], columns: NDArray[np.intp], *, of_columns: bool = False
) -> Iterator[tuple[float, int, int, int]]:
    """Pairs of which a part of the first, a row, is like the second: likeness, both places, frame.

    So many for each row among the columns, or for each column among the rows.
    """
    whole, parts = _averages(0, 1, COARSE), []
    copies = _described(whole @ gray[columns] @ whole.T)
    for left, right, top, bottom in FRAMES / 100:
        cells = _averages(top, bottom, COARSE) @ gray[rows] @ _averages(left, right, COARSE).T
        parts.append(_described(cells))
    values = parts[0] @ copies.T
    for part in parts[1:]:
        np.maximum(values, part @ copies.T, out=values)
    values[rows[:, None] == columns] = -1  # itself
    table = values.T if of_columns else values
    most = min(MOST_CANDIDATES, table.shape[1])
    picked = np.argpartition(table, -most, axis=1)[:, -most:]
    at, places = np.nonzero(np.take_along_axis(table, picked, axis=1) > LEAST_COARSE)
    chosen = (picked[at, places], at) if of_columns else (at, picked[at, places])
    of_frames = np.stack([np.einsum("nd,nd->n", part[chosen[0]], copies[chosen[1]]) for part in parts])
    told = zip(values[chosen], rows[chosen[0]], columns[chosen[1]], of_frames.argmax(axis=0), strict=True)
    for value, row, column, frame in told:
        yield float(value), int(row), int(column), int(frame)


# ---------------------------------------------------------------- the second sieve


@cache
def _stretches() -> Floats:
    """By left or top, and by 100 - right or bottom: the means of that stretch."""
    means = np.zeros((31, 31, FINE, SIDE), dtype=np.float32)
    for low in range(31):
        for cut in range(31 - low):
            means[low, cut] = _averages(low / 100, 1 - cut / 100, FINE)
    return means


def _fitted(
    gray: Floats, pairs: NDArray[np.intp], frames: NDArray[np.intp]
) -> tuple[Floats, NDArray[np.intp]]:
    """(pairs,) likeness and (pairs, 4) frames moved to their best fit; hopeless pairs as far as they came."""
    stretches = _stretches()
    copies = _described(stretches[0, 0] @ gray @ stretches[0, 0].T)
    likeness, fitted = np.zeros(len(pairs), dtype=np.float32), frames.copy()
    for at in range(0, len(pairs), BLOCK):
        whole, part = gray[pairs[at : at + BLOCK, 0]], copies[pairs[at : at + BLOCK, 1]]
        block = slice(at, at + BLOCK)
        likeness[block], fitted[block] = _fitted_block(stretches, whole, part, frames[block])
    return likeness, fitted


def _sharply_alike(gray: Floats, pairs: NDArray[np.intp], frames: NDArray[np.intp]) -> NDArray[np.bool_]:
    """(pairs,) whether they agree in the given frames with more pixels, and differ in no place much more."""
    whole, sound = _averages(0, 1, SHARP), np.zeros(len(pairs), dtype=np.bool_)
    for at, ((first, second), (left, right, top, bottom)) in enumerate(zip(pairs, frames / 100, strict=True)):
        part = _averages(top, bottom, SHARP) @ gray[first] @ _averages(left, right, SHARP).T
        one, other = _described(np.stack([part, whole @ gray[second] @ whole.T]))
        apart = np.sort(np.square(one - other))
        local = apart[-LOCAL:].sum() > MOST_LOCAL * apart.sum()
        moved = local and SHARP**2 * apart[-1] > LEAST_DIFFERENT**2
        sound[at] = one @ other > LEAST_SHARP and not moved
    return sound


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
