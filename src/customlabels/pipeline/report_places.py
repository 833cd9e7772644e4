"""Where the results of a run lie, asked through the same two APIs on AWS and here."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from customlabels.errors import InvalidInput

# One API call: service, operation, members -> the answer.
Ask = Callable[[str, str, Mapping[str, Any]], Mapping[str, Any]]

FIRST_EVENTS = 40  # of a history; the merged input is among them


@dataclass(frozen=True)
class Place:
    """The results of one version. named: kind of document -> bucket and key, where the API says so"""

    bucket: str
    prefix: str
    project: str
    version: str
    version_arn: str = ""
    execution_arn: str = ""
    status: str = ""
    named: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def document(self, kind: str) -> tuple[str, str]:
        """Bucket and key of a document; by the service's naming where the API does not say."""
        return self.named.get(kind) or self.beside(f"{kind}-{self.project}-{self.version}.json")

    def beside(self, name: str) -> tuple[str, str]:
        """Bucket and key of an object among the results."""
        return self.bucket, f"{self.prefix}/{name}" if self.prefix else name


def place_of(ask: Ask, arn: str) -> Place:
    """The place of an execution's or a version's results. Raises InvalidInput where there can be none yet."""
    if ":execution:" not in arn:
        parts = arn.split("/")
        if len(parts) != 5 or ":rekognition:" not in arn or parts[2] != "version":
            raise InvalidInput(f"{arn!r} is the ARN of neither an execution nor a version of a project")
        return _of_version(ask, Place("", "", parts[1], parts[3], arn))
    run = ask("stepfunctions", "DescribeExecution", {"executionArn": arn})
    if run["status"] == "RUNNING":
        raise InvalidInput(f"the run {run['name']} is RUNNING; its report is made when it has ended")
    config = _config(ask, arn) or json.loads(run.get("input") or "{}")
    try:
        bucket, project, version = (config[name] for name in ("OutputBucket", "ProjectName", "VersionName"))
        prefix = f"{config['OutputPrefix']}/{project}/{version}"
    except (KeyError, TypeError) as error:
        cause = f"{run.get('error', run['status'])}: {run.get('cause', 'no cause given')}"
        raise InvalidInput(
            f"the run {run['name']} ended before it had a place for results. {cause}"
        ) from error
    known = Place(bucket, prefix, project, version, execution_arn=arn, status=run["status"])
    return _of_version(ask, known)


def _config(ask: Ask, arn: str) -> Mapping[str, Any] | None:
    """The input as the machine's defaults complete it: the state's output that holds it."""
    wanted = {"executionArn": arn, "maxResults": FIRST_EVENTS}
    for event in ask("stepfunctions", "GetExecutionHistory", wanted)["events"]:
        try:
            told = json.loads(event.get("stateExitedEventDetails", {}).get("output", "null"))
        except ValueError:
            continue
        if isinstance(told, dict) and isinstance(told.get("Config"), dict):
            return dict(told["Config"])
    return None


def _of_version(ask: Ask, known: Place) -> Place:
    """The place with what the version's description says; as it is where there is no such version."""
    projects = ask("rekognition", "DescribeProjects", {"ProjectNames": [known.project]})[
        "ProjectDescriptions"
    ]
    found: Sequence[Mapping[str, Any]] = []
    if projects:
        wanted = {"VersionNames": [known.version], "ProjectArn": projects[0]["ProjectArn"]}
        found = ask("rekognition", "DescribeProjectVersions", wanted)["ProjectVersionDescriptions"]
    if not found:
        if not known.bucket:
            raise InvalidInput(f"there is no {known.version_arn}: it was deleted, or never made")
        return known
    told = found[0]
    output = told.get("OutputConfig", {})
    documents = {
        "EvaluationResultSummary": told.get("EvaluationResult", {}).get("Summary"),
        "ManifestSummary": told.get("ManifestSummary"),
        "TestingGroundTruth": _asset(told, "TestingDataResult"),
        "TrainingGroundTruth": _asset(told, "TrainingDataResult"),
    }
    return replace(
        known,
        bucket=output.get("S3Bucket", known.bucket),
        prefix=output.get("S3KeyPrefix", known.prefix).rstrip("/"),
        version_arn=told["ProjectVersionArn"],
        named={
            kind: (place["S3Object"]["Bucket"], place["S3Object"]["Name"])
            for kind, place in documents.items()
            if place and "S3Object" in place
        },
    )


def _asset(told: Mapping[str, Any], result: str) -> Mapping[str, Any] | None:
    assets = told.get(result, {}).get("Output", {}).get("Assets", [])
    return assets[0].get("GroundTruthManifest") if assets else None
