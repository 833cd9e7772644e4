"""Jobs that fill datasets: from a manifest, by changes to what is there, and by moving a part of it.

What a power cut leaves: rows of revisions that nothing points to; the next run of the job begins them anew.
The pointers and statuses of the datasets change in the transaction that ends the job.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Row, delete, select, update

from customlabels.datasets import (
    MOST_NOTED,
    Dropped,
    Entry,
    ManifestFileError,
    ManifestLimits,
    Stats,
    changed,
    chosen_for_test,
    divided,
    dropped_of,
    labels_by_position,
    note_dropped,
    read_manifest,
    ready,
    stage,
)
from customlabels.operations.parts import Parts
from customlabels.operations.statuses import MESSAGES
from customlabels.operations.sweeping import sweep_revision
from customlabels.storage import ObjectAccessError, StorageError, Transaction, schema
from customlabels.workflows import Finish, Job, JobControl

log = logging.getLogger(__name__)

CREATED = "The dataset was successfully created from the manifest file."
SERVICE_ISSUE = "The service experienced an issue; delete the dataset and create it again."
OPERATIONS = {"import": "CREATE", "change": "UPDATE", "distribute": "UPDATE"}
LIMITS = ManifestLimits()
datasets, payloads = schema.datasets, schema.payloads


class Importing:
    """The jobs `import` (spec: bucket, key) and `change` (spec: payload); the subject is the dataset."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def run(self, job: Job, control: JobControl) -> Finish:
        """Stage the new revision, whose id is the job's; put in place at the end."""
        stats = {"import": self._import, "change": self._change}[job.kind](job, control)
        message = CREATED if job.kind == "import" else MESSAGES["UPDATE_COMPLETE"]
        if stats.dropped_lines:
            message += f" {stats.dropped_lines} lines were left out; the first is {stats.dropped[0]}."

        def finish(tx: Transaction) -> None:
            _put_in_place(tx, self._parts, job, job.subject, (job.id, stats), message)
            _forget_payload(tx, job)

        return finish

    def failed(self, job: Job, error: Exception) -> Finish:
        """CREATE_FAILED or UPDATE_FAILED with the reason; what was in place before stays in place."""

        def finish(tx: Transaction) -> None:
            _give_up(tx, self._parts, job, [job.subject], error, [job.id])
            _forget_payload(tx, job)

        return finish

    def _import(self, job: Job, control: JobControl) -> Stats:
        lines = self._parts.objects.lines(job.spec["bucket"], job.spec["key"])
        entries = read_manifest(_watched(lines, control.cancelled), LIMITS)
        return stage(self._parts.records, job.id, entries, self._parts.clock())

    def _change(self, job: Job, _control: JobControl) -> Stats:
        with self._parts.records.read() as reading:
            body = reading.execute(
                select(payloads.c.body).where(payloads.c.digest == job.spec["payload"])
            ).scalar_one()
        lines = read_manifest(iter(body.removesuffix(b"\n").split(b"\n")), LIMITS, unique=False)
        base = _row(self._parts, job.subject).revision_id
        if base is None:  # the dataset was made empty
            return stage(self._parts.records, job.id, _last_of_each(lines), self._parts.clock())
        return changed(self._parts.records, base, job.id, lines, self._parts.clock(), LIMITS)


class Distributing:
    """The job `distribute` (spec: test); the subject is the training dataset."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def run(self, job: Job, control: JobControl) -> Finish:
        """Stage both revisions anew: a fifth of the entries moves to the test dataset."""
        base = _row(self._parts, job.subject).revision_id
        found = labels_by_position(self._parts.records, base) if base else {}
        control.cancelled()
        chosen = chosen_for_test(found)
        rest_id, moved_id = _revisions_of(job)
        rest, moved = divided(
            self._parts.records, base, rest_id, moved_id, chosen, self._parts.clock(), control.cancelled
        )
        with self._parts.records.read() as reading:  # what was left out is so still
            rest = replace(rest, dropped=tuple(dropped_of(reading, base, limit=MOST_NOTED)))
        told = MESSAGES["UPDATE_COMPLETE"]

        def finish(tx: Transaction) -> None:
            sides = ((job.subject, (rest_id, rest)), (job.spec["test"], (moved_id, moved)))
            for arn, revision in sides:
                message = f"{told} {moved.total_entries} of {len(found)} entries are for the test."
                _put_in_place(tx, self._parts, job, arn, revision, message)

        return finish

    def failed(self, job: Job, error: Exception) -> Finish:
        """UPDATE_FAILED, of both, with the reason; each keeps what it had."""
        arns = [job.subject, job.spec["test"]]
        return lambda tx: _give_up(tx, self._parts, job, arns, error, _revisions_of(job))


def unreadable(error: StorageError) -> ManifestFileError:
    """What it means for a manifest that its object cannot be read."""
    denied = isinstance(error, ObjectAccessError)
    permissions = "ERROR_INVALID_PERMISSIONS_MANIFEST_S3_BUCKET"
    code = permissions if denied else "ERROR_MANIFEST_INACCESSIBLE_OR_UNSUPPORTED_FORMAT"
    return ManifestFileError(code, str(error))


def _revisions_of(job: Job) -> tuple[str, str]:
    return f"{job.id}-train", f"{job.id}-test"


def _row(parts: Parts, arn: str) -> Row[Any]:
    with parts.records.read() as reading:
        return reading.execute(select(datasets).where(datasets.c.arn == arn)).one()


def _put_in_place(
    tx: Transaction, parts: Parts, job: Job, arn: str, revision: tuple[str, Stats], message: str
) -> None:
    """Point the dataset to a staged revision, in the transaction that ends the job."""
    revision_id, stats = revision
    ready(tx, revision_id, stats)
    note_dropped(tx, arn, ())  # of an operation that failed before
    base = tx.execute(select(datasets.c.revision_id).where(datasets.c.arn == arn)).scalar()
    _settle(tx, parts, job, arn, "COMPLETE", message, "SUCCESS", revision_id=revision_id)
    sweep_revision(tx, parts.jobs, base)


def _give_up(
    tx: Transaction, parts: Parts, job: Job, arns: Sequence[str], error: Exception, staged: Iterable[str]
) -> None:
    """Say on each dataset why the operation failed, and have what it staged removed."""
    code, message = "SERVICE_ERROR", SERVICE_ISSUE
    if isinstance(error, StorageError):
        error = unreadable(error)
    if isinstance(error, ManifestFileError):
        code, message = "CLIENT_ERROR", str(error)
        log.info("%s of %s: %s", job.kind, job.subject, error.code)
    for arn in arns:
        note_dropped(tx, arn, error.dropped if isinstance(error, ManifestFileError) else ())
        _settle(tx, parts, job, arn, "FAILED", message, code)
    for revision in staged:
        sweep_revision(tx, parts.jobs, revision)


def _settle(
    tx: Transaction, parts: Parts, job: Job, arn: str, outcome: str, message: str, code: str, **values: Any
) -> None:
    """What the last operation on the dataset came to."""
    change = values | {
        "status": f"{OPERATIONS[job.kind]}_{outcome}",
        "status_message": message,
        "status_message_code": code,
        "updated_at": parts.clock(),
    }
    tx.execute(update(datasets).where(datasets.c.arn == arn).values(change))


def _forget_payload(tx: Transaction, job: Job) -> None:
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
