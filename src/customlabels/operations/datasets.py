"""Datasets: made from a manifest, from another dataset or empty; changed, distributed, deleted."""

from __future__ import annotations

import hashlib
from typing import Any

from sqlalchemy import delete, insert, select, update

from customlabels.datasets import note_dropped, stats_of
from customlabels.operations.access import readable
from customlabels.operations.arns import dataset_arn
from customlabels.operations.dispatch import Call, Response, operation, writing
from customlabels.operations.projects import described_dataset
from customlabels.operations.refusals import exists, in_use, invalid_parameter, invalid_s3_object, not_ready
from customlabels.operations.rows import dataset_row, project_row
from customlabels.operations.statuses import BUSY, MESSAGES, USABLE
from customlabels.operations.sweeping import sweep_revision
from customlabels.operations.tagging import drop_tags, put_tags
from customlabels.storage import StorageError, Transaction, schema

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
        project = project_row(tx, call)
        taken = select(datasets.c.arn).where(
            datasets.c.project_arn == project.arn, datasets.c.type == params["DatasetType"]
        )
        if existing := tx.execute(taken).scalar():
            raise exists(f"{project.arn} has a {params['DatasetType']} dataset: {existing}")
        stamp = call.stamp()
        arn = dataset_arn(project.arn, params["DatasetType"], stamp)
        status = {"status": "CREATE_COMPLETE", "status_message": EMPTY, "revision_id": None}
        if source and "DatasetArn" in source:
            other = dataset_row(tx, call, source["DatasetArn"])
            if other.status not in USABLE:
                raise invalid_parameter(
                    f"{other.arn} is {other.status}; only a complete dataset can be copied"
                )
            status |= {"status_message": COPIED, "revision_id": other.revision_id}
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
        row = dataset_row(reading, call)
        stats = stats_of(reading, row.revision_id or "")
    figures = {
        "LabeledEntries": stats.labeled_entries,
        "TotalEntries": stats.total_entries,
        "TotalLabels": stats.total_labels,
        "ErrorEntries": stats.error_entries,
    }
    times = {"LastUpdatedTimestamp": row.updated_at}
    return {"DatasetDescription": described_dataset(row) | times | {"DatasetStats": figures}}


@writing("rekognition", "DeleteDataset")
def delete_dataset(tx: Transaction, call: Call) -> None:
    """Delete a dataset; it is gone when this returns. Versions trained on it keep their snapshot."""
    arn = call.params["DatasetArn"]
    row = dataset_row(tx, call, arn)
    if row.status in BUSY:
        raise in_use(f"{arn} is {row.status}; wait for its end")
    training = select(versions.c.arn).where(
        versions.c.project_arn == row.project_arn, versions.c.status == "TRAINING_IN_PROGRESS"
    )
    if version := tx.execute(training).scalar():
        raise in_use(f"{arn}: {version} is being trained on it")
    drop_tags(tx, arn)
    note_dropped(tx, arn, ())
    tx.execute(delete(datasets).where(datasets.c.arn == arn))
    sweep_revision(tx, call.parts.jobs, row.revision_id)


@writing("rekognition", "UpdateDatasetEntries")
def update_dataset_entries(tx: Transaction, call: Call) -> None:
    """Replace the lines of the same images, and append the others."""
    body = call.params["Changes"]["GroundTruth"]
    row = dataset_row(tx, call)
    if row.status not in USABLE:
        raise in_use(f"{row.arn} is {row.status}; only a complete dataset can be changed")
    # The job deletes it: not shared with others.
    digest = f"{hashlib.sha256(body).hexdigest()}-{call.stamp()}"
    tx.execute(insert(payloads), {"digest": digest, "body": body, "created_at": call.now})
    _begin_update(tx, call, row.arn)
    call.parts.jobs.submit(tx, kind="change", subject=row.arn, spec={"payload": digest})


@writing("rekognition", "DistributeDatasetEntries")
def distribute_dataset_entries(tx: Transaction, call: Call) -> None:
    """Move a fifth of the training entries to the empty test dataset of the same project."""
    arns = [each["Arn"] for each in call.params["Datasets"]]
    rows = {row.type: row for row in (dataset_row(tx, call, arn) for arn in sorted(arns))}
    if rows.keys() != {"TRAIN", "TEST"}:
        raise invalid_parameter(f"{' and '.join(arns)}: one training and one test dataset are needed")
    train, test = rows["TRAIN"], rows["TEST"]
    if train.project_arn != test.project_arn:
        raise invalid_parameter(f"{train.arn} and {test.arn} are of different projects")
    for row in (train, test):
        if row.status not in USABLE:
            raise not_ready(f"{row.arn} is {row.status}; wait for its end")
    if count := stats_of(tx, test.revision_id or "").total_entries:
        raise invalid_parameter(f"{test.arn} has {count} entries; distribute to an empty test dataset")
    for arn in arns:
        _begin_update(tx, call, arn)
    call.parts.jobs.submit(tx, kind="distribute", subject=train.arn, spec={"test": test.arn})


def _begin_update(tx: Transaction, call: Call, arn: str) -> None:
    change = {
        "status": "UPDATE_IN_PROGRESS",
        "status_message": MESSAGES["UPDATE_IN_PROGRESS"],
        "status_message_code": "SUCCESS",
        "updated_at": call.now,
    }
    tx.execute(update(datasets).where(datasets.c.arn == arn).values(change))


def _manifest_of(call: Call, manifest: dict[str, Any]) -> dict[str, str]:
    """The manifest's place; seen to be there, because that costs little."""
    place = manifest.get("S3Object", {})
    if not {"Bucket", "Name"} <= place.keys():
        raise invalid_parameter("GroundTruthManifest needs its S3Object with Bucket and Name")
    bucket, key = readable(call, place)
    try:
        call.parts.objects.head(bucket, key)
    except StorageError as error:
        raise invalid_s3_object(str(error)) from error
    return {"bucket": bucket, "key": key}
