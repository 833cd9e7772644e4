"""The folder of one training: who may write in it, whose state it holds, how long it has been worked on.

Layer: training; no torch. Its files are whole at every moment: written beside their place, synced, renamed.
After a power cut there is the old file or the new one; what may be left over is a name ending in `.part`,
which the next write replaces.
"""

from __future__ import annotations

import fcntl
import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from customlabels.storage import write_whole
from customlabels.training.spec import TrainingSpec

STATE = "state"  # below the work folder, where others keep files too


class WorkFolder:
    """Paths and clock of a training; made by `claimed`."""

    def __init__(self, path: Path, spec: str) -> None:
        self.path, self._spec, self._state = path, spec, path / "state.json"
        self.plan, self.outcome = path / "plan.json", path / "outcome.json"
        self.handcrafted = path / "handcrafted.safetensors"
        self.checkpoint, self.weights = path / "checkpoint.safetensors", path / "model.safetensors"
        self.artefact, self.unfinished = path / "artefact", path / "artefact.tmp"
        self.cache = path / "cache"
        self._before, self._began, self._claimed = 0.0, time.monotonic(), True

    @classmethod
    @contextmanager
    def claimed(cls, spec: TrainingSpec) -> Iterator[WorkFolder]:
        """The folder, for this process alone; waits until a process that is dying has let go of it.

        State of a training with another spec or other manifests is removed.
        """
        spec.work_folder.mkdir(parents=True, exist_ok=True)
        with (spec.work_folder / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # let go by the system when the process ends, however it ends
            folder = cls(spec.work_folder / STATE, spec.digest())
            state = read_json(folder._state)
            if state is not None and state["spec"] == folder._spec:
                folder._before = state["seconds"]
            else:
                shutil.rmtree(folder.path, ignore_errors=True)
                folder.cache.mkdir(parents=True)
                folder.save_clock()
            yield folder

    @classmethod
    def watched(cls, spec: TrainingSpec) -> WorkFolder:
        """The folder of a process that another one lets look on: it is read, and its clock left alone."""
        folder = cls(spec.work_folder / STATE, spec.digest())
        folder._claimed = False
        return folder

    def said(self, course: str) -> Path:
        """The file of what a course says of the images that it did not learn from."""
        return self.path / f"said-{course}.safetensors"

    def seconds(self) -> float:
        """Wall time that processes have worked here, this one included."""
        return self._before + time.monotonic() - self._began

    def save_clock(self) -> None:
        """Keep the time for a run that comes after this one."""
        if self._claimed:
            write_json(self._state, {"spec": self._spec, "seconds": self.seconds()})


def write_json(path: Path, value: Any) -> None:
    """Put a JSON document in place; NaN is refused."""
    write_whole(path, [json.dumps(value, indent=1, allow_nan=False).encode()])


def read_json(path: Path) -> Any:
    """The JSON document, None where there is no file."""
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
