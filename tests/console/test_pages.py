"""Pages from answers of the API; their own rules are few: what a state's colour is, how a time is written."""

import asyncio
from typing import Any

import httpx
import pytest

from customlabels.console import console_app
from customlabels.console.pages import duration, state_statuses
from customlabels.errors import ServiceError

MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:m"
RUN = MACHINE.replace("stateMachine", "execution") + ":<one>"
EVENTS: list[dict[str, Any]] = [
    {"id": 1, "type": "ExecutionStarted"},
    {"id": 2, "type": "PassStateEntered", "stateEnteredEventDetails": {"name": "First"}},
    {"id": 3, "type": "PassStateExited", "stateExitedEventDetails": {"name": "First"}},
    {"id": 4, "type": "FailStateEntered", "stateEnteredEventDetails": {"name": "Second"}},
]
STATES = '{"First": {"Type": "Pass", "Next": "Second"}, "Second": {"Type": "Fail"}}'
DEFINITION = f'{{"StartAt": "First", "States": {STATES}}}'
DESCRIPTION = {"executionArn": RUN, "stateMachineArn": MACHINE, "name": "<one>", "startDate": 1e9}
FAILED = {"status": "FAILED", "stopDate": 1e9 + 200, "error": "Broken", "cause": "<b>It broke</b>"}
ANSWERS: dict[str, dict[str, Any]] = {
    "ListStateMachines": {"stateMachines": [{"stateMachineArn": MACHINE}]},
    "ListExecutions": {"executions": [DESCRIPTION | {"status": "RUNNING"}]},
    "ListUnits": {"Versions": []},
    "DescribeExecution": DESCRIPTION | FAILED,
    "DescribeStateMachineForExecution": {"definition": DEFINITION},
    "GetExecutionHistory": {"events": [*EVENTS, {"id": 5, "type": "ExecutionFailed"}]},
}


async def ask(_service: str, operation: str, members: Any) -> dict[str, Any]:
    if members.get("executionArn", RUN) != RUN:
        raise ServiceError("ExecutionDoesNotExist", f"Execution Does Not Exist: '{members['executionArn']}'")
    return ANSWERS[operation]


def page(path: str, host: str = "127.0.0.1:4577") -> httpx.Response:
    """What a browser gets."""

    async def get() -> httpx.Response:
        transport = httpx.ASGITransport(app=console_app(ask))
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}") as client:
            return await client.get(path)

    return asyncio.run(get())


@pytest.mark.parametrize(
    ("ending", "status"), [([], "RUNNING"), ([{"id": 5, "type": "ExecutionFailed"}], "FAILED")]
)
def test_a_state_is_running_until_it_is_left_or_the_execution_fails(ending: list[Any], status: str) -> None:
    assert state_statuses([*EVENTS, *ending]) == {"First": "SUCCEEDED", "Second": status}


def test_a_length_of_time_has_its_two_largest_units() -> None:
    assert [duration(seconds) for seconds in (4.21, 200, 7500)] == ["4.2 s", "3 min 20 s", "2 h 5 min"]


def test_the_start_page_of_open_runs_loads_itself_again() -> None:
    answer = page("/")

    assert answer.status_code == 200
    assert "&lt;one&gt;" in answer.text
    assert 'http-equiv="refresh"' in answer.text


def test_a_run_s_page_shows_why_it_failed_with_everything_escaped() -> None:
    answer = page(f"/runs/{RUN}")

    assert answer.status_code == 200
    assert "<strong>Broken</strong> &lt;b&gt;It broke&lt;/b&gt;" in answer.text
    assert "3 min 20 s" in answer.text
    assert "Fail FAILED" in answer.text
    assert 'http-equiv="refresh"' not in answer.text


def test_an_unknown_run_is_a_page_of_its_own() -> None:
    answer = page("/runs/arn:gone")

    assert (answer.status_code, "Execution Does Not Exist" in answer.text) == (404, True)


def test_only_this_machine_s_names_are_answered() -> None:
    assert [page("/", host=host).status_code for host in ("localhost", "[::1]:4577", "evil.example")] == [
        200,
        200,
        400,
    ]
