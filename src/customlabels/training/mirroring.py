"""Whether a training may swap left and right, or top and bottom.

Layer: training; numpy only. Mirrored views double a small set of photographs for nothing, and ruin digits,
letters and arrows; upside down go things on a table, not those on a wall. The data says which it is: where
the swapped picture is as much at home among the pictures of its label as the picture itself, it is harmless.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SIDE = 16  # pixels; enough to see a shape, too coarse for texture
MOST = 2000  # images worth looking at; the work grows with the square
# Measured, sideways and upside down: clothes 0.38, 0.18 (series of one scene lower it); cards on tables 0.39,
# 0.43; blood cells 0.31, 0.02 (the light falls from one side); digits 0.03, 0.05.
LEAST_SHARE = 0.25
LEAST_IMAGES = 30  # below, the share says little, and not swapping is the safe side


def swap_is_harmless(images: NDArray[np.uint8], truth: NDArray[np.int64], axis: int = 2) -> bool:
    """images: (n, height, width, 3) uint8, n at most about MOST     truth: (n,) index of the label

    axis: 2 swaps left and right, 1 top and bottom. Never for fewer than LEAST_IMAGES images.
    """
    return len(images) >= LEAST_IMAGES and share_at_home(images, truth, axis) >= LEAST_SHARE


def share_at_home(images: NDArray[np.uint8], truth: NDArray[np.int64], axis: int = 2) -> float:
    """How often the mirror image is nearer to another picture of its label than the picture itself is.

    About 0.5 where left and right mean nothing, near 0 where mirror images do not occur. Distances are taken
    between small pictures of the same brightness and contrast.
    """
    plain, mirrored = _small(images), _small(np.flip(images, axis))
    stranger = truth[:, None] != truth[None, :]
    np.fill_diagonal(stranger, True)
    own, swapped = (_nearest(queries, plain, stranger) for queries in (plain, mirrored))
    judged = np.isfinite(own)
    if not judged.any():
        return 0.0
    wins = (swapped < own) + 0.5 * (swapped == own)
    return float(wins[judged].mean())


def _small(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(n, features) float: block means, centred and scaled image by image."""
    count = len(images)
    rows, columns = (side // SIDE * SIDE for side in images.shape[1:3])
    # Centred, so that the mirror image is cut alike.
    top, left = (images.shape[1] - rows) // 2, (images.shape[2] - columns) // 2
    cut = images[:, top : top + rows, left : left + columns].astype(np.float32)
    blocks = cut.reshape(count, SIDE, rows // SIDE, SIDE, columns // SIDE, 3).mean(axis=(2, 4))
    blocks = blocks.reshape(count, -1)
    blocks -= blocks.mean(axis=1, keepdims=True)
    small: NDArray[np.float32] = blocks / (np.linalg.norm(blocks, axis=1, keepdims=True) + 1e-6)
    return small


def _nearest(
    queries: NDArray[np.float32], pictures: NDArray[np.float32], stranger: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """(n,) smallest squared distance to a picture that is no stranger; inf where there is none."""
    distances = 2 - 2 * queries @ pictures.T
    distances[stranger] = np.inf
    nearest: NDArray[np.float32] = distances.min(axis=1)
    return nearest
