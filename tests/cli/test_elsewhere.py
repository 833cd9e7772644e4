"""The pipeline of a stack, on an emulator of AWS: the commands find it, start it, follow it and end it."""

from __future__ import annotations

import json
import sys
import urllib.request
from collections.abc import Callable, Iterator

import boto3
import pytest
from tests.emulator import emulated_aws

from customlabels.cli import following
from customlabels.cli.program import main

REGION, ROLE = "eu-west-1", "arn:aws:iam::123456789012:role/pipeline"
ARN = f"arn:aws:rekognition:{REGION}:123456789012:project/source/dataset/train/1"
VERDICT = {
    "Decision": "REJECTED",
    "ProjectVersionArn": f"arn:aws:rekognition:{REGION}:123456789012:project/pets/version/v/1",
    "F1Score": 0.5,
    "F1Threshold": 0.85,
    "Reasons": ["Too low."],
    "Report": "s3://out/decision.json",
}
QUICK = {"StartAt": "Train", "States": {"Train": {"Type": "Pass", "Result": VERDICT, "End": True}}}
SLOW = {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 600, "End": True}}}
Typed = Callable[..., tuple[int, str, str]]


def stack_of(machine_arn: str, output: str = "RekognitionStateMachineArn") -> str:
    """A template whose output names a machine; the emulator cannot run those that a stack makes."""
    topic = {"Type": "AWS::SNS::Topic", "Properties": {}}
    return json.dumps({"Resources": {"Topic": topic}, "Outputs": {output: {"Value": machine_arn}}})


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    """The emulator's address; it runs what is started, and has three stacks."""
    with emulated_aws() as url:
        settings = json.dumps({"stepfunctions": {"execute_state_machine": True}}).encode()
        urllib.request.urlopen(
            urllib.request.Request(f"{url}/moto-api/config", settings, method="POST")
        ).close()
        keys = {"aws_access_key_id": "k", "aws_secret_access_key": "s"}
        stacks = boto3.client("cloudformation", endpoint_url=url, region_name=REGION, **keys)
        states = boto3.client("stepfunctions", endpoint_url=url, region_name=REGION, **keys)
        for name, definition in (("quick", QUICK), ("slow", SLOW)):
            made = states.create_state_machine(name=name, definition=json.dumps(definition), roleArn=ROLE)
            stacks.create_stack(StackName=name, TemplateBody=stack_of(made["stateMachineArn"]))
        stacks.create_stack(StackName="other", TemplateBody=stack_of("x", "Something"))
        yield url


@pytest.fixture
def typed(aws: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Typed:
    """Runs a command with the emulator as AWS; returns its exit code, stdout and stderr."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "k")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    monkeypatch.setattr(following, "FIRST_POLL_SECONDS", 0.1)

    def run(*arguments: str, stack: str = "quick") -> tuple[int, str, str]:
        place = ["--region", REGION, "--stack-name", stack]
        monkeypatch.setattr(sys, "argv", ["customlabels", *arguments, *place])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


def test_a_run_is_started_in_the_stack_and_followed_to_its_verdict(typed: Typed) -> None:
    code, out, err = typed("run", "--train", ARN, "--test", ARN.replace("train/", "test/"), "--name", "one")

    assert (code, out.startswith("REJECTED  F1 0.5000 <= 0.85")) == (3, True), err


def test_only_what_is_given_is_sent_the_rest_is_the_stacks(typed: Typed, aws: str) -> None:
    _, out, _ = typed("run", "--detach", "--json", "--better-than-deployed", "--deployed-margin", "0.01")

    keys = {"aws_access_key_id": "k", "aws_secret_access_key": "s"}
    states = boto3.client("stepfunctions", endpoint_url=aws, region_name=REGION, **keys)
    sent = states.describe_execution(executionArn=json.loads(out)["ExecutionArn"])["input"]

    assert json.loads(sent) == {"BetterThanDeployed": True, "DeployedMargin": 0.01}


def test_a_lost_terminal_goes_on_by_the_arn_and_the_run_is_stopped(typed: Typed) -> None:
    _, out, err = typed("run", "--detach", "--json", "--name", "long", stack="slow")
    arn = json.loads(out)["ExecutionArn"]

    running = typed("status", arn, stack="slow")
    stopped = typed("stop", "long", stack="slow")
    followed = typed("follow", arn, stack="slow")
    listed = typed("status", "--json", stack="slow")

    assert f"customlabels follow {arn} --region {REGION} --stack-name slow" in err
    assert (running[0], running[1].startswith("RUNNING  long")) == (0, True)
    assert (stopped[0], stopped[1]) == (0, f"stopped {arn}\n")
    assert (followed[0], "ABORTED" in followed[1]) == (6, True)
    assert [run["Name"] for run in json.loads(listed[1])["Runs"]] == ["long"]


def test_a_stack_that_is_not_there_or_not_ours_is_named(typed: Typed) -> None:
    missing, foreign = typed("status", stack="nowhere"), typed("status", stack="other")

    assert (missing[0], "there is no stack nowhere in eu-west-1" in missing[2]) == (2, True)
    assert (foreign[0], "no output RekognitionStateMachineArn" in foreign[2]) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--train", "photos"), "give a dataset's ARN"),
        (("--budget", "5m", "--seed", "3"), "--budget, --seed: only trainings on this machine"),
        (("--name", "two words"), "a run's name is 1 to 80"),
        (("--min-units", "3", "--max-units", "2"), "max_inference_units is 2"),
        (("--name", "one"), "exists already"),
    ],
)
def test_what_cannot_be_done_elsewhere_is_refused(
    typed: Typed, arguments: tuple[str, ...], said: str
) -> None:
    typed("run", "--detach", "--name", "one", "--min-f1", "0.1")

    code, _, err = typed("run", "--detach", *arguments)

    assert (code, said in err) == (2, True), err


@pytest.mark.parametrize(
    ("place", "said"),
    [
        (("--region", REGION), "Unable to locate credentials; name a --profile"),
        (("--profile", "nobody"), "could not be found; `aws configure list-profiles`"),
        (("--stack-name", "quick"), "You must specify a region.; name a --region"),
    ],
)
def test_missing_credentials_are_told_with_the_way_out(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path_factory: pytest.TempPathFactory,
    place: tuple[str, ...],
    said: str,
) -> None:
    for name in (
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_PROFILE",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path_factory.getbasetemp() / "no-such-file"))
    monkeypatch.setattr(sys, "argv", ["customlabels", "status", *place])

    with pytest.raises(SystemExit) as ended:
        main()

    assert (ended.value.code, said in capsys.readouterr().err) == (7, True)
