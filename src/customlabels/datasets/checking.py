"""Checking: every problem of training and test data, found before anything costs time.

Layer: datasets. Reads each image once: header, then a decode at reduced scale, which finds what is cut
short or damaged; so a photo costs some milliseconds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

from customlabels.datasets.copies import DECODED_SIDE, Copies
from customlabels.datasets.findings import Findings, Problem, Severity, SplitSummary
from customlabels.datasets.manifests import Dropped, Entry, ManifestFileError, split_ref, told_errors
from customlabels.datasets.sources import Source, bucket_name, open_source
from customlabels.errors import CustomLabelsError, InvalidInput
from customlabels.images import ImageLimits, decode, upright_size
from customlabels.storage import Objects, ObjectTooLarge

FEW_IMAGES = 10  # images of a label for training; below it a model hardly learns the label
LEAST_OVERLAP = 0.5  # of the training labels, the share that the test data must have
MOST_UNUSABLE = 0.2  # of all lines
IMBALANCE = 10  # times as many images of one label as of another


@dataclass
class _Split:
    """What was read of one source."""

    source: Source
    lines: int = 0
    usable: int = 0
    images_by_label: Counter[str] = field(default_factory=Counter)
    boxes: int = 0
    box_lines: int = 0
    empty: int = 0  # looked at, and nothing is there
    unlabelled: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    @property
    def name(self) -> str:
        return str(self.source.path)

    def add(self, severity: Severity, rule: str, message: str, advice: str) -> None:
        """Note a problem of the source as a whole."""
        self.problems.append(Problem(severity, self.name, None, rule, message, advice))


class Images(Protocol):
    """Where images are, as `storage.Objects`; raises CustomLabelsError."""

    def read(self, bucket: str, key: str, *, limit: int | None = None) -> bytes:
        """All bytes; refused, unread, above the limit."""


class _Seen(NamedTuple):
    """Where an image was seen."""

    split: _Split
    file: str
    line: int | None


def check(sources: Sequence[Path], objects: Images | None = None) -> Findings:
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
            message = str(error).removeprefix(f"{path} ")
            problems.append(Problem("error", str(path), None, "source", message, "name other data"))
    copies, seen = Copies(), dict[str, _Seen]()
    for split in splits:
        _read(split, objects, copies, seen)
        _share_unusable(split)
        _unlabelled(split)
    for split in splits[:1]:
        _labels_enough(split)
        _imbalance(split)
    _alike_labels(splits)
    for first, second, likeness in copies.near():
        _note_copy(seen, second, first, f"looks like the image ({likeness:.2f})")
    if len(splits) == len(sources):  # with one of them missing, the comparison would mislead
        for test in splits[1:]:
            _labels_of_test(splits[0], test)
    summary = [
        SplitSummary(
            source=each.name,
            lines=each.lines,
            usable=each.usable + each.empty,
            empty=each.empty,
            images_by_label=dict(sorted(each.images_by_label.items())),
            boxes=each.boxes,
        )
        for each in splits
    ]
    return Findings((*problems, *(problem for split in splits for problem in split.problems)), tuple(summary))


# ---------------------------------------------------------------- lines and images


def _read(split: _Split, others: Images | None, copies: Copies, seen: dict[str, _Seen]) -> None:
    """Look at every line, and at the images in the source's own folder and, through `others`, elsewhere."""
    split.problems += split.source.problems
    own = bucket_name(split.source.root)
    own_objects = Objects({own: split.source.root}.get)
    unseen: Counter[str] = Counter()
    try:
        for line in split.source.entries(own):
            split.lines += 1
            if isinstance(line, Dropped):
                advice = "give each image one line with s3://BUCKET/KEY or a path below the manifest"
                where = split.source.place(line.position)
                split.problems.append(Problem("unusable", *where, line.code, line.reason, advice))
                continue
            bucket, _key = split_ref(line.source_ref)
            objects = own_objects if bucket == own else others
            if objects is not None:
                _look_at(split, line, objects, copies, seen)
            else:
                unseen[bucket] += 1
                _count(split, line)
    except ManifestFileError as error:
        split.add("error", error.code, str(error), "correct the manifest")
    for bucket, count in unseen.items():
        message = f"{count} images are in bucket {bucket}, which was not looked at"
        split.add("warning", "unseen", message, "their addresses alone were checked")


def _look_at(split: _Split, entry: Entry, objects: Images, copies: Copies, seen: dict[str, _Seen]) -> None:
    """Count the entry if its image is usable, and say where the same image was before."""
    bucket, key = split_ref(entry.source_ref)
    file, line = split.source.place(entry.position)

    def note(severity: Severity, rule: str, message: str, advice: str) -> None:
        told = message if file.endswith(key) or key in message else f"{key}: {message}"
        split.problems.append(Problem(severity, file, line, rule, told, advice))

    try:
        data = objects.read(bucket, key, limit=ImageLimits().max_bytes)
        image = decode(data, at_least=DECODED_SIDE)
    except CustomLabelsError as error:
        advice = "shrink it" if isinstance(error, ObjectTooLarge) else "replace, resize or remove it"
        note("unusable", "ERROR_INVALID_IMAGE", str(error), advice)
        return
    _count(split, entry)
    for problem in told_errors(entry):
        note("unusable", problem.code, problem.message, "correct it or remove it")
    size = upright_size(data)
    if entry.boxes and entry.frame and entry.frame != size:
        drawn = " x ".join(f"{side:g}" for side in entry.frame)
        turned = ", turned by its EXIF orientation" if entry.frame == size[::-1] else ""
        message = f"its boxes were drawn on {drawn} pixels, the image is {size[0]} x {size[1]}{turned}"
        note("warning", "other-size", message, "draw the boxes on the image as it is seen")
    place = f"{file}:{line} {key}" if line else (file if file.endswith(key) else f"{file} {key}")
    while place in seen:  # the same data named twice
        place += " (again)"
    seen[place] = _Seen(split, file, line)
    first = copies.add(place, data, image)
    if first != place:
        _note_copy(seen, place, first, "is the same image as")


def _note_copy(seen: dict[str, _Seen], place: str, first: str, how: str) -> None:
    """Say that two places have one image: a duplicate within a source, a leak between two."""
    here, there = seen[place], seen[first]
    rule, message, advice = "duplicate", f"{how} {first}", "remove one of them"
    if here.split is not there.split:
        rule, message = "leak", f"{message} of {there.split.name}"
        advice = "test with images that training does not see"
    if how.startswith("looks"):
        rule = f"near-{rule}"
    here.split.problems.append(Problem("warning", here.file, here.line, rule, message, advice))


def _count(split: _Split, entry: Entry) -> None:
    if entry.is_labeled:
        split.usable += 1
        split.images_by_label.update(entry.labels)
        split.boxes += len(entry.boxes)
        split.box_lines += bool(entry.boxes)
    elif entry.frame and not entry.errors:
        split.empty += 1
    elif not entry.errors:
        split.unlabelled.append(split_ref(entry.source_ref)[1])


# ---------------------------------------------------------------- rules for whole sources


def _share_unusable(split: _Split) -> None:
    bad = split.lines - split.usable - split.empty - len(split.unlabelled)
    told = f"{bad} of {split.lines} lines"
    if bad > MOST_UNUSABLE * split.lines:
        message = f"{told} cannot be used, more than {MOST_UNUSABLE:.0%}"
        split.add("error", "ERROR_TOO_MANY_INVALID_ROWS_IN_MANIFEST", message, "mend them or take them out")
    elif bad:
        split.add("warning", "unusable", f"{told} are left out", "mend them")


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


def _unlabelled(split: _Split) -> None:
    if split.unlabelled:
        shown = ", ".join(split.unlabelled[:3]) + (", ..." if len(split.unlabelled) > 3 else "")
        message = f"{len(split.unlabelled)} images have no label: {shown}"
        split.add("warning", "unlabelled", message, "label them, or leave them out on purpose")


def _imbalance(split: _Split) -> None:
    counts = split.images_by_label.most_common()
    if len(counts) > 1 and counts[0][1] >= IMBALANCE * counts[-1][1]:
        (most, many), (least, few) = counts[0], counts[-1]
        message = f"label {most!r} has {many} images, label {least!r} only {few}"
        split.add("warning", "imbalance", message, "add images of the rare labels")


def _alike_labels(splits: Sequence[_Split]) -> None:
    """Labels that differ by case and spaces only are one label, mostly."""
    spelled: dict[str, dict[str, _Split]] = {}
    for split in splits:
        for label in sorted(split.images_by_label):
            plain = "".join(character for character in label.casefold() if character.isalnum()) or label
            spelled.setdefault(plain, {}).setdefault(label, split)
    for labels in spelled.values():
        if len(labels) > 1:
            message = f"the labels {' and '.join(map(repr, labels))} differ by case, spaces or signs only"
            list(labels.values())[-1].add(
                "warning", "alike-labels", message, "spell them the same way if they are one"
            )
