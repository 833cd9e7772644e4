"""Tasks: what an execution asks of the outside, as leased rows, and one run of such a task.

Layer: workflows. A task is scheduled, started and ended in commits that also carry its events, so that
history and rows never disagree. The runner is handed in; a task may reach it more than once, always under
the same token, and the runner answers a repeated token as it did before.

What a power cut leaves: a scheduled task waits for the next server; a started one has a lease, and when
that is out it is run again under the same token. To the States Language that is the same attempt: no
event, no Retry. A result that was not committed is lost, and asked for again.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import and_, bindparam, func, insert, or_, select, update

from customlabels.storage import Reading, Transaction
from customlabels.storage.schema import tasks

__all__ = ["Outcome", "TaskFailure", "TaskRequest", "TaskRow", "TaskRunner", "run_task", "token_of"]

log = logging.getLogger(__name__)

OPEN = ("SCHEDULED", "STARTED")
MAX_ERROR = 256  # characters, as the service bounds them
MAX_CAUSE = 32_768


@dataclass(frozen=True)
class TaskRequest:
    """One task as a runner gets it; `token` is the same in every run of it and fits a client token."""

    resource_arn: str
    parameters: Any  # a JSON value
    token: str
    account: str
    region: str
    timeout: float | None  # seconds; the engine stops waiting by itself, this is for the runner's own calls
    execution_arn: str = ""


class TaskFailure(Exception):
    """The task failed in a way that Retry and Catch can name."""

    def __init__(self, error: str, cause: str) -> None:
        super().__init__(f"{error}: {cause}")
        self.error, self.cause = error, cause


class TaskRunner(Protocol):
    """Whoever can run tasks. Called from several threads at once."""

    def run(self, task: TaskRequest) -> Any:
        """The task's result, a JSON value. Raises TaskFailure."""
        ...


@dataclass(frozen=True)
class Outcome:
    """What came of a task: its output as a JSON text, or an error."""

    output: str | None = None
    error: str | None = None
    cause: str | None = None


@dataclass(frozen=True)
class TaskRow:
    """A task as stored. `id` is the interpreter's name of it; times are epoch seconds, None is never."""

    token: str
    execution_arn: str
    id: int
    resource: str
    parameters: str  # JSON
    timeout_seconds: float | None
    heartbeat_seconds: float | None
    created_at: float
    status: str = "SCHEDULED"
    attempt: int = 0
    owner: str | None = None
    lease_until: float | None = None
    timeout_at: float | None = None
    heartbeat_due: float | None = None

    def request(self) -> TaskRequest:
        """What the runner is asked."""
        _arn, _aws, _states, region, account, *_names = self.execution_arn.split(":")
        parameters, arn = json.loads(self.parameters), self.execution_arn
        return TaskRequest(self.resource, parameters, self.token, account, region, self.timeout_seconds, arn)


def token_of(execution_arn: str, task_id: int) -> str:
    """The token of a task: the same in every run of it, and no other task's (64 hexadecimal digits)."""
    return hashlib.sha256(f"{execution_arn} task {task_id}".encode()).hexdigest()


def run_task(runner: TaskRunner, task: TaskRequest) -> Outcome:
    """One run, with every way to fail turned into an error that the States Language knows."""
    try:
        output = json.dumps(runner.run(task), separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    except TaskFailure as failure:
        return Outcome(error=failure.error[:MAX_ERROR], cause=failure.cause[:MAX_CAUSE])
    except Exception as error:
        log.exception("a task of %s failed unexpectedly", task.resource_arn)
        return Outcome(error="States.TaskFailed", cause=f"{type(error).__name__}: {error}"[:MAX_CAUSE])
    return Outcome(output=output)


# ---------------------------------------------------------------- rows

# Statements of every turn of the engine are made once: building one costs more than running it.
_STARTED = tasks.c.status == "STARTED"
_OF_TOKENS = tasks.c.token.in_(bindparam("tokens", expanding=True))
_SCHEDULED = (
    select(tasks).where(tasks.c.status == "SCHEDULED").order_by(tasks.c.created_at).limit(bindparam("most"))
)
_OVERDUE = select(tasks).where(
    _STARTED, or_(tasks.c.timeout_at <= bindparam("now"), tasks.c.heartbeat_due <= bindparam("now"))
)
_NEXT_DUE = select(func.min(tasks.c.timeout_at), func.min(tasks.c.heartbeat_due)).where(_STARTED)
_BY_TOKEN = select(tasks).where(_OF_TOKENS)
_LOCKED = select(tasks.c.token, tasks.c.status, tasks.c.attempt).where(_OF_TOKENS).with_for_update()
_CHANGE = update(tasks).where(tasks.c.token == bindparam("of_token"))
_CHANGING = ("status", "attempt", "owner", "lease_until", "timeout_at", "heartbeat_due")


def scheduled(reading: Reading, limit: int) -> list[TaskRow]:
    """Up to `limit` tasks that nobody has begun, oldest first."""
    return [_task(row) for row in reading.execute(_SCHEDULED, {"most": limit})]


def overdue(reading: Reading, now: float) -> list[TaskRow]:
    """Started tasks whose timeout or heartbeat has passed at `now`."""
    return [_task(row) for row in reading.execute(_OVERDUE, {"now": now})]


def orphaned(reading: Reading, now: float, own: Iterable[str], limit: int) -> list[TaskRow]:
    """Started tasks whose lease is out at `now` (of lease_time), without those that run in this process."""
    left = and_(_STARTED, tasks.c.lease_until <= now, tasks.c.token.not_in(list(own)))
    return [_task(row) for row in reading.execute(select(tasks).where(left).limit(limit))]


def by_token(reading: Reading, tokens: Iterable[str]) -> dict[str, TaskRow]:
    """The tasks of these tokens."""
    return {row.token: _task(row) for row in reading.execute(_BY_TOKEN, {"tokens": list(tokens)})}


def next_due(reading: Reading) -> float | None:
    """When the next started task reaches its timeout or its heartbeat; None where none has one."""
    return min((due for due in reading.execute(_NEXT_DUE).one() if due is not None), default=None)


def still_as_read(tx: Transaction, rows: Iterable[TaskRow]) -> set[str]:
    """The tokens among `rows` whose status and attempt nobody has changed; locked until the commit."""
    expected = {row.token: (row.status, row.attempt) for row in rows}
    if not expected:
        return set()
    found = tx.execute(_LOCKED, {"tokens": list(expected)})
    return {row.token for row in found if expected[row.token] == (row.status, row.attempt)}


def add(tx: Transaction, rows: list[TaskRow]) -> None:
    """Insert tasks."""
    if rows:
        tx.execute(insert(tasks), [_columns(row) for row in rows])


def change(tx: Transaction, rows: list[TaskRow]) -> None:
    """Write status, attempt, lease and due times of tasks."""
    if rows:
        changes = [{name: getattr(row, name) for name in _CHANGING} for row in rows]
        tx.execute(_CHANGE, [{"of_token": row.token, **new} for row, new in zip(rows, changes, strict=True)])


def cancel(tx: Transaction, tokens: list[str]) -> None:
    """End these tasks if they are open: what their runs return later is ignored."""
    if tokens:
        of_token = and_(tasks.c.token == bindparam("of_token"), tasks.c.status.in_(OPEN))
        tx.execute(_cancelling(of_token), [{"of_token": token} for token in tokens])


def cancel_all(tx: Transaction, execution_arns: list[str]) -> None:
    """End every open task of these executions."""
    if execution_arns:
        tx.execute(_cancelling(and_(tasks.c.execution_arn.in_(execution_arns), tasks.c.status.in_(OPEN))))


def renew(tx: Transaction, rows: Iterable[TaskRow], until: float) -> None:
    """Keep the leases of tasks that run here."""
    own = and_(tasks.c.token == bindparam("of_token"), tasks.c.attempt == bindparam("of_attempt"))
    values = [{"of_token": row.token, "of_attempt": row.attempt} for row in rows]
    if values:
        tx.execute(update(tasks).where(own, tasks.c.status == "STARTED").values(lease_until=until), values)


def end_leases(tx: Transaction, now: float) -> None:
    """Give back every lease: for the start of a server that is alone.

    Time without a server is no task's fault: it has its whole time again, so that it is asked again under its
    own token, where a timeout would have the effect a second time under another.
    """
    again = {
        "lease_until": 0.0,
        "timeout_at": now + tasks.c.timeout_seconds,
        "heartbeat_due": now + tasks.c.heartbeat_seconds,
    }
    tx.execute(update(tasks).where(tasks.c.status == "STARTED").values(again))


def _cancelling(where: Any) -> Any:
    return (
        update(tasks)
        .where(where)
        .values(status="CANCELLED", lease_until=None, timeout_at=None, heartbeat_due=None)
    )


def _task(row: Any) -> TaskRow:
    values = row._asdict()
    return TaskRow(id=values.pop("event_id"), **values)


def _columns(row: TaskRow) -> dict[str, Any]:
    values = dict(vars(row))
    return {"event_id": values.pop("id"), **values}
