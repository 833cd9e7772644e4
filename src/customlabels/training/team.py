"""Processes that learn together, one on each GPU: each on its own part of a step's images.

Layer: training (torch). torch's own launcher (that of `torchrun`) starts them and tells each who it is. The
first, rank 0, does everything that is not learning, and alone writes; after each step's gradients all have
their mean, so that all nets stay the same. When one process dies, all end, and what started them goes on from
the last checkpoint.
"""

from __future__ import annotations

import os
import sys
import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import distributed, nn

from customlabels.training.spec import TrainingSpec

# The processes are all on this machine, and nobody else should hear them.
LOOPBACK = {"GLOO_SOCKET_IFNAME": "lo", "NCCL_SOCKET_IFNAME": "lo"} if sys.platform == "linux" else {}


@dataclass(frozen=True)
class Team:
    """Who this process is among those that learn together. rank: from 0     count: of them"""

    rank: int = 0
    count: int = 1

    @classmethod
    def joined(cls) -> Team:
        """The team that this process was started in; itself alone where it was not."""
        if not distributed.is_torchelastic_launched():
            return cls()
        if torch.cuda.is_available():
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        # Values go by gloo whatever the weights lie on.
        distributed.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
        return cls(distributed.get_rank(), distributed.get_world_size())

    def told(self, value: Any) -> Any:
        """What the first one says, for all of them; the others wait for it."""
        box = [value]
        if self.count > 1:
            distributed.broadcast_object_list(box)
        return box[0]

    def part(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """This process's part of a step's images."""
        return places[self.rank :: self.count]

    def agree(self, net: nn.Module) -> None:
        """Replace gradients, and statistics of batches, by their mean over the team."""
        if self.count == 1:
            return
        tensors = [weight.grad for weight in net.parameters() if weight.grad is not None]
        tensors += [buffer for buffer in net.buffers() if buffer.is_floating_point()]
        mean = torch.cat([tensor.reshape(-1) for tensor in tensors])
        distributed.all_reduce(mean)
        mean /= self.count
        for tensor, its in zip(tensors, torch.split(mean, [each.numel() for each in tensors]), strict=True):
            tensor.copy_(its.view(tensor.shape))


ALONE = Team()


def wanted_processes(spec: TrainingSpec) -> int:
    """As many as the spec or its plan says, else one a GPU, else one."""
    return spec.processes or (spec.plan or {}).get("processes") or max(1, torch.cuda.device_count())


def start_team(spec: TrainingSpec, count: int) -> None:
    """Run this training in a team; returns when all have ended. One that was killed kills this process alike.

    Every process of the team ends at once with this one: their common standard input closes.
    """
    # Imported here: only machines with several GPUs need it.
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    os.environ.update(LOOPBACK)
    reading, writing = os.pipe()
    os.dup2(reading, sys.stdin.fileno())
    line = spec.to_json().encode() + b"\n"
    threading.Thread(target=_write, args=(writing, line), daemon=True).start()  # a pipe may hold less
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=count,
        run_id="training",
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        local_addr="localhost",
        max_restarts=0,
    )
    try:
        elastic_launch(config, sys.executable)("-P", "-m", "customlabels.training")
    except SignalException as error:  # the one that started this has heard what it wanted to know
        raise SystemExit(128 + error.sigval) from None
    except ChildFailedError as error:
        _, failure = error.get_first_failure()
        if failure.exitcode < 0:
            os.kill(os.getpid(), -failure.exitcode)
        raise SystemExit(failure.exitcode) from error


def _write(pipe: int, line: bytes) -> None:
    while line:
        line = line[os.write(pipe, line) :]
