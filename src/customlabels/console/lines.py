"""Lines of a data set as pages show and change them.

Layer: console. Pure. A changed line keeps whatever else its owner wrote into it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from customlabels.datasets import Box, Entry, Item, item_lines, read_line
from customlabels.errors import ServiceError

WHOLE, BOXES = "groundtruth/image-classification", "groundtruth/object-detection"
JOB = "labeling-job/customlabels-console"


def entry_of(listed: str) -> Entry:
    """A line as ListDatasetEntries gives it."""
    read = read_line(listed, 1)
    assert isinstance(read, Entry)  # what was left out is not listed
    return read


def shown(entry: Entry) -> dict[str, Any]:
    """What the desk works on."""
    return {
        "ref": entry.source_ref,
        "labels": list(entry.image_labels),
        "boxes": [[box.label, box.left, box.top, box.width, box.height] for box in entry.boxes],
        "size": entry.frame,
        "errors": [error.message for error in entry.errors],
    }


def new_line(source_ref: str, labels: Sequence[str], date: str) -> str:
    """A line for an image that is new. date: ISO 8601"""
    return relabelled(json.dumps({"source-ref": source_ref}), labels, [], None, date)


def relabelled(
    line: str, labels: Sequence[str], boxes: Sequence[Sequence[Any]], size: Sequence[float] | None, date: str
) -> str:
    """The line with these labels of the whole image and these boxes (label, left, top, width, height).

    size: width and height of the image in pixels, needed with boxes. Raises ServiceError for what no line
    may hold.
    """
    value: dict[str, Any] = json.loads(line)
    for name in [name for name in value if _is_label(value.get(f"{name}-metadata"))]:
        del value[name], value[f"{name}-metadata"]
    if boxes and not size:
        raise ServiceError("ValidationException", "boxes need the size of their image")
    drawn = tuple(Box(str(label), *sides) for label, *sides in boxes)
    frame = (size[0], size[1]) if boxes and size else None
    [text] = item_lines(
        [Item(value["source-ref"], ("", None), tuple(dict.fromkeys(labels)), drawn, frame)], ""
    )
    for name, told in json.loads(text).items():
        ours = {"job-name": JOB, "creation-date": date} if name.endswith("-metadata") else {}
        value[name] = told | ours if ours else told
    written = json.dumps(value)
    read = read_line(written, 1)
    if not isinstance(read, Entry) or read.errors:
        problems = read.errors if isinstance(read, Entry) else ()
        text = " ".join(dict.fromkeys(error.message for error in problems)) or str(read)
        raise ServiceError("ValidationException", f"{value['source-ref']}: {text}")
    return written


def _is_label(metadata: Any) -> bool:
    return isinstance(metadata, Mapping) and metadata.get("type") in (WHOLE, BOXES)
