"""Whether a training may swap left and right, or top and bottom.

Layer: training; numpy only. Mirrored views double a small set of photographs for nothing, and ruin digits,
letters and arrows; upside down go things on a table, not those on a wall. The data says which it is: where
the swapped picture is as much at home among the pictures of its label as the picture itself, it is harmless.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

CUT_SIDE, AROUND = 48, 0.25  # pixels of a picture cut out of a box; of its side, seen beyond each edge
SIDE = 16  # pixels; enough to see a shape, too coarse for texture
MOST = 2000  # images worth looking at; the work grows with the square
# Measured, sideways and upside down: clothes 0.38, 0.18 (series of one scene lower it); cards on tables 0.39,
# 0.43; digits 0.03, 0.05. In boxes: blood cells 0.37, 0.28; cards 0.32, 0.36; upright photographs pasted
# anywhere 0.49, 0.19; digits pasted anywhere 0.13, 0.14. Of whole frames of these last ones 0.53, 0.52 and
# 0.38, 0.40: where things lie anywhere, frames do not show which way up they are.
LEAST_SHARE = 0.25
LEAST_IMAGES = 30  # below, the share says little, and not swapping is the safe side


def harmless_swaps(images: NDArray[np.uint8], truth: NDArray[np.int64]) -> tuple[bool, bool]:
    """Whether left and right, and top and bottom, may be swapped. Never for fewer than LEAST_IMAGES images.

    images: (n, height, width, 3) uint8, n at most about MOST     truth: (n,) index of the label
    """
    if len(images) < LEAST_IMAGES:
        return False, False
    sideways, upside_down = shares_at_home(images, truth)
    return sideways >= LEAST_SHARE, upside_down >= LEAST_SHARE


def pictures_in_boxes(image: NDArray[np.uint8], corners: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    """(k, CUT_SIDE, CUT_SIDE, 3): what lies in the boxes of an image, and a little around.

    corners: (k, 4) left, top, right, bottom as shares of the image's sides
    """
    first, last = corners[:, :2], corners[:, 2:]
    steps = (np.arange(CUT_SIDE) + 0.5) / CUT_SIDE * (1 + 2 * AROUND) - AROUND
    places = first[:, :, None] + steps * (last - first)[:, :, None]  # (k, across and down, steps)
    across, down = (
        (places[:, axis] * side).astype(int).clip(0, side - 1)
        for axis, side in ((0, image.shape[1]), (1, image.shape[0]))
    )
    pictures: NDArray[np.uint8] = image[down[:, :, None], across[:, None, :]]
    return pictures


def shares_at_home(images: NDArray[np.uint8], truth: NDArray[np.int64]) -> tuple[float, float]:
    """How often a picture with left and right swapped, or top and bottom, is nearer to another picture of its
    label than the picture itself is.

    About 0.5 where the sides mean nothing, near 0 where swapped pictures do not occur. Distances are taken
    between small pictures of the same brightness and contrast.
    """
    plain = _small(images)
    stranger = truth[:, None] != truth[None, :]
    np.fill_diagonal(stranger, True)

    def nearest(queries: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n,) smallest squared distance to a picture that is no stranger; inf where there is none."""
        distances = 2 - 2 * queries.reshape(len(plain), -1) @ plain.reshape(len(plain), -1).T
        distances[stranger] = np.inf
        smallest: NDArray[np.float32] = distances.min(axis=1)
        return smallest

    own = nearest(plain)
    judged = np.isfinite(own)
    if not judged.any():
        return 0.0, 0.0

    def share(axis: int) -> float:
        swapped = nearest(np.flip(plain, axis))
        return float(((swapped < own) + 0.5 * (swapped == own))[judged].mean())

    return share(2), share(1)


def _small(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(n, SIDE, SIDE, 3): means of blocks, centred and scaled image by image."""
    count = len(images)
    rows, columns = (side // SIDE for side in images.shape[1:3])
    # From the middle, so that a swapped picture has the same blocks, swapped.
    top, left = (images.shape[1] - rows * SIDE) // 2, (images.shape[2] - columns * SIDE) // 2
    cut = images[:, top : top + rows * SIDE, left : left + columns * SIDE]
    lines = cut.reshape(count, SIDE, rows, -1).sum(axis=2, dtype=np.uint32)
    blocks = lines.reshape(count, SIDE, SIDE, columns, 3).sum(axis=3, dtype=np.uint32).astype(np.float32)
    blocks -= blocks.mean(axis=(1, 2, 3), keepdims=True)
    small: NDArray[np.float32] = blocks / (
        np.sqrt(np.square(blocks).sum(axis=(1, 2, 3), keepdims=True)) + 1e-6
    )
    return small
