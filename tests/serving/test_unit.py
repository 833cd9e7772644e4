"""The unit's program on its own: its messages, and what it imports."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from tests.serving.living import RED


class Talk:
    """A unit and our end of its socket."""

    def __init__(self, link: socket.socket, memory: int, process: "subprocess.Popen[bytes]") -> None:
        self.link, self.process, self._answers = link, process, link.makefile("rb")
        os.pwrite(memory, RED, 0)

    def hear(self) -> dict[str, Any]:
        return dict(json.loads(self._answers.readline()))

    def close(self) -> None:
        self._answers.close()
        self.link.close()


@contextmanager
def unit(folder: Path) -> Iterator[Talk]:
    ours, theirs = socket.socketpair()
    with TemporaryFile() as memory:
        shared = theirs.fileno(), memory.fileno()
        command = [sys.executable, "-m", "customlabels.serving.unit", *map(str, shared), str(folder)]
        process = subprocess.Popen(command, pass_fds=shared, stderr=subprocess.DEVNULL)
        talk = Talk(ours, memory.fileno(), process)
    theirs.close()
    with process:
        yield talk
        talk.close()


def test_a_unit_is_ready_answers_in_order_and_ends_with_the_socket(model: Path) -> None:
    with unit(model) as talk:
        assert talk.hear() == {"ready": True}
        for most in (1, 2):
            wishes = {"min_confidence": 0, "max_results": most, "bytes": len(RED)}
            talk.link.sendall(json.dumps(wishes).encode() + b"\n")

        assert [len(talk.hear()["found"]) for _ in range(2)] == [1, 2]

        talk.close()
        assert talk.process.wait(10) == 0


def test_a_model_that_cannot_be_loaded_is_told_before_the_end(tmp_path: Path) -> None:
    with unit(tmp_path) as talk:
        assert "model.json: cannot be read" in talk.hear()["failed"]
        assert talk.process.wait(10) == 1


def test_a_socket_closed_amid_a_request_ends_the_unit(model: Path) -> None:
    with unit(model) as talk:
        talk.hear()
        talk.link.sendall(b'{"min_confidence": nu')

        talk.close()

        assert talk.process.wait(10) == 0


def test_a_unit_imports_nothing_that_it_does_not_need() -> None:
    program = (
        "import sys, customlabels.serving.unit\n"
        "heavy = {'torch', 'sqlalchemy', 'botocore', 'alembic', 'starlette', 'onnx', 'sklearn'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
