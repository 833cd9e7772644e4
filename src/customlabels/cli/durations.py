"""Durations as people type them: `90s`, `3m`, `1h`, `180`."""

from __future__ import annotations

import re

from customlabels.cli.exits import UsageError

UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}


def seconds_of(text: str) -> float:
    """The number of seconds; raises UsageError where the text is no duration."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh]?)", text.strip())
    if not match or float(match[1]) <= 0:
        raise UsageError(f"{text!r} is no duration: write it as 90s, 3m or 1h")
    return float(match[1]) * UNITS[match[2]]
