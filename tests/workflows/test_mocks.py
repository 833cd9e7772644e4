"""Mock configurations: what is read, what is refused, and which answer is whose."""

from __future__ import annotations

import json
from typing import Any

import pytest

from customlabels.asl import Event, parse
from customlabels.errors import InvalidInput
from customlabels.workflows import check_case, read_mocks
from customlabels.workflows.mocks import invocation
from customlabels.workflows.tasks import token_of

ARN = "arn:aws:states:eu-west-1:111122223333:execution:m:e"
GOOD: dict[str, Any] = {
    "StateMachines": {"m": {"TestCases": {"Fine": {"A": "works", "B": "breaks"}, "Real": {}}}},
    "MockedResponses": {
        "works": {"2-5": {"Return": 2}, "0-1": {"Return": {"n": 0}}},
        "breaks": {"0": {"Throw": {"Error": "E", "Cause": "because"}}},
    },
}


def test_a_case_has_the_answers_of_its_states_by_invocation() -> None:
    answers = read_mocks(json.dumps(GOOD)).case("m", "Fine")

    assert answers == {
        "A": [(0, 1, {"Return": {"n": 0}}), (2, 5, {"Return": 2})],
        "B": [(0, 0, {"Throw": {"Error": "E", "Cause": "because"}})],
    }


@pytest.mark.parametrize(
    ("machine", "case", "told"), [("x", "Fine", "it has m"), ("m", "Odd", "it has Fine, Real")]
)
def test_a_case_that_is_not_there_is_told_with_those_that_are(machine: str, case: str, told: str) -> None:
    with pytest.raises(InvalidInput, match=told):
        read_mocks(json.dumps(GOOD)).case(machine, case)


@pytest.mark.parametrize(
    ("response", "problem"),
    [
        ({"one": {"Return": 1}}, "a number or a range"),
        ({"2-1": {"Return": 1}}, "a number or a range"),
        ({"0": {"Return": 1, "Throw": {"Error": "E"}}}, "either Return, or Throw"),
        ({"0": {"Throw": {"Cause": "c"}}}, "either Return, or Throw"),
        ({"0": {"Throw": {"Error": 1}}}, "either Return, or Throw"),
        ({"0": 1}, "a JSON object is needed"),
        ({"0-2": {"Return": 1}, "2": {"Return": 2}}, "invocation 2 has two answers"),
    ],
)
def test_responses_that_are_none_are_refused(response: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidInput, match=problem):
        read_mocks(json.dumps({"MockedResponses": {"r": response}}))


def test_every_problem_of_a_file_is_told_at_once() -> None:
    text = json.dumps({"Odd": 1, "StateMachines": {"m": {"TestCases": {"c": {"A": "absent"}, "d": []}}}})

    with pytest.raises(InvalidInput) as refused:
        read_mocks(text)

    assert [word for word in ("Odd", "'absent'", "TestCases/d") if word not in str(refused.value)] == []


def test_only_task_states_that_run_here_can_be_mocked() -> None:
    activity = "arn:aws:states:eu-west-1:111122223333:activity:a"
    states = {
        "P": {"Type": "Pass", "Next": "A"},
        "A": {"Type": "Task", "Resource": activity, "Next": "T"},
        "T": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "End": True},
    }
    machine = parse({"StartAt": "P", "States": states})

    check_case(machine, {"T": []})
    for name in ("P", "A", "Absent"):
        with pytest.raises(InvalidInput, match=f"'{name}'"):
            check_case(machine, {name: []})


def test_a_task_is_counted_among_those_of_its_own_state_also_between_branches_and_retries() -> None:
    def entered(at: int, previous: int, name: str) -> Event:
        return Event(at, previous, "TaskStateEntered", 0.0, {"name": name})

    def scheduled(at: int, previous: int) -> Event:
        return Event(at, previous, "TaskScheduled", 0.0)

    events = [
        Event(1, 0, "ExecutionStarted", 0.0),
        entered(2, 0, "A"),
        entered(3, 0, "B"),
        scheduled(4, 2),
        scheduled(5, 3),
        Event(6, 4, "TaskFailed", 0.0),
        scheduled(7, 6),
        Event(8, 5, "TaskFailed", 0.0),
        scheduled(9, 8),
        entered(10, 7, "A"),
        scheduled(11, 10),
    ]

    found = [invocation(events, ARN, token_of(ARN, at)) for at in (4, 5, 7, 9, 11)]

    assert found == [("A", 0), ("B", 0), ("A", 1), ("B", 1), ("A", 2)]
    assert invocation(events, ARN, token_of(ARN, 2)) == ("", 0)
