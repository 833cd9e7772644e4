"""What a history says of its states."""

from typing import Any

import pytest

from customlabels.console.visits import Journal

ENTERED, EXITED = "stateEnteredEventDetails", "stateExitedEventDetails"


def history(*events: tuple[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Events one after the other, a second apart."""
    return [
        {"id": number, "previousEventId": number - 1, "timestamp": float(number), "type": type_, **details}
        for number, (type_, details) in enumerate(events, start=1)
    ]


def entered(name: str, kind: str = "Task") -> tuple[str, dict[str, Any]]:
    return f"{kind}StateEntered", {ENTERED: {"name": name}}


def exited(name: str, kind: str = "Task") -> tuple[str, dict[str, Any]]:
    return f"{kind}StateExited", {EXITED: {"name": name}}


FAILED = ("TaskFailed", {"taskFailedEventDetails": {"error": "Broken", "cause": "it broke"}})
SCHEDULED = ("TaskScheduled", {"taskScheduledEventDetails": {"resource": "getObject"}})


@pytest.mark.parametrize(
    ("rest", "status"),
    [
        ([], "RUNNING"),
        ([SCHEDULED, FAILED], "RETRYING"),
        ([SCHEDULED, FAILED, SCHEDULED], "RUNNING"),
        ([SCHEDULED, FAILED, SCHEDULED, exited("A")], "SUCCEEDED"),
        ([SCHEDULED, FAILED, exited("A")], "CAUGHT"),
        ([SCHEDULED, FAILED, ("ExecutionFailed", {})], "FAILED"),
        ([("ExecutionAborted", {})], "FAILED"),
        ([SCHEDULED, FAILED, ("ExecutionFailed", {}), ("ExecutionRedriven", {})], "RUNNING"),
    ],
)
def test_a_state_has_the_status_of_its_last_attempt(rest: list[Any], status: str) -> None:
    assert Journal(history(("ExecutionStarted", {}), entered("A"), *rest)).statuses == {"A": status}


def test_a_state_that_is_entered_again_keeps_its_visits_apart() -> None:
    journal = Journal(history(entered("A"), exited("A"), entered("A"), SCHEDULED, FAILED, SCHEDULED))

    first, second = journal.rows()["A"]
    assert (first.began, first.ended, second.began, second.ended) == (1.0, 2.0, 3.0, None)
    assert (second.attempts, second.error, second.cause) == (2, "Broken", "it broke")


def test_branches_end_in_any_order() -> None:
    events: list[dict[str, Any]] = [
        {"id": 1, "type": "ParallelStateEntered", ENTERED: {"name": "Both"}},
        {"id": 2, "previousEventId": 1, "type": "ParallelStateStarted"},
        {"id": 3, "previousEventId": 2, "type": "PassStateEntered", ENTERED: {"name": "Left"}},
        {"id": 4, "previousEventId": 2, "type": "PassStateEntered", ENTERED: {"name": "Right"}},
        {"id": 5, "previousEventId": 4, "type": "PassStateExited", EXITED: {"name": "Right"}},
        {"id": 6, "previousEventId": 3, "type": "PassStateExited", EXITED: {"name": "Left"}},
        {"id": 7, "previousEventId": 6, "type": "ParallelStateSucceeded"},
        {"id": 8, "previousEventId": 7, "type": "ParallelStateExited", EXITED: {"name": "Both"}},
    ]
    journal = Journal(event | {"timestamp": float(event["id"])} for event in events)

    assert journal.statuses == dict.fromkeys(("Both", "Left", "Right"), "SUCCEEDED")
    assert {name: visits[0].ended for name, visits in journal.rows().items()} == {
        "Both": 8,
        "Left": 6,
        "Right": 5,
    }
    assert journal.state_of(5) == "Right"


def test_events_may_be_taken_a_few_at_a_time() -> None:
    events = history(entered("A"), SCHEDULED, FAILED, exited("A"), entered("B", "Pass"))
    whole, pieces = Journal(events), Journal()

    for event in events:
        pieces.take([event])

    assert pieces.visits == whole.visits
    assert pieces.last_event == 5
