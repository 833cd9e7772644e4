"""Versions in service: the status that is asked for, and the jobs that make units follow it.

What a power cut leaves: a version that is STARTING or STOPPING with its job, which the next server runs
again; a version that is RUNNING without units, which `revive` starts again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import Row, select, update

from customlabels.errors import CustomLabelsError
from customlabels.operations.ledger import ENDED, SERVING, note
from customlabels.operations.parts import Parts
from customlabels.operations.rows import locked
from customlabels.operations.statuses import MESSAGES
from customlabels.serving import Terms
from customlabels.storage import Reading, Records, Transaction, schema
from customlabels.workflows import Finish, Job, JobControl, Jobs

BEFORE = {"start": "STARTING", "stop": "STOPPING"}
AFTER = {"start": "RUNNING", "stop": "STOPPED"}
versions = schema.versions


class HostingError(CustomLabelsError):
    """A version cannot be served."""


def ask_units(
    tx: Transaction, jobs: Jobs, kind: str, arn: str, *, run: str = "", reason: str = "", **values: Any
) -> None:
    """Set the version to STARTING or STOPPING (`kind`: start, stop) and submit the job that does it.

    run, reason: of the ledger's entry, which tells the end at once and the beginning when it is there
    values: further columns to set. Each wish has a number, so that the late end of an earlier job is not
    taken for the end of this one.
    """
    row = tx.execute(select(versions).where(versions.c.arn == arn)).one()
    details = orjson.loads(row.details)
    details |= {"Wish": details.get("Wish", 0) + 1, "AskedBy": {"run": run, "reason": reason}}
    if row.status == "RUNNING" and kind == "stop":
        note(tx, arn, ENDED, run, reason)
    status = BEFORE[kind]
    change = values | {
        "status": status,
        "status_message": MESSAGES[status],
        "details": orjson.dumps(details).decode(),
    }
    tx.execute(update(versions).where(versions.c.arn == arn).values(change))
    jobs.submit(tx, kind=kind, subject=f"units of {arn}", spec={"version": arn, "wish": details["Wish"]})


async def revive(parts: Parts) -> None:
    """Start the units of every version that was RUNNING when the last server ended.

    Begin it at the start, before requests are answered: they stay RUNNING for whoever has seen that, and a
    request for one of them waits for its units. A version that does not come back, its artefact gone perhaps,
    becomes FAILED.
    """
    with parts.records.read() as reading:
        running = reading.execute(select(versions).where(versions.c.status == "RUNNING")).all()

    async def start(row: Row[Any]) -> None:
        try:
            await parts.units.start(row.arn, model_folder(parts, row), _terms(parts, row))
        except CustomLabelsError as error:
            await asyncio.to_thread(_give_up, parts.records, row.arn, str(error))

    await asyncio.gather(*map(start, running))


def note_failures(records: Records) -> Callable[[str, str], None]:
    """What the supervisor calls, on the loop, when it gives a running version up: it becomes FAILED."""

    def failed(arn: str, reason: str) -> None:
        asyncio.get_running_loop().run_in_executor(None, _give_up, records, arn, reason)

    return failed


def _give_up(records: Records, arn: str, reason: str) -> None:
    with records.write() as tx:
        own = (versions.c.arn == arn, versions.c.status == "RUNNING")
        failed = update(versions).where(*own).values(status="FAILED", status_message=reason)
        if tx.execute(failed).rowcount:
            note(tx, arn, ENDED, reason=reason)


class Hosting:
    """The jobs `start` and `stop`: what the version's status asks for, done with its units."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def run(self, job: Job, _control: JobControl) -> Finish:
        """Start or stop the units, unless something else has been asked for meanwhile."""
        arn = job.spec["version"]
        with self._parts.records.read() as reading:
            row = _wished(reading, job)
        if row is not None and job.kind == "start":
            folder = model_folder(self._parts, row)
            self._parts.run_on_loop(self._parts.units.start(arn, folder, _terms(self._parts, row)))
        elif row is not None:
            gently = self._is_replaced(row)
            self._parts.run_on_loop(self._parts.units.stop(arn, gently=gently))
        status = AFTER[job.kind]
        return lambda tx: _settle(tx, job, status, MESSAGES[status])

    def _is_replaced(self, row: Row[Any]) -> bool:
        """Whether another version of its project runs, to which clients are still moving."""
        others = (versions.c.project_arn == row.project_arn, versions.c.arn != row.arn)
        with self._parts.records.read() as reading:
            query = select(versions.c.arn).where(*others, versions.c.status == "RUNNING")
            return reading.execute(query).first() is not None

    def failed(self, job: Job, error: Exception) -> Finish:
        """FAILED, with the reason; from there the version can be started again."""
        return lambda tx: _settle(tx, job, "FAILED", str(error) or type(error).__name__)


def stop_idle(records: Records, jobs: Jobs) -> Callable[[str], None]:
    """What the supervisor calls, on the loop, while nobody asks a version: a stop, like anyone's."""

    def stop(arn: str) -> None:
        with records.write() as tx:
            query = select(versions.c.status).where(versions.c.arn == arn)
            if tx.execute(locked(tx, query)).scalar() == "RUNNING":
                ask_units(tx, jobs, "stop", arn)

    def idle(arn: str) -> None:
        asyncio.get_running_loop().run_in_executor(None, stop, arn)

    return idle


def _terms(parts: Parts, row: Row[Any]) -> Terms:
    """How the version is to be served: its units by AWS's members, the rest by PutServingOptions."""
    told = orjson.loads(row.details).get("Serving", {})
    idle_seconds = told.get("IdleStopSeconds", parts.idle_stop_seconds) or None
    return Terms(row.min_units, row.max_units, idle_seconds, told.get("Wake", False))


def model_folder(parts: Parts, row: Row[Any]) -> Path:
    """Where the version's artefact is; raises HostingError where it has none."""
    folder = parts.home / (row.folder or "models")
    if row.folder is None or not (folder / "model.json").is_file():
        raise HostingError(f"the model of {row.arn} is not in {folder}; train it again")
    return folder


def _wished(reading: Reading, job: Job) -> Row[Any] | None:
    """The version, if what the job does is still its latest wish."""
    query = select(versions).where(versions.c.arn == job.spec["version"])
    row = reading.execute(locked(reading, query)).first()
    current = row is not None and row.status == BEFORE[job.kind]
    return row if row and current and orjson.loads(row.details).get("Wish") == job.spec["wish"] else None


def _settle(tx: Transaction, job: Job, status: str, message: str) -> None:
    row = _wished(tx, job)
    if row is not None:
        tx.execute(
            update(versions).where(versions.c.arn == row.arn).values(status=status, status_message=message)
        )
        if status == "RUNNING":
            note(tx, row.arn, SERVING, **orjson.loads(row.details).get("AskedBy", {}))
