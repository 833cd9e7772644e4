"""Where things stand: what a layout consists of, and how its layers get their heights and sideways places.

All lengths are in pixels, y runs down.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from math import fsum, inf

SIDE_GAP, LAYER_GAP = 24.0, 17.0
SWEEPS, STRAIGHTENINGS = 60, 6


@dataclass(eq=False)
class Place:
    """Something with a place in a layer: a box, a label, or a point that an edge passes (no size)."""

    layer: int
    width: float = 0.0
    height: float = 0.0
    label: str = ""
    style: str = ""  # of the line that passes here
    is_box: bool = False
    above: list[Place] = field(default_factory=list)  # where lines come from
    below: list[Place] = field(default_factory=list)  # where they go
    index: int = 0  # from the left, in its layer
    x: float = 0.0  # of the middle
    y: float = 0.0  # of the top


@dataclass(frozen=True, eq=False)
class Segment:
    """A piece of an edge from one layer to the next; `arrow`: "down" or "up" where it ends at its target."""

    upper: Place
    lower: Place
    style: str
    arrow: str = ""

    @property
    def weight(self) -> float:
        """How much it wants to be straight: long lines most, the ways of errors least."""
        points = (not self.upper.is_box) + (not self.lower.is_box)
        return (1.0, 3.0, 8.0)[points] * (0.2 if self.style == "caught" else 1.0)


@dataclass
class Layout:
    """Boxes by name, all places and segments; of each layer its places in order, its top and its bottom."""

    boxes: Mapping[str, Place]
    places: Sequence[Place]
    segments: Sequence[Segment]
    rows: list[list[Place]]
    tops: list[float] = field(default_factory=list)
    bottoms: list[float] = field(default_factory=list)
    width: float = 0.0
    height: float = 0.0


def set_places(layout: Layout) -> None:
    """Give every place of an ordered layout its x and y."""
    y = 0.0
    for row in layout.rows:  # each as high as its highest, and everything stands in its middle
        height = max((place.height for place in row), default=0.0)
        layout.tops.append(y)
        layout.bottoms.append(y + height)
        for place in row:
            place.y = y + (height - place.height) / 2
        y += height + LAYER_GAP
    layout.height = y - LAYER_GAP
    _spread(layout)
    for _ in range(STRAIGHTENINGS):
        _straighten(layout)
    left = min(place.x - place.width / 2 for place in layout.places)
    for place in layout.places:
        place.x -= left
    layout.width = max(place.x + place.width / 2 for place in layout.places)


def _spread(layout: Layout) -> None:
    """Sideways: each layer in turn moves as near to its neighbours as order and gaps allow."""
    pulls: dict[Place, list[tuple[Place, float]]] = defaultdict(list)
    for segment in layout.segments:
        pulls[segment.upper].append((segment.lower, segment.weight))
        pulls[segment.lower].append((segment.upper, segment.weight))
    for sweep in range(SWEEPS):
        for row in layout.rows if sweep % 2 == 0 else reversed(layout.rows):
            wishes = []
            for place in row:
                weight = fsum(pull for _, pull in pulls[place])
                aim = fsum(other.x * pull for other, pull in pulls[place])
                wishes.append((aim / weight, weight) if weight else (place.x, 0.1))
            for place, x in zip(row, settled(wishes, [_gap(*pair) for pair in pairwise(row)]), strict=True):
                place.x = x


def _gap(left: Place, right: Place) -> float:
    """The least distance between two middles in one layer."""
    return (left.width + right.width) / 2 + SIDE_GAP


def settled(wishes: Sequence[tuple[float, float]], gaps: Sequence[float]) -> list[float]:
    """Points on a line, in order, at least `gaps` apart, least weighted squares away from wishes (x, weight).

    With the gaps taken off, the points only need to be in rising order: isotonic regression, by pooling.
    """
    offsets = list(accumulate(gaps, initial=0.0))
    pools: list[tuple[float, float, int]] = []  # mean, weight, how many
    for (wish, weight), offset in zip(wishes, offsets, strict=True):
        pool = (wish - offset, weight, 1)
        while pools and pools[-1][0] > pool[0]:
            mean, mass, count = pools.pop()
            total = mass + pool[1]
            pool = ((mean * mass + pool[0] * pool[1]) / total, total, count + pool[2])
        pools.append(pool)
    means = [mean for mean, _, count in pools for _ in range(count)]
    return [mean + offset for mean, offset in zip(means, offsets, strict=True)]


def _straighten(layout: Layout) -> None:
    """Set what follows one another in a line on one x, as far as the neighbours leave room for it.

    Least squares spread a bend over all layers; a reader would rather see one bend than twenty.
    """
    for line in _lines_of(layout):
        while line:
            low, high, count = -inf, inf, 0
            for place in line:
                left, right = _room(layout.rows[place.layer], place)
                if max(low, left) > min(high, right):
                    break
                low, high, count = max(low, left), min(high, right), count + 1
            count = max(count, 1)
            part, line = line[:count], line[count:]
            mean = fsum(place.x for place in part) / count
            if low <= high:
                for place in part:
                    place.x = min(max(mean, low), high)


def _room(row: Sequence[Place], place: Place) -> tuple[float, float]:
    """How far left and right a place may move before it meets its neighbours."""
    at = place.index
    left = row[at - 1].x + _gap(row[at - 1], place) if at else -inf
    right = row[at + 1].x - _gap(place, row[at + 1]) if at + 1 < len(row) else inf
    return left, right


def _lines_of(layout: Layout) -> list[list[Place]]:
    """Chains of places that follow one another, along what most wants to be straight; longest first."""
    after: dict[Place, Place] = {}
    before: dict[Place, Place] = {}
    for segment in sorted(layout.segments, key=lambda segment: -segment.weight):
        if segment.upper not in after and segment.lower not in before:
            after[segment.upper], before[segment.lower] = segment.lower, segment.upper
    lines = []
    for place in layout.places:
        if place not in before:
            line = [place]
            while line[-1] in after:
                line.append(after[line[-1]])
            lines.append(line)
    return sorted(lines, key=len, reverse=True)
