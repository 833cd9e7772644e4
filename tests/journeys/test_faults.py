"""Executions that cannot go to their end: FAILED, with the reason, and nothing left running."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.journeys.conftest import Deployed
from tests.journeys.stage import Finished, Home, until

MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:customlabels-pipeline"


def failed(home: Home, name: str, members: dict[str, Any]) -> dict[str, Any]:
    """An execution of the pipeline with this input, once it has ended."""
    states = home.client("stepfunctions")
    polls = {"DatasetPollSeconds": 1, "TrainingPollSeconds": 1, "HostingPollSeconds": 1}
    given = {"OutputBucket": "customlabels-output"} | polls | members
    arn = states.start_execution(stateMachineArn=MACHINE, name=name, input=json.dumps(given))["executionArn"]
    assert until(lambda: states.describe_execution(executionArn=arn)["status"] != "RUNNING", seconds=60)
    ended = dict(states.describe_execution(executionArn=arn))
    states.close()
    return ended


def sources(deployed: Deployed) -> dict[str, str]:
    """The datasets that the first run was given."""
    states = deployed.home.client("stepfunctions")
    name = deployed.version.split("/")[3].removeprefix("v-")
    first = states.describe_execution(executionArn=f"{MACHINE.replace('stateMachine', 'execution')}:{name}")
    states.close()
    given = json.loads(first["input"])
    return {side: given[side] for side in ("TrainingDatasetArn", "TestDatasetArn")}


def decision(home: Home, project: str, version: str) -> dict[str, Any]:
    """The record that the run left in the output bucket."""
    place = home.path / "buckets/customlabels-output/custom-labels" / project / version / "decision.json"
    found: dict[str, Any] = json.loads(place.read_text())
    return found


def test_a_dataset_that_is_not_there_fails_with_the_name_and_the_cause_of_the_service(
    deployed: Deployed,
) -> None:
    missing = "arn:aws:rekognition:us-east-1:123456789012:project/nowhere/dataset/train/1690476084738"

    ended = failed(
        deployed.home,
        "no-dataset",
        sources(deployed) | {"TrainingDatasetArn": missing, "ProjectName": "copier", "VersionName": "v1"},
    )

    assert (ended["status"], ended["error"]) == ("FAILED", "Rekognition.ResourceNotFoundException")
    assert missing in ended["cause"]
    assert "Service: Rekognition, Status Code: 400" in ended["cause"]
    told = decision(deployed.home, "copier", "v1")
    assert (told["Decision"], told["Error"]) == ("FAILED", ended["error"])
    followed = deployed.home.typed("follow", "no-dataset")
    assert (followed.code, missing in followed.out) == (1, True)


def test_an_input_without_datasets_fails_at_once_and_says_what_is_needed(deployed: Deployed) -> None:
    ended = failed(deployed.home, "empty", {})

    assert (ended["status"], ended["error"]) == ("FAILED", "InvalidInput")
    assert "TrainingDatasetArn" in ended["cause"]


@contextmanager
def damaged(home: Home, version: str) -> Iterator[None]:
    """Overwrite the network of a version, whose folder the records name, and put it back."""
    records = sqlite3.connect(home.path / "records.db")
    [(folder,)] = records.execute("SELECT folder FROM versions WHERE arn = ?", (version,))
    records.close()
    network = home.path / folder / "model.onnx"
    whole = network.read_bytes()
    network.write_bytes(b"no network")
    try:
        yield
    finally:
        network.write_bytes(whole)


def test_a_model_that_does_not_start_fails_the_run_and_leaves_nothing_running(
    deployed: Deployed, rejected: Finished
) -> None:
    version = rejected.json["ProjectVersionArn"].split("/")[3]

    with damaged(deployed.home, rejected.json["ProjectVersionArn"]):
        ended = failed(
            deployed.home,
            "damaged",
            sources(deployed) | {"ProjectName": "colours", "VersionName": version, "F1Threshold": 0.1},
        )

    assert (ended["status"], ended["error"]) == ("FAILED", "HostingFailed")
    assert "model.onnx" in ended["cause"]
    units = deployed.home.typed("status", "--json").json["Versions"]
    assert rejected.json["ProjectVersionArn"] not in [one["ProjectVersionArn"] for one in units]
    told = decision(deployed.home, "colours", version)
    assert (told["Decision"], told["Error"]) == ("FAILED", "HostingFailed")
