"""Executions recorded on the service, run through the interpreter in memory.

The recordings and the tool that compares them lie beside the repository; without them these tests are
skipped. The floors are what was reached: a change may raise them, not lower them.
"""

from __future__ import annotations

import importlib.util
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tests.asl.in_memory import Script, Shell

from customlabels.asl import (
    Happening,
    InvalidDefinition,
    Machine,
    ScheduleTask,
    TaskFailed,
    TaskStarted,
    TaskSubmitted,
    TaskSucceeded,
    TaskTimedOut,
    parse,
)

SHARED = Path(__file__).parents[2].parent / "shared"
CASES = SHARED / "conformance" / "asl"
TOOL = SHARED / "tools" / "asl_conformance.py"
LONG_AFTER = 1_900_000_000.0  # the recorded waits for a point in time lie in the past

pytestmark = pytest.mark.skipif(
    not (CASES.is_dir() and TOOL.is_file()), reason=f"the recorded executions are not at {SHARED}"
)

Case = dict[str, Any]


@dataclass(frozen=True)
class Reached:
    """How many cases ran, ended as recorded (a), had a history, had that history (b), and were refused."""

    run: int
    a: int
    histories: int
    b: int
    refused: int


# in distributed-map one history shows an input without the white space that its caller wrote
# services: 16 read the items of a Map from S3, which needs a server
FLOORS = {
    "pure": Reached(run=534, a=534, histories=234, b=234, refused=0),
    "distributed-map": Reached(run=20, a=20, histories=20, b=19, refused=0),
    "services": Reached(run=53, a=37, histories=53, b=37, refused=0),
    "nested-sfn": Reached(run=9, a=9, histories=9, b=9, refused=0),
    # two synchronous ones have no history to script their tasks by; one recording is older than RedriveCount;
    # in one, four timeouts at the same moment were recorded before the first was acted upon
    "lambda": Reached(run=59, a=54, histories=56, b=52, refused=0),
    "activity": Reached(
        run=3, a=2, histories=3, b=2, refused=0
    ),  # one activity is deleted before it is scheduled
    "callback": Reached(
        run=15, a=15, histories=15, b=14, refused=0
    ),  # one quotes the token in a test's own words
}


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("asl_conformance", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def text_of(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def recorded_tasks(history: Sequence[Case]) -> Script:
    """A script that tells each task the end that was recorded for it."""
    followers: dict[int, list[Case]] = defaultdict(list)
    for event in history:
        if isinstance(event["id"], int):
            followers[event["previousEventId"]].append(event)
    scheduled: Iterator[Case] = (event for event in history if event["type"].endswith("Scheduled"))

    def script(task: ScheduleTask) -> Sequence[Happening]:
        event = next(scheduled, None)
        happenings: list[Happening] = []
        while event is not None:
            event = next((one for one in followers[event["id"]] if one["type"] in MEANINGS), None)
            if event is not None:
                details: Case = next((v for k, v in event.items() if k.endswith("EventDetails")), {})
                happenings.append(MEANINGS[event["type"]](task.task_id, details))
        return happenings or [TaskFailed(task.task_id, "Test.NotRecorded")]

    return script


def _failed(task_id: int, details: Case) -> Happening:
    cause = details.get("cause")
    if isinstance(cause, dict):
        # a function called by its own ARN gives the text that its Python made; the recording parsed both
        of_task = "resource" in details
        cause = json.dumps(cause, separators=(",", ":") if of_task else (", ", ": "))
    return TaskFailed(task_id, details.get("error"), cause)


def _started(task_id: int, details: Case) -> Happening:
    return TaskStarted(task_id, details.get("workerName"))


def _submitted(task_id: int, details: Case) -> Happening:
    return TaskSubmitted(task_id, text_of(details["output"]))


def _succeeded(task_id: int, details: Case) -> Happening:
    return TaskSucceeded(task_id, text_of(details["output"]))


def _timed_out(task_id: int, details: Case) -> Happening:
    return TaskTimedOut(task_id)


Meaning = Callable[[int, Case], Happening]
EVENTS: dict[str, Meaning] = {
    "Started": _started,
    "Submitted": _submitted,
    "Succeeded": _succeeded,
    "Failed": _failed,
    "TimedOut": _timed_out,
}
MEANINGS = {
    family + event: meaning
    for family in ("Task", "LambdaFunction", "Activity")
    for event, meaning in EVENTS.items()
}


def same_end(tool: ModuleType, case: Case, ended: dict[str, Any]) -> bool:
    matcher = tool.Matcher(case)
    expected = case["expected"]
    return all(
        matcher.eq(expected[name], ended.get(name))
        if name in expected
        else name == "output" or ended.get(name) is None
        for name in ("status", "output", "error", "cause")
    )


def run(case: Case, machine: Machine) -> tuple[dict[str, Any], list[Case]]:
    script = recorded_tasks(case["expected"].get("history", []))
    shell = Shell(machine, script, now=LONG_AFTER, through_json=False)
    ended = shell.run(case["input"] if case["input"] is not None else "{}")
    return asdict(ended), [event | {"timestamp": "timestamp"} for event in shell.history()]


@pytest.mark.parametrize("suite", FLOORS)
def test_recorded_executions_end_as_recorded_with_the_recorded_history(suite: str, tool: ModuleType) -> None:
    counts: Counter[str] = Counter()
    different: list[str] = []
    for case in json.loads((CASES / f"{suite}.json").read_text())["cases"]:
        try:
            machine = parse(case["definition"])
        except InvalidDefinition as error:
            counts["refused"] += "distributed Map" in str(error)
            continue
        ended, history = run(case, machine)
        counts["run"] += 1
        counts["a"] += same_end(tool, case, ended)
        recorded = case["expected"].get("history")
        counts["histories"] += bool(recorded)
        alike = (
            bool(recorded) and tool.compare_history(case, tool.Matcher(case), recorded, history) is not None
        )
        counts["b"] += alike
        if recorded and not alike:
            different.append(case["name"])

    reached = Reached(**{name: counts[name] for name in ("run", "a", "histories", "b", "refused")})
    floor = FLOORS[suite]
    assert reached.run >= floor.run
    assert reached.refused <= floor.refused
    assert reached.a >= floor.a
    assert reached.b >= floor.b, different
