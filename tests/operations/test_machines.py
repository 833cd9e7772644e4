"""State machines and executions over the real engine."""

import json
import time
import uuid
from collections.abc import Iterator

import pytest
from tests.operations.world import SERVICES, World

from customlabels.asl import Rules
from customlabels.workflows import Engine, EnginePace

ROLE = "arn:aws:iam::111122223333:role/runs"
PASS = json.dumps({"StartAt": "A", "States": {"A": {"Type": "Pass", "End": True}}})
WAIT = json.dumps({"StartAt": "A", "States": {"A": {"Type": "Wait", "Seconds": 600, "End": True}}})


@pytest.fixture
def engine(world: World) -> Iterator[World]:
    """The world with an engine at work."""
    engine = Engine(
        world.records,
        world.tasks,
        Rules(),
        time.time,
        f"test-{uuid.uuid4()}",
        EnginePace(poll_seconds=0.05),
    )
    engine.start()
    yield world
    engine.close()


def machine(world: World, definition: str = PASS, name: str = "m") -> str:
    answer = world.states("CreateStateMachine", name=name, definition=definition, roleArn=ROLE)
    return str(answer["stateMachineArn"])


def ended(world: World, arn: str) -> dict[str, object]:
    world.until(lambda: world.states("DescribeExecution", executionArn=arn)["status"] != "RUNNING")
    return dict(world.states("DescribeExecution", executionArn=arn))


def test_a_machine_is_made_once_shown_changed_and_deleted(world: World) -> None:
    arn = machine(world)

    assert machine(world) == arn
    changed = {"name": "m", "definition": WAIT, "roleArn": ROLE}
    assert world.refusal("CreateStateMachine", "stepfunctions", **changed) == "StateMachineAlreadyExists"
    world.states("UpdateStateMachine", stateMachineArn=arn, definition=WAIT)
    assert world.states("DescribeStateMachine", stateMachineArn=arn)["definition"] == WAIT
    assert [each["name"] for each in world.states("ListStateMachines")["stateMachines"]] == ["m"]
    world.states("DeleteStateMachine", stateMachineArn=arn)
    world.states("DeleteStateMachine", stateMachineArn=arn)
    assert (
        world.refusal("DescribeStateMachine", "stepfunctions", stateMachineArn=arn)
        == "StateMachineDoesNotExist"
    )


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"definition": "{"}, "InvalidDefinition"),
        ({"name": "a b"}, "InvalidName"),
        ({"roleArn": "role"}, "InvalidArn"),
        ({"versionDescription": "d"}, "ValidationException"),
        ({"loggingConfiguration": {"level": "ALL"}}, "InvalidLoggingConfiguration"),
        (
            {"encryptionConfiguration": {"type": "CUSTOMER_MANAGED_KMS_KEY", "kmsKeyId": "k"}},
            "InvalidEncryptionConfiguration",
        ),
    ],
)
def test_machines_that_cannot_be_are_refused(world: World, change: dict[str, object], code: str) -> None:
    request = {"name": "m", "definition": PASS, "roleArn": ROLE} | change

    assert world.refusal("CreateStateMachine", "stepfunctions", **request) == code


def test_how_a_machine_is_encrypted_is_told_where_its_language_is_as_young(world: World) -> None:
    young = json.dumps(json.loads(PASS) | {"QueryLanguage": "JSONata"})

    shown = [
        world.states("DescribeStateMachine", stateMachineArn=machine(world, definition, name))
        for name, definition in (("old", PASS), ("young", young))
    ]

    assert "encryptionConfiguration" not in shown[0]
    assert shown[1]["encryptionConfiguration"] == {"type": "AWS_OWNED_KEY"}


def test_an_update_must_change_something(world: World) -> None:
    refused = world.refusal("UpdateStateMachine", "stepfunctions", stateMachineArn=machine(world))

    assert refused == "MissingRequiredParameter"


def test_machines_and_executions_are_listed_in_pages(world: World) -> None:
    arns = [machine(world, name=f"m{number}") for number in range(3)]
    runs = [
        world.states("StartExecution", stateMachineArn=arns[0], name=f"r{number}")["executionArn"]
        for number in range(3)
    ]

    first = world.states("ListStateMachines", maxResults=2)
    rest = world.states("ListStateMachines", maxResults=2, nextToken=first["nextToken"])
    assert {each["stateMachineArn"] for each in first["stateMachines"] + rest["stateMachines"]} == set(arns)
    assert "nextToken" not in rest
    page = {"stateMachineArn": arns[0], "maxResults": 2}
    newest = world.states("ListExecutions", **page)
    oldest = world.states("ListExecutions", **page, nextToken=newest["nextToken"])
    assert {each["executionArn"] for each in newest["executions"] + oldest["executions"]} == set(runs)
    assert world.refusal("ListExecutions", "stepfunctions", **page, nextToken="x") == "InvalidToken"


def test_an_execution_runs_to_its_end_and_tells_its_history(engine: World) -> None:
    arn = machine(engine)
    run = engine.states("StartExecution", stateMachineArn=arn, name="r", input='{"a": 1}')["executionArn"]

    described = ended(engine, run)
    first = engine.states("GetExecutionHistory", executionArn=run, maxResults=2)
    rest = engine.states("GetExecutionHistory", executionArn=run, nextToken=first["nextToken"])

    assert (described["status"], json.loads(str(described["output"]))) == ("SUCCEEDED", {"a": 1})
    types = [event["type"] for event in first["events"] + rest["events"]]
    assert types == ["ExecutionStarted", "PassStateEntered", "PassStateExited", "ExecutionSucceeded"]
    (last,) = engine.states("GetExecutionHistory", executionArn=run, reverseOrder=True, maxResults=1)[
        "events"
    ]
    assert last["type"] == "ExecutionSucceeded"
    bare = engine.states("GetExecutionHistory", executionArn=run, includeExecutionData=False)["events"]
    assert "input" not in bare[0]["executionStartedEventDetails"]
    metadata = engine.states("DescribeExecution", executionArn=run, includedData="METADATA_ONLY")
    assert "output" not in metadata
    of_run = engine.states("DescribeStateMachineForExecution", executionArn=run)
    assert (of_run["definition"], of_run["name"]) == (PASS, "m")


def test_a_start_is_repeatable_while_it_runs_and_its_name_is_taken(world: World) -> None:
    arn = machine(world, WAIT)
    start = {"stateMachineArn": arn, "name": "r"}

    first = world.states("StartExecution", **start)
    assert world.states("StartExecution", **start) == first
    assert world.refusal("StartExecution", "stepfunctions", **start, input="1") == "ExecutionAlreadyExists"
    assert (
        world.refusal("StartExecution", "stepfunctions", stateMachineArn=arn, input="{")
        == "InvalidExecutionInput"
    )
    assert world.customlabels("DescribeServer")["RunningExecutions"] == [first["executionArn"]]


def test_an_execution_is_stopped(world: World) -> None:
    run = world.states("StartExecution", stateMachineArn=machine(world, WAIT))["executionArn"]

    world.states("StopExecution", executionArn=run, error="Enough", cause="by hand")
    described = world.states("DescribeExecution", executionArn=run)

    assert (described["status"], described["error"], described["cause"]) == ("ABORTED", "Enough", "by hand")


@pytest.mark.parametrize("name", ["DescribeExecution", "GetExecutionHistory", "StopExecution"])
def test_executions_that_are_not_there_are_refused(world: World, name: str) -> None:
    unknown = "arn:aws:states:eu-west-1:111122223333:execution:m:r"

    assert world.refusal(name, "stepfunctions", executionArn=unknown) == "ExecutionDoesNotExist"
    assert world.refusal(name, "stepfunctions", executionArn="no arn") == "InvalidArn"
    foreign = unknown.replace("111122223333", "999999999999")
    assert world.refusal(name, "stepfunctions", executionArn=foreign) == "ExecutionDoesNotExist"


def test_a_task_calls_the_same_operations(engine: World) -> None:
    task = {
        "Type": "Task",
        "Resource": "arn:aws:states:::aws-sdk:rekognition:createProject",
        "Parameters": {"ProjectName.$": "$.Name"},
        "ResultPath": "$.Made",
        "Catch": [
            {"ErrorEquals": ["Rekognition.ResourceInUseException"], "ResultPath": "$.Found", "Next": "Known"}
        ],
        "End": True,
    }
    text = json.dumps({"StartAt": "A", "States": {"A": task, "Known": {"Type": "Succeed"}}})
    arn = machine(engine, text)

    outputs = []
    for name in ("r1", "r2"):
        run = engine.states("StartExecution", stateMachineArn=arn, name=name, input='{"Name": "p"}')[
            "executionArn"
        ]
        outputs.append(json.loads(str(ended(engine, run)["output"])))

    assert outputs[0]["Made"]["ProjectArn"].split("/")[1] == "p"
    assert outputs[1]["Found"]["Error"] == "Rekognition.ResourceInUseException"
    assert SERVICES["rekognition"].status("ResourceInUseException") == 400
