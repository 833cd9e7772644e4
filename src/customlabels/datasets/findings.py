"""Findings: what is wrong with somebody's data, said so that they can mend it.

Layer: datasets. Values only. An error is what makes a training fail; unusable is an image or a line that it
would leave out; a warning is what makes its model or its figures worse.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Severity = Literal["error", "unusable", "warning"]

# Our own rules; ERROR_... are the service's. The table in docs/data.md is this one.
RULES = {
    "source": "the data can be read as one of the formats",
    "unseen": "images of other buckets were not looked at",
    "elsewhere": "an image is in the folder that is converted, divided or compared",
    "folder": "every file of a folder per label is an image in a label's folder",
    "coco": "every image and annotation of a COCO file is complete and belongs together",
    "yolo": "every line of a YOLO text file is a class with a name and a box in shares of its image",
    "voc": "every Pascal VOC file is plain XML in UTF-8 whose image is there and whose objects have names",
    "csv": "every row names an image below the table, and a box has four numbers and one label",
    "duplicate": "no image is there twice, byte for byte",
    "near-duplicate": "no image is there twice, cropped, brightened or stored anew",
    "leak": "no test image is a training image, byte for byte",
    "near-leak": "no test image is a training image, cropped, brightened or stored anew",
    "other-size": "boxes were drawn on an image of the same size, as it is seen after its EXIF rotation",
    "unlabelled": "every image has a label, or was looked at and is empty",
    "unusable": "no line is left out",
    "few-images": "every label has 10 training images",
    "imbalance": "no label has 10 times as many training images as another one",
    "alike-labels": "no two labels differ by case, spaces or signs only",
    "unknown-label": "every label of the test data is in the training data",
    "untested-label": "every label of the training data is in the test data",
}


@dataclass(frozen=True)
class Problem:
    """One thing to mend: where (line: of a manifest, from 1), which rule, what was found, what to do."""

    severity: Severity
    file: str
    line: int | None
    rule: str
    message: str
    advice: str

    def __post_init__(self) -> None:
        if self.rule not in RULES and not self.rule.startswith("ERROR_"):
            raise ValueError(f"{self.rule!r} is none of the rules")

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.message}; {self.advice}"


@dataclass(frozen=True)
class SplitSummary:
    """What one source holds.

    usable: lines with an image, as far as it could be read, that has a label or was looked at and is empty
    empty: of these, background
    """

    source: str
    lines: int
    usable: int
    empty: int
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
