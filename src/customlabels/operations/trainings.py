"""The job that trains a version: its data as files, the training process, its results into the records.

What a power cut leaves: the job's work folder, with the manifests and the trainer's checkpoints; the next
run of the job goes on from there. `outcome.json` in it says that the training is done, so that a cut while
the artefact is moved, or before the last transaction, trains nothing twice. The artefact is in its place
before the version says TRAINING_COMPLETED; the work folder is swept afterwards.
"""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import Row, select, update

from customlabels.datasets import (
    MOST_NOTED,
    ManifestFileError,
    ManifestLimits,
    dropped_of,
    every_line,
    file_lines,
)
from customlabels.errors import CustomLabelsError
from customlabels.operations.arns import Arn, artefact_name
from customlabels.operations.buckets import buckets_of
from customlabels.operations.importing import unreadable
from customlabels.operations.parts import Parts
from customlabels.operations.results import described_results, document_key
from customlabels.operations.statuses import MESSAGES
from customlabels.operations.sweeping import sweep_folders
from customlabels.storage import StorageError, Transaction, schema, sync, write_whole
from customlabels.training import Progress, TrainingCancelled, TrainingFailed, TrainingOutcome, TrainingSpec
from customlabels.workflows import Finish, Job, JobControl

SERVICE_ISSUE = "Amazon Rekognition experienced a service issue."
MOST_POINTS = 120  # of a curve
REPORT_SECONDS = 0.5  # at least between two rows of progress: each is a commit
versions = schema.versions


class Training:
    """The job `train`; and `gather`, which goes before it where a request names manifests.

    Manifests are copied at once, however many trainings wait: later changes of the objects do not matter.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def run(self, job: Job, control: JobControl) -> Finish:
        """Train the version, or go on where an earlier run of this job was cut off."""
        row = self.row(job.subject)
        details = orjson.loads(row.details)
        spec = self.spec(job, row, details)
        if job.kind == "gather":
            return lambda tx: self._queue(tx, job)
        report = self._report_dropped(row, details)
        told = spec.work_folder / "outcome.json"
        if told.exists():
            outcome = TrainingOutcome.from_json(orjson.loads(told.read_bytes()))
        else:
            try:
                outcome = self._parts.train(spec, reporter(control), control.cancelled)
            except TrainingCancelled as error:
                return self.failed(job, error)  # as it was asked for: the job itself has not failed
            write_whole(told, [orjson.dumps(outcome.to_json())])
        evaluation = self._parts.objects.read(spec.output_bucket, outcome.summary_key)
        folder = self._put_in_place(job.subject, outcome)
        results = described_results(details, spec.output_bucket, outcome.output_keys) | {
            "BillableTrainingTimeInSeconds": round(outcome.seconds),
            "EvaluationResult": {
                "F1Score": outcome.f1,
                "Summary": {"S3Object": {"Bucket": spec.output_bucket, "Name": outcome.summary_key}},
            },
        }
        details |= {"Results": results, "OutputKeys": {**outcome.output_keys, **report}}

        def finish(tx: Transaction) -> None:
            change = {"status": "TRAINING_COMPLETED", "status_message": MESSAGES["TRAINING_COMPLETED"]}
            found = {"folder": folder, "f1_score": outcome.f1, "evaluation": evaluation.decode()}
            self._end(tx, job, change | found, details)
            sweep_folders(tx, self._parts.jobs, job.subject, [self.work(job)])

        return finish

    def _queue(self, tx: Transaction, job: Job) -> None:
        """Submit the training of a version whose manifests are gathered, cancelled if they were meanwhile."""
        told = self._parts.jobs.progress_of(tx, job.subject)
        self._parts.jobs.submit(tx, kind="train", subject=job.subject, spec={"work": job.id})
        if told is not None and told.cancel_requested:
            self._parts.jobs.request_cancel(tx, job.subject)

    def failed(self, job: Job, error: Exception) -> Finish:
        """TRAINING_FAILED with the reason; the work folder stays to be looked at, until the version goes."""
        expected = isinstance(error, CustomLabelsError)
        details = orjson.loads(self.row(job.subject).details) | {"WorkFolder": self.work(job)}
        if isinstance(error, TrainingFailed) and error.output_keys:
            bucket = details["OutputConfig"]["S3Bucket"]
            details["Results"] = described_results(details, bucket, error.output_keys)
        message = "The training was cancelled." if isinstance(error, TrainingCancelled) else str(error)
        change = {
            "status": "TRAINING_FAILED",
            "status_message": message if expected and message else SERVICE_ISSUE,
        }
        return lambda tx: self._end(tx, job, change, details)

    def _end(self, tx: Transaction, job: Job, change: dict[str, Any], details: dict[str, Any]) -> None:
        told = {"training_ended_at": self._parts.clock(), "details": orjson.dumps(details).decode()}
        tx.execute(update(versions).where(versions.c.arn == job.subject).values(change | told))

    def row(self, arn: str) -> Row[Any]:
        """The version's row."""
        with self._parts.records.read() as reading:
            return reading.execute(select(versions).where(versions.c.arn == arn)).one()

    @staticmethod
    def work(job: Job) -> str:
        """The job's folder, relative to the home."""
        return f"work/{job.spec.get('work', job.id)}"

    def spec(self, job: Job, row: Row[Any], details: dict[str, Any]) -> TrainingSpec:
        """The training's spec, with its manifests written into its work folder."""
        work = self._parts.home / self.work(job)
        work.mkdir(parents=True, exist_ok=True)
        train, test = work / "train.manifest", work / "test.manifest"
        self._write_manifest(train, row.train_revision_id, details.get("TrainingData"))
        has_test = row.test_revision_id is not None or bool(details.get("TestingData", {}).get("Assets"))
        if has_test:
            self._write_manifest(test, row.test_revision_id, details.get("TestingData"))
        options = details.get("Options", {})
        own, foreign = buckets_of(self._parts, Arn.parse(row.arn).account)
        return TrainingSpec(
            work_folder=work,
            train_manifest=train,
            test_manifest=test if has_test else None,
            buckets={bucket.name: Path(bucket.folder) for bucket in own},
            foreign_buckets=foreign,
            output_bucket=details["OutputConfig"]["S3Bucket"],
            output_prefix=details["OutputConfig"].get("S3KeyPrefix", ""),
            project_name=Arn.parse(row.arn).project,
            version_name=row.name,
            version_arn=row.arn,
            s3=self._parts.s3 if self._parts.operator in (None, Arn.parse(row.arn).account) else None,
            budget_seconds=options.get("BudgetSeconds"),
            seed=options.get("Seed", 0),
            backbone_folder=Path(options["BackboneFolder"]) if "BackboneFolder" in options else None,
            from_scratch=options.get("FromScratch", False),
        )

    def _report_dropped(self, row: Row[Any], details: dict[str, Any]) -> dict[str, str]:
        """Write beside the manifest summary which lines the datasets were made without; its key by kind."""
        sides = {"TRAIN": row.train_revision_id, "TEST": row.test_revision_id}
        with self._parts.records.read() as reading:
            lines = [
                {"dataset": side, "line": line.position, "code": line.code}
                | {"reason": line.reason, "advice": line.advice}
                for side, revision in sides.items()
                for line in dropped_of(reading, revision or "", limit=MOST_NOTED)
            ]
        if not lines:
            return {}
        output = details["OutputConfig"]
        key = document_key(output, "DroppedLines", Arn.parse(row.arn).project, row.name)
        try:
            self._parts.objects.write(output["S3Bucket"], key, b"\n".join(map(orjson.dumps, lines)) + b"\n")
        except StorageError as error:
            raise TrainingFailed(
                "ERROR_CANNOT_WRITE_OUTPUT_S3_BUCKET", f"Unable to write to output S3 bucket. ({error})"
            ) from error
        return {"DroppedLines": key}

    def _write_manifest(self, file: Path, revision: str | None, given: dict[str, Any] | None) -> None:
        """The lines of a dataset's revision, or of the manifest object that the request named."""
        if file.exists():
            return  # by an earlier run of this job: what the training began with
        if revision is not None:
            write_whole(file, (f"{line}\n".encode() for line in every_line(self._parts.records, revision)))
            return
        assert given is not None
        place = given["Assets"][0]["GroundTruthManifest"]["S3Object"]
        try:
            lines = self._parts.objects.lines(place["Bucket"], place["Name"])
            write_whole(file, (line + b"\n" for line in file_lines(lines, ManifestLimits())))
        except (StorageError, ManifestFileError) as error:
            told = unreadable(error) if isinstance(error, StorageError) else error
            raise TrainingFailed(told.code, f"{told} (s3://{place['Bucket']}/{place['Name']})") from error

    def _put_in_place(self, arn: str, outcome: TrainingOutcome) -> str:
        """Move the artefact to where versions are served from; its place, relative to the home."""
        place = f"models/{artefact_name(arn)}"
        target = self._parts.home / place
        if not target.exists():  # else moved by a run that was cut off right afterwards
            target.parent.mkdir(exist_ok=True)
            for file in outcome.artefact_folder.iterdir():
                sync(file)
            outcome.artefact_folder.rename(target)
        # Also where an earlier run was killed between its rename and this: the records may say
        # TRAINING_COMPLETED only when no power cut can undo the rename, nor the making of `models`.
        sync(target.parent)
        sync(self._parts.home)
        return place


def reporter(control: JobControl) -> Any:
    """What the trainer tells, as rows that others can read; told more often, only the latest counts."""
    began = time.monotonic()
    written_at = began - REPORT_SECONDS
    curve: list[list[float | None]] = []

    def report(progress: Progress) -> None:
        nonlocal written_at
        now = time.monotonic()
        if now - written_at >= REPORT_SECONDS:
            written_at = now
            if progress.train_loss is not None or progress.validation_f1 is not None:
                curve.append([now - began, progress.train_loss, progress.validation_f1])
            if len(curve) > MOST_POINTS:
                del curve[1::2]
            control.report(asdict(progress) | {"curve": curve})

    return report
