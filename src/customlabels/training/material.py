"""What a training works on: both sets read, judged, fetched and decoded, and told about in the output bucket.

Layer: training; no torch. Data that cannot be trained on ends here, before anything costs time, with every
line's problem on record.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from customlabels.datasets import Entry
from customlabels.training.documents import Documents
from customlabels.training.manifest_lines import (
    Problem,
    is_valid,
    judged,
    label_of,
    read_lines,
    split_off,
    validated,
    with_bad_images,
)
from customlabels.training.pictures import Pictures, PictureSource
from customlabels.training.plan import Size, size_for
from customlabels.training.spec import Progress, TrainingFailed, TrainingSpec

__all__ = ["Material", "Part", "gathered"]

Tell = Callable[[Progress], None]


@dataclass(frozen=True, eq=False)
class Part:
    """The usable images of one set.

    entries: what their lines say     truth: (n,) index of the label
    rows: (n,) of each in `pixels`, which are (lines, side, side, 3) uint8
    """

    entries: Sequence[Entry]
    truth: NDArray[np.int64]
    rows: NDArray[np.int64]
    pixels: NDArray[np.uint8]
    invalid_lines: int

    @property
    def references(self) -> list[str]:
        """Addresses of the images."""
        return [entry.source_ref for entry in self.entries]

    def images(self, places: NDArray[np.int64] | slice) -> NDArray[np.uint8]:
        """(places, side, side, 3) uint8, in memory. places: of the images, 0 to n - 1"""
        return np.array(self.pixels[self.rows[places]])


@dataclass(frozen=True, eq=False)
class Material:
    """Both sets, ready. labels: sorted; the index of a label is its place here.

    training: pixels at the cached side     testing: pixels as served
    digest: of usable images and labels
    """

    labels: tuple[str, ...]
    training: Part
    testing: Part
    size: Size
    notes: tuple[str, ...]
    digest: str


def gathered(spec: TrainingSpec, source: PictureSource, documents: Documents, tell: Tell) -> Material:
    """Read and judge both sets; writes the manifest summary and both validated manifests.

    Raises TrainingFailed for data that cannot be trained on.
    """
    training, testing, found, notes = _both_sets(spec)

    def judge(*, final: bool) -> None:
        """The sets are put on record where this is the last word."""
        summary, problem = judged(training, testing, found, notes)
        if problem is not None or final:
            documents.write_lines("TrainingManifestWithValidation", validated(training))
            documents.write_lines("TestingManifestWithValidation", validated(testing))
            documents.write("ManifestSummary", summary)
        if problem is not None:
            raise TrainingFailed(problem["code"], problem["message"], documents.keys)

    judge(final=False)
    readable, tested = list(filter(is_valid, training)), list(filter(is_valid, testing))
    size = size_for(source.shorter_sides(_references(readable)) or [1])
    total, began = len(readable) + len(tested), time.monotonic()

    def told(count: int) -> None:
        pace = count / max(time.monotonic() - began, 1e-3)
        tell(Progress("reading", step=count, steps=total, images_per_second=pace))

    pictures = source.pictures("training", _references(readable), size.cached_side, told)
    test_pictures = source.pictures(
        "testing", _references(tested), size.side, lambda count: told(len(readable) + count)
    )
    training = with_bad_images(training, pictures.problems)
    testing = with_bad_images(testing, test_pictures.problems)
    labels = tuple(sorted({label_of(line) for line in training if is_valid(line)}))
    unknown = sorted({label_of(line) for line in testing if is_valid(line)} - set(labels))
    if unknown:
        notes.append(
            f"Left out of all figures: test images of labels that no training image has: {', '.join(unknown)}"
        )
    judge(final=True)

    index = {label: number for number, label in enumerate(labels)}
    parts = _part(training, readable, pictures, index), _part(testing, tested, test_pictures, index)
    digest = hashlib.sha256(f"{pictures.digest} {test_pictures.digest} {labels}".encode())
    for part in parts:
        digest.update(part.truth.tobytes())
    return Material(labels, *parts, size, tuple(notes), digest.hexdigest())


def _both_sets(spec: TrainingSpec) -> tuple[list[Entry], list[Entry], list[Problem], list[str]]:
    """Lines of both sets, what forbids the training already, and notes for the summary."""
    training = read_lines(spec.train_manifest)
    if spec.test_manifest is None:
        note = "No test set was given: 20 % of the training images of each label were kept for the test."
        return *split_off(training, spec.seed), [note]
    testing = read_lines(spec.test_manifest)
    both = len(set(_references(training)) & set(_references(testing)))
    note = f"{both} images are in both sets, so the figures flatter: a test image must not be trained on."
    return training, testing, [], [note] if both else []


def _references(lines: Sequence[Entry]) -> list[str]:
    """Addresses of the valid lines' images."""
    return [line.source_ref for line in lines if is_valid(line)]


def _part(
    lines: Sequence[Entry], readable: Sequence[Entry], pictures: Pictures, index: Mapping[str, int]
) -> Part:
    """The usable images of a set. readable: lines of `pictures`, in order     index: of the labels"""
    rows = [
        row for row, line in enumerate(readable) if row not in pictures.problems and label_of(line) in index
    ]
    entries = [readable[row] for row in rows]
    truth = np.array([index[label_of(entry)] for entry in entries], dtype=np.int64)
    invalid = sum(bool(line.errors) for line in lines)
    return Part(entries, truth, np.array(rows, dtype=np.int64), pictures.pixels, invalid)
