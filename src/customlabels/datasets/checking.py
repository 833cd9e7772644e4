"""Checking: every problem of training and test data, found before anything costs time.

Layer: datasets. Reads each image once: header, then a decode at reduced scale, which finds what is cut
short or damaged; so a photo costs some milliseconds.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from customlabels.datasets.findings import Findings, Problem, Severity, SplitSummary
from customlabels.datasets.manifests import (
    Dropped,
    Entry,
    ManifestFileError,
    ManifestLimits,
    read_manifest,
    split_ref,
)
from customlabels.datasets.sources import Source, bucket_name, open_source
from customlabels.errors import InvalidInput
from customlabels.images import ImageError, ImageLimits, decode
from customlabels.storage import Objects, ObjectTooLarge, StorageError

__all__ = ["check"]

FEW_IMAGES = 10  # images of a label for training; below it a model hardly learns the label
LEAST_OVERLAP = 0.5  # of the training labels, the share that the test data must have
MOST_UNUSABLE = 0.2  # of all lines
SMALL_SIDE = 64  # pixels; what a photo is decoded to


@dataclass
class _Split:
    """What was read of one source. images: digest of the bytes -> where they were first seen."""

    source: Source
    lines: int = 0
    usable: int = 0
    images_by_label: Counter[str] = field(default_factory=Counter)
    boxes: int = 0
    box_lines: int = 0
    images: dict[bytes, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    @property
    def name(self) -> str:
        return str(self.source.path)

    def add(self, severity: Severity, rule: str, message: str, advice: str) -> None:
        """Note a problem of the source as a whole."""
        self.problems.append(Problem(severity, self.name, None, rule, message, advice))


def check(sources: Sequence[Path], objects: Objects | None = None) -> Findings:
    """Look at training data (the first source) and test data (any others) as a training would.

    objects: where images with addresses of other buckets are; without it they are not looked at. Never
    raises for what the data is: that is what the findings say.
    """
    problems: list[Problem] = []
    splits: list[_Split] = []
    for path in sources:
        try:
            splits.append(_Split(open_source(path)))
        except InvalidInput as error:
            problems.append(Problem("error", str(path), None, "source", str(error), "name other data"))
    for split in splits:
        _read(split, objects)
        _share_unusable(split)
    for split in splits[:1]:
        _labels_enough(split)
    if len(splits) == len(sources):  # with one of them missing, the comparison would mislead
        for test in splits[1:]:
            _labels_of_test(splits[0], test)
            _leaks(splits[0], test)
    summary = [
        SplitSummary(
            each.name, each.lines, each.usable, dict(sorted(each.images_by_label.items())), each.boxes
        )
        for each in splits
    ]
    return Findings((*problems, *(problem for split in splits for problem in split.problems)), tuple(summary))


# ---------------------------------------------------------------- lines and images


def _read(split: _Split, others: Objects | None) -> None:
    """Look at every line, and at the images in the source's own folder and, through `others`, elsewhere."""
    split.problems += split.source.problems
    own = bucket_name(split.source.root)
    own_objects = Objects({own: split.source.root}.get)
    unseen: Counter[str] = Counter()
    raw = (line.encode(errors="surrogateescape") for line in split.source.lines(own))
    try:
        for line in read_manifest(raw, ManifestLimits()):
            split.lines += 1
            if isinstance(line, Dropped):
                advice = "give each image one line with s3://BUCKET/KEY or a path below the manifest"
                where = (split.name, line.position)
                split.problems.append(Problem("unusable", *where, line.code, line.reason, advice))
                continue
            bucket, _key = split_ref(line.source_ref)
            objects = own_objects if bucket == own else others
            if objects is not None:
                _look_at(split, line, objects)
            else:
                unseen[bucket] += 1
                _count(split, line)
    except ManifestFileError as error:
        split.add("error", error.code, str(error), "correct the manifest")
    for bucket, count in unseen.items():
        message = f"{count} images are in bucket {bucket}, which was not looked at"
        split.add("warning", "unseen", message, "their addresses alone were checked")


def _look_at(split: _Split, entry: Entry, objects: Objects) -> None:
    """Count the entry if its image is usable, and say where the same image was before."""
    bucket, key = split_ref(entry.source_ref)
    is_manifest = split.source.kind == "manifest"
    file = split.name if is_manifest else str(split.source.path / key)
    line = entry.position if is_manifest else None

    def note(severity: Severity, rule: str, message: str, advice: str) -> None:
        split.problems.append(Problem(severity, file, line, rule, message, advice))

    try:
        data = objects.read(bucket, key, limit=ImageLimits().max_bytes)
        decode(data, at_least=SMALL_SIDE)
    except (StorageError, ImageError) as error:
        what = f"{key}: {error}" if is_manifest and isinstance(error, ImageError) else str(error)
        advice = "shrink it" if isinstance(error, ObjectTooLarge) else "replace, shrink or remove it"
        note("unusable", "ERROR_INVALID_IMAGE", what, advice)
        return
    _count(split, entry)
    for problem in entry.errors:
        place = ".".join(map(str, problem.place)) or "the line"
        note("unusable", problem.code, f"{place}: {problem.message}", "correct it or remove it")
    place = f"{file}:{line}" if line else file
    first = split.images.setdefault(hashlib.sha256(data).digest(), place)
    if first != place:
        note("warning", "duplicate", f"the same image as {first}", "remove one of them")


def _count(split: _Split, entry: Entry) -> None:
    if entry.is_labeled:
        split.usable += 1
        split.images_by_label.update(entry.labels)
        split.boxes += len(entry.boxes)
        split.box_lines += bool(entry.boxes)


# ---------------------------------------------------------------- rules for whole sources


def _share_unusable(split: _Split) -> None:
    bad = split.lines - split.usable
    told = f"{bad} of {split.lines} lines"
    if bad > MOST_UNUSABLE * split.lines:
        message = f"{told} cannot be used, more than {MOST_UNUSABLE:.0%}"
        split.add("error", "ERROR_TOO_MANY_INVALID_ROWS_IN_MANIFEST", message, "mend them or take them out")
    elif bad:
        split.add("warning", "unusable", f"{told} are left out", "label or mend them")


def _labels_enough(split: _Split) -> None:
    detection = 2 * split.box_lines > split.usable
    least, found = (1 if detection else 2), len(split.images_by_label)
    if found < least:
        message = f"{found} labels; a model needs at least {least}"
        split.add("error", "ERROR_MANIFEST_TOO_FEW_LABELS", message, "add images of other labels")
    for label, count in sorted(split.images_by_label.items()):
        if count < FEW_IMAGES:
            message = f"label {label!r} has {count} images; fewer than {FEW_IMAGES} teach little"
            split.add("warning", "few-images", message, "add images of it")


def _labels_of_test(train: _Split, test: _Split) -> None:
    trained, tested = set(train.images_by_label), set(test.images_by_label)
    both = len(trained & tested)
    if both < LEAST_OVERLAP * len(trained):
        message = f"only {both} of {len(trained)} training labels are in the test data"
        advice = "test with images of the same labels"
        test.add("error", "ERROR_INSUFFICIENT_LABEL_OVERLAP", message, advice)
    for label in sorted(tested - trained):
        message = f"label {label!r} is not in the training data; it cannot be measured"
        test.add("warning", "unknown-label", message, "train it too, or correct its name")
    for label in sorted(trained - tested):
        message = f"no test image has label {label!r}; it cannot be measured"
        test.add("warning", "untested-label", message, "add test images of it")


def _leaks(train: _Split, test: _Split) -> None:
    for digest, place in test.images.items():
        if digest in train.images:
            message = f"{place} is the same image as {train.images[digest]} of the training data"
            test.add("warning", "leak", message, "test with images that training does not see")
