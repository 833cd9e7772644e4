"""A folder for each label: the simplest way to hand over labelled images.

Layer: datasets. Knows names of files and folders; opens no image.

    photos/cat/1.jpg, photos/cat/garden/2.jpg, photos/dog/1.png      labels cat, cat, dog
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from customlabels.datasets.findings import Problem

__all__ = ["IMAGE_SUFFIXES", "FolderContent", "read_folder"]

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png"}

# Why a file is left out -> what to do about it.
ADVICE = {
    "not an image by its name": "it is left out; convert it to JPEG or PNG if it is an image",
    "in no label's folder": "move it into the folder of its label",
    "a linked folder": "it is left out; put the files themselves there",
    "a link that leads out of the folder or to nothing": "put the file itself there",
    "not named in UTF-8": "rename it",
}


@dataclass(frozen=True)
class FolderContent:
    """(key, label) of every image, sorted by key (the path below the folder); what was left out, and why."""

    images: tuple[tuple[str, str], ...]
    problems: tuple[Problem, ...]


def read_folder(folder: Path) -> FolderContent:
    """The images below a folder, each with the name of the first-level folder that it is in.

    What begins with a dot is ignored. Raises OSError where the folder cannot be read.
    """
    root = folder.resolve()
    images: list[tuple[str, str]] = []
    problems: list[Problem] = []
    for key in sorted(_keys(root)):
        reason = _reason_to_leave_out(root, key)
        if reason is None:
            images.append((key, key.partition("/")[0]))
        else:
            name = os.fsencode(folder / key).decode(errors="backslashreplace")
            problems.append(Problem("warning", name, None, "folder", reason, ADVICE[reason]))
    used = {label for _key, label in images}
    problems += [
        Problem("warning", str(each), None, "folder", "a label without images", "add some, or delete it")
        for each in sorted(root.iterdir())
        if each.is_dir() and not each.name.startswith(".") and each.name not in used
    ]
    return FolderContent(tuple(images), tuple(problems))


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
