"""What a training works on: both sets read, judged, fetched and decoded, and told about in the output bucket.

Layer: training; no torch. Data that cannot be trained on ends here, before anything costs time, with every
    line's
problem on record.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from customlabels.datasets import Entry
from customlabels.training.documents import MANIFEST_SUMMARY, TESTING_MANIFEST, TRAINING_MANIFEST, Documents
from customlabels.training.manifest_lines import (
    Line,
    Problem,
    judged,
    read_lines,
    split_off,
    validated,
    with_bad_images,
)
from customlabels.training.pictures import Pictures, PictureSource
from customlabels.training.plan import Size, size_for
from customlabels.training.spec import Progress, TrainingFailed, TrainingSpec

__all__ = ["Material", "Part", "gathered"]

TELL_SECONDS = 1.0

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

    def images(self, places: NDArray[np.int64]) -> NDArray[np.uint8]:
        """(len(places), side, side, 3) uint8, in memory. places: indices, 0 to n - 1"""
        return np.array(self.pixels[self.rows[places]])


@dataclass(frozen=True, eq=False)
class Material:
    """Both sets, ready. labels: sorted; the index of a label is its place here.

    training: pixels at the cached side     testing: pixels as served
    excluded_labels: of test images, unknown to the training set     digest: of usable images and labels
    """

    labels: tuple[str, ...]
    training: Part
    testing: Part
    size: Size
    excluded_labels: tuple[str, ...]
    notes: tuple[str, ...]
    digest: str


def gathered(spec: TrainingSpec, source: PictureSource, documents: Documents, tell: Tell) -> Material:
    """Read and judge both sets; writes the manifest summary and both validated manifests.

    Raises TrainingFailed, with the manifest summary, for data that cannot be trained on.
    """
    training, testing, found, notes = _both_sets(spec)
    _judge(training, testing, found, notes, documents, final=False)

    references = [line.used.source_ref for line in training if line.is_valid]
    tested = [line.used.source_ref for line in testing if line.is_valid]
    size = size_for(source.shorter_sides(references) or [1])
    told = _Told(tell, len(references) + len(tested))
    pictures = source.pictures("training", references, size.cached_side, told.at(0))
    test_pictures = source.pictures("testing", tested, size.side, told.at(len(references)))

    training = with_bad_images(training, pictures.problems)
    testing = with_bad_images(testing, test_pictures.problems)
    labels = tuple(sorted({line.used.labels[0] for line in training if line.is_valid}))
    unknown = tuple(sorted({line.used.labels[0] for line in testing if line.is_valid} - set(labels)))
    if unknown:
        notes.append(
            f"Left out of all figures: test images of labels that no training image has: {', '.join(unknown)}"
        )
    _judge(training, testing, found, notes, documents, final=True)

    parts = [
        _part(lines, found_pictures, labels)
        for lines, found_pictures in ((training, pictures), (testing, test_pictures))
    ]
    digest = hashlib.sha256(f"{pictures.digest} {test_pictures.digest} {labels}".encode())
    for part in parts:
        digest.update(part.truth.tobytes())
    return Material(labels, parts[0], parts[1], size, unknown, tuple(notes), digest.hexdigest())


def _both_sets(spec: TrainingSpec) -> tuple[list[Line], list[Line], list[Problem], list[str]]:
    """Lines of both sets, what forbids the training already, and notes for the summary."""
    training = read_lines(spec.train_manifest)
    if spec.test_manifest is None:
        training, testing, problem = split_off(training, spec.seed)
        note = "No test set was given: 20 % of the training images of each label were kept for the test."
        return training, testing, [problem] if problem else [], [note]
    testing = read_lines(spec.test_manifest)
    known = {line.used.source_ref for line in training if line.is_valid}
    both = sum(line.used.source_ref in known for line in testing if line.is_valid)
    note = f"{both} images are in both sets, so the figures flatter: a test image must not be trained on."
    return training, testing, [], [note] if both else []


def _judge(
    training: Sequence[Line],
    testing: Sequence[Line],
    found: Sequence[Problem],
    notes: Sequence[str],
    documents: Documents,
    *,
    final: bool,
) -> None:
    """Judge the sets; they are put on record where this is the last word. Raises TrainingFailed."""
    judgement = judged(training, testing, found, notes)
    if judgement.problem is None and not final:
        return
    documents.write(TRAINING_MANIFEST, validated(training))
    documents.write(TESTING_MANIFEST, validated(testing))
    documents.write_json(MANIFEST_SUMMARY, judgement.summary)
    if judgement.problem is not None:
        code, message = judgement.problem["code"], judgement.problem["message"]
        raise TrainingFailed(code, message, manifest_summary=judgement.summary, output_keys=documents.keys)


def _part(lines: Sequence[Line], pictures: Pictures, labels: Sequence[str]) -> Part:
    """The usable images of a set; `pictures` are those of its valid lines before the images were judged."""
    index = {label: number for number, label in enumerate(labels)}
    # A line that failed by its image alone still has a row in the pictures.
    pictured = [line for line in lines if line.is_valid or _fails_by_image(line)]
    kept = [row for row, line in enumerate(pictured) if line.is_valid and line.used.labels[0] in index]
    entries = [pictured[row].used for row in kept]
    truth = np.array([index[entry.labels[0]] for entry in entries], dtype=np.int64)
    invalid = sum(bool(line.errors) for line in lines)
    return Part(entries, truth, np.array(kept, dtype=np.int64), pictures.pixels, invalid)


def _fails_by_image(line: Line) -> bool:
    return bool(line.errors) and all(error.code == "ERROR_INVALID_IMAGE" for error in line.errors)


class _Told:
    """Tells how far the reading of all images is, once a second."""

    def __init__(self, tell: Tell, total: int) -> None:
        self._tell, self._total = tell, total
        self._started = self._told = time.monotonic()

    def at(self, before: int) -> Callable[[int], None]:
        """What to call with the images done in one part, when `before` were done in earlier ones."""

        def done(count: int) -> None:
            now = time.monotonic()
            if now - self._told >= TELL_SECONDS:
                self._told = now
                pace = (before + count) / (now - self._started)
                self._tell(
                    Progress("reading", step=before + count, steps=self._total, images_per_second=pace)
                )

        return done
