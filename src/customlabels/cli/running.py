"""`run` and `follow`: from a user's data to the state machine's verdict.

Layer: cli. It does what a program of the user's own would do through boto3: register the buckets, create the
source project and its datasets, start the execution, read its history.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from customlabels.cli.backbones import chosen_backbone
from customlabels.cli.data import OUTPUT_BUCKET, own_bucket, source_datasets
from customlabels.cli.durations import seconds_of
from customlabels.cli.endpoint import Endpoint, connect
from customlabels.cli.exits import Exit, NoEndpoint, UsageError
from customlabels.cli.following import execution_result, exit_after, follow, show_verdict
from customlabels.cli.printing import print_json, say
from customlabels.pipeline import (
    STATE_MACHINE_NAME,
    RunInput,
    definition,
    local_substitutions,
    poll_seconds,
)
from customlabels.settings import Settings

__all__ = ["RunRequest", "follow_run", "run_pipeline"]

AUTOMATIC_BUDGET_SECONDS = 900.0  # the most that a training without a budget takes
LOCAL_ROLE = "arn:aws:iam::{account}:role/customlabels-local"  # the API wants one; nobody assumes it here


@dataclass(frozen=True)
class RunRequest:
    """What `customlabels run` was asked for, as typed."""

    train: str
    test: str
    min_f1: float
    project: str
    name: str
    budget: str
    seed: int
    min_units: int
    max_units: int
    leave_out: bool
    backbone: str


def run_pipeline(request: RunRequest, *, detach: bool, as_json: bool) -> Exit:
    """Check the data, start the state machine, follow it to its verdict."""
    budget = seconds_of(request.budget) if request.budget else None
    name = request.name or f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
    settings = Settings.from_environment()
    backbone = chosen_backbone(request.backbone, settings.backbones)
    # Before the images are read, which may take long: everything that the options alone can have wrong.
    inputs = RunInput(
        training_dataset_arn=_arn_or_none(request.train),
        test_dataset_arn=_arn_or_none(request.test),
        project_name=request.project or None,
        version_name=f"v-{name}",
        f1_threshold=request.min_f1,
        min_inference_units=request.min_units,
        max_inference_units=request.max_units or None,
        output_bucket=OUTPUT_BUCKET,
        waits=poll_seconds(budget or AUTOMATIC_BUDGET_SECONDS),
    )
    data = source_datasets(request.train, request.test, request.project, leave_out=request.leave_out)
    endpoint = connect(settings)
    train_arn, test_arn = data.register(endpoint)
    own_bucket(endpoint, OUTPUT_BUCKET, settings.output_folder)
    endpoint.customlabels.put_training_options(
        ProjectName=data.project,
        VersionName=f"v-{name}",
        Seed=request.seed,
        **_given(BudgetSeconds=budget, BackboneFolder=backbone),
    )
    inputs = replace(
        inputs, training_dataset_arn=train_arn, test_dataset_arn=test_arn, project_name=data.project
    )
    arn = _start(endpoint, name, json.dumps(inputs.to_json()))
    say(f"weights to start from: {backbone or 'random ones, of our own network'}")
    say(f"run {name} of project {data.project} at {endpoint.url}")
    if detach:
        say(f"watch it:  customlabels follow {name}")
        if as_json:
            print_json({"ExecutionArn": arn, "Name": name, "Status": "RUNNING"})
        return Exit.DONE
    return _followed(endpoint, arn, name, as_json=as_json)


def follow_run(name: str, *, as_json: bool) -> Exit:
    """Follow a run that was started before."""
    endpoint = connect(Settings.from_environment())
    return _followed(endpoint, endpoint.execution_arn(name), name, as_json=as_json)


def _arn_or_none(source: str) -> str | None:
    return source if source.startswith("arn:") else None


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _start(endpoint: Endpoint, name: str, text: str) -> str:
    try:
        answer = endpoint.states.start_execution(stateMachineArn=_machine(endpoint), name=name, input=text)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ExecutionAlreadyExists":
            raise UsageError(f"a run named {name} exists already; choose another --name") from error
        raise
    return str(answer["executionArn"])


def _machine(endpoint: Endpoint) -> str:
    """The pipeline's state machine, created or brought to this program's definition."""
    text = json.dumps(definition(local_substitutions()))
    role, arn = LOCAL_ROLE.format(account=endpoint.account), endpoint.machine_arn
    try:
        endpoint.states.create_state_machine(name=STATE_MACHINE_NAME, definition=text, roleArn=role)
    except ClientError as error:
        if error.response["Error"]["Code"] != "StateMachineAlreadyExists":
            raise
        endpoint.states.update_state_machine(stateMachineArn=arn, definition=text)
    return arn


def _followed(endpoint: Endpoint, arn: str, name: str, *, as_json: bool) -> Exit:
    try:
        result = execution_result(follow(endpoint, arn))
    except KeyboardInterrupt:
        say(
            f"\ndetached; the run goes on.\n"
            f"watch it:  customlabels follow {name}\nend it:    customlabels stop {name}"
        )
        return Exit.INTERRUPTED
    except BotoCoreError as error:
        raise NoEndpoint(
            f"the server went away: {error}\nthe run goes on when one is there:  customlabels follow {name}"
        ) from error
    if as_json:
        print_json(result | {"Endpoint": endpoint.url})
    else:
        show_verdict(result)
    return exit_after(result)
