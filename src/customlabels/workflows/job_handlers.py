"""What a kind of job is given and gives: its handler, and the handler's line to the outside.

Layer: workflows. A handler works outside of any transaction and returns what to write at the end; the
end is one transaction, kept only while the job is still this handler's.
"""

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from sqlalchemy import ColumnElement, and_, update

from customlabels.errors import CustomLabelsError
from customlabels.storage import Records, Transaction
from customlabels.storage.schema import jobs

Finish = Callable[[Transaction], None]


class Abandoned(BaseException):
    """Stop working on the job and leave it as it is: the server closes, or another has taken the job over.

    Raised by JobControl inside a handler. Like KeyboardInterrupt it is no error: a handler lets it pass
    (cleaning up in `finally`) and the job is run again by the next server.
    """


class JobLost(CustomLabelsError):
    """A job that has taken its server down with it so often that it is not tried again."""


@dataclass(frozen=True)
class Job:
    """One run of a job; `progress` is what the last run reported, for handlers that resume."""

    id: str
    kind: str
    subject: str
    spec: dict[str, Any]
    attempt: int  # from 1
    lost: int  # how many servers died or fell silent under it
    progress: dict[str, Any]


@dataclass(frozen=True)
class Progress:
    """How far the newest job of a subject is."""

    kind: str
    status: str  # QUEUED | RUNNING | SUCCEEDED | FAILED | CANCELLED
    attempt: int
    report: dict[str, Any]
    cancel_requested: bool
    error: str | None
    created_at: float  # epoch seconds, as all three
    started_at: float | None
    ended_at: float | None


class JobHandler(Protocol):
    """What one kind of job does. It may be run again after a crash, so it begins by looking what is there."""

    def run(self, job: Job, control: "JobControl") -> Finish:
        """Do the work, outside any transaction; what to write at its end. An exception is a failed job."""
        ...

    def failed(self, job: Job, error: Exception) -> Finish:
        """What to write when `run` raised."""
        ...


@dataclass(frozen=True)
class JobPace:
    """How many jobs at once, and how long a server may be silent before its jobs are taken over."""

    limits: Mapping[str, int] = field(default_factory=dict)  # threads by kind
    shared_limit: int = 4  # threads for all kinds without a limit of their own
    lease_seconds: float = 30.0  # a paused server (swap, suspended laptop) should rarely lose its jobs
    poll_seconds: float = 1.0
    attempts: int = 10  # runs cut off by dying servers before a job is given up; orderly stops are free

    def __post_init__(self) -> None:
        if not 0 < self.poll_seconds <= self.lease_seconds / 3:
            raise ValueError(f"poll_seconds {self.poll_seconds}: must be at most a third of lease_seconds")


class JobControl:
    """A handler's line to the outside, usable from any thread."""

    def __init__(self, records: Records, job: Job) -> None:
        self.job = job
        self._records = records
        self.cancel = threading.Event()
        self.abandon = threading.Event()
        self.was_told = False  # that it is cancelled: what it returns afterwards is a cancelled job

    def cancelled(self) -> bool:
        """Whether someone has asked to end this job early. Raises Abandoned; ask at least once a second."""
        if self.abandon.is_set():
            raise Abandoned
        self.was_told = self.was_told or self.cancel.is_set()
        return self.cancel.is_set()

    def report(self, progress: dict[str, Any]) -> None:
        """Write how far the job is (one commit: not more often than twice a second). Raises Abandoned."""
        if self.abandon.is_set():
            raise Abandoned
        with self._records.write() as tx:
            written = tx.execute(update(jobs).where(held(self.job)).values(progress=json.dumps(progress)))
        if not written.rowcount:
            raise Abandoned


def held(job: Job) -> ColumnElement[bool]:
    """The row of this run of the job, while nobody has taken it over."""
    return and_(jobs.c.id == job.id, jobs.c.attempt == job.attempt, jobs.c.status == "RUNNING")
