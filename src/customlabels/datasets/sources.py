"""Sources: what a user names as training or test data, turned into lines of a manifest.

Layer: datasets. Reads names and text, opens no image. The lines of a source are the same at each reading:
nothing in them depends on the time or on the machine, so they tell whether the data changed.

    photos/cat/1.jpg, photos/cat/garden/2.jpg, photos/dog/1.png      a folder for each label: cat, cat, dog
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import orjson

from customlabels.datasets.attributes import IMAGE_LEVEL
from customlabels.datasets.findings import Problem
from customlabels.datasets.manifests import json_object
from customlabels.errors import InvalidInput

__all__ = ["Source", "bucket_name", "open_source", "read_folder"]

SUPPORTED = "supported now: a folder with one folder of images for each label, or a Ground Truth manifest"
SPLITS = {"train", "training", "test", "testing", "val", "valid", "validation"}
IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png"}
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
    absolute = folder.resolve()
    readable = re.sub("[^a-z0-9]+", "-", absolute.name.lower()).strip("-")[:48].rstrip("-")
    digest = hashlib.sha256(str(absolute).encode(errors="surrogateescape")).hexdigest()[:10]
    return f"{readable or 'folder'}-{digest}"


# ---------------------------------------------------------------- a folder for each label

# What tells another layout of folders, first match counts.
OTHER_LAYOUTS = {
    "a YOLO data set": ["data.yaml", "data.yml", "labels/*.txt", "labels/*/*.txt"],
    "a COCO data set": ["annotations/*.json", "_annotations.coco.json"],
    "a Pascal VOC data set": ["Annotations/*.xml", "*/*.xml", "*.xml"],
}

# Why a file is left out -> what to do about it.
ADVICE = {
    "not named in UTF-8": "rename it",
    "a linked folder": "it is left out; put the files themselves there",
    "not an image by its name": "it is left out; convert it to JPEG or PNG if it is an image",
    "in no label's folder": "move it into the folder of its label",
    "a link that leads out of the folder or to nothing": "put the file itself there",
    "a label without images": "add some, or delete it",
}


def _open_folder(path: Path) -> Source:
    for layout, patterns in OTHER_LAYOUTS.items():
        if any(next(path.glob(pattern), None) for pattern in patterns):
            raise InvalidInput(f"{path} looks like {layout}, which is not read yet; {SUPPORTED}")
    images, problems = read_folder(path)
    if not images:
        raise InvalidInput(f"{path} has no images in folders named for their labels; {SUPPORTED}")
    labels = {label: number for number, label in enumerate(sorted({label for _key, label in images}))}
    if set(map(str.lower, labels)) <= SPLITS:
        folders = " and ".join(str(path / label) for label in labels)
        raise InvalidInput(f"{path} holds parts of the data, not labels; name each of them alone: {folders}")

    def lines(bucket: str) -> Iterator[str]:
        for key, label in images:
            metadata = {
                "class-name": label,
                "confidence": 1,
                "type": IMAGE_LEVEL,
                "human-annotated": "yes",
                "creation-date": "2020-01-01T00:00:00",  # fixed: what the data is, not when it was read
                "job-name": "labeling-job/folders",
            }
            line = {"source-ref": f"s3://{bucket}/{key}", "label": labels[label], "label-metadata": metadata}
            yield orjson.dumps(line).decode()

    return Source(path, "folder", path.resolve(), lines, problems)


def read_folder(folder: Path) -> tuple[tuple[tuple[str, str], ...], tuple[Problem, ...]]:
    """(key, label) of every image, by key, which is its path below the folder; and what is left out.

    The label is the name of the first-level folder. What begins with a dot is ignored. Raises OSError where
    the folder cannot be read.
    """
    root = folder.resolve()
    left_out = {key: _reason_to_leave_out(root, key) for key in sorted(_keys(root))}
    images = tuple((key, key.partition("/")[0]) for key, reason in left_out.items() if reason is None)
    used = {label for _key, label in images}
    names = sorted(each.name for each in root.iterdir() if each.is_dir() and not each.name.startswith("."))
    problems = [(key, reason) for key, reason in left_out.items() if reason]
    problems += [(name, "a label without images") for name in names if name not in used]
    return images, tuple(
        Problem("warning", _readable(folder / key), None, "folder", reason, ADVICE[reason])
        for key, reason in problems
    )


def _readable(path: Path) -> str:
    return os.fsencode(path).decode(errors="backslashreplace")


def _keys(root: Path) -> Iterator[str]:
    """Paths of all files below the folder, and of linked folders, which are not entered."""

    def refuse(error: OSError) -> None:
        raise error  # os.walk would pass over a folder that may not be read

    for parent, folders, files in os.walk(root, onerror=refuse):
        linked = [name for name in folders if os.path.islink(os.path.join(parent, name))]
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in (*files, *linked):
            if not name.startswith("."):
                yield Path(parent, name).relative_to(root).as_posix()


def _reason_to_leave_out(root: Path, key: str) -> str | None:
    place = root / key
    real = Path(os.path.realpath(place))
    rules = {
        "not named in UTF-8": key != key.encode(errors="ignore").decode(),
        "a linked folder": place.is_dir(),
        "not an image by its name": place.suffix.lower() not in IMAGE_SUFFIXES,
        "in no label's folder": "/" not in key,
        "a link that leads out of the folder or to nothing": not real.is_relative_to(root)
        or not real.is_file(),
    }
    return next((reason for reason, applies in rules.items() if applies), None)


# ---------------------------------------------------------------- a manifest

OTHER_FILES = {
    ".csv": "a CSV file",
    ".tsv": "a CSV file",
    ".json": "a JSON file, perhaps COCO",
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
    if other and "source-ref" not in (json_object(start) or {}):
        raise InvalidInput(f"{path} is {other}, not read yet; {SUPPORTED}")

    def lines(bucket: str) -> Iterator[str]:
        with open(path, encoding="utf-8-sig", errors="surrogateescape", newline="\n") as file:
            while line := file.readline(PEEK):
                yield _addressed(line.rstrip("\r\n"), bucket)

    return Source(path, "manifest", path.resolve().parent, lines)


def _addressed(line: str, bucket: str) -> str:
    """The line with a relative source-ref made whole; anything else is left for the checks to judge."""
    value = json_object(line) or {}
    ref = value.get("source-ref")
    if not isinstance(ref, str) or not ref or "://" in ref:
        return line
    key = posixpath.normpath(ref)
    if key.startswith(("/", "../")) or key in (".", ".."):
        return line
    return orjson.dumps({**value, "source-ref": f"s3://{bucket}/{key}"}).decode()
