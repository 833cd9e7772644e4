"""Tasks: what an execution asks of the outside, as leased rows.

Layer: workflows. SQL only. A task is scheduled, started and ended in commits that also carry its events, so
that history and rows never disagree.

A task that ends elsewhere (a callback, an execution that it started, an activity) is a row without a lease
while it waits: it costs no thread. Whoever ends it writes the answer into the row; the engine does the rest.

What a power cut leaves: a scheduled task waits for the next server; a started one has a lease, and when
that is out it is run again under the same token. To the States Language that is the same attempt: no
event, no Retry. A result that was not committed is lost, and asked for again. An answer that was accepted
is in its row, whatever its task was doing then.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Any, Self

from sqlalchemy import Row, and_, bindparam, case, exists, func, insert, or_, select, update

from customlabels.storage import Reading, Transaction
from customlabels.storage.schema import executions, tasks
from customlabels.workflows.task_runs import TaskRequest

OPEN = ("SCHEDULED", "OFFERED", "STARTED", "WAITING", "ANSWERED")


@dataclass(frozen=True)
class TaskRow:
    """A task as stored. event_id: the interpreter's name of it; times are epoch seconds, None is never."""

    token: str
    execution_arn: str
    event_id: int
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
    answer: str | None = None  # JSON: what came from outside, members of Outcome
    awaits: str | None = None  # the execution whose end is the answer

    def begun(self, status: str, now: float, owner: str | None, lease_until: float | None) -> Self:
        """The same task, begun at `now`: its time runs from here on."""
        timeout, heartbeat = self.timeout_seconds, self.heartbeat_seconds
        return replace(
            self,
            status=status,
            attempt=self.attempt + 1,
            owner=owner,
            lease_until=lease_until,
            timeout_at=None if timeout is None else now + timeout,
            heartbeat_due=None if heartbeat is None else now + heartbeat,
        )

    def waiting(self, awaits: str | None, now: float) -> Self:
        """The same task, which nobody here works on any more."""
        heartbeat = None if self.heartbeat_seconds is None else now + self.heartbeat_seconds
        return replace(
            self, status="WAITING", owner=None, lease_until=None, heartbeat_due=heartbeat, awaits=awaits
        )

    def ended(self, status: str) -> Self:
        """The same task, which is over."""
        return replace(self, status=status, lease_until=None, timeout_at=None, heartbeat_due=None)

    def request(self) -> TaskRequest:
        """What the runner is asked."""
        _arn, _aws, _states, region, account, *_names = self.execution_arn.split(":")
        parameters, timeout = json.loads(self.parameters), self.timeout_seconds
        return TaskRequest(
            self.resource, parameters, self.token, account, region, timeout, self.execution_arn, self.attempt
        )


def token_of(execution_arn: str, task_id: int) -> str:
    """The token of a task: the same in every run of it, and no other task's (64 hexadecimal digits)."""
    return hashlib.sha256(f"{execution_arn} task {task_id}".encode()).hexdigest()


def is_activity(resource: str) -> bool:
    """Whether workers of the user's ask for the tasks of this resource."""
    return ":activity:" in resource


def takes_answers(resource: str) -> bool:
    """Whether a task of this resource ends by its token."""
    return resource.endswith(".waitForTaskToken") or is_activity(resource)


# ---------------------------------------------------------------- rows

# Statements of every turn of the engine are made once: building one costs more than running it.
_STARTED = tasks.c.status == "STARTED"
_TIMED = tasks.c.status.in_(("STARTED", "WAITING")) & tasks.c.answer.is_(None)
_OF_TOKENS = tasks.c.token.in_(bindparam("tokens", expanding=True))
_OF_STATUS = (
    select(tasks)
    .where(tasks.c.status == bindparam("status"))
    .order_by(tasks.c.created_at)
    .limit(bindparam("most"))
)
# By the two indexes; few rows are due, and with the status in it SQLite would read all that wait.
_OVERDUE = select(tasks).where(
    or_(tasks.c.timeout_at <= bindparam("now"), tasks.c.heartbeat_due <= bindparam("now"))
)
# Tasks that are over have neither; each is asked for by itself, as the first of its index.
_NEXT_DUE = select(
    select(func.min(tasks.c.timeout_at)).scalar_subquery(),
    select(func.min(tasks.c.heartbeat_due)).scalar_subquery(),
)
_BY_TOKEN = select(tasks).where(_OF_TOKENS)
_FENCE = ("status", "attempt", "answer")
_FENCED = select(tasks.c.token, *(tasks.c[name] for name in _FENCE)).order_by(tasks.c.token).with_for_update()
_LOCKED = _FENCED.where(_OF_TOKENS)
_CHANGE = update(tasks).where(tasks.c.token == bindparam("of_token"))
_CHANGING = ("status", "attempt", "owner", "lease_until", "timeout_at", "heartbeat_due", "awaits")
_ENDED_CHILD = exists().where(executions.c.arn == tasks.c.awaits, executions.c.status != "RUNNING")
_ANSWER = update(tasks).where(
    _OF_TOKENS, tasks.c.status == "WAITING", or_(tasks.c.answer.is_not(None), _ENDED_CHILD)
)
_OF_EXECUTIONS = tasks.c.execution_arn.in_(bindparam("arns", expanding=True))
_GIVEN_UP = {"status": "CANCELLED", "lease_until": None, "timeout_at": None, "heartbeat_due": None}
_CANCEL = update(tasks).where(_OF_TOKENS, tasks.c.status.in_(OPEN)).values(_GIVEN_UP)
_CANCEL_ALL = update(tasks).where(_OF_EXECUTIONS, tasks.c.status.in_(OPEN)).values(_GIVEN_UP)
_WAITING = tasks.c.status == "WAITING"
_AWAITING = tasks.c.awaits.in_(bindparam("arns", expanding=True)) & _WAITING
_AWAITED = select(tasks.c.awaits).where(
    or_(_OF_TOKENS, _OF_EXECUTIONS), _WAITING, tasks.c.awaits.is_not(None)
)
_LOCKED_WITH_ENDS = _FENCED.where(
    or_(
        _OF_TOKENS,
        _OF_EXECUTIONS & tasks.c.status.in_(OPEN),
        _AWAITING,
    )
)
_END_AWAITING = update(tasks).where(_AWAITING).values(status="ANSWERED")


def of_status(reading: Reading, status: str, limit: int) -> list[TaskRow]:
    """Up to `limit` tasks of this status, oldest first."""
    return list(map(_task, reading.execute(_OF_STATUS, {"status": status, "most": limit})))


def offered(reading: Reading, activity_arn: str) -> TaskRow | None:
    """The oldest task that waits for a worker of the activity."""
    of_activity = and_(tasks.c.resource == activity_arn, tasks.c.status == "OFFERED")
    row = reading.execute(select(tasks).where(of_activity).order_by(tasks.c.created_at).limit(1)).first()
    return None if row is None else _task(row)


def overdue(reading: Reading, now: float) -> list[TaskRow]:
    """Tasks under way whose timeout or heartbeat has passed at `now`, before an answer came."""
    due = map(_task, reading.execute(_OVERDUE, {"now": now}))
    return [task for task in due if task.status in ("STARTED", "WAITING") and task.answer is None]


def orphaned(reading: Reading, now: float, own: Iterable[str], limit: int) -> list[TaskRow]:
    """Started tasks whose lease is out at `now` (of lease_time), without those that run in this process."""
    left = and_(_STARTED, tasks.c.lease_until <= now, tasks.c.token.not_in(list(own)))
    return list(map(_task, reading.execute(select(tasks).where(left).limit(limit))))


def by_token(reading: Reading, tokens: Iterable[str]) -> dict[str, TaskRow]:
    """The tasks of these tokens."""
    return {row.token: _task(row) for row in reading.execute(_BY_TOKEN, {"tokens": list(tokens)})}


def next_due(reading: Reading) -> float | None:
    """When the next task under way reaches its timeout or its heartbeat; None where none has one."""
    return min((due for due in reading.execute(_NEXT_DUE).one() if due is not None), default=None)


def still_as_read(
    tx: Transaction, rows: Iterable[TaskRow], others: Iterable[str] = (), ending: Sequence[str] = ()
) -> set[str]:
    """The tokens among `rows` whose status, attempt and answer are as read; locked until the commit.

    others: tokens of tasks to be locked besides    ending: executions whose open tasks are, with those that
    await them
    """
    expected = {row.token: tuple(getattr(row, name) for name in _FENCE) for row in rows}
    tokens = [*expected, *others]
    if not tokens and not ending:
        return set()
    locked = _LOCKED_WITH_ENDS if ending and tx.dialect != "sqlite" else _LOCKED  # SQLite has one writer
    found = tx.execute(locked, {"tokens": tokens, "arns": ending})
    return {token for token, *fence in found if expected.get(token) == tuple(fence)}


def is_held(tx: Transaction, request: TaskRequest) -> bool:
    """Whether this run of the task is still its only one; if so, nobody takes it over until the commit."""
    this = and_(tasks.c.token == request.token, tasks.c.attempt == request.attempt, _STARTED)
    return tx.execute(select(tasks.c.token).where(this).with_for_update()).first() is not None


def add(tx: Transaction, rows: list[TaskRow]) -> None:
    """Insert tasks."""
    if rows:
        tx.execute(insert(tasks), [vars(row) for row in rows])


def change(tx: Transaction, rows: list[TaskRow]) -> None:
    """Write status, attempt, lease, due times and awaited execution of tasks.

    One that begins to wait may have its answer already: a callback can be quicker than the call's own
    result, and the awaited execution may be over. `journal` holds the lock of the latter.
    """
    if rows:
        changes = [{name: getattr(row, name) for name in _CHANGING} for row in rows]
        tx.execute(_CHANGE, [{"of_token": row.token, **new} for row, new in zip(rows, changes, strict=True)])
        waiting = [row.token for row in rows if row.status == "WAITING"]
        if waiting:
            tx.execute(_ANSWER.values(status="ANSWERED"), {"tokens": waiting})


def answer(tx: Transaction, row: TaskRow, text: str) -> bool:
    """Write an answer from outside, the first one only; whether the task could still take it."""
    ended = case((tasks.c.status == "WAITING", "ANSWERED"), else_=tasks.c.status)
    open_row = and_(
        tasks.c.token == row.token, tasks.c.status.in_(("STARTED", "WAITING")), tasks.c.answer.is_(None)
    )
    return tx.execute(update(tasks).where(open_row).values(answer=text, status=ended)).rowcount == 1


def heard_of(tx: Transaction, row: TaskRow, now: float) -> bool:
    """Note a sign of life at `now`; whether the task is still under way."""
    due = now + tasks.c.heartbeat_seconds
    under_way = update(tasks).where(tasks.c.token == row.token, _TIMED)
    return tx.execute(under_way.values(heartbeat_due=due)).rowcount == 1


def awaited_by(tx: Transaction, tokens: list[str], execution_arns: list[str]) -> list[str]:
    """The executions that open tasks among `tokens`, or of these executions, wait for."""
    if not tokens and not execution_arns:
        return []
    return list(tx.execute(_AWAITED, {"tokens": tokens, "arns": execution_arns}).scalars())


def give_up(tx: Transaction, tokens: list[str], ended: list[str]) -> None:
    """End these tasks and those of executions that ended, if open; answer those that wait for such an end.

    What their runs return later is ignored.
    """
    if tokens:
        tx.execute(_CANCEL, {"tokens": tokens})
    if ended:
        tx.execute(_CANCEL_ALL, {"arns": ended})
        tx.execute(_END_AWAITING, {"arns": ended})


def renew(tx: Transaction, rows: Iterable[TaskRow], until: float) -> None:
    """Keep the leases of tasks that run here."""
    own = and_(tasks.c.token == bindparam("of_token"), tasks.c.attempt == bindparam("of_attempt"))
    # One order for all processes, so that none waits for another in a circle.
    ordered = sorted(rows, key=attrgetter("token"))
    values = [{"of_token": row.token, "of_attempt": row.attempt} for row in ordered]
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
    tx.execute(update(tasks).where(_STARTED).values(again))
    # Who works elsewhere could not be heard meanwhile; its time as a whole has passed all the same.
    heard = {"heartbeat_due": again["heartbeat_due"]}
    tx.execute(update(tasks).where(tasks.c.status == "WAITING").values(heard))


def _task(row: Row[Any]) -> TaskRow:
    return TaskRow(**row._asdict())
