"""The training process: `python -m customlabels.training`, started by the launcher and by nobody else.

Reads one line, the spec, from standard input and trains. Standard output carries JSON lines: progress, then
done or failed. It ends at once when its standard input closes, that is when the process that started it is
gone; what it had learned is in the work folder.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from customlabels.datasets import split_ref
from customlabels.errors import CustomLabelsError
from customlabels.images import ImageLimits
from customlabels.storage import Objects
from customlabels.training.spec import Progress, TrainingFailed, TrainingSpec
from customlabels.training.stages import Surroundings, run

STDIN = 0
ORPHANED = 3  # exit status; nobody is left to read it

Send = Callable[[Mapping[str, Any]], None]


def main() -> None:
    """Train as the spec on standard input says."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C at the terminal is for the one who watches
    send = _only_reports_on_stdout()
    spec = TrainingSpec.from_json(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        outcome = run(spec, _surroundings(spec, send))
    except TrainingFailed as failure:
        send(_failed(failure))
    except CustomLabelsError as error:
        send(_failed(TrainingFailed("TRAINING_FAILED", str(error))))
    except MemoryError:
        send(
            _failed(TrainingFailed("TRAINING_CRASHED", "the machine has too little memory for this training"))
        )
    else:
        send({"event": "done", "outcome": outcome.to_json()})


def _only_reports_on_stdout() -> Send:
    """Keep the pipe for reports; whatever else prints goes to the log with the errors."""
    pipe = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def send(message: Mapping[str, Any]) -> None:
        pipe.write(json.dumps(message) + "\n")

    return send


def _end_with_parent() -> None:
    # Nothing is sent after the spec: this returns when the other end is closed. Not through `sys.stdin`,
    # whose lock a waiting thread would hold when the interpreter ends.
    os.read(STDIN, 1)
    os._exit(ORPHANED)  # files are whole at every moment, so there is nothing to tidy


def _surroundings(spec: TrainingSpec, send: Send) -> Surroundings:
    objects = Objects(spec.buckets.get, spec.s3)
    limit = ImageLimits().max_bytes

    def read_image(reference: str) -> bytes:
        return objects.read(*split_ref(reference), limit=limit)

    def write_output(key: str, data: bytes) -> None:
        objects.write(spec.output_bucket, key, data)

    def tell(progress: Progress) -> None:
        send({"event": "progress", "progress": asdict(progress)})

    return Surroundings(read_image, write_output, tell, lambda: datetime.now(UTC))


def _failed(failure: TrainingFailed) -> Mapping[str, Any]:
    return {
        "event": "failed",
        "code": failure.code,
        "message": failure.message,
        "manifest_summary": failure.manifest_summary,
        "output_keys": failure.output_keys,
    }


if __name__ == "__main__":
    main()
