"""Versions: trained, listed, started, stopped, deleted. The work itself is done by jobs."""

from __future__ import annotations

from typing import Any

import orjson
from sqlalchemy import Row, delete, func, insert, select

from customlabels.operations.access import may_use
from customlabels.operations.arns import version_arn
from customlabels.operations.dispatch import Call, Response, operation, writing
from customlabels.operations.hosting import ask_units
from customlabels.operations.options import take_options
from customlabels.operations.pages import newest_of_project
from customlabels.operations.refusals import in_use, invalid_parameter, over_limit, over_quota
from customlabels.operations.results import document_key
from customlabels.operations.rows import locked, project_row, version_row
from customlabels.operations.statuses import MESSAGES, PASSING, STARTABLE, USABLE
from customlabels.operations.sweeping import sweep_folders, sweep_revision
from customlabels.operations.tagging import drop_tags, put_tags
from customlabels.storage import StorageError, Transaction, schema

KEPT_AS_GIVEN = ("OutputConfig", "KmsKeyId", "VersionDescription")
versions, datasets = schema.versions, schema.datasets
DESCRIBED = {
    "ProjectVersionArn": versions.c.arn,
    "CreationTimestamp": versions.c.created_at,
    "MinInferenceUnits": versions.c.min_units,
    "MaxInferenceUnits": versions.c.max_units,
    "Status": versions.c.status,
    "StatusMessage": versions.c.status_message,
    "TrainingEndTimestamp": versions.c.training_ended_at,
    "SourceProjectVersionArn": versions.c.source_arn,
}


@operation("rekognition", "CreateProjectVersion")
def create_project_version(call: Call) -> Response:
    """Train a version on the data as it is at this moment; later changes of the datasets do not matter."""
    params = call.params
    _check_request(params)
    require_output_bucket(call, params["OutputConfig"])

    def effect(tx: Transaction) -> Response:
        project = project_row(tx, call)
        require_free_name(tx, call, project)
        _require_turn(tx, call)
        train, test = (None, None) if "TrainingData" in params else _snapshot(tx, project.arn)
        if train is None and tx.execute(select(datasets.c.arn).filter_by(project_arn=project.arn)).first():
            raise invalid_parameter(
                f"{project.arn} has datasets; TrainingData is for projects without",
            )
        stamp = call.stamp()
        arn = version_arn(project.arn, params["VersionName"], stamp)
        details = {
            key: params[key] for key in (*KEPT_AS_GIVEN, "TrainingData", "TestingData") if key in params
        }
        details["Options"] = take_options(tx, call, project.name, params["VersionName"])
        row = {
            "arn": arn,
            "project_arn": project.arn,
            "name": params["VersionName"],
            "status": "TRAINING_IN_PROGRESS",
            "status_message": MESSAGES["TRAINING_IN_PROGRESS"],
            "created_at": stamp / 1000,
            "train_revision_id": train,
            "test_revision_id": test,
            "details": orjson.dumps(details).decode(),
        }
        tx.execute(insert(versions), row)
        put_tags(tx, arn, params.get("Tags", {}))
        call.parts.jobs.submit(tx, kind="train" if train else "gather", subject=arn, spec={})
        return {"ProjectVersionArn": arn}

    return call.write(effect)


@operation("rekognition", "DescribeProjectVersions")
def describe_project_versions(call: Call) -> Response:
    """Versions of a project, newest first; names that do not exist are left out."""
    params = call.params
    query = select(*DESCRIBED.values(), versions.c.details).where(
        versions.c.project_arn == params["ProjectArn"]
    )
    if "VersionNames" in params:
        query = query.where(versions.c.name.in_(params["VersionNames"]))
    order = versions.c.created_at, versions.c.arn
    return newest_of_project(call, "ProjectVersionDescriptions", query, order, _described)


@writing("rekognition", "StartProjectVersion")
def start_project_version(tx: Transaction, call: Call) -> Response:
    """Bring a trained version up: status and job in one transaction; it answers once RUNNING."""
    least, most = call.params["MinInferenceUnits"], call.params.get("MaxInferenceUnits")
    if most is not None and most < least:
        raise invalid_parameter(f"MaxInferenceUnits {most} is below MinInferenceUnits {least}")
    return _start(tx, call, version_row(tx, call), least, most, run=call.execution)


@writing("customlabels", "PutIntoService")
def put_into_service(tx: Transaction, call: Call) -> Response:
    """Start a version against, or without, a verdict of the gate; the ledger keeps the reason."""
    params = call.params
    asked = {"run": params.get("ExecutionArn", ""), "reason": params["Reason"]}
    row = version_row(tx, call)
    return _start(tx, call, row, row.min_units or 1, row.max_units, **asked)


def _start(
    tx: Transaction, call: Call, row: Row[Any], least: int, most: int | None, **asked: str
) -> Response:
    if row.status not in STARTABLE:
        refusal = in_use if row.status in PASSING else invalid_parameter
        raise refusal(f"{row.arn} is {row.status}; it can start from {', '.join(STARTABLE)}")
    _require_units(tx, call, most or least)
    ask_units(tx, call.parts.jobs, "start", row.arn, **asked, min_units=least, max_units=most)
    return {"Status": "STARTING"}


@writing("rekognition", "StopProjectVersion")
def stop_project_version(tx: Transaction, call: Call) -> Response:
    """Take a version out of service; requests under way are still answered."""
    row = version_row(tx, call)
    if row.status not in ("RUNNING", "STARTING"):
        raise invalid_parameter(f"{row.arn} is {row.status}; only a RUNNING version can be stopped")
    ask_units(tx, call.parts.jobs, "stop", row.arn, run=call.execution)
    return {"Status": "STOPPING"}


@writing("rekognition", "DeleteProjectVersion")
def delete_project_version(tx: Transaction, call: Call) -> Response:
    """Delete a version; it is gone when this returns, its files soon after, its output documents never."""
    arn = call.params["ProjectVersionArn"]
    row = version_row(tx, call, arn)
    if row.status in PASSING:
        raise in_use(f"{arn} is {row.status}; stop it, or wait for its end")
    copying = versions.c.source_arn == arn, versions.c.status == "COPYING_IN_PROGRESS"
    if copy := tx.execute(select(versions.c.arn).where(*copying)).scalar():
        raise in_use(f"{arn} is being copied to {copy}; wait for its end")
    drop_tags(tx, arn)
    tx.execute(delete(versions).where(versions.c.arn == arn))
    sweep_folders(tx, call.parts.jobs, arn, [row.folder, orjson.loads(row.details).get("WorkFolder")])
    for revision in (row.train_revision_id, row.test_revision_id):
        sweep_revision(tx, call.parts.jobs, revision)
    return {"Status": "DELETING"}


def _check_request(params: dict[str, Any]) -> None:
    """The rules between members: which of them go together."""
    testing, places = params.get("TestingData", {}), _manifest_places(params)
    problems = (
        ("FeatureConfig" in params, "FeatureConfig is not for projects with Feature CUSTOM_LABELS"),
        (("TrainingData" in params) != ("TestingData" in params), "TrainingData and TestingData go together"),
        (
            "TestingData" in params and bool(testing.get("Assets")) == bool(testing.get("AutoCreate")),
            "TestingData has either Assets or AutoCreate",
        ),
        (
            "TrainingData" in params and len(params["TrainingData"].get("Assets", [])) != 1,
            "TrainingData has one asset",
        ),
        (len(testing.get("Assets", [])) > 1, "TestingData has one asset"),
        (
            not all({"Bucket", "Name"} <= place.keys() for place in places),
            "an asset names its manifest: GroundTruthManifest.S3Object with Bucket and Name",
        ),
        (
            any("Version" in place for place in places),
            "versions of objects are not kept; name a manifest without one",
        ),
    )
    for broken, rule in problems:
        if broken:
            raise invalid_parameter(rule)


def _manifest_places(params: dict[str, Any]) -> list[dict[str, str]]:
    """The S3Object of every manifest that a request names."""
    assets = [
        each for name in ("TrainingData", "TestingData") for each in params.get(name, {}).get("Assets", [])
    ]
    return [asset.get("GroundTruthManifest", {}).get("S3Object", {}) for asset in assets]


def require_output_bucket(call: Call, output: dict[str, Any]) -> None:
    """InvalidParameterException where documents could not be written."""
    if "S3Bucket" not in output:
        raise invalid_parameter("OutputConfig needs its S3Bucket")
    # Kinder than AWS, where a training ends hours later with "Unable to write to output S3 bucket".
    for bucket in (output["S3Bucket"], *(place["Bucket"] for place in _manifest_places(call.params))):
        if not may_use(call, bucket):
            raise invalid_parameter(f"account {call.caller.account} may not use bucket {bucket}")
    try:
        next(call.parts.objects.list(output["S3Bucket"], output.get("S3KeyPrefix", "")), None)
        call.parts.objects.path(output["S3Bucket"], document_key(output, "ManifestSummary", "p", "v"))
    except StorageError as error:
        raise invalid_parameter(f"OutputConfig: {error}") from error


def require_free_name(tx: Transaction, call: Call, project: Row[Any]) -> None:
    """ResourceInUseException where the request's VersionName is taken; the project must have room, too."""
    own = select(versions.c.name).where(versions.c.project_arn == project.arn)
    name = call.params["VersionName"]
    if tx.execute(own.where(versions.c.name == name)).first():
        raise in_use(f"{project.arn} has a version {name} already")
    count = tx.execute(select(func.count()).select_from(own.subquery())).scalar_one()
    if count >= call.parts.limits.versions:
        raise over_quota(f"{project.arn} has {count} versions; delete one first")


def _require_turn(tx: Transaction, call: Call) -> None:
    """A queue is kinder than a limit of two at once, but an endless one helps nobody."""
    own = (
        versions.c.status == "TRAINING_IN_PROGRESS",
        versions.c.arn.like(f"arn:aws:rekognition:%:{call.caller.account}:%"),
    )
    count, most = tx.execute(select(func.count()).where(*own)).scalar_one(), call.parts.limits.trainings
    if count >= most:
        raise over_limit(f"{count} trainings wait or run, the most of one account; wait for the end of one")


def _snapshot(tx: Transaction, project: str) -> tuple[str, str | None]:
    """The revisions of the project's training and test dataset; None for a test that is split off."""
    own = locked(tx, select(datasets).where(datasets.c.project_arn == project).order_by(datasets.c.arn))
    found = {row.type: row for row in tx.execute(own)}
    for row in found.values():
        if row.status.endswith("_IN_PROGRESS"):
            raise in_use(f"{row.arn} is {row.status}; wait for its end")
        if row.status not in USABLE:
            raise invalid_parameter(f"{row.arn} is {row.status}: {row.status_message}")
    if "TRAIN" not in found:
        raise invalid_parameter(f"{project} has no training dataset; create one first")
    for row in found.values():
        entries = select(schema.revisions.c.total_entries).where(schema.revisions.c.id == row.revision_id)
        if not tx.execute(entries).scalar():
            raise invalid_parameter(f"{row.arn} has no entries; add some, or delete it")
    return found["TRAIN"].revision_id, found["TEST"].revision_id if "TEST" in found else None


def _require_units(tx: Transaction, call: Call, most: int) -> None:
    limits = call.parts.limits
    if most > limits.inference_units:
        raise over_limit(f"{most} inference units; {limits.inference_units} is the most")
    up = select(func.count()).where(
        versions.c.status.in_(("STARTING", "RUNNING")),
        versions.c.arn.like(f"arn:aws:rekognition:{call.caller.region}:{call.caller.account}:%"),
    )
    if tx.execute(up).scalar_one() >= limits.running_versions:
        raise over_limit(f"{limits.running_versions} versions are running; stop one first")


def _described(row: Row[Any]) -> Response:
    *values, details = tuple(row)  # looking up columns by name would cost as much as reading the rows
    told: Response = orjson.loads(details)
    answer: Response = {
        name: value for name, value in zip(DESCRIBED, values, strict=True) if value is not None
    }
    answer |= {key: told[key] for key in KEPT_AS_GIVEN if key in told}
    return {"Feature": "CUSTOM_LABELS", **answer, **told.get("Results", {})}
