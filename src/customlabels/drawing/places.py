"""Where things stand: what a layout consists of, and how its layers get their heights and sideways places.

All lengths are in pixels, y runs down.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import inf

__all__ = ["Layout", "Link", "Place", "Segment", "set_places", "settled"]

SIDE_GAP, LAYER_GAP = 24.0, 17.0
SWEEPS, STRAIGHTENINGS = 60, 6


@dataclass(frozen=True)
class Link:
    """An edge to lay out; `style` parts those that may share a line, (0, 0) is the size of no label."""

    source: str
    target: str
    style: str
    label: str = ""
    label_size: tuple[float, float] = (0.0, 0.0)


@dataclass
class Place:
    """Something with a place in a layer: a box, a label, or a point that an edge passes (no size)."""

    layer: int
    width: float = 0.0
    height: float = 0.0
    label: str = ""
    style: str = ""  # of the line that passes here
    is_box: bool = False
    x: float = 0.0  # of the middle
    y: float = 0.0  # of the top


@dataclass(frozen=True)
class Segment:
    """A piece of an edge from one layer to the next; `arrow`: "down" or "up" where it ends at its target."""

    upper: str
    lower: str
    style: str
    arrow: str = ""


@dataclass
class Layout:
    """Places by key (a box's key is its name), segments; of each layer its keys in order, top and bottom."""

    places: dict[str, Place]
    segments: list[Segment]
    rows: list[list[str]] = field(default_factory=list)
    tops: list[float] = field(default_factory=list)
    bottoms: list[float] = field(default_factory=list)
    width: float = 0.0
    height: float = 0.0


def set_places(layout: Layout) -> None:
    """Give every place of an ordered layout its x and y."""
    _stack(layout)
    _spread(layout)
    for _ in range(STRAIGHTENINGS):
        _straighten(layout)
    left = min(place.x - place.width / 2 for place in layout.places.values())
    for place in layout.places.values():
        place.x -= left
    layout.width = max(place.x + place.width / 2 for place in layout.places.values())


def _stack(layout: Layout) -> None:
    """Heights: each layer is as high as its highest, and everything stands in its middle."""
    y = 0.0
    for row in layout.rows:
        height = max((layout.places[key].height for key in row), default=0.0)
        layout.tops.append(y)
        layout.bottoms.append(y + height)
        for key in row:
            layout.places[key].y = y + (height - layout.places[key].height) / 2
        y += height + LAYER_GAP
    layout.height = y - LAYER_GAP


def _weight(layout: Layout, segment: Segment) -> float:
    """How much a segment wants to be straight: long lines most, the ways of errors least."""
    ends = layout.places[segment.upper], layout.places[segment.lower]
    return (1.0, 3.0, 8.0)[sum(not end.is_box for end in ends)] * (0.2 if segment.style == "caught" else 1.0)


def _spread(layout: Layout) -> None:
    """Sideways: each layer in turn moves as near to its neighbours as order and gaps allow."""
    places = layout.places
    pulls: dict[str, list[tuple[str, float]]] = defaultdict(list)
    for segment in layout.segments:
        weight = _weight(layout, segment)
        pulls[segment.upper].append((segment.lower, weight))
        pulls[segment.lower].append((segment.upper, weight))
    for sweep in range(SWEEPS):
        for row in layout.rows if sweep % 2 == 0 else reversed(layout.rows):
            wishes = []
            for key in row:
                weight = sum(pull for _, pull in pulls[key])
                aim = sum(places[other].x * pull for other, pull in pulls[key])
                wishes.append((aim / weight, weight) if weight else (places[key].x, 0.1))
            gaps = [_gap(places, one, other) for one, other in pairwise(row)]
            for key, x in zip(row, settled(wishes, gaps), strict=True):
                places[key].x = x


def _gap(places: Mapping[str, Place], left: str, right: str) -> float:
    """The least distance between two middles in one layer."""
    return (places[left].width + places[right].width) / 2 + SIDE_GAP


def settled(wishes: Sequence[tuple[float, float]], gaps: Sequence[float]) -> list[float]:
    """Points on a line, in order, at least `gaps` apart, least weighted squares away from wishes (x, weight).

    With the gaps taken off, the points only need to be in rising order: isotonic regression, by pooling.
    """
    offsets = [0.0]
    for gap in gaps:
        offsets.append(offsets[-1] + gap)
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
    places = layout.places
    beside = {
        key: (row[at - 1] if at else None, row[at + 1] if at + 1 < len(row) else None)
        for row in layout.rows
        for at, key in enumerate(row)
    }
    for line in _lines_of(layout):
        while line:
            low, high, count = -inf, inf, 0
            for key in line:
                before, after = beside[key]
                left = places[before].x + _gap(places, before, key) if before else -inf
                right = places[after].x - _gap(places, key, after) if after else inf
                if max(low, left) > min(high, right):
                    break
                low, high, count = max(low, left), min(high, right), count + 1
            count = max(count, 1)
            part, line = line[:count], line[count:]
            mean = sum(places[key].x for key in part) / count
            if low <= high:
                for key in part:
                    places[key].x = min(max(mean, low), high)


def _lines_of(layout: Layout) -> list[list[str]]:
    """Chains of places that follow one another, along what most wants to be straight; longest first."""
    after: dict[str, str] = {}
    before: dict[str, str] = {}
    for segment in sorted(layout.segments, key=lambda segment: -_weight(layout, segment)):
        if segment.upper not in after and segment.lower not in before:
            after[segment.upper], before[segment.lower] = segment.lower, segment.upper
    lines = []
    for key in layout.places:
        if key not in before:
            line = [key]
            while line[-1] in after:
                line.append(after[line[-1]])
            lines.append(line)
    return sorted(lines, key=len, reverse=True)
