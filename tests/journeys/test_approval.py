"""Runs that wait for a person, and what goes on with them: by the home's server and by its address."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.journeys.conftest import Deployed
from tests.journeys.stage import Finished, Home

MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:customlabels-pipeline"
Begin = Callable[..., str]


@pytest.fixture
def begin(answering: Deployed) -> Begin:
    """Starts a run of the trained version again, which waits for approval; returns its ARN."""
    states = answering.home.client("stepfunctions")
    first = next(
        states.describe_execution(executionArn=one["executionArn"])["input"]
        for one in reversed(states.list_executions(stateMachineArn=MACHINE)["executions"])
    )

    def started(name: str, **more: Any) -> str:
        text = json.dumps(json.loads(first) | {"RequireApproval": True} | more)
        return str(states.start_execution(stateMachineArn=MACHINE, name=name, input=text)["executionArn"])

    return started


def by_address(home: Home, *arguments: str) -> Finished:
    """A command that knows the home's server by its address alone, as it would know AWS."""
    elsewhere = Home(home.path.parent / "elsewhere", home.settings)
    return elsewhere.typed(*arguments, "--endpoint-url", home.server.url)


def test_a_run_that_waits_says_so_and_is_refused_with_a_reason(begin: Begin, answering: Deployed) -> None:
    home = answering.home
    begin("doubted")

    followed = home.typed("follow", "doubted")
    status = home.typed("status", "doubted", "--json")
    refused = home.typed("refuse", "doubted", "--reason", "too dark")
    ended = home.typed("follow", "doubted", "--json")
    again = home.typed("refuse", "doubted")

    assert (followed.code, "customlabels approve doubted" in followed.err) == (4, True), followed
    assert (status.code, status.json["WaitsFor"]) == (4, "approval")
    assert refused.code == 0, refused.err
    assert (ended.code, ended.json["Reasons"]) == (3, ["A person refused it: too dark"])
    assert (again.code, "does not wait for approval; it is SUCCEEDED" in again.err) == (2, True)


def test_what_was_stopped_while_it_waited_is_redriven_and_approved_from_elsewhere(
    begin: Begin, answering: Deployed
) -> None:
    home = answering.home
    arn = begin("stopped")
    by_address(home, "follow", arn)

    stopped = by_address(home, "stop", arn)
    told = by_address(home, "status", arn)
    redriven = by_address(home, "redrive", arn)
    approved = by_address(home, "approve", arn, "--comment", "fine")
    ended = by_address(home, "follow", arn, "--json")

    assert (stopped.code, "its version is RUNNING" in stopped.err) == (0, True), stopped
    assert (told.code, told.out.startswith("ABORTED")) == (6, True)
    assert (redriven.code, "goes on where it stood" in redriven.err) == (4, True), redriven
    assert approved.code == 0, approved.err
    assert (ended.code, ended.json["Decision"]) == (0, "DEPLOYED"), ended
    assert f"customlabels approve {arn} --endpoint-url {home.server.url}" in redriven.err


def test_what_has_cleared_up_is_gone_on_with_by_another_run(begin: Begin, answering: Deployed) -> None:
    home = answering.home
    arn = begin("unlucky", OutputBucket="nowhere", RequireApproval=False)
    failed = home.typed("follow", arn)

    redriven = home.typed("redrive", "unlucky", "--detach", "--json")
    version = answering.version.split("/")[3]

    assert failed.code == 1
    assert redriven.code == 0, redriven.err
    assert redriven.json["Name"].startswith("unlucky-")
    assert f"goes on with version {version}" in redriven.err
    assert home.typed("follow", redriven.json["ExecutionArn"]).code == 1  # the bucket is still not there


def test_a_run_that_ends_for_its_input_or_well_is_not_redriven(begin: Begin, answering: Deployed) -> None:
    home = answering.home
    home.typed("follow", begin("crooked", F1Threshold=2))
    home.typed("follow", begin("good", RequireApproval=False))

    crooked, good = home.typed("redrive", "crooked"), home.typed("redrive", "good")

    assert (crooked.code, "ended as InvalidInput: nothing to go on with" in crooked.err) == (2, True)
    assert (good.code, "good is SUCCEEDED" in good.err) == (2, True)


def test_runs_are_listed_and_started_by_the_address_alone(begin: Begin, answering: Deployed) -> None:
    arn = begin("listed", F1Threshold=2)
    given = json.loads(answering.home.client("stepfunctions").describe_execution(executionArn=arn)["input"])

    listed = by_address(answering.home, "status", "--json")
    # Its own project is refused before anything is trained.
    started = by_address(
        answering.home,
        "run",
        *("--train", given["TrainingDatasetArn"], "--test", given["TestDatasetArn"]),
        *("--project", given["TrainingDatasetArn"].split("/")[1], "--name", "remote", "--min-f1", "0.5"),
    )

    assert "listed" in [run["Name"] for run in listed.json["Runs"]]
    assert (started.code, "A source dataset belongs to the project" in started.out) == (1, True), started
    assert "customlabels follow arn:" in started.err
