"""A server that is killed: engine and jobs on one database, in a process of its own.

Its records end the process now and then right before or right after a commit; the test kills it from
outside at any other moment. Several of them may share a PostgreSQL database.
"""

from __future__ import annotations

import os
import random
import signal
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Integer, Text, cast, update
from tests.workflows.stage import chain, task_arn

from customlabels.asl import Rules
from customlabels.errors import ServiceError
from customlabels.storage import Records, Transaction
from customlabels.storage.schema import tags
from customlabels.workflows import (
    Engine,
    EnginePace,
    Executions,
    Finish,
    Job,
    JobControl,
    JobPace,
    Jobs,
    Submitted,
    TaskFailure,
    TaskRequest,
)

__all__ = [
    "ACTIVITY",
    "CHILD",
    "CHILD_DEFINITION",
    "COUNTED",
    "DEFINITION",
    "RULES",
    "TASKS",
    "count",
    "serve",
]

RULES = Rules(wait_scale=0.0, wait_floor_seconds=0.05)
COUNTED = "ends of jobs"
ACTIVITY = "arn:aws:states:us-east-1:123456789012:activity:work"
CHILD = "arn:aws:states:us-east-1:123456789012:stateMachine:child"

RETRY = [
    {
        "ErrorEquals": ["Rekognition.ThrottlingException"],
        "IntervalSeconds": 1,
        "BackoffRate": 1.0,
        "MaxAttempts": 30,
        "JitterStrategy": "FULL",
    }
]
WORK = {"Type": "Task", "Resource": task_arn("work"), "Retry": RETRY}
CALLBACK = {
    "Type": "Task",
    "Resource": task_arn("ask.waitForTaskToken"),
    "Parameters": {"Token.$": "$$.Task.Token"},
}
NESTED = {
    "Type": "Task",
    "Resource": "arn:aws:states:::states:startExecution.sync",
    "Parameters": {"StateMachineArn": CHILD},
}
HANDED_OUT = {"Type": "Task", "Resource": ACTIVITY}
WAIT = {"Type": "Wait", "Seconds": 1}
PASS = {"Type": "Pass"}
BOTH = {
    "Type": "Parallel",
    "Branches": [chain(A1=WORK, W=WAIT, C=CALLBACK), chain(B=WORK, P=PASS), chain(N=NESTED, V=HANDED_OUT)],
}
DEFINITION = chain(First=PASS, Both=BOTH, T=WORK, W=WAIT, Last=PASS)
CHILD_DEFINITION = chain(W=WAIT, T=WORK)
TASKS = 4  # with a job each, in one execution and its child, retries left out


class Mortal(Records):
    """Records of a process that dies around a commit, once in `1 / odds` commits and sides."""

    odds = 0.0

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        with super().write() as transaction:
            yield transaction
            self.perhaps_die()  # everything is written, nothing is committed
        self.perhaps_die()  # committed, and nobody has been told

    def perhaps_die(self) -> None:
        """End this process as a power cut would."""
        if random.random() < self.odds:
            os.kill(os.getpid(), signal.SIGKILL)


class Worker:
    """Runs tasks: notes the token outside the database, then submits a job under it, as operations do.

    Tokens that wait for an answer go to a file that the outside reads.
    """

    def __init__(self, records: Mortal, jobs: Jobs, notes: Path) -> None:
        self.records, self.jobs, self.notes = records, jobs, notes
        self.executions = Executions(records, RULES, time.time)

    def run(self, task: TaskRequest) -> Any:
        if task.resource_arn.endswith(".waitForTaskToken"):
            with self.notes.with_suffix(".asked").open("a") as asked:
                asked.write(f"{task.token}\n")
            self.records.perhaps_die()
            return Submitted({})
        if task.resource_arn.endswith(".sync"):
            return self.start_child(task)
        return self.work(task)

    def start_child(self, task: TaskRequest) -> Submitted:
        name = task.token[:32]
        arn = f"{CHILD.replace(':stateMachine:', ':execution:')}:{name}"
        try:
            self.executions.start(CHILD, name, "{}")
        except ServiceError as refused:
            if refused.code != "ExecutionAlreadyExists":  # an earlier run of this task started it
                raise
        return Submitted({"ExecutionArn": arn}, awaits=arn)

    def work(self, task: TaskRequest) -> Any:
        if int(task.token[:4], 16) % 20 == 0:  # one task in twenty, the same in every run of it
            raise TaskFailure("Rekognition.ThrottlingException", "slow down")
        with self.notes.open("a") as notes:
            notes.write(f"{task.token}\n")
        self.records.perhaps_die()
        with self.records.write() as tx:
            self.jobs.submit(tx, kind="count", subject=task.token, spec={}, token=task.token)
        return {"Token": task.token}


class Counting:
    """A job whose end adds one to a number, so that a second end could not hide."""

    def run(self, job: Job, control: JobControl) -> Finish:
        control.report({"attempt": job.attempt})
        time.sleep(random.random() * 0.01)
        return lambda tx: count(tx, job.subject)

    def failed(self, job: Job, error: Exception) -> Finish:
        raise error


def count(tx: Transaction, subject: str) -> None:
    """One more end; `subject` at most once, by its primary key."""
    tx.execute(tags.insert().values(resource_arn=subject, key="end", value=""))
    one_more = cast(cast(tags.c.value, Integer) + 1, Text)
    tx.execute(update(tags).where(tags.c.resource_arn == COUNTED).values(value=one_more))


def serve(database: str, notes: str, odds: float, seed: int, ready: Callable[[int], None]) -> None:
    """Be the server until killed; `ready` is called once it works."""
    random.seed(seed)
    records = Mortal.open(database)
    assert isinstance(records, Mortal)
    owner = uuid.uuid4().hex
    jobs = Jobs(
        records,
        {"count": Counting()},
        owner,
        time.time,
        lambda: uuid.uuid4().hex,
        JobPace(lease_seconds=1.0, poll_seconds=0.1, attempts=1_000),
    )
    pace = EnginePace(lease_seconds=1.0, poll_seconds=0.1)
    engine = Engine(records, Worker(records, jobs, Path(notes)), RULES, time.time, owner, pace)
    engine.recover()
    jobs.recover()
    records.odds = odds
    engine.start()
    jobs.start()
    ready(os.getpid())
    time.sleep(3600)
