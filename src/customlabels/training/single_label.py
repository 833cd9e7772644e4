"""The loop for one label an image: what a net learns, step by step, and what it then says.

Layer: training (torch). One module a kind of model; this one is softmax over the labels.
AdamW, warm-up and cosine in steps, label smoothing, mixup, and an average of the weights that predicts.

Everything random is drawn from (seed, course, step), so a step depends on the state before it and on nothing
else. What a power cut leaves is the last checkpoint; from there the same steps follow, to the same bits.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor
from torch.nn import functional

from customlabels.evaluation import count
from customlabels.training.augmentation import Augmentation, mixed, random_views
from customlabels.training.checkpoints import Learner
from customlabels.training.network import Classifier, normalised
from customlabels.training.plan import Course, Plan

__all__ = ["Examples", "learn", "logits_of", "new_learner", "take_step"]

LEARNING_RATE, WEIGHT_DECAY, WARM_UP = 2e-3, 0.05, 0.1
LABEL_SMOOTHING, MIXUP = 0.1, 0.2
AVERAGE_DECAY, AVERAGE_WARM_UP = 0.99, 10  # the average follows the weights closely in the first steps
LOSS_MEMORY = 0.95  # of the loss that is told
MEASUREMENTS = 8  # of the held-out images, during a course
SCORED_AT_ONCE = 64  # images; bounds memory


@dataclass(frozen=True, eq=False)
class Examples:
    """The usable training images.

    truth: (n,) index of the label     labels: how many
    images: (places,) to (places, cached_side, cached_side, 3) uint8
    as_served: (places,) of images that are ever held out to (places, side, side, 3) uint8, as served
    """

    truth: NDArray[np.int64]
    labels: int
    images: Callable[[NDArray[np.int64]], NDArray[np.uint8]]
    as_served: Callable[[NDArray[np.int64]], NDArray[np.uint8]]

    def batch(self, places: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Images (n, cached_side, cached_side, 3) uint8, and rows of 0 and 1 (n, labels) float."""
        truth = functional.one_hot(torch.from_numpy(self.truth[places]), self.labels).float()
        return torch.from_numpy(self.images(places)), truth


def learn(
    examples: Examples, course: Course, plan: Plan, learner: Learner, after_step: Callable[[], None]
) -> None:
    """Take a learner from where it stands to the end of the course."""
    weights = _label_weights(examples.truth[course.learn], examples.labels)
    measured_at = {round(plan.steps * part / MEASUREMENTS) for part in range(1, MEASUREMENTS + 1)}
    while learner.step < plan.steps:
        pixels, truth = examples.batch(_batch_at(learner.step, course, plan, learner.number))
        take_step(learner, pixels, truth, weights, plan)
        if learner.step in measured_at:
            learner.history.append(_measured(learner, examples, course, plan))
        after_step()


def new_learner(
    plan: Plan, labels: int, number: int, backbone: Mapping[str, Tensor] | None = None
) -> Learner:
    """A learner before its first step. number: of the course, from 0; decides its first weights.

    backbone: weights of an earlier net that take the place of the random ones, those of its labels left out
    """
    torch.manual_seed(_seed(plan.seed, number))
    net = Classifier(labels)
    if backbone is not None:
        net.load_state_dict({**net.state_dict(), **backbone})
    for weight in net.parameters():
        if weight.ndim == 4:  # as the images lie: what the processor's convolutions take without reordering
            weight.data = weight.data.contiguous(memory_format=torch.channels_last)
    matrices = [weight for weight in net.parameters() if weight.ndim > 1]
    vectors = [weight for weight in net.parameters() if weight.ndim <= 1]  # norms and biases are not decayed
    groups = [{"params": matrices, "weight_decay": WEIGHT_DECAY}, {"params": vectors, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=LEARNING_RATE, foreach=True)
    return Learner(net, copy.deepcopy(net).eval(), optimiser, number)


def take_step(learner: Learner, pixels: Tensor, truth: Tensor, weights: Tensor, plan: Plan) -> None:
    """One step of learning on one batch, as `Examples.batch` gives it; weights: (labels,) of the loss."""
    share = learner.step / plan.steps
    generator = Generator().manual_seed(_seed(plan.seed, learner.number, learner.step))
    rules = Augmentation(mirror=plan.mirror)
    views = random_views(pixels, plan.size.side_at(share), rules, generator)
    views, targets = mixed(views, truth, MIXUP, generator)

    for group in learner.optimiser.param_groups:
        group["lr"] = LEARNING_RATE * _rate(share)
    learner.net.train()
    with torch.autocast("cpu", torch.bfloat16, enabled=plan.bfloat16):
        logits = learner.net(normalised(views)).float()
    loss = functional.cross_entropy(logits, targets, weight=weights, label_smoothing=LABEL_SMOOTHING)
    learner.optimiser.zero_grad()
    torch.autograd.backward(loss)
    learner.optimiser.step()

    learner.step += 1
    _follow(learner)
    memory = LOSS_MEMORY if learner.step > 1 else 0.0
    learner.loss = memory * learner.loss + (1 - memory) * loss.item()


def logits_of(net: Classifier, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """images: (n, side, side, 3) uint8; returns (n, labels) float32, in the precision of the export."""
    net.eval()
    with torch.inference_mode():
        parts = [net(normalised(part)) for part in torch.split(torch.from_numpy(images), SCORED_AT_ONCE)]
    logits: NDArray[np.float32] = torch.cat(parts).numpy()
    return logits


def _batch_at(step: int, course: Course, plan: Plan, number: int) -> NDArray[np.int64]:
    """(batch,) indices of a step's images: epoch by epoch in a new order each, without gaps between them."""
    wanted, count = np.arange(step * plan.batch, (step + 1) * plan.batch), len(course.learn)
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
    with torch.no_grad():
        pairs = zip(learner.average.state_dict().values(), learner.net.state_dict().values(), strict=True)
        for average, value in pairs:
            if average.is_floating_point():
                average.lerp_(value, 1 - decay)
            else:
                average.copy_(value)  # the count of batches


def _label_weights(truth: NDArray[np.int64], labels: int) -> Tensor:
    """(labels,) float: rare labels count more, by the root of their rarity; 1 for the average image."""
    counts = np.bincount(truth, minlength=labels)
    rarity = 1 / np.sqrt(np.maximum(counts, 1))
    return torch.tensor(rarity * counts.sum() / (rarity * counts).sum(), dtype=torch.float32)


def _measured(learner: Learner, examples: Examples, course: Course, plan: Plan) -> dict[str, Any]:
    """One entry of the history; f1: on held-out images, by their highest scores; None without any."""
    epoch = course.epoch_at(learner.step, plan.batch)
    entry = {"step": learner.step, "epoch": epoch, "loss": learner.loss, "f1": None}
    if len(course.held_out):
        logits = logits_of(learner.average, examples.as_served(course.held_out))
        named = np.eye(examples.labels)[logits.argmax(axis=1)]
        truth = np.eye(examples.labels, dtype=bool)[examples.truth[course.held_out]]
        entry["f1"] = float(count(named, truth, np.full(examples.labels, 0.5)).macro_f1)
    return entry
