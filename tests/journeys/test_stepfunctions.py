"""State machines by an unmodified boto3 client, among them one in the style of the pipeline's ancestor."""

import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from tests.journeys.stage import Home, until

ROLE = "arn:aws:iam::123456789012:role/states"
NOWHERE = "arn:aws:rekognition:us-east-1:123456789012:project/nowhere/version/v/1690476084738"

# Blanks and signs in names, paths into unfiltered lists, a quarter of an hour between two looks: all of it is
# met in definitions that people have written for Custom Labels.
PROJECTS_LOOKED_AFTER = {
    "Comment": "Find or make two projects, look at both at once, wait until they are there",
    "StartAt": "Make both projects",
    "States": {
        "Make both projects": {
            "Type": "Parallel",
            "Branches": [
                {
                    "StartAt": f"Make project > {side}",
                    "States": {
                        f"Make project > {side}": {
                            "Type": "Task",
                            "Resource": "arn:aws:states:::aws-sdk:rekognition:createProject",
                            "Parameters": {"ProjectName.$": f"$.{side}"},
                            "ResultPath": "$.Made",
                            "Catch": [
                                {
                                    "ErrorEquals": ["Rekognition.ResourceInUseException"],
                                    "ResultPath": "$.Refused",
                                    "Next": f"Find project > {side}",
                                }
                            ],
                            "Next": f"Find project > {side}",
                        },
                        f"Find project > {side}": {
                            "Type": "Task",
                            "Resource": "arn:aws:states:::aws-sdk:rekognition:describeProjects",
                            "Parameters": {"ProjectNames.$": f"States.Array($.{side})"},
                            "ResultSelector": {"ProjectArn.$": "$.ProjectDescriptions[0].ProjectArn"},
                            "ResultPath": "$.Input",
                            "End": True,
                        },
                    },
                }
                for side in ("Left", "Right")
            ],
            "ResultSelector": {"Sides.$": "$", "First.$": "$.[0].Input.ProjectArn"},
            "Next": "Wait > a quarter of an hour",
        },
        "Wait > a quarter of an hour": {"Type": "Wait", "Seconds": 900, "Next": "Ready to go on?"},
        "Ready to go on?": {
            "Type": "Choice",
            "InputPath": "$.Sides[0]",
            "Choices": [
                {
                    "Variable": "$.Input.ProjectArn",
                    "StringMatches": "arn:aws:rekognition:*:project/left/*",
                    "Next": "Look at versions",
                }
            ],
            "Default": "Not ours",
        },
        "Look at versions": {
            "Type": "Task",
            "Resource": "arn:aws:states:::aws-sdk:rekognition:describeProjectVersions",
            "Parameters": {"ProjectArn.$": "$.Input.ProjectArn"},
            "ResultPath": "$.Versions",
            "End": True,
        },
        "Not ours": {"Type": "Fail", "Error": "NotOurs", "Cause": "the first side is not project left"},
    },
}


@pytest.fixture(scope="module")
def states(served: Home) -> Iterator[Any]:
    """A Step Functions client of the served home."""
    client = served.client("stepfunctions")
    yield client
    client.close()


def machine(states: Any, name: str, definition: dict[str, Any]) -> str:
    """A state machine of this definition."""
    created = states.create_state_machine(name=name, definition=json.dumps(definition), roleArn=ROLE)
    return str(created["stateMachineArn"])


def over(states: Any, arn: str) -> dict[str, Any]:
    """The execution, once it has ended."""
    assert until(lambda: states.describe_execution(executionArn=arn)["status"] != "RUNNING", seconds=60)
    return dict(states.describe_execution(executionArn=arn))


def history(states: Any, arn: str) -> list[dict[str, Any]]:
    """Every event of an execution, read page by page."""
    pages = states.get_paginator("get_execution_history").paginate(
        executionArn=arn, PaginationConfig={"PageSize": 5}
    )
    return [event for page in pages for event in page["events"]]


def test_a_definition_in_the_style_of_the_ancestor_runs_in_seconds(states: Any) -> None:
    arn = machine(states, "ancestor-like", PROJECTS_LOOKED_AFTER)
    begun = states.start_execution(
        stateMachineArn=arn, name="one", input='{"Left": "left", "Right": "right"}'
    )

    ended = over(states, begun["executionArn"])
    events = history(states, begun["executionArn"])

    assert ended["status"] == "SUCCEEDED", ended
    output = json.loads(ended["output"])
    assert output["Input"]["ProjectArn"].split("/")[1] == "left"
    assert output["Versions"] == {"ProjectVersionDescriptions": []}
    assert [event["id"] for event in events] == list(range(1, len(events) + 1))
    assert all(event["previousEventId"] < event["id"] for event in events)
    entered = [
        event["stateEnteredEventDetails"]["name"] for event in events if "stateEnteredEventDetails" in event
    ]
    assert {"Make project > Left", "Find project > Right", "Ready to go on?"} <= set(entered)
    assert (events[0]["type"], events[-1]["type"]) == ("ExecutionStarted", "ExecutionSucceeded")


def test_a_second_execution_finds_what_the_first_one_made(states: Any) -> None:
    arn = machine(states, "ancestor-like", PROJECTS_LOOKED_AFTER)
    text = '{"Left": "left", "Right": "left"}'

    ended = over(states, states.start_execution(stateMachineArn=arn, name="two", input=text)["executionArn"])

    assert ended["status"] == "SUCCEEDED", ended


def test_starting_and_creating_again_changes_nothing(states: Any) -> None:
    waiting = {
        "StartAt": "Wait",
        "States": {"Wait": {"Type": "Wait", "Timestamp": "2999-01-01T00:00:00Z", "End": True}},
    }
    arn = machine(states, "patient", waiting)

    assert machine(states, "patient", waiting) == arn
    first = states.start_execution(stateMachineArn=arn, name="same", input="{}")
    again = states.start_execution(stateMachineArn=arn, name="same", input="{}")
    assert (again["executionArn"], again["startDate"]) == (first["executionArn"], first["startDate"])
    with pytest.raises(states.exceptions.ExecutionAlreadyExists):
        states.start_execution(stateMachineArn=arn, name="same", input='{"other": 1}')

    states.stop_execution(executionArn=first["executionArn"], error="Enough", cause="it was only a test")
    stopped = over(states, first["executionArn"])
    assert (stopped["status"], stopped["error"], stopped["cause"]) == (
        "ABORTED",
        "Enough",
        "it was only a test",
    )
    assert history(states, first["executionArn"])[-1]["type"] == "ExecutionAborted"


def test_a_definition_that_cannot_work_is_refused_when_it_is_created(states: Any) -> None:
    broken = {"StartAt": "Nowhere", "States": {"Here": {"Type": "Succeed"}}}

    with pytest.raises(states.exceptions.InvalidDefinition, match="Nowhere"):
        machine(states, "broken", broken)
    nobody = "arn:aws:states:us-east-1:123456789012:stateMachine:nobody"
    with pytest.raises(states.exceptions.StateMachineDoesNotExist):
        states.start_execution(stateMachineArn=nobody)


def test_a_refused_call_fails_the_execution_with_the_name_and_the_words_of_the_service(states: Any) -> None:
    call = {
        "StartAt": "Start",
        "States": {
            "Start": {
                "Type": "Task",
                "Resource": "arn:aws:states:::aws-sdk:rekognition:startProjectVersion",
                "Parameters": {"ProjectVersionArn": NOWHERE, "MinInferenceUnits": 1},
                "End": True,
            }
        },
    }
    arn = machine(states, "starter", call)

    ended = over(states, states.start_execution(stateMachineArn=arn)["executionArn"])

    assert (ended["status"], ended["error"]) == ("FAILED", "Rekognition.ResourceNotFoundException")
    assert NOWHERE in ended["cause"]


def test_a_worker_of_an_activity_waits_works_and_is_named_in_the_history(states: Any) -> None:
    activity = states.create_activity(name="painting")["activityArn"]
    taken: dict[str, Any] = {}
    worker = threading.Thread(
        target=lambda: taken.update(states.get_activity_task(activityArn=activity, workerName="ann"))
    )
    worker.start()
    task = {"Type": "Task", "Resource": activity, "HeartbeatSeconds": 60, "End": True}
    arn = machine(states, "painter", {"StartAt": "Paint", "States": {"Paint": task}})

    run = states.start_execution(stateMachineArn=arn, input='{"wall":1}')["executionArn"]
    worker.join(30)
    states.send_task_heartbeat(taskToken=taken["taskToken"])
    states.send_task_success(taskToken=taken["taskToken"], output='"white"')

    assert taken["input"] == '{"wall":1}'
    assert over(states, run)["output"] == '"white"'
    started = next(event for event in history(states, run) if event["type"] == "ActivityStarted")
    assert started["activityStartedEventDetails"] == {"workerName": "ann"}
    with pytest.raises(states.exceptions.TaskTimedOut):
        states.send_task_success(taskToken=taken["taskToken"], output="1")


def test_an_express_machine_answers_with_its_end_under_the_prefix_of_its_own_host(
    served: Home, states: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    look_up = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, *rest, **more: look_up(host.removeprefix("sync-"), *rest, **more)
    )
    arn = states.create_state_machine(
        name="quick",
        type="EXPRESS",
        roleArn=ROLE,
        definition=json.dumps({"StartAt": "P", "States": {"P": {"Type": "Pass", "End": True}}}),
    )["stateMachineArn"]

    run = served.client("stepfunctions").start_sync_execution(stateMachineArn=arn, input='{"a":1}')

    assert (run["status"], run["output"]) == ("SUCCEEDED", '{"a":1}')


def test_a_failed_execution_is_redriven_through_a_version(states: Any) -> None:
    fail = {"StartAt": "F", "States": {"F": {"Type": "Fail", "Error": "Broken"}}}
    arn = machine(states, "failing", fail)
    version = states.publish_state_machine_version(stateMachineArn=arn)["stateMachineVersionArn"]
    run = states.start_execution(stateMachineArn=version)["executionArn"]
    over(states, run)

    states.redrive_execution(executionArn=run)
    described = over(states, run)

    assert (described["redriveCount"], described["stateMachineVersionArn"]) == (1, version)
    assert [event["type"] for event in history(states, run)].count("ExecutionRedriven") == 1
