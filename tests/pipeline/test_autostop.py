"""The definition that stops idle versions, executed by the engine against metrics in memory."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from tests.pipeline.driver import Ending, run
from tests.pipeline.fake_aws import FakeAws

from customlabels import asl

FILE = Path(__file__).parents[2] / "statemachine" / "autostop.yaml"
HOUR = 3600


class Metered(FakeAws):
    """An account with CloudWatch. hours: that each version has run, by name   requests: by hours ago"""

    hours: dict[str, int]
    requests: list[int]

    def call(self, service: str, operation: str, params: dict[str, Any]) -> dict[str, Any]:
        if service != "cloudwatch":
            return super().call(service, operation, params)
        assert (operation, params["Namespace"], params["Period"]) == (
            "getMetricStatistics",
            "AWS/Rekognition",
            HOUR,
        )
        start, end = (datetime.fromisoformat(params[name]) for name in ("StartTime", "EndTime"))
        window = round((end - start).total_seconds() / HOUR)
        dimensions = {one["Name"]: one["Value"] for one in params["Dimensions"]}
        if params["MetricName"] == "SuccessfulRequestCount":
            assert dimensions == {"Operation": "DetectCustomLabels"}
            return {"Datapoints": [{"Sum": float(count)} for count in self.requests[:window]]}
        assert (params["MetricName"], dimensions["ProjectName"]) == ("InServiceInferenceUnits", "demo")
        begun = min(window, self.hours[dimensions["VersionName"]])
        return {"Datapoints": [{"Average": 1.0}] * begun}


def looked_at(idle: int, total: int, hours: dict[str, int], requests: list[int]) -> tuple[Ending, Metered]:
    """One run of the machine over versions that have run for those hours, one more that rests."""
    substitutions = {"Partition": "aws", "ProjectName": "demo"}
    limits = {"AutoStopIdleHours": str(idle), "AutoStopTotalHours": str(total)}
    machine = asl.parse(asl.read_definition(FILE.read_text("utf-8"), substitutions | limits))
    aws = Metered()
    aws.hours, aws.requests = hours, requests
    aws.with_version("resting", "STOPPED")
    for name in hours:
        aws.with_version(name, "RUNNING")
    return run(machine, aws, {}), aws


@pytest.mark.parametrize(
    ("idle", "total", "hours", "requests", "kept"),
    [
        pytest.param(2, 0, 3, [0, 0, 0], False, id="idle for long enough"),
        pytest.param(2, 0, 3, [], False, id="idle without a datapoint"),
        pytest.param(2, 0, 2, [], True, id="only just started"),
        pytest.param(2, 0, 9, [0, 0, 4, 0], True, id="asked within the hours"),
        pytest.param(2, 0, 9, [0, 0, 0, 4], False, id="asked before them"),
        pytest.param(0, 24, 25, [9] * 25, False, id="ran long enough though asked"),
        pytest.param(0, 24, 24, [0] * 25, True, id="an hour short"),
        pytest.param(2, 24, 9, [0, 0, 0], False, id="both limits, idle first"),
        pytest.param(2, 24, 9, [1, 0, 0], True, id="both limits, neither reached"),
    ],
)
def test_a_version_is_stopped_only_when_a_limit_is_reached(
    idle: int, total: int, hours: int, requests: list[int], kept: bool
) -> None:
    ending, aws = looked_at(idle, total, {"one": hours}, requests)

    assert ending.status == "SUCCEEDED", ending.cause
    assert (aws.running() == ["one"]) is kept
    assert len(ending.output["Stopped"]) == (not kept)


def test_each_running_version_is_looked_at_by_itself() -> None:
    ending, aws = looked_at(0, 24, {"old": 30, "new": 2}, [])

    assert aws.running() == ["new"]
    assert [one["ProjectVersionArn"].split("/")[3] for one in ending.output["Stopped"]] == ["old"]
    assert ending.output["Stopped"][0]["Reason"] == "has run long enough"


def test_without_a_project_there_is_nothing_to_stop() -> None:
    substitutions = {
        "Partition": "aws",
        "ProjectName": "demo",
        "AutoStopIdleHours": "1",
        "AutoStopTotalHours": "0",
    }
    machine = asl.parse(asl.read_definition(FILE.read_text("utf-8"), substitutions))

    ending = run(machine, FakeAws(), {})

    assert (ending.status, ending.output) == ("SUCCEEDED", {"Stopped": []})
