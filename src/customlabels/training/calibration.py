"""One temperature that makes scores mean what they say, fitted on images that the net did not learn from.

Layer: training; numpy only.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["probabilities", "temperature_for"]

# Without a bound, images that are all right would ask for a temperature of 0, and scores of only 0 and 1.
COLDEST, HOTTEST = 0.3, 5.0
HALVINGS = 40

Floats = NDArray[np.floating[Any]]


def probabilities(logits: Floats, temperature: float, *, single: bool = True) -> Floats:
    """(n, labels) logits to (n, labels) scores, 0..1; single: each row's sum is 1."""
    scaled = logits.astype(np.float64) / temperature
    if not single:
        independent: Floats = 1 / (1 + np.exp(-np.clip(scaled, -500, 500)))
        return independent
    scaled -= scaled.max(axis=1, keepdims=True)
    powers = np.exp(scaled)
    shares: Floats = powers / powers.sum(axis=1, keepdims=True)
    return shares


def temperature_for(logits: Floats, carried: NDArray[np.bool_], *, single: bool = True) -> float:
    """The temperature under which the truth is least surprising; 1 without images.

    logits, carried: (n, labels)     single: one label an image, else scores are independent
    """
    if len(carried) == 0:
        return 1.0

    def surprise(inverse: float) -> float:
        shares = probabilities(logits, 1 / inverse, single=single)
        right = shares[carried] if single else np.where(carried, shares, 1 - shares)
        return float(-np.log(np.maximum(right, 1e-12)).mean())

    # Surprise is convex in the inverse temperature: a third of the range falls away in each round.
    low, high = 1 / HOTTEST, 1 / COLDEST
    for _ in range(HALVINGS):
        left, right = low + (high - low) / 3, high - (high - low) / 3
        if surprise(left) <= surprise(right):
            high = right
        else:
            low = left
    return float(2 / (low + high))
