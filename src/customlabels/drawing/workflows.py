"""A state machine's graph as SVG."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import fsum
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from customlabels.drawing.graphs import END, START, Graph, Node, read_graph
from customlabels.drawing.layers import layered
from customlabels.drawing.places import Layout, Place, settled
from customlabels.errors import InvalidInput

# How an execution fared in a state, and the mark that says so without a colour.
STATUSES = {"RUNNING": "▶", "SUCCEEDED": "✓", "FAILED": "✗", "RETRYING": "↻", "CAUGHT": "!"}

MARGIN, PADDING, TITLE_HEIGHT, BOX_HEIGHT, DOT = 20.0, 14.0, 40.0, 42.0, 14.0
NAME_SIZE, DETAIL_SIZE = 13.0, 10.5
PORT_INSET, PORT_GAP = 14.0, 20.0

STYLE = """
.workflow{--paper:#fff;--ink:#1f2933;--soft:#5f6b7a;--line:#7b8794;--box:#f5f7fa;--edge:#cbd2d9;--inner:#fbfcfd;
--task:#2563a8;--choice:#a15c07;--wait:#6d4aa8;--good:#237a3b;--bad:#b42318;--run:#0b69c7;
font-family:system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif}
@media(prefers-color-scheme:dark){.workflow{--paper:#12161c;--ink:#e4e9ef;--soft:#9aa7b6;--line:#8291a3;--box:#1d242d;
--edge:#3a4553;--inner:#171c23;--task:#6cb0f5;--choice:#e7a44c;--wait:#b79bf0;--good:#6cc784;--bad:#f28b82;
--run:#57a8ff}}
.workflow .paper{fill:var(--paper)}
.workflow .line{fill:none;stroke:var(--line);stroke-width:1.4;stroke-linecap:round}
.workflow .caught{stroke-dasharray:4 3;stroke-width:1.1;stroke-linecap:butt}
.workflow .tip{fill:var(--line)}
.workflow .name{font-size:13px;font-weight:600;fill:var(--ink)}
.workflow .detail{font-size:10.5px;fill:var(--soft)}
.workflow .label{font-size:10.5px;fill:var(--soft);font-style:italic}
.workflow text{text-anchor:middle}
.workflow .box{fill:var(--box);stroke:var(--tone,var(--edge));stroke-width:1.3}
.workflow .group>.box{fill:var(--inner);stroke:var(--edge)}
.workflow .Task{--tone:var(--task)}.workflow .Choice{--tone:var(--choice)}.workflow .Wait{--tone:var(--wait)}
.workflow .Succeed{--tone:var(--good)}.workflow .Fail{--tone:var(--bad)}
.workflow .dot{fill:var(--ink)}
.workflow .SUCCEEDED>.box{stroke:var(--good);stroke-width:2.6}
.workflow .FAILED>.box{stroke:var(--bad);stroke-width:2.6}
.workflow .RUNNING>.box{stroke:var(--run);stroke-width:2.6;stroke-dasharray:7 4}
""".strip()
LIVE_STYLE = """
.workflow .RETRYING>.box,.workflow .CAUGHT>.box{stroke:var(--choice);stroke-width:2.6}
.workflow .RETRYING>.box{stroke-dasharray:7 4}
.workflow .mark{font-size:14px;font-weight:700;fill:var(--ink);stroke:var(--paper);stroke-width:6;
paint-order:stroke}
.workflow .hit{fill:transparent}
.workflow a:hover .hit,.workflow a:focus-visible .hit{stroke:var(--run);stroke-width:2}
.workflow a{cursor:pointer}.workflow a:focus{outline:none}
""".strip()


@dataclass(frozen=True)
class _Look:
    """How states are drawn: their statuses by name, and where a click on one leads."""

    statuses: Mapping[str, str]
    link: Callable[[str], str] | None


def workflow_svg(
    definition: Mapping[str, Any],
    statuses: Mapping[str, str] | None = None,
    *,
    link: Callable[[str], str] | None = None,
) -> str:
    """The graph of a definition as an SVG document.

    statuses: state name -> one of STATUSES, how an execution fared there; states without one are drawn plain.
    link: the address that a state leads to
    Raises InvalidInput for another status.
    """
    for name, status in (statuses or {}).items():
        if status not in STATUSES:
            known = tuple(STATUSES)
            raise InvalidInput(f"state {name!r} has status {status!r}; it can be drawn as one of {known}")
    layout, body = _workflow(read_graph(definition), _Look(statuses or {}, link))
    width, height = layout.width + 2 * MARGIN, layout.height + 2 * MARGIN
    title = escape(definition.get("Comment") or "State machine")
    style = STYLE if statuses is None else f"{STYLE}\n{LIVE_STYLE}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="workflow" role="{"group" if link else "img"}" '
        f"aria-label={quoteattr(title)} "
        f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}">\n'
        f"<title>{title}</title>\n<style>{style}</style>\n"
        f'<rect class="paper" width="{width:.0f}" height="{height:.0f}" rx="10"/>\n'
        f"{_moved(MARGIN, MARGIN, body)}</svg>\n"
    )


def _workflow(graph: Graph, look: _Look) -> tuple[Layout, str]:
    """Lay out and draw one workflow; the inner ones first, since their size decides their box's."""
    parts = {node.name: [_workflow(part, look) for part in node.inner] for node in graph.nodes}
    sizes = {node.name: _size(node, [layout for layout, _ in parts[node.name]]) for node in graph.nodes}
    layout = layered(sizes, graph.edges, _label_size)
    drawn = _lines(layout)
    drawn += [
        f'<text class="label" x="{place.x:.1f}" y="{place.y + place.height - 4:.1f}">'
        f"{escape(place.label)}</text>\n"
        for place in layout.places
        if place.label
    ]
    drawn += [_state(node, layout.boxes[node.name], parts[node.name], look) for node in graph.nodes]
    return layout, "".join(drawn)


def _size(node: Node, inner: list[Layout]) -> tuple[float, float]:
    if node.name in (START, END):
        return DOT, DOT
    width = max(_text_width(node.name, NAME_SIZE), _text_width(node.detail, DETAIL_SIZE)) + 30
    if not inner:
        return max(width, 110.0) + 14 * (node.kind == "Choice"), BOX_HEIGHT
    row = fsum(layout.width for layout in inner) + PADDING * (len(inner) + 1)
    return max(width, row), TITLE_HEIGHT + max(layout.height for layout in inner) + PADDING


def _label_size(label: str) -> tuple[float, float]:
    return _text_width(label, DETAIL_SIZE) + 4, DETAIL_SIZE + 3


def _text_width(text: str, size: float) -> float:
    """Width in pixels, generous: the reader's font is not known here."""
    narrow, wide = "iljtfr.,:;'|!()[] ", "mwMW≥≤…@"
    return size * fsum(
        0.36 if c in narrow else 0.9 if c in wide else 0.7 if c.isupper() else 0.58 for c in text
    )


def _state(node: Node, place: Place, inner: list[tuple[Layout, str]], look: _Look) -> str:
    x, y, width, height = place.x, place.y, place.width, place.height
    if node.name in (START, END):
        return f'<circle class="dot" cx="{x:.1f}" cy="{y + DOT / 2:.1f}" r="{DOT / 2:.1f}"/>\n'
    left, right, middle = x - width / 2, x + width / 2, y + height / 2
    if node.kind == "Choice":
        xs = (left + 10, right - 10, right, right - 10, left + 10, left)
        ys = (y, y, middle, y + height, y + height, middle)
        corners = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(xs, ys, strict=True))
        shape = f'<polygon class="box" points="{corners}"/>'
    else:
        round_ = 21 if node.kind in ("Succeed", "Fail") else 7
        size = f'width="{width:.1f}" height="{height:.1f}" rx="{round_}"'
        shape = f'<rect class="box" x="{left:.1f}" y="{y:.1f}" {size}/>'
    apart = " " if look.link else ""  # the words of a link are spoken together
    texts = (
        f'<text class="name" x="{x:.1f}" y="{y + 18:.1f}">{escape(node.name)}</text>{apart}'
        f'<text class="detail" x="{x:.1f}" y="{y + 33:.1f}">{escape(node.detail)}</text>'
    )
    contents, at = "", x - (fsum(layout.width for layout, _ in inner) + PADDING * (len(inner) - 1)) / 2
    for layout, drawn in inner:
        contents += _moved(at, y + TITLE_HEIGHT, drawn)
        at += layout.width + PADDING
    status = look.statuses.get(node.name, "")
    classes = " ".join(word for word in ("group" if inner else "", node.kind, status) if word)
    spoken = escape(f"{node.name} ({node.kind}{', ' + status if status else ''})")
    if not look.link:
        return f'<g class="{classes}"><title>{spoken}</title>{shape}{texts}{contents}</g>\n'
    mark = f'<text class="mark" x="{right:.1f}" y="{y + 5:.1f}">{STATUSES.get(status, "")}</text>'
    linked = f"<a href={quoteattr(look.link(node.name))}>"
    named = f"data-state={quoteattr(node.name)}"
    hit = f'<rect class="hit" x="{left:.1f}" y="{y:.1f}" width="{width:.1f}" height="{BOX_HEIGHT}" rx="7"/>'
    # What is inside stands beside the link, not in it: a link cannot hold links.
    return f'<g class="{classes}" {named}>{shape}{linked}{hit}{texts} {mark}</a>{contents}</g>\n'


def _lines(layout: Layout) -> list[str]:
    """Every segment: straight out of its upper end, a bend between the layers, straight into its lower."""
    drawn = []
    for place in layout.places:
        top, bottom = layout.tops[place.layer], layout.bottoms[place.layer]
        if not place.is_box and not place.label and bottom > top:
            drawn.append(f'<path class="line {place.style}" d="M{place.x:.1f} {top:.1f}V{bottom:.1f}"/>\n')
    for segment, (x1, x2) in zip(layout.segments, _ports(layout), strict=True):
        upper, lower = segment.upper, segment.lower
        bend_from, bend_to = layout.bottoms[upper.layer], layout.tops[lower.layer]
        start = upper.y + upper.height if upper.is_box or upper.label else bend_from
        stop = lower.y if lower.is_box or lower.label else bend_to
        start, stop = start + 7 * (segment.arrow == "up"), stop - 7 * (segment.arrow == "down")
        bend_from, bend_to = max(bend_from, start), min(bend_to, stop)
        half = (bend_from + bend_to) / 2
        drawn.append(
            f'<path class="line {segment.style}" d="M{x1:.1f} {start:.1f}V{bend_from:.1f}'
            f'C{x1:.1f} {half:.1f} {x2:.1f} {half:.1f} {x2:.1f} {bend_to:.1f}V{stop:.1f}"/>\n'
        )
        if segment.arrow:
            x, y, way = (x2, stop, 1) if segment.arrow == "down" else (x1, start, -1)
            drawn.append(f'<path class="tip" d="M{x - 4:.1f} {y:.1f}h8l-4 {7 * way}z"/>\n')
    return drawn


def _ports(layout: Layout) -> list[tuple[float, float]]:
    """Where each segment leaves its upper and enters its lower end (x, x): in line where that can be."""
    wishes = [_straight(segment.upper, segment.lower) for segment in layout.segments]
    leaving = _side_by_side([(each.upper, x) for each, (x, _) in zip(layout.segments, wishes, strict=True)])
    entering = _side_by_side([(each.lower, x) for each, (_, x) in zip(layout.segments, wishes, strict=True)])
    return list(zip(leaving, entering, strict=True))


def _straight(upper: Place, lower: Place) -> tuple[float, float]:
    """Where a segment alone would leave and enter: at one x if its ends overlap, else at their near sides."""
    reaches = [max(place.width / 2 - PORT_INSET, 0.0) if place.is_box else 0.0 for place in (upper, lower)]
    low = max(upper.x - reaches[0], lower.x - reaches[1])
    high = min(upper.x + reaches[0], lower.x + reaches[1])
    if low <= high:
        middle = lower.x if not lower.is_box else upper.x if not upper.is_box else (low + high) / 2
        return middle, middle
    return (high, low) if upper.x < lower.x else (low, high)


def _side_by_side(ends: Sequence[tuple[Place, float]]) -> list[float]:
    """The x of each end of a line, near the one that it wishes, and apart from the others at its box."""
    found = [place.x for place, _wish in ends]
    wishes: dict[Place, list[tuple[float, int]]] = defaultdict(list)
    for index, (place, wish) in enumerate(ends):
        if place.is_box:
            wishes[place].append((wish, index))
    for place, here in wishes.items():
        here.sort()
        reach = place.width / 2 - PORT_INSET
        gap = min(PORT_GAP, 2 * reach / len(here))
        xs = settled([(wish, 1.0) for wish, _ in here], [gap] * (len(here) - 1))
        shift = max(place.x - reach - xs[0], 0.0) - max(xs[-1] - place.x - reach, 0.0)
        for x, (_, index) in zip(xs, here, strict=True):
            found[index] = x + shift
    return found


def _moved(x: float, y: float, drawn: str) -> str:
    return f'<g transform="translate({x:.1f} {y:.1f})">\n{drawn}</g>\n'
