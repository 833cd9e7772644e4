"""Starts a training in a process of its own and stays with it until it ends.

Layer: training; imports no torch. The child has its own process group (a Ctrl-C at the terminal is not for
it), receives the spec on its standard input and ends at once when that pipe closes: if this process dies, by
`kill -9` too, no training is left over. Its standard output carries JSON lines, its errors go to
training.log.

A child that is killed (out of memory, or by somebody) is started again and goes on from its checkpoint. One
that is killed again and again without getting any further is given up.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from customlabels.training.spec import (
    STAGES,
    Progress,
    TrainingCancelled,
    TrainingFailed,
    TrainingOutcome,
    TrainingSpec,
)

LOG = "training.log"
LOG_TAIL = 4000  # bytes; enough for the last line of a traceback
TERMINATION_SECONDS = 5.0
FRUITLESS_CRASHES = 3  # in a row, until it is clear that this training does not fit this machine

Message = Mapping[str, Any]


def train(
    spec: TrainingSpec,
    on_progress: Callable[[Progress], None],
    cancelled: Callable[[], bool],
    *,
    poll_seconds: float = 0.25,
) -> TrainingOutcome:
    """Train, evaluate and export; returns when the artefact and all output documents are in place.

    A work folder with the state of an earlier run of the same spec is gone on with; a finished one answers at
    once. Raises TrainingFailed, TrainingCancelled (`cancelled` is asked every `poll_seconds`), and what the
    callbacks raise; the child is gone in each case.
    """
    if importlib.util.find_spec("torch") is None:
        raise TrainingFailed("TRAINING_SETUP", "training needs torch: pip install 'customlabels[train]'")
    spec.work_folder.mkdir(parents=True, exist_ok=True)
    furthest, fruitless = _place(Progress(STAGES[0])), 0

    def tell(progress: Progress) -> None:
        nonlocal furthest
        furthest = max(furthest, _place(progress))
        on_progress(progress)

    def look_up() -> None:
        if cancelled():
            raise TrainingCancelled(f"the training of {spec.version_name} was stopped on request")

    while True:
        before = furthest
        with _child(spec) as child:
            for message in _messages(child, poll_seconds):
                if message is None:
                    look_up()
                elif message["event"] == "progress":
                    tell(Progress(**message["progress"]))
                elif message["event"] == "done":
                    return TrainingOutcome.from_json(message["outcome"])
                else:
                    raise TrainingFailed(message["code"], message["text"], message["output_keys"])
            status = child.wait()
        fruitless = 0 if furthest > before else fruitless + 1
        if status >= 0 or fruitless == FRUITLESS_CRASHES:  # 0 or more: by itself, and it would again
            raise _crash(spec, status)


def _place(progress: Progress) -> tuple[int, int, int]:
    """How far a training is, to be compared."""
    return STAGES.index(progress.stage), progress.part, progress.step


@contextlib.contextmanager
def _child(spec: TrainingSpec) -> Iterator[subprocess.Popen[bytes]]:
    """The training process, its spec handed over; ended, with its whole group, on the way out."""
    # -P: a file of the user's named like a library must not be imported instead of it.
    command = [sys.executable, "-P", "-m", "customlabels.training"]
    with (
        (spec.work_folder / LOG).open("ab") as log,
        subprocess.Popen(
            command,
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            process_group=0,
            env=_environment(spec),
        ) as child,
    ):
        assert child.stdin is not None
        try:
            with contextlib.suppress(BrokenPipeError):  # it died at its start: its end is seen below
                child.stdin.write(spec.to_json().encode() + b"\n")
            yield child
        finally:
            _end(child)


def _environment(spec: TrainingSpec) -> dict[str, str]:
    # Threads that wait must sleep: spinning beside a busy neighbour makes a step ten times slower (measured).
    threads = str(spec.threads or os.cpu_count() or 1)
    numeric = {"OMP_WAIT_POLICY": "passive", "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
    numeric["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"  # so that products on a GPU repeat to the bit
    package_root = str(Path(__file__).parents[2])
    paths = os.pathsep.join(filter(None, [package_root, os.environ.get("PYTHONPATH")]))
    return {**os.environ, **numeric, "PYTHONPATH": paths}


def _messages(child: subprocess.Popen[bytes], poll_seconds: float) -> Iterator[Message | None]:
    """What the child says, until its end; None whenever it is time to look up."""
    assert child.stdout is not None
    held = b""
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        while True:
            if selector.select(poll_seconds):
                chunk = os.read(child.stdout.fileno(), 1 << 16)
                if not chunk:
                    return
                *lines, held = (held + chunk).split(b"\n")
                yield from map(json.loads, lines)
            yield None


def _end(child: subprocess.Popen[bytes]) -> None:
    """End the child's group: asked first, then killed; its files are whole at every moment."""
    for wish in (signal.SIGTERM, signal.SIGKILL):
        if child.poll() is not None:  # once it is reaped its number may be another's
            return
        os.killpg(child.pid, wish)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(TERMINATION_SECONDS)


def _crash(spec: TrainingSpec, status: int) -> TrainingFailed:
    reason = f"with status {status}"
    if status < 0:
        reason = (
            f"by signal {signal.Signals(-status).name}, {FRUITLESS_CRASHES} times without getting further"
        )
    if status == -signal.SIGKILL:
        reason += " (killed from outside, most often because the machine ran out of memory)"
    log = spec.work_folder / LOG
    with log.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - LOG_TAIL))
        last_words = file.read().decode("utf-8", errors="replace").rstrip().rpartition("\n")[2]
    text = f"the training process ended {reason}; the last words in {log}: {last_words or 'none'}"
    return TrainingFailed("TRAINING_CRASHED", f"{text}. Training again goes on from its checkpoint")
