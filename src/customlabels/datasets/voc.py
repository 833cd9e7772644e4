"""Pascal VOC: an XML file for each image.

Layer: datasets. Entities and document types are refused before anything is parsed: a small file cannot become
a large one. A box reaches from (xmin, ymin) to (xmax, ymax), as the common tools write it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree  # only text without document types is given to it
from xml.sax.saxutils import escape

from customlabels.datasets.attributes import Box
from customlabels.datasets.items import IMAGE_SUFFIXES, Item, Reading, frame_of, key_below

LARGEST = 1 << 22  # bytes of a file
CORNERS = ("xmin", "ymin", "xmax", "ymax")
IMAGE_FOLDERS = ("JPEGImages", "images", ".")


def read_voc(path: Path) -> Reading:
    """The images of a folder with XML files beside them, or in a folder named Annotations."""
    described = path / "Annotations"
    files = sorted((described if described.is_dir() else path).rglob("*.xml"))
    reading = Reading(path.resolve())
    for file in files:
        root = _parsed(file, reading)
        if root is not None:
            _read(root, file, path, reading)
    return reading


def _parsed(file: Path, reading: Reading) -> ElementTree.Element | None:
    try:
        if file.stat().st_size > LARGEST:
            reading.refuse((str(file), None), "voc", f"the file has more than {LARGEST >> 20} MiB")
            return None
        text = file.read_text(encoding="utf-8-sig")
        if "<!DOCTYPE" in text or "<!ENTITY" in text:
            reading.refuse((str(file), None), "voc", "a document type or an entity is not read", "remove it")
            return None
        return ElementTree.fromstring(text)  # noqa: S314 (no entity gets here)
    except UnicodeDecodeError:
        reading.refuse((str(file), None), "voc", "it is not text in UTF-8", "save it as UTF-8")
    except ElementTree.ParseError as error:
        reading.refuse((str(file), error.position[0]), "voc", f"it is not XML: {error}")
    return None


def _read(root: ElementTree.Element, file: Path, folder: Path, reading: Reading) -> None:
    key = _image(root, file, folder)
    if key is None:
        told = f"its image {(root.findtext('filename') or file.stem)!r} is not there"
        reading.refuse((str(file), None), "voc", told, "add the image, or correct `filename`")
        return
    sides = [_number(root.findtext(f"size/{side}")) for side in ("width", "height")]
    frame = (sides[0], sides[1]) if sides[0] and sides[1] else frame_of(reading.root / key)
    labels, boxes = dict[str, None](), list[Box]()
    for number, thing in enumerate(root.iter("object"), start=1):
        label = (thing.findtext("name") or "").strip()
        corners = [_number(thing.findtext(f"bndbox/{corner}")) for corner in CORNERS]
        if not label:
            reading.refuse((str(file), None), "voc", f"object {number} has no name")
        elif thing.find("bndbox") is None:
            labels[label] = None
        elif None in corners:
            reading.refuse(
                (str(file), None), "voc", f"object {number}: bndbox needs numbers {', '.join(CORNERS)}"
            )
        else:
            left, top, right, bottom = (corner or 0.0 for corner in corners)
            boxes.append(Box(label, left, top, right - left, bottom - top))
    item = Item(key, (str(file), None), tuple(labels), tuple(boxes) if frame else (), frame)
    reading.items.append(item)


def _image(root: ElementTree.Element, file: Path, folder: Path) -> str | None:
    """The image's path below the folder: as named, or named as the XML file is."""
    below = file.relative_to(folder).parent
    inner = Path(*below.parts[1:]) if below.parts[:1] == ("Annotations",) else below
    named = key_below(root.findtext("filename") or "")
    names = [named] if named else []
    names += [f"{file.stem}{suffix}" for end in IMAGE_SUFFIXES for suffix in (end, end.upper())]
    for name in names:
        for images in (*IMAGE_FOLDERS, "Annotations"):
            key = key_below((Path(images) / inner / name).as_posix())
            if key and (folder / key).is_file():
                return key
    return None


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if abs(value) < 1e9 else None


def voc_files(items: Sequence[Item]) -> dict[str, str]:
    """The XML files, by their paths, for items whose images go into JPEGImages/."""
    return {f"Annotations/{Path(item.key).with_suffix('.xml').as_posix()}": _document(item) for item in items}


def _document(item: Item) -> str:
    width, height = item.frame or (0, 0)
    things = [f"  <object><name>{escape(label)}</name></object>\n" for label in item.labels]
    for box in item.boxes:
        values = box.left, box.top, box.left + box.width, box.top + box.height
        corners = "".join(
            f"<{name}>{value:.9g}</{name}>" for name, value in zip(CORNERS, values, strict=True)
        )
        things.append(f"  <object><name>{escape(box.label)}</name><bndbox>{corners}</bndbox></object>\n")
    size = f"<width>{width:g}</width><height>{height:g}</height><depth>3</depth>"
    name = f"  <filename>{escape(Path(item.key).name)}</filename>\n"
    return f"<annotation>\n{name}  <size>{size}</size>\n{''.join(things)}</annotation>\n"
