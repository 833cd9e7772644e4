"""What nobody refers to any more goes: folders of deleted versions, revisions of deleted datasets.

A sweep is a job, asked for in the transaction that drops the last reference. A power cut before it runs
or in its middle leaves files or rows that the next run of the same job removes.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence

from sqlalchemy import delete, or_, select

from customlabels.datasets import note_dropped
from customlabels.operations.parts import Parts
from customlabels.storage import Transaction, schema
from customlabels.workflows import Finish, Job, JobControl, Jobs

ENTRIES_AT_ONCE = 5_000  # of one transaction: other writers wait meanwhile
revisions, entries, entry_labels = schema.revisions, schema.entries, schema.entry_labels


def sweep_folders(tx: Transaction, jobs: Jobs, subject: str, folders: Sequence[str | None]) -> None:
    """Have `folders` (relative to the home) removed once this transaction is committed."""
    given = [folder for folder in folders if folder]
    if given:
        jobs.submit(tx, kind="sweep", subject=f"sweep {subject}", spec={"folders": given})


def sweep_revision(tx: Transaction, jobs: Jobs, revision: str | None) -> None:
    """Have a revision removed, unless something still refers to it then."""
    if revision:
        jobs.submit(tx, kind="sweep", subject=f"sweep {revision}", spec={"revision": revision})


class Sweep:
    """The job that removes."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def run(self, job: Job, control: JobControl) -> Finish:
        """Remove what the job names; what is gone already is as good."""
        for folder in job.spec.get("folders", []):
            if (self._parts.home / folder).exists():
                shutil.rmtree(self._parts.home / folder)
        if "revision" in job.spec:
            while not control.cancelled() and self._removed_some(job.spec["revision"]):
                pass
        return lambda _tx: None

    def failed(self, _job: Job, _error: Exception) -> Finish:
        """Litter is no reason to do anything else; the job's row says what stayed and why."""
        return lambda _tx: None

    def _removed_some(self, revision: str) -> bool:
        """Remove a piece of the revision; whether there may be more. The revision's row goes last."""
        with self._parts.records.write() as tx:
            if _is_referred_to(tx, revision):
                return False
            piece = select(entries.c.position).where(entries.c.revision_id == revision)
            last = tx.execute(piece.order_by(entries.c.position).limit(ENTRIES_AT_ONCE)).scalars().all()
            if not last:
                note_dropped(tx, revision, ())
                tx.execute(delete(revisions).where(revisions.c.id == revision))
                return False
            for table in (entry_labels, entries):
                tx.execute(delete(table).where(table.c.revision_id == revision, table.c.position <= last[-1]))
            return True


def _is_referred_to(tx: Transaction, revision: str) -> bool:
    versions, datasets = schema.versions, schema.datasets
    by_version = or_(versions.c.train_revision_id == revision, versions.c.test_revision_id == revision)
    return bool(
        tx.execute(select(versions.c.arn).where(by_version).limit(1)).first()
        or tx.execute(select(datasets.c.arn).where(datasets.c.revision_id == revision).limit(1)).first()
    )
