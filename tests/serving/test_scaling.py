"""Units that come and go with the traffic, and versions that stop, sleep or are replaced."""

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest
from tests.serving.living import GREEN, RED, outcome, pids, play, until

from customlabels.serving import NotServing, Supervisor, Terms


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("customlabels.serving.versions.LOOK_SECONDS", 0.05)
    monkeypatch.setattr("customlabels.serving.traffic.CROWDED_SECONDS", 0.3)
    monkeypatch.setattr("customlabels.serving.traffic.EMPTY_SECONDS", 0.3)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1, 2, 3})


def test_a_unit_is_added_under_load_and_goes_when_it_is_over(model: Path) -> None:
    async def story(supervisor: Supervisor) -> None:
        await supervisor.start("v", model, Terms(1, 2))
        (held,) = pids(supervisor.status()[0])
        os.kill(held, signal.SIGSTOP)

        waiting = [asyncio.create_task(supervisor.detect("v", RED)) for _ in range(5)]
        await until(lambda: len(pids(supervisor.status()[0])) == 2)
        await until(
            lambda: sum(task.done() for task in waiting) == 4
        )  # by the new unit, the first being held
        os.kill(held, signal.SIGCONT)

        assert {(await task)[0].name for task in waiting} == {"red"}
        await until(lambda: len(supervisor.status()[0].units) == 1)
        assert (await supervisor.detect("v", GREEN))[0].name == "green"

    play(story)


def test_no_request_is_lost_while_units_come_and_go(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("customlabels.serving.traffic.CROWDED_SECONDS", 0.0)
    monkeypatch.setattr("customlabels.serving.traffic.EMPTY_SECONDS", 0.0)

    async def story(supervisor: Supervisor) -> None:
        await supervisor.start("v", model, Terms(1, 3))
        seen = set()

        async def all_are_answered() -> int:
            answers = await asyncio.gather(*(supervisor.detect("v", RED) for _ in range(8)))
            assert {found[0].name for found in answers} == {"red"}
            units = len(supervisor.status()[0].units)
            seen.add(units)
            return units

        for _ in range(2):
            while await all_are_answered() == 1:
                pass
            while await all_are_answered() > 1:
                await asyncio.sleep(0.1)

        assert len(seen) > 1

    play(story)


def test_a_version_that_sleeps_is_awake_within_a_second_of_its_first_request(model: Path) -> None:
    async def story(supervisor: Supervisor) -> None:
        await supervisor.start("v", model, Terms(1, idle_seconds=0.3, wake=True))
        await until(lambda: supervisor.status()[0].state == "ASLEEP")
        assert pids(supervisor.status()[0]) == []

        begun = time.monotonic()
        first, second = await asyncio.gather(supervisor.detect("v", RED), supervisor.detect("v", GREEN))
        print(f"awake and answered after {time.monotonic() - begun:.2f} s")

        assert (first[0].name, second[0].name) == ("red", "green")
        assert supervisor.status()[0].state == "RUNNING"

    play(story)


def test_an_idle_version_is_told_until_it_is_stopped(model: Path) -> None:
    idle: list[str] = []

    async def whole() -> None:
        supervisor = Supervisor(lambda version, reason: None, idle.append)
        await supervisor.start("v", model, Terms(1, idle_seconds=0.4))
        for _ in range(5):
            await supervisor.detect("v", RED)
            await asyncio.sleep(0.1)
        assert idle == []
        await until(lambda: idle[:2] == ["v", "v"])
        await supervisor.close()

    asyncio.run(whole())


def test_a_replaced_version_answers_until_nobody_asks_it_any_more(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("customlabels.serving.supervisor.QUIET_SECONDS", 0.4)

    async def story(supervisor: Supervisor) -> None:
        await supervisor.start("v", model)
        stopping = asyncio.create_task(supervisor.stop("v", gently=True))
        for _ in range(6):
            assert (await supervisor.detect("v", RED))[0].name == "red"
            await asyncio.sleep(0.1)

        await stopping

        assert isinstance(await outcome(supervisor.detect("v", RED)), NotServing)

    play(story)
