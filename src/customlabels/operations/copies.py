"""Copies of versions: into another project, of this account or of one that a policy names.

What a power cut leaves: a version that is COPYING_IN_PROGRESS with its job, which is run again. The artefact
is copied in the job's work folder and renamed, so that the place from which versions are served holds it
whole or not at all; the documents are written again, each whole.
"""

from __future__ import annotations

import shutil
from typing import Any

import orjson
from sqlalchemy import Row, insert, select, update

from customlabels.errors import CustomLabelsError, ServiceError
from customlabels.operations.arns import Arn, artefact_name, version_arn
from customlabels.operations.dispatch import Call, Response, operation
from customlabels.operations.parts import Parts
from customlabels.operations.permissions import is_allowed, is_denied
from customlabels.operations.policies import documents_of
from customlabels.operations.refusals import in_use, invalid_parameter, not_found
from customlabels.operations.results import described_results, document_key
from customlabels.operations.rows import locked, project_row
from customlabels.operations.statuses import MESSAGES, PASSING
from customlabels.operations.sweeping import sweep_folders
from customlabels.operations.tagging import put_tags
from customlabels.operations.versions import require_free_name, require_output_bucket
from customlabels.storage import ObjectNotFound, StorageError, Transaction, schema, sync
from customlabels.workflows import Finish, Job, JobControl

COPYABLE = ("TRAINING_COMPLETED", "STOPPED", "RUNNING", "COPYING_COMPLETED")
versions = schema.versions


class CopyFailed(CustomLabelsError):
    """A version cannot be copied."""


@operation("rekognition", "CopyProjectVersion")
def copy_project_version(call: Call) -> Response:
    """A new version that answers as the source does, with its figures and its documents."""
    params = call.params
    require_output_bucket(call, params["OutputConfig"])

    def effect(tx: Transaction) -> Response:
        project = project_row(tx, call, params["DestinationProjectArn"])
        source = _source(tx, call)
        if Arn.parse(source.arn).region != Arn.parse(project.arn).region:
            raise invalid_parameter(f"{source.arn} and {project.arn} are in different regions")
        if source.status not in COPYABLE:
            refusal = in_use if source.status in PASSING else invalid_parameter
            raise refusal(f"{source.arn} is {source.status}; it can be copied when {', '.join(COPYABLE)}")
        require_free_name(tx, call, project)
        stamp = call.stamp()
        arn = version_arn(project.arn, params["VersionName"], stamp)
        details = {key: params[key] for key in ("OutputConfig", "KmsKeyId") if key in params}
        row = {
            "arn": arn,
            "project_arn": project.arn,
            "name": params["VersionName"],
            "status": "COPYING_IN_PROGRESS",
            "status_message": MESSAGES["COPYING_IN_PROGRESS"],
            "created_at": stamp / 1000,
            "details": orjson.dumps(details).decode(),
            "source_arn": source.arn,
        }
        tx.execute(insert(versions), row)
        put_tags(tx, arn, params.get("Tags", {}))
        call.parts.jobs.submit(tx, kind="copy", subject=arn, spec={})
        return {"ProjectVersionArn": arn}

    return call.write(effect)


def _source(tx: Transaction, call: Call) -> Row[Any]:
    """The version to copy, once it is known that the caller may; another account learns nothing else."""
    project, version = call.params["SourceProjectArn"], call.params["SourceProjectVersionArn"]
    documents, account = documents_of(tx, project), call.caller.account
    own = Arn.parse(project).account == account
    if not own and not is_allowed(documents, account, version):
        told = f"account {account} may not copy {version}: no policy of {project} allows it"
        hint = 'name the account as a whole, as "arn:aws:iam::ACCOUNT:root", without conditions'
        raise ServiceError("AccessDeniedException", f"{told}; {hint}")
    if is_denied(documents, account, version):
        raise ServiceError("AccessDeniedException", f"a policy of {project} denies {account} {version}")
    if own:
        project_row(tx, call, project)
    row = tx.execute(locked(tx, select(versions).where(versions.c.arn == version))).first()
    if row is None or Arn.parse(version).account != Arn.parse(project).account:
        raise not_found(f"there is no {version}: it was deleted, or never made")
    if row.project_arn != project:
        raise invalid_parameter(f"{version} is not of {project}")
    return row


class Copying:
    """The job `copy`; the subject is the new version."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def run(self, job: Job, control: JobControl) -> Finish:
        """Copy the model's folder, then the documents."""
        row = self._row(job.subject)
        source = None if row is None else self._row(row.source_arn)
        if row is None or source is None:
            raise CopyFailed("The version to copy was deleted meanwhile.")
        folder = self._copied_folder(job, source, control)
        told = orjson.loads(source.details)
        keys = self._copied_documents(row, told)
        details = orjson.loads(row.details)
        bucket = details["OutputConfig"]["S3Bucket"]
        results = described_results(told, bucket, keys)
        results["EvaluationResult"] = {"F1Score": source.f1_score}
        if summary := keys.get("EvaluationResultSummary"):
            results["EvaluationResult"]["Summary"] = {"S3Object": {"Bucket": bucket, "Name": summary}}
        details |= {"Results": results, "OutputKeys": keys}
        change = {
            "status": "COPYING_COMPLETED",
            "status_message": MESSAGES["COPYING_COMPLETED"],
            "folder": folder,
            "f1_score": source.f1_score,
            "evaluation": source.evaluation,
            "details": orjson.dumps(details).decode(),
        }
        return self._settled(job, change)

    def failed(self, job: Job, error: Exception) -> Finish:
        """COPYING_FAILED, with the reason."""
        expected = isinstance(error, CustomLabelsError)
        message = str(error) if expected else "Amazon Rekognition experienced a service issue."
        return self._settled(job, {"status": "COPYING_FAILED", "status_message": message})

    def _settled(self, job: Job, change: dict[str, Any]) -> Finish:
        def finish(tx: Transaction) -> None:
            tx.execute(update(versions).where(versions.c.arn == job.subject).values(change))
            sweep_folders(tx, self._parts.jobs, job.subject, [_work(job)])

        return finish

    def _row(self, arn: str) -> Row[Any] | None:
        with self._parts.records.read() as reading:
            return reading.execute(select(versions).where(versions.c.arn == arn)).first()

    def _copied_folder(self, job: Job, source: Row[Any], control: JobControl) -> str:
        """The artefact in the place of the new version, relative to the home."""
        home, place = self._parts.home, f"models/{artefact_name(job.subject)}"
        target, work = home / place, home / _work(job)
        if not target.exists():  # else renamed by a run that was cut off right afterwards
            shutil.rmtree(work, ignore_errors=True)
            work.mkdir(parents=True)
            try:
                for file in (home / source.folder).iterdir():
                    control.cancelled()
                    sync(shutil.copyfile(file, work / file.name))
            except FileNotFoundError as error:
                raise CopyFailed(f"The model of {source.arn} is not in {home / source.folder}.") from error
            sync(work)
            work.rename(target)
        sync(target.parent)
        sync(home)
        return place

    def _copied_documents(self, row: Row[Any], told: dict[str, Any]) -> dict[str, str]:
        """The documents by kind, under the new version's names; without those that are gone."""
        objects, keys = self._parts.objects, {}
        output, project = orjson.loads(row.details)["OutputConfig"], Arn.parse(row.arn).project
        for kind, old_key in told.get("OutputKeys", {}).items():
            try:
                data = objects.read(told["OutputConfig"]["S3Bucket"], old_key)
            except ObjectNotFound:
                continue
            key = document_key(output, kind, project, row.name)
            try:
                objects.write(output["S3Bucket"], key, data)
            except StorageError as error:
                raise CopyFailed(f"Unable to write to output S3 bucket. ({error})") from error
            keys[kind] = key
        return keys


def _work(job: Job) -> str:
    return f"work/{job.id}"
