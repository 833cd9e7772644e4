"""Units that die, and a server that dies."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from tests.inference.tiny_model import fragile_graph, write_model
from tests.serving.living import BLUE, GREEN, RED, lives, pids, play, until

from customlabels.serving import DetectionFailed, NotServing, StartFailed, Supervisor, Terms
from customlabels.serving.versions import FAILED_STARTS

KILLS_THE_FIRST_TWO = """
import os, pathlib, signal
for name in "12":
    try:
        pathlib.Path("{folder}", name).touch(exist_ok=False)
    except FileExistsError:
        continue
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_unit_is_replaced_while_the_other_goes_on_answering(model: Path) -> None:
    async def story(supervisor: Supervisor) -> None:
        await supervisor.start("v", model, Terms(2))
        killed, other = pids(supervisor.status()[0])

        os.kill(killed, signal.SIGKILL)
        answers = [await supervisor.detect("v", GREEN) for _ in range(20)]

        assert {found[0].name for found in answers} == {"green"}
        await until(lambda: killed not in pids(supervisor.status()[0]))
        await until(lambda: len(pids(supervisor.status()[0])) == 2)
        assert other in pids(supervisor.status()[0])
        assert (await supervisor.detect("v", RED))[0].name == "red"

    play(story)


def test_the_request_that_a_dead_unit_held_is_answered_by_its_replacement(model: Path) -> None:
    async def story(supervisor: Supervisor) -> None:
        await supervisor.start("v", model)
        (pid,) = pids(supervisor.status()[0])
        os.kill(pid, signal.SIGSTOP)
        held = asyncio.create_task(supervisor.detect("v", BLUE))
        await until(lambda: supervisor.status()[0].in_flight == 1)
        waiting = asyncio.create_task(supervisor.detect("v", RED))

        os.kill(pid, signal.SIGKILL)

        assert (await held)[0].name == "blue"
        assert (await waiting)[0].name == "red"

    play(story)


def test_a_unit_that_is_killed_while_it_starts_is_replaced(
    model: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(KILLS_THE_FIRST_TWO.format(folder=tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    async def story(supervisor: Supervisor) -> None:
        await supervisor.start("v", model)

        assert (await supervisor.detect("v", RED))[0].name == "red"
        assert {"1", "2"} <= {path.name for path in tmp_path.iterdir()}

    play(story)


def test_units_that_die_while_they_are_idle_never_give_the_version_up(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("customlabels.serving.versions.backoff_seconds", lambda failures: 0.01)

    async def story(supervisor: Supervisor) -> None:
        await supervisor.start("v", model)
        for _ in range(FAILED_STARTS + 2):
            (pid,) = pids(supervisor.status()[0])
            os.kill(pid, signal.SIGKILL)
            await until(partial(_has_another_unit, supervisor, pid))

        assert supervisor.status()[0].state == "RUNNING"
        assert (await supervisor.detect("v", BLUE))[0].name == "blue"

    play(story)


def _has_another_unit(supervisor: Supervisor, pid: int) -> bool:
    return pids(supervisor.status()[0]) not in ([], [pid])


def test_an_image_that_ends_every_unit_is_answered_with_an_error_after_two(tmp_path: Path) -> None:
    async def story(supervisor: Supervisor) -> None:
        await supervisor.start("v", write_model(tmp_path, model=fragile_graph(16)), Terms(2))
        assert (await supervisor.detect("v", BLUE))[0].name == "blue"

        poison = asyncio.create_task(supervisor.detect("v", RED))
        good = [asyncio.create_task(supervisor.detect("v", BLUE)) for _ in range(5)]

        with pytest.raises(DetectionFailed, match=r"ended 2 units of v.*Gather"):
            await poison
        assert [(await task)[0].name for task in good] == ["blue"] * 5
        await until(lambda: len(pids(supervisor.status()[0])) == 2)

    play(story)


def test_a_version_whose_units_no_longer_start_is_reported_failed(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("customlabels.serving.versions.backoff_seconds", lambda failures: 0.01)
    monkeypatch.setattr("customlabels.serving.versions.REVIVAL_SECONDS", 60.0)
    folder = shutil.copytree(model, tmp_path / "model")
    told: list[tuple[str, str]] = []

    async def story(supervisor: Supervisor) -> None:
        await supervisor.start("v", folder)
        (pid,) = pids(supervisor.status()[0])
        (folder / "model.onnx").write_bytes(b"damaged on disk")

        os.kill(pid, signal.SIGKILL)
        await until(lambda: supervisor.status()[0].units[0].state == "DOWN")
        with pytest.raises(NotServing, match=r"v failed: .*model\.onnx: was changed"):
            await supervisor.detect("v", RED)

        assert supervisor.status() == []

    play(story, lambda version, reason: told.append((version, reason)))
    assert [version for version, _ in told] == ["v"]
    assert "model.onnx: was changed" in told[0][1]


def test_a_start_that_crashes_tells_the_last_words_of_the_process(
    model: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "onnxruntime.py").write_text("raise SystemExit('the runtime is broken here')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    async def story(supervisor: Supervisor) -> None:
        with pytest.raises(StartFailed, match="it ended with 1: the runtime is broken here"):
            await supervisor.start("v", model, Terms(2))

    play(story)


def test_ctrl_c_does_not_end_a_unit(model: Path) -> None:
    async def story(supervisor: Supervisor) -> None:
        await supervisor.start("v", model)
        (pid,) = pids(supervisor.status()[0])

        os.kill(pid, signal.SIGINT)

        assert (await supervisor.detect("v", RED))[0].name == "red"
        assert pids(supervisor.status()[0]) == [pid]
        assert os.getpgid(pid) != os.getpgid(0)

    play(story)


SERVER = """
import asyncio, sys
from pathlib import Path
from customlabels.serving import Supervisor, Terms

async def serve():
    supervisor = Supervisor(lambda version, reason: None)
    await supervisor.start("v", Path(sys.argv[1]), Terms(2))
    print(*(unit.pid for unit in supervisor.status()[0].units), flush=True)
    await asyncio.sleep(600)

asyncio.run(serve())
"""


def test_units_end_when_the_server_is_killed(model: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SERVER, str(model)], stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        units = [int(pid) for pid in server.stdout.readline().split()]
        assert len(units) == 2
        assert all(lives(pid) for pid in units)

        server.kill()

    asyncio.run(until(lambda: not any(lives(pid) for pid in units)))
