"""Models in service as a table: units, traffic, idleness, and what as many units would cost on AWS."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from customlabels.cli.printing import print_table, say

HEADINGS = ("MODEL IN SERVICE", "UNITS", "REQUESTS", "P50", "P99", "IDLE", "ON AWS*")
DOLLARS_AN_HOUR = 4.0  # of an inference unit of Custom Labels in us-east-1
AWS_PRICE = "* as many units of Rekognition Custom Labels: 4.00 USD an hour each, us-east-1, as of 2026-11-26"


def show_units(versions: Sequence[dict[str, Any]]) -> None:
    """A line for each version that ListUnits tells of."""
    print_table(HEADINGS, map(_service_row, versions))
    if versions:
        say(AWS_PRICE)


def _service_row(version: dict[str, Any]) -> tuple[str, ...]:
    units, most = version.get("Units", []), version.get("MaxInferenceUnits")
    up = sum("ProcessId" in unit for unit in units)
    percentiles = [version.get(f"LatencyP{which}Seconds") for which in (50, 99)]
    idle = f"{version.get('IdleSeconds', 0):.0f} s"
    if version.get("StopsAfterSeconds"):
        idle += f" of {version['StopsAfterSeconds']:.0f}"
    return (
        version["ProjectVersionArn"],
        "asleep" if version["Status"] == "ASLEEP" else f"{up} of {most}" if most else str(up),
        str(version.get("Requests", 0)),
        *("-" if seconds is None else f"{1e3 * seconds:.0f} ms" for seconds in percentiles),
        idle,
        f"{DOLLARS_AN_HOUR * max(1, up):.0f} USD/h",
    )
