"""kill -9 at any moment: every execution ends once, nothing seen changes, a job's effect is there once."""

from __future__ import annotations

import multiprocessing
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest
from sqlalchemy import func, select
from tests.workflows.stage import Stage
from tests.workflows.victim import (
    ACTIVITY,
    CHILD_DEFINITION,
    COUNTED,
    DEFINITION,
    RULES,
    TASKS,
    serve,
)

from customlabels.asl import Event
from customlabels.errors import ServiceError
from customlabels.storage import Records, Transaction
from customlabels.storage.schema import jobs, tags
from customlabels.workflows import Activity

ENDINGS = {"ExecutionSucceeded", "ExecutionFailed", "ExecutionAborted", "ExecutionTimedOut"}


AT_A_TIME = 20  # histories that are read again between two rounds of answers


@dataclass
class Observer:
    """Reads histories over and over; what was read once must be there unchanged the next time."""

    stage: Stage
    arns: list[str]
    seen: dict[str, list[Event]] = field(default_factory=dict)
    reads: int = 0

    def look(self, most: int | None = None) -> None:
        """At all executions, or at so many by chance."""
        for arn in self.arns if most is None else random.sample(self.arns, min(most, len(self.arns))):
            before, now = self.seen.get(arn, []), self.stage.events(arn)
            assert now[: len(before)] == before, f"{arn}: what was seen has changed"
            self.seen[arn] = now
            self.reads += 1

    def watch(self, seconds: float, outside: Outside) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            outside.act()
            self.look(AT_A_TIME)


class Outside:
    """Whoever answers: to the tokens that tasks gave away, and to the tasks of an activity."""

    def __init__(self, stage: Stage, asked: Path, chance: random.Random) -> None:
        self.stage, self.asked, self.chance = stage, asked, chance
        asked.touch()
        self.open: list[str] = []
        self.read = 0

    def act(self) -> None:
        lines = self.asked.read_text().split("\n")[:-1]
        self.open += dict.fromkeys(lines[self.read :])
        self.read = len(lines)
        for _ in range(10):
            task = self.stage.activities.take(ACTIVITY, "outside", self.keep_nothing)
            if task is None:
                break
            self.open.append(task.token)
        self.chance.shuffle(self.open)
        later = len(self.open) // 4
        for token in self.open[later:]:
            self.answer(token)
        del self.open[later:]

    def answer(self, token: str) -> None:
        try:
            self.stage.callbacks.heartbeat(token)
            self.stage.callbacks.succeed(token, '"answered"')
        except ServiceError as refused:
            if refused.code != "TaskTimedOut":  # given away twice, by two runs of its task
                raise

    @staticmethod
    def keep_nothing(_tx: Transaction, _task: object) -> None:
        return None


class Server:
    """The victim, started and killed."""

    def __init__(self, database: str, notes: Path) -> None:
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(["tests.workflows.victim"])
        self.database, self.notes = database, notes
        self.kills: Counter[str] = Counter()

    def live(self, odds: float, seed: int) -> ForkServerProcess:
        """A new life, begun; it may be over already."""
        told, tell = self.context.Pipe(duplex=False)
        process = self.context.Process(
            target=serve, args=(self.database, str(self.notes), odds, seed, tell.send), daemon=True
        )
        process.start()
        tell.close()
        told.poll(20)
        told.close()
        return process

    def kill(self, process: ForkServerProcess) -> None:
        self.kills["from outside" if process.is_alive() else "at a commit"] += 1
        process.kill()
        process.join()
        process.close()


def survive(
    records: Records, database: str, notes: Path, sizes: tuple[int, int], seed: int, servers: int = 1
) -> None:
    """Kill servers while executions run, then let one finish and check everything.

    sizes: executions begun at a time, and kills    servers: how many share the database
    """
    executions, kills = sizes
    chance = random.Random(seed)
    stage = Stage(records, rules=RULES)
    stage.machine(CHILD_DEFINITION, "child")
    stage.activities.create(Activity(ACTIVITY, "123456789012", "us-east-1", "work"))
    machine = stage.machine(DEFINITION)
    with records.write() as tx:
        tx.execute(tags.insert().values(resource_arn=COUNTED, key="number", value="0"))
    notes.touch()
    server = Server(database, notes)
    observer, outside = Observer(stage, []), Outside(stage, notes.with_suffix(".asked"), chance)
    alive: list[ForkServerProcess] = []
    while sum(server.kills.values()) < kills:
        if stage.executions.running() < executions / 4:  # kills count only while there is work
            for _ in range(executions):
                name = f"e{len(observer.arns)}"
                observer.arns.append(stage.executions.start(machine, name, f'{{"name": "{name}"}}').arn)
        while len(alive) < servers:
            alive.append(server.live(odds=chance.choice((0.0, 0.01)), seed=chance.randrange(2**32)))
        observer.watch(chance.uniform(0.0, 0.4), outside)
        server.kill(alive.pop(chance.randrange(servers)))
    for process in alive:
        server.kill(process)
    last = server.live(odds=0.0, seed=0)
    reached, end = (-1, -1, -1), 0.0
    while any(left := (stage.executions.running(), open_jobs(records))):
        now = (*left, sum(map(len, observer.seen.values())))
        if now != reached:  # how long it takes is the machine's affair; that it goes on is ours
            reached, end = now, time.monotonic() + 120
        assert time.monotonic() < end, f"executions and jobs are stuck: {left}"
        observer.watch(0.05, outside)
    last.kill()
    last.join()
    observer.look()
    for arn in observer.arns:
        check_history(observer.seen[arn])
        assert stage.executions.describe(arn).status == "SUCCEEDED"
    check_effects(records, notes, len(observer.arns) * TASKS)
    runs = Counter(notes.read_text().split())
    events = sum(map(len, observer.seen.values()))
    print(f"{dict(server.kills)}; {len(observer.arns)} executions, {events} events, {observer.reads} reads")
    print(f"{len(runs)} tasks had an effect in {runs.total()} runs, at most {max(runs.values())} runs of one")


def open_jobs(records: Records) -> int:
    with records.read() as reading:
        waiting = select(func.count()).where(jobs.c.status.in_(("QUEUED", "RUNNING")))
        return int(reading.execute(waiting).scalar_one())


def check_history(events: list[Event]) -> None:
    assert [event.id for event in events] == list(range(1, len(events) + 1))
    assert all(event.previous_id < event.id for event in events)
    assert [event.id for event in events if event.type in ENDINGS] == [len(events)]
    types = Counter(event.type for event in events)
    assert types["TaskScheduled"] == types["TaskStarted"] == types["TaskSucceeded"] + types["TaskFailed"]
    # Three tasks with a job, a callback and a nested execution; and one of an activity.
    assert (types["TaskSucceeded"], types["TaskSubmitted"]) == (5, 2)
    assert types["ActivityScheduled"] == types["ActivityStarted"] == types["ActivitySucceeded"] == 1
    assert types["TaskStateEntered"] == types["TaskStateExited"] == 6
    assert types["WaitStateEntered"] == types["WaitStateExited"] == 2


def check_effects(records: Records, notes: Path, tasks: int) -> None:
    """Each successful task had one job, and each job one end; no task ran that was not journalled."""
    with records.read() as reading:
        ends = {row.resource_arn: row.value for row in reading.execute(select(tags))}
        states = Counter(reading.execute(select(jobs.c.status)).scalars())
    assert int(ends.pop(COUNTED)) == len(ends) == tasks
    assert states == {"SUCCEEDED": tasks}
    assert set(notes.read_text().split()) == set(ends)


def test_nothing_is_lost_or_done_twice_when_the_server_is_killed(
    records: Records, database: str, tmp_path: Path
) -> None:
    survive(records, database, tmp_path / "notes", (10, 6), seed=1)


def test_nothing_is_lost_or_done_twice_when_servers_that_share_a_database_are_killed(
    shared_database: str, tmp_path: Path
) -> None:
    records = Records.open(shared_database)
    survive(records, shared_database, tmp_path / "notes", (20, 6), seed=2, servers=3)
    records.close()


@pytest.mark.torture
@pytest.mark.parametrize("seed", range(5))
def test_nothing_is_lost_in_a_hundred_kills(
    records: Records, database: str, tmp_path: Path, seed: int
) -> None:
    survive(records, database, tmp_path / "notes", (50, 100), seed)


@pytest.mark.torture
@pytest.mark.parametrize("seed", range(5))
def test_nothing_is_lost_in_a_hundred_kills_of_servers_that_share_a_database(
    shared_database: str, tmp_path: Path, seed: int
) -> None:
    records = Records.open(shared_database)
    survive(records, shared_database, tmp_path / "notes", (50, 100), seed, servers=3)
    records.close()
