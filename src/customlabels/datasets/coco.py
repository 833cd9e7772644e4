"""COCO: one JSON file with images, categories and annotations.

Layer: datasets. An annotation with a `bbox` is a box; one without labels its whole image. Crowd regions are
left out, masks are not read.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from customlabels.datasets.attributes import Box
from customlabels.datasets.items import Item, Place, Reading, frame_of, fullest, key_below
from customlabels.errors import InvalidInput

LARGEST = 1 << 29  # bytes
LOOKED_AT = 20  # images by which their folder is told


def is_coco(value: Any) -> bool:
    """Whether a JSON document is one of these."""
    return isinstance(value, dict) and isinstance(value.get("images"), list) and "annotations" in value


def read_coco(path: Path) -> Reading:
    """The images of a COCO file; raises InvalidInput where it is none."""
    document = _document(path)
    images = {image["id"]: image for image in document["images"] if _has(image, "id", "file_name")}
    reading = Reading(_images_folder(path, [image["file_name"] for image in images.values()]))
    place: Place = (str(path), None)
    if len(images) < len(document["images"]):
        count = len(document["images"]) - len(images)
        reading.refuse(place, "coco", f"{count} images have no id of their own or no file_name")
    names = {each["id"]: each["name"] for each in document.get("categories", []) if _has(each, "id", "name")}
    labels: dict[Any, dict[str, None]] = defaultdict(dict)
    boxes: dict[Any, list[Box]] = defaultdict(list)
    for number, annotation in enumerate(document["annotations"]):
        told = _flaw(annotation, images, names)
        if told:
            reading.refuse(place, "coco", f"annotations[{number}]: {told}")
        elif annotation.get("bbox"):
            if not annotation.get("iscrowd"):
                label = str(names[annotation["category_id"]])
                boxes[annotation["image_id"]].append(Box(label, *map(float, annotation["bbox"])))
        else:
            labels[annotation["image_id"]][str(names[annotation["category_id"]])] = None
    for image_id, image in images.items():
        key = key_below(str(image["file_name"]))
        if key is None:
            reading.refuse(place, "coco", f"file_name {image['file_name']!r} is not a path below its folder")
            continue
        frame = (image.get("width"), image.get("height")) if boxes else None
        if frame and not all(isinstance(side, int | float) and side > 0 for side in frame):
            frame = frame_of(reading.root / key)
        reading.items.append(Item(key, place, tuple(labels[image_id]), tuple(boxes[image_id]), frame))
    return reading


def _document(path: Path) -> Any:
    if path.stat().st_size > LARGEST:
        raise InvalidInput(f"{path} has more than {LARGEST >> 20} MiB; divide it")
    try:
        document = orjson.loads(path.read_bytes().removeprefix(b"\xef\xbb\xbf"))
    except ValueError as error:
        raise InvalidInput(f"{path} is not JSON: {error}") from error
    if not is_coco(document) or not isinstance(document["annotations"], list):
        raise InvalidInput(f"{path} is not COCO: it needs lists named images, annotations and categories")
    return document


def _has(value: Any, *keys: str) -> bool:
    return isinstance(value, dict) and all(isinstance(value.get(key), str | int) for key in keys)


def _flaw(annotation: Any, images: dict[Any, Any], names: dict[Any, Any]) -> str | None:
    """What is wrong with an annotation."""
    if not _has(annotation, "image_id", "category_id"):
        return "it needs image_id and category_id"
    if annotation["image_id"] not in images:
        return f"there is no image {annotation['image_id']!r}"
    if annotation["category_id"] not in names:
        return f"there is no category {annotation['category_id']!r}"
    box = annotation.get("bbox") or [0, 0, 0, 0]
    if not isinstance(box, list) or len(box) != 4 or not all(type(each) in (int, float) for each in box):
        return f"bbox {box!r} is not [left, top, width, height]"
    return None


def _images_folder(path: Path, names: Sequence[str]) -> Path:
    """Where most of the first images are: beside the file, or where such data sets usually have them."""
    part = path.stem.removeprefix("instances_")
    above = path.parent.parent
    likely = [path.parent, path.parent / "images", above / "images", above / part, above / "images" / part]
    likely += [path.parent / part, above]
    return fullest(likely, map(str, names[:LOOKED_AT]))


def coco_document(items: Sequence[Item]) -> str:
    """The JSON file for some items; images are addressed by their keys."""
    used = {label for item in items for label in item.all_labels}
    numbers = {label: number for number, label in enumerate(sorted(used), start=1)}
    images, annotations = [], list[dict[str, Any]]()
    for image_id, item in enumerate(items, start=1):
        sides = {"width": item.frame[0], "height": item.frame[1]} if item.frame else {}
        images.append({"id": image_id, "file_name": item.key, **sides})
        for label in item.labels:
            annotations.append({"image_id": image_id, "category_id": numbers[label]})
        for box in item.boxes:
            place = {"bbox": [box.left, box.top, box.width, box.height], "area": box.width * box.height}
            annotations.append(
                {"image_id": image_id, "category_id": numbers[box.label], "iscrowd": 0, **place}
            )
    document = {
        "images": images,
        "annotations": [{"id": number, **each} for number, each in enumerate(annotations, start=1)],
        "categories": [{"id": number, "name": label} for label, number in numbers.items()],
    }
    return orjson.dumps(document, option=orjson.OPT_INDENT_2).decode()
