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
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import orjson

from customlabels.datasets.coco import read_coco
from customlabels.datasets.findings import Problem
from customlabels.datasets.items import IMAGE_SUFFIXES, Item, Place, Reading, item_lines
from customlabels.datasets.manifests import Dropped, Entry, ManifestLimits, json_object, read_manifest
from customlabels.datasets.tables import is_table, read_csv
from customlabels.datasets.voc import read_voc
from customlabels.datasets.yolo import read_yolo, yolo_parts
from customlabels.errors import InvalidInput

LOOKED_FOR = (
    "looked for: a folder of images for each label; a Ground Truth manifest (*.manifest); COCO (*.json, or "
    "annotations/*.json); YOLO (data.yaml, or images/ with labels/); Pascal VOC (*.xml, or "
    "Annotations/*.xml); CSV (a table with the columns image and label)"
)
SPLITS = {"train", "training", "test", "testing", "val", "valid", "validation"}
PEEK = 1 << 20  # bytes; the first line tells a manifest


@dataclass(frozen=True)
class Source:
    """Labelled images in a local folder.

    root: the folder that the keys are relative to, to be registered as a bucket. `lines(bucket)`: the
    manifest lines, images addressed as s3://bucket/key. Addresses that a manifest gives whole stay.
    places: of each line, where a user can mend it; without them it is the manifest and the line's number.
    """

    path: Path
    kind: str
    root: Path
    lines: Callable[[str], Iterator[str]]
    problems: tuple[Problem, ...] = ()
    places: tuple[Place, ...] | None = None

    def place(self, position: int) -> Place:
        """File and line of the line at a position, from 1."""
        return (str(self.path), position) if self.places is None else self.places[position - 1]

    def entries(self, bucket: str) -> Iterator[Entry | Dropped]:
        """The lines, read; raises ManifestFileError as soon as a rule of the whole manifest is broken."""
        raw = (line.encode(errors="surrogateescape") for line in self.lines(bucket))
        return read_manifest(raw, ManifestLimits())


def open_source(path: Path) -> Source:
    """What `path` holds; raises InvalidInput where that is nothing that can be read as labelled images."""
    try:
        if path.is_dir():
            return _open_folder(path)
        if path.is_file():
            return _open_file(path)
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror or error}") from error
    raise InvalidInput(f"{path} does not exist")


def _read_by(kind: str, reader: Callable[[Path], Reading], path: Path) -> Source:
    """What one of the readers makes of a path."""
    reading = reader(path)
    if not reading.items:
        first = f"; the first problem: {reading.problems[0]}" if reading.problems else ""
        raise InvalidInput(f"{path} was read as {kind} and has no images{first}")
    places = tuple(item.place for item in reading.items)

    def lines(bucket: str) -> Iterator[str]:
        return item_lines(reading.items, f"s3://{bucket}/")

    return Source(path, kind, reading.root, lines, tuple(reading.problems), places)


def bucket_name(folder: Path) -> str:
    """A bucket's name for a folder: readable, and different for different folders; 3 to 63 of [a-z0-9-]."""
    absolute = folder.resolve()
    readable = re.sub("[^a-z0-9]+", "-", absolute.name.lower()).strip("-")[:48].rstrip("-")
    digest = hashlib.sha256(str(absolute).encode(errors="surrogateescape")).hexdigest()[:10]
    return f"{readable or 'folder'}-{digest}"


# ---------------------------------------------------------------- a folder for each label

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
    parts = yolo_parts(path)
    if parts is not None:
        return _open_yolo(path, parts)
    for kind, patterns in (
        ("COCO", ("_annotations.coco.json", "annotations/*.json", "*.json")),
        ("CSV", ("*.csv", "*.tsv")),
        ("manifest", ("*.manifest",)),
    ):
        found = next((files for each in patterns if (files := sorted(path.glob(each)))), [])
        found = [file for file in found if kind == "manifest" or _is_about_images(file)]
        if len(found) > 1:
            raise InvalidInput(f"{path} holds several: name one of {', '.join(map(str, found))}")
        if found:
            return _open_file(found[0])
    if any(next(path.glob(each), None) for each in ("Annotations/**/*.xml", "*.xml", "*/*.xml")):
        return _read_by("Pascal VOC", read_voc, path)
    images, problems = read_folder(path)
    if not images:
        raise InvalidInput(f"{path} has no images in folders named for their labels; {LOOKED_FOR}")
    labels = {label for _key, label in images}
    if set(map(str.lower, labels)) <= SPLITS:
        folders = " and ".join(str(path / label) for label in sorted(labels))
        raise InvalidInput(f"{path} holds parts of the data, not labels; name each of them alone: {folders}")
    items = [Item(key, (str(path / key), None), (label,)) for key, label in images]
    return replace(_read_by("folders", lambda _path: Reading(path.resolve(), items), path), problems=problems)


def _open_yolo(path: Path, parts: Mapping[str, Path]) -> Source:
    if len(parts) != 1:
        named = " and ".join(map(str, parts.values())) or "none of the folders that it names is there"
        raise InvalidInput(f"{path} is a YOLO data set with several parts; name each of them alone: {named}")
    return _read_by("YOLO", read_yolo, *parts.values())


def _is_about_images(file: Path) -> bool:
    """Whether a file beside images tells their labels, rather than something else."""
    with open(file, "rb") as opened:
        start = opened.read(PEEK)
    if file.suffix == ".json":
        return b'"images"' in start or b'"annotations"' in start
    return is_table(start)


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

NOT_READ = {
    ".xml": "one Pascal VOC file: name its folder",
    ".txt": "a text file: of a YOLO data set, name the folder of images or its data.yaml",
    **dict.fromkeys((".zip", ".tar", ".gz", ".tgz", ".7z"), "an archive: unpack it and name the folder"),
    **dict.fromkeys(IMAGE_SUFFIXES, "one image: name a folder"),
}


def _open_file(path: Path) -> Source:
    with open(path, "rb") as file:
        start = file.readline(PEEK).removeprefix(b"\xef\xbb\xbf")
    suffix = path.suffix.lower()
    if "source-ref" in (json_object(start) or {}):
        return _open_manifest(path)
    if suffix == ".json":
        return _read_by("COCO", read_coco, path)
    if suffix in (".csv", ".tsv"):
        return _read_by("CSV", read_csv, path)
    if suffix in (".yaml", ".yml"):
        return _open_yolo(path, yolo_parts(path) or {})
    if suffix in NOT_READ:
        raise InvalidInput(f"{path} is {NOT_READ[suffix]}; {LOOKED_FOR}")
    return _open_manifest(path)


def _open_manifest(path: Path) -> Source:
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
