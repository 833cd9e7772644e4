"""What a model said of its test images, as pages filter, count and draw it.

Layer: console. Pure. An item is an image where labels are of whole images, a box where they are of boxes; a
true box that was not found is an item with score 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from customlabels.evaluation import NOTHING, Boxes, BoxPredictions, Recorded, confusions, matches, mistakes

Cells = dict[tuple[str, str], list[str]]
Item = tuple[str, float, int, list[float] | None]  # image, score, whether it is there, its corners


def cells_of(tested: Recorded) -> Cells:
    """The images that carry one label and were given another, or the same, or none (""), by that pair."""
    names = {NOTHING: "", **dict(enumerate(tested.predictions.labels))}
    return {
        (names[truth], names[found]): [tested.source_refs[image] for image in images]
        for (truth, found), images in confusions(tested, mistakes(tested)).items()
    }


def items_of(tested: Recorded, label: str) -> dict[str, Any]:
    """Every item of a label; and of each image the labels that it carries, with their boxes."""
    said, at = tested.predictions, list(tested.predictions.labels).index(label)
    items: list[Item]
    truth: list[list[tuple[str, list[float] | None]]]
    if isinstance(said, BoxPredictions):
        items = list(_boxes(tested, said, at))
        truth = [_told(said.labels, boxes) for boxes in said.truth]
    else:
        rows = zip(tested.source_refs, said.scores[:, at].tolist(), said.truth[:, at].tolist(), strict=True)
        items = [(image, round(score, 4), int(there), None) for image, score, there in rows]
        truth = [[(said.labels[each], None) for each in np.flatnonzero(row).tolist()] for row in said.truth]
    images = {item[0] for item in items}
    carried = zip(tested.source_refs, truth, strict=True)
    return {"items": items, "truth": {image: told for image, told in carried if image in images}}


def _boxes(tested: Recorded, said: BoxPredictions, label: int) -> Iterator[Item]:
    for image, found, truth in zip(tested.source_refs, said.found, said.truth, strict=True):
        matched = matches(found, truth)
        for at in np.flatnonzero(found.labels == label):
            score = round(float(found.scores[at]), 4)
            yield image, score, int(matched[at] >= 0), found.corners[at].round(4).tolist()
        for at in np.setdiff1d(np.flatnonzero(truth.labels == label), matched):
            yield image, 0.0, 1, truth.corners[at].round(4).tolist()


def _told(labels: Sequence[str], boxes: Boxes) -> list[tuple[str, list[float] | None]]:
    corners = boxes.corners.round(4).tolist()
    return [(labels[label], box) for label, box in zip(boxes.labels.tolist(), corners, strict=True)]
