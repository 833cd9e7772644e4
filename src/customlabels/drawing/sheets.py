"""The looks of all drawings as one style sheet, for pages that allow no style of their own."""

from __future__ import annotations

import re

from customlabels.drawing import charts, matrices, workflows

SHEET = "\n".join((workflows.STYLE, workflows.LIVE_STYLE, charts.STYLE, matrices.STYLE.strip())) + "\n"


def bare(drawing: str) -> str:
    """A drawing without its style element; SHEET gives it its look."""
    return re.sub("<style>.*?</style>\n?", "", drawing, count=1, flags=re.DOTALL)
