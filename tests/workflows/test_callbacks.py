"""Tasks that end elsewhere: callbacks, executions that are waited for, activities."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import pytest
from tests.workflows.stage import QUICK, Answers, Stage, chain, task_arn
from tests.workflows.waiting import wait_until

from customlabels.errors import ServiceError
from customlabels.storage import Records, Transaction
from customlabels.workflows import Activity, TaskRequest

WAITING = {
    "Type": "Task",
    "Resource": task_arn("echo.waitForTaskToken"),
    "Parameters": {"Token.$": "$$.Task.Token"},
}
ACTIVITY = "arn:aws:states:us-east-1:123456789012:activity:paint"
TASK_OF_ACTIVITY = {"Type": "Task", "Resource": ACTIVITY}
CHILD = "arn:aws:states:us-east-1:123456789012:stateMachine:child"


def nested(pattern: str) -> dict[str, Any]:
    given = {"StateMachineArn": CHILD, "Name": "c", "Input": {"a": 1}}
    return {
        "Type": "Task",
        "Resource": f"arn:aws:states:::states:startExecution{pattern}",
        "Parameters": given,
    }


def token_of(stage: Stage, arn: str) -> str:
    """The token that the execution's task was given, once its call has been answered."""
    wait_until(lambda: "TaskSubmitted" in stage.types(arn))
    scheduled = next(event for event in stage.events(arn) if event.type == "TaskScheduled")
    assert scheduled.details is not None
    return str(json.loads(str(scheduled.details["parameters"]))["Token"])


def refusal(refused: Any) -> str:
    with pytest.raises(ServiceError) as error:
        refused()
    return error.value.code


def test_a_callback_ends_a_task_with_its_output(stage: Stage) -> None:
    arn = stage.begin(chain(T=WAITING))
    token = token_of(stage, arn)

    stage.callbacks.succeed(token, '"fine"')

    assert stage.finish(arn).output == '"fine"'
    assert stage.types(arn)[2:6] == ["TaskScheduled", "TaskStarted", "TaskSubmitted", "TaskSucceeded"]


def test_a_callback_fails_a_task_with_its_error_or_with_none(stage: Stage) -> None:
    arn = stage.begin(chain(T=WAITING))
    stage.callbacks.fail(token_of(stage, arn), "Broken", "by me")
    caught = {**WAITING, "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Last"}]}
    other = stage.executions.start(stage.machine(chain(T=caught, Last={"Type": "Pass"}), "o"), "e", "{}").arn
    stage.callbacks.fail(token_of(stage, other), None, None)

    ended = stage.finish(arn)
    assert (ended.status, ended.error, ended.cause) == ("FAILED", "Broken", "by me")
    assert json.loads(stage.finish(other).output or "") == {"Error": None, "Cause": None}


def test_an_answer_that_is_quicker_than_its_call_is_not_lost(records: Records) -> None:
    class Quick(Answers):
        def echo(self, task: TaskRequest) -> Any:
            stage.callbacks.succeed(task.token, '"early"')
            return {}

    stage = Stage(records, runner=Quick())
    stage.engine.start()
    arn = stage.begin(chain(T=WAITING))

    assert stage.finish(arn).output == '"early"'
    assert "TaskSubmitted" in stage.types(arn)
    stage.engine.close()


def test_tokens_are_refused_by_what_is_wrong_with_them(stage: Stage) -> None:
    arn = stage.begin(chain(T=WAITING))
    token = token_of(stage, arn)

    assert refusal(lambda: stage.callbacks.succeed("no token", "{}")) == "InvalidToken"
    assert refusal(lambda: stage.callbacks.succeed("0" * 64, "{}")) == "TaskDoesNotExist"
    assert refusal(lambda: stage.callbacks.succeed(token, "no JSON")) == "InvalidOutput"
    stage.callbacks.succeed(token, "{}")
    assert refusal(lambda: stage.callbacks.succeed(token, "{}")) == "TaskTimedOut"
    stage.finish(arn)
    assert refusal(lambda: stage.callbacks.heartbeat(token)) == "TaskTimedOut"


def test_a_heartbeat_keeps_a_task_alive_and_silence_ends_it(stage: Stage) -> None:
    arn = stage.begin(chain(T={**WAITING, "HeartbeatSeconds": 1}))
    token = token_of(stage, arn)
    for _ in range(4):
        threading.Event().wait(0.4)
        stage.callbacks.heartbeat(token)

    assert stage.executions.describe(arn).status == "RUNNING"
    ended = stage.finish(arn)
    assert (ended.error, ended.cause) == ("States.Timeout", None)
    assert "TaskTimedOut" in stage.types(arn)


def test_many_tasks_wait_without_a_thread_and_through_a_restart(records: Records) -> None:
    stage = Stage(records)
    stage.engine.start()
    machine = stage.machine(chain(T=WAITING))
    arns = [stage.executions.start(machine, f"e{at}", "{}").arn for at in range(60)]
    tokens = [token_of(stage, arn) for arn in arns]
    threads = threading.active_count()
    stage.engine.close()
    next_server = Stage(records, QUICK)
    next_server.engine.recover()
    next_server.engine.start()

    for token in tokens:
        next_server.callbacks.succeed(token, "1")

    assert threads < 60
    assert {next_server.finish(arn).output for arn in arns} == {"1"}
    next_server.engine.close()


@pytest.mark.parametrize(("pattern", "data"), [(".sync", '{"a": 1}'), (".sync:2", {"a": 1})])
def test_a_task_waits_for_the_execution_that_it_started(stage: Stage, pattern: str, data: object) -> None:
    stage.machine(chain(W={"Type": "Wait", "Seconds": 1}), "child")
    arn = stage.begin(chain(T=nested(pattern)))

    output = json.loads(stage.finish(arn).output or "")

    assert (output["Status"], output["Input"], output["Output"]) == ("SUCCEEDED", data, data)
    assert output["RedriveStatusReason"] == "Execution is SUCCEEDED and cannot be redriven"


def test_a_failed_child_fails_the_task_with_its_description(stage: Stage) -> None:
    stage.machine(chain(F={"Type": "Fail", "Error": "Broken"}), "child")

    ended = stage.finish(stage.begin(chain(T=nested(".sync"))))

    assert ended.error == "States.TaskFailed"
    assert json.loads(ended.cause or "")["Error"] == "Broken"


def test_a_child_that_is_over_before_its_task_waits_is_found(stage: Stage) -> None:
    child = stage.machine(chain(P={"Type": "Pass"}), "child")
    stage.finish(stage.executions.start(child, "c", '{"a": 1}').arn)
    answer = {"ExecutionArn": child.replace("stateMachine", "execution") + ":c"}
    setattr(stage.answers, "startExecution", lambda _task: answer)  # noqa: B010 - a method, replaced

    assert stage.finish(stage.begin(chain(T=nested(".sync")))).status == "SUCCEEDED"


def test_stopping_an_execution_stops_the_one_that_it_waits_for(stage: Stage) -> None:
    child = stage.machine(chain(W={"Type": "Wait", "Seconds": 3600}), "child")
    arn = stage.begin(chain(T=nested(".sync")))
    wait_until(lambda: "TaskSubmitted" in stage.types(arn))

    stage.executions.stop(arn)

    child_arn = child.replace("stateMachine", "execution") + ":c"
    assert stage.finish(child_arn).status == "ABORTED"


def test_a_task_of_an_activity_that_does_not_exist_fails_the_execution(stage: Stage) -> None:
    caught = TASK_OF_ACTIVITY | {"Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Last"}]}

    ended = stage.finish(stage.begin(chain(T=caught, Last={"Type": "Pass"})))

    place = "the state 'T' (entered at the event id #2)"
    cause = f"An error occurred while executing {place}. The activity {ACTIVITY} does not exist."
    assert (ended.error, ended.cause) == ("States.Runtime", cause)
    assert [event.type for event in stage.events(ended.arn)][1:] == ["TaskStateEntered", "ExecutionFailed"]


def keep_nothing(_tx: Transaction, _task: object) -> None:
    return None


@pytest.fixture
def painting(stage: Stage) -> Stage:
    stage.activities.create(Activity(ACTIVITY, "123456789012", "us-east-1", "paint"))
    return stage


def test_a_worker_takes_a_task_and_its_name_is_in_the_history(painting: Stage) -> None:
    arn = painting.begin(chain(T=TASK_OF_ACTIVITY), '{"wall": 1}')

    task = painting.activities.take(ACTIVITY, "ann", keep_nothing)
    again = painting.activities.take(ACTIVITY, "bob", keep_nothing)

    assert task is not None
    assert (json.loads(task.parameters), again) == ({"wall": 1}, None)
    painting.callbacks.succeed(task.token, '"white"')
    assert painting.finish(arn).output == '"white"'
    started = next(event for event in painting.events(arn) if event.type == "ActivityStarted")
    assert started.details == {"workerName": "ann"}


def test_workers_that_ask_at_once_never_get_the_same_task(painting: Stage) -> None:
    machine = painting.machine(chain(T=TASK_OF_ACTIVITY))
    for at in range(8):
        painting.executions.start(machine, f"e{at}", "{}")
    taken: list[str] = []

    def work() -> None:
        while (task := painting.activities.take(ACTIVITY, None, keep_nothing)) is not None:
            taken.append(task.token)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert len(taken) == len(set(taken)) == 8


def test_a_poll_waits_for_a_task_and_gives_up_in_time(painting: Stage) -> None:
    async def poll_while_one_is_offered() -> Any:
        asking = asyncio.create_task(painting.activities.poll(ACTIVITY, None, keep_nothing, 20))
        await asyncio.sleep(0.05)
        await asyncio.to_thread(painting.begin, chain(T=TASK_OF_ACTIVITY))
        return await asking

    assert asyncio.run(poll_while_one_is_offered()) is not None
    assert asyncio.run(painting.activities.poll(ACTIVITY, None, keep_nothing, 0.05)) is None


def test_a_worker_that_falls_silent_times_out(painting: Stage) -> None:
    arn = painting.begin(chain(T={**TASK_OF_ACTIVITY, "TimeoutSeconds": 1}))

    assert painting.activities.take(ACTIVITY, None, keep_nothing) is not None

    assert painting.finish(arn).error == "States.Timeout"
    assert "ActivityTimedOut" in painting.types(arn)
