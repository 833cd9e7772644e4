"""AdamW over the weights of a net, by torch's function.

Layer: training (torch). Not by torch's class: its first step loads torch's compiler, which nothing here uses
and which takes two seconds of every training.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

DECAY = 0.05  # of matrices; norms and biases are not decayed
SLOTS = ("exp_avg", "exp_avg_sq", "step")  # in the order in which the function takes them


class AdamW:
    """What it remembers of each weight, in place: the two moments and the number of its steps."""

    def __init__(self, net: nn.Module) -> None:
        ranked = sorted(net.parameters(), key=lambda weight: weight.ndim <= 1)
        self._memory = [
            (weight, torch.zeros_like(weight), torch.zeros_like(weight), torch.tensor(0.0, device="cpu"))
            for weight in ranked
        ]

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Move the weights by their gradients, and forget these."""
        for decay, some in (
            (DECAY, [slots for slots in self._memory if slots[0].ndim > 1]),
            (0.0, [slots for slots in self._memory if slots[0].ndim <= 1]),
        ):
            moved = [(slots, slots[0].grad) for slots in some if slots[0].grad is not None]
            adamw(
                [weight for (weight, *_), _ in moved],
                [grad for _, grad in moved],
                [first for (_, first, _, _), _ in moved],
                [second for (_, _, second, _), _ in moved],
                [],
                [steps for (_, _, _, steps), _ in moved],
                foreach=True,
                amsgrad=False,
                beta1=0.9,
                beta2=0.999,
                lr=rate,
                weight_decay=decay,
                eps=1e-8,
                maximize=False,
            )
        for weight, *_ in self._memory:
            weight.grad = None

    def state_dict(self) -> dict[str, Tensor]:
        """`<place>.<slot>` -> tensor."""
        return {
            f"{place}.{slot}": value
            for place, (_, *memory) in enumerate(self._memory)
            for slot, value in zip(SLOTS, memory, strict=True)
        }

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """From `state_dict`."""
        for key, value in self.state_dict().items():
            if key in state:  # a weight that has learned nothing yet has left nothing
                value.copy_(state[key])
