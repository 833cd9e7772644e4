"""Commands that ask what is there: status, detect; and train a version again."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from customlabels.cli.endpoint import Endpoint, connect, running_server
from customlabels.cli.exits import DataInvalid, Exit, UsageError
from customlabels.cli.following import approval_token, execution_result, exit_after, show_verdict
from customlabels.cli.places import Elsewhere, Place, Reached
from customlabels.cli.printing import print_json, print_table, say, show
from customlabels.cli.units import show_units
from customlabels.pipeline import STATE_MACHINE_NAME, current_key, local_substitutions
from customlabels.settings import Settings

RUNS_SHOWN = 20
START_SECONDS = 60.0  # for the units of a version that a server just started brings back
POLL_SECONDS = 0.2
NOT_TRAINED = ("TRAINING_IN_PROGRESS", "TRAINING_FAILED", "DELETING")
OF_THE_IMAGE = ("InvalidImageFormatException", "ImageTooLargeException")


def show_status(name: str, place: Place, *, as_json: bool) -> Exit:
    """One run, or the newest runs and every model in service (elsewhere: the newest runs)."""
    settings = Settings.from_environment()
    if (
        place.is_home
        and running_server(settings) is None
        and not (settings.home / "records.db").exists()
        and not settings.database_url
    ):
        say(f"nothing yet in {settings.home}; start with `customlabels run --train DIR --test DIR`")
        return Exit.DONE
    endpoint = place.reach()
    if name:
        return _show_run(endpoint, endpoint.execution_arn(name), place.flags, as_json=as_json)
    runs = list(_newest_runs(endpoint))
    units = endpoint.customlabels.list_units()["Versions"] if endpoint.customlabels else []
    if as_json:
        shown = [execution_result(run) for run in runs]
        print_json({"Endpoint": endpoint.url, "Runs": shown, "Versions": units})
        return Exit.DONE
    say(f"{'server' if place.is_home else 'endpoint'} {endpoint.url}")
    print_table(
        ("RUN", "STATUS", "STARTED"),
        ((run["name"], run["status"], f"{run['startDate'].astimezone():%Y-%m-%d %H:%M:%S}") for run in runs),
    )
    if place.is_home:
        show_units(units)
    return Exit.DONE


def _show_run(endpoint: Reached, arn: str, flags: str, *, as_json: bool) -> Exit:
    result = execution_result(endpoint.states.describe_execution(executionArn=arn))
    runs = result["Status"] == "RUNNING"
    waits = runs and approval_token(endpoint.states, arn) is not None
    if as_json:
        print_json(result | ({"WaitsFor": "approval"} if waits else {}))
    elif runs and not waits:
        show(f"RUNNING  {result['Name']}  since {result['StartDate']}")
        say(f"watch it:  customlabels follow {arn if flags else result['Name']}{flags}")
    else:
        show_verdict(result, flags)
    return Exit.DONE if runs and not waits else exit_after(result)


def _newest_runs(endpoint: Reached) -> Iterator[dict[str, Any]]:
    if isinstance(endpoint, Elsewhere):
        yield from endpoint.states.list_executions(
            stateMachineArn=endpoint.machine_arn, maxResults=RUNS_SHOWN
        )["executions"]
        return
    for machine in endpoint.states.list_state_machines()["stateMachines"]:
        if machine["name"] == STATE_MACHINE_NAME:
            yield from endpoint.states.list_executions(
                stateMachineArn=machine["stateMachineArn"], maxResults=RUNS_SHOWN
            )["executions"]


def detect_images(
    model: str, images: list[Path], min_confidence: float | None, max_results: int | None, *, as_json: bool
) -> Exit:
    """Labels of each image by a model in service."""
    contents = [(image, _image(image)) for image in images]
    endpoint = connect(Settings.from_environment())
    arn = _version_in_service(endpoint, model)
    wishes = {"MinConfidence": min_confidence, "MaxResults": max_results}
    options: dict[str, Any] = {name: value for name, value in wishes.items() if value is not None}
    answers = []
    for image, content in contents:
        try:
            answer = endpoint.rekognition.detect_custom_labels(
                ProjectVersionArn=arn, Image={"Bytes": content}, **options
            )
        except ClientError as error:
            if error.response["Error"]["Code"] in OF_THE_IMAGE:
                raise DataInvalid(f"{image}: {error.response['Error']['Message']}") from error
            raise
        answers.append({"Image": str(image), "CustomLabels": answer["CustomLabels"]})
        if not as_json:
            found = "  ".join(map(_shown, answer["CustomLabels"]))
            show(f"{image}  {found or '(no label above its threshold)'}")
    if as_json:
        print_json({"ProjectVersionArn": arn, "Results": answers})
    return Exit.DONE


def _shown(label: dict[str, Any]) -> str:
    """Name and confidence; of a box also its left, top, width and height, in percent of the image."""
    said = f"{label['Name']} {label['Confidence']:.1f}%"
    if "Geometry" not in label:
        return said
    box = label["Geometry"]["BoundingBox"]
    sides = ",".join(f"{100 * box[side]:.0f}" for side in ("Left", "Top", "Width", "Height"))
    return f"{said} [{sides}]"


def _image(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}") from error


def _version_in_service(endpoint: Endpoint, model: str) -> str:
    """The ARN of the version that answers for a project, PROJECT/VERSION or ARN.

    A project's is the one that its `current.json` names; without one, the newest that runs.
    """
    deadline = time.monotonic() + START_SECONDS
    while True:
        found = versions_of(endpoint, model)
        running = [str(one["ProjectVersionArn"]) for one in found if one["Status"] == "RUNNING"]
        if running:
            named = _current(endpoint, _named(model)[0])
            return named if named in running else running[0]
        # A server that this very command has started brings back what was in service, in a moment.
        if time.monotonic() > deadline or not any(one["Status"] == "STARTING" for one in found):
            break
        time.sleep(POLL_SECONDS)
    raise UsageError(
        f"{model}: no version of it is in service; `customlabels status` lists what is, "
        "`customlabels run` trains and deploys one"
    )


def _current(endpoint: Endpoint, project: str) -> str | None:
    """The version that the pipeline has put into service last; None where it has put none."""
    # Read as the file that it is here: the room that knows objects takes longer to load than this command.
    key = current_key(local_substitutions()["OutputPrefix"], project)
    try:
        return str(json.loads((endpoint.settings.output_folder / key).read_bytes())["ProjectVersionArn"])
    except FileNotFoundError:
        return None


def _named(target: str) -> tuple[str, str]:
    """Project and version of PROJECT, PROJECT/VERSION or an ARN; the version may be empty."""
    if target.startswith("arn:"):  # arn:...:project/PROJECT/version/VERSION/STAMP
        project, version = [*target.split("/")[1:4:2], "", ""][:2]
        return project or target, version
    project, _, version = target.partition("/")
    return project, version


def versions_of(endpoint: Reached, target: str) -> list[dict[str, Any]]:
    """A project's versions, newest first, by its name; or the one of PROJECT/VERSION or an ARN."""
    project, version = _named(target)
    chosen = {"VersionNames": [version]} if version else {}
    pages = endpoint.rekognition.get_paginator("describe_project_versions").paginate(
        ProjectArn=project_arn(endpoint, project), **chosen
    )
    return [one for page in pages for one in page["ProjectVersionDescriptions"]]


def project_arn(endpoint: Reached, name: str) -> str:
    """The ARN of a project. Raises UsageError where there is none."""
    found = endpoint.rekognition.describe_projects(ProjectNames=[name])["ProjectDescriptions"]
    if not found:
        raise UsageError(f"{name}: there is no project of this name")
    return str(found[0]["ProjectArn"])


def reproduce_version(target: str, *, as_json: bool) -> Exit:
    """Train a version again and say whether it came out the same; 0 where it did."""
    endpoint = connect(Settings.from_environment())
    found = [one for one in versions_of(endpoint, target) if one["Status"] not in NOT_TRAINED]
    if not found:
        raise UsageError(f"{target}: there is no trained version of this name")
    asked = {"ProjectVersionArn": str(found[0]["ProjectVersionArn"])}
    endpoint.customlabels.start_reproduction(**asked)
    say(f"training {asked['ProjectVersionArn']} again; after Ctrl-C the same command comes back to it")
    while (told := endpoint.customlabels.describe_reproduction(**asked))["State"] in ("QUEUED", "RUNNING"):
        time.sleep(POLL_SECONDS)
    told.pop("ResponseMetadata", None)
    if as_json:
        print_json(told)
    elif told["State"] != "SUCCEEDED":
        say(f"{told['State']}: {told.get('Message', '')}")
    else:
        show("identical" if told["Identical"] else "\n".join(["different", *told["Differences"]]))
    return Exit.DONE if told.get("Identical") else Exit.FAILED
