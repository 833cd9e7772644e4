"""Datasets: made from a manifest, from another dataset or empty; listed, changed, deleted."""

from __future__ import annotations

import hashlib
from typing import Any

from sqlalchemy import Row, delete, insert, select, update

from customlabels.datasets import Filters, entries_of, labels_of, listed_line, stats_of
from customlabels.errors import ServiceError
from customlabels.operations.access import may_use
from customlabels.operations.arns import dataset_arn
from customlabels.operations.dispatch import Call, Response, operation
from customlabels.operations.pages import page_start, page_token
from customlabels.operations.projects import described_dataset
from customlabels.operations.refusals import in_use, invalid_parameter, invalid_s3_object
from customlabels.operations.rows import dataset_row, project_row
from customlabels.operations.statuses import BUSY, MESSAGES, USABLE
from customlabels.operations.sweeping import sweep_revision
from customlabels.operations.tagging import drop_tags, put_tags
from customlabels.storage import Reading, StorageError, Transaction, schema

__all__: list[str] = []

EMPTY = "The dataset was successfully created; it has no entries yet."
COPIED = "The dataset was successfully created from another dataset."
datasets, payloads, versions = schema.datasets, schema.payloads, schema.versions


@operation("rekognition", "CreateDataset")
def create_dataset(call: Call) -> Response:
    """A project's training or test dataset. Copying shares the other's revision and is done at once."""
    params = call.params
    source = params.get("DatasetSource")
    if source is not None and len(source) != 1:
        raise invalid_parameter("DatasetSource has either GroundTruthManifest or DatasetArn")
    manifest = (
        _manifest_of(call, source["GroundTruthManifest"]) if source and "DatasetArn" not in source else None
    )

    def effect(tx: Transaction) -> Response:
        project = project_row(tx, call, params["ProjectArn"])
        taken = select(datasets.c.arn).where(
            datasets.c.project_arn == project.arn, datasets.c.type == params["DatasetType"]
        )
        if existing := tx.execute(taken).scalar():
            raise ServiceError(
                "ResourceAlreadyExistsException",
                f"{project.arn} has a {params['DatasetType']} dataset: {existing}",
            )
        stamp = call.stamp()
        arn = dataset_arn(project.arn, params["DatasetType"], stamp)
        status = {"status": "CREATE_COMPLETE", "status_message": EMPTY, "revision_id": None}
        if source and "DatasetArn" in source:
            status |= {
                "status_message": COPIED,
                "revision_id": _copyable(tx, call, source["DatasetArn"]).revision_id,
            }
        elif manifest:
            status |= {"status": "CREATE_IN_PROGRESS", "status_message": MESSAGES["CREATE_IN_PROGRESS"]}
        row = {
            "arn": arn,
            "project_arn": project.arn,
            "type": params["DatasetType"],
            "status_message_code": "SUCCESS",
            "created_at": stamp / 1000,
            "updated_at": stamp / 1000,
        }
        tx.execute(insert(datasets), row | status)
        put_tags(tx, arn, params.get("Tags", {}))
        if manifest:
            call.parts.jobs.submit(tx, kind="import", subject=arn, spec=manifest)
        return {"DatasetArn": arn}

    return call.write(effect)


@operation("rekognition", "DescribeDataset")
def describe_dataset(call: Call) -> Response:
    """The state of a dataset and the figures of its content."""
    with call.parts.records.read() as reading:
        row = dataset_row(reading, call, call.params["DatasetArn"])
        stats = stats_of(reading, row.revision_id or "")
    figures = {
        "LabeledEntries": stats.labeled_entries,
        "TotalEntries": stats.total_entries,
        "TotalLabels": stats.total_labels,
        "ErrorEntries": stats.error_entries,
    }
    times = {"LastUpdatedTimestamp": row.updated_at}
    return {"DatasetDescription": described_dataset(row) | times | {"DatasetStats": figures}}


@operation("rekognition", "DeleteDataset")
def delete_dataset(call: Call) -> Response:
    """Delete a dataset; it is gone when this returns. Versions trained on it keep their snapshot."""
    arn = call.params["DatasetArn"]

    def effect(tx: Transaction) -> Response:
        row = dataset_row(tx, call, arn)
        if row.status in BUSY:
            raise in_use(f"{arn} is {row.status}; wait for its end")
        training = select(versions.c.arn).where(
            versions.c.project_arn == row.project_arn, versions.c.status == "TRAINING_IN_PROGRESS"
        )
        if version := tx.execute(training).scalar():
            raise in_use(f"{arn}: {version} is being trained on it")
        drop_tags(tx, arn)
        tx.execute(delete(datasets).where(datasets.c.arn == arn))
        sweep_revision(tx, call.parts.jobs, row.revision_id)
        return {}

    return call.write(effect)


@operation("rekognition", "ListDatasetEntries")
def list_dataset_entries(call: Call) -> Response:
    """The lines of a dataset that fit every filter, in the order of the manifest."""
    params = call.params
    start = page_start(call.operation, params, params.get("NextToken"), "InvalidPaginationTokenException")
    filters = Filters(
        contains_labels=tuple(params.get("ContainsLabels", ())),
        labeled=params.get("Labeled"),
        source_ref_contains=params.get("SourceRefContains", ""),
        has_errors=params.get("HasErrors", False),  # false is what the guide's lister sends for "all"
    )
    size = params.get("MaxResults", 100)
    with call.parts.records.read() as reading:
        revision = _listable(reading, call)
        found = entries_of(reading, revision, start or 0, size + 1, filters) if revision else []
    answer: Response = {"DatasetEntries": [listed_line(entry) for entry in found[:size]]}
    if len(found) > size:
        answer["NextToken"] = page_token(call.operation, params, found[size - 1].position)
    return answer


@operation("rekognition", "ListDatasetLabels")
def list_dataset_labels(call: Call) -> Response:
    """The labels of a dataset with how often they are used, by name."""
    params = call.params
    start = (
        page_start(call.operation, params, params.get("NextToken"), "InvalidPaginationTokenException") or 0
    )
    size = params.get("MaxResults", 100)
    with call.parts.records.read() as reading:
        revision = _listable(reading, call)
        found = labels_of(reading, revision) if revision else []
    answer: Response = {"DatasetLabelDescriptions": []}
    for each in found[start : start + size]:
        boxes = {"BoundingBoxCount": each.boxes} if each.boxes else {}
        stats = {"EntryCount": each.entries} | boxes
        answer["DatasetLabelDescriptions"].append({"LabelName": each.label, "LabelStats": stats})
    if len(found) > start + size:
        answer["NextToken"] = page_token(call.operation, params, start + size)
    return answer


@operation("rekognition", "UpdateDatasetEntries")
def update_dataset_entries(call: Call) -> Response:
    """Replace the lines of the same images, and append the others."""
    arn, body = call.params["DatasetArn"], call.params["Changes"]["GroundTruth"]

    def effect(tx: Transaction) -> Response:
        row = dataset_row(tx, call, arn)
        if row.status not in USABLE:
            raise in_use(f"{arn} is {row.status}; only a complete dataset can be changed")
        digest = (
            f"{hashlib.sha256(body).hexdigest()}-{call.stamp()}"  # the job deletes it: not shared with others
        )
        tx.execute(insert(payloads), {"digest": digest, "body": body, "created_at": call.now})
        change = {
            "status": "UPDATE_IN_PROGRESS",
            "status_message": MESSAGES["UPDATE_IN_PROGRESS"],
            "status_message_code": "SUCCESS",
            "updated_at": call.now,
        }
        tx.execute(update(datasets).where(datasets.c.arn == arn).values(change))
        call.parts.jobs.submit(tx, kind="change", subject=arn, spec={"payload": digest})
        return {}

    return call.write(effect)


def _manifest_of(call: Call, manifest: dict[str, Any]) -> dict[str, str]:
    """The manifest's place; seen to be there, because that costs little."""
    place = manifest.get("S3Object", {})
    if not {"Bucket", "Name"} <= place.keys():
        raise invalid_parameter("GroundTruthManifest needs its S3Object with Bucket and Name")
    if "Version" in place:
        raise invalid_s3_object(f"versions of objects are not kept: {place['Version']}")
    if not may_use(call, place["Bucket"]):
        raise invalid_s3_object(f"account {call.caller.account} may not use bucket {place['Bucket']}")
    try:
        call.parts.objects.head(place["Bucket"], place["Name"])
    except StorageError as error:
        raise invalid_s3_object(str(error)) from error
    return {"bucket": place["Bucket"], "key": place["Name"]}


def _copyable(tx: Transaction, call: Call, arn: str) -> Row[Any]:
    row = dataset_row(tx, call, arn)
    if row.status not in USABLE:
        raise invalid_parameter(f"{arn} is {row.status}; only a complete dataset can be copied")
    return row


def _listable(reading: Reading, call: Call) -> str | None:
    """The revision in place; None for an empty dataset."""
    row = dataset_row(reading, call, call.params["DatasetArn"])
    if row.status in ("CREATE_IN_PROGRESS", "CREATE_FAILED"):
        raise ServiceError("ResourceNotReadyException", f"{row.arn} is {row.status}: {row.status_message}")
    revision: str | None = row.revision_id
    return revision
