"""From what a detector says of every place in an image to its boxes: the best one of each thing.

Layer: inference. Pure; the same for figures and for answers.
"""

import numpy as np
from numpy.typing import NDArray

from customlabels.evaluation import Boxes, overlaps

LEAST_SCORE = 0.001  # below, nothing is worth an answer
MOST_CANDIDATES = 500  # boxes that are compared with each other
MOST_BOXES = 200  # of an image; annotators may draw 50
SAME_THING = 0.6  # intersection over union from which two boxes of a label are of one thing


def kept_boxes(scores: NDArray[np.float32], corners: NDArray[np.float32]) -> Boxes:
    """The boxes of one image, best first.

    scores: (places, labels) float, 0..1
    corners: (places, 4) left, top, right, bottom as shares of the sides
    """
    places, labels = np.nonzero(scores >= LEAST_SCORE)
    found = scores[places, labels]
    order = np.argsort(-found, kind="stable")[:MOST_CANDIDATES]
    places, labels, found = places[order], labels[order], found[order]
    boxes = corners[places].astype(np.float64)
    covered = (overlaps(boxes, boxes) > SAME_THING) & (labels[:, None] == labels[None, :])
    standing = np.ones(len(boxes), dtype=bool)
    for at in range(len(boxes)):
        if standing[at]:
            standing[at + 1 :] &= ~covered[at, at + 1 :]
    kept = np.flatnonzero(standing)[:MOST_BOXES]
    return Boxes(labels[kept], boxes[kept], found[kept])
