"""Executions from their start to their end, on a running engine."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.workflows.stage import QUICK, Answers, Stage, chain, task_arn
from tests.workflows.waiting import wait_until

from customlabels.asl import Rules
from customlabels.storage import Records
from customlabels.workflows import EnginePace

ECHO = {"Type": "Task", "Resource": task_arn("echo")}
BLOCK = {"Type": "Task", "Resource": task_arn("block")}
RETRY = [{"ErrorEquals": ["Rekognition.ThrottlingException"], "IntervalSeconds": 1, "MaxAttempts": 2}]


def test_an_execution_goes_through_pass_task_wait_parallel_and_retry(stage: Stage) -> None:
    parallel = {
        "Type": "Parallel",
        "Branches": [
            chain(A=ECHO, W={"Type": "Wait", "Seconds": 1}, A2=ECHO),
            chain(B={"Type": "Pass"}, B2=ECHO),
        ],
    }
    flaky = {"Type": "Task", "Resource": task_arn("flaky"), "Retry": RETRY}
    definition = chain(P={"Type": "Pass"}, T=ECHO, W={"Type": "Wait", "Seconds": 1}, Both=parallel, F=flaky)

    arn = stage.begin(definition, '{"a": 1}')
    execution = stage.finish(arn)

    assert execution.status == "SUCCEEDED"
    assert execution.output is not None
    assert json.loads(execution.output) == [{"a": 1}, {"a": 1}]
    events = stage.events(arn)
    assert [event.id for event in events] == list(range(1, len(events) + 1))
    assert all(event.previous_id < event.id for event in events)
    types = stage.types(arn)
    assert types[0] == "ExecutionStarted"
    assert types[-1] == "ExecutionSucceeded"
    assert types.count("TaskScheduled") == types.count("TaskStarted") == 6
    assert (types.count("TaskSucceeded"), types.count("TaskFailed")) == (5, 1)


def test_a_task_gets_its_parameters_and_a_token_that_fits_a_client_token(stage: Stage) -> None:
    arn = stage.begin(chain(T={**ECHO, "Parameters": {"ProjectName": "p"}, "TimeoutSeconds": 9}))
    stage.finish(arn)

    (task,) = stage.answers.seen
    assert (task.resource_arn, task.parameters) == (task_arn("echo"), {"ProjectName": "p"})
    assert (task.account, task.region, task.timeout) == ("123456789012", "us-east-1", 9)
    assert len(task.token) == 64
    assert task.token.isalnum()


@pytest.mark.parametrize(
    ("action", "error", "cause"),
    [
        ("fail", "Rekognition.LimitExceededException", "too many"),
        ("crash", "States.TaskFailed", "KeyError: 'models'"),
        ("unprintable", "States.TaskFailed", "TypeError: Object of type object is not JSON serializable"),
    ],
)
def test_a_failing_task_fails_the_execution(stage: Stage, action: str, error: str, cause: str) -> None:
    execution = stage.finish(stage.begin(chain(T={"Type": "Task", "Resource": task_arn(action)})))

    assert (execution.status, execution.error, execution.cause) == ("FAILED", error, cause)


def test_a_result_over_the_limit_is_an_error_of_the_task(records: Records) -> None:
    class Large(Answers):
        def echo(self, task: object) -> object:
            return "x" * 262_144

    stage = Stage(records, runner=Large())
    stage.engine.start()
    execution = stage.finish(stage.begin(chain(T=ECHO)))
    stage.engine.close()

    assert execution.error == "States.DataLimitExceeded"


def test_a_task_that_takes_too_long_times_out_and_its_result_is_ignored(stage: Stage) -> None:
    caught = {**BLOCK, "TimeoutSeconds": 1, "Catch": [{"ErrorEquals": ["States.Timeout"], "Next": "Later"}]}
    definition = chain(T=caught, Later={"Type": "Wait", "Seconds": 1})

    arn = stage.begin(definition)
    wait_until(lambda: "TaskTimedOut" in stage.types(arn))
    stage.answers.go_on.set()
    execution = stage.finish(arn)

    assert execution.status == "SUCCEEDED"
    assert "TaskSucceeded" not in stage.types(arn)
    assert json.loads(execution.output or "")["Error"] == "States.Timeout"


def test_a_task_without_heartbeats_times_out(stage: Stage) -> None:
    retried_on = [{"ErrorEquals": ["States.HeartbeatTimeout"], "Next": "Later"}]
    arn = stage.begin(chain(T={**BLOCK, "HeartbeatSeconds": 1, "Catch": retried_on}, Later={"Type": "Pass"}))

    assert stage.finish(arn).status == "SUCCEEDED"


def test_a_machine_that_takes_too_long_times_out_and_its_tasks_are_cancelled(stage: Stage) -> None:
    arn = stage.begin({**chain(T=BLOCK, After=ECHO), "TimeoutSeconds": 1})

    assert stage.finish(arn).status == "TIMED_OUT"
    stage.answers.go_on.set()
    wait_until(lambda: not stage.engine._running)
    assert stage.types(arn)[-1] == "ExecutionTimedOut"


def test_a_stopped_execution_is_aborted_at_once_and_stays_so(stage: Stage) -> None:
    arn = stage.begin(chain(T=BLOCK, After=ECHO))
    wait_until(lambda: stage.answers.seen)

    stopped = stage.executions.stop(arn, "Enough", "changed my mind")
    stage.answers.go_on.set()
    wait_until(lambda: not stage.engine._running)

    assert (stopped.status, stopped.error, stopped.cause) == ("ABORTED", "Enough", "changed my mind")
    assert stopped.stopped_at is not None
    assert stage.executions.stop(arn) == stopped
    assert stage.types(arn)[-1] == "ExecutionAborted"


def test_a_failing_branch_cancels_the_tasks_of_the_others(stage: Stage) -> None:
    failing = chain(W={"Type": "Wait", "Seconds": 1}, F={"Type": "Fail", "Error": "Bad"})
    branches = [chain(T=BLOCK), chain(T=BLOCK), failing]
    arn = stage.begin(chain(All={"Type": "Parallel", "Branches": branches}))

    execution = stage.finish(arn)
    stage.answers.go_on.set()
    wait_until(lambda: not stage.engine._running)

    assert (execution.status, execution.error) == ("FAILED", "Bad")
    assert "TaskSucceeded" not in stage.types(arn)


def test_no_more_tasks_run_at_once_than_there_are_threads(records: Records) -> None:
    stage = Stage(records, EnginePace(task_threads=2, lease_seconds=5, poll_seconds=0.05))
    stage.engine.start()
    mapped = {"Type": "Map", "ItemProcessor": chain(T=BLOCK)}
    arn = stage.begin(chain(M=mapped), "[1, 2, 3, 4, 5]")

    wait_until(lambda: len(stage.answers.seen) == 2)
    assert stage.types(arn).count("TaskStarted") == 2
    stage.answers.go_on.set()
    execution = stage.finish(arn)
    stage.engine.close()

    assert json.loads(execution.output or "") == [1, 2, 3, 4, 5]


def test_waits_are_shortened_by_the_scale(records: Records) -> None:
    stage = Stage(records, rules=Rules(wait_scale=0.0, wait_floor_seconds=0.05))
    stage.engine.start()

    execution = stage.finish(stage.begin(chain(W={"Type": "Wait", "Seconds": 3600})))
    stage.engine.close()

    assert execution.status == "SUCCEEDED"


def test_a_long_chain_is_saved_in_between(stage: Stage) -> None:
    states = {f"S{number}": {"Type": "Pass"} for number in range(300)}
    arn = stage.begin(chain(**states))

    assert stage.finish(arn).status == "SUCCEEDED"
    assert len(stage.events(arn)) == 602


def test_two_thousand_waiting_executions_all_end_without_threads_of_their_own(stage: Stage) -> None:
    machine = stage.machine(chain(W={"Type": "Wait", "Seconds": 1}))
    threads = threading.active_count()
    began = time.perf_counter()
    with ThreadPoolExecutor(4) as starters:
        list(starters.map(lambda number: stage.executions.start(machine, f"e{number}", "{}"), range(2_000)))
    started = time.perf_counter() - began
    assert threading.active_count() <= threads + 1

    wait_until(lambda: stage.executions.running() == 0, 60)
    over = time.perf_counter() - began
    print(f"2,000 executions that wait 1 s: started in {started:.1f} s, all over after {over:.1f} s")

    assert len(stage.executions.list(machine, "SUCCEEDED", limit=3_000)) == 2_000


def test_an_execution_that_the_interpreter_cannot_go_on_with_fails_alone(records: Records) -> None:
    from sqlalchemy import update

    from customlabels.storage.schema import executions

    stage = Stage(records, QUICK)
    waiting = chain(W={"Type": "Wait", "Seconds": 1})
    broken, whole = stage.begin(waiting, name="broken"), stage.begin(waiting, name="whole")
    with records.write() as tx:
        tx.execute(update(executions).where(executions.c.arn == broken).values(state='{"version": -1}'))
    stage.engine.start()

    assert stage.finish(whole).status == "SUCCEEDED"
    execution = stage.finish(broken)
    stage.engine.close()

    assert (execution.status, execution.error) == ("FAILED", "States.Runtime")
    assert "snapshot of version -1" in (execution.cause or "")
    assert [event.id for event in stage.events(broken)] == [1, 2, 3]


def test_calls_that_wait_for_other_executions_leave_the_places_of_tasks_free(stage: Stage) -> None:
    waiting = stage.machine(chain(T={"Type": "Task", "Resource": task_arn("startSyncExecution")}), "waits")
    for number in range(QUICK.task_threads + 4):
        stage.executions.start(waiting, f"e{number}", "{}")
    wait_until(lambda: len(stage.answers.seen) == QUICK.task_threads + 4)

    other = stage.finish(stage.begin(chain(T={"Type": "Task", "Resource": task_arn("echo")})))

    assert other.status == "SUCCEEDED"
    assert not stage.answers.go_on.is_set()
