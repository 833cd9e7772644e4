"""The loop: what a net learns, step by step, whatever kind of model it is.

Layer: training (torch). AdamW, warm-up and cosine in steps, and an average of the weights that predicts. What
differs between the kinds (the net, its views of images, its loss, what it says) is a `Lesson`.

Everything random is drawn from (seed, course, step), so a step depends on the state before it and on nothing
else. What a power cut leaves is the last checkpoint; from there the same steps follow, to the same bits.
"""

from __future__ import annotations

import copy
import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from itertools import compress
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor, nn

from customlabels.inference import Predictor
from customlabels.training.checkpoints import Learner
from customlabels.training.material import Part
from customlabels.training.optimiser import AdamW
from customlabels.training.plan import CPU, Course, Plan
from customlabels.training.team import ALONE, Team

WARM_UP = 0.1
AVERAGE_DECAY, AVERAGE_WARM_UP = 0.99, 10  # the average follows the weights closely in the first steps
LOSS_MEMORY = 0.95  # of the loss that is told
OWN_RATE = 2e-3  # rate of learning of our own nets
MEASUREMENTS = 6  # of the held-out images, during a course
MEASURED_SHARE, MOST_MEASURED = 0.05, 60  # held-out images in each, of those that a course learns from

READ_AHEAD = 3  # batches, for a GPU

Images = Callable[[NDArray[np.int64]], NDArray[np.uint8]]  # places to (places, height, width, 3)
Weights = tuple[float, float]  # of a net and of what needs no net, in the model that is served
Said = Mapping[str, NDArray[Any]]  # what a net says of images: arrays by name, joined along their first axis


class Lesson(Protocol):
    """What nets of one kind learn from, and how."""

    @property
    def count(self) -> int:
        """How many images there are to learn from."""

    @property
    def rate(self) -> float:
        """Of learning, at its height."""

    def net(self) -> nn.Module:
        """A net before its first step."""

    @property
    def images(self) -> Images:
        """Images to learn from, a little larger than a net sees them."""

    def batch(
        self, places: NDArray[np.int64], pixels: Tensor, share: float, plan: Plan, generator: Generator
    ) -> tuple[Tensor, Any]:
        """Views of the images for a net, drawn with the generator, and what it should say of them.

        pixels: of `images`, where the net learns     share: of the course that is done, 0..1
        """

    def loss(self, outputs: Any, targets: Any, learned: NDArray[np.int64]) -> Tensor:
        """How far the net is from what it should say. learned: all images of the course"""

    def say(self, net: nn.Module, places: NDArray[np.int64]) -> Said:
        """What a net says of images, prepared as serving will prepare them."""

    def as_served(self, places: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Images that are ever held out, prepared as for serving: (places, height, width, 3) uint8."""

    def f1(self, said: Said, places: NDArray[np.int64]) -> float:
        """The mean F1 of the labels for what was said of these images."""

    def predicted(self, said: Said, places: NDArray[np.int64]) -> tuple[Any, Weights]:
        """What was said of these images as predictions with their truth; and the weights behind them."""

    def served(self, net: nn.Module, weights: Weights) -> nn.Module:
        """What is exported."""

    def tested(self, predictor: Predictor, part: Part) -> Any:
        """Predictions for the test images by the exported model."""

    def lines(
        self, tested: Any, part: Part, thresholds: NDArray[np.floating[Any]], ended: datetime
    ) -> Iterator[str]:
        """The lines of the testing output, for what `tested` gave."""


def learn(
    lesson: Lesson,
    course: Course,
    plan: Plan,
    learner: Learner,
    after_step: Callable[[], None],
    team: Team = ALONE,
) -> None:
    """Take a learner from where it stands to the end of the course."""
    measured_at = {round(plan.steps * part / MEASUREMENTS) for part in range(1, MEASUREMENTS + 1)}
    steps = range(learner.step, plan.steps)
    batches = (team.part(_batch_at(step, course, plan, learner.number)) for step in steps)
    for places, pixels in _fed(lesson, batches, plan):
        take_step(lesson, learner, places, pixels, plan, course.learn, team)
        if learner.step in measured_at and team.rank == 0:
            learner.history.append(_measured(lesson, learner, course, plan))
        after_step()


def label_weights(carriers: NDArray[np.int64]) -> Tensor:
    """(labels,) float: rare labels count more, by the root of their rarity; 1 for the average carrier.

    carriers: images, or boxes, of each label
    """
    carriers = np.maximum(carriers, 1)
    rarity = 1 / np.sqrt(carriers)
    return torch.tensor(rarity * carriers.sum() / (rarity * carriers).sum(), dtype=torch.float32)


def read(lesson: Lesson, places: NDArray[np.int64], plan: Plan) -> tuple[NDArray[np.int64], Tensor]:
    """The places, and their images: for a GPU in memory that it takes them from by itself."""
    pixels = torch.from_numpy(lesson.images(places))
    return places, pixels if plan.device == CPU else pixels.pin_memory()


def _fed(
    lesson: Lesson, batches: Iterator[NDArray[np.int64]], plan: Plan
) -> Iterator[tuple[NDArray[np.int64], Tensor]]:
    """Batch for batch, what `read` gives: for a GPU read ahead, so that it does not wait."""
    if plan.device == CPU:
        yield from (read(lesson, places, plan) for places in batches)
        return
    ahead: deque[Future[tuple[NDArray[np.int64], Tensor]]] = deque()
    with ThreadPoolExecutor(1) as reader:
        for places in batches:
            ahead.append(reader.submit(read, lesson, places, plan))
            if len(ahead) > READ_AHEAD:
                yield ahead.popleft().result()
        yield from (one.result() for one in ahead)


def new_learner(
    lesson: Lesson, plan: Plan, number: int, start: Mapping[str, Tensor] = MappingProxyType({})
) -> Learner:
    """A learner before its first step. number: of the course, from 0; decides its first weights.

    start: weights that take the place of the random ones
    """
    torch.manual_seed(_seed(plan.seed, number))
    net = lesson.net()
    net.load_state_dict({**net.state_dict(), **start})
    net.to(plan.device)
    for weight in net.parameters():
        if weight.ndim == 4:  # as the images lie: what the processor's convolutions take without reordering
            weight.data = weight.data.contiguous(memory_format=torch.channels_last)
    return Learner(net, copy.deepcopy(net).eval(), AdamW(net), number)


def take_step(
    lesson: Lesson,
    learner: Learner,
    places: NDArray[np.int64],
    pixels: Tensor,
    plan: Plan,
    learned: NDArray[np.int64],
    team: Team = ALONE,
) -> None:
    """One step of learning on one batch. places: of its images     learned: of all images of the course"""
    share = learner.step / plan.steps
    own = (team.rank,) if team.count > 1 else ()
    seed = _seed(plan.seed, learner.number, learner.step, *own)
    generator = Generator(plan.device).manual_seed(seed)
    pixels = pixels.to(plan.device, non_blocking=True)
    views, targets = lesson.batch(places, pixels, share, plan, generator)

    learner.net.train()
    with torch.autocast(plan.device, torch.bfloat16, enabled=plan.bfloat16):
        outputs = learner.net(views)
    loss = lesson.loss(outputs, targets, learned)
    torch.autograd.backward(loss)
    team.agree(learner.net)
    learner.optimiser.step(lesson.rate * plan.boldness * _rate(share))

    learner.step += 1
    _follow(learner)
    memory = LOSS_MEMORY if learner.step > 1 else 0.0
    learner.loss = memory * learner.loss + (1 - memory) * loss.item()


def _batch_at(step: int, course: Course, plan: Plan, number: int) -> NDArray[np.int64]:
    """(batch,) indices of a step's images: epoch by epoch in a new order each, without gaps between them."""
    wanted, count = np.arange(step * plan.together, (step + 1) * plan.together), len(course.learn)
    parts = []
    for epoch in np.unique(wanted // count):
        order = np.random.default_rng([plan.seed, number, epoch]).permutation(course.learn)
        parts.append(order[wanted[wanted // count == epoch] % count])
    return np.concatenate(parts)


def _seed(*parts: int) -> int:
    """One number for torch from several; the same on every machine."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> np.uint64(1))


def _rate(share: float) -> float:
    """The learning rate's share when `share` of the steps are done: up in a line, down in a cosine."""
    if share < WARM_UP:
        return (share + 1e-3) / WARM_UP
    return float(0.5 * (1 + np.cos(np.pi * (share - WARM_UP) / (1 - WARM_UP))))


def _follow(learner: Learner) -> None:
    """Bring the average one step after the net: weights and statistics."""
    decay = min(AVERAGE_DECAY, learner.step / (learner.step + AVERAGE_WARM_UP))
    averages, values = (list(net.state_dict().values()) for net in (learner.average, learner.net))
    real = [value.is_floating_point() for value in values]  # the others count batches
    with torch.no_grad():
        torch._foreach_lerp_(list(compress(averages, real)), list(compress(values, real)), 1 - decay)


def _measured(lesson: Lesson, learner: Learner, course: Course, plan: Plan) -> dict[str, Any]:
    """One entry of the history; f1: on held-out images; None without any."""
    epoch = course.epoch_at(learner.step, plan.together)
    most = min(MOST_MEASURED, max(1, round(MEASURED_SHARE * plan.steps * plan.together)))
    seen, f1 = course.held_out[:: max(1, math.ceil(len(course.held_out) / most))], None
    if len(seen):
        with torch.autocast(plan.device, torch.bfloat16, enabled=plan.bfloat16):  # to follow, not to decide
            f1 = lesson.f1(lesson.say(learner.average, seen), seen)
    return {"step": learner.step, "epoch": epoch, "loss": learner.loss, "f1": f1}
