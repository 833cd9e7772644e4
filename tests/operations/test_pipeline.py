"""The product's own workflow on our operations: what it calls is here, and answers as it expects."""

import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image
from tests.operations.world import IMAGES, OUTPUT, World

from customlabels.asl import Rules
from customlabels.pipeline import STATE_MACHINE_NAME, definition, local_substitutions
from customlabels.workflows import Engine, EnginePace

ROLE = "arn:aws:iam::111122223333:role/runs"


@pytest.fixture
def engine(world: World) -> Iterator[World]:
    """The world with jobs and an engine at work; waits are as short as they get."""
    world.start_jobs()
    rules = Rules(wait_scale=0.001, wait_floor_seconds=0.05)
    owner, pace = f"test-{uuid.uuid4()}", EnginePace(poll_seconds=0.05)
    engine = Engine(world.records, world.tasks, rules, time.time, owner, pace)
    engine.start()
    yield world
    engine.close()


def run(world: World, name: str, train: str, test: str) -> dict[str, Any]:
    """An execution's output."""
    text = json.dumps(definition(local_substitutions()))
    machine = world.states("CreateStateMachine", name=STATE_MACHINE_NAME, definition=text, roleArn=ROLE)
    inputs = {
        "TrainingDatasetArn": train,
        "TestDatasetArn": test,
        "OutputBucket": OUTPUT,
        "ProjectName": "target",
    }
    arn = world.states(
        "StartExecution", stateMachineArn=machine["stateMachineArn"], name=name, input=json.dumps(inputs)
    )["executionArn"]
    world.until(lambda: world.states("DescribeExecution", executionArn=arn)["status"] != "RUNNING", 60)
    described = world.states("DescribeExecution", executionArn=arn)
    assert described["status"] == "SUCCEEDED", (described["error"], described["cause"])
    return dict(json.loads(described["output"]))


def test_a_good_version_is_deployed_and_a_better_run_replaces_it(engine: World) -> None:
    source = engine.project("source")
    train, test = engine.dataset(source, "TRAIN"), engine.dataset(source, "TEST", 4)
    Image.new("RGB", (64, 64)).save(engine.folder / IMAGES / "0.png")  # which the smoke test looks at

    first = run(engine, "r1", train, test)
    second = run(engine, "r2", train, test)
    engine.settle()

    assert (first["Decision"], second["Decision"]) == ("DEPLOYED", "DEPLOYED")
    assert engine.version(first["ProjectVersionArn"])["Status"] == "STOPPED"
    assert engine.version(second["ProjectVersionArn"])["Status"] == "RUNNING"
    assert list(engine.units.up) == [second["ProjectVersionArn"]]
    assert len(engine.units.asked) == 2


def test_a_score_at_the_threshold_is_rejected(engine: World) -> None:
    source = engine.project("source")
    train, test = engine.dataset(source, "TRAIN"), engine.dataset(source, "TEST", 4)
    engine.trainer.f1 = 0.85

    told = run(engine, "r1", train, test)

    assert told["Decision"] == "REJECTED"
    assert engine.version(told["ProjectVersionArn"])["Status"] == "TRAINING_COMPLETED"
    assert engine.units.up == {}
