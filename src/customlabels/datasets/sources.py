"""Sources: what a user names as training or test data, turned into lines of a manifest.

Layer: datasets. Reads names and text, opens no image. The lines of a source are the same at each reading:
nothing in them depends on the time or on the machine, so their digest tells whether the data changed.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import orjson

from customlabels.datasets.attributes import IMAGE_LEVEL
from customlabels.datasets.findings import Problem
from customlabels.datasets.folders import IMAGE_SUFFIXES, read_folder
from customlabels.errors import InvalidInput

__all__ = ["Source", "bucket_name", "open_source"]

SUPPORTED = "supported now: a folder with one folder of images for each label, or a Ground Truth manifest"
ATTRIBUTE = "label"
SPLITS = {"train", "training", "test", "testing", "val", "valid", "validation"}
CREATION_DATE = "2020-01-01T00:00:00"  # fixed: lines tell what the data is, not when it was read
PEEK = 1 << 20  # bytes; the first line tells a manifest


@dataclass(frozen=True)
class Source:
    """Labelled images in a local folder.

    root: the folder that the keys are relative to, to be registered as a bucket. `lines(bucket)`: the
    manifest lines, images addressed as s3://bucket/key. Addresses that a manifest gives whole stay.
    """

    path: Path
    kind: Literal["folder", "manifest"]
    root: Path
    lines: Callable[[str], Iterator[str]]
    problems: tuple[Problem, ...] = ()

    def digest(self) -> str:
        """SHA-256 of the lines: of names and labels, neither of pixels nor of the bucket's name."""
        total = hashlib.sha256()
        for line in self.lines("bucket"):
            total.update(line.encode() + b"\n")
        return total.hexdigest()


def open_source(path: Path) -> Source:
    """What `path` holds; raises InvalidInput where that is nothing that can be read as labelled images."""
    try:
        if path.is_dir():
            return _open_folder(path)
        if path.is_file():
            return _open_file(path)
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror or error}") from error
    raise InvalidInput(f"{path} does not exist; {SUPPORTED}")


def bucket_name(folder: Path) -> str:
    """A bucket's name for a folder: readable, and different for different folders; 3 to 63 of [a-z0-9-]."""
    absolute = str(folder.resolve())
    readable = re.sub("[^a-z0-9]+", "-", folder.resolve().name.lower()).strip("-")[:48].rstrip("-")
    digest = hashlib.sha256(absolute.encode(errors="surrogateescape")).hexdigest()[:10]
    return f"{readable or 'folder'}-{digest}"


# ---------------------------------------------------------------- a folder for each label


def _open_folder(path: Path) -> Source:
    found = _other_layout(path)
    if found is not None:
        raise InvalidInput(f"{path} looks like {found}, which is not read yet; {SUPPORTED}")
    content = read_folder(path)
    if not content.images:
        raise InvalidInput(f"{path} has no images in folders named for their labels; {SUPPORTED}")
    labels = {label: number for number, label in enumerate(sorted({label for _key, label in content.images}))}
    if set(map(str.lower, labels)) <= SPLITS:
        folders = " and ".join(str(path / label) for label in labels)
        raise InvalidInput(f"{path} holds parts of the data, not labels; name each of them alone: {folders}")

    def lines(bucket: str) -> Iterator[str]:
        for key, label in content.images:
            yield _image_line(f"s3://{bucket}/{key}", label, labels[label])

    return Source(path, "folder", path.resolve(), lines, content.problems)


def _image_line(source_ref: str, label: str, number: int) -> str:
    metadata = {
        "class-name": label,
        "confidence": 1,
        "type": IMAGE_LEVEL,
        "human-annotated": "yes",
        "creation-date": CREATION_DATE,
        "job-name": "labeling-job/folders",
    }
    line = {"source-ref": source_ref, ATTRIBUTE: number, f"{ATTRIBUTE}-metadata": metadata}
    return orjson.dumps(line).decode()


# What tells another layout of folders, first match counts.
OTHER_LAYOUTS = {
    "a YOLO data set": ["data.yaml", "data.yml", "labels/*.txt", "labels/*/*.txt"],
    "a COCO data set": ["annotations/*.json", "_annotations.coco.json"],
    "a Pascal VOC data set": ["Annotations/*.xml", "*/*.xml", "*.xml"],
}


def _other_layout(folder: Path) -> str | None:
    for name, patterns in OTHER_LAYOUTS.items():
        if any(next(folder.glob(pattern), None) for pattern in patterns):
            return name
    return None


# ---------------------------------------------------------------- a manifest

OTHER_FILES = {
    ".csv": "a CSV file",
    ".tsv": "a CSV file",
    ".yaml": "a YOLO data set",
    ".yml": "a YOLO data set",
    ".xml": "a Pascal VOC file",
    ".zip": "an archive",
    ".tar": "an archive",
    ".gz": "an archive",
    **dict.fromkeys(IMAGE_SUFFIXES, "one image"),
}


def _open_file(path: Path) -> Source:
    with open(path, "rb") as file:
        start = file.readline(PEEK).removeprefix(b"\xef\xbb\xbf")
    other = OTHER_FILES.get(path.suffix.lower())
    if not _is_line(start) and (other or path.suffix.lower() == ".json"):
        raise InvalidInput(f"{path} is {other or 'a JSON file, perhaps COCO'}, not read yet; {SUPPORTED}")

    def lines(bucket: str) -> Iterator[str]:
        with open(path, encoding="utf-8-sig", errors="surrogateescape", newline="\n") as file:
            while line := file.readline(PEEK):
                yield _addressed(line.rstrip("\r\n"), bucket)

    return Source(path, "manifest", path.resolve().parent, lines)


def _is_line(text: bytes) -> bool:
    try:
        value = orjson.loads(text)
    except ValueError:
        return False
    return isinstance(value, dict) and "source-ref" in value


def _addressed(line: str, bucket: str) -> str:
    """The line with a relative source-ref made whole; anything else is left for the checks to judge."""
    try:
        value = orjson.loads(line)
    except ValueError:
        return line
    ref = value.get("source-ref") if isinstance(value, dict) else None
    if not isinstance(ref, str) or not ref or "://" in ref:
        return line
    key = posixpath.normpath(ref)
    if key.startswith(("/", "../")) or key in (".", ".."):
        return line
    return orjson.dumps({**value, "source-ref": f"s3://{bucket}/{key}"}).decode()
