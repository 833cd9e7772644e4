"""Map runs as the API shows them, over the real engine."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace

import pytest
from tests.operations.test_machines import ended, machine
from tests.operations.world import ACCOUNT, OUTPUT, World

from customlabels.asl import Rules
from customlabels.workflows import Engine, EnginePace, MapRunner

HERE = "arn:aws:states:us-east-1:111122223333"
INNER = {
    "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
    "StartAt": "P",
    "States": {"P": {"Type": "Pass", "End": True}},
}
STATE = {"Type": "Map", "Label": "Each", "ItemProcessor": INNER, "MaxConcurrency": 4, "End": True}
EACH = json.dumps({"StartAt": "M", "States": {"M": STATE}})


@pytest.fixture
def engine(world: World) -> Iterator[World]:
    runs = world.parts.map_runs
    runner = MapRunner(runs, world.tasks)
    engine = Engine(
        world.records, runner, Rules(), time.time, uuid.uuid4().hex, EnginePace(poll_seconds=0.05)
    )
    engine.start()
    runs.start()
    yield world
    engine.close()
    runs.close()


def run(world: World, text: str, definition: str = EACH) -> str:
    arn = machine(world, definition)
    return str(world.states("StartExecution", stateMachineArn=arn, name="e", input=text)["executionArn"])


def test_a_map_run_is_listed_described_and_its_children_are_executions(engine: World) -> None:
    arn = run(engine, "[1,2,3,4,5]")
    assert ended(engine, arn)["output"] == "[1,2,3,4,5]"

    (listed,) = engine.states("ListMapRuns", executionArn=arn)["mapRuns"]
    described = engine.states("DescribeMapRun", mapRunArn=listed["mapRunArn"])
    page = engine.states("ListExecutions", mapRunArn=listed["mapRunArn"], maxResults=3)
    rest = engine.states("ListExecutions", mapRunArn=listed["mapRunArn"], nextToken=page["nextToken"])

    assert listed["stateMachineArn"].endswith(":stateMachine:m/Each")
    assert (described["status"], described["maxConcurrency"]) == ("SUCCEEDED", 4)
    assert described["executionCounts"]["succeeded"] == described["itemCounts"]["total"] == 5
    children = [child["executionArn"] for child in page["executions"] + rest["executions"]]
    assert len(set(children)) == 5
    child = engine.states("DescribeExecution", executionArn=children[0])
    assert (child["status"], child["mapRunArn"]) == ("SUCCEEDED", listed["mapRunArn"])
    # The list of the machine itself has only what its owner started.
    machine_arn = arn.rpartition(":")[0].replace(":execution:", ":stateMachine:")
    own = engine.states("ListExecutions", stateMachineArn=machine_arn)["executions"]
    assert [each["executionArn"] for each in own] == [arn]


def test_a_map_run_that_is_over_is_not_changed(engine: World) -> None:
    arn = run(engine, "[1]")
    ended(engine, arn)
    (listed,) = engine.states("ListMapRuns", executionArn=arn)["mapRuns"]

    for given in ({"maxConcurrency": 2}, {}):
        refusal = engine.refusal("UpdateMapRun", "stepfunctions", mapRunArn=listed["mapRunArn"], **given)
        assert refusal == "ValidationException"


@pytest.mark.parametrize(
    ("name", "params", "code"),
    [
        (
            "DescribeMapRun",
            {"mapRunArn": "arn:aws:states:us-east-1:111122223333:mapRun:m/x:y"},
            "ResourceNotFound",
        ),
        (
            "DescribeMapRun",
            {"mapRunArn": "arn:aws:states:us-east-1:111122223333:execution:m:y"},
            "InvalidArn",
        ),
        (
            "ListMapRuns",
            {"executionArn": "arn:aws:states:us-east-1:111122223333:execution:m:none"},
            "ExecutionDoesNotExist",
        ),
        ("ListExecutions", {}, "ValidationException"),
    ],
)
def test_what_is_not_there_is_refused(world: World, name: str, params: dict[str, str], code: str) -> None:
    assert world.refusal(name, "stepfunctions", **params) == code


def test_items_in_a_bucket_of_another_account_are_not_read(engine: World) -> None:
    engine.parts = replace(engine.parts, operator=ACCOUNT)  # as where access keys are set
    foreign = engine.parts.home / "buckets" / "444455556666" / "theirs"
    foreign.mkdir(parents=True)
    (foreign / "k").write_text("[1]")
    engine.customlabels("PutBucket", Name="theirs", Folder=str(foreign))
    reader = {
        "Resource": "arn:aws:states:::s3:getObject",
        "Parameters": {"Bucket": "theirs", "Key": "k"},
        "ReaderConfig": {"InputType": "JSON"},
    }
    state = STATE | {"ItemReader": reader}

    done = ended(engine, run(engine, "{}", json.dumps({"StartAt": "M", "States": {"M": state}})))

    assert (done["status"], done["error"]) == ("FAILED", "States.ItemReaderFailed")
    assert "may not use bucket theirs" in str(done["cause"])


def test_items_and_results_go_through_the_buckets_of_the_home(engine: World) -> None:
    (engine.folder / OUTPUT / "items.jsonl").write_text('{"a": 1}\n{"a": 2}\n')
    state = STATE | {
        "ItemReader": {
            "Resource": "arn:aws:states:::s3:getObject",
            "Parameters": {"Bucket": OUTPUT, "Key": "items.jsonl"},
            "ReaderConfig": {"InputType": "JSONL"},
        },
        "ResultWriter": {
            "Resource": "arn:aws:states:::s3:putObject",
            "Parameters": {"Bucket": OUTPUT, "Prefix": "results"},
        },
    }

    done = ended(engine, run(engine, "{}", json.dumps({"StartAt": "M", "States": {"M": state}})))

    details = json.loads(str(done["output"]))["ResultWriterDetails"]
    manifest = json.loads((engine.folder / OUTPUT / details["Key"]).read_text())
    (file,) = manifest["ResultFiles"]["SUCCEEDED"]
    results = json.loads((engine.folder / OUTPUT / file["Key"]).read_text())
    assert [json.loads(result["Output"]) for result in results] == [{"a": 1}, {"a": 2}]
