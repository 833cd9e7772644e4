"""Jobs that fill datasets: from a manifest, and by changes to what is there.

What a power cut leaves: rows of a revision that nothing points to; the next run of the job begins it anew.
The dataset's pointer and its status change in the transaction that ends the job.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from sqlalchemy import Row, delete, select, update

from customlabels.datasets import (
    Dropped,
    Entry,
    ManifestFileError,
    ManifestLimits,
    Stats,
    changed,
    read_manifest,
    ready,
    stage,
)
from customlabels.operations.parts import Parts
from customlabels.operations.statuses import MESSAGES
from customlabels.operations.sweeping import sweep_revision
from customlabels.storage import ObjectAccessError, StorageError, Transaction, schema
from customlabels.workflows import Finish, Job, JobControl

__all__ = ["Importing"]

CREATED = "The dataset was successfully created from the manifest file."
SERVICE_ISSUE = "The service experienced an issue; delete the dataset and create it again."
OPERATIONS = {"import": "CREATE", "change": "UPDATE"}
datasets, payloads = schema.datasets, schema.payloads


class Importing:
    """The jobs `import` (spec: bucket, key) and `change` (spec: payload); the subject is the dataset."""

    def __init__(self, parts: Parts, limits: ManifestLimits | None = None) -> None:
        self._parts = parts
        self._limits = limits or ManifestLimits()

    def run(self, job: Job, control: JobControl) -> Finish:
        """Stage the new revision, whose id is the job's; put in place at the end."""
        stats = {"import": self._import, "change": self._change}[job.kind](job, control)
        message = CREATED if job.kind == "import" else MESSAGES["UPDATE_COMPLETE"]
        if stats.dropped_lines:
            first = stats.dropped[0]
            left_out = f"{stats.dropped_lines} lines were left out"
            message += f" {left_out}; the first is line {first.position}: {first.reason}."
        base = self._row(job.subject).revision_id

        def finish(tx: Transaction) -> None:
            ready(tx, job.id, stats)
            self._end(tx, job, "COMPLETE", message, "SUCCESS")
            tx.execute(update(datasets).where(datasets.c.arn == job.subject).values(revision_id=job.id))
            sweep_revision(tx, self._parts.jobs, base)

        return finish

    def failed(self, job: Job, error: Exception) -> Finish:
        """CREATE_FAILED or UPDATE_FAILED with the reason; what was in place before stays in place."""
        code, message = "SERVICE_ERROR", SERVICE_ISSUE
        if isinstance(error, ManifestFileError):
            code, message = "CLIENT_ERROR", str(error)
        elif isinstance(error, StorageError):
            kind = "permissions" if isinstance(error, ObjectAccessError) else "format"
            told = {
                "permissions": "The S3 bucket permissions are incorrect.",
                "format": "The manifest file extension or contents are invalid.",
            }
            code, message = "CLIENT_ERROR", f"{told[kind]} {error}"

        def finish(tx: Transaction) -> None:
            self._end(tx, job, "FAILED", message, code)
            sweep_revision(tx, self._parts.jobs, job.id)

        return finish

    def _import(self, job: Job, control: JobControl) -> Stats:
        lines = self._parts.objects.lines(job.spec["bucket"], job.spec["key"])
        entries = read_manifest(_watched(lines, control.cancelled), self._limits)
        return stage(self._parts.records, job.id, entries, self._parts.clock())

    def _change(self, job: Job, _control: JobControl) -> Stats:
        with self._parts.records.read() as reading:
            body = reading.execute(
                select(payloads.c.body).where(payloads.c.digest == job.spec["payload"])
            ).scalar_one()
        lines = read_manifest(iter(body.removesuffix(b"\n").split(b"\n")), self._limits, unique=False)
        base = self._row(job.subject).revision_id
        if base is None:  # the dataset was made empty
            return stage(self._parts.records, job.id, _last_of_each(lines), self._parts.clock())
        return changed(self._parts.records, base, job.id, lines, self._parts.clock(), self._limits)

    def _row(self, arn: str) -> Row[Any]:
        with self._parts.records.read() as reading:
            return reading.execute(select(datasets).where(datasets.c.arn == arn)).one()

    def _end(self, tx: Transaction, job: Job, outcome: str, message: str, code: str) -> None:
        """What the last operation on the dataset came to."""
        change = {
            "status": f"{OPERATIONS[job.kind]}_{outcome}",
            "status_message": message,
            "status_message_code": code,
            "updated_at": self._parts.clock(),
        }
        tx.execute(update(datasets).where(datasets.c.arn == job.subject).values(change))
        if "payload" in job.spec:
            tx.execute(delete(payloads).where(payloads.c.digest == job.spec["payload"]))


def _last_of_each(lines: Iterator[Entry | Dropped]) -> Iterable[Entry | Dropped]:
    """Of several lines for one image, the last, as when there is something to change."""
    kept: dict[str | int, Entry | Dropped] = {}
    for line in lines:
        kept[line.source_ref if isinstance(line, Entry) else line.position] = line
    return kept.values()


def _watched(lines: Iterator[bytes], cancelled: Callable[[], bool]) -> Iterator[bytes]:
    """The lines, looking up now and then whether the server closes."""
    for number, line in enumerate(lines):
        if number % 1000 == 0:
            cancelled()
        yield line
