"""How long a training would take here: some steps are timed on noise of the data's size.

Layer: training; torch is loaded in the process that this starts (`trying`). Nothing is read and nothing kept.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

MOST_SECONDS = 120.0  # for the timing itself


@dataclass(frozen=True)
class Estimate:
    """steps: of each course    seconds: of learning, not of reading    cache_bytes: of the decoded images"""

    courses: int
    steps: int
    step_seconds: float
    seconds: float
    cache_bytes: int


def estimate(
    kind: str, images: int, labels: int, sides: Sequence[tuple[int, int]], budget: float | None = None
) -> Estimate | None:
    """For a training without a pretrained backbone; None where torch is not installed.

    sides: width and height, in pixels, of some images     budget: seconds, None for as long as it helps
    """
    if importlib.util.find_spec("torch") is None:
        return None
    about = {"kind": kind, "images": images, "labels": labels, "sides": list(sides), "budget": budget}
    command = [sys.executable, "-P", "-m", "customlabels.training.trying"]
    told = subprocess.run(
        command, input=json.dumps(about), stdout=subprocess.PIPE, text=True, timeout=MOST_SECONDS, check=True
    )
    return Estimate(**json.loads(told.stdout.splitlines()[-1]))
