"""A matrix of what was taken for what: truth in rows, answers in columns, each cell a way to its images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from customlabels.drawing.charts import fitted, plain, quoted, svg

NAMES = 92.0  # pixels for the names of rows, and of columns above
SIDES = ((8, 40.0), (16, 30.0), (30, 20.0))  # of a cell, by how many labels there are at most
SMALLEST, LEGIBLE = 14.0, 20.0
MOST_LABELS = 24
DARK = 0.55  # of the tone, from which on a number in the cell is written in the colour of the paper

Pair = tuple[str, str]  # what is true, what was found

STYLE = """
.chart .cell{stroke:var(--paper);stroke-width:1.5}
.chart .none{fill:var(--soft);fill-opacity:.08}
.chart .right{fill:var(--good)}.chart .wrong{fill:var(--bad)}
.chart .number{text-anchor:middle;fill:var(--ink)}.chart .over{fill:var(--paper)}
.chart a:hover .cell,.chart a:focus .cell{stroke:var(--ink)}
.chart a:hover .number{text-decoration:underline}
"""


def confusion_chart(
    title: str, counts: Mapping[Pair, int], labels: Sequence[str], noun: str, href: Callable[[Pair], str]
) -> str:
    """What was taken for what; of many labels those that are confused most, in their order.

    counts: by what is true and what was found, "" for nothing     noun: what is counted
    href: where a cell leads that counts something
    """
    errors = dict.fromkeys(labels, 0)
    for pair, count in counts.items():
        for label in errors.keys() & set(pair) if pair[0] != pair[1] else ():
            errors[label] += count
    most = set(sorted(labels, key=lambda label: -errors[label])[:MOST_LABELS])
    columns = [*(label for label in labels if label in most), ""]
    rows = columns if any(truth == "" for truth, _ in counts) else columns[:-1]
    side = next((side for most, side in SIDES if len(columns) <= most), SMALLEST)
    drawn = [f'<text x="0" y="{NAMES - 8:.0f}">truth ↓ found →</text>']
    for column, name in enumerate(columns):
        x = NAMES + side * (column + 0.5) + 4
        place = f'transform="translate({x:.1f} {NAMES - 6:.1f}) rotate(-60)"'
        drawn.append(f'<text class="said" {place}>{plain(fitted(name or "(nothing)", NAMES))}</text>')
    for row, truth in enumerate(rows):
        y = NAMES + side * row
        written = plain(fitted(truth or "(not there)", NAMES - 8))
        place = f'x="{NAMES - 6:.1f}" y="{y + side / 2 + 4:.1f}"'
        drawn.append(f'<text class="said" text-anchor="end" {place}>{written}</text>')
        total = sum(count for (true, _), count in counts.items() if true == truth)
        for column, found in enumerate(columns):
            pair, x = (truth, found), NAMES + side * column
            count = counts.get(pair, 0)
            cell = _cell(count, count / max(total, 1), truth == found, x, y, side)
            said = taken(noun, count, *pair)
            inside, link = f"<title>{plain(said)}</title>{cell}", href(pair) if count else ""
            name = f"<a href={quoted(link)} aria-label={quoted(said)}>{inside}</a>"
            drawn.append(name if link else f"<g>{inside}</g>")
    across = NAMES + side * len(columns) + NAMES / 2  # the last name leans out
    return svg(title, across, NAMES + side * len(rows) + 4, drawn, STYLE, role="group")


def taken(noun: str, count: int, truth: str, found: str) -> str:
    """A cell of the matrix in words."""
    return f"{count} {noun} of {truth or 'nothing'}, found as {found or 'nothing'}"


def _cell(count: int, share: float, right: bool, x: float, y: float, side: float) -> str:
    """share: 0..1, decides the tone"""
    kind = "right" if right else "wrong"
    tone = f'class="cell {kind}" fill-opacity="{0.12 + 0.88 * share:.2f}"' if share else 'class="cell none"'
    square = f'<rect {tone} x="{x:.1f}" y="{y:.1f}" width="{side:.0f}" height="{side:.0f}" rx="3"/>'
    if side < LEGIBLE or not count:
        return square
    over = " over" if share > DARK else ""
    place = f'x="{x + side / 2:.1f}" y="{y + side / 2 + 4:.1f}"'
    return f'{square}<text class="number{over}" {place}>{count}</text>'
