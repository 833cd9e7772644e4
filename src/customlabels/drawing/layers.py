"""A layered layout: every edge runs down from layer to layer, through places of its own.

The method is Sugiyama's: turn around the edges that close a cycle, give each box a layer, give edges a place
in each layer they pass, order the layers for few crossings, then move things sideways until edges are
straight (places.py). Boxes stand on even layers; on the odd ones between stand the labels. Edges with one
target share their places, so that twenty catches to one state make one line.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from graphlib import TopologicalSorter
from itertools import pairwise

from customlabels.drawing.graphs import Edge
from customlabels.drawing.places import Layout, Place, Segment, set_places

ORDER_SWEEPS = 24
Size = tuple[float, float]  # width, height


def layered(sizes: Mapping[str, Size], edges: Sequence[Edge], size_of: Callable[[str], Size]) -> Layout:
    """Lay out boxes and the edges between them.

    sizes: of the boxes by name, in reading order; the first is the start     size_of: a label's size
    """
    back = _closing(list(sizes), edges)
    # A box stands one below the lowest of those that lead to it.
    before: dict[str, list[str]] = {name: [] for name in sizes}
    for edge in edges:
        if edge not in back:
            before[edge.target].append(edge.source)
    layers: dict[str, int] = {}
    for name in TopologicalSorter(before).static_order():
        layers[name] = max((layers[source] + 1 for source in before[name]), default=0)
    boxes = {name: Place(2 * layers[name], *sizes[name], is_box=True) for name in sizes}
    points, segments = _route(boxes, edges, back, size_of)
    places = [*boxes.values(), *points]
    rows: list[list[Place]] = [[] for _ in range(max(place.layer for place in places) + 1)]
    for place in places:
        rows[place.layer].append(place)
    layout = Layout(boxes, places, segments, rows)
    _order(layout)
    set_places(layout)
    return layout


def _closing(names: Sequence[str], edges: Sequence[Edge]) -> set[Edge]:
    """The edges that close a cycle: ways are followed in reading order, these lead back onto the way."""
    position = {name: index for index, name in enumerate(names)}
    ways: dict[str, list[Edge]] = defaultdict(list)
    for edge in sorted(edges, key=lambda edge: position[edge.target]):
        ways[edge.source].append(edge)
    back: set[Edge] = set()
    done: set[str] = set()
    for root in names:
        way = {} if root in done else {root: iter(ways[root])}  # not by recursion: a machine may be long
        while way:
            name, rest = next(reversed(way.items()))
            for edge in rest:
                if edge.target in way:
                    back.add(edge)
                elif edge.target not in done:
                    way[edge.target] = iter(ways[edge.target])
                    break
            else:
                del way[name]
                done.add(name)
    return back


def _route(
    boxes: Mapping[str, Place], edges: Sequence[Edge], back: set[Edge], size_of: Callable[[str], Size]
) -> tuple[list[Place], list[Segment]]:
    """Points and labels along each edge, and the segments between them; edges may share both."""
    points: dict[tuple[object, ...], Place] = {}
    segments: dict[tuple[object, ...], Segment] = {}
    for edge in edges:
        if edge.source == edge.target:
            continue
        turned = edge in back
        upper, lower = (edge.target, edge.source) if turned else (edge.source, edge.target)
        between = range(boxes[upper].layer + 1, boxes[lower].layer)
        way = [boxes[upper]]
        for layer in between:
            own = edge.label if layer == between[-1 if turned else 0] else ""  # beside the source
            key = (edge.target, edge.style, turned, layer, own and (edge.source, own))
            size = size_of(own) if own else (0.0, 0.0)
            way.append(points.setdefault(key, Place(layer, *size, own, edge.style)))
        way.append(boxes[lower])
        for above, below in pairwise(way):
            at_target = above is way[0] if turned else below is way[-1]
            arrow = "" if not at_target else "up" if turned else "down"
            segments.setdefault((above, below, edge.style, arrow), Segment(above, below, edge.style, arrow))
    for segment in segments.values():
        segment.upper.below.append(segment.lower)
        segment.lower.above.append(segment.upper)
    return list(points.values()), list(segments.values())


def _order(layout: Layout) -> None:
    """Order each layer so that few segments cross: sweeps by the neighbours' middle; the best is kept."""
    _number(layout.rows)
    best, fewest = [list(row) for row in layout.rows], _crossings(layout.rows)
    for sweep in range(ORDER_SWEEPS):
        down = sweep % 2 == 0
        for row in (layout.rows if down else layout.rows[::-1])[1:]:
            wishes = {place: _middle(place, place.above if down else place.below) for place in row}
            row.sort(key=wishes.__getitem__)
            _number([row])
        _swap_neighbours(layout.rows)
        crossings = _crossings(layout.rows)
        if crossings < fewest:
            best, fewest = [list(row) for row in layout.rows], crossings
    layout.rows = best
    _number(best)


def _number(rows: Sequence[Sequence[Place]]) -> None:
    for row in rows:
        for index, place in enumerate(row):
            place.index = index


def _middle(place: Place, neighbours: Sequence[Place]) -> float:
    return sum(each.index for each in neighbours) / len(neighbours) if neighbours else place.index


def _swap_neighbours(rows: Sequence[list[Place]]) -> None:
    """Swap two that stand side by side wherever that takes crossings away."""
    for row in rows:
        for at in range(len(row) - 1):
            left, right = row[at], row[at + 1]
            gain = sum(
                (one.index > other.index) - (one.index < other.index)
                for lefts, rights in ((left.above, right.above), (left.below, right.below))
                for one in lefts
                for other in rights
            )
            if gain > 0:
                row[at], row[at + 1] = right, left
        _number([row])


def _crossings(rows: Sequence[Sequence[Place]]) -> int:
    total = 0
    for row in rows:
        ends = [index for place in row for index in sorted(other.index for other in place.below)]
        total += sum(ends[i] > ends[j] for i in range(len(ends)) for j in range(i + 1, len(ends)))
    return total
