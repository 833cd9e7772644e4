"""A run's report as one HTML page: no script, nothing from outside, at most 1.5 MB.

Everything said on it stands in the facts; the pictures come from the bucket.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from customlabels.drawing import Axis, Figure, Line, confusion_chart, interval_chart, line_chart
from customlabels.evaluation import RULES
from customlabels.pipeline.judge_objects import Reader
from customlabels.pipeline.report_pictures import Album

MOST_BYTES = 1_500_000
PICTURE_BYTES = 1_000_000
CURVE_LABELS, CHART_LABELS = 5, 30
PAIR_PICTURES, PICTURED_PAIRS = 3, 10


def page(facts: Mapping[str, Any], reader: Reader) -> str:
    """The HTML text. reader: where the pictures are"""
    room = PICTURE_BYTES
    while True:
        album = Album(reader, room)
        text: str = _template().render(
            report=facts,
            charts=_charts(facts),
            cells=_cell_ids(facts),
            picture=album.picture,
            album=album,
            pair_pictures=PAIR_PICTURES,
            pictured_pairs=PICTURED_PAIRS,
        )
        if len(text.encode()) <= MOST_BYTES or room == 0:
            return text
        room = max(0, room - (len(text.encode()) - MOST_BYTES) - 10_000)


@functools.cache
def _template() -> Any:
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters = {"share": share, "interval": interval, "name": _file_name, "number": _number, "said": _said}
    templates.filters |= filters
    return templates.get_template("report.html")


def share(value: float | None) -> str:
    """A figure between 0 and 1, with three digits."""
    return "-" if value is None else f"{value:.3f}"


def interval(ends: Sequence[float] | None) -> str:
    """Low and high of a figure."""
    return "" if ends is None else f"{ends[0]:.3f} to {ends[1]:.3f}"


def _number(value: float | None, sign: str = "") -> str:
    """A figure of any size, as short as it may be; a count stays whole."""
    if value is None:
        return "-"
    return format(value, f"{sign}.3f" if abs(value) <= 1 and value != int(value) else f"{sign}.4g")


def _said(rule: str) -> str:
    """What a rule asks for, in the words of the table of rules."""
    return next((each.says.rstrip(".") for each in RULES if each.name == rule), rule)


def _file_name(reference: str) -> str:
    return "/".join(reference.split("/")[3:][-2:])  # folders are labels, or parts, mostly


def _charts(facts: Mapping[str, Any]) -> dict[str, Markup]:
    makers = {
        "labels": _label_chart,
        "curves": _curve_chart,
        "confusions": _matrix,
        "learning": _learning,
        "loss": _loss,
    }
    drawn = {name: make(facts) for name, make in makers.items()}
    # Drawn by our own code, which escapes every name.
    return {name: Markup(text) for name, text in drawn.items() if text}  # noqa: S704 - our own drawings, which escape


def _label_chart(facts: Mapping[str, Any]) -> str:
    weakest = facts.get("Labels", [])[:CHART_LABELS]
    bound = facts["Verdict"]["Rules"][0]["Bound"] if _judged_by_f1(facts) else None
    figures = []
    for each in weakest:
        low, high = each["F1Interval"]
        missed = bound is not None and each["F1Score"] <= bound
        figures.append(Figure(each["Label"], each["F1Score"], low, high, below=missed))
    axis = Axis("F1 (test set) with its 95 % interval", 0, 1)
    return interval_chart("F1 of each label with its interval", figures, axis, bound) if figures else ""


def _judged_by_f1(facts: Mapping[str, Any]) -> bool:
    rules = facts["Verdict"]["Rules"]
    return bool(rules) and rules[0].get("Rule") == "F1Threshold"


def _curve_chart(facts: Mapping[str, Any]) -> str:
    weakest = [each["Label"] for each in facts.get("Labels", [])][:CURVE_LABELS]
    told = {each["Label"]: each for each in facts.get("Curves", [])}
    lines = [
        Line(name, told[name]["Points"], tuple(told[name]["At"])) for name in weakest if told[name]["Points"]
    ]
    of = f" of {lines[0].name}" if len(lines) == 1 else ""  # one line has no legend
    axes = Axis(f"recall (test set){of}", 0, 1), Axis("precision", 0, 1)
    return line_chart("Precision over recall of the weakest labels", lines, *axes) if lines else ""


def _cell_ids(facts: Mapping[str, Any]) -> dict[tuple[str | None, str | None], str]:
    pairs = facts.get("Confusions", {}).get("Pairs", [])
    return {(pair["Truth"], pair["Found"]): f"pair-{number}" for number, pair in enumerate(pairs)}


def _matrix(facts: Mapping[str, Any]) -> str:
    told, ids = facts.get("Confusions"), _cell_ids(facts)
    if not told:
        return ""
    counts = {(pair["Truth"] or "", pair["Found"] or ""): pair["Count"] for pair in told["Pairs"]}
    counts |= {(label, label): count for label, count in told["Right"].items()}

    def href(pair: tuple[str, str]) -> str:
        link = ids.get((pair[0] or None, pair[1] or None))
        return f"#{link}" if link else ""

    title = "What was taken for what: truth in rows, answers in columns"
    noun = "boxes" if "AveragePrecision" in facts["Figures"] else "images"
    return confusion_chart(title, counts, list(told["Wanted"]), noun, href)


def _courses(facts: Mapping[str, Any], figure: str) -> list[Line]:
    curves = facts.get("Training", {}).get("Curves", {})
    points = {
        name: [(one["step"], one[figure]) for one in told if one[figure] is not None]
        for name, told in curves.items()
    }
    return [Line(name, told) for name, told in points.items() if told]


def _learning(facts: Mapping[str, Any]) -> str:
    lines, axis = _courses(facts, "f1"), Axis("F1 (held-out images)", 0, 1)
    return line_chart("F1 while learning", lines, _steps(lines), axis) if lines else ""


def _loss(facts: Mapping[str, Any]) -> str:
    lines = _courses(facts, "loss")
    if not lines:
        return ""
    most = max(loss for line in lines for _step, loss in line.points)
    return line_chart(
        "Loss while learning", lines, _steps(lines), Axis("loss (training images)", 0, max(1.05 * most, 1e-6))
    )


def _steps(lines: Sequence[Line]) -> Axis:
    return Axis("step", 0, max(1.0, *(step for line in lines for step, _ in line.points)))
