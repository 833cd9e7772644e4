"""What a training works on: both sets read, judged, fetched and decoded, and told about in the output bucket.

Layer: training; no torch. Data that cannot be trained on ends here, before anything costs time, with every
line's problem on record.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from customlabels.datasets import Entry, Item
from customlabels.evaluation import Boxes
from customlabels.inference import BOXES
from customlabels.training.copies import CopiesFound, copies_in
from customlabels.training.documents import Documents
from customlabels.training.hub import HubBackbone
from customlabels.training.manifest_lines import (
    Problem,
    brand_problem,
    carried_by,
    is_background,
    is_valid,
    judged,
    kind_of,
    of_kind,
    read_lines,
    split_off,
    validated,
    with_bad_images,
)
from customlabels.training.pictures import Pictures, PictureSource, evenly
from customlabels.training.plan import Plan, Size, finest_side, held_together, likely_seconds, size_for
from customlabels.training.spec import Progress, TrainingFailed, TrainingSpec
from customlabels.training.workfolder import read_json, write_json

Tell = Callable[[Progress], None]
# The usual size, some images larger, (n, labels) what they carry, and how many there are in all, to a side.
FineEnough = Callable[[Size, NDArray[np.uint8], NDArray[np.bool_], int], int]
LOOKED_AT, LEAST_LOOKED_AT = 150, 30  # images, to choose a size by


@dataclass(frozen=True, eq=False)
class Part:
    """The usable images of one set.

    entries: what their lines say     carried: (n, labels) bool     boxes: of each image; none of other kinds
    rows: (n,) of each in `pixels`, which are (lines, height, width, 3) uint8
    """

    entries: Sequence[Entry]
    carried: NDArray[np.bool_]
    boxes: Sequence[Boxes]
    rows: NDArray[np.int64]
    pixels: NDArray[np.uint8]

    def images(self, places: NDArray[np.int64] | slice) -> NDArray[np.uint8]:
        """(places, height, width, 3) uint8, in memory. places: of the images, 0 to n - 1"""
        return np.array(self.pixels[self.rows[places]])


@dataclass(frozen=True, eq=False)
class Material:
    """Both sets, ready. labels: sorted; the index of a label is its place here.

    kind: of model     training: pixels at the cached sides     testing: pixels as served
    digest: of usable images, labels and boxes     copies: images that are there twice
    originals: (n,) of each training image the one that it is held out with, as a copy of it
    """

    kind: str
    labels: tuple[str, ...]
    training: Part
    testing: Part
    size: Size
    notes: tuple[str, ...]
    digest: str
    copies: CopiesFound
    originals: NDArray[np.int64]


@dataclass
class _Sets:
    """The lines of both sets on their way, and what there is to say of them."""

    training: list[Entry]
    testing: list[Entry]
    found: list[Problem]
    notes: list[str]
    kind: str = ""
    mixed: bool = False
    denied: bool = False


def gathered(
    spec: TrainingSpec,
    source: PictureSource,
    documents: Documents,
    tell: Tell,
    hub: HubBackbone | None = None,
    fine_enough: FineEnough | None = None,
) -> Material:
    """Read and judge both sets; writes the manifest summary and both validated manifests.

    hub: the backbone that image labels are learned with, which decides how large images are seen
    fine_enough: decides it otherwise, for labels of images

    Raises TrainingFailed for data that cannot be trained on.
    """
    sets = _both_sets(spec, hub)
    _judge(sets, documents, final=False)
    readable, tested = ([line for line in lines if _is_used(line)] for lines in (sets.training, sets.testing))
    size = hub.size if hub is not None and sets.kind != BOXES else None
    size = size or _size(spec, sets, readable, source, fine_enough)
    total, began = len(readable) + len(tested), time.monotonic()

    def told(count: int) -> None:
        pace = count / max(time.monotonic() - began, 1e-3)
        tell(Progress("reading", step=count, steps=total, images_per_second=pace))

    pictures = source.pictures("training", _references(readable), size.cached, told)
    test_pictures = source.pictures(
        "testing", _references(tested), (size.height, size.width), lambda count: told(len(readable) + count)
    )
    sets.denied = pictures.denied or test_pictures.denied
    sets.training = with_bad_images(sets.training, _by_reference(readable, pictures))
    sets.testing = with_bad_images(sets.testing, _by_reference(tested, test_pictures))
    labels = tuple(sorted({label for line in sets.training if is_valid(line) for label in line.labels}))
    unknown = {label for line in sets.testing if is_valid(line) for label in line.labels} - set(labels)
    if unknown:
        sets.notes.append(
            f"Left out of all figures: test labels that no training image has: {', '.join(sorted(unknown))}"
        )
    both_sets = (_references(readable), pictures), (_references(tested), test_pictures)
    found = copies_in(*both_sets, spec.budget_seconds or likely_seconds(size))
    sets.notes += found.notes
    _judge(sets, documents, final=True)

    index = {label: number for number, label in enumerate(labels)}
    parts = _part(readable, pictures, index), _part(tested, test_pictures, index)
    digest = hashlib.sha256(f"{pictures.digest} {test_pictures.digest} {labels}".encode())
    for part in parts:
        digest.update(part.carried.tobytes())
        for boxes in part.boxes:
            digest.update(boxes.labels.tobytes() + boxes.corners.tobytes())
    originals = held_together(parts[0].carried, found.originals[parts[0].rows])
    return Material(sets.kind, labels, *parts, size, tuple(sets.notes), digest.hexdigest(), found, originals)


def _size(
    spec: TrainingSpec,
    sets: _Sets,
    readable: Sequence[Entry],
    source: PictureSource,
    fine_enough: FineEnough | None,
) -> Size:
    """How large the training images are seen; what a look at some of them says is kept beside them."""
    shorter = [min(box.width, box.height) for line in readable for box in line.boxes]
    sides = source.sides(_references(readable)) or [(1, 1)]
    usual = size_for(sets.kind, sides, shorter)
    finest = finest_side(usual, sides, spec.budget_seconds)
    if fine_enough is None or finest is None:
        return usual
    kept = source.folder / "fineness.json"
    side = read_json(kept) if spec.plan is None else Plan.from_json(spec.plan).size.height
    if side is None:
        some = [readable[row] for row in evenly(len(readable), LOOKED_AT)]
        pictures = source.pictures("sample", _references(some), (finest, finest), lambda _: None)
        good = [row for row in range(len(some)) if row not in pictures.problems]
        labels = sorted({label for each in some for label in each.labels})
        index = {label: place for place, label in enumerate(labels)}
        carried = carried_by([some[row] for row in good], index)
        side = usual.height
        if len(good) >= LEAST_LOOKED_AT:
            side = fine_enough(usual, pictures.pixels[good], carried, len(readable))
        write_json(kept, side)
    if side != usual.height:
        text = f"Images are seen at {side} x {side} pixels instead of {usual.height} x {usual.height}"
        sets.notes.append(f"{text}: the labels are told apart by details that only show there.")
    return replace(usual, height=side, width=side)


def _both_sets(spec: TrainingSpec, hub: HubBackbone | None) -> _Sets:
    """Lines of both sets with what the kind of model learns from, what forbids the training, and notes."""
    training, testing = read_lines(spec.train_manifest), []
    if spec.test_manifest is not None:
        testing = read_lines(spec.test_manifest)
    kind = kind_of(training, testing)
    before = sum(map(is_valid, (*training, *testing)))
    found = brand_problem(training, testing)
    sets = _Sets(of_kind(training, kind), of_kind(testing, kind), found, [], kind)
    dropped = before - sum(map(is_valid, (*sets.training, *sets.testing)))
    if dropped:
        sets.mixed = True
        kept = "boxes, as most training images have" if kind == BOXES else "labels of whole images"
        sets.notes.append(f"{dropped} lines are ignored: the model learns from {kept}")
    if spec.test_manifest is None:
        sets.training, sets.testing, forbidden = split_off(sets.training, spec.seed)
        sets.found += forbidden
        sets.notes.append(
            "No test set was given: 20 % of the training images of each label were kept for the test."
        )
    both = len(set(_references(sets.training)) & set(_references(sets.testing)))
    if both:
        sets.notes.append(
            f"{both} images are in both sets, so the figures flatter: a test image must not be trained on."
        )
    if hub is not None and kind == BOXES:
        sets.notes.append("The backbone is for labels of whole images; boxes are learned without it.")
    backgrounds = sum(map(is_background, (*sets.training, *sets.testing))) if kind == BOXES else 0
    if backgrounds:
        sets.notes.append(f"{backgrounds} images that were looked at and have no boxes serve as background")
    return sets


def _judge(sets: _Sets, documents: Documents, *, final: bool) -> None:
    """Raise TrainingFailed for what cannot be trained on; put the sets on record at the last word."""
    summary, problem = judged(
        sets.training, sets.testing, sets.kind, sets.found, sets.notes, mixed=sets.mixed, denied=sets.denied
    )
    if problem is not None or final:
        documents.write_lines("TrainingManifestWithValidation", validated(sets.training))
        documents.write_lines("TestingManifestWithValidation", validated(sets.testing))
        documents.write("ManifestSummary", summary)
    if problem is not None:
        raise TrainingFailed(problem["code"], problem["message"], documents.keys)


def _is_used(line: Entry) -> bool:
    return is_valid(line) or (line.frame is not None and is_background(line))


def _references(lines: Sequence[Entry]) -> list[str]:
    """Addresses of the used lines' images."""
    return [line.source_ref for line in lines if _is_used(line)]


def _by_reference(lines: Sequence[Entry], pictures: Pictures) -> dict[str, str]:
    return {lines[row].source_ref: why for row, why in pictures.problems.items()}


def _part(readable: Sequence[Entry], pictures: Pictures, index: Mapping[str, int]) -> Part:
    """The usable images of a set. readable: lines of `pictures`, in order     index: of the labels"""
    rows = [
        row
        for row, line in enumerate(readable)
        if row not in pictures.problems and (not line.labels or any(label in index for label in line.labels))
    ]
    entries = [readable[row] for row in rows]
    return Part(
        entries=entries,
        carried=carried_by(entries, index),
        boxes=[true_boxes(entry, index) for entry in entries],
        rows=np.array(rows, dtype=np.int64),
        pixels=pictures.pixels,
    )


def true_boxes(entry: Entry | Item, index: Mapping[str, int]) -> Boxes:
    """The true boxes of an image, of labels that training knows."""
    boxes = [box for box in entry.boxes if box.label in index]
    width, height = entry.frame or (1.0, 1.0)
    corners = [
        (
            box.left / width,
            box.top / height,
            (box.left + box.width) / width,
            (box.top + box.height) / height,
        )
        for box in boxes
    ]
    return Boxes.true([index[box.label] for box in boxes], corners)
