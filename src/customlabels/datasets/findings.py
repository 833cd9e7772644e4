"""Findings: what is wrong with somebody's data, said so that they can mend it.

Layer: datasets. Values only. An error is what makes a training fail; unusable is an image or a line that it
would leave out; a warning is what makes its model or its figures worse.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

__all__ = ["Findings", "Problem", "Severity", "SplitSummary"]

Severity = Literal["error", "unusable", "warning"]


@dataclass(frozen=True)
class Problem:
    """One thing to mend: where (line: of a manifest, from 1), which rule, what was found, what to do."""

    severity: Severity
    file: str
    line: int | None
    rule: str
    message: str
    advice: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.message}; {self.advice}"


@dataclass(frozen=True)
class SplitSummary:
    """What one source holds. usable: lines with an image (as far as it could be read) and a label."""

    source: str
    lines: int
    usable: int
    images_by_label: dict[str, int]
    boxes: int


@dataclass(frozen=True)
class Findings:
    """Every problem of some data, in the order of the sources, and a summary of each source."""

    problems: tuple[Problem, ...]
    summary: tuple[SplitSummary, ...]

    @property
    def errors(self) -> tuple[Problem, ...]:
        """What makes a training fail."""
        return tuple(problem for problem in self.problems if problem.severity == "error")

    @property
    def unusable(self) -> tuple[Problem, ...]:
        """What a training would leave out."""
        return tuple(problem for problem in self.problems if problem.severity == "unusable")

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What makes a training's model or figures worse."""
        return tuple(problem for problem in self.problems if problem.severity == "warning")

    def as_json(self) -> dict[str, Any]:
        """Plain values, for `--json`."""
        return {
            "errors": [asdict(problem) for problem in self.errors],
            "unusable": [asdict(problem) for problem in self.unusable],
            "warnings": [asdict(problem) for problem in self.warnings],
            "summary": [asdict(split) for split in self.summary],
        }
