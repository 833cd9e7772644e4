"""Housekeeping: rows that have served their purpose go after a stated time.

Layer: workflows. SQL only. Executions and their histories stay. An answer to a token stays for as long as the
task of that token may be run again; of ended jobs the newest of each subject stays: its progress is shown.

What a power cut leaves: rows that the next sweep removes.
"""

from typing import Any

from sqlalchemy import ColumnElement, Table, delete, exists, select

from customlabels.storage import Records
from customlabels.storage.schema import answers, jobs, tasks
from customlabels.workflows.tasks import OPEN

KEPT_SECONDS = 14 * 86_400.0  # as long as an execution may be redriven
ROWS_AT_ONCE = 500  # of one transaction: other writers wait meanwhile

_newer = jobs.alias("newer")
_AWAITED = exists().where(tasks.c.token == answers.c.token, tasks.c.status.in_(OPEN))
_OUTDONE = exists().where(_newer.c.subject == jobs.c.subject, _newer.c.created_at > jobs.c.created_at)


def sweep(records: Records, now: float) -> bool:
    """Remove some of what ended more than KEPT_SECONDS before `now`; whether there may be more."""
    before = now - KEPT_SECONDS
    ended: list[tuple[Table, ColumnElement[bool]]] = [
        (answers, (answers.c.created_at < before) & ~_AWAITED),
        (tasks, tasks.c.status.not_in(OPEN) & (tasks.c.created_at < before)),
        (jobs, (jobs.c.ended_at < before) & _OUTDONE),
    ]
    full = [_remove(records, table, where) for table, where in ended]  # every table has its turn
    return True in full


def _remove(records: Records, table: Table, where: ColumnElement[bool]) -> bool:
    key: Any = next(iter(table.primary_key))
    chosen = select(key).where(where).limit(ROWS_AT_ONCE)
    with records.read() as reading:
        keys = list(reading.execute(chosen).scalars())
    if keys:
        with records.write() as tx:
            tx.execute(delete(table).where(key.in_(keys)))
    return len(keys) == ROWS_AT_ONCE
