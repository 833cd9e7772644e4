"""The lines of a training's two sets, judged: which can be used, and whether what is left can be trained on.

Layer: training; no torch. Codes and words are the service's. The result is the manifest summary, and the
manifests with each line's errors written into it.

A line that cannot be identified is an entry without an address, with the error that says why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from customlabels.datasets import (
    Dropped,
    Entry,
    dropped_error,
    line_error,
    read_line,
    split_ref,
    validated_line,
)
from customlabels.training.plan import held_out_part
from customlabels.training.spec import TrainingFailed

__all__ = [
    "Problem",
    "is_valid",
    "judged",
    "label_of",
    "read_lines",
    "split_off",
    "validated",
    "with_bad_images",
]

INVALID_SHARE = 0.2
OVERLAP_SHARE = 0.5
LABELS = (2, 250)
TEST_SHARE = 0.2  # of the training lines, where no test set is given

MESSAGES = {
    "ERROR_EMPTY_MANIFEST": "The manifest file is empty.",
    "ERROR_TOO_MANY_INVALID_ROWS_IN_MANIFEST": "The manifest file contains too many invalid rows.",
    "ERROR_IMAGES_IN_MULTIPLE_S3_BUCKETS": "The manifest file contains images from multiple S3 buckets.",
    "ERROR_INSUFFICIENT_IMAGES_PER_LABEL_FOR_AUTOSPLIT": (
        "The manifest file contains insufficient labeled images per label to perform auto-split."
    ),
    "ERROR_MANIFEST_TOO_FEW_LABELS": "The manifest file has too few labels.",
    "ERROR_MANIFEST_TOO_MANY_LABELS": "The manifest file has too many labels.",
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


def is_valid(line: Entry) -> bool:
    """Whether its image is trained on or tested with; a line without labels and errors is just ignored."""
    return line.is_labeled and not line.errors


def label_of(line: Entry) -> str:
    """The label of a valid line; sets with several labels a line are refused before this matters."""
    return line.labels[0]


def read_lines(manifest: Path) -> list[Entry]:
    """The lines of a manifest; raises TrainingFailed for one without lines."""
    texts = manifest.read_text(encoding="utf-8", errors="replace").removeprefix("\ufeff").split("\n")
    if texts[-1] == "":
        texts.pop()
    if not texts:
        raise TrainingFailed("ERROR_EMPTY_MANIFEST", MESSAGES["ERROR_EMPTY_MANIFEST"])
    seen: set[str] = set()
    lines = []
    for position, text in enumerate(texts, start=1):
        read = read_line(text, position)
        if isinstance(read, Entry) and read.source_ref in seen:
            read = Dropped(position, "ERROR_REPEATED_SOURCE_REF")
        if isinstance(read, Dropped):
            read = Entry(position, "", text, errors=(dropped_error(read),))
        seen.add(read.source_ref)
        lines.append(read)
    return lines


def split_off(lines: Sequence[Entry], seed: int) -> tuple[list[Entry], list[Entry], list[Problem]]:
    """Training lines, testing lines (20 % of each label) and what forbids the split; unusable lines stay."""
    valid = [line for line in lines if is_valid(line)]
    _, truth, counts = np.unique(list(map(label_of, valid)), return_inverse=True, return_counts=True)
    if not valid or counts.min() < 2:
        return list(lines), [], [_problem("ERROR_INSUFFICIENT_IMAGES_PER_LABEL_FOR_AUTOSPLIT")]
    testing = [valid[at] for at in held_out_part(truth, TEST_SHARE, seed)]
    chosen = {line.position for line in testing}
    return [line for line in lines if line.position not in chosen], testing, []


def with_bad_images(lines: Sequence[Entry], problems: Mapping[int, str]) -> list[Entry]:
    """The lines with ERROR_INVALID_IMAGE where it applies. problems: row among the valid lines -> why"""
    rows = [number for number, line in enumerate(lines) if is_valid(line)]
    marked = list(lines)
    for row, why in problems.items():
        error = line_error("ERROR_INVALID_IMAGE", ())
        told = replace(error, message=f"{error.message} ({why})")  # the service leaves the user to guess
        marked[rows[row]] = replace(lines[rows[row]], errors=(*lines[rows[row]].errors, told))
    return marked


def judged(
    training: Sequence[Entry], testing: Sequence[Entry], found: Sequence[Problem], notes: Sequence[str]
) -> tuple[Mapping[str, Any], Problem | None]:
    """The manifest summary, and the first problem that ends the training, None where it may go on.

    found: problems known before, of both sets together     notes: for people, ours
    """
    sets = {"training": training, "testing": testing}
    problems = {"training": _problems(training, LABELS[0]), "testing": _problems(testing, 0)}
    known, tested = _labels(training), _labels(testing)
    top = [*found]
    if len(known) >= LABELS[0] and len(known & tested) < OVERLAP_SHARE * len(known) and not found:
        top.append(_problem("ERROR_INSUFFICIENT_LABEL_OVERLAP"))
    if any(is_valid(line) and (line.boxes or len(line.image_labels) > 1) for line in (*training, *testing)):
        top.append(_problem("TRAINING_UNSUPPORTED"))
    first = next(iter([*problems["training"], *problems["testing"], *top]), None)
    case = "IMAGE_LEVEL_LABELS" if first is None else "NOT_DETERMINED"
    statistics = {
        name: {"use_case": case, **_statistics(lines), "errors": problems[name]}
        for name, lines in sets.items()
    }
    return {"statistics": statistics, "errors": top, **({"notes": list(notes)} if notes else {})}, first


def validated(lines: Sequence[Entry]) -> list[str]:
    """The lines of the manifest with validation: each with its errors and warnings written into it."""
    return [validated_line(line.line, line.errors, line.warnings) for line in lines]


def _problem(code: str) -> Problem:
    return {"code": code, "message": MESSAGES[code]}


def _labels(lines: Sequence[Entry]) -> set[str]:
    return {label for line in lines if is_valid(line) for label in line.labels}


def _problems(lines: Sequence[Entry], least_labels: int) -> list[Problem]:
    """What is wrong with a set as a whole."""
    invalid = [line for line in lines if line.errors]
    unread = [line for line in invalid if any(error.code == "ERROR_INVALID_IMAGE" for error in line.errors)]
    labels = len(_labels(lines))
    rules = {
        # A bucket out of reach makes every image unusable; that deserves its own words before any share.
        "ERROR_FAILED_IMAGES_S3_COPY": bool(unread) and len(unread) == len(lines),
        "ERROR_TOO_MANY_INVALID_ROWS_IN_MANIFEST": len(invalid) > INVALID_SHARE * len(lines),
        "ERROR_IMAGES_IN_MULTIPLE_S3_BUCKETS": (
            len({split_ref(line.source_ref)[0] for line in lines if is_valid(line)}) > 1
        ),
        "ERROR_MANIFEST_TOO_FEW_LABELS": labels < least_labels,
        "ERROR_MANIFEST_TOO_MANY_LABELS": labels > LABELS[1],
    }
    return [_problem(code) for code, broken in rules.items() if broken]


def _statistics(lines: Sequence[Entry]) -> dict[str, Any]:
    invalid = [number for number, line in enumerate(lines, start=1) if line.errors]
    valid = sum(map(is_valid, lines))
    return {
        "total_json_lines": len(lines),
        "valid_json_lines": valid,
        "invalid_json_lines": len(invalid),
        "ignored_json_lines": len(lines) - valid - len(invalid),
        "error_json_line_indices": invalid,
    }
