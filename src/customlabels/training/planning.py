"""Makes the plan of a training: times a step on this machine, and sees how many there is time for.

Layer: training (torch). Only this looks at the clock; its answer is stored with the plan.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from customlabels.inference import BOXES
from customlabels.training.image_labels import ImageLabels
from customlabels.training.learning import Lesson, new_learner, read, take_step
from customlabels.training.material import Material, Part
from customlabels.training.mirroring import MOST, harmless_swaps, pictures_in_boxes
from customlabels.training.pictures import evenly
from customlabels.training.plan import GPU, Course, Plan, Size, batch_for, with_steps
from customlabels.training.spec import TrainingFailed, TrainingSpec
from customlabels.training.workfolder import WorkFolder, read_json, write_json

STEPS = 1000  # of the course that the trial steps pretend to be in
Swaps = tuple[bool, bool]  # of left and right, of top and bottom
TIMED = (
    2  # steps at least, of which the middle counts; one more goes before, while libraries choose their ways
)
# Of a budget, and seconds at most: how long each way is timed. By three steps on a busy machine, trainings
# used from 59 to 127 % of their budget.
TIMED_SHARE, TIMED_SECONDS = 0.004, 1.5


@dataclass(frozen=True, eq=False)
class Ready:
    """A training that can begin to learn. backbone: what the card says of the hub's one in use"""

    spec: TrainingSpec
    material: Material
    lesson: Lesson
    plan: Plan
    backbone: Mapping[str, Any] | None = None


def planned(
    spec: TrainingSpec,
    material: Material,
    lesson: Lesson,
    parts: Sequence[Course],
    swaps: Swaps,
    folder: WorkFolder,
) -> Plan:
    """The given or stored plan, else a new one, stored before the first of the courses.

    Raises TrainingFailed for a plan that this machine cannot follow.
    """
    stored = spec.plan or read_json(folder.plan)
    if stored is not None:
        plan = Plan.from_json(stored)
        if plan.device == GPU and not torch.cuda.is_available():
            text = "its plan was made for a GPU, and there is none here now; train a new version"
            raise TrainingFailed("TRAINING_SETUP", text)
        return plan
    tried = trial(material.size, lesson.count, spec.threads, spec.processes or 1)
    tried = replace(tried, seed=spec.seed, mirror=swaps[0], upend=swaps[1])
    whole = spec.budget_seconds
    fastest = timed(lesson, tried, min(TIMED_SHARE * (whole or 0.0), TIMED_SECONDS))
    budget = None if whole is None else whole - folder.seconds()
    known = lesson.left_out_f1 if isinstance(lesson, ImageLabels) else None
    said = sum(len(course.held_out) for course in parts) + len(material.testing.entries)
    said *= 1 + (material.kind == BOXES and tried.mirror)  # boxes are looked for both ways
    plan = with_steps(fastest, lesson.count, len(parts), budget, known, said)
    write_json(folder.plan, plan.to_json())
    return plan


def trial(size: Size, count: int, threads: int | None = None, processes: int = 1) -> Plan:
    """What is timed: the middle of a long course over `count` images. threads: of all processes"""
    batch = batch_for(size, count // processes)
    return Plan(
        seed=0,
        size=size,
        batch=batch,
        steps=STEPS,
        threads=max(1, (threads or os.cpu_count() or 1) // processes),
        bfloat16=False,
        mirror=False,
        step_seconds=0.0,
        processes=processes,
        boldness=math.sqrt(batch * processes / batch_for(size, count)),  # the noise falls by as much
    )


def swaps_in(material: Material) -> Swaps:
    """Whether views may swap left and right, top and bottom, by the training pictures of the same labels.

    Of boxes by what is in them: things that always stand upright make scenes that are upside down as likely.
    """
    training = material.training
    if material.kind == BOXES:
        return harmless_swaps(*_pictures_of_boxes(training))
    some = evenly(len(training.entries), MOST)
    _, alike = np.unique(training.carried[some], axis=0, return_inverse=True)
    return harmless_swaps(training.images(some), alike.reshape(-1))


def _pictures_of_boxes(training: Part) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """What is in the boxes, image by image, and the label of each; of some of them where there are many."""
    some = evenly(sum(map(len, training.boxes)), MOST)
    of = np.repeat(np.arange(len(training.boxes)), list(map(len, training.boxes)))[some]
    labels, corners = (
        np.concatenate([getattr(boxes, name) for boxes in training.boxes])[some]
        for name in ("labels", "corners")
    )
    pictures = [
        pictures_in_boxes(training.images(slice(at, at + 1))[0], corners[of == at]) for at in np.unique(of)
    ]
    return np.concatenate(pictures), labels


def timed(lesson: Lesson, trial: Plan, seconds_each: float = 0.0) -> Plan:
    """The trial done the fastest way here and now, with the average time of its steps.

    Each way is tried for some steps, and so many seconds, with a throw-away net: both precisions with one
    thread, then the faster one with as many threads as `trial` has; and both on a GPU where there is one.
    On a machine that is busy with other things one thread is often faster: of two, the one that runs burns
    its time waiting for the other (measured: steps of 0.11 s grow to 1.2 s with two threads, and stay as they
    are with one). Of a team, the first one alone is timed: it hears nothing of what agreeing takes.
    """
    single = [replace(trial, threads=1, bfloat16=bfloat16) for bfloat16 in (False, True)]
    seconds = {plan: _step_seconds(lesson, plan, 0.0, seconds_each) for plan in single}
    if trial.threads > 1:
        many = replace(min(single, key=seconds.__getitem__), threads=trial.threads)
        seconds[many] = _step_seconds(lesson, many, 0.0, seconds_each)
    if torch.cuda.is_available():
        # It would take more images a step in the same time; four times as many cost boxes two points of F1.
        for plan in [replace(plan, device=GPU) for plan in single]:
            seconds[plan] = _step_seconds(lesson, plan, 0.0, seconds_each)
    fastest = min(seconds, key=seconds.__getitem__)
    average, begun = 0.0, 0.0
    for until, _ in trial.size.growth:
        step = seconds[fastest] if begun == 0 else _step_seconds(lesson, fastest, begun, seconds_each)
        average += (until - begun) * step
        begun = until
    return replace(fastest, step_seconds=average)


def _step_seconds(lesson: Lesson, plan: Plan, share: float, least: float) -> float:
    """Wall time of a middling step when `share` of the course is done."""
    torch.set_num_threads(plan.threads)
    places, every = np.arange(plan.batch) % lesson.count, np.arange(lesson.count)
    seconds: list[float] = []
    learner = new_learner(lesson, plan, 0)
    learner.step = round(share * plan.steps)
    while len(seconds) < 1 + TIMED or sum(seconds[1:]) < least:
        began = time.perf_counter()
        take_step(lesson, learner, *read(lesson, places, plan), plan, every)
        seconds.append(time.perf_counter() - began)
    return float(np.median(seconds[1:]))
