"""Drawings as SVG text, for the console, the report and the README.

Layer: the ground. Data in, a string out: no files, no clock, no randomness; the same data draws the same
bytes. A drawing carries its own light and dark look and follows the reader's preference.
"""

from typing import TYPE_CHECKING

from customlabels.doors import later

if TYPE_CHECKING:
    from customlabels.drawing.charts import Axis, Figure, Line, interval_chart, line_chart
    from customlabels.drawing.matrices import confusion_chart, taken
    from customlabels.drawing.sheets import SHEET, bare
    from customlabels.drawing.workflows import STATUSES, workflow_svg
else:
    __getattr__ = later(__name__)

__all__ = [
    "SHEET",
    "STATUSES",
    "Axis",
    "Figure",
    "Line",
    "bare",
    "confusion_chart",
    "interval_chart",
    "line_chart",
    "taken",
    "workflow_svg",
]
