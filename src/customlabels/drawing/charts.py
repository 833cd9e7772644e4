"""Charts of numbers: lines over two axes, and figures with their intervals.

Drawn 360 pixels wide, so that a telephone shows them at full size and a wide page shows several in a row.
Lines differ by colour and by dashes; what a chart shows is also said in words.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from unicodedata import east_asian_width
from xml.sax.saxutils import escape, quoteattr

WIDTH, HEIGHT = 360.0, 250.0
LEFT, RIGHT, TOP, BOTTOM = 44.0, 12.0, 10.0, 40.0  # around the area of a line chart
LEGEND_ROW, FIGURE_ROW, NAMES, VALUES = 18.0, 22.0, 104.0, 44.0
TICKS, TONES, SIZE = 5, 6, 11.0

STYLE = """
.chart{--paper:#fff;--ink:#1b1f24;--soft:#59636e;--grid:#e3e7eb;--good:#116329;--bad:#a40e26;
--tone0:#0a53a8;--tone1:#b35900;--tone2:#7b3fa0;--tone3:#00747a;--tone4:#a8326b;--tone5:#5c6570;
font:11px/1 system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif;max-width:100%;height:auto}
@media(prefers-color-scheme:dark){.chart{--paper:#14171b;--ink:#e6e9ed;--soft:#9aa4af;--grid:#2b3138;
--good:#57ab5a;--bad:#f47067;--tone0:#6cb6ff;--tone1:#e8a04c;--tone2:#c79bf2;--tone3:#4fc4c9;--tone4:#f28bb9;
--tone5:#a5b0bc}}
.chart text{fill:var(--soft)}
.chart .said{fill:var(--ink)}
.chart .grid{stroke:var(--grid);stroke-width:1}
.chart .line{fill:none;stroke:var(--tone);stroke-width:1.8;stroke-linejoin:round}
.chart .mark{fill:var(--paper);stroke:var(--tone);stroke-width:2}
.chart .span{stroke:var(--tone);stroke-width:5;stroke-opacity:.35}
.chart .dot{fill:var(--tone)}
.chart .bound{stroke:var(--bad);stroke-width:1.4;stroke-dasharray:4 3}
.chart .t0{--tone:var(--tone0)}.chart .t1{--tone:var(--tone1);stroke-dasharray:7 3}
.chart .t2{--tone:var(--tone2);stroke-dasharray:2 2}.chart .t3{--tone:var(--tone3);stroke-dasharray:9 3 2 3}
.chart .t4{--tone:var(--tone4);stroke-dasharray:5 2}.chart .t5{--tone:var(--tone5);stroke-dasharray:1 3}
.chart .below{--tone:var(--bad)}
.chart .mark,.chart .dot{stroke-dasharray:none}
""".strip()


@dataclass(frozen=True)
class Axis:
    """What is measured, and from where to where."""

    title: str
    low: float
    high: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ValueError(f"an axis runs from a number to a greater one, not {self.low} to {self.high}")

    def ticks(self) -> list[float]:
        """Round numbers within the axis."""
        raw = (self.high - self.low) / TICKS
        power = 10.0 ** math.floor(math.log10(raw))
        step = next(power * each for each in (1, 2, 5, 10) if power * each >= raw * 0.999)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [number * step for number in range(first, last + 1)]


@dataclass(frozen=True)
class Line:
    """A line through points (x, y); `mark`: one point of it that counts."""

    name: str
    points: Sequence[tuple[float, float]]
    mark: tuple[float, float] | None = None


@dataclass(frozen=True)
class Figure:
    """A figure with the interval in which it may lie; `below`: it misses what was asked of it."""

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    below: bool = False


def line_chart(title: str, lines: Sequence[Line], x: Axis, y: Axis) -> str:
    """Lines over two axes with a legend below."""
    width, area = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def at(point: tuple[float, float]) -> tuple[float, float]:
        across, up = (point[0] - x.low) / (x.high - x.low), (point[1] - y.low) / (y.high - y.low)
        return LEFT + width * min(max(across, 0), 1), TOP + area * (1 - min(max(up, 0), 1))

    drawn = [*_grid(x, y, at)]
    for number, line in enumerate(lines):
        tone = f"t{number % TONES}"
        points = " ".join("{:.1f},{:.1f}".format(*at(point)) for point in line.points)
        row = HEIGHT + LEGEND_ROW * number + 6
        drawn.append(
            f'<polyline class="line {tone}" points="{points}"><title>{plain(line.name)}</title></polyline>'
        )
        if line.mark is not None:
            drawn.append(
                '<circle class="mark {}" cx="{:.1f}" cy="{:.1f}" r="3.6"/>'.format(tone, *at(line.mark))
            )
        if len(lines) > 1:
            drawn.append(_straight(f"line {tone}", LEFT, row, LEFT + 26, row))
            drawn.append(_text(LEFT + 34, row + 4, fitted(line.name, WIDTH - LEFT - 40), "said"))
    return svg(title, WIDTH, HEIGHT + (LEGEND_ROW * len(lines) if len(lines) > 1 else 0), drawn)


def interval_chart(title: str, figures: Sequence[Figure], axis: Axis, bound: float | None = None) -> str:
    """One row a figure: its name, a dot with its interval, its value. bound: what was asked for"""
    left, right = NAMES, WIDTH - VALUES
    bottom = 4 + FIGURE_ROW * len(figures)

    def at(value: float) -> float:
        return left + (right - left) * min(max((value - axis.low) / (axis.high - axis.low), 0), 1)

    drawn = []
    for tick in axis.ticks():
        drawn += [
            _straight("grid", at(tick), 0, at(tick), bottom),
            _text(at(tick), bottom + 13, f"{tick:g}", "", "middle"),
        ]
    if bound is not None:
        drawn.append(_straight("bound", at(bound), 0, at(bound), bottom))
    for row, figure in enumerate(figures):
        y, tone = 4 + FIGURE_ROW * (row + 0.5), "below" if figure.below else "t0"
        interval = ""
        if figure.low is not None and figure.high is not None:
            interval = f", interval {figure.low:.3f} to {figure.high:.3f}"
            drawn.append(_straight(f"span {tone}", at(figure.low), y, at(figure.high), y))
        said = plain(f"{figure.name}: {figure.value:.3f}{interval}")
        drawn += [
            f'<circle class="dot {tone}" cx="{at(figure.value):.1f}" cy="{y:.1f}" r="4">'
            f"<title>{said}</title></circle>",
            _text(left - 8, y + 4, fitted(figure.name, NAMES - 10), "said", "end"),
            _text(WIDTH, y + 4, f"{figure.value:.3f}", "said", "end"),
        ]
    drawn.append(_text((left + right) / 2, bottom + 28, axis.title, "", "middle"))
    return svg(title, WIDTH, bottom + 34, drawn)


def svg(
    title: str, width: float, height: float, parts: Sequence[str], style: str = "", role: str = "img"
) -> str:
    """An SVG document with the look that all charts share. role: "group" where it holds links"""
    size = f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}"'
    kind = f'class="chart" role="{role}" aria-label={quoted(title)}'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {kind} {size}>'
    return "\n".join([head, f"<style>{STYLE}{style}</style>", *parts, "</svg>\n"])


def plain(text: str) -> str:
    """A text as it stands in a document: escaped, and without characters that no document may hold."""
    return escape(_clean(text))


def quoted(text: str) -> str:
    """The same as the value of an attribute, with its quotes."""
    return quoteattr(_clean(text))


def fitted(text: str, room: float, size: float = SIZE) -> str:
    """The text, cut where it would need more than `room` pixels."""
    used = 0.0
    for place, character in enumerate(text):
        used += size * (1.0 if east_asian_width(character) in "WF" else 0.7 if character.isupper() else 0.56)
        if used > room:
            return text[: max(place - 1, 1)].rstrip() + "…"
    return text


def _clean(text: str) -> str:
    return re.sub("[^\\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", " ", text)


def _grid(x: Axis, y: Axis, at: Callable[[tuple[float, float]], tuple[float, float]]) -> Iterator[str]:
    for tick in x.ticks():
        foot = at((tick, y.low))
        yield _straight("grid", *foot, *at((tick, y.high)))
        yield _text(foot[0], foot[1] + 14, f"{tick:g}", "", "middle")
    for tick in y.ticks():
        foot = at((x.low, tick))
        yield _straight("grid", *foot, *at((x.high, tick)))
        yield _text(foot[0] - 6, foot[1] + 4, f"{tick:g}", "", "end")
    yield _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - BOTTOM + 30, x.title, "", "middle")
    middle = (TOP + HEIGHT - BOTTOM) / 2
    turned = f'transform="translate(10 {middle:.1f}) rotate(-90)"'
    yield f'<text text-anchor="middle" {turned}>{plain(y.title)}</text>'


def _straight(kind: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    return f'<text class="{kind}" text-anchor="{anchor}" x="{x:.1f}" y="{y:.1f}">{plain(text)}</text>'
