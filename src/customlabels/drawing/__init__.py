"""Drawings as SVG text, for the console, the report and the README.

Layer: the ground. Data in, a string out: no files, no clock, no randomness; the same data draws the same
bytes. A drawing carries its own light and dark look and follows the reader's preference.
"""

from customlabels.drawing.workflows import STATUSES, workflow_svg

__all__ = ["STATUSES", "workflow_svg"]
