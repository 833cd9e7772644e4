"""Histories of one definition, compared: what a run has for itself is left out, all else is told."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.asl.in_memory import Shell

from customlabels.asl import differences, parse

PASS = {
    "Type": "Pass",
    "Parameters": {"at.$": "$$.Execution.StartTime", "who.$": "$$.Execution.Id"},
    "End": True,
}


def event(number: int, previous: int, kind: str, **details: Any) -> dict[str, Any]:
    named = {"stateEnteredEventDetails": details} if details else {}
    return {"id": number, "previousEventId": previous, "type": kind, "timestamp": number, **named}


def history(region: str, account: str, name: str) -> list[dict[str, Any]]:
    arn = f"arn:aws:states:{region}:{account}:execution:m{name}:{name}"
    text = json.dumps({"Id": arn, "At": f"2026-11-2{len(name)}T00:00:00Z"}, indent=len(name))
    role = {"input": text, "roleArn": f"arn:aws:iam::{account}:role/{name}"}
    cause = f"no (Service: Sfn, Status Code: 400, Request ID: {name * 3})"
    return [
        {"id": 1, "previousEventId": 0, "type": "ExecutionStarted", "executionStartedEventDetails": role},
        event(2, 0, "TaskStateEntered", name="A", input=text),
        {**event(3, 2, "TaskFailed"), "taskFailedEventDetails": {"cause": cause, "region": region}},
    ]


def test_places_times_ids_and_names_of_a_run_are_no_differences() -> None:
    assert differences(history("eu-west-1", "1" * 12, "a"), history("us-east-1", "2" * 12, "bcd")) == []


def test_the_first_difference_names_event_and_place() -> None:
    one, two = history("r", "1", "a"), history("r", "1", "a")
    two[1]["stateEnteredEventDetails"]["name"] = "B"
    two[2]["previousEventId"] = 1

    found = differences(one, two)

    assert [(each.event, each.path, each.local, each.other) for each in found] == [
        (2, "stateEnteredEventDetails.name", "A", "B"),
        (3, "previousEventId", 2, 1),
    ]


def test_numbers_of_another_kind_and_missing_events_are_differences() -> None:
    one, two = [event(1, 0, "X", input="[1]")], [event(1, 0, "X", input="[1.0]")]

    assert [each.path for each in differences(one, two)] == ["stateEnteredEventDetails.input[0]"]
    assert [(each.event, each.other) for each in differences([*one, event(2, 1, "Y")], one)] == [(2, None)]


def forked(*order: int) -> list[dict[str, Any]]:
    events = [event(1, 0, "ParallelStateEntered", name="P"), event(2, 1, "ParallelStateStarted")]
    ids = {branch: number for number, branch in enumerate(order, 3)}
    events += [event(ids[branch], 2, "PassStateEntered", name=f"B{branch}") for branch in order]
    events += [event(ids[branch] + 2, ids[branch], "PassStateExited", name=f"B{branch}") for branch in order]
    return [*events, event(7, 6, "ParallelStateSucceeded")]


def test_branches_may_come_in_another_order_but_not_under_another_predecessor() -> None:
    other = forked(2, 1)
    wrong = copy.deepcopy(other)
    wrong[4]["previousEventId"] = 1

    assert differences(forked(1, 2), other) == []
    assert [each.path for each in differences(forked(1, 2), wrong)] == ["", ""]


@given(st.integers(0, 10**6))
def test_two_runs_of_one_definition_are_the_same(moment: int) -> None:
    machine = parse({"StartAt": "P", "States": {"P": PASS}})

    def run(now: float) -> list[dict[str, Any]]:
        shell = Shell(machine, lambda _task: [], now=now, through_json=False)
        shell.run("{}")
        return shell.history()

    assert differences(run(1_700_000_000.0), run(1_700_000_000.0 + moment)) == []
