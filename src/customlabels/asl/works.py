"""What the states do, by their types.

Each function gets the run, the thread and its state, and gives what the state leaves with, None while the
thread waits. It raises Failure where the state fails. A Parallel and a Map start threads, join their
results, and end them all when one fails.
"""

from functools import partial
from typing import Any

from customlabels.asl import happenings, machines
from customlabels.asl.distributed import MAP_RUN, plan, run_limit
from customlabels.asl.documents import Document, Json, compact, is_number, parse_time, shown, size_of
from customlabels.asl.execution import Leave, Run, Thread
from customlabels.asl.expressions import Expression, Scope, read_field
from customlabels.asl.failures import Failure, data_limit, query_failure, runtime
from customlabels.asl.happenings import ScheduleTask, TaskHappening, given, reported
from customlabels.asl.intrinsics import FUNCTIONS
from customlabels.asl.jsonata import Query
from customlabels.asl.machines import Number, Resource, State
from customlabels.asl.paths import Path
from customlabels.errors import InvalidInput

MAX_INLINE = 40  # iterations of an inline Map that run at once when it sets no limit
ABORTED_KINDS = ("Task", "Wait", "Parallel", "Map")  # the kinds of state whose abortion is an event


def do_pass(run: Run, thread: Thread, state: State[Document | None]) -> Leave:
    """Pass: the constant result, else the parameters, else the effective input."""
    result = state.body or state.flow.arguments(run.entered(thread))
    return Leave(result, state.next, state.flow)


def go_through(run: Run, thread: Thread, state: State[Any]) -> Leave:
    """Succeed, and a Wait whose time has come: the effective input goes out."""
    return Leave(run.entered(thread).input, state.next, state.flow)


def wait(run: Run, thread: Thread, state: State[machines.WaitBody]) -> Leave | None:
    """Wait: a wait that is over at once takes no time at all."""
    scope = run.entered(thread)
    if state.body.seconds is not None:
        seconds = _seconds(state.body.seconds, scope)
    else:
        seconds = _moment(state.body.until, scope) - run.now
    if seconds <= 0:
        return go_through(run, thread, state)
    thread.phase, thread.wake = "waiting", run.now + run.rules.wait(seconds)
    return None


def _seconds(source: Number, scope: Scope) -> float:
    if isinstance(source, Query):
        return _given_number("Seconds", source, scope, 0)
    if not isinstance(source, Path):
        return source
    value = read_field(source, scope, "The SecondsPath parameter does not reference an input value: {path}")
    found = f"{source.text} == {shown(value)}"
    if not is_number(value) or isinstance(value, float):
        raise runtime(f"The SecondsPath parameter cannot be parsed as a long value: {found}")
    if value < 0:
        raise runtime(f"The SecondsPath parameter references a negative value: {found}")
    if value > machines.MAX_SECONDS:
        raise runtime("Wait state delay is too long.")
    return float(value)


def _given_number(field: str, query: Query, scope: Scope, least: int) -> int:
    value = query.typed(scope, "number")
    if not isinstance(value, int) or not least <= value <= machines.MAX_SECONDS:
        bounds = f"between {least} and {machines.MAX_SECONDS}"
        raise query_failure(f"The {field} field must give a whole number {bounds}, not {value}", query.field)
    return value


def _moment(source: float | Path | Query | None, scope: Scope) -> float:
    if isinstance(source, Query):
        value = source(scope)
        if (moment := parse_time(value)) is None:
            problem = "cannot be parsed as an ISO-8601 extended offset date-time format string"
            raise query_failure(f"The Timestamp field {problem}: {shown(value)}", source.field)
        return moment
    if not isinstance(source, Path):
        return source or 0.0
    value = read_field(source, scope, "The TimestampPath parameter does not reference an input value: {path}")
    moment = parse_time(value)
    if moment is None:
        raise runtime(
            "The TimestampPath parameter does not reference a valid ISO-8601 extended offset date-time "
            f"format string: {source.text} == {shown(value)}"
        )
    return moment


def choose(run: Run, thread: Thread, state: State[machines.ChoiceBody]) -> Leave:
    """Choice: the first rule that holds; its Assign and Output take the place of the state's own."""
    scope = run.entered(thread)
    for rule in state.body.rules:
        if rule.condition(scope):
            return Leave(scope.input, rule.next, rule.flow)
    if state.body.default is None:
        text = "Failed to transition out of the state. The state does not point to a next state."
        raise Failure("States.NoChoiceMatched", text, located=True)
    return Leave(scope.input, state.body.default, state.flow)


def fail(run: Run, thread: Thread, state: State[machines.FailBody]) -> Leave:
    """Fail: always raises."""
    scope = run.entered(thread)
    raise Failure(_text(state.body.error, scope, "ErrorPath"), _text(state.body.cause, scope, "CausePath"))


def _text(source: Expression | None, scope: Scope, field: str) -> str | None:
    if isinstance(source, Query):
        return str(source.typed(scope, "string"))
    value = None if source is None else source(scope)
    if source is not None and not isinstance(value, str):
        raise runtime(f"The {field} field must give a string, but it gives {compact(value)}")
    return value


def whole_number(field: str, source: Number | None, scope: Scope, least: int) -> int | None:
    """A number of a field, of the path in `FieldPath` or of an expression; raises Failure."""
    if isinstance(source, Query):
        return _given_number(field, source, scope, least)
    if not isinstance(source, Path):
        return source
    value = read_field(source, scope)
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        problem = f'The {field}Path field refers to value "{shown(value)}" which is not a valid integer'
        raise runtime(f"{problem}: {source.text}")
    return value


def schedule(run: Run, thread: Thread, state: State[machines.TaskBody]) -> None:
    """Task: make its parameters and ask the shell to run it."""
    resource = state.body.resource
    task_id = run.next_event  # nothing comes between: the parameters may hold the token of this very task
    token = run.rules.token_of(task_id) if resource.name.endswith(".waitForTaskToken") else None
    scope = run.entered(thread, token=token)
    timeout = whole_number("TimeoutSeconds", state.body.timeout, scope, 1)
    heartbeat = whole_number("HeartbeatSeconds", state.body.heartbeat, scope, 1)
    credentials: Json = state.body.credentials(scope) if state.body.credentials else None
    parameters = state.flow.arguments(scope)
    if size_of(parameters.text) > run.rules.max_payload_bytes:
        raise data_limit(state.name)
    if resource.arn in run.rules.missing:
        raise runtime(f"The activity {resource.arn} does not exist.")
    details: dict[str, Json]
    if resource.family == "Task":
        region = run.execution.started.execution_arn.split(":")[3]
        details = {**_named(resource), "region": region, "parameters": parameters.text}
    else:
        details = {"resource": resource.arn, **reported("input", parameters.text)}
    details |= given(timeoutInSeconds=timeout, heartbeatInSeconds=heartbeat)
    if credentials is not None:
        details["taskCredentials"] = {"roleArn": credentials.get("RoleArn")}
    run.advance(thread, f"{resource.family}Scheduled", details)
    thread.phase, thread.task = "task", task_id
    run.commands.append(ScheduleTask(task_id, state.name, resource.arn, parameters.value, timeout, heartbeat))


def _named(resource: Resource) -> dict[str, Json]:
    return {"resource": resource.name, "resourceType": resource.kind} if resource.family == "Task" else {}


def task_changed(
    run: Run, thread: Thread, state: State[machines.TaskBody], happening: TaskHappening
) -> Leave | None:
    """Note what happened to the thread's task; raises Failure where it failed."""
    resource = state.body.resource
    named = _named(resource)
    if isinstance(happening, happenings.TaskStarted):
        if thread.phase == "task":  # else a worker took it again after another's lease ran out: one attempt
            thread.phase = "started"
            worker = given(workerName=happening.worker or None)
            details = worker if resource.family == "Activity" else named or None
            run.advance(thread, f"{resource.family}Started", details)
        return None
    if isinstance(happening, happenings.TaskSubmitted):
        if thread.phase != "submitted":
            thread.phase = "submitted"
            output = reported("output", happening.output)
            run.advance(thread, f"{resource.family}Submitted", {**named, **output})
        return None
    thread.task = None
    if isinstance(happening, happenings.TaskSucceeded):
        return _succeeded(run, thread, state, happening.output)
    if isinstance(happening, happenings.TaskFailed):
        raise _failed(run, thread, resource, Failure(happening.error, happening.cause))
    run.advance(thread, f"{resource.family}TimedOut", {**named, "error": "States.Timeout"})
    missed = isinstance(happening, happenings.TaskHeartbeatMissed)
    raise Failure("States.Timeout", alias="States.HeartbeatTimeout" if missed else None)


def _succeeded(run: Run, thread: Thread, state: State[machines.TaskBody], text: str) -> Leave:
    resource = state.body.resource
    if size_of(text) > run.rules.max_payload_bytes:
        raise _failed(run, thread, resource, data_limit(resource.kind or resource.arn))
    result = Document(text=text)
    try:
        _ = result.value
    except InvalidInput as error:
        failure = Failure("States.TaskFailed", f"The task's result: {error}")
        raise _failed(run, thread, resource, failure) from None
    run.advance(thread, f"{resource.family}Succeeded", {**_named(resource), **reported("output", text)})
    return Leave(result, state.next, state.flow)


def _failed(run: Run, thread: Thread, resource: Resource, failure: Failure) -> Failure:
    details = {**_named(resource), **given(error=failure.error, cause=failure.cause)}
    run.advance(thread, f"{resource.family}Failed", details)
    return failure


def start_parallel(run: Run, thread: Thread, state: State[tuple[str, ...]]) -> None:
    """Start all branches with the same input."""
    text = state.flow.arguments(run.entered(thread)).text
    run.advance(thread, "ParallelStateStarted")
    _reset(thread, len(state.body))
    for index, branch in enumerate(state.body):
        run.spawn(thread, index, branch, text, thread.last)
    thread.started_children = thread.total_children


def start_map(run: Run, thread: Thread, state: State[machines.MapBody]) -> Leave | None:
    """Start as many iterations as may run at once, or plan the executions that are to be them."""
    if state.body.distributed is not None:
        _start_map_run(run, thread, state)
        return None
    items = _items(run, thread, state.body)
    limit = whole_number("MaxConcurrency", state.body.max_concurrency, run.entered(thread), 0)
    run.advance(thread, "MapStateStarted", {"length": len(items)})
    _reset(thread, len(items))
    if not items:
        run.emit("MapStateSucceeded", thread.last)
        return Leave(Document(text="[]"), state.next, state.flow)
    for _ in range(min(limit or MAX_INLINE, len(items))):
        _start_iteration(run, thread, state, thread.last)
    return None


def _start_map_run(run: Run, thread: Thread, state: State[machines.MapBody]) -> None:
    said = state.body.distributed
    assert said is not None
    scope = run.entered(thread)
    items = None if said.reader else _items(run, thread, state.body)
    run_limit(state.body, scope)  # a limit that is none is told before anything starts
    run.advance(thread, "MapStateStarted", {"length": len(items or [])})
    new_name = partial(FUNCTIONS["UUID"], run.chance)
    parameters = plan(run, state.body, scope, items, (said.label or new_name(), new_name()))
    run.advance(thread, "MapRunStarted", {"mapRunArn": parameters["Arn"]})
    thread.phase, thread.task = "task", thread.last
    run.commands.append(ScheduleTask(thread.last, state.name, MAP_RUN, parameters))


def map_run_changed(
    run: Run, thread: Thread, state: State[machines.MapBody], happening: TaskHappening
) -> Leave | None:
    """Note what happened to the thread's map run; raises Failure where it failed."""
    if isinstance(happening, happenings.TaskSucceeded):
        thread.task = None
        run.advance(thread, "MapRunSucceeded")
        run.emit("MapStateSucceeded", thread.last)  # which is nobody's predecessor
        return Leave(Document(text=happening.output), state.next, state.flow)
    if isinstance(happening, happenings.TaskFailed):
        thread.task = None
        run.advance(thread, "MapRunFailed", given(error=happening.error, cause=happening.cause))
        raise Failure(happening.error, happening.cause)
    return None


def _reset(thread: Thread, total: int) -> None:
    thread.phase = "children"
    thread.results, thread.started_children, thread.total_children = {}, 0, total


def _items(run: Run, thread: Thread, body: machines.MapBody) -> list[Json]:
    if thread.id not in run.items:
        run.items[thread.id] = _all_items(body.items, run.entered(thread))
    return run.items[thread.id]


def _all_items(source: machines.Items, scope: Scope) -> list[Json]:
    if isinstance(source, Path):
        value = read_field(source, scope)
        if not isinstance(value, list):
            raise runtime(f'Reference path "{source.text}" must point to array.')
    elif source is None:
        value = scope.input.value
        if not isinstance(value, list):
            raise query_failure(f"Map state input must be an array but was: {compact(value)}", None)
    else:
        value = source.typed(scope, "array") if isinstance(source, Query) else source(scope)
    return list(value)


def _start_iteration(run: Run, thread: Thread, state: State[machines.MapBody], previous: int) -> None:
    index = thread.started_children
    item = [index, _items(run, thread, state.body)[index]]
    started = _note_iteration(run, "Started", previous, state, index)
    scope = run.entered(thread, item=item)
    value = item[1] if state.body.selector is None else state.body.selector(scope)
    child = run.spawn(thread, index, state.body.processor, compact(value), started)
    child.item = item
    thread.started_children += 1


def _note_iteration(run: Run, what: str, previous: int, state: State[Any], index: int) -> int:
    return run.emit(f"MapIteration{what}", previous, {"name": state.name, "index": index})


def child_ended(run: Run, thread: Thread, state: State[Any], child: Thread, output: str) -> Leave | None:
    """A branch or iteration ended well: start the next one, or join the results when it was the last."""
    thread.results[str(child.index)] = output
    last = child.last
    if state.kind == "Map":
        last = _note_iteration(run, "Succeeded", child.last, state, child.index)
        if thread.started_children < thread.total_children:
            _start_iteration(run, thread, state, child.last)
    if len(thread.results) < thread.total_children:
        return None
    run.emit(f"{state.kind}StateSucceeded", last)
    thread.last = last  # the summary event is nobody's predecessor
    joined = ",".join(thread.results[str(index)] for index in range(thread.total_children))
    return Leave(Document(text=f"[{joined}]"), state.next, state.flow)


def child_failed(run: Run, thread: Thread, state: State[Any], failed: Thread) -> None:
    """A branch or iteration failed: the others are aborted."""
    cause = failed.last
    if state.kind == "Map":
        _note_iteration(run, "Failed", cause, state, failed.index)
    if run.state(failed).kind in ("Task", "Wait") and failed.phase != "enter":
        run.emit(f"{run.state(failed).kind}StateAborted", cause)
    _abort_children(run, thread, cause, spared=failed)
    thread.last = cause


def _abort_children(run: Run, thread: Thread, cause: int, spared: Thread | None = None) -> None:
    state = run.state(thread)
    for child in run.children(thread):
        if child is spared:
            continue
        if state.kind == "Map":
            _note_iteration(run, "Aborted", cause, state, child.index)
        _abort_children(run, child, cause)
        kind = run.state(child).kind
        if kind in ABORTED_KINDS and child.phase != "enter":
            run.emit(f"{kind}StateAborted", cause)
