"""Versions, aliases and tags of state machines, express machines, redrive: through the API."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from tests.operations.test_callbacks import ended, start
from tests.operations.world import ACCOUNT, REGION, World

from customlabels.workflows import Engine, EnginePace

ROLE = f"arn:aws:iam::{ACCOUNT}:role/runs"
MACHINE = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:m"


def passing(result: object) -> str:
    return json.dumps({"StartAt": "A", "States": {"A": {"Type": "Pass", "Result": result, "End": True}}})


@pytest.fixture
def running(world: World) -> Iterator[World]:
    """A world whose executions run."""
    engine = Engine(
        world.records, world.tasks, world.rules, world.parts.clock, "test", EnginePace(poll_seconds=0.05)
    )
    engine.start()
    yield world
    engine.close()


def create(world: World, **fields: Any) -> dict[str, Any]:
    request = {"name": "m", "definition": passing(1), "roleArn": ROLE} | fields
    return world.states("CreateStateMachine", **request)


def publish(world: World, result: object) -> str:
    """The ARN of a version that gives `result`."""
    changed = world.states(
        "UpdateStateMachine", stateMachineArn=MACHINE, definition=passing(result), publish=True
    )
    return str(changed["stateMachineVersionArn"])


def versions(world: World) -> list[str]:
    listed = world.states("ListStateMachineVersions", stateMachineArn=MACHINE)["stateMachineVersions"]
    return [each["stateMachineVersionArn"].rpartition(":")[2] for each in listed]


def test_a_machine_has_no_revision_until_it_changes(world: World) -> None:
    create(world)
    before = world.states("DescribeStateMachine", stateMachineArn=MACHINE)

    same = world.states("UpdateStateMachine", stateMachineArn=MACHINE, definition=passing(1))
    changed = world.states("UpdateStateMachine", stateMachineArn=MACHINE, definition=passing(2))

    assert before.get("revisionId") is None
    assert same.get("revisionId") is None
    after = world.states("DescribeStateMachine", stateMachineArn=MACHINE)
    assert after["revisionId"] == changed["revisionId"]


def test_versions_keep_what_was_published_and_their_numbers_are_never_given_again(world: World) -> None:
    create(world, publish=True, versionDescription="first")
    second = publish(world, 2)
    again = world.states("PublishStateMachineVersion", stateMachineArn=MACHINE)
    world.states("DeleteStateMachineVersion", stateMachineVersionArn=second)
    world.states("DeleteStateMachineVersion", stateMachineVersionArn=second)
    third = world.states("PublishStateMachineVersion", stateMachineArn=MACHINE)

    assert again["stateMachineVersionArn"] == second
    assert third["stateMachineVersionArn"] == f"{MACHINE}:3"
    assert versions(world) == ["3", "1"]
    first = world.states("DescribeStateMachine", stateMachineArn=f"{MACHINE}:1")
    assert (first["definition"], first["description"]) == (passing(1), "first")
    refused = world.refusal(
        "DescribeStateMachine", "stepfunctions", stateMachineArn=second, includedData="ALL_DATA"
    )
    assert refused == "StateMachineDoesNotExist"


def test_a_version_of_another_revision_than_asked_for_is_not_published(world: World) -> None:
    create(world)
    revision = world.states("UpdateStateMachine", stateMachineArn=MACHINE, definition=passing(2))[
        "revisionId"
    ]
    world.states("UpdateStateMachine", stateMachineArn=MACHINE, definition=passing(3))

    refused = world.refusal(
        "PublishStateMachineVersion", "stepfunctions", stateMachineArn=MACHINE, revisionId=revision
    )

    assert refused == "ConflictException"


def test_versions_are_listed_in_pages(world: World) -> None:
    create(world, publish=True)
    for result in range(2, 6):
        publish(world, result)

    page = {"stateMachineArn": MACHINE, "maxResults": 3}
    first = world.states("ListStateMachineVersions", **page)
    rest = world.states("ListStateMachineVersions", **page, nextToken=first["nextToken"])

    assert [len(first["stateMachineVersions"]), len(rest["stateMachineVersions"])] == [3, 2]
    assert "nextToken" not in rest


def test_an_execution_of_a_version_runs_what_was_published(running: World) -> None:
    create(running, publish=True)
    publish(running, 2)

    run = start(running, f"{MACHINE}:1")

    described = ended(running, run)
    assert (described["output"], described["stateMachineVersionArn"]) == ("1", f"{MACHINE}:1")
    assert described["stateMachineArn"] == MACHINE
    listed = running.states("ListExecutions", stateMachineArn=f"{MACHINE}:1")["executions"]
    assert [each["executionArn"] for each in listed] == [run]
    assert running.states("ListExecutions", stateMachineArn=f"{MACHINE}:2")["executions"] == []


def routes(*weights: int) -> list[dict[str, Any]]:
    return [
        {"stateMachineVersionArn": f"{MACHINE}:{number}", "weight": weight}
        for number, weight in enumerate(weights, 1)
    ]


def test_an_alias_leads_executions_to_its_versions_by_their_weights(running: World) -> None:
    create(running, publish=True)
    publish(running, 2)
    alias = running.states("CreateStateMachineAlias", name="PROD", routingConfiguration=routes(50, 50))[
        "stateMachineAliasArn"
    ]

    runs = [ended(running, start(running, alias, name=f"r{at}")) for at in range(30)]

    shares = Counter(run["output"] for run in runs)
    assert set(shares) == {"1", "2"}
    assert {run["stateMachineAliasArn"] for run in runs} == {alias}
    repeated = running.states("ListExecutions", stateMachineArn=alias)["executions"]
    assert len(repeated) == 30


def test_an_alias_is_changed_listed_and_deleted_and_guards_its_version(world: World) -> None:
    create(world, publish=True)
    publish(world, 2)
    made = {"name": "PROD", "description": "d", "routingConfiguration": routes(100)}
    arn = world.states("CreateStateMachineAlias", **made)["stateMachineAliasArn"]

    assert world.states("CreateStateMachineAlias", **made)["stateMachineAliasArn"] == arn
    other = made | {"routingConfiguration": routes(60, 40)}
    assert world.refusal("CreateStateMachineAlias", "stepfunctions", **other) == "ConflictException"
    version = {"stateMachineVersionArn": f"{MACHINE}:1"}
    assert world.refusal("DeleteStateMachineVersion", "stepfunctions", **version) == "ConflictException"
    moved = [{"stateMachineVersionArn": f"{MACHINE}:2", "weight": 100}]
    world.states("UpdateStateMachineAlias", stateMachineAliasArn=arn, routingConfiguration=moved)
    world.states("DeleteStateMachineVersion", **version)
    described = world.states("DescribeStateMachineAlias", stateMachineAliasArn=arn)
    assert (described["routingConfiguration"], described["description"]) == (moved, "d")
    listed = world.states("ListStateMachineAliases", stateMachineArn=MACHINE)["stateMachineAliases"]
    assert [each["stateMachineAliasArn"] for each in listed] == [arn]
    world.states("DeleteStateMachineAlias", stateMachineAliasArn=arn)
    gone = world.refusal("DescribeStateMachineAlias", "stepfunctions", stateMachineAliasArn=arn)
    assert gone == "ResourceNotFound"


@pytest.mark.parametrize(
    ("routing", "code"),
    [
        (routes(50), "ValidationException"),
        (routes(50, 50), "ResourceNotFound"),
        ([{"stateMachineVersionArn": "none", "weight": 100}], "ValidationException"),
    ],
)
def test_an_alias_must_lead_somewhere(world: World, routing: list[dict[str, Any]], code: str) -> None:
    create(world, publish=True)

    refused = world.refusal(
        "CreateStateMachineAlias", "stepfunctions", name="A", routingConfiguration=routing
    )

    assert refused in (code, "InvalidArn")


def test_machines_have_tags_and_their_versions_have_none(world: World) -> None:
    create(world, publish=True, tags=[{"key": "a", "value": "1"}])

    world.states(
        "TagResource", resourceArn=MACHINE, tags=[{"key": "b", "value": "2"}, {"key": "a", "value": "3"}]
    )
    world.states("UntagResource", resourceArn=MACHINE, tagKeys=["b", "c"])

    tags = world.states("ListTagsForResource", resourceArn=MACHINE)["tags"]
    assert tags == [{"key": "a", "value": "3"}]
    refused = world.refusal("ListTagsForResource", "stepfunctions", resourceArn=f"{MACHINE}:1")
    assert refused == "ResourceNotFound"
    keyless = world.refusal("TagResource", "stepfunctions", resourceArn=MACHINE, tags=[{"value": "1"}])
    assert keyless == "ValidationException"


def test_an_express_execution_is_answered_with_its_end(running: World) -> None:
    create(running, type="EXPRESS")

    runs = [
        running.states("StartSyncExecution", stateMachineArn=MACHINE, name="r", input="2") for _ in range(2)
    ]

    assert [run["status"] for run in runs] == ["SUCCEEDED"] * 2
    assert (runs[0]["output"], runs[0]["input"], runs[0]["name"]) == ("1", "2", "r")
    assert runs[0]["executionArn"].split(":")[5:8] == ["express", "m", "r"]
    assert runs[0]["executionArn"] != runs[1]["executionArn"]
    bare = running.states("StartSyncExecution", stateMachineArn=MACHINE, includedData="METADATA_ONLY")
    assert "output" not in bare


def test_express_executions_have_no_history_and_no_list(running: World) -> None:
    create(running, type="EXPRESS")
    run = start(running, MACHINE)

    for name in ("DescribeExecution", "GetExecutionHistory", "StopExecution"):
        assert running.refusal(name, "stepfunctions", executionArn=run) == "InvalidArn"
    refused = running.refusal("ListExecutions", "stepfunctions", stateMachineArn=MACHINE)
    assert refused == "StateMachineTypeNotSupported"


def test_only_express_machines_answer_at_once_and_none_of_them_waits(world: World) -> None:
    create(world)
    refused = world.refusal("StartSyncExecution", "stepfunctions", stateMachineArn=MACHINE)
    waiting = {"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken", "End": True}
    definition = json.dumps({"StartAt": "W", "States": {"W": waiting}})

    checked = world.states("ValidateStateMachineDefinition", definition=definition, type="EXPRESS")

    assert refused == "StateMachineTypeNotSupported"
    (problem,) = checked["diagnostics"]
    assert (checked["result"], problem["location"]) == ("FAIL", "/States/W/Resource")
    assert world.states("ValidateStateMachineDefinition", definition=definition)["result"] == "OK"


def test_a_definition_is_told_what_is_wrong_with_it(world: World) -> None:
    wrong = {"Type": "Task", "Resource": "arn:aws:states:::dynamodb:query", "End": True}
    definition = json.dumps({"StartAt": "Q", "States": {"Q": wrong}})

    checked = world.states("ValidateStateMachineDefinition", definition=definition)

    (problem,) = checked["diagnostics"]
    assert (problem["severity"], problem["code"]) == ("ERROR", "SCHEMA_VALIDATION_FAILED")
    assert "dynamodb:query is not recognized" in problem["message"]


def test_variables_are_shown_by_the_states_that_read_them(world: World) -> None:
    inner = {"StartAt": "In", "States": {"In": {"Type": "Pass", "Parameters": {"q.$": "$q"}, "End": True}}}
    states = {
        "Set": {"Type": "Pass", "Assign": {"q": 1, "a": "$no"}, "Next": "Each"},
        "Each": {
            "Type": "Map",
            "ItemSelector": {"x.$": "States.Format('$not {}', $a)"},
            "ItemProcessor": inner,
            "End": True,
        },
    }
    create(world, definition=json.dumps({"StartAt": "Set", "States": states}))

    described = world.states("DescribeStateMachine", stateMachineArn=MACHINE)

    assert described["variableReferences"] == {"Each": ["a"], "In": ["q"]}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("not json", "Unrecognized token 'not': was expecting (JSON String, Number, Array, Object or token"),
        ("{'a': 1}", "Unexpected character (''' (code 39)): was expecting double-quote to start field name"),
        ("", "Invalid execution input."),
        ("[1", "Unexpected end-of-input"),
    ],
)
def test_an_input_that_is_no_json_is_refused_in_the_services_words(
    world: World, text: str, problem: str
) -> None:
    create(world)

    with pytest.raises(Exception, match="Invalid State Machine Execution Input") as refused:
        world.states("StartExecution", stateMachineArn=MACHINE, input=text)

    assert problem in str(refused.value)


def test_a_failed_execution_is_redriven_once_for_a_client_token(running: World) -> None:
    create(running, definition=json.dumps({"StartAt": "F", "States": {"F": {"Type": "Fail"}}}))
    run = start(running, MACHINE)
    assert ended(running, run)["redriveStatus"] == "REDRIVABLE"

    first = running.states("RedriveExecution", executionArn=run, clientToken="t")
    described = ended(running, run)
    again = running.states("RedriveExecution", executionArn=run, clientToken="t")

    assert first == again
    assert (described["redriveCount"], described["redriveDate"]) == (1, first["redriveDate"])
    for asked, found in (("REDRIVEN", 1), ("NOT_REDRIVEN", 0)):
        listed = running.states("ListExecutions", stateMachineArn=MACHINE, redriveFilter=asked)
        assert len(listed["executions"]) == found
