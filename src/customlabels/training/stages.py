"""A training from its spec to its outcome: read, plan, learn, choose thresholds, export, measure, write.

Layer: training (torch). Each stage leaves a file when it is done, and finds it when it is run again:

    cache/                 decoded images                  plan.json
    what clock and data decided
    <course>.json, .npy    history and held-out logits     checkpoint.safetensors    the course under way
    model.safetensors      the net that was learned        artefact/
    the model, put in place whole
    outcome.json           all is written; running again only answers

What a power cut interrupts is done again from the last of these files, with the same result to the bit.
"""

from __future__ import annotations

import os
import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError

from customlabels.training.checkpoints import Learner, load_weights, save_weights
from customlabels.training.documents import Documents, WriteOutput
from customlabels.training.durable import read_json, write_array, write_json
from customlabels.training.material import Material, gathered
from customlabels.training.mirroring import MOST, mirror_is_harmless
from customlabels.training.pictures import PictureSource, ReadImage
from customlabels.training.plan import (
    MODEL,
    RESERVED_SECONDS,
    Course,
    Plan,
    batch_for,
    courses,
    planned_steps,
)
from customlabels.training.release import HeldOut, Learned, release
from customlabels.training.single_label import Examples, Keeping, Standing, learn, logits_of, new_learner
from customlabels.training.spec import Progress, TrainingFailed, TrainingOutcome, TrainingSpec
from customlabels.training.timing import timed
from customlabels.training.workfolder import WorkFolder

__all__ = ["Surroundings", "run"]

RSS_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes


@dataclass(frozen=True)
class Surroundings:
    """What a training needs from outside.

    read_image: the bytes behind an s3:// reference; raises CustomLabelsError
    write_output: key and bytes, durable
    """

    read_image: ReadImage
    write_output: WriteOutput
    tell: Callable[[Progress], None]
    now: Callable[[], datetime]


def run(spec: TrainingSpec, around: Surroundings) -> TrainingOutcome:
    """Train from wherever the work folder stands; raises TrainingFailed."""
    around.tell(Progress("waiting"))
    with WorkFolder.claimed(spec) as folder:
        if (stored := read_json(folder.outcome)) is not None:
            return TrainingOutcome.from_json(stored)
        documents = Documents(spec, around.write_output)
        source = PictureSource(around.read_image, folder.cache, _threads(spec))
        material = gathered(spec, source, documents, around.tell)
        folder.save_clock()

        parts = courses(material.training.truth, len(material.labels), spec.seed)
        examples = _examples(material, parts, source)
        torch.use_deterministic_algorithms(True)
        around.tell(Progress("planning"))
        plan = _plan(spec, material, examples, len(parts), folder)
        torch.set_num_threads(plan.threads)  # the number decides the order of sums, so the bits

        told = _Told(plan, len(parts), around.tell)
        scored = [_taken(spec, plan, course, examples, folder, told) for course in parts]
        around.tell(replace(told.last, stage="exporting"))
        return release(Learned(spec, plan, material, examples, scored), folder, documents, around.now)


def _threads(spec: TrainingSpec) -> int:
    return spec.threads or os.cpu_count() or 1


def _examples(material: Material, parts: Sequence[Course], source: PictureSource) -> Examples:
    """The training images, and those that are ever held out once more, as serving will prepare them."""
    training = material.training
    held_out = np.unique(np.concatenate([course.held_out for course in parts]))
    references = [training.entries[place].source_ref for place in held_out]
    served = source.pictures("held-out", references, material.size.side, lambda _: None)
    if served.problems:
        text = f"{len(served.problems)} images could be read a moment ago and cannot be now; train again"
        raise TrainingFailed("ERROR_FAILED_IMAGES_S3_COPY", text)

    def as_served(places: NDArray[np.int64]) -> NDArray[np.uint8]:
        return np.array(served.pixels[np.searchsorted(held_out, places)])

    return Examples(training.truth, len(material.labels), training.images, as_served)


def _plan(spec: TrainingSpec, material: Material, examples: Examples, parts: int, folder: WorkFolder) -> Plan:
    """The stored plan of this spec and data, else a new one, stored before the first step."""
    stored = read_json(folder.plan)
    if stored is not None and stored["data"] == material.digest:
        return Plan.from_json(stored)
    folder.forget_learning()
    count = len(examples.truth)
    some = np.linspace(0, count - 1, min(count, MOST)).astype(int)
    trial = Plan(
        data=material.digest,
        seed=spec.seed,
        side=material.size.side,
        batch=batch_for(count),
        steps=1,
        threads=_threads(spec),
        bfloat16=False,
        mirror=mirror_is_harmless(examples.images(some), examples.truth[some]),
        step_seconds=0.0,
    )
    timing = timed(examples, trial)
    budget = None if spec.budget_seconds is None else spec.budget_seconds - folder.seconds()
    steps = planned_steps(material.size, count, parts, budget, timing.step_seconds)
    plan = replace(trial, steps=steps, **asdict(timing))
    write_json(folder.plan, plan.to_json())
    return plan


def _taken(
    spec: TrainingSpec, plan: Plan, course: Course, examples: Examples, folder: WorkFolder, told: _Told
) -> HeldOut:
    """The course's held-out logits, from its files or by taking it; the last one leaves the weights."""
    logits_file, history_file = folder.course_files(course.name)
    history = read_json(history_file)
    if history is None:
        learner = _started(spec, plan, examples.labels, told.courses_done)
        keeping = Keeping(folder.checkpoint, spec.checkpoint_seconds, folder.save_clock)
        learn(examples, course, plan, learner, keeping, told.standing)
        logits = logits_of(learner.average, examples.as_served(course.held_out))
        write_array(logits_file, logits)
        if course.name == MODEL:
            save_weights(folder.weights, learner.average, {"step": learner.step})
        history = learner.history
        write_json(history_file, history)  # last: from now on the course is not taken again
        folder.save_clock()
    told.courses_done += 1
    return HeldOut(course, np.load(logits_file, allow_pickle=False), history)


def _started(spec: TrainingSpec, plan: Plan, labels: int, number: int) -> Learner:
    """A learner before its first step, with the weights of an earlier artefact where the spec names one."""
    learner = new_learner(plan, labels, number)
    if spec.backbone_folder is not None:
        weights = spec.backbone_folder / "weights.safetensors"
        try:
            for net in (learner.net, learner.average):
                load_weights(weights, net, skip="head.")
        except (OSError, ValueError, SafetensorError) as error:
            text = f"backbone_folder {spec.backbone_folder} cannot be the start: {error}"
            raise TrainingFailed("TRAINING_SETUP", text) from error
    return learner


class _Told:
    """Turns the standing of a course into the progress of the training, with an estimate of what is left."""

    def __init__(self, plan: Plan, parts: int, tell: Callable[[Progress], None]) -> None:
        self._plan, self._parts, self._tell = plan, parts, tell
        self._began, self._done_before = time.monotonic(), -1.0
        self.courses_done = 0
        self.last = Progress("learning")

    def standing(self, standing: Standing) -> None:
        """Tell where the course under way stands."""
        plan, part = self._plan, self.courses_done + 1
        done = self.courses_done + plan.size.work_done(standing.step / plan.steps)
        if self._done_before < 0:  # the first word of this process: what came before it was not at its pace
            self._began, self._done_before = time.monotonic(), done
        seconds, work = time.monotonic() - self._began, done - self._done_before
        a_course = seconds / work if work > 0.01 else plan.step_seconds * plan.steps
        self.last = Progress(
            stage="learning" if part == self._parts else "validating",
            part=part,
            parts=self._parts,
            epoch=standing.epoch,
            step=standing.step,
            steps=plan.steps,
            images_per_second=standing.images_per_second,
            train_loss=standing.loss,
            validation_f1=standing.f1,
            seconds_left=a_course * (self._parts - done) + RESERVED_SECONDS,
            memory_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * RSS_UNIT,
        )
        self._tell(self.last)
