"""Definitions drawn by chance, killed between commits drawn by chance: the history tells nothing of it.

A process dies here in its own way: at one of its commits, right before or right after it, all of its threads
stop writing. Another engine goes on with what is in the database.
"""

from __future__ import annotations

import itertools
import json
import math
import re
import shutil
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.asl.drawn import containers, leaves, workflow
from tests.workflows.stage import Answers, Stage, chain, task_arn

from customlabels.asl import Event, Rules
from customlabels.errors import ServiceError
from customlabels.storage import Objects, Records, Transaction
from customlabels.workflows import Engine, EnginePace, MapRunner, MapRuns, TaskFailure, TaskRequest

INPUT = '{"list": [1, [ 2 ], "three"]}'
RULES = Rules(wait_scale=0.0, wait_floor_seconds=0.0, events_per_decision=7)
PACE = EnginePace(lease_seconds=30.0, poll_seconds=0.01)
TIMES = re.compile(r"\d{13}|\d{4}-\d\d-\d\dT[0-9:.]+Z")
CHILD = "arn:aws:states:us-east-1:123456789012:stateMachine:child"
CAUGHT = {"Catch": [{"ErrorEquals": ["States.ALL"], "Next": "caught"}]}
ASK = {"Type": "Task", "Resource": task_arn("ask.waitForTaskToken")}
NESTED = {
    "Type": "Task",
    "Resource": "arn:aws:states:::states:startExecution.sync",
    "Parameters": {"StateMachineArn": CHILD},
}

Life = tuple[float, bool]  # commits before the end; whether the last of them is done


class Killed(BaseException):
    """The end of this process, in whichever of its threads."""


class Mortal(Records):
    """Records of a process that is over after `left` commits."""

    left, last_is_done = math.inf, False

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        if self.left <= 0:
            raise Killed
        with super().write() as transaction:
            yield transaction
            self.left -= 1
            if self.left <= 0 and not self.last_is_done:
                raise Killed
        if self.left <= 0:
            raise Killed


class Dying(Engine):
    """An engine whose thread ends without a word."""

    def _loop(self) -> None:
        with suppress(Killed):
            super()._loop()


class DyingMapRuns(MapRuns):
    """Map runs whose thread ends without a word."""

    def _loop(self) -> None:
        with suppress(Killed):
            super()._loop()


class DyingRunner(MapRunner):
    """A runner whose tasks end without an effect."""

    def run(self, task: TaskRequest) -> Any:
        with suppress(Killed):
            return super().run(task)


class Drawn(Answers):
    """Answers each token in its own way, the same in every run of its task; some of them later."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def ask(self, task: TaskRequest) -> Any:
        self.asked.append(task.token)
        return {}

    def startExecution(self, task: TaskRequest) -> Any:
        name = task.token[:32]
        try:
            return {"ExecutionArn": self.executions.start(CHILD, name, "{}").arn}
        except ServiceError as refused:
            if refused.code != "ExecutionAlreadyExists":  # an earlier run of this task started it
                raise
        return {"ExecutionArn": f"{CHILD.replace(':stateMachine:', ':execution:')}:{name}"}

    def describeProjects(self, task: TaskRequest) -> Any:
        chance = int(task.token[:4], 16) % 4
        if chance == 0:
            raise TaskFailure("Busy", "later")
        if chance == 1:
            raise TaskFailure("Broken", "for good")
        return {"done": True}

    def answer(self, stage: Stage) -> None:
        for token in set(self.asked):
            try:
                stage.callbacks.succeed(token, '"answered"')
            except ServiceError as refused:
                if refused.code != "TaskTimedOut":  # answered before
                    raise
            self.asked.remove(token)


def hastening() -> float:
    """A clock on which a minute passes in a third of a second."""
    return time.time() + 180 * (time.monotonic() - STARTED)


STARTED = time.monotonic()
copies = itertools.count()


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database without a row."""
    file = tmp_path_factory.mktemp("crashes") / "empty.db"
    Records.open(f"sqlite:///{file}").close()
    return file


def history(empty: Path, definition: dict[str, Any], name: str, lives: Sequence[Life] = ()) -> list[Event]:
    """The events of an execution whose engine dies as told, and then lives on."""
    file = empty.with_name(f"{next(copies)}.db")
    shutil.copy(empty, file)
    database = f"sqlite:///{file}"
    alive, records = Records.open(database), Mortal.open(database)
    assert isinstance(records, Mortal)
    answers = Drawn()
    stage = Stage(alive, PACE, RULES)
    Stage(records, PACE, RULES, answers)
    stage.machine(chain(P={"Type": "Pass"}, W={"Type": "Wait", "Seconds": 1}), "child")
    arn = stage.begin(definition, INPUT, name)
    try:
        for records.left, records.last_is_done in (*lives, (math.inf, False)):
            live(records, answers, stage, arn)
        assert stage.executions.describe(arn).status != "RUNNING"
        return stage.events(arn)
    finally:
        records.close()
        alive.close()
        file.unlink()


def live(records: Mortal, answers: Drawn, stage: Stage, arn: str) -> None:
    maps = DyingMapRuns(records, Objects(lambda _name: None), RULES, hastening)
    runner = DyingRunner(maps, answers)
    engine = Dying(records, runner, RULES, hastening, uuid.uuid4().hex, PACE)
    try:
        engine.recover()
    except Killed:
        return
    engine.start()
    maps.start()
    end = time.monotonic() + 30
    while records.left > 0 and stage.executions.describe(arn).status == "RUNNING":
        assert time.monotonic() < end, f"{stage.types(arn)[-5:]}"
        answers.answer(stage)
        time.sleep(0.002)
    engine.close()
    maps.close()


def untimed(event: Event) -> tuple[int, int, str, str]:
    """All of an event but the times."""
    return (
        event.id,
        event.previous_id,
        event.type,
        TIMES.sub("then", json.dumps(event.details, sort_keys=True)),
    )


def traces(events: list[Event]) -> Counter[tuple[str, ...]]:
    """Each event with all that came before it in its own branch, however the branches took turns."""
    before: dict[int, tuple[str, ...]] = {0: ()}
    for event in events:
        _id, _previous, kind, details = untimed(event)
        # what branches and iterations lead to hangs on the one that came last
        joined = kind.startswith(("Parallel", "Map")) and not kind.endswith("Entered")
        path = () if joined else before[event.previous_id][-3:]
        before[event.id] = (*path, f"{kind} {details}")
    return Counter(before.values())


DISTRIBUTED = {
    "Type": "Map",
    "ItemsPath": "$$.Execution.Input.list",
    "ItemProcessor": {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
        **chain(A={"Type": "Wait", "Seconds": 1}, B={"Type": "Task", "Resource": task_arn("echo")}),
    },
}
states: st.SearchStrategy[dict[str, Any]] = st.one_of(leaves, st.sampled_from([ASK, NESTED, DISTRIBUTED]))
alone: st.SearchStrategy[dict[str, Any]] = st.recursive(
    states, lambda inner: containers(inner, branches=1, at_a_time=1), max_leaves=6
)
one_at_a_time = st.lists(alone, min_size=1, max_size=4).map(workflow)
# Nothing here fails a branch: which of several fails first is chance, and what becomes of the others.
tame: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        {"Type": "Pass", "Parameters": {"was.$": "$"}},
        {"Type": "Wait", "Seconds": 3},
        {"Type": "Task", "Resource": task_arn("echo"), **CAUGHT},
        {"Type": "Task", "Resource": task_arn("fail"), **CAUGHT},
        ASK,
    ]
)
side_by_side = st.lists(st.recursive(tame, containers, max_leaves=6), min_size=1, max_size=3).map(workflow)
deaths = st.lists(st.tuples(st.integers(1, 6), st.booleans()), min_size=1, max_size=6)

few = settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
many = settings(few, max_examples=400)


def check_the_same(empty: Path, definition: dict[str, Any], name: int, lives: list[Life]) -> None:
    whole = history(empty, definition, f"e{name}")
    broken = history(empty, definition, f"e{name}", lives)

    assert [untimed(event) for event in broken] == [untimed(event) for event in whole]


def check_the_same_traces(empty: Path, definition: dict[str, Any], lives: list[Life]) -> None:
    whole = history(empty, definition, "e")
    broken = history(empty, definition, "e", lives)

    assert [event.id for event in broken] == list(range(1, len(whole) + 1))
    assert traces(broken) == traces(whole)


@few
@given(one_at_a_time, st.integers(0, 99), deaths)
def test_a_killed_execution_has_the_history_of_one_left_in_peace(
    empty: Path, definition: dict[str, Any], name: int, lives: list[Life]
) -> None:
    check_the_same(empty, definition, name, lives)


@few
@given(side_by_side, deaths)
def test_killed_branches_have_the_histories_of_branches_left_in_peace(
    empty: Path, definition: dict[str, Any], lives: list[Life]
) -> None:
    check_the_same_traces(empty, definition, lives)


@pytest.mark.torture
@many
@given(one_at_a_time, st.integers(0, 99), deaths)
def test_no_drawn_execution_shows_its_kills(
    empty: Path, definition: dict[str, Any], name: int, lives: list[Life]
) -> None:
    check_the_same(empty, definition, name, lives)


@pytest.mark.torture
@many
@given(side_by_side, deaths)
def test_no_drawn_branches_show_their_kills(
    empty: Path, definition: dict[str, Any], lives: list[Life]
) -> None:
    check_the_same_traces(empty, definition, lives)
