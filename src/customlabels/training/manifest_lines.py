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
from numpy.typing import NDArray

from customlabels.datasets import (
    Dropped,
    Entry,
    LineError,
    line_error,
    read_line,
    split_ref,
    validated_line,
)
from customlabels.inference import BOXES, MULTI_LABEL, SINGLE_LABEL
from customlabels.training.plan import held_out_part, rarest_labels
from customlabels.training.spec import TrainingFailed

INVALID_SHARE = 0.2
OVERLAP_SHARE = 0.5
LEAST_LABELS = {BOXES: 1}  # 2 of the other kinds: one label alone cannot be told from anything
MOST_LABELS = 250
USE_CASES = {
    SINGLE_LABEL: "IMAGE_LEVEL_LABELS",
    MULTI_LABEL: "IMAGE_LEVEL_LABELS",
    BOXES: "OBJECT_LOCALIZATION",
}
TEST_SHARE = 0.2  # of the training lines, where no test set is given

MESSAGES = {
    "ERROR_EMPTY_MANIFEST": "The manifest file is empty.",
    "ERROR_TOO_MANY_INVALID_ROWS_IN_MANIFEST": "The manifest file contains too many invalid rows.",
    "ERROR_IMAGES_IN_MULTIPLE_S3_BUCKETS": "The manifest file contains images from multiple S3 buckets.",
    "ERROR_INSUFFICIENT_IMAGES_PER_LABEL_FOR_AUTOSPLIT": (
        "The manifest file contains insufficient labeled images per label to perform auto-split."
    ),
    "ERROR_MANIFEST_TOO_FEW_LABELS": "The manifest file has too few labels.",
    "ERROR_MANIFEST_TOO_FEW_USABLE_LABELS": "The manifest file has too few usable labels.",
    "ERROR_MANIFEST_TOO_MANY_LABELS": "The manifest file has too many labels.",
    "ERROR_INSUFFICIENT_LABEL_OVERLAP": (
        f"Less than {OVERLAP_SHARE:.0%} label overlap between the training and testing manifest files."
    ),
    "ERROR_INSUFFICIENT_USABLE_LABEL_OVERLAP": (
        f"Less than {OVERLAP_SHARE:.0%} usable label overlap between the training and testing manifest files."
    ),
    "ERROR_INVALID_PERMISSIONS_IMAGES_S3_BUCKET": "The permissions for the images S3 bucket are invalid.",
    "ERROR_FAILED_IMAGES_S3_COPY": "Failed to copy images from S3 bucket.",
    "TRAINING_BRAND": (
        "The training set has labels of whole images and the test set has boxes only: models that find logos "
        "from such sets are not offered here. Give boxes in both sets, or labels of whole images in both."
    ),
}

Problem = Mapping[str, str]  # code, message


def is_valid(line: Entry) -> bool:
    """Whether its image is trained on or tested with; a line without labels and errors is just ignored.

    An error on a box takes that box away and no more.
    """
    return line.is_labeled and not any(_is_of_line(error) for error in line.errors)


def is_background(line: Entry) -> bool:
    """Whether somebody looked at the image and found nothing to draw a box around."""
    looked = any(warning.code == "WARNING_NO_ATTRIBUTE_ANNOTATIONS" for warning in line.warnings)
    return looked and not line.is_labeled and not line.errors


def is_invalid(line: Entry) -> bool:
    """Whether errors leave nothing of it; bad boxes beside good ones do not."""
    return bool(line.errors) and not is_valid(line)


def _is_of_line(error: LineError) -> bool:
    return len(error.place) < len(("attribute", "annotations", "index"))


def kind_of(training: Sequence[Entry], testing: Sequence[Entry]) -> str:
    """The kind of model that the lines ask for.

    Boxes where most of the usable training lines have them; several labels where any line has; else one.
    """
    valid = list(filter(is_valid, training))
    if 2 * sum(bool(line.boxes) for line in valid) > len(valid):
        return BOXES
    several = any(len(line.image_labels) > 1 for line in (*valid, *filter(is_valid, testing)))
    return MULTI_LABEL if several else SINGLE_LABEL


def of_kind(lines: Sequence[Entry], kind: str) -> list[Entry]:
    """The lines with what this kind of model learns from; a line of nothing else is ignored from now on."""
    if kind == BOXES:
        return [replace(line, image_labels=()) for line in lines]
    return [replace(line, boxes=(), frame=None) for line in lines]


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
            read = Entry(position, "", text, errors=(line_error(read.code, ()),))
        seen.add(read.source_ref)
        lines.append(read)
    return lines


def split_off(lines: Sequence[Entry], seed: int) -> tuple[list[Entry], list[Entry], list[Problem]]:
    """Training lines, testing lines (20 % of each label) and what forbids the split; unusable lines stay."""
    valid = [line for line in lines if is_valid(line)]
    index = {label: at for at, label in enumerate(sorted(_labels(valid)))}
    carried = carried_by(valid, index)
    if not valid or carried.sum(axis=0).min() < 2:
        return list(lines), [], [_problem("ERROR_INSUFFICIENT_IMAGES_PER_LABEL_FOR_AUTOSPLIT")]
    testing = [valid[at] for at in held_out_part(rarest_labels(carried), TEST_SHARE, seed)]
    chosen = {line.position for line in testing}
    return [line for line in lines if line.position not in chosen], testing, []


def carried_by(lines: Sequence[Entry], index: Mapping[str, int]) -> NDArray[np.bool_]:
    """(lines, labels) bool: which of the labels each line has. index: of the labels"""
    carried = np.zeros((len(lines), len(index)), dtype=bool)
    for row, line in enumerate(lines):
        carried[row, [index[label] for label in line.labels if label in index]] = True
    return carried


def with_bad_images(lines: Sequence[Entry], problems: Mapping[str, str]) -> list[Entry]:
    """The lines with ERROR_INVALID_IMAGE where it applies. problems: address of the image -> why"""
    error, marked = line_error("ERROR_INVALID_IMAGE", ()), []
    for line in lines:
        if line.source_ref in problems:
            # The service leaves the user to guess why.
            told = replace(error, message=f"{error.message} ({problems[line.source_ref]})")
            line = replace(line, errors=(*line.errors, told))
        marked.append(line)
    return marked


def judged(
    training: Sequence[Entry],
    testing: Sequence[Entry],
    kind: str,
    found: Sequence[Problem],
    notes: Sequence[str],
    *,
    mixed: bool,
    denied: bool = False,
) -> tuple[Mapping[str, Any], Problem | None]:
    """The manifest summary, and the first problem that ends the training, None where it may go on.

    Both sets as `of_kind` leaves them     found: problems known before     notes: for people, ours
    mixed: whether that took anything away; the service then has other words
    denied: whether some images may not be read
    """
    sets = {"training": training, "testing": testing}
    least = LEAST_LABELS.get(kind, 2)
    usable = "USABLE_" if mixed else ""
    problems = {
        "training": _problems(training, least, usable, denied),
        "testing": _problems(testing, 0, usable, denied),
    }
    known, tested = _labels(training), _labels(testing)
    top = [*found]
    if len(known) >= least and len(known & tested) < OVERLAP_SHARE * len(known) and not found:
        top.append(_problem(f"ERROR_INSUFFICIENT_{usable}LABEL_OVERLAP"))
    first = next(iter([*problems["training"], *problems["testing"], *top]), None)
    case = USE_CASES[kind] if first is None else "NOT_DETERMINED"
    statistics = {
        name: {"use_case": case, **_statistics(lines), "errors": problems[name]}
        for name, lines in sets.items()
    }
    return {"statistics": statistics, "errors": top, **({"notes": list(notes)} if notes else {})}, first


def validated(lines: Sequence[Entry]) -> list[str]:
    """The lines of the manifest with validation: each with its errors and warnings written into it."""
    return [validated_line(line.line, line.errors, line.warnings) for line in lines]


def brand_problem(training: Sequence[Entry], testing: Sequence[Entry]) -> list[Problem]:
    """What the service takes for a model of brands: labels of images to learn from, boxes to be tested on."""
    tested = list(filter(is_valid, testing))
    only_boxes = bool(tested) and all(line.boxes and not line.image_labels for line in tested)
    learned = any(line.boxes for line in training if is_valid(line))
    return [_problem("TRAINING_BRAND")] if only_boxes and not learned else []


def _problem(code: str) -> Problem:
    return {"code": code, "message": MESSAGES[code]}


def _labels(lines: Sequence[Entry]) -> set[str]:
    return {label for line in lines if is_valid(line) for label in line.labels}


def _problems(lines: Sequence[Entry], least_labels: int, usable: str, denied: bool) -> list[Problem]:
    """What is wrong with a set as a whole. usable: a part of some codes"""
    invalid = [line for line in lines if is_invalid(line)]
    unread = [line for line in invalid if any(error.code == "ERROR_INVALID_IMAGE" for error in line.errors)]
    labels, none_read = len(_labels(lines)), bool(unread) and len(unread) == len(lines)
    rules = {
        # A bucket out of reach makes every image unusable; that deserves its own words before any share.
        "ERROR_INVALID_PERMISSIONS_IMAGES_S3_BUCKET": none_read and denied,
        "ERROR_FAILED_IMAGES_S3_COPY": none_read and not denied,
        "ERROR_TOO_MANY_INVALID_ROWS_IN_MANIFEST": len(invalid) > INVALID_SHARE * len(lines),
        "ERROR_IMAGES_IN_MULTIPLE_S3_BUCKETS": (
            len({split_ref(line.source_ref)[0] for line in lines if is_valid(line)}) > 1
        ),
        f"ERROR_MANIFEST_TOO_FEW_{usable}LABELS": labels < least_labels,
        "ERROR_MANIFEST_TOO_MANY_LABELS": labels > MOST_LABELS,
    }
    return [_problem(code) for code, broken in rules.items() if broken]


def _statistics(lines: Sequence[Entry]) -> dict[str, Any]:
    invalid = [number for number, line in enumerate(lines, start=1) if is_invalid(line)]
    valid = sum(map(is_valid, lines))
    return {
        "total_json_lines": len(lines),
        "valid_json_lines": valid,
        "invalid_json_lines": len(invalid),
        "ignored_json_lines": len(lines) - valid - len(invalid),
        "error_json_line_indices": invalid,
    }
