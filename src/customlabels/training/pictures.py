"""Images fetched, decoded once and kept as arrays of bytes on disk.

Layer: training; no torch. An array is put in place when it is complete, its notes (problems, digest) after
it: after a power cut the array is made again, or it is whole. It is mapped, not loaded, so its size is no
matter of memory.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from customlabels.datasets import split_ref
from customlabels.errors import CustomLabelsError
from customlabels.images import ImageLimits, Preprocessing, prepared, upright_size
from customlabels.storage import ObjectAccessError, Objects, sync
from customlabels.training.workfolder import read_json, write_json

LIMITS = ImageLimits()
SAMPLE = 64  # images whose size is looked at before the others are read
AT_ONCE = 256  # images on their way, so that a large set does not queue up in memory


def evenly(count: int, most: int) -> NDArray[np.int64]:
    """At most so many places of 0 .. count - 1, at equal distances; one at least where there is any."""
    return np.linspace(0, count - 1, min(count, max(most, 1))).astype(np.int64)


@dataclass(frozen=True, eq=False)
class Pictures:
    """Decoded images.

    pixels: (n, height, width, 3) uint8; rows with a problem are black
    problems: row -> why it cannot be used
    digests: of each row's file, SHA-256 in hex; empty for one that cannot be used
    denied: whether some may not be read at all
    """

    pixels: NDArray[np.uint8]
    problems: Mapping[int, str]
    digests: Sequence[str]
    denied: bool = False

    @property
    def digest(self) -> str:
        """Over the bytes of the usable files, in order."""
        return hashlib.sha256("".join(self.digests).encode()).hexdigest()


@dataclass(frozen=True)
class PictureSource:
    """Reads images by their s3:// references. folder: where arrays are kept     threads: that decode"""

    objects: Objects
    folder: Path
    threads: int

    def pictures(
        self, name: str, references: Sequence[str], sides: tuple[int, int], tell: Callable[[int], None]
    ) -> Pictures:
        """The images at so many pixels, read now or kept by an earlier run under `name`.

        sides: height, width     tell: given how many images are done, after each
        """
        if not references:
            return Pictures(np.zeros((0, *sides, 3), np.uint8), {}, [])
        self.folder.mkdir(parents=True, exist_ok=True)
        array, notes_file = self.folder / f"{name}.npy", self.folder / f"{name}.json"
        notes = read_json(notes_file)
        if notes is None:
            notes = self._read(array, references, sides, tell)
            write_json(notes_file, notes)
        problems = {int(row): why for row, why in notes["problems"].items()}
        return Pictures(np.load(array, mmap_mode="r"), problems, notes["digests"], notes["denied"])

    def sides(self, references: Sequence[str]) -> list[tuple[int, int]]:
        """Width and height, in pixels, of some of the images, upright; unreadable ones are left out.

        Kept like the images, so that a resumed training sees the same.
        """
        notes_file = self.folder / "sides.json"
        sides: list[tuple[int, int]] | None = read_json(notes_file)
        if sides is None:
            sides = []
            for row in evenly(len(references), SAMPLE):
                # One that cannot be read is met again, and listed with its line, when all are read.
                with contextlib.suppress(CustomLabelsError):
                    sides.append(upright_size(self._file(references[row]), LIMITS))
            self.folder.mkdir(parents=True, exist_ok=True)
            write_json(notes_file, sides)
        return sides

    def _file(self, reference: str) -> bytes:
        return self.objects.read(*split_ref(reference), limit=LIMITS.max_bytes)

    def _read(
        self,
        array: Path,
        references: Sequence[str],
        sides: tuple[int, int],
        tell: Callable[[int], None],
    ) -> dict[str, object]:
        """Put the array in place; returns its notes."""
        part, digests, problems = array.with_name(f"{array.name}.part"), [""] * len(references), {}
        denied = False
        shape, (height, width) = (len(references), *sides, 3), sides
        pixels = np.lib.format.open_memmap(part, mode="w+", dtype=np.uint8, shape=shape)
        for row, found in enumerate(self._decoded(references, Preprocessing(width, height=height))):
            if isinstance(found, CustomLabelsError):
                problems[str(row)] = str(found)
                denied |= isinstance(found, ObjectAccessError) and not _is_absent(found)
            else:
                pixels[row], digests[row] = found
            tell(row + 1)
        pixels.flush()
        sync(part)
        part.replace(array)
        sync(array.parent)
        return {"problems": problems, "digests": digests, "denied": denied}

    def _decoded(
        self, references: Sequence[str], how: Preprocessing
    ) -> Iterator[tuple[NDArray[np.uint8], str] | CustomLabelsError]:
        """Pixels and digest of each image, or why it cannot be used."""

        def one(reference: str) -> tuple[NDArray[np.uint8], str] | CustomLabelsError:
            try:
                data = self._file(reference)
                return prepared(data, how, LIMITS), hashlib.sha256(data).hexdigest()
            except CustomLabelsError as error:
                return error

        with ThreadPoolExecutor(self.threads) as pool:
            for start in range(0, len(references), AT_ONCE):
                yield from pool.map(one, references[start : start + AT_ONCE])


def _is_absent(error: ObjectAccessError) -> bool:
    """Whether the folder of the bucket is not there, so that nobody may be said to forbid anything."""
    return isinstance(error.__cause__, FileNotFoundError)
