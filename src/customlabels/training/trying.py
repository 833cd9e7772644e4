"""The process that `estimating` starts: `python -m customlabels.training.trying`.

Layer: training (torch).
"""

from __future__ import annotations

import json
import sys

import numpy as np

from customlabels.evaluation import Boxes
from customlabels.inference import BOXES
from customlabels.training.boxes import BoxesInImages
from customlabels.training.estimating import Estimate
from customlabels.training.image_labels import ImageLabels
from customlabels.training.plan import RESERVED_SECONDS, courses, planned_steps, size_for
from customlabels.training.planning import timed, trial

NOISE = 64  # images, each taken many times


def main() -> None:
    """Time the data that standard input tells of; an Estimate as JSON on standard output."""
    asked = json.loads(sys.stdin.read())
    count, size = asked["images"], size_for(asked["kind"], asked["sides"])
    carried = np.arange(asked["labels"]) == (np.arange(count) % asked["labels"])[:, None]
    noise = np.random.default_rng(0).integers(0, 256, (NOISE, *size.cached, 3), np.uint8)
    labels = [str(label) for label in range(asked["labels"])]
    if asked["kind"] == BOXES:
        truth = [Boxes.true([0], [(0.2, 0.2, 0.6, 0.6)])] * count
        lesson: BoxesInImages | ImageLabels = BoxesInImages(
            labels, truth, lambda places: noise[places % NOISE], lambda places: noise[places % NOISE]
        )
    else:
        lesson = ImageLabels(
            asked["kind"],
            labels,
            carried,
            lambda places: noise[places % NOISE],
            lambda places: noise[places % NOISE],
        )
    parts, fastest = len(courses(carried, 0)), timed(lesson, trial(size, count))
    steps = planned_steps(size, count, parts, None, fastest.step_seconds)
    seconds = parts * steps * fastest.step_seconds + RESERVED_SECONDS
    height, width = size.cached
    told = Estimate(parts, steps, fastest.step_seconds, seconds, count * height * width * 3)
    print(json.dumps(vars(told)))


if __name__ == "__main__":
    main()
