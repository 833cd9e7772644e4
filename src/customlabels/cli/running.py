"""`run`, `follow` and `redrive`: from a user's data to the state machine's verdict.

Layer: cli. It does what a program of the user's own would do through boto3: register the buckets, create the
source project and its datasets, start the execution, read its history. Elsewhere the datasets are there.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from customlabels.cli.backbones import chosen_backbone
from customlabels.cli.data import OUTPUT_BUCKET, own_bucket, source_datasets
from customlabels.cli.durations import seconds_of
from customlabels.cli.endpoint import Endpoint, connect
from customlabels.cli.exits import WITHOUT_CREDENTIALS, Exit, NoEndpoint, UsageError
from customlabels.cli.following import OPEN, execution_result, exit_after, follow, show_verdict
from customlabels.cli.places import Place, Reached
from customlabels.cli.printing import print_json, say
from customlabels.cli.reporting import written_report
from customlabels.pipeline import STATE_MACHINE_NAME, RunInput, definition, local_substitutions, poll_seconds
from customlabels.settings import Settings

AUTOMATIC_BUDGET_SECONDS = 900.0  # the most that a training without a budget takes
LOCAL_ROLE = "arn:aws:iam::{account}:role/customlabels-local"  # the API wants one; nobody assumes it here


@dataclass(frozen=True)
class RunRequest:
    """What `customlabels run` was asked for, as typed; None and "" were not.

    rules: members of RunInput that go into it as they are
    """

    train: str
    test: str
    project: str
    name: str
    budget: str
    seed: int | None
    leave_out: bool
    backbone: str
    rules: Mapping[str, Any]

    def inputs(self, **more: Any) -> RunInput:
        """What the options alone say of the execution's input; raises InvalidInput."""
        return RunInput(
            training_dataset_arn=_arn_or_none(self.train),
            test_dataset_arn=_arn_or_none(self.test),
            project_name=self.project or None,
            **self.rules,
            **more,
        )


def run_pipeline(request: RunRequest, *, detach: bool, as_json: bool) -> Exit:
    """Check the data, start the state machine, follow it to its verdict."""
    budget = seconds_of(request.budget) if request.budget else None
    if not (request.train and request.test):
        raise UsageError("--train and --test are needed: a folder per label, a manifest, or a dataset ARN")
    name, settings = request.name or _new_name(), Settings.from_environment()
    backbone, scratch = chosen_backbone(request.backbone, settings.backbones), request.backbone == "none"
    # Before the images are read, which may take long: everything that the options alone can have wrong.
    waits = poll_seconds(budget or AUTOMATIC_BUDGET_SECONDS)
    inputs = request.inputs(version_name=f"v-{name}", output_bucket=OUTPUT_BUCKET, waits=waits)
    data = source_datasets(request.train, request.test, request.project, leave_out=request.leave_out)
    endpoint = connect(settings)
    train_arn, test_arn = data.register(endpoint)
    own_bucket(endpoint, OUTPUT_BUCKET, settings.output_folder)
    endpoint.customlabels.put_training_options(
        ProjectName=data.project,
        VersionName=f"v-{name}",
        Seed=request.seed or 0,
        **_given(BudgetSeconds=budget, BackboneFolder=backbone, FromScratch=scratch or None),
    )
    inputs = replace(
        inputs, training_dataset_arn=train_arn, test_dataset_arn=test_arn, project_name=data.project
    )
    machine = registered(endpoint, STATE_MACHINE_NAME, definition(local_substitutions()))
    arn = _start(endpoint, machine, name, inputs.to_json())
    own = "random ones" if scratch else "our own, learned from drawn images"
    say(f"weights to start from: {backbone or own}")
    say(f"run {name} of project {data.project} at {endpoint.url}")
    return _begun(endpoint, arn, name, detach=detach, as_json=as_json)


def run_elsewhere(request: RunRequest, place: Place, *, detach: bool, as_json: bool) -> Exit:
    """Start the state machine of another place; what is not given is left to its own defaults."""
    local = [
        flag
        for flag, value in (
            ("--budget", request.budget),
            ("--seed", request.seed),
            ("--backbone", request.backbone not in ("auto", "none")),
            ("--leave-out", request.leave_out),
        )
        if value
    ]
    if local:
        raise UsageError(f"{', '.join(local)}: only trainings on this machine have that")
    for flag, source in (("--train", request.train), ("--test", request.test)):
        if source and not source.startswith("arn:"):
            raise UsageError(
                f"{flag} {source}: elsewhere a run copies datasets that are there already; give a dataset's "
                f"ARN, or leave {flag} out for the one that the stack names"
            )
    inputs = request.inputs().to_json()
    reached, name = place.reach(), request.name or _new_name()
    arn = _start(reached, reached.machine_arn, name, inputs)
    say(f"run {arn} at {reached.url}")
    return _begun(reached, arn, arn, place.flags, detach=detach, as_json=as_json)


def follow_run(name: str, place: Place, *, as_json: bool) -> Exit:
    """Follow a run that was started before."""
    reached = place.reach()
    return _followed(reached, reached.execution_arn(name), name, place.flags, as_json=as_json)


def redrive_run(name: str, place: Place, *, detach: bool, as_json: bool) -> Exit:
    """Go on with a run that ended badly: where it stood, or where its failure path left the version."""
    reached = place.reach()
    arn = reached.execution_arn(name)
    run = reached.states.describe_execution(executionArn=arn)
    if run["status"] not in ("FAILED", "TIMED_OUT", "ABORTED"):
        raise UsageError(f"{name} is {run['status']}; only what failed, timed out or was stopped goes on")
    last = reached.states.get_execution_history(executionArn=arn, reverseOrder=True, maxResults=2)["events"]
    if not any(event["type"] == "FailStateEntered" for event in last):
        reached.states.redrive_execution(executionArn=arn)
        say(f"{run['name']} goes on where it stood")
        return _begun(reached, arn, name, place.flags, detach=detach, as_json=as_json)
    # It has cleared up and would only fail again: docs/decisions/0007-redrive-and-the-failure-path.md.
    if run["error"] in ("TrainingFailed", "InvalidInput"):
        raise UsageError(
            f"{name} ended as {run['error']}: nothing to go on with; start another `customlabels run`"
        )
    again = f"{run['name'][:70]}-{secrets.token_hex(2)}"
    inputs = {"VersionName": f"v-{run['name']}"} | json.loads(run["input"])
    arn = _start(reached, run["stateMachineArn"], again, inputs)
    say(f"{run['name']} had cleared up; run {again} goes on with version {inputs['VersionName']}")
    return _begun(reached, arn, arn if place.flags else again, place.flags, detach=detach, as_json=as_json)


def _new_name() -> str:
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def _arn_or_none(source: str) -> str | None:
    return source if source.startswith("arn:") else None


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _start(reached: Reached, machine: str, name: str, inputs: Mapping[str, Any]) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_.\-]{1,80}", name):  # it becomes a part of the version's name
        raise UsageError(f"{name!r}: a run's name is 1 to 80 of letters, digits, '_', '.', '-'")
    try:
        text = json.dumps(inputs)
        answer = reached.states.start_execution(stateMachineArn=machine, name=name, input=text)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ExecutionAlreadyExists":
            raise UsageError(f"a run named {name} exists already; choose another --name") from error
        raise
    return str(answer["executionArn"])


def registered(endpoint: Endpoint, name: str, machine: Mapping[str, Any]) -> str:
    """The ARN of a state machine of ours, created or brought to this program's definition."""
    text, role = json.dumps(machine), LOCAL_ROLE.format(account=endpoint.account)
    arn = endpoint.machine_arn.replace(STATE_MACHINE_NAME, name)
    try:
        endpoint.states.create_state_machine(name=name, definition=text, roleArn=role)
    except ClientError as error:
        if error.response["Error"]["Code"] != "StateMachineAlreadyExists":
            raise
        endpoint.states.update_state_machine(stateMachineArn=arn, definition=text)
    return arn


def _begun(reached: Reached, arn: str, name: str, flags: str = "", *, detach: bool, as_json: bool) -> Exit:
    if not detach:
        return _followed(reached, arn, name, flags, as_json=as_json)
    say(f"watch it:  customlabels follow {name}{flags}")
    if as_json:
        print_json({"ExecutionArn": arn, "Name": arn.rpartition(":")[2], "Status": "RUNNING"})
    return Exit.DONE


def _followed(reached: Reached, arn: str, name: str, flags: str, *, as_json: bool) -> Exit:
    try:
        result = execution_result(follow(reached, arn))
    except KeyboardInterrupt:
        say(
            f"\ndetached; the run goes on.\n"
            f"watch it:  customlabels follow {name}{flags}\nend it:    customlabels stop {name}{flags}"
        )
        return Exit.INTERRUPTED
    except BotoCoreError as error:
        if type(error).__name__ in WITHOUT_CREDENTIALS:
            raise
        raise NoEndpoint(
            f"the server went away: {error}\n"
            f"the run goes on when one is there:  customlabels follow {name}{flags}"
        ) from error
    if result["Status"] not in OPEN and (page := written_report(reached, arn)):
        result["ReportPage"] = page
    if as_json:
        print_json(result | {"Endpoint": reached.url})
    else:
        show_verdict(result, flags)
    return exit_after(result)
