"""A training from its spec to its outcome: read, plan, learn, choose thresholds, export, measure, write.

Layer: training (torch). Each stage leaves a file when it is done, and finds it when it is run again:

    cache/                       decoded images, below the folder `state`, as all the others
    plan.json                    what clock and data decided
    handcrafted.safetensors      what needs no net, and what it says of images that are kept from it
    features/                    of a pretrained backbone, part by part
    checkpoint.safetensors       the course under way
    model.safetensors            the net that was learned
    said-COURSE.safetensors      what a course says of images it did not learn from, and its history
    artefact/                    the model, put in place whole
    outcome.json                 all is written; running again only answers

What a power cut interrupts is done again from the last of these files, with the same result to the bit.
"""

from __future__ import annotations

import copy
import os
import resource
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from customlabels.inference import BOXES
from customlabels.storage import Objects
from customlabels.training.boxes import BoxesInImages
from customlabels.training.checkpoints import (
    Learner,
    read_checkpoint,
    read_tensors,
    write_checkpoint,
    write_tensors,
)
from customlabels.training.documents import Documents, Unwritten
from customlabels.training.fineness import fine_enough
from customlabels.training.handcrafted import Handcrafted, fitted
from customlabels.training.hub import HubBackbone, InvalidBackbone, is_own_model
from customlabels.training.image_labels import ImageLabels
from customlabels.training.learning import Lesson, learn, new_learner
from customlabels.training.material import Material, gathered
from customlabels.training.pictures import PictureSource
from customlabels.training.plan import (
    AUTOMATIC_SECONDS,
    MODEL,
    RESERVED_SECONDS,
    Course,
    Plan,
    courses,
)
from customlabels.training.planning import Ready, planned, swaps_in
from customlabels.training.release import HeldOut, release
from customlabels.training.spec import Progress, TrainingFailed, TrainingOutcome, TrainingSpec
from customlabels.training.starting import Start, start_of_own
from customlabels.training.team import ALONE, Team
from customlabels.training.workfolder import WorkFolder, read_json

PREPARED = "prepared"  # what the first of a team says to the others when they can begin
HURRIED = (
    "There is too little time to learn in folds, so up to a quarter of the training images are held out "
    "instead to choose the thresholds by. A longer budget (--budget) would find better ones."
)
RSS_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes


def run(
    spec: TrainingSpec,
    tell: Callable[[Progress], None],
    now: Callable[[], datetime],
    team: Team = ALONE,
) -> TrainingOutcome:
    """Train from wherever the work folder stands; raises TrainingFailed. The first of a team runs this."""
    spec = replace(spec, processes=team.count)
    with WorkFolder.claimed(spec) as folder:
        if (stored := read_json(folder.outcome)) is not None:
            team.told("done")
            return TrainingOutcome.from_json(stored)
        documents = Documents(spec, Objects(spec.folder, spec.s3))
        try:
            ready, parts, start = _prepared(spec, folder, documents, tell)
        except Exception:
            team.told("failed")
            raise
        team.told(PREPARED)
        standing = _Standing(ready.plan, len(parts), tell)
        scored = [
            _taken(ready, number, part, start, folder, standing, team) for number, part in enumerate(parts)
        ]
        tell(replace(standing.last, stage="exporting"))
        return release(ready, scored, folder, documents, now)


def follow(spec: TrainingSpec, team: Team) -> None:
    """What the others of a team do, once the first one has left all that takes time in files: learn along."""
    if team.told(None) != PREPARED:
        return
    spec = replace(spec, processes=team.count)
    folder, documents = WorkFolder.watched(spec), Unwritten(spec, Objects(spec.folder, spec.s3))
    ready, parts, start = _prepared(spec, folder, documents, lambda _: None)
    for number, part in enumerate(parts):
        if not folder.said(part.name).exists():  # the first one writes it after the last step of all
            _learned(ready, number, part, start, folder, lambda _: None, team)


def _prepared(
    spec: TrainingSpec, folder: WorkFolder, documents: Documents, tell: Callable[[Progress], None]
) -> tuple[Ready, list[Course], Start]:
    """All that comes before the first step; what of it takes time is found in its files the second time."""
    source = PictureSource(documents.objects, folder.cache, spec.threads or os.cpu_count() or 1)
    hub = _hub(spec.backbone_folder)
    looked = partial(fine_enough, budget=spec.budget_seconds or AUTOMATIC_SECONDS)
    material = gathered(spec, source, documents, tell, hub, looked)
    folder.save_clock()

    parts = courses(material.training.carried, spec.seed, material.originals)
    torch.set_deterministic_debug_mode("error")  # `use_deterministic_algorithms` loads the compiler, too
    tell(Progress("planning"))
    swaps = swaps_in(material)
    lesson = _lesson(material, parts, source, mirror=swaps[0])
    if isinstance(lesson, ImageLabels) and hub is not None:
        lesson, start = _with_backbone(lesson, hub, folder)
        used: dict[str, Any] | None = hub.told()
    else:
        own = spec.backbone_folder if hub is None else None
        start, used = start_of_own(lesson, material.kind, own, from_scratch=spec.from_scratch)
        if isinstance(lesson, ImageLabels):
            lesson = _with_handcrafted(lesson, parts, spec.seed, swaps[0], folder)
    if isinstance(lesson, ImageLabels):
        tell(Progress("planning", validation_f1=lesson.left_out_f1))
    plan = planned(spec, material, lesson, parts, swaps, folder)
    if plan.hurried:
        material = replace(material, notes=(*material.notes, HURRIED))
    torch.set_num_threads(plan.threads)  # the number decides the order of sums, so the bits
    parts = plan.courses(material.training.carried, spec.seed, material.originals)
    return Ready(spec, material, lesson, plan, used), parts, start


def _lesson(material: Material, parts: Sequence[Course], source: PictureSource, *, mirror: bool) -> Lesson:
    """What there is to learn from; images that are ever held out once more, as serving will prepare them."""
    training, size = material.training, material.size
    held_out = np.unique(np.concatenate([course.held_out for course in parts]))
    references = [training.entries[place].source_ref for place in held_out]
    served = source.pictures("held-out", references, (size.height, size.width), lambda _: None)
    if served.problems:
        text = f"{len(served.problems)} images could be read a moment ago and cannot be now; train again"
        raise TrainingFailed("ERROR_FAILED_IMAGES_S3_COPY", text)

    def as_served(places: NDArray[np.int64]) -> NDArray[np.uint8]:
        return np.array(served.pixels[np.searchsorted(held_out, places)])

    if material.kind == BOXES:
        return BoxesInImages(material.labels, training.boxes, training.images, as_served, mirror)
    return ImageLabels(
        material.kind, material.labels, training.carried, training.images, as_served, material.originals
    )


def _with_handcrafted(
    lesson: ImageLabels, parts: Sequence[Course], seed: int, mirror: bool, folder: WorkFolder
) -> ImageLabels:
    """The lesson with a machine that needs no net: from its file, or made now, in seconds."""
    if not folder.handcrafted.exists():
        judged = np.concatenate([course.held_out for course in parts])
        machine, left_out = fitted(
            lesson.images, lesson.carried, judged, originals=lesson.originals, mirror=mirror, seed=seed
        )
        write_tensors(folder.handcrafted, {**machine.state_dict(), "left_out": left_out}, {})
        folder.save_clock()
    state, _ = read_tensors(folder.handcrafted)
    left_out = state.pop("left_out")
    return replace(lesson, answer=Handcrafted.of(state), left_out=left_out.numpy())


def _hub(folder: Path | None) -> HubBackbone | None:
    """The hub's backbone in a folder; None for one of our own models, and for none at all."""
    if folder is None or is_own_model(folder):
        return None
    try:
        return HubBackbone.read(folder)
    except InvalidBackbone as error:
        raise TrainingFailed("TRAINING_SETUP", f"the backbone cannot be used: {error}") from error


def _with_backbone(lesson: ImageLabels, hub: HubBackbone, folder: WorkFolder) -> tuple[ImageLabels, Start]:
    """The lesson with the answer of a backbone's features as they are, and how a course starts from them."""
    # Imported here: transformers takes a second, and is not installed for those who use no backbone.
    from customlabels.training.pretrained import (
        FrozenAnswer,
        Pretrained,
        extracted,
        features_net,
        ridge_head,
        said_when_left_out,
        start_of,
    )

    net, width = features_net(hub)
    features = extracted(net, lesson.images, lesson.count, hub.side, folder.path / "features")
    folder.save_clock()
    strength, left_out = said_when_left_out(features, lesson.carried, lesson.originals)
    answer = FrozenAnswer(net, *ridge_head(features, lesson.carried, strength))

    def start(course: Course) -> Mapping[str, Tensor]:
        # Only from what the course learns from, or its held-out images would have been seen.
        return start_of(features[course.learn], lesson.carried[course.learn], strength)

    def pretrained() -> Pretrained:
        return Pretrained(copy.deepcopy(net), width, len(lesson.labels))

    return replace(lesson, answer=answer, left_out=left_out.numpy(), pretrained=pretrained), start


def _learned(
    ready: Ready,
    number: int,
    course: Course,
    start: Start,
    folder: WorkFolder,
    after_step: Callable[[Learner], None],
    team: Team,
) -> Learner:
    """The course taken, from its checkpoint on where there is one."""
    learner = new_learner(ready.lesson, ready.plan, number, start(course))
    read_checkpoint(folder.checkpoint, learner)
    learn(ready.lesson, course, ready.plan, learner, lambda: after_step(learner), team)
    return learner


def _taken(
    ready: Ready,
    number: int,
    course: Course,
    start: Start,
    folder: WorkFolder,
    standing: _Standing,
    team: Team,
) -> HeldOut:
    """The course's held-out predictions, from their file or by taking it; the last one leaves the weights."""
    file, kept = folder.said(course.name), time.monotonic()

    def after_step(learner: Learner) -> None:
        nonlocal kept
        standing.tell(learner, course)
        if time.monotonic() - kept >= ready.spec.checkpoint_seconds:
            write_checkpoint(folder.checkpoint, learner)
            folder.save_clock()
            kept = time.monotonic()

    if not file.exists():
        learner = _learned(ready, number, course, start, folder, after_step, team)
        said = ready.lesson.say(learner.average, course.held_out)
        if course.name == MODEL:
            write_tensors(folder.weights, learner.average.state_dict(), {})
        # Last: from now on the course is not taken again.
        arrays = {name: torch.from_numpy(array) for name, array in said.items()}
        write_tensors(file, arrays, {"history": learner.history})
        folder.save_clock()
    tensors, told = read_tensors(file)
    return HeldOut(course, {name: tensor.numpy() for name, tensor in tensors.items()}, told["history"])


class _Standing:
    """Turns where a learner is into the progress of the training, with an estimate of what is left."""

    def __init__(self, plan: Plan, parts: int, tell: Callable[[Progress], None]) -> None:
        self._plan, self._parts, self._tell = plan, parts, tell
        # Time, and steps and work (in courses) that were done then.
        self._began: tuple[float, int, float] | None = None
        self.last = Progress("learning")

    def tell(self, learner: Learner, course: Course) -> None:
        """Tell where the course under way stands."""
        plan, now, part = self._plan, time.monotonic(), learner.number + 1
        steps = learner.number * plan.steps + learner.step
        work = learner.number + plan.size.work_done(learner.step / plan.steps)
        if self._began is None:  # the first step of this process: what came before it was not at its pace
            self._began = (now, steps, work)
        seconds, done = max(now - self._began[0], 1e-3), work - self._began[2]
        a_course = seconds / done if done > 0.01 else plan.step_seconds * plan.steps
        self.last = Progress(
            stage="learning" if part == self._parts else "validating",
            part=part,
            parts=self._parts,
            epoch=course.epoch_at(learner.step, plan.together),
            step=learner.step,
            steps=plan.steps,
            images_per_second=plan.together * (steps - self._began[1]) / seconds,
            train_loss=learner.loss,
            validation_f1=learner.history[-1]["f1"] if learner.history else None,
            seconds_left=a_course * (self._parts - work) + RESERVED_SECONDS,
            memory_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * RSS_UNIT,
        )
        self._tell(self.last)
