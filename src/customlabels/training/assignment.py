"""What a detector should say at each place, and how far it is from that.

Layer: training (torch). A true box is answered for by the places inside it that answer best already, in label
and in shape (task-aligned assignment); their scores should be how well their boxes fit, so that a confident
box is a good one. All corners are shares of the sides: intersection over union is the same in any unit.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

ANSWERING = 10  # places for a true box, at most
SCORE_POWER, FIT_POWER = 0.5, 6.0  # of a place's worth for a box
# Of places that should say nothing: the surer, the worse. Half as much costs cells 0.004 of mAP50.
WRONG_WEIGHT, WRONG_POWER = 1.5, 2.0
FIT_WEIGHT = 2.5  # of the boxes' fit beside the labels


@dataclass(frozen=True, eq=False)
class TrueBoxes:
    """The true boxes of a batch of images, filled up to the same number.

    labels: (n, most) int     corners: (n, most, 4)     present: (n, most) bool, False for the filling
    places: (places, 2) centres
    """

    labels: Tensor
    corners: Tensor
    present: Tensor
    places: Tensor


def box_loss(logits: Tensor, corners: Tensor, truth: TrueBoxes, weights: Tensor | float = 1.0) -> Tensor:
    """One number. logits: (n, places, labels)     corners: (n, places, 4)     weights: (labels,)"""
    logits = logits.float()
    with torch.no_grad():
        wanted, answered, box = _assigned(logits.sigmoid(), corners, truth)
    worth = (wanted * weights).sum(dim=2)
    total = worth.sum().clamp_min(1.0)
    scores = logits.detach().sigmoid()
    weight = torch.where(wanted > 0, wanted, WRONG_WEIGHT * scores**WRONG_POWER)
    said = functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    label_loss = (said * weight * weights).sum() / total
    fit = _generalised_overlap(corners[answered], box[answered])
    return label_loss + FIT_WEIGHT * ((1 - fit) * worth[answered]).sum() / total


def _assigned(scores: Tensor, corners: Tensor, truth: TrueBoxes) -> tuple[Tensor, Tensor, Tensor]:
    """wanted (n, places, labels) scores; answered (n, places) bool; box (n, places, 4): the true one."""
    count, places, _ = scores.shape
    most = truth.labels.shape[1]
    wanted = torch.zeros_like(scores)
    if most == 0:
        answered = torch.zeros((count, places), dtype=torch.bool, device=scores.device)
        return wanted, answered, torch.zeros_like(corners)
    fit = _overlap(truth.corners[:, :, None], corners[:, None])  # (n, most, places)
    by_label = scores.transpose(1, 2).gather(1, truth.labels[:, :, None].expand(-1, -1, places))
    worth = by_label**SCORE_POWER * fit**FIT_POWER * _inside(truth)
    # Far from any fit all worths are 0 to the machine; then the places inside count by their number alone.
    ranked = worth + 1e-9 * _inside(truth)
    best = ranked.topk(min(ANSWERING, places), dim=2)
    chosen = torch.zeros_like(worth).scatter(2, best.indices, (best.values > 0).float())
    chosen = chosen * truth.present[:, :, None]
    # (n, places) the best fitting of the boxes that want a place
    owner = (fit * chosen + chosen).argmax(dim=1)
    answered = chosen.sum(dim=1) > 0
    own = functional.one_hot(owner, most).transpose(1, 2) * chosen
    worth, fit = worth * own, fit * own
    scale = fit.amax(dim=2, keepdim=True) / worth.amax(dim=2, keepdim=True).clamp_min(1e-12)
    deserved = (worth * scale).sum(dim=1)  # (n, places)
    labels = truth.labels.gather(1, owner)
    wanted.scatter_(2, labels[:, :, None], (deserved * answered)[:, :, None])
    box = truth.corners.gather(1, owner[:, :, None].expand(-1, -1, 4))
    return wanted, answered, box


def _inside(truth: TrueBoxes) -> Tensor:
    """(n, most, places) 1.0 where a place lies in a box; a box between all places has the nearest one."""
    left_top, right_bottom = truth.corners[:, :, None, :2], truth.corners[:, :, None, 2:]
    inside = ((truth.places > left_top) & (truth.places < right_bottom)).all(dim=3).float()
    distance = (truth.places - (left_top + right_bottom) / 2).square().sum(dim=3)
    nearest = functional.one_hot(distance.argmin(dim=2), inside.shape[2]).float()
    return torch.where(inside.sum(dim=2, keepdim=True) > 0, inside, nearest)


def _shared_and_whole(some: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    """Areas of intersection and union of corners (..., 4)."""
    shared = (
        (torch.minimum(some[..., 2:], others[..., 2:]) - torch.maximum(some[..., :2], others[..., :2]))
        .clamp_min(0)
        .prod(dim=-1)
    )
    areas = [(each[..., 2:] - each[..., :2]).clamp_min(0).prod(dim=-1) for each in (some, others)]
    return shared, areas[0] + areas[1] - shared


def _overlap(some: Tensor, others: Tensor) -> Tensor:
    """Intersection over union."""
    shared, union = _shared_and_whole(some, others)
    return shared / union.clamp_min(1e-9)


def _generalised_overlap(some: Tensor, others: Tensor) -> Tensor:
    """Intersection over union, less the share of the box around both that neither fills; -1..1."""
    shared, union = _shared_and_whole(some, others)
    around = (
        torch.maximum(some[..., 2:], others[..., 2:]) - torch.minimum(some[..., :2], others[..., :2])
    ).prod(dim=-1)
    return shared / union.clamp_min(1e-9) - (around - union) / around.clamp_min(1e-9)
