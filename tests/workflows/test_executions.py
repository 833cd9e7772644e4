"""Machines and executions as their owners see them: names, answers to repeated requests, pages."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from tests.workflows.stage import Stage, chain
from tests.workflows.waiting import wait_until

from customlabels.errors import ServiceError
from customlabels.storage import Records
from customlabels.workflows import StateMachine

PASS = chain(P={"Type": "Pass"})
LONG = chain(W={"Type": "Wait", "Seconds": 3600})
ARN = "arn:aws:states:us-east-1:123456789012:stateMachine:m"
MACHINE = StateMachine(
    ARN, "123456789012", "us-east-1", "m", json.dumps(PASS), "arn:aws:iam::123456789012:role/r"
)
NOWHERE = "arn:aws:states:us-east-1:123456789012:execution:m:none"


@pytest.fixture
def idle(records: Records) -> Stage:
    """Parts whose engine does not run."""
    return Stage(records)


def code_of(refused: Any) -> str:
    with pytest.raises(ServiceError) as error:
        refused()
    return error.value.code


def test_a_machine_is_kept_as_given(idle: Stage) -> None:
    created = idle.machines.create(replace(MACHINE, details={"tracingConfiguration": {"enabled": False}}))

    assert idle.machines.describe(ARN) == created
    assert (created.definition, created.status) == (json.dumps(PASS), "ACTIVE")
    assert created.details == {"tracingConfiguration": {"enabled": False}}


def test_the_same_machine_again_is_answered_with_the_first_one(idle: Stage) -> None:
    first = idle.machines.create(MACHINE)

    assert idle.machines.create(replace(MACHINE, role_arn="arn:aws:iam::123456789012:role/other")) == first


def test_another_machine_of_the_same_name_is_refused(idle: Stage) -> None:
    idle.machines.create(MACHINE)

    other = replace(MACHINE, definition=json.dumps(LONG))
    assert code_of(lambda: idle.machines.create(other)) == "StateMachineAlreadyExists"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"definition": '{"StartAt": "A", "States": {}}'}, "InvalidDefinition"),
        ({"name": "a b"}, "InvalidName"),
        ({"name": "a:b"}, "InvalidName"),
        ({"name": "x" * 81}, "InvalidName"),
    ],
)
def test_a_machine_that_cannot_be_is_refused(idle: Stage, change: dict[str, Any], code: str) -> None:
    assert code_of(lambda: idle.machines.create(replace(MACHINE, **change))) == code


def test_machines_are_listed_in_pages_by_name(idle: Stage) -> None:
    created = [
        idle.machines.create(replace(MACHINE, arn=f"{ARN}{number}", name=f"m{number}")) for number in range(5)
    ]

    first = idle.machines.list("123456789012", "us-east-1", limit=3)
    second = idle.machines.list("123456789012", "us-east-1", 3, first[-1].arn)

    assert first + second == created
    assert idle.machines.list("210987654321", "us-east-1") == []


def test_an_update_holds_for_later_executions_only(idle: Stage) -> None:
    before = idle.machines.create(MACHINE)
    running = idle.executions.start(ARN, "before", "{}")
    after = idle.machines.update(ARN, definition=json.dumps(LONG))

    assert after.revision_id != before.revision_id
    assert idle.executions.describe(running.arn).definition == json.dumps(PASS)
    assert idle.executions.start(ARN, "after", "{}").definition == json.dumps(LONG)


def test_a_deleted_machine_leaves_its_executions(idle: Stage) -> None:
    idle.machines.create(MACHINE)
    execution = idle.executions.start(ARN, "e", "{}")
    for _ in range(2):
        with idle.records.write() as tx:
            idle.machines.delete(tx, ARN)

    assert idle.executions.describe(execution.arn) == execution
    assert code_of(lambda: idle.machines.describe(ARN)) == "StateMachineDoesNotExist"
    assert code_of(lambda: idle.executions.start(ARN, "later", "{}")) == "StateMachineDoesNotExist"


@pytest.mark.parametrize(("definition", "rings"), [(PASS, 0), (LONG, 1)])
def test_the_engine_is_woken_only_by_an_execution_that_goes_on(
    idle: Stage, definition: Any, rings: int
) -> None:
    heard: list[str] = []
    idle.records.subscribe("executions", lambda: heard.append("a ring"))
    idle.machines.create(replace(MACHINE, definition=json.dumps(definition)))

    idle.executions.start(ARN, "e", "{}")

    assert len(heard) == rings


def test_the_same_start_while_it_runs_gives_the_same_execution(idle: Stage) -> None:
    idle.machine(LONG)
    first = idle.executions.start(ARN, "e", '{"a": 1}')

    assert idle.executions.start(ARN, "e", '{"a": 1}') == first
    assert idle.types(first.arn)[0] == "ExecutionStarted"
    assert len(idle.executions.list(ARN)) == 1


def test_another_input_under_a_used_name_is_refused(idle: Stage) -> None:
    idle.machine(LONG)
    idle.executions.start(ARN, "e", '{"a": 1}')

    assert code_of(lambda: idle.executions.start(ARN, "e", '{"a": 2}')) == "ExecutionAlreadyExists"


def test_a_name_is_not_free_again_after_its_execution_ended(idle: Stage) -> None:
    idle.machine(LONG)
    idle.executions.stop(idle.executions.start(ARN, "e", "{}").arn)

    assert code_of(lambda: idle.executions.start(ARN, "e", "{}")) == "ExecutionAlreadyExists"


@pytest.mark.parametrize("text", ["", "{", "NaN", f'"{"x" * 262_144}"'])
def test_an_input_that_is_no_json_or_too_large_is_refused(idle: Stage, text: str) -> None:
    idle.machine(LONG)

    assert code_of(lambda: idle.executions.start(ARN, "e", text)) == "InvalidExecutionInput"
    assert idle.executions.list(ARN) == []


def test_an_execution_that_never_was_is_refused_everywhere(idle: Stage) -> None:
    for ask in (idle.executions.describe, idle.executions.history, idle.executions.stop):
        assert code_of(lambda ask=ask: ask(NOWHERE)) == "ExecutionDoesNotExist"


def test_executions_are_listed_in_pages_newest_first_and_by_status(idle: Stage) -> None:
    idle.machine(LONG)
    arns = [idle.executions.start(ARN, f"e{number}", "{}").arn for number in range(5)]
    idle.executions.stop(arns[1])

    first = idle.executions.list(ARN, limit=2)
    rest = idle.executions.list(ARN, limit=10, after=(first[-1].started_at, first[-1].arn))

    assert [listed.arn for listed in first + rest] == arns[::-1]
    assert [listed.arn for listed in idle.executions.list(ARN, "ABORTED")] == [arns[1]]


def test_a_history_can_be_read_in_pages_in_both_directions(stage: Stage) -> None:
    arn = stage.begin(PASS)
    stage.finish(arn)
    whole = stage.events(arn)

    first = stage.executions.history(arn, 2)
    second = stage.executions.history(arn, 2, after=first[-1].id)
    newest = stage.executions.history(arn, 3, reverse=True)
    oldest = stage.executions.history(arn, 3, after=newest[-1].id, reverse=True)

    assert [event.type for event in whole] == [
        "ExecutionStarted",
        "PassStateEntered",
        "PassStateExited",
        "ExecutionSucceeded",
    ]
    assert first + second == whole
    assert newest + oldest == whole[::-1]


def test_running_executions_are_open_work(stage: Stage) -> None:
    arn = stage.begin(LONG)
    assert stage.executions.running() == 1

    stage.executions.stop(arn)
    wait_until(lambda: stage.executions.running() == 0)
