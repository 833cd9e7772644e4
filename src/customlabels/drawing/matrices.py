"""A matrix of what was taken for what: truth in rows, answers in columns, each cell a way to its images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from customlabels.drawing.charts import fitted, plain, quoted, svg

NAMES = 92.0  # pixels for the names of rows, and of columns above
SIDES = ((8, 40.0), (16, 30.0), (30, 20.0))  # of a cell, by how many labels there are at most
SMALLEST, LEGIBLE = 14.0, 20.0
DARK = 0.55  # of the tone, from which on a number in the cell is written in the colour of the paper

STYLE = """
.chart .cell{stroke:var(--paper);stroke-width:1.5}
.chart .none{fill:var(--soft);fill-opacity:.08}
.chart .right{fill:var(--good)}.chart .wrong{fill:var(--bad)}
.chart .number{text-anchor:middle;fill:var(--ink)}.chart .over{fill:var(--paper)}
.chart a:hover .cell,.chart a:focus .cell{stroke:var(--ink)}
.chart a:hover .number{text-decoration:underline}
"""


@dataclass(frozen=True)
class Cell:
    """share: 0..1, decides the tone     text: the number in it     said: in words     href: to its images"""

    share: float
    text: str
    said: str
    href: str = ""


def matrix_chart(
    title: str, rows: Sequence[str], columns: Sequence[str], cells: Sequence[Sequence[Cell]]
) -> str:
    """The matrix of cells[row][column]; where a row's and a column's name are one, the answer is right."""
    if len(cells) != len(rows) or any(len(row) != len(columns) for row in cells):
        raise ValueError(f"cells are {len(rows)} rows of {len(columns)}")
    side = next((side for most, side in SIDES if max(len(rows), len(columns)) <= most), SMALLEST)
    drawn = [f'<text x="0" y="{NAMES - 8:.0f}">truth ↓ found →</text>']
    for column, name in enumerate(columns):
        x = NAMES + side * (column + 0.5) + 4
        place = f'transform="translate({x:.1f} {NAMES - 6:.1f}) rotate(-60)"'
        drawn.append(f'<text class="said" {place}>{plain(fitted(name, NAMES))}</text>')
    for row, name in enumerate(rows):
        y = NAMES + side * row
        written = plain(fitted(name, NAMES - 8))
        place = f'x="{NAMES - 6:.1f}" y="{y + side / 2 + 4:.1f}"'
        drawn.append(f'<text class="said" text-anchor="end" {place}>{written}</text>')
        for column, other in enumerate(columns):
            kind = "right" if name == other else "wrong"
            drawn.append(_cell(cells[row][column], kind, NAMES + side * column, y, side))
    across = NAMES + side * len(columns) + NAMES / 2  # the last name leans out
    return svg(title, across, NAMES + side * len(rows) + 4, drawn, STYLE, role="group")


def _cell(cell: Cell, kind: str, x: float, y: float, side: float) -> str:
    share = min(max(cell.share, 0.0), 1.0)
    tone = f'class="cell {kind}" fill-opacity="{0.12 + 0.88 * share:.2f}"' if share else 'class="cell none"'
    square = f'<rect {tone} x="{x:.1f}" y="{y:.1f}" width="{side:.0f}" height="{side:.0f}" rx="3"/>'
    number = ""
    if side >= LEGIBLE and cell.text:
        over = " over" if share > DARK else ""
        place = f'x="{x + side / 2:.1f}" y="{y + side / 2 + 4:.1f}"'
        number = f'<text class="number{over}" {place}>{plain(cell.text)}</text>'
    inside = f"<title>{plain(cell.said)}</title>{square}{number}"
    if not cell.href:
        return f"<g>{inside}</g>"
    return f"<a href={quoted(cell.href)} aria-label={quoted(cell.said)}>{inside}</a>"
