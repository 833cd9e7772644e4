"""The folder of one training: who may write in it, whose state it holds, how long it has been worked on.

Layer: training; no torch.
"""

from __future__ import annotations

import fcntl
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from customlabels.training.durable import read_json, write_json
from customlabels.training.spec import TrainingSpec

__all__ = ["WorkFolder"]

LEARNING = ("*.npy", "*.json", "*.safetensors", "*.part")  # state of a training, at the top of its folder


class WorkFolder:
    """Paths and clock of a training; made by `claimed`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.plan, self.outcome = path / "plan.json", path / "outcome.json"
        self.checkpoint, self.weights = path / "checkpoint.safetensors", path / "model.safetensors"
        self.artefact, self.unfinished = path / "artefact", path / "artefact.tmp"
        self.cache = path / "cache"
        self._state = path / "state.json"
        self._before, self._began = 0.0, time.monotonic()

    @classmethod
    @contextmanager
    def claimed(cls, spec: TrainingSpec) -> Iterator[WorkFolder]:
        """The folder, for this process alone; waits until a process that is dying has let go of it.

        State of a training with another spec or other manifests is removed.
        """
        spec.work_folder.mkdir(parents=True, exist_ok=True)
        with (spec.work_folder / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # let go by the system when the process ends, however it ends
            folder = cls(spec.work_folder)
            folder._take_over(spec.digest())
            yield folder

    def seconds(self) -> float:
        """Wall time that processes have worked here, this one included."""
        return self._before + time.monotonic() - self._began

    def save_clock(self) -> None:
        """Keep the time for a run that comes after this one."""
        write_json(self._state, {"spec": self._spec, "seconds": self.seconds()})

    def course_files(self, name: str) -> tuple[Path, Path]:
        """Held-out logits of a course, and its history, which is written last."""
        return self.path / f"{name}.npy", self.path / f"{name}.json"

    def forget_learning(self) -> None:
        """Remove what was learned and planned; the decoded images stay."""
        for pattern in LEARNING:
            for file in self.path.glob(pattern):
                file.unlink()
        for folder in (self.artefact, self.unfinished):
            shutil.rmtree(folder, ignore_errors=True)
        self.save_clock()

    def _take_over(self, spec: str) -> None:
        self._spec = spec
        state = read_json(self._state)
        if state is not None and state["spec"] == spec:
            self._before = state["seconds"]
            return
        shutil.rmtree(self.cache, ignore_errors=True)
        self.forget_learning()
