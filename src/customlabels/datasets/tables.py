"""CSV: a row for each image, or for each label or box of one.

Layer: datasets. Columns are known by their names, whatever their order; without a heading they are image,
label, left, top, width, height. Several labels of an image: several rows, or parted by `;` or `|`.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from customlabels.datasets.attributes import Box
from customlabels.datasets.items import IMAGE_SUFFIXES, Item, Reading, frame_of, fullest, key_below
from customlabels.errors import InvalidInput

# What a column may be called, spaces, dashes, underscores and case left aside.
COLUMNS = {
    "image": {"image", "file", "filename", "path", "imagepath", "imagename", "filepath", "sourceref"},
    "label": {"label", "labels", "class", "classname", "category", "name", "tag", "tags"},
    "left": {"left", "x", "xmin", "x1"},
    "top": {"top", "y", "ymin", "y1"},
    "right": {"right", "xmax", "x2"},
    "bottom": {"bottom", "ymax", "y2"},
    "width": {"width", "w", "boxwidth"},
    "height": {"height", "h", "boxheight"},
}
UNNAMED = ("image", "label", "left", "top", "width", "height")
CORNERS = ("left", "top", "right", "bottom")
SIDES = ("left", "top", "width", "height")
HEADING = ("image", "label", *SIDES)
SEPARATORS = re.compile(r"[;|]")
LOOKED_AT = 20  # rows by which the images' folder is told


def read_csv(path: Path) -> Reading:
    """The images of a table; raises InvalidInput where it has no column of images."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            return _read(path, file)
    except (UnicodeDecodeError, csv.Error) as error:
        raise InvalidInput(f"{path} cannot be read as CSV in UTF-8: {error}") from error


def is_table(start: bytes) -> bool:
    """Whether a file begins with a row that names images and labels, or with an image and its label."""
    first = start.decode("utf-8-sig", errors="replace").split("\n")[0]
    try:
        return len(_columns(next(csv.reader([first], delimiter=_delimiter(first))), Path())) > 1
    except (InvalidInput, csv.Error, StopIteration):
        return False


def _delimiter(first: str) -> str:
    return max(",;\t", key=first.count)


def _read(path: Path, file: io.TextIOBase) -> Reading:
    start = file.readline(1 << 16)
    file.seek(0)
    rows = _rows(file, _delimiter(start))
    first = next(rows, None)
    if first is None:
        raise InvalidInput(f"{path} is empty; it needs a row for each image")
    columns = _columns(first[1], path)
    reading, items = Reading(path.parent.resolve()), dict[str, Item]()
    listed = ([first] if "heading" not in columns else []) + list(rows)
    named = [row[columns["image"]] for _, row in listed[:LOOKED_AT] if row]
    reading.root = fullest((path.parent, path.parent / "images"), named)
    kind = next((kind for kind in (CORNERS, SIDES) if set(kind) <= set(columns)), None)
    for line, row in listed:
        cells = {name: row[at].strip() for name, at in columns.items() if -1 < at < len(row)}
        _add(reading, items, (str(path), line), cells, kind)
    with_boxes = any(item.boxes for item in items.values())
    reading.items = [item if with_boxes else replace(item, frame=None) for item in items.values()]
    return reading


def _rows(file: io.TextIOBase, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not empty, with their lines."""
    reader = csv.reader(file, delimiter=delimiter, skipinitialspace=True)
    for row in reader:
        if any(cell.strip() for cell in row):
            yield reader.line_num, row


def _columns(first: Sequence[str], path: Path) -> dict[str, int]:
    """The place of each column; "heading" where the first row names them."""
    plain = [re.sub(r"[ _\-]", "", cell.strip().lower()) for cell in first]
    found = {name: at for name, words in COLUMNS.items() for at, cell in enumerate(plain) if cell in words}
    if "image" in found and "label" in found:
        return found | {"heading": -1}
    if Path(first[0].strip()).suffix.lower() in IMAGE_SUFFIXES:
        return {name: at for at, name in enumerate(UNNAMED) if at < len(first)}
    raise InvalidInput(
        f"{path}: its first row {','.join(first)[:80]!r} has no columns `image` and `label`, and is no image"
    )


def _add(
    reading: Reading,
    items: dict[str, Item],
    place: tuple[str, int],
    row: dict[str, str],
    kind: tuple[str, ...] | None,
) -> None:
    """Put a row to what earlier rows said about its image."""
    key = key_below(row.get("image", ""))
    if key is None:
        reading.refuse(place, "csv", f"{row.get('image', '')!r} is not a path below {reading.root}")
        return
    item = items.get(key) or Item(key, place, frame=frame_of(reading.root / key) if kind else None)
    items[key] = item
    labels = [label for text in SEPARATORS.split(row.get("label", "")) if (label := text.strip())]
    numbers = [row.get(name, "") for name in kind or ()]
    if not any(numbers):
        items[key] = replace(item, labels=tuple(dict.fromkeys((*item.labels, *labels))))
        return
    try:
        left, top, across, down = map(float, numbers)
    except ValueError:
        reading.refuse(
            place, "csv", f"a box needs four numbers {', '.join(kind or ())}, not {', '.join(numbers)}"
        )
        return
    if len(labels) != 1:
        reading.refuse(place, "csv", "a box needs one label")
    elif item.frame:
        sides = (across - left, down - top) if kind == CORNERS else (across, down)
        items[key] = replace(item, boxes=(*item.boxes, Box(labels[0], left, top, *sides)))


def csv_document(items: Sequence[Item]) -> str:
    """The table for some items; an image without any label has a row of its own."""
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(HEADING if any(item.boxes for item in items) else HEADING[:2])
    for item in items:
        if item.labels or not item.boxes:
            table.writerow([item.key, ";".join(item.labels)])
        for box in item.boxes:
            table.writerow([item.key, box.label, box.left, box.top, box.width, box.height])
    return out.getvalue()
