"""Carrying out map runs: one thread that starts their children, and the reading of their items.

Layer: workflows. A map run costs no thread while it runs: its children are executions like any other, and
each turn looks at what has ended, starts as many as there is room for, and ends the map run with the answer
to the task that waits for it.

What a power cut leaves: a map run that is being read is read again under the same task; one that runs goes
on with the next turn, since a child and the note that it runs are one transaction.
"""

import json
import logging
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

from customlabels.asl import EXCEEDED, MAP_RUN, Failure, Rules, batched, child_inputs, exceeds, reader_failed
from customlabels.errors import InvalidInput
from customlabels.storage import Objects, Records, StorageError, Transaction
from customlabels.workflows import item_sources, journal, map_runs, results, tasks
from customlabels.workflows.activities import rules_for
from customlabels.workflows.advancing import Advancing, first_happening, machine_of, read_snapshot
from customlabels.workflows.dialects import Clock
from customlabels.workflows.journal import Listed, Run
from customlabels.workflows.map_runs import Child, MapRun, Tally
from customlabels.workflows.task_runs import Submitted, TaskFailure, TaskRequest, TaskRunner

log = logging.getLogger(__name__)

AT_ONCE = 200  # children staged in one transaction
STARTS = 25  # children started in one transaction
MOST_CHILDREN = 10_000  # at once, where the state sets no limit
POLL_SECONDS = 1.0  # between two looks at map runs that run: not all that concerns them rings


class MapRunner:
    """A TaskRunner that knows map runs, and hands every other task on."""

    def __init__(self, runs: "MapRuns", others: TaskRunner) -> None:
        self._runs, self._others = runs, others

    def run(self, task: TaskRequest) -> Any:
        """The task's result, or Submitted for a map run. Raises TaskFailure."""
        return self._runs.begin(task) if task.resource_arn == MAP_RUN else self._others.run(task)


class MapRuns:
    """The map runs of a database, from `start` to `close`."""

    def __init__(
        self,
        records: Records,
        objects: Objects,
        rules: Rules,
        clock: Clock,
        may_use: Callable[[str, str], bool] = lambda _account, _bucket: True,
        quiet_seconds: float = POLL_SECONDS,
    ) -> None:
        """objects: where items come from and results go    may_use: whether an account may use a bucket

        quiet_seconds: between two looks while no map run runs
        """
        self._records, self._objects, self._may_use = records, objects, may_use
        self._quiet_seconds = quiet_seconds
        self._rules, self._clock = rules, clock
        self._bell, self._closing = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._loop, name="map runs", daemon=True)

    def start(self) -> None:
        """Begin to carry out map runs."""
        for topic in (map_runs.TOPIC, journal.ENDS):
            self._records.subscribe(topic, self._bell.set)
        self._thread.start()

    def close(self) -> None:
        """Stop; what is under way goes on at the next start."""
        self._closing.set()
        self._bell.set()
        if self._thread.is_alive():
            self._thread.join()

    # ------------------------------------------------------------ what others ask

    def find(self, arn: str) -> MapRun | None:
        """The map run `arn`."""
        with self._records.read() as reading:
            return map_runs.find(reading, arn)

    def of_execution(self, arn: str, limit: int, after: tuple[float, str] | None) -> list[MapRun]:
        """Up to `limit` map runs of an execution, newest first, from `after` (started_at, arn) on."""
        with self._records.read() as reading:
            return map_runs.of_execution(reading, arn, limit, after)

    def tally(self, arn: str) -> Tally:
        """How many children, and items in them, have which status."""
        with self._records.read() as reading:
            return map_runs.tally(reading, arn)

    def children(
        self, run: MapRun, status: str | None, limit: int, after: tuple[float, str] | None
    ) -> list[Listed]:
        """Up to `limit` executions of a map run, newest first."""
        with self._records.read() as reading:
            return journal.newest(reading, run.plan["MachineArn"], status, limit, after, run.arn, None)

    def update(self, arn: str, limits: dict[str, Any]) -> bool:
        """Change max_concurrency, tolerated_count or tolerated_percentage; whether the map run runs."""
        with self._records.write() as tx:
            return map_runs.change(tx, arn, map_runs.RUNNING, **limits)

    # ------------------------------------------------------------ the task: reading

    def begin(self, task: TaskRequest) -> Submitted:
        """Stage the children of a task's map run, and let it run. Raises TaskFailure."""
        plan = dict(task.parameters)
        items = plan.pop("Items")
        with self._reading(task) as tx:
            limits = plan["MaxConcurrency"], plan["ToleratedCount"], plan["ToleratedPercentage"]
            new = MapRun(
                plan["Arn"], task.execution_arn, task.token, plan, map_runs.READING, *limits, self._clock()
            )
            run = map_runs.begin(tx, new)
            if run.status != map_runs.READING:
                return Submitted(None)
            map_runs.clear(tx, run.arn)
        try:
            self._require_buckets(plan, task.account)
            found = item_sources.read(self._objects, plan) if items is None else iter(items)
            self._stage(run, task, found)
        except (Failure, InvalidInput, StorageError) as error:
            failure = error if isinstance(error, Failure) else reader_failed(str(error))
            with self._reading(task) as tx:
                map_runs.change(tx, run.arn, map_runs.READING, status="FAILED", stopped_at=self._clock())
            raise TaskFailure(failure.error or "States.Runtime", failure.cause or "") from error
        with self._reading(task) as tx:
            map_runs.change(tx, run.arn, map_runs.READING, status=map_runs.RUNNING)
        return Submitted(None)

    @contextmanager
    def _reading(self, task: TaskRequest) -> Iterator[Transaction]:
        """A transaction of whoever reads the items; TaskFailure for a server that was silent for too long.

        Its lease is out, and another one stages the same children from the first one on.
        """
        with self._records.write() as tx:
            if not tasks.is_held(tx, task):
                raise TaskFailure(
                    "States.TaskFailed", "the items are read by another server, or not any more"
                )
            yield tx

    def _require_buckets(self, plan: dict[str, Any], account: str) -> None:
        for role, error in (("Reader", "States.ItemReaderFailed"), ("Writer", "States.ResultWriterFailed")):
            bucket = ((plan[role] or {}).get("Parameters") or {}).get("Bucket")
            if bucket is not None and not self._may_use(account, bucket):
                raise Failure(error, f"account {account} may not use bucket {bucket}")

    def _stage(self, run: MapRun, task: TaskRequest, items: Iterator[Any]) -> None:
        inputs: Iterator[str] = self._inputs(run, task, items)
        batch = run.plan["Batch"]
        counted = batched(inputs, batch) if batch else ((1, text) for text in inputs)
        machine_arn = run.plan["MachineArn"].replace(":stateMachine:", ":execution:", 1)
        first = 0
        while part := list(islice(counted, AT_ONCE)):
            names = (uuid.uuid5(uuid.NAMESPACE_URL, f"{run.arn} {first + n}") for n in range(len(part)))
            children = [
                (n, text, f"{machine_arn}:{name}") for (n, text), name in zip(part, names, strict=True)
            ]
            with self._reading(task) as tx:
                map_runs.stage(tx, run.arn, first, children)
            first += len(part)

    def _inputs(self, run: MapRun, task: TaskRequest, items: Iterator[Any]) -> Iterator[str]:
        with self._records.read() as reading:
            parent = journal.running(reading, [task.execution_arn]).get(task.execution_arn)
            row = tasks.by_token(reading, [task.token]).get(task.token)
        if parent is None or parent.state is None or row is None:
            return  # it was stopped meanwhile
        machine, snapshot = machine_of(parent.definition), read_snapshot(parent.state)
        first = 0
        while part := list(islice(items, AT_ONCE)):
            seed = f"{run.arn} {first}"
            yield from child_inputs(machine, snapshot, row.event_id, first, part, self._clock(), seed)
            first += len(part)

    # ------------------------------------------------------------ the thread: running

    def _loop(self) -> None:
        while not self._closing.is_set():
            self._bell.clear()
            busy, pause = False, POLL_SECONDS
            try:
                with self._records.read() as reading:
                    active = map_runs.active(reading)
                for arn in active:
                    busy |= self._turn(arn)
                pause = POLL_SECONDS if active else self._quiet_seconds
            except Exception:
                # A full disk, a lost connection: nothing was written, so the same turn is tried again.
                log.exception("a turn of the map runs failed; it is tried again")
            if not busy:
                self._bell.wait(pause)

    def _turn(self, arn: str) -> bool:
        """Bring one map run forward; whether there may be more to do at once."""
        now = self._clock()
        with self._records.read() as reading:
            waiting = map_runs.pending(reading, arn, STARTS)
            run = map_runs.find(reading, arn)
            parent = journal.find(reading, run.execution_arn) if run else None
        if run is None or parent is None:
            return False
        ready = [(child, self._first_advance(run, parent, child, now)) for child in waiting]
        with self._records.write() as tx:
            locked = map_runs.locked(tx, arn)
            if locked is None:
                return False
            map_runs.note_ends(tx, arn)
            task = tasks.by_token(tx, [locked.token]).get(locked.token)
            if task is None or task.status not in tasks.OPEN:  # it was given up
                self._end(tx, locked, "ABORTED", now)
                return False
            tally = map_runs.tally(tx, arn)
            if exceeds(tally.failed(), sum(tally.items.values()), locked.limits()):
                error, cause = EXCEEDED
                self._end(tx, locked, "FAILED", now, {"error": error, "cause": cause})
                return False
            room = (locked.max_concurrency or MOST_CHILDREN) - tally.children.get(map_runs.RUNNING, 0)
            begun = 0
            for child, advance in ready[: max(room, 0)]:
                if map_runs.mark_started(tx, arn, child):
                    begun += journal.begin(tx, advance, {"mapRunArn": arn}) is not None
            is_over = not tally.open()
        if is_over:
            self._finish(run)
        return begun == STARTS

    def _first_advance(
        self, run: MapRun, parent: journal.Execution, child: Child, now: float
    ) -> journal.Advance:
        name, machine = child.execution_arn.rpartition(":")[2], run.plan["MachineArn"]
        definition = run.plan["Definition"]
        started = Run(child.execution_arn, machine, name, definition, parent.role_arn, child.input, now)
        advancing = Advancing(started, now, rules_for(self._records, self._rules, definition))
        advancing.feed(first_happening(started))
        return advancing.result()

    def _end(
        self, tx: Transaction, run: MapRun, status: str, now: float, told: dict[str, Any] | None = None
    ) -> None:
        """End a map run, and whatever of it still runs; told: the answer to the task, members of Outcome."""
        journal.stop(tx, map_runs.abort_rest(tx, run.arn))
        map_runs.change(tx, run.arn, map_runs.RUNNING, status=status, stopped_at=now)
        task = tasks.by_token(tx, [run.token]).get(run.token)
        if told is not None and task is not None:
            tasks.answer(tx, task, json.dumps(told))
        tx.notify(journal.TOPIC)

    def _finish(self, run: MapRun) -> None:
        """All children have ended, few enough of them badly: write the results and answer."""
        with self._records.read() as reading:
            ended = list(map_runs.results(reading, run.arn))
        told: dict[str, str | None]
        try:
            told = {"output": results.write(self._objects, run, ended, self._rules.max_payload_bytes)}
            status = "SUCCEEDED"
        except Failure as failure:
            told, status = {"error": failure.error, "cause": failure.cause}, "FAILED"
        with self._records.write() as tx:
            if map_runs.locked(tx, run.arn) is not None:
                self._end(tx, run, status, self._clock(), told)
