"""The interpreter: one happening in, events and commands out.

A decision runs every thread until it waits for something outside, or until it has made so many events that
the shell should save them first. It is a pure function: time and chance come in as arguments.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from customlabels.asl import branches, tasks, works
from customlabels.asl.documents import Document, Json, compact, read_json
from customlabels.asl.execution import Execution, Thread
from customlabels.asl.failures import Failure, data_limit, runtime
from customlabels.asl.happenings import (
    Abort,
    Command,
    Event,
    ExecutionStarted,
    ExecutionTimedOut,
    Finish,
    Happening,
    Rules,
    TimerDue,
)
from customlabels.asl.machines import Machine, State
from customlabels.asl.run import Block, HistoryFull, Leave, Run, Step
from customlabels.errors import InvalidInput

__all__ = ["Decision", "decide"]

NOT_TRUNCATED = {"truncated": False}
STARTERS: dict[str, Callable[[Run, Thread, State], Step]] = {
    "Pass": works.do_pass,
    "Wait": works.wait,
    "Choice": works.choose,
    "Succeed": works.succeed,
    "Fail": works.fail,
    "Task": tasks.schedule,
    "Parallel": branches.start_parallel,
    "Map": branches.start_map,
}


@dataclass(frozen=True)
class Decision:
    """What follows from a happening. ready: the shell shall call again at once, with Continue."""

    state: Execution
    events: tuple[Event, ...]
    commands: tuple[Command, ...]
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
            last = run.events[-1].id if run.events else run.next_event - 1
            _end(run, Finish("FAILED", error="States.Runtime", cause=text), last)
    snapshot = run.snapshot()
    ready = snapshot.status == "RUNNING" and bool(snapshot.ready)
    return Decision(snapshot, tuple(run.events), tuple(run.commands), ready)


def _begin(machine: Machine, happening: Happening, rules: Rules) -> Execution:
    assert isinstance(happening, ExecutionStarted)
    if len(happening.input.encode("utf-8", "surrogatepass")) > rules.max_payload_bytes:
        raise InvalidInput(f"execution input: more than {rules.max_payload_bytes} bytes")
    read_json(happening.input)
    deadline = None
    if machine.timeout_seconds is not None:
        deadline = happening.start_time + machine.timeout_seconds
    return Execution(
        arn=happening.execution_arn,
        name=happening.execution_name,
        role_arn=happening.role_arn,
        machine_arn=happening.machine_arn,
        machine_name=happening.machine_name,
        input=happening.input,
        start_time=happening.start_time,
        deadline=deadline,
    )


def _apply(run: Run, happening: Happening) -> None:
    """Turn the happening into events and threads that can go on."""
    if isinstance(happening, ExecutionStarted):
        details = {"input": happening.input, "inputDetails": NOT_TRUNCATED, "roleArn": happening.role_arn}
        run.emit("ExecutionStarted", 0, details)
        # The first state's entered event has no predecessor: `last` is 0, not the event above.
        root = Thread(0, "", run.machine.workflows[""].start_at, happening.input, last=0)
        run.threads[root.id] = root
        run.queue.append(root.id)
    elif isinstance(happening, Abort):
        _end(run, Finish("ABORTED", error=happening.error, cause=happening.cause), 0)
    elif isinstance(happening, ExecutionTimedOut):
        _end(run, Finish("TIMED_OUT"), 0)
    elif isinstance(happening, TimerDue):
        if run.execution.deadline is not None and run.execution.deadline <= run.now:
            _end(run, Finish("TIMED_OUT"), 0)
        _wake(run)
    elif isinstance(happening, tasks.TASK_HAPPENINGS):
        thread = next((one for one in run.threads.values() if one.task == happening.task_id), None)
        if thread is not None:
            _attempt(run, thread, partial(tasks.task_changed, run, thread, run.state(thread), happening))


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
        details = {"name": state.name, "input": thread.input, "inputDetails": NOT_TRUNCATED}
        run.advance(thread, f"{state.kind}StateEntered", details)
        thread.entered, thread.entered_at = thread.last, run.now
        thread.retries, thread.retry_count = {}, 0
    work = works.wake if thread.phase == "woken" else STARTERS[state.kind]
    thread.phase = "working"
    _attempt(run, thread, partial(work, run, thread, state))


def _attempt(run: Run, thread: Thread, work: Callable[[], Step]) -> None:
    """Do a piece of a state's work, and what follows from its end or failure."""
    try:
        step = work()
        if isinstance(step, Block):
            return
        output = _leave(run, thread, step)
    except Failure as failure:
        _fail(run, thread, _located(thread, failure))
        return
    except InvalidInput as error:  # a value that grew beyond what can be read back
        _fail(run, thread, _located(thread, runtime(str(error))))
        return
    _move(run, thread, step.next, output)


def _leave(run: Run, thread: Thread, step: Leave) -> str:
    """The exited event; returns the output. Raises Failure, before any change."""
    outcome = step.flow.outcome(Document(text=thread.input), step.result, run.scope(thread))
    if outcome.output.size > run.rules.max_payload_bytes:
        raise data_limit(thread.state)
    details: dict[str, Json] = {
        "name": thread.state,
        "output": outcome.output.text,
        "outputDetails": NOT_TRUNCATED,
    }
    if outcome.assigned:
        details["assignedVariables"] = {name: compact(value) for name, value in outcome.assigned.items()}
        details["assignedVariablesDetails"] = NOT_TRUNCATED
    run.advance(thread, f"{run.state(thread).kind}StateExited", details)
    thread.variables = {**thread.variables, **outcome.assigned}
    return outcome.output.text


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
    _attempt(run, parent, partial(branches.child_ended, run, parent, run.state(parent), thread, output))


def _located(thread: Thread, failure: Failure) -> Failure:
    if not failure.located:
        return failure
    place = f"the state '{thread.state}' (entered at the event id #{thread.entered})"
    cause = f"An error occurred while executing {place}. {failure.cause}"
    return Failure(failure.error, cause, aliases=failure.aliases, fatal=failure.fatal)


def _fail(run: Run, thread: Thread, failure: Failure) -> None:
    """Retry, catch, or hand the failure to whoever waits for the thread."""
    state = run.state(thread)
    if failure.fatal:
        _end(run, Finish("FAILED", error=failure.error, cause=failure.cause), thread.last)
        return
    if _retries(run, thread, state, failure):
        return
    if thread.phase == "children":
        run.advance(thread, f"{state.kind}StateFailed")
    for catcher in state.catchers:
        if _matches(catcher.errors, failure, state):
            cause = (
                "" if failure.error == "States.Timeout" else failure.cause
            )  # a timeout has no cause to give
            error = Document(value={"Error": failure.error, "Cause": cause})
            try:
                output = _leave(run, thread, Leave(error, catcher.next, catcher.flow))
            except Failure as second:
                failure = _located(thread, second)
                break
            _move(run, thread, catcher.next, output)
            return
    if thread.parent is None:
        _end(run, Finish("FAILED", error=failure.error, cause=failure.cause), thread.last)
        return
    parent = run.threads[thread.parent]
    branches.child_failed(run, parent, run.state(parent), thread)
    _fail(run, parent, failure)


def _retries(run: Run, thread: Thread, state: State, failure: Failure) -> bool:
    for index, retrier in enumerate(state.retriers):
        if not _matches(retrier.errors, failure, state):
            continue
        failures = thread.retries.get(str(index), 0) + 1
        delay = retrier.delay(failures, run.chance.random())
        if delay is None:
            return False
        thread.retries[str(index)] = failures
        thread.retry_count += 1
        thread.phase, thread.wake = "retrying", run.now + delay
        run.items.pop(thread.id, None)
        return True
    return False


def _matches(errors: tuple[str, ...], failure: Failure, state: State) -> bool:
    """Whether `ErrorEquals` names the failure: by name, or by one of the two wildcards."""
    names = failure.names()
    if any(name in errors for name in names) or "States.ALL" in errors:
        return True
    return "States.TaskFailed" in errors and state.kind == "Task" and "States.Timeout" not in names


ENDINGS = {
    "SUCCEEDED": "ExecutionSucceeded",
    "FAILED": "ExecutionFailed",
    "ABORTED": "ExecutionAborted",
    "TIMED_OUT": "ExecutionTimedOut",
}


def _end(run: Run, finish: Finish, previous: int) -> None:
    """The last event of the history; whatever is still open is cancelled."""
    details: dict[str, Json] = {}
    if finish.output is not None:
        details |= {"output": finish.output, "outputDetails": NOT_TRUNCATED}
    if finish.error is not None:
        details["error"] = finish.error
    if finish.cause is not None:
        details["cause"] = finish.cause
    run.emit(ENDINGS[finish.status], previous, details)
    for thread in [thread for thread in run.threads.values() if thread.parent is None]:
        run.drop(thread)
    run.queue.clear()
    run.status = finish.status
    run.commands.append(finish)
