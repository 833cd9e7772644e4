"""Exporting: labelled images written as a data set of any of the formats that are read.

Layer: datasets. What a format cannot say is refused before anything is written. Of a manifest labels, boxes
and sizes are kept; confidences, dates and job names are not, since no other format has them.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from customlabels.datasets.building import new_folder
from customlabels.datasets.coco import coco_document
from customlabels.datasets.findings import Problem
from customlabels.datasets.items import Item, item_lines
from customlabels.datasets.manifests import Dropped, split_ref, told_errors
from customlabels.datasets.sources import Source, bucket_name
from customlabels.datasets.tables import csv_document
from customlabels.datasets.voc import voc_files
from customlabels.datasets.yolo import yolo_files
from customlabels.errors import InvalidInput


@dataclass(frozen=True)
class Images:
    """The images of a source with what is said about them, and what of it cannot be used."""

    root: Path
    items: tuple[Item, ...]
    problems: tuple[Problem, ...]


def images_of(source: Source) -> Images:
    """Every image of a source that is in its own folder; raises ManifestFileError for a hopeless manifest."""
    bucket, items = bucket_name(source.root), list[Item]()
    problems = [problem for problem in source.problems if problem.severity == "unusable"]

    def refuse(position: int, rule: str, message: str) -> None:
        place = source.place(position)
        problems.append(Problem("unusable", *place, rule, message, "correct it or remove it"))

    for entry in source.entries(bucket):
        if isinstance(entry, Dropped):
            refuse(entry.position, entry.code, entry.reason)
            continue
        found, key = split_ref(entry.source_ref)
        for error in told_errors(entry):
            refuse(entry.position, error.code, f"{key}: {error.message}")
        if found != bucket:
            refuse(entry.position, "elsewhere", f"{entry.source_ref} is not below {source.root}")
        elif not (source.root / key).resolve().is_relative_to(source.root):
            refuse(entry.position, "elsewhere", f"{key} leads out of {source.root}")
        elif not (source.root / key).is_file():
            refuse(entry.position, "ERROR_INVALID_IMAGE", f"there is no file {source.root / key}")
        else:
            place = source.place(entry.position)
            items.append(Item(key, place, entry.image_labels, entry.boxes, entry.frame))
    return Images(source.root, tuple(items), tuple(problems))


def _manifest(items: Sequence[Item], folder: str) -> str:
    """The text of a manifest that lies beside the folder of its images."""
    return "".join(f"{line}\n" for line in item_lines(items, f"{folder}/"))


# The folder that the images go into, and the other files by their paths.
FORMATS: Mapping[str, tuple[str, Callable[[Sequence[Item]], dict[str, str]]]] = {
    "manifest": ("images", lambda items: {"dataset.manifest": _manifest(items, "images")}),
    "coco": ("images", lambda items: {"annotations/instances.json": coco_document(items)}),
    "yolo": ("images", yolo_files),
    "voc": ("JPEGImages", voc_files),
    "csv": ("images", lambda items: {"labels.csv": csv_document(items)}),
    "folders": ("", lambda _items: {}),
}


def export(images: Images, form: str, folder: Path) -> None:
    """Write a new folder; raises InvalidInput where the format cannot say all of it."""
    if form not in FORMATS:
        raise InvalidInput(f"{form!r} is no format; there are: {', '.join(FORMATS)}")
    if not images.items:
        raise InvalidInput("there is no image to write")
    for item in images.items:
        if told := _unsayable(item, form):
            raise InvalidInput(f"{item.key}: {told}; choose another --format, or take the image out")
    keys = {item.key: _new_key(item, form) for item in images.items}
    if form in ("yolo", "voc"):
        _require_apart(keys, lambda key: Path(key).with_suffix("").as_posix())
    _require_apart(keys, str)
    renamed = [replace(item, key=keys[item.key]) for item in images.items]
    place, files = FORMATS[form]
    with new_folder(folder) as beside:
        for old, new in keys.items():
            _copy(images.root / old, beside / place / new)
        for name, text in files(renamed).items():
            (beside / name).parent.mkdir(parents=True, exist_ok=True)
            (beside / name).write_text(text, encoding="utf-8")


def write_parts(root: Path, parts: Mapping[str, Sequence[Item]], folder: Path) -> None:
    """Write a new folder with a manifest and a folder of images for each part, named for it."""
    with new_folder(folder) as beside:
        for part, items in parts.items():
            for item in items:
                _copy(root / item.key, beside / part / item.key)
            (beside / f"{part}.manifest").write_text(_manifest(items, part), encoding="utf-8")


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def _unsayable(item: Item, form: str) -> str | None:
    """What the format cannot say of an item."""
    labels = item.labels
    if form == "yolo" and labels:
        return "YOLO has boxes only, no labels of whole images"
    if form == "csv" and any(set(label) & set(";|") or label != label.strip() for label in labels):
        return "a label with ; or | or spaces around it cannot stand in CSV"
    if form != "folders":
        return None
    if item.boxes or len(labels) != 1:
        return f"folders say one label an image; it has {len(labels)}, and {len(item.boxes)} boxes"
    if "/" in labels[0] or labels[0].startswith(".") or labels[0] != labels[0].strip():
        return f"{labels[0]!r} cannot be the name of a folder"
    return None


def _new_key(item: Item, form: str) -> str:
    """Where the image goes below the images' folder."""
    if form != "folders" or item.key.startswith(f"{item.labels[0]}/"):
        return item.key
    return f"{item.labels[0]}/{item.key.replace('/', '-')}"


def _require_apart(keys: Mapping[str, str], name_of: Callable[[str], str]) -> None:
    seen: dict[str, str] = {}
    for old, new in keys.items():
        first = seen.setdefault(name_of(new), old)
        if first != old:
            raise InvalidInput(
                f"{first} and {old} would get the same file {name_of(new)}; rename one of them"
            )
