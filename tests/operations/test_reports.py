"""GetReport: of what, whose, and that a report does without what it cannot read."""

import json
from dataclasses import replace

import pytest
from tests.operations.world import CALLER, OUTPUT, World

from customlabels.errors import ServiceError


def test_a_version_has_a_report_though_no_gate_has_judged_it(world: World) -> None:
    arn = world.trained()

    told = world.customlabels("GetReport", ProjectVersionArn=arn, Format="JSON")
    page = world.customlabels("GetReport", ProjectVersionArn=arn)

    facts = json.loads(told["Text"])
    assert facts["Verdict"]["Decision"] == "NOT JUDGED"
    assert facts["Figures"]["F1Score"] == 1.0
    assert any("cannot be read" in note for note in facts["Notes"])
    assert page["Text"].startswith("<!doctype html>")
    assert (page["Bucket"], page["Key"]) == (OUTPUT, "runs/report.html")


def test_a_report_is_of_a_run_or_of_a_version(world: World) -> None:
    run = "arn:aws:states:eu-west-1:111122223333:execution:machine:run"

    assert world.refusal("GetReport", "customlabels") == "InvalidParameterException"
    both = {"ExecutionArn": run, "ProjectVersionArn": world.trained()}
    assert world.refusal("GetReport", "customlabels", **both) == "InvalidParameterException"


@pytest.mark.parametrize("member", ["ExecutionArn", "ProjectVersionArn"])
def test_what_is_not_there_has_no_report(world: World, member: str) -> None:
    arns = {
        "ExecutionArn": "arn:aws:states:eu-west-1:111122223333:execution:machine:run",
        "ProjectVersionArn": "arn:aws:rekognition:eu-west-1:111122223333:project/p/version/v/1",
    }

    assert world.refusal("GetReport", "customlabels", **{member: arns[member]}) == "ResourceNotFoundException"


def test_a_version_that_was_not_trained_has_nothing_to_report(world: World) -> None:
    world.trainer.refusal = RuntimeError("no")

    assert (
        world.refusal("GetReport", "customlabels", ProjectVersionArn=world.trained())
        == "InvalidParameterException"
    )


def test_another_account_gets_no_report(world: World) -> None:
    arn = world.trained()

    other = replace(CALLER, account="999999999999")
    with pytest.raises(ServiceError, match="ResourceNotFoundException"):
        world.call("customlabels", "GetReport", {"ProjectVersionArn": arn}, caller=other)
