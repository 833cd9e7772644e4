"""The unit's program on its own: its messages, and what it imports."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader, BytesIO
from pathlib import Path
from typing import Any

import pytest
from tests.serving.living import RED

from customlabels.serving.frames import BrokenFrame, frame_start, read_frame


class Talk:
    """A unit and our end of its socket."""

    def __init__(self, link: socket.socket, process: "subprocess.Popen[bytes]") -> None:
        self.link, self.process, self._answers = link, process, link.makefile("rb")

    def hear(self) -> dict[str, Any]:
        frame = read_frame(self._answers)
        assert frame is not None
        return frame[0]

    def close(self) -> None:
        self._answers.close()
        self.link.close()


@contextmanager
def unit(folder: Path) -> Iterator[Talk]:
    ours, theirs = socket.socketpair()
    command = [sys.executable, "-m", "customlabels.serving.unit", str(theirs.fileno()), str(folder)]
    with subprocess.Popen(command, pass_fds=[theirs.fileno()], stderr=subprocess.DEVNULL) as process:
        theirs.close()
        talk = Talk(ours, process)
        yield talk
        talk.close()


def test_a_unit_is_ready_answers_in_order_and_ends_with_the_socket(model: Path) -> None:
    with unit(model) as talk:
        assert talk.hear() == {"ready": True}
        for most in (1, 2):
            wishes = {"min_confidence": 0, "max_results": most}
            talk.link.sendall(frame_start(wishes, len(RED)) + RED)

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
        talk.link.sendall(frame_start({"min_confidence": None, "max_results": None}, len(RED)) + RED[:10])

        talk.close()

        assert talk.process.wait(10) == 0


def test_lengths_are_bounded_before_they_are_believed() -> None:
    for head in (b"\xff" * 8, frame_start({}, 1 << 30)):
        with pytest.raises(BrokenFrame, match="at most"):
            read_frame(BufferedReader(BytesIO(head)))


def test_a_unit_imports_nothing_that_it_does_not_need() -> None:
    program = (
        "import sys, customlabels.serving.unit\n"
        "heavy = {'torch', 'sqlalchemy', 'botocore', 'alembic', 'starlette', 'onnx', 'sklearn'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
