"""TestState through the dispatcher: its refusals, its mocks, and states that really work."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from tests.operations.world import SERVICES, World

from customlabels.errors import ServiceError
from customlabels.operations import FunctionContext, ServiceTasks

INVOKE = {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Parameters": {}, "End": True}
START = {"Type": "Task", "Resource": "arn:aws:states:::states:startExecution", "Parameters": {}, "End": True}
INSIDE = {"StartAt": "Inside", "States": {"Inside": {"Type": "Pass", "End": True}}}
PARALLEL = {"Type": "Parallel", "Branches": [INSIDE, INSIDE], "End": True}
MAP = {"Type": "Map", "ItemsPath": "$.all", "ItemProcessor": INSIDE, "End": True}
PASS = {"Type": "Pass", "End": True}


def told(world: World, definition: dict[str, Any], **params: Any) -> dict[str, Any]:
    return world.states("TestState", definition=json.dumps(definition), **params)


def mock(result: Any, **more: Any) -> dict[str, Any]:
    return {"mock": {"result": json.dumps(result), **more}}


ERROR = {"errorOutput": {"error": "E", "cause": "because"}}


@pytest.mark.parametrize(
    ("definition", "params", "message"),
    [
        (PASS, mock(1), "State type 'Pass' is not supported when a mock is specified"),
        (INVOKE, {"mock": {}}, "A test mock should have one of"),
        (INVOKE, {"mock": {"result": "{}", **ERROR}}, "should have only one of"),
        (INVOKE, {"mock": {"errorOutput": {"cause": "c"}}}, "must have the field 'error'"),
        (INVOKE, {**mock({}), "revealSecrets": True}, "does not support RevealSecrets"),
        (INVOKE, {"mock": {"result": "{"}}, "Mocked result must be valid JSON"),
        (INVOKE, mock([]), "Field 'result' must be an object"),
        (START, mock({}), "Required field 'ExecutionArn' is missing"),
        (START, mock({"StartDate": 1}, fieldValidationMode="PRESENT"), "Field 'StartDate' must be a string"),
        (PARALLEL, mock({}), "Mocked result must be an array."),
        (PARALLEL, mock([1]), "the same number of items as number of Parallel branches"),
        (PASS, {"context": "{}"}, "only together with a mock"),
        (INVOKE, {**mock({}), "context": "["}, "it must be valid JSON"),
        (INVOKE, {**mock({}), "context": '{"Map": {}}'}, "'Map' field is not supported"),
        (INVOKE, {**mock({}), "context": '{"State": {"Nick": 1}}'}, "Field 'Nick' is not allowed"),
        (INVOKE, {**mock({}), "context": '{"State": {"Name": 1}}'}, "Field 'Name' must be a string"),
        (PASS, {"variables": "[]"}, "Invalid variables provided"),
        (PASS, {"stateConfiguration": {"retrierRetryCount": 1}}, "only where a mock is specified"),
        (INVOKE, {**mock({}), "stateConfiguration": {"mapIterationFailureCount": 1}}, "is for a Map"),
        (MAP, {**mock([]), "stateConfiguration": {"mapItemReaderData": "[]"}}, "with an ItemReader"),
        (MAP, {**mock([]), "stateConfiguration": {"errorCausedByState": "Inside"}}, "for a mocked error"),
        (MAP, {"mock": ERROR, "stateConfiguration": {"errorCausedByState": "x"}}, "no state 'x' within"),
    ],
)
def test_requests_that_make_no_sense_are_refused(
    world: World, definition: dict[str, Any], params: dict[str, Any], message: str
) -> None:
    with pytest.raises(ServiceError) as refused:
        told(world, definition, **params)

    assert refused.value.code == "ValidationException"
    assert message in refused.value.message


@pytest.mark.parametrize(
    "definition",
    [
        PARALLEL,
        MAP,
        {"Type": "Nap"},
        {**INVOKE, "Resource": "arn:aws:states:::states:startExecution.sync"},
        {**INVOKE, "Resource": "arn:aws:states:us-east-1:111122223333:activity:a"},
    ],
)
def test_states_that_cannot_be_tested_without_a_mock_are_no_definitions(
    world: World, definition: dict[str, Any]
) -> None:
    assert (
        world.refusal("TestState", "stepfunctions", definition=json.dumps(definition)) == "InvalidDefinition"
    )


def test_an_input_that_is_no_json_and_a_role_that_is_none_are_refused(world: World) -> None:
    definition = json.dumps(PASS)

    assert (
        world.refusal("TestState", "stepfunctions", definition=definition, input="{")
        == "InvalidExecutionInput"
    )
    assert world.refusal("TestState", "stepfunctions", definition=definition, roleArn="r") == "InvalidArn"


def test_a_state_of_a_whole_machine_is_tested_by_its_name_wherever_it_is(world: World) -> None:
    machine = {"StartAt": "Each", "States": {"Each": MAP}}

    assert told(world, machine, stateName="Inside", input="[1]")["output"] == "[1]"
    with pytest.raises(ServiceError, match="State not found in definition"):
        told(world, machine, stateName="Outside")


def test_a_mock_without_validation_may_be_anything(world: World) -> None:
    assert told(world, START, **mock([1], fieldValidationMode="NONE"))["output"] == "[1]"


def test_the_data_on_its_way_is_told_from_the_level_debug_on(world: World) -> None:
    assert set(told(world, PASS)) == {"status", "output"}
    assert "afterInputPath" in told(world, PASS, inspectionLevel="DEBUG")["inspectionData"]


def test_data_of_an_item_reader_is_read_as_the_reader_says(world: World) -> None:
    reader = {
        "Resource": "arn:aws:states:::s3:getObject",
        "ReaderConfig": {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"},
        "Parameters": {"Bucket": "b", "Key": "k"},
    }
    inside = {**INSIDE, "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}}
    definition = {
        "Type": "Map",
        "ItemReader": reader,
        "ItemSelector": {"row.$": "$$.Map.Item.Value"},
        "ItemProcessor": inside,
        "End": True,
    }
    configuration = {"mapItemReaderData": "a,b\n1,2\n"}

    answer = told(world, definition, **mock([]), stateConfiguration=configuration, inspectionLevel="DEBUG")

    assert json.loads(answer["inspectionData"]["afterItemSelector"]) == [{"row": {"a": "1", "b": "2"}}]


def test_a_task_without_a_mock_really_runs(world: World) -> None:
    def double(event: Any, _context: FunctionContext) -> Any:
        return event["number"] * 2

    world.tasks = ServiceTasks(world.dispatcher, SERVICES, {"double": double})
    definition = {**INVOKE, "Parameters": {"FunctionName": "double", "Payload.$": "$"}}
    listing = {
        "Type": "Task",
        "Resource": "arn:aws:states:::aws-sdk:rekognition:describeProjects",
        "End": True,
    }

    assert json.loads(told(world, definition, input='{"number": 21}')["output"])["Payload"] == 42
    assert json.loads(told(world, listing)["output"]) == {"ProjectDescriptions": []}


def test_a_task_that_fails_or_takes_too_long_fails_the_state(world: World) -> None:
    def slow(_event: Any, _context: FunctionContext) -> None:
        time.sleep(1.5)

    world.tasks = ServiceTasks(world.dispatcher, SERVICES, {"slow": slow})
    absent = {**INVOKE, "Parameters": {"FunctionName": "absent"}}
    late = {**INVOKE, "Parameters": {"FunctionName": "slow"}, "TimeoutSeconds": 1}

    assert told(world, absent)["error"] == "Lambda.ResourceNotFoundException"
    assert told(world, late)["error"] == "States.Timeout"


def test_a_wait_waits_and_one_that_is_too_long_is_over_at_once(world: World) -> None:
    assert told(world, {"Type": "Wait", "Seconds": 1, "Next": "After"})["nextState"] == "After"
    far = {"Type": "Wait", "Timestamp": "2999-01-01T00:00:00Z", "End": True}
    assert told(world, far)["status"] == "SUCCEEDED"  # the world's rules scale waits to nothing
