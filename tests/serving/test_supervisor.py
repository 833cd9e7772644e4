"""The supervisor with real processes: start, answer, stop, and what clients see."""

import asyncio
import os
import signal
from pathlib import Path

import pytest
import uvloop
from tests.serving.living import BLUE, GREEN, RED, lives, outcome, pids, play, until

from customlabels.images import InvalidImageFormat
from customlabels.serving import NotServing, Overloaded, StartFailed, Supervisor, Terms


def test_units_answer_concurrent_requests_each_with_its_own_labels(model: Path) -> None:
    async def story(supervisor: Supervisor) -> None:
        await supervisor.start("v", model, Terms(2))

        answers = await asyncio.gather(*(supervisor.detect("v", image) for image in [RED, GREEN, BLUE] * 4))

        assert [found[0].name for found in answers] == ["red", "green", "blue"] * 4
        (status,) = supervisor.status()
        assert (status.state, status.served, status.queued, status.in_flight) == ("RUNNING", 12, 0, 0)
        assert all(unit.state == "IDLE" and unit.served > 0 for unit in status.units)
        assert status.p50_seconds is not None
        assert status.p99_seconds is not None
        assert 0 < status.p50_seconds <= status.p99_seconds < 10

    play(story)


def test_the_rules_of_the_request_reach_the_unit(model: Path) -> None:
    async def story(supervisor: Supervisor) -> None:
        await supervisor.start("v", model)

        everything = await supervisor.detect("v", RED, min_confidence=0)
        one = await supervisor.detect("v", RED, min_confidence=0, max_results=1)

        assert [found.name for found in everything] == ["red", "green", "blue"]
        assert one == everything[:1]

    play(story)


def test_an_unusable_image_is_refused_and_the_unit_goes_on(model: Path) -> None:
    async def story(supervisor: Supervisor) -> None:
        await supervisor.start("v", model)
        (before,) = supervisor.status()

        with pytest.raises(InvalidImageFormat, match="neither a PNG nor a JPEG"):
            await supervisor.detect("v", b"GIF89a")

        assert (await supervisor.detect("v", BLUE))[0].name == "blue"
        assert pids(supervisor.status()[0]) == pids(before)

    play(story)


def test_a_version_that_nobody_started_is_not_serving(model: Path) -> None:
    async def story(supervisor: Supervisor) -> None:
        with pytest.raises(NotServing, match="v is not running"):
            await supervisor.detect("v", RED)
        await supervisor.stop("v")

    play(story)


def test_starting_again_changes_nothing_even_while_it_starts(model: Path) -> None:
    async def story(supervisor: Supervisor) -> None:
        await asyncio.gather(*(supervisor.start("v", model, Terms(1, 3)) for _ in range(3)))
        (first,) = supervisor.status()

        await supervisor.start("v", model, Terms(1))

        assert pids(supervisor.status()[0]) == pids(first)
        assert (len(pids(first)), first.max_units) == (1, 3)

    play(story)


def test_a_broken_folder_fails_with_the_reason_and_leaves_nothing(model: Path, tmp_path: Path) -> None:
    async def story(supervisor: Supervisor) -> None:
        with pytest.raises(StartFailed, match=r"model\.json: cannot be read"):
            await supervisor.start("v", tmp_path, Terms(2))

        assert supervisor.status() == []
        with pytest.raises(NotServing):
            await supervisor.detect("v", RED)
        await supervisor.start("v", model)
        assert (await supervisor.detect("v", RED))[0].name == "red"

    play(story)


def test_requests_wait_while_a_version_starts(model: Path) -> None:
    """As after a restart of the server: clients see a slow answer, not an error."""

    async def story(supervisor: Supervisor) -> None:
        starting = asyncio.create_task(supervisor.start("v", model, Terms(2)))
        await until(lambda: bool(supervisor.status()))

        found = await supervisor.detect("v", GREEN)

        assert found[0].name == "green"
        await starting

    play(story)


def test_requests_that_wait_for_a_start_that_fails_are_refused(tmp_path: Path) -> None:
    async def story(supervisor: Supervisor) -> None:
        starting = asyncio.create_task(outcome(supervisor.start("v", tmp_path)))
        await until(lambda: bool(supervisor.status()))

        with pytest.raises(NotServing, match="did not start"):
            await supervisor.detect("v", GREEN)

        assert isinstance(await starting, StartFailed)

    play(story)


def test_beyond_one_request_at_work_and_eight_in_the_queue_it_is_overloaded_at_once(model: Path) -> None:
    async def story(supervisor: Supervisor) -> None:
        await supervisor.start("v", model)
        (pid,) = pids(supervisor.status()[0])
        os.kill(pid, signal.SIGSTOP)
        first = asyncio.create_task(supervisor.detect("v", RED))
        await until(lambda: supervisor.status()[0].in_flight == 1)
        others = [asyncio.create_task(supervisor.detect("v", RED)) for _ in range(8)]
        await until(lambda: supervisor.status()[0].queued == 8)

        with pytest.raises(Overloaded, match="queue is full"):
            await supervisor.detect("v", RED)

        assert supervisor.status()[0].units[0].state == "BUSY"
        os.kill(pid, signal.SIGCONT)
        answers = await asyncio.gather(first, *others)
        assert [found[0].name for found in answers] == ["red"] * 9

    play(story)


def test_a_request_whose_caller_went_away_is_not_worked_on(model: Path) -> None:
    async def story(supervisor: Supervisor) -> None:
        await supervisor.start("v", model)
        (pid,) = pids(supervisor.status()[0])
        os.kill(pid, signal.SIGSTOP)
        tasks = [asyncio.create_task(outcome(supervisor.detect("v", RED))) for _ in range(4)]
        await until(lambda: supervisor.status()[0].queued == 3)

        tasks[1].cancel()
        tasks[2].cancel()
        os.kill(pid, signal.SIGCONT)

        assert (await tasks[3])[0].name == "red"
        assert supervisor.status()[0].served == 2

    play(story)


def test_stop_answers_what_is_queued_then_ends_the_processes(model: Path) -> None:
    async def story(supervisor: Supervisor) -> None:
        await supervisor.start("v", model, Terms(2))
        units = pids(supervisor.status()[0])
        queued = [asyncio.create_task(supervisor.detect("v", BLUE)) for _ in range(12)]
        await asyncio.sleep(0)

        await supervisor.stop("v")

        assert [(await task)[0].name for task in queued] == ["blue"] * 12
        assert not any(lives(pid) for pid in units)
        assert supervisor.status() == []

    play(story)


def test_a_version_that_stops_takes_no_more_requests_and_can_start_again(model: Path) -> None:
    async def story(supervisor: Supervisor) -> None:
        await supervisor.start("v", model)
        (pid,) = pids(supervisor.status()[0])
        os.kill(pid, signal.SIGSTOP)
        last = asyncio.create_task(supervisor.detect("v", RED))
        await until(lambda: supervisor.status()[0].in_flight == 1)
        stopping = asyncio.create_task(supervisor.stop("v"))
        await until(lambda: supervisor.status()[0].state == "STOPPING")

        with pytest.raises(NotServing, match="STOPPING"):
            await supervisor.detect("v", RED)

        again = asyncio.create_task(supervisor.start("v", model))
        os.kill(pid, signal.SIGCONT)
        assert (await last)[0].name == "red"
        await asyncio.gather(stopping, again)
        assert pids(supervisor.status()[0]) != [pid]

    play(story)


def test_a_start_can_be_stopped(model: Path) -> None:
    async def story(supervisor: Supervisor) -> None:
        for pause in (0, 0.05, 0.2):
            starting = asyncio.create_task(outcome(supervisor.start("v", model, Terms(2))))
            await asyncio.sleep(pause)

            await supervisor.stop("v")

            assert supervisor.status() == []
            assert isinstance(await starting, StartFailed | None)

    play(story)


def test_versions_do_not_disturb_each_other(model: Path) -> None:
    async def story(supervisor: Supervisor) -> None:
        await asyncio.gather(supervisor.start("a", model), supervisor.start("b", model))

        await supervisor.stop("a")

        assert (await supervisor.detect("b", RED))[0].name == "red"

    play(story)


def test_it_runs_on_the_loop_of_the_server_as_well(model: Path) -> None:
    async def story() -> None:
        supervisor = Supervisor(lambda version, reason: None)
        await supervisor.start("v", model, Terms(2))
        (pid, _) = pids(supervisor.status()[0])
        assert (await supervisor.detect("v", RED))[0].name == "red"
        os.kill(pid, signal.SIGKILL)
        await until(lambda: pid not in pids(supervisor.status()[0]))
        assert (await supervisor.detect("v", BLUE))[0].name == "blue"
        await supervisor.close()
        assert supervisor.status() == []

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(story())
