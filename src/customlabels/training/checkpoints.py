"""What a learning net is at one step, in a file: weights, their average, the optimiser, the history.

Layer: training (torch). safetensors, never pickle. There is no random state in it and no place in the data:
views and order are drawn from (seed, course, step) alone, so the step's number is both.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor, nn

from customlabels.storage import write_whole
from customlabels.training.optimiser import AdamW


@dataclass(eq=False)
class Learner:
    """A net that learns: everything that a step changes.

    average: the exponential average of the net's weights and statistics; it is what predicts
    number: of its course in the training, from 0     step: how many are done     loss: smoothed
    history: one entry a measurement, JSON values
    """

    net: nn.Module
    average: nn.Module
    optimiser: AdamW
    number: int
    step: int = 0
    loss: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)


def write_checkpoint(path: Path, learner: Learner) -> None:
    """Put the learner's state in place of the older one."""
    parts = {
        "net": learner.net.state_dict(),
        "average": learner.average.state_dict(),
        "optimiser": learner.optimiser.state_dict(),
    }
    tensors = {f"{part}.{key}": value for part, state in parts.items() for key, value in state.items()}
    told = {name: getattr(learner, name) for name in ("number", "step", "loss", "history")}
    write_tensors(path, tensors, told)


def read_checkpoint(path: Path, learner: Learner) -> bool:
    """Bring the learner to the stored step; False, and nothing changed, where none is stored."""
    if not path.exists():
        return False
    tensors, told = read_tensors(path)
    if told["number"] != learner.number:
        return False
    states: dict[str, dict[str, Tensor]] = {"net": {}, "average": {}, "optimiser": {}}
    for name, value in tensors.items():
        part, key = name.split(".", 1)
        states[part][key] = value
    learner.net.load_state_dict(states["net"])
    learner.average.load_state_dict(states["average"])
    learner.optimiser.load_state_dict(states["optimiser"])
    learner.step, learner.loss, learner.history = told["step"], told["loss"], told["history"]
    return True


def write_tensors(path: Path, tensors: Mapping[str, Tensor], told: Mapping[str, Any]) -> None:
    """Put tensors in place, with a JSON object beside them in the same file."""
    solid = {key: value.detach().contiguous() for key, value in tensors.items()}
    write_whole(path, [save(solid, metadata={"told": json.dumps(told)})])


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors by name, and what was told beside them."""
    with safe_open(path, framework="pt") as file:
        names: list[str] = file.keys()
        return {name: file.get_tensor(name) for name in names}, json.loads(file.metadata()["told"])
