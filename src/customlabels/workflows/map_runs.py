"""Map runs: a distributed Map under way, and its children, as rows.

Layer: workflows. SQL only. A map run is read (its children are staged with their inputs), runs, and ends;
the task that waits for it is answered in the transaction that ends it.

What a power cut leaves: while it is read, rows that the next reading removes; afterwards each child is
staged, or started together with its row, never twice.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, bindparam, delete, func, insert, select, update

from customlabels.storage import Reading, Transaction
from customlabels.storage.schema import executions, map_children, map_runs
from customlabels.workflows.dialects import insert_once

TOPIC = "map runs"
READING, RUNNING = "READING", "RUNNING"
BAD = ("FAILED", "TIMED_OUT", "ABORTED")


@dataclass(frozen=True)
class MapRun:
    """One map run; times in epoch seconds. plan: as the interpreter made it, without items."""

    arn: str
    execution_arn: str
    token: str
    plan: dict[str, Any]
    status: str  # READING | RUNNING | SUCCEEDED | FAILED | ABORTED
    max_concurrency: int
    tolerated_count: int | None
    tolerated_percentage: float | None
    started_at: float
    stopped_at: float | None = None

    def limits(self) -> dict[str, Any]:
        """The failures that it tolerates, under the plan's names."""
        return {
            "ToleratedCount": self.tolerated_count,
            "ToleratedPercentage": self.tolerated_percentage,
        }


@dataclass(frozen=True)
class Child:
    """A child to be started."""

    position: int
    input: str
    execution_arn: str


@dataclass(frozen=True)
class Tally:
    """How many children, and items in them, have which status."""

    children: dict[str, int]
    items: dict[str, int]

    def failed(self) -> int:
        """Items whose child ended badly."""
        return sum(self.items.get(status, 0) for status in BAD)

    def open(self) -> int:
        """Children that have not ended."""
        return self.children.get("PENDING", 0) + self.children.get(RUNNING, 0)


def begin(tx: Transaction, run: MapRun) -> MapRun:
    """Write a new map run; the one of the same token is given back as it is."""
    insert_once(tx, map_runs, vars(run) | {"plan": json.dumps(run.plan)})
    found = _one(tx, map_runs.c.token == run.token)
    assert found is not None
    return found


def clear(tx: Transaction, arn: str) -> None:
    """Remove what an earlier reading staged."""
    tx.execute(delete(map_children).where(map_children.c.map_run_arn == arn))


def stage(tx: Transaction, arn: str, first: int, children: Iterable[tuple[int, str, str]]) -> None:
    """Add children from number `first` on: items in them, input, and the ARN that they will have."""
    rows = [
        {
            "map_run_arn": arn,
            "position": position,
            "items": items,
            "input": text,
            "status": "PENDING",
            "execution_arn": execution_arn,
        }
        for position, (items, text, execution_arn) in enumerate(children, first)
    ]
    if rows:
        tx.execute(insert(map_children), rows)


def change(tx: Transaction, arn: str, was: str, **values: Any) -> bool:
    """Change a map run that has the status `was`; whether it had it."""
    tx.notify(TOPIC)
    of_run = and_(map_runs.c.arn == arn, map_runs.c.status == was)
    return tx.execute(update(map_runs).where(of_run).values(values)).rowcount == 1


def locked(tx: Transaction, arn: str) -> MapRun | None:
    """The map run while it runs, locked until the commit."""
    of_run = and_(map_runs.c.arn == arn, map_runs.c.status == RUNNING)
    row = tx.execute(select(map_runs).where(of_run).with_for_update()).first()
    return None if row is None else _run(row)


def note_ends(tx: Transaction, arn: str) -> None:
    """Give children whose executions have ended the status of these."""
    ended = (
        select(executions.c.status)
        .where(executions.c.arn == map_children.c.execution_arn, executions.c.status != RUNNING)
        .scalar_subquery()
    )
    running = and_(map_children.c.map_run_arn == arn, map_children.c.status == RUNNING)
    tx.execute(update(map_children).where(running, ended.is_not(None)).values(status=ended))


_MARK = update(map_children).where(
    map_children.c.map_run_arn == bindparam("of_run"),
    map_children.c.position == bindparam("of_position"),
    map_children.c.status == "PENDING",
)


def mark_started(tx: Transaction, arn: str, child: Child) -> bool:
    """Note that a child runs; whether it was pending."""
    marked = tx.execute(_MARK.values(status=RUNNING), {"of_run": arn, "of_position": child.position})
    return marked.rowcount == 1


def abort_rest(tx: Transaction, arn: str) -> list[str]:
    """Give up the children that have not ended; the executions to be stopped."""
    of_run = map_children.c.map_run_arn == arn
    running = select(map_children.c.execution_arn).where(of_run, map_children.c.status == RUNNING)
    stopped = list(tx.execute(running).scalars())
    given_up = map_children.c.status.in_(("PENDING", RUNNING))
    tx.execute(update(map_children).where(of_run, given_up).values(status="ABORTED"))
    return stopped


# ---------------------------------------------------------------- reading


def active(reading: Reading) -> list[str]:
    """The ARNs of map runs that run."""
    return list(reading.execute(select(map_runs.c.arn).where(map_runs.c.status == RUNNING)).scalars())


def find(reading: Reading, arn: str) -> MapRun | None:
    """The map run `arn`."""
    return _one(reading, map_runs.c.arn == arn)


def of_execution(reading: Reading, arn: str, limit: int, after: tuple[float, str] | None) -> list[MapRun]:
    """Up to `limit` map runs of an execution, newest first, from `after` (started_at, arn) on."""
    chosen = select(map_runs).where(map_runs.c.execution_arn == arn)
    if after is not None:
        earlier = map_runs.c.started_at < after[0]
        same = and_(map_runs.c.started_at == after[0], map_runs.c.arn > after[1])
        chosen = chosen.where(earlier | same)
    ordered = chosen.order_by(map_runs.c.started_at.desc(), map_runs.c.arn).limit(limit)
    return [_run(row) for row in reading.execute(ordered)]


def tally(reading: Reading, arn: str) -> Tally:
    """Children and items of a map run by status."""
    counted = (
        select(map_children.c.status, func.count(), func.sum(map_children.c["items"]))
        .where(map_children.c.map_run_arn == arn)
        .group_by(map_children.c.status)
    )
    rows = reading.execute(counted).all()
    return Tally({status: int(n) for status, n, _ in rows}, {status: int(n) for status, _, n in rows})


def pending(reading: Reading, arn: str, limit: int) -> list[Child]:
    """Up to `limit` children that wait for their start, in order."""
    waiting = and_(map_children.c.map_run_arn == arn, map_children.c.status == "PENDING")
    columns = (map_children.c.position, map_children.c.input, map_children.c.execution_arn)
    rows = reading.execute(select(*columns).where(waiting).order_by(map_children.c.position).limit(limit))
    return [Child(*row) for row in rows]


def results(reading: Reading, arn: str) -> Iterable[Any]:
    """The executions of the children, in order: rows with arn, status, input, output and the rest."""
    joined = map_children.join(executions, executions.c.arn == map_children.c.execution_arn)
    chosen = select(executions).select_from(joined).where(map_children.c.map_run_arn == arn)
    return reading.execute(chosen.order_by(map_children.c.position))


def _one(reading: Reading, where: Any) -> MapRun | None:
    row = reading.execute(select(map_runs).where(where)).first()
    return None if row is None else _run(row)


def _run(row: Any) -> MapRun:
    return MapRun(**{**row._asdict(), "plan": json.loads(row.plan)})
