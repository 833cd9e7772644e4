"""Task states: scheduling a task, and the events of its life."""

from __future__ import annotations

from typing import Protocol

from customlabels.asl.documents import Document, Json, compact
from customlabels.asl.execution import Thread
from customlabels.asl.expressions import Scope, read_field
from customlabels.asl.failures import Failure, data_limit, runtime
from customlabels.asl.happenings import (
    ScheduleTask,
    TaskFailed,
    TaskHeartbeatMissed,
    TaskStarted,
    TaskSubmitted,
    TaskSucceeded,
    TaskTimedOut,
)
from customlabels.asl.machines import State, TaskBody
from customlabels.asl.paths import Path
from customlabels.asl.resources import Resource
from customlabels.asl.run import Block, Leave, Run, Step
from customlabels.errors import InvalidInput

__all__ = ["TASK_HAPPENINGS", "TaskHappening", "schedule", "task_changed", "whole_number"]

NOT_TRUNCATED = {"truncated": False}


class TaskHappening(Protocol):
    """A happening of one task."""

    @property
    def task_id(self) -> int: ...


TASK_HAPPENINGS = (TaskStarted, TaskSubmitted, TaskSucceeded, TaskFailed, TaskTimedOut, TaskHeartbeatMissed)


def whole_number(field: str, source: int | Path | None, scope: Scope, least: int) -> int | None:
    """A number of a field, or of the path in `FieldPath`; raises Failure."""
    if not isinstance(source, Path):
        return source
    value = read_field(source, scope)
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        shown = value if isinstance(value, str) else compact(value)
        raise runtime(
            f'The {field}Path field refers to value "{shown}" which is not a valid integer: {source.text}'
        )
    return value


def schedule(run: Run, thread: Thread, state: State) -> Step:
    """Make the task's parameters and ask the shell to run it."""
    assert isinstance(state.body, TaskBody)
    resource = state.body.resource
    task_id = run.next_event  # nothing comes between: the parameters may hold the token of this very task
    token = run.rules.token_of(task_id) if resource.has_token else None
    scope = state.flow.enter(run.scope(thread, token=token))
    timeout = whole_number("TimeoutSeconds", state.body.timeout, scope, 1)
    heartbeat = whole_number("HeartbeatSeconds", state.body.heartbeat, scope, 1)
    credentials: Json = state.body.credentials.evaluate(scope) if state.body.credentials else None
    parameters = state.flow.arguments(scope)
    if parameters.size > run.rules.max_payload_bytes:
        raise data_limit(state.name)
    details: dict[str, Json] = {"resource": resource.arn}
    if resource.family == "Task":
        details = {
            **_named(resource),
            "region": run.execution.arn.split(":")[3] if run.execution.arn.count(":") > 3 else "",
            "parameters": parameters.text,
        }
    else:
        details |= {"input": parameters.text, "inputDetails": NOT_TRUNCATED}
    if timeout is not None:
        details["timeoutInSeconds"] = timeout
    if heartbeat is not None:
        details["heartbeatInSeconds"] = heartbeat
    if credentials is not None:
        details["taskCredentials"] = {"roleArn": credentials.get("RoleArn")}
    run.advance(thread, f"{resource.family}Scheduled", details)
    thread.phase, thread.task = "task", task_id
    run.commands.append(
        ScheduleTask(
            task_id, state.name, resource.arn, parameters.value, timeout, heartbeat, credentials, token
        )
    )
    return Block()


def _named(resource: Resource) -> dict[str, Json]:
    return {"resource": resource.name, "resourceType": resource.kind} if resource.family == "Task" else {}


def task_changed(run: Run, thread: Thread, state: State, happening: TaskHappening) -> Step:
    """Note what happened to the thread's task; raises Failure where it failed."""
    assert isinstance(state.body, TaskBody)
    resource = state.body.resource
    named = _named(resource)
    if isinstance(happening, TaskStarted):
        if thread.phase != "task":
            return Block()  # a worker took it again after another's lease ran out: to the history one attempt
        thread.phase = "started"
        details: dict[str, Json] | None = named or None
        if resource.family == "Activity":
            details = {"workerName": happening.worker} if happening.worker else {}
        run.advance(thread, f"{resource.family}Started", details)
        return Block()
    if isinstance(happening, TaskSubmitted):
        if thread.phase == "submitted":
            return Block()
        thread.phase = "submitted"
        output = {"output": happening.output, "outputDetails": NOT_TRUNCATED}
        run.advance(thread, f"{resource.family}Submitted", {**named, **output})
        return Block()
    thread.task = None
    if isinstance(happening, TaskSucceeded):
        return _succeeded(run, thread, state, happening.output)
    if isinstance(happening, TaskFailed):
        raise _failed(run, thread, resource, happening.error, happening.cause)
    run.advance(thread, f"{resource.family}TimedOut", {**named, "error": "States.Timeout"})
    missed = isinstance(happening, TaskHeartbeatMissed)
    raise Failure("States.Timeout", aliases=("States.HeartbeatTimeout",) if missed else ())


def _succeeded(run: Run, thread: Thread, state: State, text: str) -> Step:
    assert isinstance(state.body, TaskBody)
    resource = state.body.resource
    result = Document(text=text)
    if result.size > run.rules.max_payload_bytes:
        limit = data_limit(resource.shown)
        raise _failed(run, thread, resource, limit.error, limit.cause)
    try:
        _ = result.value
    except InvalidInput as error:
        raise _failed(run, thread, resource, "States.TaskFailed", f"The task's result: {error}") from None
    output = {"output": text, "outputDetails": NOT_TRUNCATED}
    run.advance(thread, f"{resource.family}Succeeded", {**_named(resource), **output})
    return Leave(result, state.next, state.flow)


def _failed(run: Run, thread: Thread, resource: Resource, error: str | None, cause: str | None) -> Failure:
    failure = Failure(error, cause)
    details = dict(_named(resource))
    if failure.error is not None:
        details["error"] = failure.error
    if failure.cause is not None:
        details["cause"] = failure.cause
    run.advance(thread, f"{resource.family}Failed", details)
    return failure
