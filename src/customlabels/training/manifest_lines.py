"""The lines of a training's two sets, judged: which can be used, and whether what is left can be trained on.

Layer: training; no torch. Codes and words are the service's. The result is the manifest summary, and the
    manifests with
each line's errors written into it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from customlabels.datasets import (
    Dropped,
    Entry,
    LineError,
    dropped_error,
    line_error,
    read_line,
    split_ref,
    validated_line,
)
from customlabels.training.plan import held_out_part
from customlabels.training.spec import TrainingFailed

__all__ = ["Judgement", "Line", "judged", "read_lines", "split_off", "validated", "with_bad_images"]

INVALID_SHARE = 0.2
OVERLAP_SHARE = 0.5
LABELS = (2, 250)
TEST_SHARE = 0.2  # of the training lines, where no test set is given

FEW_LABELS, MANY_LABELS = "ERROR_MANIFEST_TOO_FEW_LABELS", "ERROR_MANIFEST_TOO_MANY_LABELS"
MESSAGES = {
    "ERROR_EMPTY_MANIFEST": "The manifest file is empty.",
    "ERROR_TOO_MANY_INVALID_ROWS_IN_MANIFEST": "The manifest file contains too many invalid rows.",
    "ERROR_IMAGES_IN_MULTIPLE_S3_BUCKETS": "The manifest file contains images from multiple S3 buckets.",
    "ERROR_INSUFFICIENT_IMAGES_PER_LABEL_FOR_AUTOSPLIT": (
        "The manifest file contains insufficient labeled images per label to perform auto-split."
    ),
    FEW_LABELS: "The manifest file has too few labels.",
    MANY_LABELS: "The manifest file has too many labels.",
    "ERROR_INSUFFICIENT_LABEL_OVERLAP": (
        f"Less than {OVERLAP_SHARE:.0%} label overlap between the training and testing manifest files."
    ),
    "ERROR_FAILED_IMAGES_S3_COPY": "Failed to copy images from S3 bucket.",
    "TRAINING_UNSUPPORTED": (
        "This version trains one label for each image, and the manifest has boxes or several labels for one: "
        "keep one image-level label in each line."
    ),
}

Problem = Mapping[str, str]  # code, message


@dataclass(frozen=True)
class Line:
    """One line of a manifest: its text, and what can be used of it (None: nothing)."""

    text: str
    entry: Entry | None
    errors: tuple[LineError, ...] = ()
    warnings: tuple[LineError, ...] = ()

    @property
    def is_valid(self) -> bool:
        """Whether its image is trained on or tested with."""
        return self.entry is not None and self.entry.is_labeled and not self.errors

    @property
    def is_ignored(self) -> bool:
        """Neither usable nor wrong: an image without a label."""
        return not self.is_valid and not self.errors

    @property
    def used(self) -> Entry:
        """What a valid line says."""
        assert self.entry is not None
        return self.entry


@dataclass(frozen=True)
class Judgement:
    """The manifest summary, and the first problem that ends the training, None where it may go on."""

    summary: Mapping[str, Any]
    problem: Problem | None


def read_lines(manifest: Path) -> list[Line]:
    """The lines of a manifest; raises TrainingFailed for one without lines."""
    texts = manifest.read_text(encoding="utf-8", errors="replace").removeprefix("\ufeff").split("\n")
    if texts[-1] == "":
        texts.pop()
    if not texts:
        raise TrainingFailed("ERROR_EMPTY_MANIFEST", MESSAGES["ERROR_EMPTY_MANIFEST"])
    seen: set[str] = set()
    return [_line(text, position, seen) for position, text in enumerate(texts, start=1)]


def _line(text: str, position: int, seen: set[str]) -> Line:
    read = read_line(text, position)
    if isinstance(read, Entry) and read.source_ref in seen:
        read = Dropped(position, "ERROR_REPEATED_SOURCE_REF")
    if isinstance(read, Dropped):
        return Line(text, None, (dropped_error(read),))
    seen.add(read.source_ref)
    return Line(text, read, read.errors, read.warnings)


def split_off(lines: Sequence[Line], seed: int) -> tuple[list[Line], list[Line], Problem | None]:
    """Training lines, testing lines (20 % of each label) and what forbids the split; unusable lines stay."""
    valid = [number for number, line in enumerate(lines) if line.is_valid]
    names = [lines[number].used.labels[0] for number in valid]
    _, truth, counts = np.unique(names, return_inverse=True, return_counts=True)
    if len(valid) == 0 or counts.min() < 2:
        return list(lines), [], _problem("ERROR_INSUFFICIENT_IMAGES_PER_LABEL_FOR_AUTOSPLIT")
    chosen = {valid[at] for at in held_out_part(truth, TEST_SHARE, seed)}
    training = [line for number, line in enumerate(lines) if number not in chosen]
    return training, [lines[number] for number in sorted(chosen)], None


def with_bad_images(lines: Sequence[Line], problems: Mapping[int, str]) -> list[Line]:
    """The lines with ERROR_INVALID_IMAGE where it applies. problems: row among the valid lines -> why"""
    rows = [number for number, line in enumerate(lines) if line.is_valid]
    bad = {rows[row]: why for row, why in problems.items()}
    marked = list(lines)
    for number, why in bad.items():
        error = line_error("ERROR_INVALID_IMAGE", ())
        told = replace(error, message=f"{error.message} ({why})")  # the service leaves the user to guess
        marked[number] = replace(lines[number], errors=(*lines[number].errors, told))
    return marked


def judged(
    training: Sequence[Line],
    testing: Sequence[Line],
    found: Sequence[Problem] = (),
    notes: Sequence[str] = (),
) -> Judgement:
    """Judge both sets as they stand. found: problems known before, of both sets together"""
    by_set = {"training": _set_problems(training), "testing": _set_problems(testing, least_labels=0)}
    top = [*found]
    known, tested = _labels(training), _labels(testing)
    if len(known) >= LABELS[0] and len(known & tested) < OVERLAP_SHARE * len(known) and not found:
        top.append(_problem("ERROR_INSUFFICIENT_LABEL_OVERLAP"))
    several = [line for line in (*training, *testing) if line.is_valid and _needs_more(line.used)]
    if several:
        top.append(_problem("TRAINING_UNSUPPORTED"))
    first = next(iter([*by_set["training"], *by_set["testing"], *top]), None)
    case = "IMAGE_LEVEL_LABELS" if first is None else "NOT_DETERMINED"
    sets = {"training": training, "testing": testing}
    statistics = {name: _statistics(lines, case, by_set[name]) for name, lines in sets.items()}
    summary: dict[str, Any] = {"statistics": statistics, "errors": top}
    if notes:
        summary["notes"] = list(notes)  # ours
    return Judgement(summary, first)


def validated(lines: Sequence[Line]) -> bytes:
    """The manifest with validation: each line with its errors and warnings written into it."""
    return "".join(f"{validated_line(line.text, line.errors, line.warnings)}\n" for line in lines).encode()


def _problem(code: str) -> Problem:
    return {"code": code, "message": MESSAGES[code]}


def _labels(lines: Sequence[Line]) -> set[str]:
    return {label for line in lines if line.is_valid for label in line.used.labels}


def _needs_more(entry: Entry) -> bool:
    """Whether the line needs a kind of model that this room does not train yet."""
    return bool(entry.boxes) or len(entry.image_labels) > 1


def _set_problems(lines: Sequence[Line], least_labels: int = LABELS[0]) -> list[Problem]:
    invalid = sum(bool(line.errors) for line in lines)
    # `OSError`-like causes make every image unusable; that deserves its own words before any share is
    # counted.
    unread = [error for line in lines for error in line.errors if error.code == "ERROR_INVALID_IMAGE"]
    labels = len(_labels(lines))
    buckets = {split_ref(line.used.source_ref)[0] for line in lines if line.is_valid}
    rules = {
        "ERROR_FAILED_IMAGES_S3_COPY": bool(unread) and len(unread) == len(lines),
        "ERROR_TOO_MANY_INVALID_ROWS_IN_MANIFEST": invalid > INVALID_SHARE * len(lines),
        "ERROR_IMAGES_IN_MULTIPLE_S3_BUCKETS": len(buckets) > 1,
        FEW_LABELS: labels < least_labels,
        MANY_LABELS: labels > LABELS[1],
    }
    return [_problem(code) for code, broken in rules.items() if broken]


def _statistics(lines: Sequence[Line], case: str, problems: Sequence[Problem]) -> dict[str, Any]:
    invalid = [number for number, line in enumerate(lines, start=1) if line.errors]
    return {
        "use_case": case,
        "total_json_lines": len(lines),
        "valid_json_lines": sum(line.is_valid for line in lines),
        "invalid_json_lines": len(invalid),
        "ignored_json_lines": sum(line.is_ignored for line in lines),
        "errors": list(problems),
        "error_json_line_indices": invalid,
    }
