"""What makes scores mean what they say, fitted on images that were not learned from.

Layer: training; numpy only.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Without a bound, images that are all right would ask for scores of only 0 and 1.
COLDEST, HOTTEST = 0.3, 5.0  # of a net's logits
LARGEST_WEIGHT = 40.0  # of what the handcrafted features say, which is between 0 and 1
GRID, TEMPERATURES = 24, 400  # values of each weight, and of a temperature, that are tried
ENOUGH = 1000  # images, evenly taken: a number or two need no more
CLEARLY = 1.0  # standard errors of the surprise that a second voice saves
WEIGHTS = np.geomspace(1.0, LARGEST_WEIGHT, GRID)

Floats = NDArray[np.floating[Any]]


def probabilities(logits: Floats, temperature: float = 1.0, *, single: bool = True) -> Floats:
    """(n, labels) logits to (n, labels) scores, 0..1; single: each row's sum is 1."""
    scaled = logits.astype(np.float64) / temperature
    if not single:
        independent: Floats = 1 / (1 + np.exp(-np.clip(scaled, -500, 500)))
        return independent
    scaled -= scaled.max(axis=1, keepdims=True)
    powers = np.exp(scaled)
    shares: Floats = powers / powers.sum(axis=1, keepdims=True)
    return shares


def surprise(scores: Floats, carried: NDArray[np.bool_], *, single: bool = True) -> Floats:
    """(n,) how unlikely the truth of each image was. scores, carried: (n, labels)"""
    right = scores[carried][:, None] if single else np.where(carried, scores, 1 - scores)
    unlikely: Floats = -np.log(np.maximum(right, 1e-12)).mean(axis=1)
    return unlikely


def temperature_for(logits: Floats, carried: NDArray[np.bool_], *, single: bool = True) -> float:
    """The temperature under which the truth is least surprising; 1 without images.

    logits, carried: (n, labels)     single: one label an image, else scores are independent
    """
    if len(carried) == 0:
        return 1.0
    logits, carried = _some(logits), _some(carried)
    inverses = np.linspace(1 / HOTTEST, 1 / COLDEST, TEMPERATURES)
    told = [
        surprise(probabilities(logits, 1 / each, single=single), carried, single=single).mean()
        for each in inverses
    ]
    return float(1 / inverses[int(np.argmin(told))])


def weight_for(other: Floats, carried: NDArray[np.bool_], *, single: bool = True) -> float:
    """What `blended` multiplies the voice that needs no net with where it speaks alone; 1 without images."""
    other, carried = _some(other), _some(carried)

    def told(weight: float) -> float:
        return float(surprise(probabilities(weight * other, single=single), carried, single=single).mean())

    return float(min(WEIGHTS, key=told)) if len(carried) else 1.0


def blended(
    net: Floats, other: Floats, carried: NDArray[np.bool_], *, single: bool = True, together: bool = True
) -> tuple[float, float]:
    """Weights of a net's logits and of what needs no net, for images that neither learned from.

    Each alone, or both where that is clearly better: the net has to beat the other one, or to add to it.
    net, other, carried: (n, labels)     single: one label an image     together: whether both may speak
    """
    if len(carried) == 0:
        return 1.0, 0.0
    net, other, carried = _some(net), _some(other), _some(carried)
    alone = 1 / temperature_for(net, carried, single=single), 0.0
    shares = np.geomspace(0.05, 1 / COLDEST, GRID)

    def told(pair: tuple[float, float]) -> Floats:
        scores = probabilities(pair[0] * net + pair[1] * other, single=single)
        return surprise(scores, carried, single=single)

    def least(pairs: Iterable[tuple[float, float]]) -> tuple[float, float]:
        return min(pairs, key=lambda pair: told(pair).mean())

    better = least([alone, (0.0, weight_for(other, carried, single=single))])
    if not together:
        return better
    both = least((float(share), float(weight)) for share in shares for weight in WEIGHTS)
    saved = told(better) - told(both)
    return both if saved.mean() > CLEARLY * saved.std() / np.sqrt(len(saved)) else better


def _some(rows: NDArray[Any]) -> NDArray[Any]:
    return rows[:: max(1, len(rows) // ENOUGH)]
