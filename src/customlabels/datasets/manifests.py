"""Manifests: the lines of a dataset, read, checked and written back.

Layer: datasets. Pure: lines in, values out; fetches nothing. What a line must hold stands in `attributes`.
A line that cannot be identified is dropped; any other is kept, with its errors beside it. A file that
breaks a rule for the whole dataset is refused with a ManifestFileError.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from customlabels.datasets.attributes import Box, LineError, read_attributes
from customlabels.errors import InvalidInput

LONGEST_LINE = 100_000  # characters
SOURCE_REF = re.compile(r"[sS]3://([0-9A-Za-z.\-_]{3,255})/([^\0]{1,1024})", re.DOTALL)
BOX_DEPTH = 3  # steps to a box in its line: attribute, annotations, number
OURS = {"errors", "warnings"}  # keys that we add besides `cl-...`, and that come back to us

# Why a line is left out, and what would be right.
DROPPED = {
    "ERROR_LINE_TOO_LONG": (f"the line has more than {LONGEST_LINE} characters", "shorten it"),
    "ERROR_INVALID_JSON_LINE": ("the line is not a JSON object", "write one JSON object on each line"),
    "ERROR_MISSING_SOURCE_REF": (
        "the line has no 'source-ref', the address of its image",
        'add "source-ref": "s3://BUCKET/KEY"',
    ),
    "ERROR_INVALID_SOURCE_REF_FORMAT": (
        "'source-ref' is not s3://BUCKET/KEY",
        "address the image as s3://BUCKET/KEY",
    ),
    "ERROR_REPEATED_SOURCE_REF": (
        "an earlier line has the same 'source-ref'",
        "give each image one line; several labels go into one",
    ),
}

FILE_ERRORS = {
    "ERROR_MANIFEST_INACCESSIBLE_OR_UNSUPPORTED_FORMAT": (
        "The manifest file extension or contents are invalid."
    ),
    "ERROR_EMPTY_MANIFEST": "The manifest file is empty.",
    "ERROR_INVALID_PERMISSIONS_MANIFEST_S3_BUCKET": "The S3 bucket permissions are incorrect.",
    "ERROR_MANIFEST_SIZE_TOO_LARGE": "The manifest file size exceeds the maximum supported size.",
    "ERROR_MANIFEST_ROWS_EXCEEDS_MAXIMUM": "The manifest file has too many rows.",
    "ERROR_TOO_MANY_RECORDS_IN_ERROR": "The manifest file has too many terminal errors.",
    "ERROR_MANIFEST_TOO_MANY_LABELS": "The manifest file has too many labels.",
    "ERROR_IMAGES_IN_MULTIPLE_S3_BUCKETS": "The manifest file contains images from multiple S3 buckets.",
    "ERROR_INSUFFICIENT_IMAGES_PER_LABEL_FOR_DISTRIBUTE": (
        "The manifest file doesn't have enough labeled images to distribute the dataset."
    ),
}


class ManifestFileError(InvalidInput):
    """A manifest that no dataset can be made of: `message` in the service's words, `detail` in ours.

    dropped: the lines that it would have left out, as far as they were read.
    """

    def __init__(self, code: str, detail: str, dropped: Sequence[Dropped] = ()) -> None:
        self.code, self.message, self.detail, self.dropped = code, FILE_ERRORS[code], detail, tuple(dropped)
        super().__init__(f"{self.message} {detail}")


@dataclass(frozen=True)
class ManifestLimits:
    """What one manifest may hold; the defaults are the service's quotas."""

    max_bytes: int = 1 << 30
    max_lines: int = 250_000
    max_labels: int = 250
    max_dropped_share: float = 0.2  # of all lines

    def __post_init__(self) -> None:
        if min(self.max_bytes, self.max_lines, self.max_labels) < 1 or not 0 <= self.max_dropped_share <= 1:
            raise ValueError(f"limits are positive, a share is 0 to 1: {self}")

    def check(self, *, size: int = 0, lines: int = 0, labels: int = 0, at_line: int = 0) -> None:
        """Raise ManifestFileError where so many bytes, lines or labels (reached at a line) are too many."""
        for code, count, most, unit in (
            ("ERROR_MANIFEST_SIZE_TOO_LARGE", size, self.max_bytes, "bytes"),
            ("ERROR_MANIFEST_ROWS_EXCEEDS_MAXIMUM", lines, self.max_lines, "lines"),
            ("ERROR_MANIFEST_TOO_MANY_LABELS", labels, self.max_labels, "labels"),
        ):
            if count > most:
                reached = f", reached at line {at_line}" if at_line else ""
                told = f"It has {count} {unit} or more{reached}; at most {most} are allowed."
                raise ManifestFileError(code, told)


@dataclass(frozen=True)
class Entry:
    """One usable or repairable line. position: its line in the file, from 1; then its place in the dataset.

    A label stands in `image_labels` or on a box; a line with errors keeps what the errors leave valid.
    frame: width and height, in pixels, of the image that the boxes were drawn on; None without boxes
    """

    position: int
    source_ref: str
    line: str  # the JSON text as given, without additions of ours
    image_labels: tuple[str, ...] = ()
    boxes: tuple[Box, ...] = ()
    frame: tuple[float, float] | None = None
    errors: tuple[LineError, ...] = ()
    warnings: tuple[LineError, ...] = ()  # for training; they stop nothing

    @property
    def labels(self) -> tuple[str, ...]:
        """Every label of the image, once, in the order of the line."""
        return tuple(dict.fromkeys((*self.image_labels, *(box.label for box in self.boxes))))

    @property
    def boxes_by_label(self) -> dict[str, int]:
        """How many boxes each label has; 0 for one of the whole image."""
        counts = dict.fromkeys(self.labels, 0)
        for box in self.boxes:
            counts[box.label] += 1
        return counts

    @property
    def is_labeled(self) -> bool:
        """Whether at least one label is usable."""
        return bool(self.image_labels or self.boxes)


@dataclass(frozen=True)
class Dropped:
    """A line that is left out of the dataset, and why: code of the service (or ours), reason for people."""

    position: int
    code: str

    @property
    def reason(self) -> str:
        """The rule that the line breaks."""
        return DROPPED[self.code][0]

    @property
    def advice(self) -> str:
        """What would be right."""
        return DROPPED[self.code][1]

    def __str__(self) -> str:
        return f"line {self.position}: {self.reason}; {self.advice}"


def split_ref(source_ref: str) -> tuple[str, str]:
    """Bucket and key of `s3://bucket/key`; raises InvalidInput for anything else."""
    found = SOURCE_REF.fullmatch(source_ref)
    if found is None:
        raise InvalidInput(f"{source_ref!r} is not s3://BUCKET/KEY")
    return found[1], found[2]


def read_line(text: str, position: int) -> Entry | Dropped:
    """One line of a manifest, checked as far as that goes without its image."""
    if len(text) > LONGEST_LINE:
        return Dropped(position, "ERROR_LINE_TOO_LONG")
    given = json_object(text)
    if given is None:
        return Dropped(position, "ERROR_INVALID_JSON_LINE")
    if "source-ref" not in given:
        return Dropped(position, "ERROR_MISSING_SOURCE_REF")
    source_ref = given["source-ref"]
    if not isinstance(source_ref, str) or not SOURCE_REF.fullmatch(source_ref):
        return Dropped(position, "ERROR_INVALID_SOURCE_REF_FORMAT")
    value = _without_ours(given)
    line = text.strip() if value == given else orjson.dumps(value).decode()
    return Entry(position, source_ref, line, **vars(read_attributes(value)))


def json_object(text: str | bytes) -> dict[str, Any] | None:
    """The JSON object that the text is; None for any other text."""
    try:
        value = orjson.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def file_lines(lines: Iterable[bytes], limits: ManifestLimits) -> Iterator[bytes]:
    """The lines of a manifest as they are; raises ManifestFileError where no such file can be one."""
    size = position = 0
    for position, raw in enumerate(lines, start=1):
        size += len(raw) + 1
        limits.check(size=size - 1, lines=position)  # the last line need not end
        if position == 1 and not _is_readable(raw):
            code = "ERROR_MANIFEST_INACCESSIBLE_OR_UNSUPPORTED_FORMAT"
            raise ManifestFileError(code, "It is not text in UTF-8.")
        yield raw
    if position == 0:
        raise ManifestFileError("ERROR_EMPTY_MANIFEST", "It needs one line for each image.")


def read_manifest(
    lines: Iterable[bytes], limits: ManifestLimits, *, unique: bool = True
) -> Iterator[Entry | Dropped]:
    """The lines of a manifest one by one; raises ManifestFileError as soon as a file rule is broken.

    unique: drop a line that repeats a source-ref; without it the caller decides which one counts.
    Memory: one line, 16 bytes (and their set) for each source-ref, and the lines that are dropped.
    """
    seen: set[bytes] = set()
    labels: set[str] = set()
    dropped: list[Dropped] = []
    bucket: str | None = None
    position = 0
    for position, raw in enumerate(file_lines(lines, limits), start=1):
        read = _read_bytes(raw, position)
        if isinstance(read, Entry) and unique:
            digest = hashlib.blake2b(read.source_ref.encode(), digest_size=16).digest()
            if digest in seen:
                read = Dropped(position, "ERROR_REPEATED_SOURCE_REF")
            seen.add(digest)
        if isinstance(read, Dropped):
            dropped.append(read)
        else:
            bucket = one_bucket(bucket, read)
            labels.update(read.labels)
            limits.check(labels=len(labels), at_line=position)
        yield read
    if len(dropped) > limits.max_dropped_share * position:
        told = f"{len(dropped)} of {position} lines cannot be used; at most "
        told += f"{limits.max_dropped_share:.0%} may be left out. The first is {dropped[0]}."
        raise ManifestFileError("ERROR_TOO_MANY_RECORDS_IN_ERROR", told, dropped)


def one_bucket(bucket: str | None, entry: Entry) -> str:
    """The bucket of all images so far and of this one; raises ManifestFileError where they differ."""
    found, _key = split_ref(entry.source_ref)
    if bucket not in (None, found):
        told = f"The image of line {entry.position} is in {found}, others are in {bucket}; "
        told += "a dataset has its images in one bucket."
        raise ManifestFileError("ERROR_IMAGES_IN_MULTIPLE_S3_BUCKETS", told)
    return found


def told_errors(entry: Entry) -> list[LineError]:
    """The errors of a line, for people: with the box that is meant, and without what follows from others."""
    following = ("ERROR_NO_VALID_ANNOTATIONS", "ERROR_NO_VALID_LABEL_ATTRIBUTES")
    causes = [error for error in entry.errors if error.code not in following]
    told, line = [], orjson.loads(entry.line)
    for error in causes or entry.errors:
        message = error.message
        if len(error.place) == BOX_DEPTH:
            attribute, _, number = error.place
            box, names = line[attribute]["annotations"][number], line[f"{attribute}-metadata"]["class-map"]
            label = names[str(int(box["class_id"]))]
            sides = ", ".join(f"{side} {box[side]:g}" for side in ("left", "top", "width", "height"))
            message = f"box {int(number) + 1}, {label}, {sides}: {message}"
            if entry.frame:
                message += f" The image is {entry.frame[0]:g} x {entry.frame[1]:g}."
        elif error.place:
            message = f"{'.'.join(map(str, error.place))}: {message}"
        told.append(replace(error, message=message))
    return told


def listed_line(line: str, is_labeled: bool, errors: Sequence[LineError] = ()) -> str:
    """The line as ListDatasetEntries shows it: `cl-metadata` added last, `cl-errors` where they belong.

    A line without errors is not parsed: it is an object, and has no member of ours.
    """
    bare = _one_line(line)
    if errors:
        value = orjson.loads(line) | {"cl-metadata": {"is_labeled": is_labeled}}
        _attach(value, errors, "cl-errors")
        listed = _one_line(orjson.dumps(value).decode())
    else:
        listed = f'{bare[:-1].rstrip()},"cl-metadata":{{"is_labeled":{str(is_labeled).lower()}}}}}'
    return listed if len(listed) <= LONGEST_LINE else bare  # no answer may be longer, whatever is added


def validated_line(line: str, errors: Iterable[LineError], warnings: Iterable[LineError]) -> str:
    """The line as training's validation manifest shows it: `errors` and `warnings` where they belong.

    A line that is no JSON object is replaced by one that holds only the errors.
    """
    value = json_object(line) or {}
    _attach(value, errors, "errors")
    _attach(value, warnings, "warnings")
    return orjson.dumps(value).decode()


def _one_line(text: str) -> str:
    """The JSON text without any of the characters that end a line somewhere."""
    text = text.replace("\r", " ")  # which can only stand between tokens, as the others only in strings
    if not text.isascii():
        for character in "\x85\u2028\u2029":
            text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _attach(value: dict[str, Any], errors: Iterable[LineError], key: str) -> None:
    for error in errors:
        holder = value
        inner: Any = value
        for step in error.place:
            inner = inner[step]
            if isinstance(inner, dict):  # inside a number or text nothing can be written: one level up, then
                holder = inner
        holder.setdefault(key, []).append({"code": error.code, "message": error.message})


def _read_bytes(raw: bytes, position: int) -> Entry | Dropped:
    """The line as text, read."""
    if len(raw) > 4 * LONGEST_LINE:  # a character has at most four bytes; the rest may have been cut off
        return Dropped(position, "ERROR_LINE_TOO_LONG")
    if position == 1:
        raw = raw.removeprefix(b"\xef\xbb\xbf")  # some editors mark UTF-8 so
    return read_line(raw.decode() if _is_readable(raw) else "\0", position)


def _is_readable(raw: bytes) -> bool:
    """Whether the line is text at all."""
    try:
        return "\0" not in raw.decode()
    except UnicodeDecodeError as error:
        return len(raw) > 4 * LONGEST_LINE and error.start > len(raw) - 4  # it was cut off in a character


def _without_ours(line: dict[str, Any]) -> dict[str, Any]:
    """The line without `cl-...`, `errors` and `warnings`, at the places where we write them.

    These are the line, an attribute or its metadata, and a box. A class map may well have such keys.
    """
    cleaned = _cleaned(line)
    for key, value in cleaned.items():
        if isinstance(value, dict):
            cleaned[key] = _cleaned(value)
            boxes = value.get("annotations")
            if isinstance(boxes, list):
                cleaned[key]["annotations"] = [_cleaned(b) if isinstance(b, dict) else b for b in boxes]
    return cleaned


def _cleaned(value: dict[str, Any]) -> dict[str, Any]:
    return {key: inner for key, inner in value.items() if not key.startswith("cl-") and key not in OURS}
