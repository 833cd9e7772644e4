"""A layered layout: every edge runs down from layer to layer, through places of its own.

The method is Sugiyama's: turn around the edges that close a cycle, give each box a layer, give edges a place
in each layer they pass, order the layers for few crossings, then move things sideways until edges are
straight (places.py). Boxes stand on even layers; on the odd ones between stand the labels. Edges with one
target share their places, so that twenty catches to one state make one line.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from customlabels.drawing.places import Layout, Link, Place, Segment, set_places

__all__ = ["layered"]

ORDER_SWEEPS = 24


def layered(sizes: Mapping[str, tuple[float, float]], links: Sequence[Link]) -> Layout:
    """Lay out boxes and the links between them.

    sizes: name -> (width, height), in reading order; the first is the start
    """
    back = _closing(list(sizes), links)
    layers = _layers(list(sizes), links, back)
    places = {name: Place(2 * layers[name], *sizes[name], is_box=True) for name in sizes}
    layout = Layout(places, _route(places, links, back))
    layout.rows = [[] for _ in range(max(place.layer for place in places.values()) + 1)]
    for key, place in places.items():
        layout.rows[place.layer].append(key)
    _order(layout)
    set_places(layout)
    return layout


def _closing(names: Sequence[str], links: Sequence[Link]) -> set[Link]:
    """The links that close a cycle: ways are followed in reading order, these lead back onto the way."""
    position = {name: index for index, name in enumerate(names)}
    ways: dict[str, list[Link]] = defaultdict(list)
    for link in sorted(links, key=lambda link: position[link.target]):
        ways[link.source].append(link)
    back: set[Link] = set()
    done: set[str] = set()
    for root in names:
        stack = [] if root in done else [(root, iter(ways[root]))]
        open_ = {root} if stack else set()
        while stack:
            name, rest = stack[-1]
            for link in rest:
                if link.target in open_:
                    back.add(link)
                elif link.target not in done:
                    stack.append((link.target, iter(ways[link.target])))
                    open_.add(link.target)
                    break
            else:
                stack.pop()
                open_.discard(name)
                done.add(name)
    return back


def _layers(names: Sequence[str], links: Sequence[Link], back: set[Link]) -> dict[str, int]:
    """The layer of each box: one below the lowest of those that lead to it."""
    layers = dict.fromkeys(names, 0)
    forward = [link for link in links if link not in back]
    for _ in names:
        for link in forward:
            layers[link.target] = max(layers[link.target], layers[link.source] + 1)
    return layers


def _route(places: dict[str, Place], links: Sequence[Link], back: set[Link]) -> list[Segment]:
    """Give each link its points and label; returns the segments, each once however many links share it."""
    segments: dict[Segment, None] = {}
    for link in links:
        if link.source == link.target:
            continue
        upper, lower = (link.target, link.source) if link in back else (link.source, link.target)
        first, last = places[upper].layer + 1, places[lower].layer - 1
        labelled = last if link in back else first  # the layer beside the source
        keys = [upper]
        for layer in range(first, last + 1):
            own = bool(link.label) and layer == labelled
            key = f"\0{link.target}|{link.style}|{link in back}|{layer}" + (
                f"|{link.source}|{link.label}" if own else ""
            )
            width, height = link.label_size if own else (0.0, 0.0)
            places.setdefault(key, Place(layer, width, height, link.label if own else "", link.style))
            keys.append(key)
        keys.append(lower)
        steps = list(pairwise(keys))
        for index, (above, below) in enumerate(steps):
            at_target = index == 0 if link in back else index == len(steps) - 1
            arrow = "" if not at_target else "up" if link in back else "down"
            segments[Segment(above, below, link.style, arrow)] = None
    return list(segments)


def _order(layout: Layout) -> None:
    """Order each layer so that few segments cross: sweeps by the neighbours' middle; the best is kept."""
    above, below = _neighbours(layout.segments)
    best, fewest = [list(row) for row in layout.rows], _crossings(layout.rows, below)
    for sweep in range(ORDER_SWEEPS):
        down = sweep % 2 == 0
        rows = layout.rows if down else layout.rows[::-1]
        near = above if down else below
        for fixed, row in pairwise(rows):
            at = {key: float(index) for index, key in enumerate(fixed)}
            wishes = {
                key: _middle([at[other] for other in near[key]], index) for index, key in enumerate(row)
            }
            row.sort(key=wishes.__getitem__)
        _swap_neighbours(layout.rows, above, below)
        crossings = _crossings(layout.rows, below)
        if crossings < fewest:
            best, fewest = [list(row) for row in layout.rows], crossings
    layout.rows = best


def _neighbours(segments: Iterable[Segment]) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    above: dict[str, list[str]] = defaultdict(list)
    below: dict[str, list[str]] = defaultdict(list)
    for segment in segments:
        above[segment.lower].append(segment.upper)
        below[segment.upper].append(segment.lower)
    return above, below


def _middle(values: list[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _swap_neighbours(rows: list[list[str]], above: dict[str, list[str]], below: dict[str, list[str]]) -> None:
    """Swap two that stand side by side wherever that takes crossings away."""
    for index, row in enumerate(rows):
        around = [
            ({key: place for place, key in enumerate(rows[other])}, near)
            for other, near in ((index - 1, above), (index + 1, below))
            if 0 <= other < len(rows)
        ]
        for at in range(len(row) - 1):
            left, right = row[at], row[at + 1]
            gain = 0
            for places, near in around:
                for one in near[left]:
                    for other in near[right]:
                        gain += (places[one] > places[other]) - (places[one] < places[other])
            if gain > 0:
                row[at], row[at + 1] = right, left


def _crossings(rows: Sequence[Sequence[str]], below: Mapping[str, list[str]]) -> int:
    total = 0
    for row, lower in pairwise(rows):
        at = {key: index for index, key in enumerate(lower)}
        ends = [at[other] for key in row for other in sorted(below[key], key=at.__getitem__)]
        total += sum(ends[i] > ends[j] for i in range(len(ends)) for j in range(i + 1, len(ends)))
    return total
