"""Servers that stop, fall silent or meet a full disk, while executions run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import OperationalError
from tests.workflows.stage import QUICK, Stage, chain, task_arn
from tests.workflows.waiting import wait_until

from customlabels.storage import Records, Transaction
from customlabels.storage.schema import executions, tasks

ECHO = {"Type": "Task", "Resource": task_arn("echo")}
BLOCK = {"Type": "Task", "Resource": task_arn("block")}
WAIT = {"Type": "Wait", "Seconds": 1}


class Fragile(Records):
    """Records that can be told to refuse, for ever or for a number of commits."""

    refusals = 0

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        with super().write() as transaction:
            yield transaction
            if self.refusals:
                self.refusals -= 1
                raise OperationalError("COMMIT", None, Exception("database or disk is full"))


@pytest.fixture
def fragile(database: str) -> Iterator[Fragile]:
    """Records on the test's database, apart from those of `records`."""
    opened = Fragile.open(database)
    assert isinstance(opened, Fragile)
    yield opened
    opened.close()


def test_the_next_server_goes_on_where_an_abandoned_one_stopped(records: Records, fragile: Fragile) -> None:
    first = Stage(fragile)
    first.engine.start()
    arn = first.begin(chain(T=ECHO, W=WAIT, B=BLOCK, After=ECHO))
    wait_until(lambda: len(first.answers.seen) == 2)
    fragile.refusals = -1  # from here on the first server can write nothing
    seen = first.events(arn)

    second = Stage(records)
    second.answers.go_on.set()
    second.engine.recover()
    second.engine.start()
    execution = second.finish(arn)
    first.answers.go_on.set()
    first.engine.close(timeout=0.2)
    second.engine.close()

    assert execution.status == "SUCCEEDED"
    events = second.events(arn)
    assert events[: len(seen)] == seen
    assert [event.id for event in events] == list(range(1, len(events) + 1))
    # The task that was open ran again: under the same token, and without events of its own.
    assert second.answers.seen[0].token == first.answers.seen[1].token
    assert second.types(arn).count("TaskStarted") == 3


def test_a_late_result_of_a_silent_server_changes_nothing(records: Records, fragile: Fragile) -> None:
    first = Stage(fragile)
    first.engine.start()
    arn = first.begin(chain(B=BLOCK))
    wait_until(lambda: first.answers.seen)
    with records.write() as tx:
        tx.execute(update(tasks).values(attempt=5, owner="another", lease_until=1e12))

    first.answers.go_on.set()
    wait_until(lambda: not first.engine._running)
    first.engine.close()

    assert first.executions.describe(arn).status == "RUNNING"
    assert "TaskSucceeded" not in first.types(arn)


def test_a_task_keeps_its_lease_while_it_runs(records: Records, fragile: Fragile) -> None:
    first, second = Stage(fragile), Stage(records)
    first.engine.start()
    arn = first.begin(chain(B={**BLOCK, "TimeoutSeconds": 60}, W=WAIT))
    wait_until(lambda: first.answers.seen)
    second.engine.start()
    time.sleep(2 * QUICK.lease_seconds)

    first.answers.go_on.set()
    second.finish(arn)
    first.engine.close()
    second.engine.close()

    assert second.answers.seen == []


def test_two_servers_share_executions_without_a_double_event(records: Records, fragile: Fragile) -> None:
    stages = (
        Stage(records, replace(QUICK, lease_seconds=10)),
        Stage(fragile, replace(QUICK, lease_seconds=10)),
    )
    arns = [stages[0].begin(chain(A=ECHO, W=WAIT, B=ECHO), name=f"e{number}") for number in range(30)]
    for stage in stages:
        stage.engine.start()
    statuses = {stages[0].finish(arn).status for arn in arns}
    for stage in stages:
        stage.engine.close()

    assert statuses == {"SUCCEEDED"}
    for arn in arns:
        assert [event.id for event in stages[0].events(arn)] == list(range(1, 15))
    tokens = [task.token for stage in stages for task in stage.answers.seen]
    assert len(tokens) == len(set(tokens)) == 60


def test_a_full_disk_delays_but_loses_nothing(fragile: Fragile) -> None:
    stage = Stage(fragile)
    stage.engine.start()
    arn = stage.begin(chain(B=BLOCK, After=ECHO))
    wait_until(lambda: stage.answers.seen)
    fragile.refusals = 3

    stage.answers.go_on.set()
    execution = stage.finish(arn)
    stage.engine.close()

    assert execution.status == "SUCCEEDED"
    assert fragile.refusals == 0
    assert len(stage.answers.seen) == 2


def test_a_task_that_was_overdue_while_no_server_ran_times_out_and_is_not_run(records: Records) -> None:
    first = Stage(records)
    first.engine.start()
    arn = first.begin(chain(B={**BLOCK, "TimeoutSeconds": 60}))
    wait_until(lambda: first.answers.seen)
    first.engine.close(timeout=0.0)
    with records.write() as tx:
        tx.execute(update(tasks).values(timeout_at=1.0, lease_until=0.0))

    second = Stage(records)
    second.engine.start()
    execution = second.finish(arn)
    second.engine.close()
    first.answers.go_on.set()

    assert (execution.status, execution.error) == ("FAILED", "States.Timeout")
    assert second.answers.seen == []


def test_time_without_a_server_is_not_counted_against_a_task_that_was_under_way(records: Records) -> None:
    with records.read() as reading:
        if reading.dialect != "sqlite":
            pytest.skip("only where the server is alone can it tell")
    first = Stage(records)
    first.engine.start()
    arn = first.begin(chain(B={**BLOCK, "TimeoutSeconds": 60, "HeartbeatSeconds": 30}))
    wait_until(lambda: first.answers.seen)
    first.engine.close(timeout=0.0)
    with records.write() as tx:
        tx.execute(update(tasks).values(timeout_at=1.0, heartbeat_due=1.0))

    second = Stage(records)
    second.answers.go_on.set()
    second.engine.recover()
    second.engine.start()
    execution = second.finish(arn)
    second.engine.close()
    first.answers.go_on.set()

    assert execution.status == "SUCCEEDED"
    assert [task.token for task in second.answers.seen] == [first.answers.seen[0].token]


def test_closing_waits_for_running_tasks_and_keeps_their_results(records: Records) -> None:
    stage = Stage(records)
    stage.engine.start()
    arn = stage.begin(chain(B=BLOCK, After=ECHO))
    wait_until(lambda: stage.answers.seen)

    stage.answers.go_on.set()
    stage.engine.close()

    assert "TaskSucceeded" in stage.types(arn)
    with records.read() as reading:
        assert reading.execute(select(executions.c.status)).scalar_one() == "RUNNING"
        assert sorted(reading.execute(select(tasks.c.status)).scalars()) == ["SCHEDULED", "SUCCEEDED"]
