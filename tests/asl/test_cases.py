"""Executions of our own as data: tests/cases/asl/*.json.

A case has a definition, an input, what each task of a state answers in turn, and what must come of it: the
end, and the history as lines `id<previous type details`. Rules of the service that no recording shows, and
one case of each that a recording does, stand here, so that they are kept without the recordings.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.asl.in_memory import Shell

from customlabels.asl import (
    Happening,
    Rules,
    ScheduleTask,
    TaskFailed,
    TaskHeartbeatMissed,
    TaskStarted,
    TaskSucceeded,
    TaskTimedOut,
    parse,
)

FOLDER = Path(__file__).parents[1] / "cases" / "asl"
CASES = [
    pytest.param(case, id=f"{file.stem}: {case['name']}")
    for file in sorted(FOLDER.glob("*.json"))
    for case in json.loads(file.read_text())
]
UNINTERESTING = ("inputDetails", "outputDetails", "assignedVariablesDetails", "roleArn")


class Answers:
    """What the tasks of a case answer, by state, each answer once."""

    def __init__(self, answers: dict[str, list[Any]]) -> None:
        self._left = {state: list(values) for state, values in answers.items()}
        self.asked: dict[str, list[Any]] = defaultdict(list)

    def __call__(self, task: ScheduleTask) -> Sequence[Happening]:
        self.asked[task.state_name].append(task.parameters)
        answer = self._left[task.state_name].pop(0)
        end: Happening
        if answer == "timeout":
            end = TaskTimedOut(task.task_id)
        elif answer == "no heartbeat":
            end = TaskHeartbeatMissed(task.task_id)
        elif "output" in answer:
            end = TaskSucceeded(task.task_id, json.dumps(answer["output"], separators=(",", ":")))
        else:
            end = TaskFailed(task.task_id, answer.get("error"), answer.get("cause"))
        return [TaskStarted(task.task_id), end]


def line(event: dict[str, Any]) -> str:
    details = next((value for key, value in event.items() if key.endswith("EventDetails")), None)
    text = f"{event['id']}<{event['previousEventId']} {event['type']}"
    if details is None:
        return text
    shown = {key: value for key, value in details.items() if key not in UNINTERESTING}
    return f"{text} {json.dumps(shown, sort_keys=True, ensure_ascii=False)}"


@pytest.mark.parametrize("case", CASES)
def test_an_execution_ends_as_its_case_says(case: dict[str, Any]) -> None:
    shell = Shell(parse(case["definition"]), Answers(case.get("tasks", {})), Rules())

    ended = shell.run(case["input"])

    end = {name: value for name, value in vars(ended).items() if value is not None}
    assert end == case["end"]
    assert [line(event) for event in shell.history()] == case["history"]
