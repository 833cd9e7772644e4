"""Makes the plan of a training: times a step on this machine, and sees how many there is time for.

Layer: training (torch). Only this looks at the clock; its answer is stored with the plan.
"""

from __future__ import annotations

import os
import time
from dataclasses import asdict, dataclass, replace

import numpy as np
import torch

from customlabels.training.material import Material
from customlabels.training.mirroring import MOST, mirror_is_harmless
from customlabels.training.plan import Plan, batch_for, planned_steps
from customlabels.training.single_label import Examples, new_learner, take_step
from customlabels.training.spec import TrainingSpec
from customlabels.training.workfolder import WorkFolder, read_json, write_json

__all__ = ["Ready", "planned", "timed"]

STEPS = 1000  # of the course that the trial steps pretend to be in
TIMED = 4  # steps, of which the middle counts; one more goes before, while the libraries choose their ways


@dataclass(frozen=True, eq=False)
class Ready:
    """A training that can begin to learn."""

    spec: TrainingSpec
    material: Material
    examples: Examples
    plan: Plan


def planned(
    spec: TrainingSpec, material: Material, examples: Examples, parts: int, folder: WorkFolder
) -> Plan:
    """The stored plan, else a new one, stored before the first of `parts` courses."""
    stored = read_json(folder.plan)
    if stored is not None:
        return Plan(**stored)
    count = len(examples.truth)
    some = np.linspace(0, count - 1, min(count, MOST)).astype(int)
    trial = Plan(
        seed=spec.seed,
        side=material.size.side,
        batch=batch_for(count),
        steps=STEPS,
        threads=spec.threads or os.cpu_count() or 1,
        bfloat16=False,
        mirror=mirror_is_harmless(examples.images(some), examples.truth[some]),
        step_seconds=0.0,
    )
    fastest = timed(examples, trial)
    budget = None if spec.budget_seconds is None else spec.budget_seconds - folder.seconds()
    plan = replace(fastest, steps=planned_steps(material.size, count, parts, budget, fastest.step_seconds))
    write_json(folder.plan, asdict(plan))
    return plan


def timed(examples: Examples, trial: Plan) -> Plan:
    """The trial done the fastest way here and now, with the average time of its steps.

    Each way is tried for some steps with a throw-away net: both precisions with one thread, then the faster
    one with as many threads as `trial` has. On a machine that is busy with other things one thread is often
    faster: of two, the one that runs burns its time waiting for the other (measured: steps of 0.11 s grow to
    1.2 s with two threads, and stay as they are with one).
    """
    single = [replace(trial, threads=1, bfloat16=bfloat16) for bfloat16 in (False, True)]
    seconds = {plan: _step_seconds(examples, plan, 0.0) for plan in single}
    if trial.threads > 1:
        many = replace(min(single, key=seconds.__getitem__), threads=trial.threads)
        seconds[many] = _step_seconds(examples, many, 0.0)
    fastest = min(seconds, key=seconds.__getitem__)
    average, begun = 0.0, 0.0
    for until, _ in trial.size.growth:
        step = seconds[fastest] if begun == 0 else _step_seconds(examples, fastest, begun)
        average += (until - begun) * step
        begun = until
    return replace(fastest, step_seconds=average)


def _step_seconds(examples: Examples, plan: Plan, share: float) -> float:
    """Wall time of a middling step when `share` of the course is done."""
    torch.set_num_threads(plan.threads)
    learner = new_learner(plan, examples.labels, 0)
    learner.step = round(share * plan.steps)
    pixels, truth = examples.batch(np.arange(plan.batch) % len(examples.truth))
    weights = torch.ones(examples.labels)
    seconds = []
    for _ in range(1 + TIMED):
        began = time.perf_counter()
        take_step(learner, pixels, truth, weights, plan)
        seconds.append(time.perf_counter() - began)
    return float(np.median(seconds[1:]))
