"""How long a step takes on this machine: what the number of steps is planned from.

Layer: training (torch). Only this looks at the clock; its answer is stored with the plan.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import torch

from customlabels.training.plan import Plan, Size
from customlabels.training.single_label import Examples, new_learner, take_step

__all__ = ["Timing", "timed"]

STEPS = 1000  # of the course that the trial steps pretend to be in
TIMED = 4  # steps, of which the middle counts; one more goes before, while the libraries choose their ways


@dataclass(frozen=True)
class Timing:
    """The fastest way here and now. step_seconds: wall time of a step, on average over a course"""

    threads: int
    bfloat16: bool
    step_seconds: float


def timed(examples: Examples, trial: Plan) -> Timing:
    """Try each way for some steps with throw-away nets, then the fastest one at every side.

    The ways: both precisions, with as many threads as `trial` has and with one. On a machine that is busy
    with other things one is often faster: of two, the one that runs burns its time waiting for the other
    (measured: steps of 0.11 s grow to 1.2 s with two threads, and stay as they are with one).
    """
    ways = list(product(sorted({1, trial.threads}), (False, True)))
    plans = [replace(trial, steps=STEPS, threads=threads, bfloat16=bfloat16) for threads, bfloat16 in ways]
    fastest = min(plans, key=lambda plan: _step_seconds(examples, plan, 0.0))
    return Timing(fastest.threads, fastest.bfloat16, _course_seconds(examples, fastest, trial.size))


def _course_seconds(examples: Examples, plan: Plan, size: Size) -> float:
    """Seconds of a step on average over the growth of the side."""
    total = begun = 0.0
    for until, _ in size.growth:
        total += (until - begun) * _step_seconds(examples, plan, begun)
        begun = until
    return total


def _step_seconds(examples: Examples, plan: Plan, share: float) -> float:
    """Wall time of a middling step when `share` of the course is done."""
    torch.set_num_threads(plan.threads)
    learner = new_learner(plan, examples.labels, 0)
    learner.step = round(share * STEPS)
    pixels, truth = examples.batch(np.arange(plan.batch) % len(examples.truth))
    weights = torch.ones(examples.labels)
    seconds = []
    for _ in range(1 + TIMED):
        began = time.perf_counter()
        take_step(learner, pixels, truth, weights, plan)
        seconds.append(time.perf_counter() - began)
    return float(np.median(seconds[1:]))
