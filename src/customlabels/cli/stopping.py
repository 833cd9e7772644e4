"""Commands that end what is there: stop, down."""

from __future__ import annotations

import json
from typing import Any

from botocore.exceptions import ClientError

from customlabels.cli.endpoint import Endpoint, end_server, running_server
from customlabels.cli.exits import Exit, UsageError
from customlabels.cli.looking import versions_of
from customlabels.cli.places import Place, Reached
from customlabels.cli.printing import say, tell
from customlabels.settings import Settings


def stop_target(target: str, place: Place, *, as_json: bool) -> Exit:
    """Stop a run by its name or ARN, else take a model out of service."""
    endpoint = place.reach()
    stopped = _stop_run(endpoint, target, place.flags) or _stop_versions(endpoint, target)
    return tell({"Stopped": stopped}, *(f"stopped {arn}" for arn in stopped), as_json=as_json)


def _stop_run(endpoint: Reached, target: str, flags: str) -> list[str]:
    if target.startswith("arn:") and ":execution:" not in target:
        return []
    arn = endpoint.execution_arn(target)
    try:
        run = endpoint.states.describe_execution(executionArn=arn)
    except ClientError as error:
        if error.response["Error"]["Code"] in ("ExecutionDoesNotExist", "InvalidArn"):
            return []
        raise
    if run["status"] != "RUNNING":
        raise UsageError(f"{target} is over: it is {run['status']}")
    endpoint.states.stop_execution(executionArn=arn, error="Stopped", cause="by `customlabels stop`")
    return [arn, *_leave_nothing(endpoint, json.loads(run["input"]), run["name"], flags)]


def _leave_nothing(endpoint: Reached, run_input: dict[str, Any], name: str, flags: str) -> list[str]:
    """End the training that a stopped run has begun, as far as the service can; say what goes on."""
    project, version = run_input.get("ProjectName"), run_input.get("VersionName", f"v-{name}")
    if not project:
        say("what the run has begun in the stack's project (a training, a version that serves) goes on")
        return []
    try:
        begun = versions_of(endpoint, f"{project}/{version}")
    except UsageError:  # it has not come to make its project
        return []
    cancelled = []
    for one in begun:
        arn, status = one["ProjectVersionArn"], one["Status"]
        # Nobody waits for the training any more, and others wait behind it.
        if status == "TRAINING_IN_PROGRESS" and endpoint.customlabels:
            endpoint.customlabels.cancel_training(ProjectVersionArn=arn)
            cancelled.append(arn)
        elif status == "TRAINING_IN_PROGRESS":
            say(f"its training goes on and is billed, AWS cannot cancel it: {arn}")
        elif status in ("STARTING", "RUNNING"):
            say(f"its version is {status}; take it out of service:  customlabels stop {arn}{flags}")
    return cancelled


def _stop_versions(endpoint: Reached, target: str) -> list[str]:
    if target.startswith("arn:"):
        arns = [target]
    else:
        try:
            found = versions_of(endpoint, target)
        except UsageError:
            raise UsageError(f"{target}: there is no run and no project of this name") from None
        arns = [one["ProjectVersionArn"] for one in found if one["Status"] in ("RUNNING", "STARTING")]
        if not arns:
            raise UsageError(f"{target}: no run of this name, and no version in service")
    for arn in arns:
        endpoint.rekognition.stop_project_version(ProjectVersionArn=arn)
    return arns


def take_down(*, as_json: bool) -> Exit:
    """End the server; say what was open, and that the next start goes on with it."""
    settings = Settings.from_environment()
    server = running_server(settings)
    if server is None:
        say(f"no server runs for {settings.home}")
        return Exit.DONE
    work = Endpoint(server.url, settings).customlabels.describe_server()
    end_server(settings)
    stopped = {
        "Executions": work.get("RunningExecutions", []),
        "Trainings": work.get("OpenJobs", 0),
        "Versions": work.get("RunningVersions", []),
    }
    lines = [f"ended the server at {server.url}"]
    for kind in ("Executions", "Versions"):
        lines += [f"  {arn} (goes on at the next start)" for arn in stopped[kind]]
    if jobs := stopped["Trainings"]:
        lines.append(f"  jobs under way: {jobs} (go on at the next start, trainings at a checkpoint)")
    return tell({"Stopped": server.url, **stopped}, *lines, as_json=as_json)
