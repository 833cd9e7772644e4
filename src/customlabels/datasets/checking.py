"""Checking: every problem of training and test data, found before anything costs time.

Layer: datasets. Reads each image once: header, then a decode at reduced scale, which finds what is cut
short or damaged; so a photo costs some milliseconds.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
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


def check(
    sources: Sequence[Path],
    objects: Objects | None = None,
    image_limits: ImageLimits | None = None,
    limits: ManifestLimits | None = None,
) -> Findings:
    """Look at training data (the first source) and test data (any others) as a training would.

    objects: where images with addresses of other buckets are; without it they are not looked at. Never
    raises for what the data is: that is what the findings say.
    """
    problems: list[Problem] = []
    splits: list[_Split] = []
    for path in sources:
        try:
            split = _Split(open_source(path))
        except InvalidInput as error:
            problems.append(Problem("error", str(path), None, "source", str(error), "name other data"))
            continue
        images = _Images(split.source, objects, image_limits or ImageLimits())
        _read(split, images, limits or ManifestLimits())
        splits.append(split)
    for rule in RULES:
        rule(splits)
    if len(splits) == len(sources):  # with one of them missing, the comparison would mislead
        for compare in COMPARISONS:
            compare(splits)
    for split in splits:
        problems += split.problems
    summary = tuple(
        SplitSummary(
            split.name, split.lines, split.usable, dict(sorted(split.images_by_label.items())), split.boxes
        )
        for split in splits
    )
    return Findings(tuple(problems), summary)


# ---------------------------------------------------------------- lines and images


class _Images:
    """The bytes behind source-refs: the source's own folder, and other buckets as far as they are known."""

    def __init__(self, source: Source, others: Objects | None, limits: ImageLimits) -> None:
        self.bucket = bucket_name(source.root)
        self._own = Objects({self.bucket: source.root}.get)
        self._others = others
        self._limits = limits
        self._digests: set[bytes] = set()

    def is_known(self, bucket: str) -> bool:
        return bucket == self.bucket or self._others is not None

    def read(self, source_ref: str) -> bytes:
        """Digest of an image that is usable; raises StorageError or ImageError for any other."""
        bucket, key = split_ref(source_ref)
        objects = self._own if bucket == self.bucket or self._others is None else self._others
        data = objects.read(bucket, key, limit=self._limits.max_bytes)
        decode(data, self._limits, at_least=SMALL_SIDE)
        return hashlib.sha256(data).digest()


def _read(split: _Split, images: _Images, limits: ManifestLimits) -> None:
    split.problems += split.source.problems
    unseen: Counter[str] = Counter()
    raw = (line.encode(errors="surrogateescape") for line in split.source.lines(images.bucket))
    try:
        for line in read_manifest(raw, limits):
            split.lines += 1
            if isinstance(line, Dropped):
                _note_dropped(split, line)
                continue
            bucket, _key = split_ref(line.source_ref)
            if images.is_known(bucket):
                _look_at(split, line, images)
            else:
                unseen[bucket] += 1
                _count(split, line)
    except ManifestFileError as error:
        split.add("error", error.code, str(error), "correct the manifest")
    for bucket, count in unseen.items():
        message = f"{count} images are in bucket {bucket}, which was not looked at"
        split.add("warning", "unseen", message, "their addresses alone were checked")


def _note_dropped(split: _Split, line: Dropped) -> None:
    advice = "give each image one line with s3://BUCKET/KEY or a path below the manifest"
    split.problems.append(Problem("unusable", split.name, line.position, line.code, line.reason, advice))


def _look_at(split: _Split, entry: Entry, images: _Images) -> None:
    """Count the entry if its image is usable, and say where the same image was before."""
    _bucket, key = split_ref(entry.source_ref)
    is_manifest = split.source.kind == "manifest"
    file = split.name if is_manifest else str(split.source.path / key)
    line = entry.position if is_manifest else None

    def note(severity: Severity, rule: str, message: str, advice: str) -> None:
        split.problems.append(Problem(severity, file, line, rule, message, advice))

    try:
        digest = images.read(entry.source_ref)
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
    first = split.images.setdefault(digest, place)
    if first != place:
        note("warning", "duplicate", f"the same image as {first}", "remove one of them")


def _count(split: _Split, entry: Entry) -> None:
    if entry.is_labeled:
        split.usable += 1
        split.images_by_label.update(entry.labels)
        split.boxes += len(entry.boxes)
        split.box_lines += bool(entry.boxes)


# ---------------------------------------------------------------- rules for whole sources


def _too_many_unusable(splits: list[_Split]) -> None:
    for split in splits:
        bad = split.lines - split.usable
        if bad > MOST_UNUSABLE * split.lines:
            message = f"{bad} of {split.lines} lines cannot be used, more than {MOST_UNUSABLE:.0%}"
            split.add(
                "error", "ERROR_TOO_MANY_INVALID_ROWS_IN_MANIFEST", message, "mend them or take them out"
            )
        elif bad:
            split.add(
                "warning", "unusable", f"{bad} of {split.lines} lines are left out", "label or mend them"
            )


def _labels_enough(splits: list[_Split]) -> None:
    for split in splits[:1]:
        detection = 2 * split.box_lines > split.usable
        least, found = (1 if detection else 2), len(split.images_by_label)
        if found < least:
            message = f"{found} labels; a model needs at least {least}"
            split.add("error", "ERROR_MANIFEST_TOO_FEW_LABELS", message, "add images of other labels")
        for label, count in sorted(split.images_by_label.items()):
            if count < FEW_IMAGES:
                message = f"label {label!r} has {count} images; fewer than {FEW_IMAGES} teach little"
                split.add("warning", "few-images", message, "add images of it")


def _labels_of_test(splits: list[_Split]) -> None:
    train = set(splits[0].images_by_label)
    for split in splits[1:]:
        test = set(split.images_by_label)
        if train and len(train & test) < LEAST_OVERLAP * len(train):
            message = f"only {len(train & test)} of {len(train)} training labels are in the test data"
            split.add(
                "error", "ERROR_INSUFFICIENT_LABEL_OVERLAP", message, "test with images of the same labels"
            )
        for label in sorted(test - train):
            message = f"label {label!r} is not in the training data; it cannot be measured"
            split.add("warning", "unknown-label", message, "train it too, or correct its name")
        for label in sorted(train - test):
            message = f"no test image has label {label!r}; it cannot be measured"
            split.add("warning", "untested-label", message, "add test images of it")


def _leaks(splits: list[_Split]) -> None:
    train = splits[0].images
    for split in splits[1:]:
        for digest, place in split.images.items():
            if digest in train:
                message = f"{place} is the same image as {train[digest]} of the training data"
                split.add("warning", "leak", message, "test with images that training does not see")


RULES: Sequence[Callable[[list[_Split]], None]] = [_too_many_unusable, _labels_enough]
COMPARISONS: Sequence[Callable[[list[_Split]], None]] = [_labels_of_test, _leaks]
