"""The engine: one thread that brings every execution forward, and short-lived threads that run tasks.

Layer: workflows. A turn reads what is due, lets the interpreter decide outside of any transaction, and
writes all advances of the turn in one commit, so many executions share the cost of a sync. Waiting
executions are rows: they cost no thread and no memory.

What a power cut leaves: before the commit of a turn, the runs as they were, and the next server decides the
same again; after it, the tasks of the turn as started rows, which the next server runs under the same token.
"""

import json
import logging
import math
import random
import threading
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar

from customlabels.asl import (
    Abort,
    Rules,
    TaskFailed,
    TaskHeartbeatMissed,
    TaskSubmitted,
    TaskSucceeded,
    TaskTimedOut,
    TimerDue,
)
from customlabels.storage import Reading, Records
from customlabels.workflows import journal, tasks
from customlabels.workflows.activities import rules_for
from customlabels.workflows.advancing import Advancing, broken_off
from customlabels.workflows.dialects import Clock, lease_time
from customlabels.workflows.housekeeping import sweep
from customlabels.workflows.journal import Advance, Run
from customlabels.workflows.results import outcome_of
from customlabels.workflows.task_runs import Outcome, TaskRunner, run_task
from customlabels.workflows.tasks import TaskRow

log = logging.getLogger(__name__)

ANSWERED_LATER = (".sync", ".sync:2", ".waitForTaskToken")  # the ends of such resources
# Calls that wait for others, maybe for tasks of this very engine: so many of them take none of its places.
WAITS, MOST_WAITS = ("getActivityTask", "startSyncExecution"), 256
SWEEP_SECONDS = 3600.0
SHARES = 4  # batches in the stretch of the queue that engines on one database choose from

Found = TypeVar("Found")

# Gives a scheduled task as started, or None where no thread is free.
Begin = Callable[[TaskRow], TaskRow | None]


@dataclass(frozen=True)
class EnginePace:
    """How much at once, and how long a server may be silent before its tasks are run by another."""

    task_threads: int = 16
    batch: int = 25  # executions in one commit: enough to share a sync, short enough for other writers
    lease_seconds: float = 30.0  # a paused server (swap, suspended laptop) should rarely lose its tasks
    poll_seconds: float = 1.0  # bells are hints; this is how late a missed one can make us

    def __post_init__(self) -> None:
        if self.task_threads < 1 or self.batch < 1:
            raise ValueError(f"task_threads {self.task_threads}, batch {self.batch}: must be at least 1")
        if not 0 < self.poll_seconds <= self.lease_seconds / 3:
            raise ValueError(f"poll_seconds {self.poll_seconds}: must be at most a third of lease_seconds")


@dataclass
class _Work:
    """What has happened to one run."""

    due: bool = False
    finished: list[tuple[TaskRow, Outcome]] = field(default_factory=list)
    answered: list[tuple[TaskRow, Outcome]] = field(default_factory=list)  # from outside
    overdue: list[TaskRow] = field(default_factory=list)
    waiting: list[TaskRow] = field(default_factory=list)  # scheduled tasks, for which there are threads


class Engine:
    """Runs the executions of a database from `start` to `close`."""

    def __init__(
        self,
        records: Records,
        runner: TaskRunner,
        rules: Rules,
        clock: Clock,
        owner: str,
        pace: EnginePace | None = None,
    ) -> None:
        """`owner` names this process and no other, ever; clock: epoch seconds."""
        self._records = records
        self._runner = runner
        self._rules = rules
        self._clock = clock
        self._owner = owner
        self._pace = pace or EnginePace()
        self._running: dict[str, TaskRow] = {}  # by token; touched by the engine's thread only
        self._finished: deque[tuple[TaskRow, Outcome]] = deque()
        self._bell = threading.Event()
        self._closing = threading.Event()  # begin no more tasks, end when the last one has
        self._stopped = threading.Event()  # end now
        self._renewed_at = self._looked_at = self._swept_at = -math.inf
        self._thread = threading.Thread(target=self._loop, name="engine", daemon=True)

    def recover(self) -> None:
        """Take over at once what dead servers left; call before `start`, under the home's exclusive lock.

        On PostgreSQL other servers may be alive: there the leases run out by themselves.
        """
        with self._records.write() as tx:
            if tx.dialect == "sqlite":
                tasks.end_leases(tx, self._clock())

    def start(self) -> None:
        """Begin to run executions."""
        self._records.subscribe(journal.TOPIC, self._bell.set)
        self._thread.start()

    def close(self, timeout: float = 5.0) -> None:
        """Begin no more tasks, wait up to `timeout` seconds for those that run, and stop.

        A task that takes longer goes on without us: its result is dropped and the next server runs it again.
        """
        self._closing.set()
        self._bell.set()
        if self._thread.is_alive():
            self._thread.join(timeout)
            self._stopped.set()
            self._bell.set()
            self._thread.join()

    # ------------------------------------------------------------ the engine's thread

    def _loop(self) -> None:
        while not self._stopped.is_set() and not (self._closing.is_set() and not self._running):
            self._bell.clear()  # before looking: who rings from here on is heard in the next turn
            try:
                pause = 0.0 if self._turn() else self._pause()
                self._sweep()
                self._keep_leases()  # after the turn, which ends overdue tasks: those are not run again
            except Exception:
                # A full disk, a lost connection: nothing was written, so the same turn is tried again.
                log.exception("a turn of the engine failed; it is tried again")
                pause = self._pace.poll_seconds
            if pause > 0:
                self._bell.wait(pause)

    def _turn(self) -> bool:
        """Bring forward what can be; whether there was anything."""
        now = self._clock()
        finished = [self._finished.popleft() for _ in range(min(len(self._finished), self._pace.batch))]
        try:
            with self._records.read() as reading:
                works = self._gather(reading, finished, now)
                runs = journal.running(reading, works)
                lease_until = lease_time(reading, self._clock) + self._pace.lease_seconds
            begun: list[TaskRow] = []

            def begin(task: TaskRow) -> TaskRow | None:
                if self._free_places() <= len(begun):
                    return None
                begun.append(task.begun("STARTED", now, self._owner, lease_until))
                return begun[-1]

            advances = [self._advance(run, works[arn], now, begin) for arn, run in runs.items()]
            moved = [advance for advance in advances if advance.seq > advance.run.seq]
            applied: list[Advance] = []
            if moved:
                with self._records.write() as tx:
                    applied = journal.apply(tx, moved, now)
        except BaseException:
            self._finished.extendleft(reversed(finished))
            raise
        # A power cut here leaves started tasks that nobody runs: the next server runs them.
        written = {advance.run.arn for advance in applied}
        over = {advance.run.arn for advance in applied if advance.end}
        cancelled = {token for advance in applied for token in advance.cancelled}
        for task, outcome in finished:
            if task.execution_arn in runs and task.execution_arn not in written:
                self._finished.append((task, outcome))
            else:
                self._running.pop(task.token, None)
        for task in begun:
            if task.execution_arn in written - over and task.token not in cancelled:
                self._launch(task)
        return bool(works)

    def _gather(
        self, reading: Reading, finished: list[tuple[TaskRow, Outcome]], now: float
    ) -> dict[str, _Work]:
        works: defaultdict[str, _Work] = defaultdict(_Work)
        current = tasks.by_token(reading, [task.token for task, _outcome in finished]) if finished else {}
        for task, outcome in finished:
            row = current.get(task.token)
            # Another attempt, or a task that is over: this worker came too late and changes nothing.
            if row is not None and (row.status, row.attempt) == ("STARTED", task.attempt):
                works[task.execution_arn].finished.append((row, outcome))
        for task in tasks.of_status(reading, "ANSWERED", self._pace.batch):
            works[task.execution_arn].answered.append((task, _answer(reading, task)))
        for task in tasks.overdue(reading, now):
            if task.token not in current:
                works[task.execution_arn].overdue.append(task)
        for arn in self._some(reading, lambda most: journal.due(reading, now, most)):
            works[arn].due = True
        places = self._free_places()
        if places > 0:
            waiting = self._some(reading, lambda most: tasks.of_status(reading, "SCHEDULED", most))
            for task in waiting[:places]:
                works[task.execution_arn].waiting.append(task)
        return works

    def _some(self, reading: Reading, look: Callable[[int], list[Found]]) -> list[Found]:
        """A batch of what waits for its turn.

        Where other engines share the database they look at the same rows, and only one of them can bring a
        run forward: each takes its batch by chance from a longer stretch of the queue.
        """
        if reading.dialect == "sqlite":
            return look(self._pace.batch)
        found = look(self._pace.batch * SHARES)
        return random.sample(found, min(self._pace.batch, len(found)))

    def _advance(self, run: Run, work: _Work, now: float, begin: Begin) -> Advance:
        """Decide, outside of any transaction."""
        try:
            advancing = Advancing(run, now, rules_for(self._records, self._rules, run.definition))
            if run.stopping is not None:
                advancing.feed(Abort(**json.loads(run.stopping)))
            if work.due:
                advancing.feed(TimerDue())
            for task, outcome in work.finished + work.answered:
                _feed_outcome(advancing, task, outcome, now)
            for task in work.overdue:
                timed_out = task.timeout_at is not None and task.timeout_at <= now
                missed = TaskTimedOut(task.event_id) if timed_out else TaskHeartbeatMissed(task.event_id)
                advancing.change_task(task, missed, task.ended("TIMED_OUT"))
            advancing.begin_tasks(work.waiting, begin)
            return advancing.result()
        except Exception as error:
            log.exception("%s cannot go on", run.arn)
            with self._records.read() as reading:
                return broken_off(run, journal.last_event_id(reading, run.arn), error, now)

    def _pause(self) -> float:
        """Seconds until something is due by itself."""
        with self._records.read() as reading:
            dues = (journal.next_ready(reading), tasks.next_due(reading))
        soonest = min((due for due in dues if due is not None), default=math.inf)
        return min(max(soonest - self._clock(), 0.0), self._pace.poll_seconds)

    def _sweep(self) -> None:
        """Remove what is long over, a piece at a time, until there is no more of it this hour."""
        now = self._clock()
        if not 0 <= now - self._swept_at < SWEEP_SECONDS and not sweep(self._records, now):
            self._swept_at = now

    # ------------------------------------------------------------ tasks

    def _free_places(self) -> int:
        waits = sum(task.resource.rpartition(":")[2] in WAITS for task in self._running.values())
        busy = len(self._running) - min(waits, MOST_WAITS)
        return 0 if self._closing.is_set() else self._pace.task_threads - busy

    def _launch(self, task: TaskRow) -> None:
        def run() -> None:
            self._finished.append((task, run_task(self._runner, task.request())))
            self._bell.set()

        threading.Thread(target=run, name=f"task {task.resource}", daemon=True).start()
        self._running[task.token] = task

    def _keep_leases(self) -> None:
        """Renew the leases of the tasks that run here, and take over those whose server is silent."""
        now = self._clock()
        if 0 <= now - self._looked_at < self._pace.poll_seconds:
            return
        places = self._free_places()
        with self._records.read() as reading:
            until = lease_time(reading, self._clock) + self._pace.lease_seconds
            silent_since = until - self._pace.lease_seconds
            left = tasks.orphaned(reading, silent_since, self._running, places) if places > 0 else []
        is_time = bool(self._running) and not 0 <= now - self._renewed_at < self._pace.lease_seconds / 3
        taken: list[TaskRow] = []
        if left or is_time:
            with self._records.write() as tx:
                kept = tasks.still_as_read(tx, left, self._running)  # all at once, in the order of all
                taken = [
                    replace(task, attempt=task.attempt + 1, owner=self._owner, lease_until=until)
                    for task in left
                    if task.token in kept
                ]
                tasks.change(tx, taken)
                tasks.renew(tx, self._running.values(), until)
            self._renewed_at = now
        self._looked_at = now
        for task in taken:
            self._launch(task)


def _answer(reading: Reading, task: TaskRow) -> Outcome:
    """What came from outside: a callback's words, or the end of the execution that was awaited."""
    if task.answer is not None:
        return Outcome(**json.loads(task.answer))
    assert task.awaits is not None
    return outcome_of(journal.find(reading, task.awaits), task.resource)


def _feed_outcome(advancing: Advancing, task: TaskRow, outcome: Outcome, now: float) -> None:
    if outcome.submitted:
        assert outcome.output is not None
        submitted = TaskSubmitted(task.event_id, outcome.output)
        advancing.change_task(task, submitted, task.waiting(outcome.awaits, now))
    elif outcome.output is not None:
        if task.status == "STARTED" and task.resource.endswith(ANSWERED_LATER):  # but at once: by a mock
            advancing.feed(TaskSubmitted(task.event_id, outcome.output))
        advancing.change_task(task, TaskSucceeded(task.event_id, outcome.output), task.ended("SUCCEEDED"))
    else:
        failed = TaskFailed(task.event_id, outcome.error, outcome.cause)
        advancing.change_task(task, failed, task.ended("FAILED"))
