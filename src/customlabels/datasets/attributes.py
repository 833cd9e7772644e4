"""Label attributes of a manifest line: what the line says about its image, and what is wrong with it.

Layer: datasets. Pure: a decoded line in, labels, boxes and errors out; codes and words are the service's.

Two rounds. The shape of every attribute is checked first; any fault there makes the whole line unusable.
Then the content: a bad box is left out, a bad attribute is left out, the rest of the line stays.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

IMAGE_LEVEL = "groundtruth/image-classification"
BOXES = "groundtruth/object-detection"

LONGEST_LABEL = 256  # characters
MOST_BOXES = 50
SIDES = (64, 4096)  # pixels, both allowed
TRAINED_SIDE = 1280  # the trainer shrinks longer sides to this; a box must survive it

MESSAGES = {
    "ERROR_INVALID_JSON_LINE": "The JSON Line has an invalid format.",
    "ERROR_MISSING_SOURCE_REF": "The source-ref key is missing.",
    "ERROR_INVALID_SOURCE_REF_FORMAT": "The format of the source-ref value is invalid.",
    "ERROR_NO_LABEL_ATTRIBUTES": "No label attributes found.",
    "ERROR_INVALID_LABEL_ATTRIBUTE_FORMAT": "The format of the label attribute {} is invalid.",
    "ERROR_INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT": "The format of the label attribute metadata is invalid.",
    "ERROR_MISSING_BOUNDING_BOX_CONFIDENCE": "One or more bounding boxes has a missing confidence value.",
    "ERROR_MISSING_CLASS_MAP_ID": "One of more class ids is missing from the class map.",  # sic
    "ERROR_UNSUPPORTED_USE_CASE_TYPE": (
        "The use case type of the {}-metadata label attribute metadata is unsupported. Check the type field."
    ),
    "ERROR_NO_VALID_LABEL_ATTRIBUTES": "No valid label attributes found.",
    "ERROR_INVALID_LABEL_NAME_LENGTH": f"The label name is longer than {LONGEST_LABEL} characters.",
    "ERROR_INVALID_IMAGE": "The image is invalid. Check S3 path and/or image properties.",
    "ERROR_INVALID_IMAGE_DIMENSION": "The image dimension(s) do not conform to allowed dimensions.",
    "ERROR_INVALID_BOUNDING_BOX": "The bounding box has off frame values.",
    "ERROR_BOUNDING_BOX_TOO_SMALL": "The height and width of the bounding box is too small.",
    "ERROR_TOO_MANY_BOUNDING_BOXES": "There are more bounding boxes than the allowed maximum.",
    "ERROR_NO_VALID_ANNOTATIONS": "No valid annotations found.",
    "ERROR_LINE_TOO_LONG": "The JSON Line has too many characters.",  # ours, as the next one
    "ERROR_REPEATED_SOURCE_REF": "The source-ref value is repeated.",
    "WARNING_UNANNOTATED_RECORD": "Record is unannotated.",
    "WARNING_NO_ANNOTATIONS": "No annotations were found.",
    "WARNING_NO_ATTRIBUTE_ANNOTATIONS": "No attribute annotations were found.",
}

Place = tuple[str | int, ...]  # keys and indices from the line's top; () is the line itself


@dataclass(frozen=True)
class LineError:
    """Something wrong with a line: the service's code and words, and where in the line it is."""

    code: str
    message: str
    place: Place


@dataclass(frozen=True)
class Box:
    """A labelled box in pixels; inside its image, and larger than nothing."""

    label: str
    left: float
    top: float
    width: float
    height: float


@dataclass
class Read:
    """What the attributes of one line give."""

    image_labels: tuple[str, ...] = ()
    boxes: tuple[Box, ...] = ()
    frame: tuple[float, float] | None = None
    errors: tuple[LineError, ...] = ()
    warnings: tuple[LineError, ...] = ()

    def refuse(self, code: str, place: Place, name: str = "") -> bool:
        """Note an error; always False, for the reader of an attribute that is not valid."""
        self.errors += (line_error(code, place, name),)
        return False


class _Attribute(NamedTuple):
    name: str
    value: Any
    metadata: Any
    metadata_place: Place


def line_error(code: str, place: Place, name: str = "") -> LineError:
    """The error with its words; `name`: the label attribute, where the words name it."""
    return LineError(code, MESSAGES[code].format(name), place)


def read_attributes(line: Mapping[str, Any]) -> Read:
    """Labels, boxes, errors and warnings of a line that is a JSON object with a source-ref."""
    attributes = [
        _Attribute(key, value, line[f"{key}-metadata"], (f"{key}-metadata",))
        for key, value in line.items()
        if key != "source-ref" and f"{key}-metadata" in line
    ]
    if not attributes:
        if set(line) == {"source-ref"}:
            return Read(warnings=(line_error("WARNING_UNANNOTATED_RECORD", ()),))
        return Read(errors=(line_error("ERROR_NO_LABEL_ATTRIBUTES", ()),))
    misshapen = tuple(error for attribute in attributes for error in _shape_errors(attribute))
    if misshapen:
        return Read(errors=misshapen)
    read = Read()
    valid = [READERS.get(each.metadata["type"], _unsupported)(each, read) for each in attributes]
    if not any(valid):
        read.refuse("ERROR_NO_VALID_LABEL_ATTRIBUTES", ())
    if len(read.warnings) == len(attributes):  # each of them warned that it has no annotations
        read.warnings += (line_error("WARNING_NO_ANNOTATIONS", ()),)
    return read


# ---------------------------------------------------------------- first round: shapes

DATE = re.compile(
    r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d([.,]\d+)?)?\s?(Z|[+-]\d\d:?(\d\d)?)?)?", re.IGNORECASE
)
LINE_ENDS = re.compile("[\n\r\x85\u2028\u2029]")
Check = Callable[[Any], bool]
Shape = Mapping[str, Check]


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != "" and "\0" not in value


def _is_label(value: Any) -> bool:
    return _is_text(value) and not LINE_ENDS.search(value)  # which the API's labels cannot have


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_integer(value: Any) -> bool:
    return _is_number(value) and float(value).is_integer()


def _is_date(value: Any) -> bool:
    return isinstance(value, str) and DATE.fullmatch(value.strip()) is not None


def _is_class_map(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_label, value.values()))


def _fits(value: Any, shape: Shape) -> bool:
    return isinstance(value, dict) and all(key in value and check(value[key]) for key, check in shape.items())


def _frame(image_size: Any) -> Any:
    """The one element of `image_size`; a bare object counts too."""
    return image_size[0] if isinstance(image_size, list) and len(image_size) == 1 else image_size


FRAME: Shape = dict.fromkeys(("width", "height", "depth"), _is_number)
BOX: Shape = {"class_id": _is_integer} | dict.fromkeys(("left", "top", "width", "height"), _is_number)
BOXES_VALUE: Shape = {
    "image_size": lambda value: _fits(_frame(value), FRAME),
    "annotations": lambda value: isinstance(value, list) and all(_fits(box, BOX) for box in value),
}
COMMON_METADATA: Shape = {"human-annotated": lambda value: value in ("yes", "no"), "creation-date": _is_date}
METADATA: Mapping[str, Shape] = {
    IMAGE_LEVEL: {**COMMON_METADATA, "class-name": _is_label, "confidence": _is_number},
    BOXES: {**COMMON_METADATA, "class-map": _is_class_map, "objects": lambda value: isinstance(value, list)},
}
VALUES: Mapping[str, Check] = {IMAGE_LEVEL: _is_integer, BOXES: lambda value: _fits(value, BOXES_VALUE)}


def _shape_errors(attribute: _Attribute) -> list[LineError]:
    metadata, place = attribute.metadata, attribute.metadata_place
    if not isinstance(metadata, dict) or not isinstance(metadata.get("type"), str):
        return [line_error("ERROR_INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT", place)]
    kind = metadata["type"]
    if kind not in METADATA:
        return []  # whatever shape it has; the second round refuses its type
    errors = []
    if not VALUES[kind](attribute.value):
        errors.append(line_error("ERROR_INVALID_LABEL_ATTRIBUTE_FORMAT", (attribute.name,), attribute.name))
    if not _fits(metadata, METADATA[kind]):
        errors.append(line_error("ERROR_INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT", place))
    if errors or kind == IMAGE_LEVEL:
        return errors
    boxes = attribute.value["annotations"]
    confidences = [item for item in metadata["objects"] if isinstance(item, dict) and "confidence" in item]
    if len(confidences) < len(boxes):
        errors.append(line_error("ERROR_MISSING_BOUNDING_BOX_CONFIDENCE", place))
    if any(str(int(box["class_id"])) not in metadata["class-map"] for box in boxes):
        errors.append(line_error("ERROR_MISSING_CLASS_MAP_ID", place))
    return errors


# ---------------------------------------------------------------- second round: content


def _unsupported(attribute: _Attribute, read: Read) -> bool:
    return read.refuse("ERROR_UNSUPPORTED_USE_CASE_TYPE", attribute.metadata_place, attribute.name)


def _read_image_level(attribute: _Attribute, read: Read) -> bool:
    label = attribute.metadata["class-name"]
    if len(label) > LONGEST_LABEL:
        return read.refuse("ERROR_INVALID_LABEL_NAME_LENGTH", attribute.metadata_place)
    if label not in read.image_labels:
        read.image_labels += (label,)
    return True


def _read_boxes(attribute: _Attribute, read: Read) -> bool:
    place, names = (attribute.name,), attribute.metadata["class-map"]
    frame = _frame(attribute.value["image_size"])
    boxes = [
        Box(names[str(int(box["class_id"]))], box["left"], box["top"], box["width"], box["height"])
        for box in attribute.value["annotations"]
    ]
    before = len(read.errors)
    if any(len(box.label) > LONGEST_LABEL for box in boxes):
        read.refuse("ERROR_INVALID_LABEL_NAME_LENGTH", attribute.metadata_place)
    if not all(SIDES[0] <= frame[side] <= SIDES[1] for side in ("width", "height")):
        read.refuse("ERROR_INVALID_IMAGE_DIMENSION", place)
    if len(boxes) > MOST_BOXES:
        read.refuse("ERROR_TOO_MANY_BOUNDING_BOXES", place)
    if len(read.errors) > before:
        return False
    read.frame = read.frame or (frame["width"], frame["height"])
    if read.frame != (frame["width"], frame["height"]):  # several attributes have one image
        return read.refuse("ERROR_INVALID_IMAGE_DIMENSION", place)
    if not boxes:
        read.warnings += (line_error("WARNING_NO_ATTRIBUTE_ANNOTATIONS", place),)
        return True
    flaws = [_flaw(box, frame["width"], frame["height"]) for box in boxes]
    for index, flaw in enumerate(flaws):
        if flaw:
            read.refuse(flaw, (*place, "annotations", index))
    read.boxes += tuple(box for box, flaw in zip(boxes, flaws, strict=True) if not flaw)
    return not all(flaws) or read.refuse("ERROR_NO_VALID_ANNOTATIONS", place)


def _flaw(box: Box, width: float, height: float) -> str | None:
    """The code of what is wrong with a box in an image of width x height pixels."""
    if (
        min(box.left, box.top, box.width, box.height) < 0
        or box.left + box.width > width
        or box.top + box.height > height
    ):
        return "ERROR_INVALID_BOUNDING_BOX"
    scale = min(1.0, TRAINED_SIDE / max(width, height))
    too_small = min(box.width, box.height) <= 0 or max(box.width, box.height) * scale <= 1
    return "ERROR_BOUNDING_BOX_TOO_SMALL" if too_small else None


READERS: Mapping[str, Callable[[_Attribute, Read], bool]] = {
    IMAGE_LEVEL: _read_image_level,
    BOXES: _read_boxes,
}
