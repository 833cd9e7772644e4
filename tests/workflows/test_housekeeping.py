"""Rows that have served their purpose go, and nothing else does."""

from __future__ import annotations

import time

from sqlalchemy import insert, select, update
from tests.workflows.stage import Stage, chain, task_arn
from tests.workflows.waiting import wait_until

from customlabels.storage import Records
from customlabels.storage.schema import answers, jobs, tasks
from customlabels.workflows.housekeeping import KEPT_SECONDS, sweep

ECHO = {"Type": "Task", "Resource": task_arn("echo")}
WAITING = {"Type": "Task", "Resource": task_arn("echo.waitForTaskToken")}


def job(name: str, subject: str, created_at: float, ended_at: float | None) -> dict[str, object]:
    return {
        "id": name,
        "kind": "train",
        "subject": subject,
        "spec": "{}",
        "status": "RUNNING" if ended_at is None else "SUCCEEDED",
        "created_at": created_at,
        "ended_at": ended_at,
    }


def test_ended_tasks_go_and_waiting_ones_stay_with_their_answers(stage: Stage, records: Records) -> None:
    stage.finish(stage.begin(chain(T=ECHO)))
    waiting = stage.executions.start(stage.machine(chain(T=WAITING), "w"), "e", "{}").arn
    wait_until(lambda: "TaskSubmitted" in stage.types(waiting))
    with records.write() as tx:
        token = tx.execute(select(tasks.c.token).where(tasks.c.execution_arn == waiting)).scalar_one()
        for each in (token, "another"):
            row = {"token": each, "operation": "o", "response": "{}", "created_at": 0.0}
            tx.execute(insert(answers).values(row))
        tx.execute(update(tasks).values(created_at=0.0))

    assert sweep(records, time.time()) is False

    with records.read() as reading:
        assert reading.execute(select(tasks.c.token)).scalars().all() == [token]
        assert reading.execute(select(answers.c.token)).scalars().all() == [token]
    stage.callbacks.succeed(token, "1")
    assert stage.finish(waiting).output == "1"


def test_of_ended_jobs_the_newest_of_each_subject_stays(records: Records) -> None:
    now = KEPT_SECONDS + 100
    rows = [
        job("old", "a", 1.0, 10.0),
        job("newest", "a", 2.0, 20.0),
        job("runs", "b", 1.0, None),
        job("young", "c", 50.0, now - 10),
        job("younger", "c", 60.0, now - 5),
    ]
    with records.write() as tx:
        tx.execute(insert(jobs), rows)

    sweep(records, now)

    with records.read() as reading:
        assert set(reading.execute(select(jobs.c.id)).scalars()) == {"newest", "runs", "young", "younger"}


def test_a_large_sweep_is_made_in_pieces(records: Records) -> None:
    rows = [{"token": str(at), "operation": "o", "response": "{}", "created_at": 0.0} for at in range(501)]
    with records.write() as tx:
        tx.execute(insert(answers), rows)

    assert sweep(records, KEPT_SECONDS + 1) is True
    assert sweep(records, KEPT_SECONDS + 1) is False

    with records.read() as reading:
        assert reading.execute(select(answers)).first() is None
