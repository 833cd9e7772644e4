"""Callbacks, activities and nested runs through the API and through tasks."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.operations.world import ACCOUNT, REGION, World

from customlabels.workflows import Engine, EnginePace

ROLE = f"arn:aws:iam::{ACCOUNT}:role/any"
STATES = "arn:aws:states:::"


@pytest.fixture
def running(world: World) -> Iterator[World]:
    """A world whose executions run."""
    pace = EnginePace(poll_seconds=0.05)
    engine = Engine(world.records, world.tasks, world.rules, world.parts.clock, "test", pace)
    engine.start()
    yield world
    engine.close()


def machine(world: World, name: str, resource: str | None, **fields: Any) -> str:
    """The ARN of a machine with one Task, or with a Pass."""
    state = {"Type": "Pass"} if resource is None else {"Type": "Task", "Resource": resource, **fields}
    definition = json.dumps({"StartAt": "S", "States": {"S": {**state, "End": True}}})
    created = world.states("CreateStateMachine", name=name, definition=definition, roleArn=ROLE)
    return str(created["stateMachineArn"])


def ended(world: World, arn: str) -> dict[str, Any]:
    world.until(lambda: world.states("DescribeExecution", executionArn=arn)["status"] != "RUNNING")
    return world.states("DescribeExecution", executionArn=arn)


def start(world: World, machine_arn: str, **fields: Any) -> str:
    return str(world.states("StartExecution", stateMachineArn=machine_arn, **fields)["executionArn"])


def test_an_activity_is_made_listed_worked_for_and_deleted(running: World) -> None:
    arn = running.states("CreateActivity", name="paint")["activityArn"]
    run = start(running, machine(running, "m", arn), input='{"wall":1}')

    task = running.states("GetActivityTask", activityArn=arn, workerName="ann")
    running.states("SendTaskHeartbeat", taskToken=task["taskToken"])
    running.states("SendTaskSuccess", taskToken=task["taskToken"], output='"white"')

    assert (task["input"], ended(running, run)["output"]) == ('{"wall":1}', '"white"')
    assert [each["name"] for each in running.states("ListActivities")["activities"]] == ["paint"]
    running.states("DeleteActivity", activityArn=arn)
    assert running.refusal("DescribeActivity", "stepfunctions", activityArn=arn) == "ActivityDoesNotExist"
    assert running.refusal("GetActivityTask", "stepfunctions", activityArn=arn) == "ActivityDoesNotExist"


def test_activities_are_listed_in_pages(world: World) -> None:
    for name in ("c", "a", "b"):
        world.states("CreateActivity", name=name)

    first = world.states("ListActivities", maxResults=2)
    rest = world.states("ListActivities", maxResults=2, nextToken=first["nextToken"])

    assert [each["name"] for each in first["activities"] + rest["activities"]] == ["a", "b", "c"]
    assert "nextToken" not in rest


def test_tokens_and_arns_that_are_none_are_refused(world: World) -> None:
    assert world.refusal("SendTaskFailure", "stepfunctions", taskToken="x") == "InvalidToken"
    assert world.refusal("DescribeActivity", "stepfunctions", activityArn="x") == "InvalidArn"
    execution = f"arn:aws:states:{REGION}:{ACCOUNT}:execution:m:e"
    assert world.refusal("DescribeActivity", "stepfunctions", activityArn=execution) == "InvalidArn"


def test_an_activitys_task_can_be_worked_for_by_another_execution(running: World) -> None:
    arn = running.states("CreateActivity", name="paint")["activityArn"]
    run = start(running, machine(running, "m", arn))
    take = machine(running, "w", f"{STATES}aws-sdk:sfn:getActivityTask", Parameters={"ActivityArn": arn})

    taken = json.loads(ended(running, start(running, take))["output"])
    give = {"TaskToken": taken["TaskToken"], "Output": {"done": True}}
    done = machine(running, "d", f"{STATES}aws-sdk:sfn:sendTaskSuccess", Parameters=give)
    assert ended(running, start(running, done))["status"] == "SUCCEEDED"

    assert json.loads(ended(running, run)["output"]) == {"done": True}


def test_a_started_execution_is_described_to_the_one_that_waits(running: World) -> None:
    child = machine(running, "child", None)
    parameters = {"StateMachineArn": child, "Input": {"a": [1]}, "Name": "c"}
    parent = machine(running, "parent", f"{STATES}states:startExecution.sync:2", Parameters=parameters)

    run = start(running, parent)

    output = json.loads(ended(running, run)["output"])
    assert (output["Name"], output["Output"]) == ("c", {"a": [1]})
    events = running.states("GetExecutionHistory", executionArn=run)["events"]
    submitted = next(event for event in events if event["type"] == "TaskSubmitted")
    told = json.loads(submitted["taskSubmittedEventDetails"]["output"])
    assert told["SdkHttpMetadata"]["HttpHeaders"]["Content-Type"] == "application/x-amz-json-1.0"


def test_a_task_that_is_run_again_starts_no_second_execution(running: World) -> None:
    parameters = {"stateMachineArn": machine(running, "child", None), "name": "c"}
    token = "t" * 64

    first = running.call("stepfunctions", "StartExecution", parameters, token)
    ended(running, first["executionArn"])

    assert running.call("stepfunctions", "StartExecution", parameters, token) == first


def test_an_execution_that_cannot_be_started_fails_the_task_in_the_services_words(running: World) -> None:
    missing = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:none"
    resource = f"{STATES}states:startExecution"

    failed = ended(
        running, start(running, machine(running, "m", resource, Parameters={"StateMachineArn": missing}))
    )

    assert failed["error"] == "StepFunctions.StateMachineDoesNotExistException"
    assert (
        "(Service: AWSStepFunctions; Status Code: 400; Error Code: StateMachineDoesNotExist"
        in failed["cause"]
    )
