"""Starts a training in a process of its own and stays with it until it ends.

Layer: training; imports no torch. The child has its own process group (a Ctrl-C at the terminal is not for
    it),
receives the spec on its standard input and ends at once when that pipe closes: if this process dies, by
`kill -9` too, no training is left over. Its standard output carries JSON lines, its errors go to
training.log.
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
from typing import IO, Any

from customlabels.training.spec import (
    Progress,
    TrainingCancelled,
    TrainingFailed,
    TrainingOutcome,
    TrainingSpec,
)

__all__ = ["train"]

LOG = "training.log"
LOG_TAIL = 4000  # bytes; enough for a traceback
TERMINATION_SECONDS = 5.0

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
    with (spec.work_folder / LOG).open("ab") as log, _child(spec, log) as child:
        for message in _messages(child, poll_seconds):
            if message is None:
                if cancelled():
                    raise TrainingCancelled(f"the training of {spec.version_name} was stopped on request")
            elif message["event"] == "progress":
                on_progress(Progress(**message["progress"]))
            elif message["event"] == "done":
                return TrainingOutcome.from_json(message["outcome"])
            else:
                raise _failure(spec, message)
        raise _crash(spec, child.wait())


@contextlib.contextmanager
def _child(spec: TrainingSpec, log: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """The training process, its spec handed over; ended, with its whole group, on the way out."""
    # -P: a file of the user's named like a library must not be imported instead of it.
    command = [sys.executable, "-P", "-m", "customlabels.training"]
    child = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        process_group=0,
        env=_environment(spec),
    )
    try:
        assert child.stdin is not None
        with contextlib.suppress(
            BrokenPipeError
        ):  # a child that died at its start is found below, with its reason
            child.stdin.write(spec.to_json().encode() + b"\n")
            child.stdin.flush()
        yield child
    finally:
        _end(child)


def _environment(spec: TrainingSpec) -> dict[str, str]:
    # Threads that wait must sleep: spinning beside a busy neighbour makes a step ten times slower (measured).
    threads = str(spec.threads or os.cpu_count() or 1)
    numeric = {"OMP_WAIT_POLICY": "passive", "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
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
            break
        os.killpg(child.pid, wish)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(TERMINATION_SECONDS)
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            with contextlib.suppress(BrokenPipeError):
                pipe.close()


def _failure(spec: TrainingSpec, message: Message) -> TrainingFailed:
    members = ("manifest_summary", "output_keys")
    told = {name: message.get(name) for name in members}
    return TrainingFailed(message["code"], message["message"], log=_log_tail(spec), **told)


def _crash(spec: TrainingSpec, status: int) -> TrainingFailed:
    reason = f"with status {status}"
    if status < 0:
        reason = f"by signal {signal.Signals(-status).name}"
    if status == -signal.SIGKILL:
        reason += " (killed from outside, most often because the machine ran out of memory)"
    log = spec.work_folder / LOG
    text = (
        f"the training process ended {reason}; its last words are in {log}. Training again goes on from there"
    )
    return TrainingFailed("TRAINING_CRASHED", text, log=_log_tail(spec))


def _log_tail(spec: TrainingSpec) -> str:
    with (spec.work_folder / LOG).open("rb") as log:
        log.seek(max(0, log.seek(0, os.SEEK_END) - LOG_TAIL))
        return log.read().decode("utf-8", errors="replace")
