"""Files that are whole or not there, and still there after a power cut.

Layer: storage. A name is durable only when its folder is synced too: a rename alone may be lost.
"""

import os
from collections.abc import Iterable
from pathlib import Path


def sync(place: Path) -> None:
    """Make the content of a file, or the names in a folder, durable."""
    handle = os.open(place, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_whole(file: Path, chunks: Iterable[bytes]) -> None:
    """Put a file in place, written beside it first; one writer at a time for one name."""
    part = file.with_name(f".{file.name}.part")
    with part.open("wb") as out:
        out.writelines(chunks)
    sync(part)
    part.replace(file)
    sync(file.parent)
