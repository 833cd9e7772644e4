"""Jobs: submitted with a change, run under a lease, ended in one transaction with what they write."""

from __future__ import annotations

import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import OperationalError
from tests.workflows.waiting import wait_until

from customlabels.errors import InvalidInput
from customlabels.storage import Records, Transaction
from customlabels.storage.schema import jobs, tags
from customlabels.workflows import Abandoned, Finish, Job, JobControl, JobHandler, JobPace, Jobs

QUICK = JobPace(limits={"train": 1}, shared_limit=2, lease_seconds=0.3, poll_seconds=0.05)


@dataclass
class Handler:
    """Does what `work` says, and writes one tag per end."""

    work: Callable[[Job, JobControl], None] = lambda job, control: None
    seen: list[Job] = field(default_factory=list)

    def run(self, job: Job, control: JobControl) -> Finish:
        self.seen.append(job)
        self.work(job, control)
        return write_tag(job.subject, "cancelled" if control.cancelled() else "done")

    def failed(self, job: Job, error: Exception) -> Finish:
        return write_tag(job.subject, f"failed: {error}")


def write_tag(subject: str, value: str) -> Finish:
    def finish(tx: Transaction) -> None:
        tx.execute(tags.insert().values(resource_arn=subject, key="end", value=value))

    return finish


def ends(records: Records) -> dict[str, str]:
    with records.read() as reading:
        return {row.resource_arn: row.value for row in reading.execute(select(tags))}


def make(records: Records, handlers: dict[str, JobHandler], pace: JobPace = QUICK) -> Jobs:
    return Jobs(records, handlers, uuid.uuid4().hex, time.time, lambda: uuid.uuid4().hex, pace)


@contextmanager
def running(records: Records, handlers: dict[str, JobHandler], pace: JobPace = QUICK) -> Iterator[Jobs]:
    work = make(records, handlers, pace)
    work.start()
    try:
        yield work
    finally:
        work.close()


def submit(records: Records, work: Jobs, subject: str, kind: str = "copy", token: str | None = None) -> str:
    with records.write() as tx:
        return work.submit(tx, kind=kind, subject=subject, spec={"for": subject}, token=token)


def status(records: Records, work: Jobs, subject: str) -> str:
    with records.read() as reading:
        progress = work.progress_of(reading, subject)
    assert progress is not None
    return progress.status


def test_a_job_runs_and_its_end_is_written_with_it(records: Records) -> None:
    handler = Handler()
    with running(records, {"copy": handler}) as work:
        submit(records, work, "a")
        wait_until(lambda: status(records, work, "a") == "SUCCEEDED")

    assert ends(records) == {"a": "done"}
    assert [(job.spec, job.attempt) for job in handler.seen] == [({"for": "a"}, 1)]


def test_a_rolled_back_submission_leaves_no_job(records: Records) -> None:
    work = make(records, {"copy": Handler()})

    def submit_and_fail() -> None:
        with records.write() as tx:
            work.submit(tx, kind="copy", subject="a", spec={})
            raise RuntimeError("changed my mind")

    with pytest.raises(RuntimeError, match="changed my mind"):
        submit_and_fail()

    with records.read() as reading:
        assert work.open_work(reading) == 0


def test_the_same_token_is_answered_with_the_same_job(records: Records) -> None:
    work = make(records, {"copy": Handler()})

    first, second = submit(records, work, "a", token="t"), submit(records, work, "a", token="t")

    assert first == second
    with records.read() as reading:
        assert work.open_work(reading) == 1


def test_a_kind_without_handler_is_refused(records: Records) -> None:
    work = make(records, {})

    with pytest.raises(ValueError, match="no handler for jobs of kind 'copy'"):
        submit(records, work, "a")


def test_a_failing_job_writes_what_its_handler_says_about_failures(records: Records) -> None:
    def fail(job: Job, control: JobControl) -> None:
        raise RuntimeError("no disk")

    with running(records, {"copy": Handler(fail)}) as work:
        submit(records, work, "a")
        wait_until(lambda: status(records, work, "a") == "FAILED")
        with records.read() as reading:
            progress = work.progress_of(reading, "a")

    assert ends(records) == {"a": "failed: no disk"}
    assert progress is not None
    assert progress.error == "RuntimeError: no disk"


@pytest.mark.parametrize(
    ("error", "traced"), [(InvalidInput("line 3 is not JSON"), False), (KeyError("line"), True)]
)
def test_the_log_has_a_traceback_for_our_mistakes_and_none_for_a_users(
    records: Records, caplog: pytest.LogCaptureFixture, error: Exception, traced: bool
) -> None:
    def fail(job: Job, control: JobControl) -> None:
        raise error

    with running(records, {"copy": Handler(fail)}) as work:
        submit(records, work, "a")
        wait_until(lambda: status(records, work, "a") == "FAILED")

    (said,) = [record for record in caplog.records if "failed" in record.message]
    assert bool(said.exc_info) is traced


def test_a_finish_that_raises_is_a_failure_and_leaves_nothing_half_written(records: Records) -> None:
    class Broken(Handler):
        def run(self, job: Job, control: JobControl) -> Finish:
            def finish(tx: Transaction) -> None:
                write_tag("half", "written")(tx)
                raise RuntimeError("wrong number")

            return finish

    with running(records, {"copy": Broken()}) as work:
        submit(records, work, "a")
        wait_until(lambda: status(records, work, "a") == "FAILED")

    assert ends(records) == {"a": "failed: wrong number"}


def test_limits_hold_for_each_kind_and_for_the_shared_threads(records: Records) -> None:
    now: Counter[str] = Counter()
    most: Counter[str] = Counter()
    lock = threading.Lock()

    def count(job: Job, control: JobControl) -> None:
        place = "train" if job.kind == "train" else "shared"
        with lock:
            now[place] += 1
            most[place] = max(most[place], now[place])
        time.sleep(0.02)
        with lock:
            now[place] -= 1

    handler = Handler(count)
    with running(records, {"train": handler, "copy": handler, "start": handler}) as work:
        for number in range(4):
            for kind in ("train", "copy", "start"):
                submit(records, work, f"{kind}{number}", kind)
        wait_until(lambda: len(ends(records)) == 12)

    assert most == {"train": 1, "shared": 2}


def test_progress_can_be_read_while_the_job_runs(records: Records) -> None:
    go_on = threading.Event()

    def report(job: Job, control: JobControl) -> None:
        control.report({"epoch": 3})
        go_on.wait(10)

    with running(records, {"copy": Handler(report)}) as work:
        submit(records, work, "a")

        def epoch() -> object:
            with records.read() as reading:
                progress = work.progress_of(reading, "a")
            return progress is not None and progress.status == "RUNNING" and progress.report.get("epoch")

        wait_until(lambda: epoch() == 3)
        go_on.set()


def test_a_handler_learns_that_it_is_cancelled(records: Records) -> None:
    with running(records, {"copy": Handler(lambda job, control: wait_until(control.cancelled))}) as work:
        submit(records, work, "a")
        wait_until(lambda: status(records, work, "a") == "RUNNING")
        with records.write() as tx:
            assert work.request_cancel(tx, "a") == 1
        wait_until(lambda: status(records, work, "a") == "CANCELLED")

    assert ends(records) == {"a": "cancelled"}


def test_a_lease_is_kept_while_the_job_runs(records: Records) -> None:
    with (
        running(records, {"copy": Handler(lambda job, control: time.sleep(1.0))}) as work,
        running(records, {"copy": Handler()}),
    ):
        submit(records, work, "a")
        wait_until(lambda: status(records, work, "a") == "SUCCEEDED")
        with records.read() as reading:
            progress = work.progress_of(reading, "a")

    assert progress is not None
    assert progress.attempt == 1


def test_a_job_whose_server_died_is_taken_again_with_its_last_progress(records: Records) -> None:
    handler = Handler()
    submit(records, make(records, {"copy": handler}), "a")
    dead = {"status": "RUNNING", "attempt": 1, "owner": "dead", "progress": '{"epoch": 2}'}
    with records.write() as tx:
        tx.execute(update(jobs).values(lease_until=time.time() + 0.2, **dead))

    with running(records, {"copy": handler}) as work:
        wait_until(lambda: status(records, work, "a") == "SUCCEEDED")

    assert [(job.attempt, job.progress) for job in handler.seen] == [(2, {"epoch": 2})]


def test_a_server_that_is_alone_does_not_wait_for_the_leases_of_dead_ones(records: Records) -> None:
    work = make(records, {"copy": Handler()})
    submit(records, work, "a")
    with records.write() as tx:
        if tx.dialect != "sqlite":
            pytest.skip("on PostgreSQL a server cannot know that it is alone")
        tx.execute(update(jobs).values(status="RUNNING", attempt=1, owner="dead", lease_until=1e12))

    work.recover()
    work.start()
    wait_until(lambda: status(records, work, "a") == "SUCCEEDED")
    work.close()


def test_a_fenced_out_worker_writes_nothing_and_is_told_to_stop(records: Records) -> None:
    told = threading.Event()

    def until_told(job: Job, control: JobControl) -> None:
        try:
            wait_until(control.cancelled)
        except Abandoned:
            told.set()
            raise

    with running(records, {"copy": Handler(until_told)}) as work:
        submit(records, work, "a")
        wait_until(lambda: status(records, work, "a") == "RUNNING")
        with records.write() as tx:
            tx.execute(update(jobs).values(attempt=7, owner="other", lease_until=1e12))
        wait_until(told.is_set)
        assert status(records, work, "a") == "RUNNING"

    assert ends(records) == {}


def test_a_late_end_of_a_fenced_out_worker_is_dropped(records: Records) -> None:
    def lose_the_job(job: Job, control: JobControl) -> None:
        with records.write() as tx:
            tx.execute(update(jobs).values(attempt=7, owner="other", lease_until=1e12))

    with running(records, {"copy": Handler(lose_the_job)}) as work:
        submit(records, work, "a")
        wait_until(lambda: not work._running and status(records, work, "a") == "RUNNING")

    assert ends(records) == {}


def test_closing_leaves_a_running_job_to_the_next_server(records: Records) -> None:
    with running(records, {"copy": Handler(lambda job, control: wait_until(control.cancelled))}) as work:
        submit(records, work, "a")
        wait_until(lambda: status(records, work, "a") == "RUNNING")

    assert status(records, work, "a") == "QUEUED"
    assert ends(records) == {}
    with running(records, {"copy": Handler()}) as successor:
        wait_until(lambda: status(records, successor, "a") == "SUCCEEDED")
    assert ends(records) == {"a": "done"}


def test_a_job_that_kills_every_server_is_given_up(records: Records) -> None:
    handler = Handler()
    submit(records, make(records, {"copy": handler}), "a")
    with records.write() as tx:
        tx.execute(update(jobs).values(status="RUNNING", attempt=10, lost=9, owner="dead", lease_until=0.0))

    with running(records, {"copy": handler}) as work:
        wait_until(lambda: status(records, work, "a") == "FAILED")

    assert handler.seen == []
    assert ends(records)["a"].startswith("failed: given up: 10 runs")


def test_a_job_outlives_trouble_of_the_database_at_its_end(records: Records) -> None:
    refusals = [OperationalError("COMMIT", None, Exception("database or disk is full"))]

    class Refused(Handler):
        def run(self, job: Job, control: JobControl) -> Finish:
            write = super().run(job, control)

            def finish(tx: Transaction) -> None:
                write(tx)
                if refusals:
                    raise refusals.pop()

            return finish

    handler = Refused()
    with running(records, {"copy": handler}) as work:
        submit(records, work, "a")
        wait_until(lambda: status(records, work, "a") == "SUCCEEDED")

    assert ends(records) == {"a": "done"}
    assert [job.attempt for job in handler.seen] == [1, 2]


def test_a_handler_that_cannot_even_write_its_failure_ends_at_last(records: Records) -> None:
    class Hopeless(Handler):
        def run(self, job: Job, control: JobControl) -> Finish:
            self.seen.append(job)
            raise RuntimeError("no disk")

        def failed(self, job: Job, error: Exception) -> Finish:
            raise KeyError("subject")

    handler = Hopeless()
    with running(records, {"copy": handler}, replace(QUICK, attempts=2)) as work:
        submit(records, work, "a")
        wait_until(lambda: status(records, work, "a") == "FAILED")

    assert ends(records) == {}
    assert [job.attempt for job in handler.seen] == [1, 2]
