"""YOLO: a folder of images, a folder of text files with a box a line, and the names of the classes.

Layer: datasets. `5 0.5 0.5 0.2 0.1` is class, centre and sides, as shares of the image; more numbers are a
polygon, of which the box around it is taken. An image whose text file is absent or empty shows nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from customlabels.datasets.attributes import Box
from customlabels.datasets.items import IMAGE_SUFFIXES, Item, Reading, frame_of
from customlabels.errors import InvalidInput

PARTS = ("train", "val", "valid", "test")
LARGEST = 1 << 24  # bytes of a text file


def yolo_parts(path: Path) -> dict[str, Path] | None:
    """The folders of images that a data.yaml, or a folder of this layout, names; None where it is neither."""
    if path.is_file():
        return _named_parts(path)
    if (labels := _labels_folder(path)) and _has(labels, {".txt"}):
        return {path.name: path}
    images = path / "images"
    if not images.is_dir() or not (path / "labels").is_dir():
        return next((_named_parts(file) for file in _settings_files(path)), None)
    below = {part: images / part for part in PARTS if (images / part).is_dir()}
    return below or {path.name: images}


def read_yolo(images: Path) -> Reading:
    """The images of one folder; raises InvalidInput where their labels have no names."""
    reading, labels = Reading(images.resolve()), _labels_folder(images)
    names = _names(images)
    for image in sorted(images.rglob("*")):
        if image.suffix.lower() in IMAGE_SUFFIXES and not image.name.startswith("."):
            key = image.relative_to(images)
            text = (labels or images) / key.with_suffix(".txt")
            reading.items.append(_item(image, key.as_posix(), text, names, reading))
    orphans = sorted(_texts(labels or images) - {item.place[0] for item in reading.items})
    for file in orphans:
        if Path(file).stem != "classes":
            reading.refuse(
                (file, None), "yolo", "there is no image of this name", "add the image, or delete it"
            )
    return reading


def _texts(folder: Path) -> set[str]:
    return {str(file) for file in folder.rglob("*.txt")}


def _item(image: Path, key: str, text: Path, names: Mapping[int, str], reading: Reading) -> Item:
    frame, boxes = frame_of(image), list[Box]()
    if text.is_file() and text.stat().st_size > LARGEST:
        reading.refuse((str(text), None), "yolo", f"the file has more than {LARGEST >> 20} MiB")
    elif text.is_file():
        content = text.read_text(encoding="utf-8-sig", errors="replace")
        for number, line in enumerate(content.splitlines(), start=1):
            if line.strip():
                box = _box(line.split(), names, frame or (1, 1))
                if isinstance(box, Box):
                    boxes.append(box)
                else:
                    reading.refuse((str(text), number), "yolo", box)
    return Item(key, (str(text), None), boxes=tuple(boxes) if frame else (), frame=frame)


def _box(words: Sequence[str], names: Mapping[int, str], frame: tuple[float, float]) -> Box | str:
    """The box of a line in pixels, or what is wrong with the line."""
    try:
        number, values = int(float(words[0])), [float(word) for word in words[1:]]
    except ValueError:
        return f"{' '.join(words)[:80]!r} is not numbers alone"
    if number not in names:
        return f"class {number} has no name; there are {len(names)}"
    if len(values) in (4, 5):  # a fifth is a confidence
        across, down, width, height = values[:4]
        left, top = across - width / 2, down - height / 2
    elif len(values) >= 6 and len(values) % 2 == 0:
        left, top = min(values[::2]), min(values[1::2])
        width, height = max(values[::2]) - left, max(values[1::2]) - top
    else:
        return f"a line has a class and 4 numbers, or the corners of a polygon, not {len(words)} words"
    if not all(-1 <= value <= 2 for value in values):
        return "the numbers are shares of the image, 0 to 1; these look like pixels"
    pixels = [
        round(share * side, 3) for share, side in zip((left, top, width, height), frame * 2, strict=True)
    ]
    return Box(names[number], *pixels)


def _labels_folder(images: Path) -> Path | None:
    """The folder of the text files: the last `images` of the path replaced by `labels`."""
    parts = images.absolute().parts
    for at in reversed(range(len(parts))):
        if parts[at] == "images":
            folder = Path(*parts[:at], "labels", *parts[at + 1 :])
            return folder if folder.is_dir() else None
    return None


def _has(folder: Path, suffixes: set[str]) -> bool:
    return any(file.suffix.lower() in suffixes for file in folder.iterdir())


def _settings_files(folder: Path) -> list[Path]:
    return [
        file
        for name in ("data", "dataset")
        for end in ("yaml", "yml")
        if (file := folder / f"{name}.{end}").is_file()
    ]


def _settings(file: Path) -> dict[str, Any]:
    try:
        value = (
            yaml.safe_load(file.read_text(encoding="utf-8-sig")) if file.stat().st_size <= LARGEST else None
        )
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{file} is not YAML: {error}") from error
    if not isinstance(value, dict) or "names" not in value:
        raise InvalidInput(f"{file} is no YOLO data set: it has no `names`")
    return value


def _named_parts(file: Path) -> dict[str, Path]:
    """Where the parts are that a data.yaml names, as far as they are there."""
    settings, found = _settings(file), dict[str, Path]()
    base = file.parent / str(settings.get("path") or "")
    for part in PARTS:
        named = str(settings.get(part) or "")
        # Exports name ../train/images though the file lies beside train.
        for place in (base / named, file.parent / named, file.parent / named.removeprefix("../")):
            if named and place.is_dir() and part not in found:
                found[part] = place.resolve()
    return found


def _names(images: Path) -> Mapping[int, str]:
    for folder in (images, *images.absolute().parents[:3]):
        for file in _settings_files(folder):
            given = _settings(file)["names"]
            pairs: Iterable[tuple[Any, Any]] = given.items() if isinstance(given, dict) else enumerate(given)
            return {int(number): str(name) for number, name in pairs}
        for file in (folder / "classes.txt", folder / "labels" / "classes.txt"):
            if file.is_file():
                names = file.read_text(encoding="utf-8-sig").split("\n")
                return {number: name.strip() for number, name in enumerate(names) if name.strip()}
    raise InvalidInput(
        f"{images}: the classes have no names; looked for data.yaml and classes.txt here and above"
    )


def yolo_files(items: Sequence[Item]) -> dict[str, str]:
    """data.yaml and the text files, by their paths, for items whose images go into images/."""
    names = sorted({box.label for item in items for box in item.boxes})
    files = {
        "data.yaml": yaml.safe_dump({"train": "images", "names": dict(enumerate(names))}, allow_unicode=True)
    }
    for item in items:
        lines = []
        for box in item.boxes:
            width, height = item.frame or (1, 1)
            shares = (box.left + box.width / 2) / width, (box.top + box.height / 2) / height
            values = *shares, box.width / width, box.height / height
            lines.append(
                " ".join([str(names.index(box.label)), *(f"{value:.9g}" for value in values)]) + "\n"
            )
        files[f"labels/{Path(item.key).with_suffix('.txt').as_posix()}"] = "".join(lines)
    return files
