"""The process that `estimating` starts: `python -m customlabels.training.trying`.

Layer: training (torch).
"""

from __future__ import annotations

import json
import sys

import numpy as np
from numpy.typing import NDArray

from customlabels.evaluation import Boxes
from customlabels.inference import BOXES
from customlabels.training.boxes import BoxesInImages
from customlabels.training.estimating import Estimate
from customlabels.training.image_labels import ImageLabels
from customlabels.training.learning import Lesson
from customlabels.training.plan import RESERVED_SECONDS, courses, size_for, with_steps
from customlabels.training.planning import timed, trial

NOISE = 64  # images, each taken many times


def main() -> None:
    """Time the data that standard input tells of; an Estimate as JSON on standard output."""
    asked = json.loads(sys.stdin.read())
    count, size = asked["images"], size_for(asked["kind"], asked["sides"])
    carried = np.arange(asked["labels"]) == (np.arange(count) % asked["labels"])[:, None]
    noise = np.random.default_rng(0).integers(0, 256, (NOISE, *size.cached, 3), np.uint8)
    labels = [str(label) for label in range(asked["labels"])]

    def images(places: NDArray[np.int64]) -> NDArray[np.uint8]:
        return np.array(noise[places % NOISE])

    lesson: Lesson = ImageLabels(asked["kind"], labels, carried, images, images)
    if asked["kind"] == BOXES:
        lesson = BoxesInImages(labels, [Boxes.true([0], [(0.2, 0.2, 0.6, 0.6)])] * count, images, images)
    known = None if asked["kind"] == BOXES else 0.0  # what needs no net is not asked here
    untried = timed(lesson, trial(size, count))
    plan = with_steps(untried, count, len(courses(carried, 0)), asked["budget"], known)
    parts = len(plan.courses(carried, 0))
    seconds = parts * plan.steps * plan.step_seconds + RESERVED_SECONDS
    height, width = size.cached
    told = Estimate(parts, plan.steps, plan.step_seconds, seconds, count * height * width * 3)
    print(json.dumps(vars(told)))


if __name__ == "__main__":
    main()
