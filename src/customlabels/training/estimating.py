"""How long a training would take here: some steps are timed on noise of the data's size.

Layer: training; torch is loaded in the process that this starts. Nothing is read and nothing kept.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Estimate", "estimate"]

MOST_SECONDS = 120.0  # for the timing itself
NOISE = 64  # images, each taken many times


@dataclass(frozen=True)
class Estimate:
    """steps: of each course    seconds: of learning, not of reading    cache_bytes: of the decoded images"""

    courses: int
    steps: int
    step_seconds: float
    seconds: float
    cache_bytes: int


def estimate(kind: str, images: int, labels: int, sides: Sequence[tuple[int, int]]) -> Estimate | None:
    """For a training without a budget and without a pretrained backbone; None where torch is not installed.

    sides: width and height, in pixels, of some images
    """
    if importlib.util.find_spec("torch") is None:
        return None
    asked = json.dumps({"kind": kind, "images": images, "labels": labels, "sides": list(sides)})
    command = [sys.executable, "-P", "-c", f"from {__name__} import main; main()"]
    told = subprocess.run(
        command, input=asked, stdout=subprocess.PIPE, text=True, timeout=MOST_SECONDS, check=True
    )
    return Estimate(**json.loads(told.stdout.splitlines()[-1]))


def main() -> None:
    """The timing, in a process of its own."""
    import numpy as np

    from customlabels.evaluation import Boxes
    from customlabels.inference import BOXES
    from customlabels.training.boxes import BoxesInImages
    from customlabels.training.image_labels import ImageLabels
    from customlabels.training.plan import RESERVED_SECONDS, courses, planned_steps, size_for
    from customlabels.training.planning import timed, trial

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
