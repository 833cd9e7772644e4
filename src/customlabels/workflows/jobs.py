"""Jobs: long work (trainings, copies, starts and stops of versions) that outlives the server.

Layer: workflows. Knows leases, attempts and threads; knows nothing of what a job does. A job is a row,
written in the transaction of the change that asks for it; its end is one transaction together with what
its handler writes. In between, whoever holds the lease works on it.

What a power cut leaves: before the submitting commit, nothing; while the job runs, its row with a lease
that the next server takes over under a higher attempt number; around the ending commit, either the job
still to be run again and none of its handler's final writes, or ended and all of them.
"""

import json
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import and_, bindparam, func, or_, select, update
from sqlalchemy.exc import OperationalError

from customlabels.errors import CustomLabelsError
from customlabels.storage import Reading, Records, Transaction
from customlabels.storage.schema import jobs
from customlabels.workflows.dialects import Clock, insert_once, lease_time
from customlabels.workflows.job_handlers import (
    Abandoned,
    Finish,
    Job,
    JobControl,
    JobHandler,
    JobLost,
    JobPace,
    Progress,
    held,
)

log = logging.getLogger(__name__)

OPEN = ("QUEUED", "RUNNING")
TOPIC = "jobs"


class Jobs:
    """The jobs of a database: submits them in other people's transactions, runs them in threads."""

    def __init__(
        self,
        records: Records,
        handlers: Mapping[str, JobHandler],
        owner: str,
        clock: Clock,
        new_id: Callable[[], str],
        pace: JobPace | None = None,
    ) -> None:
        """`owner` names this process and no other, ever; `handlers` may be filled until `start`."""
        self._records = records
        self._handlers = handlers
        self._owner = owner
        self._clock = clock
        self._new_id = new_id
        self._pace = pace or JobPace()
        self._running: dict[str, tuple[JobControl, threading.Thread]] = {}
        self._lock = threading.Lock()  # of _running
        self._bell = threading.Event()
        self._closing = threading.Event()
        self._renewed_at = 0.0
        self._thread = threading.Thread(target=self._loop, name="jobs", daemon=True)

    def submit(
        self, tx: Transaction, *, kind: str, subject: str, spec: dict[str, Any], token: str | None = None
    ) -> str:
        """Ask for work on `subject`, in the caller's transaction; the job's id.

        token: of the request; the same token is answered with the same job and adds none.
        """
        if kind not in self._handlers:
            raise ValueError(f"no handler for jobs of kind {kind!r}")
        row = {
            "id": self._new_id(),
            "client_token": token,
            "kind": kind,
            "subject": subject,
            "spec": json.dumps(spec),
            "status": "QUEUED",
            "created_at": self._clock(),
        }
        tx.notify(TOPIC)
        if insert_once(tx, jobs, row):
            return str(row["id"])
        return str(tx.execute(select(jobs.c.id).where(jobs.c.client_token == token)).scalar_one())

    def request_cancel(self, tx: Transaction, subject: str) -> int:
        """Ask the open jobs of `subject` to end early; how many there were. Handlers say what that means."""
        tx.notify(TOPIC)
        of_subject = and_(jobs.c.subject == subject, jobs.c.status.in_(OPEN))
        return tx.execute(update(jobs).where(of_subject).values(cancel_requested=1)).rowcount

    def progress_of(self, reading: Reading, subject: str) -> Progress | None:
        """The newest job of `subject`; None where there never was one."""
        of_subject = select(jobs).where(jobs.c.subject == subject)
        row = reading.execute(
            of_subject.order_by(jobs.c.created_at.desc(), jobs.c.id.desc()).limit(1)
        ).first()
        if row is None:
            return None
        told = json.loads(row.progress), bool(row.cancel_requested), row.error
        return Progress(
            row.kind, row.status, row.attempt, *told, row.created_at, row.started_at, row.ended_at
        )

    def open_work(self, reading: Reading) -> int:
        """How many jobs wait or run."""
        return int(reading.execute(select(func.count()).where(jobs.c.status.in_(OPEN))).scalar_one())

    def recover(self) -> None:
        """Take over at once what dead servers left; call before `start`, under the home's exclusive lock.

        On PostgreSQL other servers may be alive: there the leases run out by themselves.
        """
        with self._records.write() as tx:
            if tx.dialect == "sqlite":
                tx.execute(update(jobs).where(jobs.c.status == "RUNNING").values(lease_until=0.0))

    def start(self) -> None:
        """Begin to run jobs."""
        self._records.subscribe(TOPIC, self._bell.set)
        self._thread.start()

    def close(self, timeout: float = 10.0) -> None:
        """Stop claiming, make handlers leave their jobs to the next server, wait up to `timeout` seconds."""
        self._closing.set()
        self._bell.set()
        end = time.monotonic() + timeout
        if self._thread.is_alive():
            self._thread.join(timeout)
        with self._lock:
            running = list(self._running.values())
        for control, _thread in running:
            control.abandon.set()
        for _control, thread in running:
            thread.join(max(0.0, end - time.monotonic()))

    # ------------------------------------------------------------ the thread that claims and renews

    def _loop(self) -> None:
        while not self._closing.is_set():
            try:
                self._watch_and_renew()
                self._claim()
            except Exception:
                # A full disk, a lost connection: nothing was written, so the same turn is tried again.
                log.exception("a turn of the jobs failed; it is tried again")
            self._bell.wait(self._pace.poll_seconds)
            self._bell.clear()

    def _watch_and_renew(self) -> None:
        """Tell handlers that they are cancelled or fenced out, and keep the leases of the others."""
        with self._lock:
            controls = [control for control, _thread in self._running.values()]
        if not controls:
            return
        with self._records.read() as reading:
            now = lease_time(reading, self._clock)
            ids = [control.job.id for control in controls]
            columns = select(jobs.c.id, jobs.c.attempt, jobs.c.cancel_requested).where(jobs.c.id.in_(ids))
            rows = {row.id: row for row in reading.execute(columns)}
        for control in controls:
            row = rows.get(control.job.id)
            if row is None or row.attempt != control.job.attempt:
                control.abandon.set()
            elif row.cancel_requested:
                control.cancel.set()
        if not 0 <= now - self._renewed_at < self._pace.lease_seconds / 3:
            with self._records.write() as tx:
                until = lease_time(tx, self._clock) + self._pace.lease_seconds
                own = and_(jobs.c.id == bindparam("job"), jobs.c.attempt == bindparam("run"))
                renewal = update(jobs).where(own, jobs.c.status == "RUNNING").values(lease_until=until)
                tx.execute(
                    renewal, [{"job": control.job.id, "run": control.job.attempt} for control in controls]
                )
            self._renewed_at = now

    def _claim(self) -> None:
        """Start as many waiting or orphaned jobs as the limits allow, oldest first."""
        with self._records.read() as reading:
            if not reading.execute(self._claimable(lease_time(reading, self._clock)).limit(1)).first():
                return
        claimed: list[Job] = []
        with self._records.write() as tx:
            now = lease_time(tx, self._clock)
            free = self._free_threads()
            for row in tx.execute(self._claimable(now).with_for_update(skip_locked=True)).all():
                place = row.kind if row.kind in self._pace.limits else None
                if free[place] <= 0:
                    continue
                free[place] -= 1
                spec, progress = json.loads(row.spec), json.loads(row.progress)
                lost = row.lost + (row.status == "RUNNING")  # on a server which is no more
                job = Job(row.id, row.kind, row.subject, spec, row.attempt + 1, lost, progress)
                claim = {"status": "RUNNING", "attempt": job.attempt, "lost": job.lost, "owner": self._owner}
                times = {"lease_until": now + self._pace.lease_seconds, "started_at": row.started_at or now}
                tx.execute(update(jobs).where(jobs.c.id == job.id).values(claim | times))
                claimed.append(job)
        # A power cut here leaves claimed jobs that nobody runs: their leases run out, or recover() ends them.
        for job in claimed:
            control = JobControl(self._records, job)
            thread = threading.Thread(target=self._work, args=(control,), name=f"job {job.kind}", daemon=True)
            with self._lock:
                self._running[job.id] = (control, thread)
            thread.start()

    def _claimable(self, now: float) -> Any:
        with self._lock:
            own = list(self._running)
        free = self._free_threads()
        # While a kind's threads are all busy its queue is not even read, however long it is.
        kinds = [kind for kind in self._handlers if free[kind if kind in self._pace.limits else None] > 0]
        orphaned = and_(jobs.c.status == "RUNNING", jobs.c.lease_until <= now, jobs.c.id.not_in(own))
        waiting = and_(jobs.c.kind.in_(kinds), or_(jobs.c.status == "QUEUED", orphaned))
        return select(jobs).where(waiting).order_by(jobs.c.created_at, jobs.c.id).limit(100)

    def _free_threads(self) -> Counter[str | None]:
        """Threads that may still be started, by kind; None is the share of all kinds without a limit."""
        with self._lock:
            kinds = [control.job.kind for control, _thread in self._running.values()]
        free: Counter[str | None] = Counter(self._pace.limits)
        free[None] = self._pace.shared_limit
        free.subtract(kind if kind in self._pace.limits else None for kind in kinds)
        return free

    # ------------------------------------------------------------ the thread of one job

    def _work(self, control: JobControl) -> None:
        job = control.job
        try:
            self._run_to_its_end(control)
        except Abandoned:
            with self._records.write() as tx:
                tx.execute(update(jobs).where(held(job)).values(status="QUEUED", lease_until=None))
        except Exception:
            # Nothing was written: the lease is no longer renewed, so the job is run again when it is out.
            log.exception("the end of job %s (%s of %s) could not be written", job.id, job.kind, job.subject)
        finally:
            with self._lock:
                del self._running[job.id]
            self._bell.set()

    def _run_to_its_end(self, control: JobControl) -> None:
        job, handler = control.job, self._handlers[control.job.kind]
        try:
            if job.lost >= self._pace.attempts:
                raise JobLost(f"given up: {job.lost} runs of this job were cut off before their end")
            finish = handler.run(job, control)
            self._end(job, "CANCELLED" if control.was_told else "SUCCEEDED", finish)
        except OperationalError:
            raise  # the database's trouble is not the job's: it stays as it is, and is run again
        except CustomLabelsError as error:  # said in words that a user can read
            log.warning("job %s (%s of %s) failed: %s", job.id, job.kind, job.subject, error)
            self._fail(job, handler, error)
        except Exception as error:
            log.exception("job %s (%s of %s) failed", job.id, job.kind, job.subject)
            self._fail(job, handler, error)

    def _fail(self, job: Job, handler: JobHandler, error: Exception) -> None:
        text = f"{type(error).__name__}: {error}"
        try:
            self._end(job, "FAILED", handler.failed(job, error), text)
        except Exception:
            # Not even the failure could be written. It is tried again like a lost run, but not for ever.
            if job.lost < self._pace.attempts:
                raise
            log.exception(
                "job %s (%s of %s) ends without a word to its subject", job.id, job.kind, job.subject
            )
            self._end(job, "FAILED", lambda _tx: None, text)

    def _end(self, job: Job, status: str, finish: Finish, error: str | None = None) -> None:
        """The job's end and what its handler writes: both or neither, and only while the lease is ours."""
        with self._records.write() as tx:
            now = self._clock()
            values = {"status": status, "error": error, "ended_at": now, "lease_until": None}
            ended = tx.execute(update(jobs).where(held(job)).values(values))
            if not ended.rowcount:
                log.warning("job %s was taken over; what attempt %s did is dropped", job.id, job.attempt)
                return
            tx.notify(TOPIC)
            finish(tx)
