"""Building a folder of many files: it appears whole or not at all.

Layer: datasets. Written beside its place, then renamed. A process that is killed leaves a folder whose name
begins with a dot; a power cut soon after the end may leave empty files, as with any copying: write it again.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from customlabels.errors import InvalidInput


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A place to write into, which becomes `folder` at the end; raises InvalidInput, before and after.

    `folder` must not exist, or be empty.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InvalidInput(f"{folder} is there already; name a new folder, or remove it first")
    beside = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    shutil.rmtree(beside, ignore_errors=True)  # of an earlier process with our number
    try:
        beside.mkdir(parents=True)
        yield beside
        if folder.exists():
            folder.rmdir()
        beside.rename(folder)
    except OSError as error:
        raise InvalidInput(f"{folder} cannot be written: {error}") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
