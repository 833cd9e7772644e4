"""What the training process does, once torch is there.

Layer: training (torch). Reads one line, the spec, from standard input and trains. Standard output carries
JSON lines: progress, then done or failed. It ends at once when its standard input closes, that is when the
process that started it is gone; what it had learned is in the work folder.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from customlabels.errors import CustomLabelsError
from customlabels.training.spec import Progress, TrainingFailed, TrainingSpec
from customlabels.training.stages import follow, run
from customlabels.training.team import ALONE, Team, start_team, wanted_processes

STDIN = 0
TELL_SECONDS = 1.0
ORPHANED = 3  # exit status; nobody is left to read it

Send = Callable[[Mapping[str, Any]], None]


def main() -> None:
    """Train as the spec on standard input says."""
    team = Team.joined()
    spec = TrainingSpec.from_json(team.told(sys.stdin.buffer.readline() if team.rank == 0 else None))
    threading.Thread(target=_end_with_parent, args=(os.dup(STDIN),), daemon=True).start()
    if team == ALONE and (count := wanted_processes(spec)) > 1:
        start_team(spec, count)
    elif team.rank > 0:
        follow(spec, team)
    else:
        _run(spec, team)


def _run(spec: TrainingSpec, team: Team) -> None:
    send = _only_reports_on_stdout()
    try:
        outcome = run(spec, _seldom(send), lambda: datetime.now(UTC), team)
    except (CustomLabelsError, MemoryError) as error:
        failure = (
            error if isinstance(error, TrainingFailed) else TrainingFailed("TRAINING_FAILED", str(error))
        )
        if isinstance(error, MemoryError):
            text = "the machine has too little memory for this training"
            failure = TrainingFailed("TRAINING_CRASHED", text)
        keys = failure.output_keys
        send({"event": "failed", "code": failure.code, "text": str(failure), "output_keys": keys})
    else:
        send({"event": "done", "outcome": outcome.to_json()})


def _only_reports_on_stdout() -> Send:
    """Keep the pipe for reports; whatever else prints goes to the log with the errors."""
    pipe = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def send(message: Mapping[str, Any]) -> None:
        pipe.write(json.dumps(message) + "\n")

    return send


def _seldom(send: Send) -> Callable[[Progress], None]:
    """Tells progress: once a second, and each stage when it begins."""
    told, stage = 0.0, ""

    def tell(progress: Progress) -> None:
        nonlocal told, stage
        now = time.monotonic()
        if progress.stage != stage or now - told >= TELL_SECONDS:
            told, stage = now, progress.stage
            send({"event": "progress", "progress": asdict(progress)})

    return tell


def _end_with_parent(held: int) -> None:
    # Nothing is sent after the spec: this returns when the other end is closed. Not through `sys.stdin`,
    # whose lock a waiting thread would hold when the interpreter ends.
    os.read(held, 1)
    os._exit(ORPHANED)  # files are whole at every moment, so there is nothing to tidy
