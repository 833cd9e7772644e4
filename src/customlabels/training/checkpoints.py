"""What a learning net is at one step, in a file: weights, their average, the optimiser, the history.

Layer: training (torch). safetensors, never pickle. There is no random state in it and no place in the data:
    views and
order are drawn from (seed, learning, step) alone, so the step's number is both.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.optim import Optimizer

from customlabels.training.durable import write_bytes
from customlabels.training.network import Classifier

__all__ = ["Learner", "load_weights", "read_checkpoint", "save_weights", "write_checkpoint"]


@dataclass(eq=False)
class Learner:
    """A net that learns: everything that a step changes.

    average: the exponential average of the net's weights and statistics; it is what predicts
    number: of its course in the training, from 0     step: how many are done     loss: smoothed
    history: one entry a measurement, JSON values
    """

    net: Classifier
    average: Classifier
    optimiser: Optimizer
    number: int
    step: int = 0
    loss: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)


def write_checkpoint(path: Path, learner: Learner, name: str) -> None:
    """Put the learner's state in place of the older one; `name` says which learning it belongs to."""
    tensors = {f"net.{key}": value for key, value in learner.net.state_dict().items()}
    tensors |= {f"average.{key}": value for key, value in learner.average.state_dict().items()}
    tensors |= {f"optimiser.{key}": value for key, value in _slots(learner.optimiser).items()}
    told = {"name": name, "step": learner.step, "loss": learner.loss, "history": learner.history}
    write_bytes(path, _packed(tensors, told))


def read_checkpoint(path: Path, learner: Learner, name: str) -> bool:
    """Bring the learner to the stored step; False, and nothing changed, where none is stored under `name`."""
    if not path.exists():
        return False
    tensors, told = _unpacked(path)
    if told["name"] != name:
        return False
    learner.net.load_state_dict(_under(tensors, "net."))
    learner.average.load_state_dict(_under(tensors, "average."))
    _fill_slots(learner.optimiser, _under(tensors, "optimiser."))
    learner.step, learner.loss, learner.history = told["step"], told["loss"], told["history"]
    return True


def save_weights(path: Path, net: nn.Module, told: Mapping[str, Any]) -> None:
    """Put a net's weights in place, with a JSON object beside them in the same file."""
    write_bytes(path, _packed(net.state_dict(), told))


def load_weights(path: Path, net: nn.Module, *, skip: str | None = None) -> dict[str, Any]:
    """Fill a net with stored weights; returns what was told beside them.

    skip: tensors whose name starts so keep their fresh values (the head of a net for other labels).
    Raises ValueError where names or shapes differ otherwise.
    """
    stored, told = _unpacked(path)
    fresh = net.state_dict()
    wanted = {key for key in fresh if skip is None or not key.startswith(skip)}
    if wrong := [key for key in wanted if key not in stored or stored[key].shape != fresh[key].shape]:
        raise ValueError(f"{path} holds other weights than this net's: {', '.join(sorted(wrong)[:3])}")
    net.load_state_dict({key: stored[key] if key in wanted else value for key, value in fresh.items()})
    return told


def _packed(tensors: Mapping[str, Tensor], told: Mapping[str, Any]) -> bytes:
    solid = {key: value.detach().contiguous() for key, value in tensors.items()}
    packed: bytes = save(solid, metadata={"told": json.dumps(told)})
    return packed


def _unpacked(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors by name, and what was told beside them."""
    with safe_open(path, framework="pt") as file:
        names: list[str] = file.keys()
        tensors = {name: file.get_tensor(name) for name in names}
        return tensors, json.loads((file.metadata() or {}).get("told", "{}"))


def _under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def _slots(optimiser: Optimizer) -> dict[str, Tensor]:
    """The optimiser's memory of each parameter: `<place>.<slot>` -> tensor."""
    memory = optimiser.state_dict()["state"]
    return {
        f"{place}.{slot}": torch.as_tensor(value)
        for place, kept in memory.items()
        for slot, value in kept.items()
    }


def _fill_slots(optimiser: Optimizer, slots: Mapping[str, Tensor]) -> None:
    memory: dict[int, dict[str, Tensor]] = {}
    for key, value in slots.items():
        place, slot = key.split(".", 1)
        memory.setdefault(int(place), {})[slot] = value
    optimiser.load_state_dict({"state": memory, "param_groups": optimiser.state_dict()["param_groups"]})
