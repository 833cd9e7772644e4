"""The interpreter: one happening in, events and commands out.

A decision runs every thread until it waits for something outside, or until it has made so many events that
the shell should save them first. It is a pure function: time and chance come in as arguments.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from customlabels.asl import happenings, works
from customlabels.asl.documents import Document, compact, read_json, size_of
from customlabels.asl.execution import Execution, HistoryFull, Leave, Run, Thread
from customlabels.asl.failures import Failure, data_limit, runtime
from customlabels.asl.happenings import ExecutionStarted, Finish, Happening, Rules, given, reported
from customlabels.asl.machines import Machine, State
from customlabels.errors import InvalidInput

STARTERS: dict[str, Callable[..., Leave | None]] = {
    "Pass": works.do_pass,
    "Wait": works.wait,
    "Choice": works.choose,
    "Succeed": works.go_through,
    "Fail": works.fail,
    "Task": works.schedule,
    "Parallel": works.start_parallel,
    "Map": works.start_map,
}


@dataclass(frozen=True)
class Decision:
    """What follows from a happening. ready: the shell shall call again at once, with Continue."""

    state: Execution
    events: tuple[happenings.Event, ...]
    commands: tuple[happenings.Command, ...]
    ready: bool


def decide(
    machine: Machine, state: Execution | None, happening: Happening, now: float, seed: str, rules: Rules
) -> Decision:
    """What an execution does about a happening.

    state: None for ExecutionStarted only, with which an execution begins    now: epoch seconds
    seed: of this decision, from the execution and a sequence number; it feeds jitter and random functions
    A happening for a task or an execution that is over changes nothing. Raises InvalidInput for an
    execution input that is no JSON, and for a happening that does not fit the state.
    """
    if (state is None) is not isinstance(happening, ExecutionStarted):
        raise InvalidInput("ExecutionStarted begins an execution, and only that")
    run = Run(machine, state or _begin(machine, happening, rules), now, seed, rules)
    if run.status == "RUNNING":
        try:
            _apply(run, happening)
            while run.queue and run.status == "RUNNING" and len(run.events) < rules.events_per_decision:
                thread = run.threads.get(run.queue.popleft())
                if thread is not None:
                    _go_on(run, thread)
        except HistoryFull:
            text = f"The execution reached the maximum number of history events ({rules.max_events})."
            _end(run, Finish("FAILED", error="States.Runtime", cause=text), run.next_event - 1)
    snapshot = run.snapshot()
    return Decision(snapshot, tuple(run.events), tuple(run.commands), ready=bool(snapshot.ready))


def _begin(machine: Machine, happening: Happening, rules: Rules) -> Execution:
    assert isinstance(happening, ExecutionStarted)
    if size_of(happening.input) > rules.max_payload_bytes:
        raise InvalidInput(f"execution input: more than {rules.max_payload_bytes} bytes")
    read_json(happening.input)
    limit = machine.timeout_seconds
    return Execution(happening, deadline=None if limit is None else happening.start_time + limit)


def _apply(run: Run, happening: Happening) -> None:
    """Turn the happening into events and threads that can go on."""
    if isinstance(happening, ExecutionStarted):
        details = {**reported("input", happening.input), "roleArn": happening.role_arn}
        run.emit("ExecutionStarted", 0, details)
        # The first state's entered event has no predecessor: `last` is 0, not the event above.
        run.threads[0] = Thread(0, "", run.machine.workflows[""].start_at, happening.input, last=0)
        run.queue.append(0)
    elif isinstance(happening, happenings.Abort):
        _end(run, Finish("ABORTED", error=happening.error, cause=happening.cause), 0)
    elif isinstance(happening, happenings.TimerDue):
        if run.execution.deadline is not None and run.execution.deadline <= run.now:
            _end(run, Finish("TIMED_OUT"), 0)
        _wake(run)
    elif isinstance(happening, happenings.TaskHappening):
        thread = next((one for one in run.threads.values() if one.task == happening.task_id), None)
        if thread is not None:
            is_map = run.state(thread).kind == "Map"
            _attempt(run, thread, works.map_run_changed if is_map else works.task_changed, happening)


def _wake(run: Run) -> None:
    due = [thread for thread in run.threads.values() if thread.wake is not None and thread.wake <= run.now]
    for thread in sorted(due, key=lambda thread: (thread.wake or 0.0, thread.id)):
        thread.phase = "woken" if thread.phase == "waiting" else "again"
        thread.wake = None
        run.queue.append(thread.id)


def _go_on(run: Run, thread: Thread) -> None:
    """One state of a thread, or its next attempt: until it waits, fails or leaves."""
    state = run.state(thread)
    if thread.phase == "enter":
        details = {"name": state.name, **reported("input", thread.input)}
        thread.before = thread.last
        run.advance(thread, f"{state.kind}StateEntered", details)
        thread.entered, thread.entered_at = thread.last, run.now
        thread.retries, thread.retry_count = {}, 0
    work = works.go_through if thread.phase == "woken" else STARTERS[state.kind]
    thread.phase = "working"
    _attempt(run, thread, work)


def _attempt(run: Run, thread: Thread, work: Callable[..., Leave | None], *news: object) -> None:
    """Do a piece of the state's work, which is told the news, and what follows from its end or failure."""
    try:
        step = work(run, thread, run.state(thread), *news)
        if step is None:
            return
        output = _leave(run, thread, step)
    except Failure as failure:
        _fail(run, thread, _noted(run, thread, failure))
    except InvalidInput as error:  # a value that grew beyond what can be read back
        _fail(run, thread, _noted(run, thread, runtime(str(error))))
    else:
        _move(run, thread, step.next, output)


def _leave(run: Run, thread: Thread, step: Leave) -> str:
    """The exited event; returns the output. Raises Failure, before any change."""
    output, assigned = step.flow.outcome(Document(text=thread.input), step.result, run.scope(thread))
    if size_of(output.text) > run.rules.max_payload_bytes:
        raise data_limit(thread.state)
    details = {"name": thread.state, **reported("output", output.text)}
    if assigned:
        details["assignedVariables"] = {name: compact(value) for name, value in assigned.items()}
        details["assignedVariablesDetails"] = {"truncated": False}
    run.advance(thread, f"{run.state(thread).kind}StateExited", details)
    thread.variables = {**thread.variables, **assigned}
    return output.text


def _move(run: Run, thread: Thread, following: str | None, output: str) -> None:
    """To the next state, or to the end of the workflow and of what waits for it."""
    run.items.pop(thread.id, None)
    thread.results, thread.started_children, thread.total_children = {}, 0, 0
    if following is not None:
        thread.state, thread.input, thread.phase = following, output, "enter"
        run.queue.appendleft(thread.id)  # a thread goes on while it can, then the next one
        return
    if thread.parent is None:
        _end(run, Finish("SUCCEEDED", output=output), thread.last)
        return
    parent = run.threads[thread.parent]
    run.drop(thread)
    _attempt(run, parent, works.child_ended, thread, output)


def _noted(run: Run, thread: Thread, failure: Failure) -> Failure:
    """The failure with its place in the cause; an expression that failed is an event of its own."""
    if not failure.located:
        return failure
    place = f"the state '{thread.state}' (entered at the event id #{thread.entered})"
    cause = f"An error occurred while executing {place}. {failure.cause}"
    if failure.query:
        # Before the state's work began the event follows what came before the state, but in a Wait.
        at_once = thread.last == thread.entered and run.state(thread).kind != "Wait"
        details = given(error=failure.error, cause=cause, location=failure.field, state=thread.state)
        thread.last = run.emit("EvaluationFailed", thread.before if at_once else thread.last, details)
    return Failure(failure.error, cause, alias=failure.alias, fatal=failure.fatal)


def _fail(run: Run, thread: Thread, failure: Failure) -> None:
    """Retry, catch, or hand the failure to whoever waits for the thread."""
    state = run.state(thread)
    if failure.fatal:
        _end(run, Finish("FAILED", error=failure.error, cause=failure.cause), thread.last)
        return
    for child in run.children(thread):
        run.drop(child)
    if _retries(run, thread, state, failure):
        return
    if state.kind in ("Parallel", "Map"):
        run.advance(thread, f"{state.kind}StateFailed")
    catcher = next((one for one in state.catchers if _matches(one.errors, failure, state)), None)
    if catcher is not None:
        cause = "" if failure.error == "States.Timeout" else failure.cause  # a timeout has none to give
        error = Document(value={"Error": failure.error, "Cause": cause})
        try:
            output = _leave(run, thread, Leave(error, catcher.next, catcher.flow))
        except Failure as second:
            failure = _noted(run, thread, second)
        else:
            _move(run, thread, catcher.next, output)
            return
    if thread.parent is None:
        _end(run, Finish("FAILED", error=failure.error, cause=failure.cause), thread.last)
        return
    parent = run.threads[thread.parent]
    works.child_failed(run, parent, run.state(parent), thread)
    _fail(run, parent, failure)


def _retries(run: Run, thread: Thread, state: State[Any], failure: Failure) -> bool:
    index = next((i for i, one in enumerate(state.retriers) if _matches(one.errors, failure, state)), None)
    if index is None:
        return False
    failures = thread.retries.get(str(index), 0) + 1
    delay = state.retriers[index].delay(failures, run.chance.random())
    if delay is None:
        return False
    thread.retries[str(index)] = failures
    thread.retry_count += 1
    thread.phase, thread.wake = "retrying", run.now + delay
    run.items.pop(thread.id, None)
    return True


def _matches(errors: tuple[str, ...], failure: Failure, state: State[Any]) -> bool:
    """Whether `ErrorEquals` names the failure: by name, or by one of the two wildcards."""
    if "States.ALL" in errors or failure.error in errors or failure.alias in errors:
        return True
    return "States.TaskFailed" in errors and state.kind == "Task" and failure.error != "States.Timeout"


def _end(run: Run, finish: Finish, previous: int) -> None:
    """The last event of the history; whatever is still open is cancelled."""
    details = given(error=finish.error, cause=finish.cause)
    if finish.output is not None:
        details = reported("output", finish.output)
    ending = finish.status.title().replace("_", "")
    run.emit(f"Execution{ending}", previous, details)
    for thread in [thread for thread in run.threads.values() if thread.parent is None]:
        run.drop(thread)
    run.queue.clear()
    run.status = finish.status
    run.commands.append(finish)
