"""The journal: executions with their snapshots, and their events, which are the truth.

Layer: workflows. SQL only; what an advance contains is made elsewhere, outside of any transaction. Events
are appended, never changed; their ids have no gaps because they are written only together with a snapshot
whose sequence number was still the one that they were computed from.

What a power cut leaves: an advance is there wholly (snapshot, events, tasks, end) or not at all, and what
a reader has seen is on the disk.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import orjson
from sqlalchemy import and_, bindparam, func, insert, or_, select, update

from customlabels.asl import Event, Finish
from customlabels.storage import Reading, Transaction
from customlabels.storage.schema import events, executions
from customlabels.workflows import tasks
from customlabels.workflows.dialects import insert_once
from customlabels.workflows.tasks import TaskRow

TOPIC = "executions"  # something happened to executions or to their tasks
OFFERS = "offers"  # an activity has a new task
ENDS = "ends"  # executions ended


@dataclass(frozen=True)
class Execution:
    """An execution as its owner sees it; times in epoch seconds."""

    arn: str
    machine_arn: str
    name: str
    status: str  # RUNNING | SUCCEEDED | FAILED | TIMED_OUT | ABORTED
    definition: str  # frozen at the start
    role_arn: str
    input: str  # JSON, as given
    started_at: float
    output: str | None = None  # JSON
    error: str | None = None
    cause: str | None = None
    stopped_at: float | None = None
    details: dict[str, Any] = field(default_factory=dict)  # kept for the caller as they are (trace header)
    redrive_count: int = 0
    redriven_at: float | None = None
    is_kept: bool = False  # there is a snapshot to go on from


@dataclass(frozen=True)
class Listed:
    """An execution in a list: without its input and output, which may be large."""

    arn: str
    machine_arn: str
    name: str
    status: str
    started_at: float
    stopped_at: float | None
    details: dict[str, Any]
    redrive_count: int
    redriven_at: float | None


@dataclass(frozen=True)
class Run:
    """A running execution as an advance needs it.

    state: the snapshot, None before the first advance    stopping: a stop to be carried out, JSON
    """

    arn: str
    machine_arn: str
    name: str
    definition: str
    role_arn: str
    input: str
    started_at: float
    seq: int = 0
    state: str | None = None
    stopping: str | None = None


@dataclass
class Advance:
    """What one commit is to bring to a run. Tasks carry the status that they shall have."""

    run: Run
    seq: int
    state: str | None
    ready_at: float | None = None
    events: list[Event] = field(default_factory=list)
    added: list[TaskRow] = field(default_factory=list)
    changed: list[tuple[TaskRow, TaskRow]] = field(default_factory=list)  # as read, as it shall be
    cancelled: list[str] = field(default_factory=list)  # tokens
    end: Finish | None = None

    @property
    def is_whole(self) -> bool:
        """Whether the execution ends as it begins, and without a task: nobody waits for its end."""
        return self.end is not None and self.run.state is None and not self.added


# ---------------------------------------------------------------- writing


def begin(tx: Transaction, first: Advance, details: dict[str, Any]) -> Execution | None:
    """Insert an execution with its first advance; None, and nothing written, where its name is taken."""
    row = vars(first.run) | _advanced(first, first.run.started_at) | {"details": json.dumps(details)}
    if not insert_once(tx, executions, row):
        return None
    _append(tx, [first])
    known = {name: value for name, value in row.items() if name in Execution.__dataclass_fields__}
    return Execution(**known | {"details": details, "is_kept": first.state is not None})


def apply(tx: Transaction, advances: list[Advance], now: float) -> list[Advance]:
    """Write those advances whose runs and tasks are still as they were read; the others must be redone."""
    # Together with their children: whose end is awaited cannot end unseen between here and the commit.
    # First all executions, then all tasks that are to be written, in one order, lest two engines wait for
    # each other.
    awaited = [new.awaits for advance in advances for _read, new in advance.changed if new.awaits]
    cancelled, older = _given_up(advances)
    arns = [advance.run.arn for advance in advances] + awaited + tasks.awaited_by(tx, cancelled, older)
    current = {row.arn: row.seq for row in tx.execute(_LOCKED, {"arns": arns})}
    read = (read for advance in advances for read, _new in advance.changed)
    kept = tasks.still_as_read(tx, read, cancelled, older)
    good = [
        advance
        for advance in advances
        if current.get(advance.run.arn) == advance.run.seq
        and all(read.token in kept for read, _new in advance.changed)
    ]
    if good:
        tx.execute(_ADVANCE, [{"of_arn": a.run.arn} | _advanced(a, now) for a in good])
        _append(tx, good)
    return good


def redrive(tx: Transaction, before: Execution, going_on: str, event: Event) -> bool:
    """Let an ended execution run again from the snapshot `going_on`; False where it is not as it was read."""
    unchanged = and_(
        executions.c.arn == before.arn,
        executions.c.status == before.status,
        executions.c.redrive_count == before.redrive_count,
    )
    running = _advanced(Advance(Run(before.arn, "", "", "", "", "", 0.0), 0, going_on, event.timestamp), 0.0)
    changes = running | {
        "seq": executions.c.seq + 1,
        "redrive_count": before.redrive_count + 1,
        "redriven_at": event.timestamp,
        "stopping": None,
    }
    if not tx.execute(update(executions).where(unchanged).values(changes)).rowcount:
        return False
    tx.execute(insert(events), [_event_values(before.arn, event)])
    tx.notify(TOPIC)
    return True


def kept_state(reading: Reading, arn: str) -> str | None:
    """The snapshot of an execution."""
    state: str | None = reading.execute(
        select(executions.c.state).where(executions.c.arn == arn)
    ).scalar_one_or_none()
    return state


def _append(tx: Transaction, advances: list[Advance]) -> None:
    """Write the events and tasks of advances whose snapshots have just been written."""
    happened = [_event_values(advance.run.arn, event) for advance in advances for event in advance.events]
    if happened:
        tx.execute(insert(events), happened)
    tasks.add(tx, [row for advance in advances for row in advance.added])
    tasks.change(tx, [new for advance in advances for _read, new in advance.changed])
    cancelled, older = _given_up(advances)
    stop(tx, tasks.awaited_by(tx, cancelled, older))
    tasks.give_up(tx, cancelled, older)
    if any(row.status == "OFFERED" for advance in advances for row in advance.added):
        tx.notify(OFFERS)
    # Whoever began one that is over with its first advance knows it; of a map run's children it does not.
    noticed = [advance for advance in advances if not advance.is_whole or "/" in advance.run.machine_arn]
    if any(advance.end for advance in noticed):
        tx.notify(ENDS)
    if noticed:
        tx.notify(TOPIC)


def _given_up(advances: list[Advance]) -> tuple[list[str], list[str]]:
    """Tokens of the tasks, and executions all of whose tasks, nobody wants any more."""
    cancelled = [token for advance in advances for token in advance.cancelled]
    return cancelled, [advance.run.arn for advance in advances if advance.end and not advance.is_whole]


def stop(tx: Transaction, arns: list[str]) -> None:
    """Have the engine stop executions that nobody waits for any more.

    Their number goes up, so that an advance which does not know of the stop is made again.
    """
    if arns:
        running = and_(executions.c.arn.in_(arns), executions.c.status == "RUNNING")
        tx.execute(
            update(executions).where(running).values(seq=executions.c.seq + 1, ready_at=0, stopping="{}")
        )


_ADVANCE = update(executions).where(executions.c.arn == bindparam("of_arn"))
_AMONG = executions.c.arn.in_(bindparam("arns", expanding=True))
_LOCKED = (
    select(executions.c.arn, executions.c.seq)
    .where(_AMONG, executions.c.status == "RUNNING")
    .order_by(executions.c.arn)
    .with_for_update()
)


def _advanced(advance: Advance, now: float) -> dict[str, Any]:
    end = advance.end or Finish("RUNNING")
    return {
        "seq": advance.seq,
        "state": advance.state,
        "ready_at": None if advance.end else advance.ready_at,
        "status": end.status,
        "output": end.output,
        "error": end.error,
        "cause": end.cause,
        "stopped_at": now if advance.end else None,
    }


def _event_values(arn: str, event: Event) -> dict[str, Any]:
    return {
        "execution_arn": arn,
        "id": event.id,
        "previous_id": event.previous_id,
        "at": event.timestamp,
        "type": event.type,
        "details": _details_text(event.details),
    }


def _details_text(details: Any) -> str:
    try:
        return orjson.dumps(details).decode()  # a tenth of json's time, and there are thousands of them
    except TypeError:  # a number of over 64 bits, half a surrogate pair
        return json.dumps(details, separators=(",", ":"))


# ---------------------------------------------------------------- reading

# Statements of every turn of the engine are made once: building one costs more than running it.
# Only running executions have a ready_at, so the status need not be asked (and its index not be chosen).
_DUE = (
    select(executions.c.arn)
    .where(executions.c.ready_at <= bindparam("now"))
    .order_by(executions.c.ready_at)
    .limit(bindparam("most"))
)
_NEXT_READY = select(func.min(executions.c.ready_at))
_RUNS = select(*(executions.c[name] for name in Run.__dataclass_fields__)).where(
    _AMONG, executions.c.status == "RUNNING"
)
_DESCRIBED = select(
    *(executions.c[name] for name in Execution.__dataclass_fields__ if name != "is_kept"),
    executions.c.state.is_not(None).label("is_kept"),
).where(executions.c.arn == bindparam("arn"))


def due(reading: Reading, now: float, limit: int) -> list[str]:
    """The ARNs of up to `limit` executions that have something to do at `now`, longest due first."""
    return list(reading.execute(_DUE, {"now": now, "most": limit}).scalars())


def next_ready(reading: Reading) -> float | None:
    """When the next execution has something to do; None where all of them wait for tasks."""
    ready_at: float | None = reading.execute(_NEXT_READY).scalar_one()
    return ready_at


def running(reading: Reading, arns: Iterable[str]) -> dict[str, Run]:
    """Those of the executions that are running."""
    chosen = list(arns)
    return (
        {row.arn: Run(**row._asdict()) for row in reading.execute(_RUNS, {"arns": chosen})} if chosen else {}
    )


def count_running(reading: Reading) -> int:
    """How many executions have not ended."""
    return int(reading.execute(select(func.count()).where(executions.c.status == "RUNNING")).scalar_one())


def find(reading: Reading, arn: str) -> Execution | None:
    """The execution `arn`."""
    row = reading.execute(_DESCRIBED, {"arn": arn}).first()
    return None if row is None else Execution(**{**row._asdict(), "details": json.loads(row.details)})


def details(reading: Reading, arn: str) -> dict[str, Any]:
    """What is kept for the caller of the execution `arn`; empty where there is no such execution."""
    text = reading.execute(select(executions.c.details).where(executions.c.arn == arn)).scalar()
    found: dict[str, Any] = {} if text is None else json.loads(text)
    return found


def newest(
    reading: Reading,
    machine_arn: str,
    status: str | None,
    limit: int,
    after: tuple[float, str] | None,
    via: str | None,
    redriven: bool | None,
) -> list[Listed]:
    """Up to `limit` executions of a machine, newest first, from `after` (started_at, arn) on.

    via: only those started by this version, alias or map run    redriven: only those that were, or were not
    """
    columns = [executions.c[name] for name in Listed.__dataclass_fields__]
    chosen = select(*columns).where(executions.c.machine_arn == machine_arn)
    if status is not None:
        chosen = chosen.where(executions.c.status == status)
    if via is not None:
        chosen = chosen.where(executions.c.details.contains(json.dumps(via), autoescape=True))
    if redriven is not None:
        chosen = chosen.where(executions.c.redrive_count > 0 if redriven else executions.c.redrive_count == 0)
    if after is not None:
        same_time = and_(executions.c.started_at == after[0], executions.c.arn > after[1])
        chosen = chosen.where(or_(executions.c.started_at < after[0], same_time))
    ordered = chosen.order_by(executions.c.started_at.desc(), executions.c.arn).limit(limit)
    rows = reading.execute(ordered)
    return [Listed(**{**row._asdict(), "details": json.loads(row.details)}) for row in rows]


def history(reading: Reading, arn: str, limit: int, after: int | None, reverse: bool) -> list[Event]:
    """Up to `limit` events of an execution from `after` (an id, left out) on, in the order asked for."""
    chosen = select(events).where(events.c.execution_arn == arn)
    if after is not None:
        chosen = chosen.where(events.c.id < after if reverse else events.c.id > after)
    ordered = chosen.order_by(events.c.id.desc() if reverse else events.c.id).limit(limit)
    return [
        Event(row.id, row.previous_id, row.type, row.at, json.loads(row.details))
        for row in reading.execute(ordered)
    ]


def last_event_id(reading: Reading, arn: str) -> int:
    """The id of the newest event of an execution, 0 where it has none."""
    newest_id = select(func.max(events.c.id)).where(events.c.execution_arn == arn)
    return reading.execute(newest_id).scalar_one() or 0
