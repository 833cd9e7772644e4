"""What the states without tasks and branches do: Pass, Wait, Choice, Succeed and Fail.

Each function gets the run, the thread and its state, and says whether the thread waits or leaves. It
raises Failure where the state fails.
"""

from __future__ import annotations

from customlabels.asl.documents import Json, compact
from customlabels.asl.execution import Thread
from customlabels.asl.expressions import Expression, Literal, Scope, evaluate
from customlabels.asl.failures import Failure, runtime
from customlabels.asl.machines import ChoiceBody, FailBody, PassBody, State, WaitBody
from customlabels.asl.paths import Path, PathMissing
from customlabels.asl.run import Block, Leave, Run, Step
from customlabels.asl.timestamps import parse_time

__all__ = ["choose", "do_pass", "fail", "succeed", "wait", "wake"]

LONGEST_WAIT = 99_999_999  # seconds; a point in time has no such bound


def do_pass(run: Run, thread: Thread, state: State) -> Step:
    """Pass: the constant result, else the parameters, else the effective input."""
    assert isinstance(state.body, PassBody)
    result = state.body.result
    if result is None:
        result = state.flow.arguments(state.flow.enter(run.scope(thread)))
    return Leave(result, state.next, state.flow)


def succeed(run: Run, thread: Thread, state: State) -> Step:
    """Succeed: the effective input goes out."""
    return Leave(state.flow.enter(run.scope(thread)).input, None, state.flow)


def wait(run: Run, thread: Thread, state: State) -> Step:
    """Wait: a wait that is over at once takes no time at all."""
    assert isinstance(state.body, WaitBody)
    scope = state.flow.enter(run.scope(thread))
    if state.body.seconds is not None:
        seconds = _seconds(state.body.seconds, scope)
    else:
        seconds = _moment(state.body.until, scope) - run.now
    if seconds <= 0:
        return wake(run, thread, state)
    thread.phase, thread.wake = "waiting", run.now + run.rules.wait(seconds)
    return Block()


def wake(run: Run, thread: Thread, state: State) -> Step:
    """What a Wait state leaves with when its time has come."""
    return Leave(state.flow.enter(run.scope(thread)).input, state.next, state.flow)


def _seconds(source: float | Path, scope: Scope) -> float:
    if not isinstance(source, Path):
        return source
    try:
        value = scope.read(source)
    except PathMissing:
        raise runtime(f"The SecondsPath parameter does not reference an input value: {source.text}") from None
    shown = value if isinstance(value, str) else compact(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise runtime(f"The SecondsPath parameter cannot be parsed as a long value: {source.text} == {shown}")
    if value < 0:
        raise runtime(f"The SecondsPath parameter references a negative value: {source.text} == {shown}")
    if value > LONGEST_WAIT:
        raise runtime("Wait state delay is too long.")
    return value


def _moment(source: float | Path | None, scope: Scope) -> float:
    if not isinstance(source, Path):
        return source or 0.0
    try:
        value = scope.read(source)
    except PathMissing:
        raise runtime(
            f"The TimestampPath parameter does not reference an input value: {source.text}"
        ) from None
    moment = parse_time(value)
    if moment is None:
        shown = value if isinstance(value, str) else compact(value)
        raise runtime(
            "The TimestampPath parameter does not reference a valid ISO-8601 extended offset date-time "
            f"format string: {source.text} == {shown}"
        )
    return moment


def choose(run: Run, thread: Thread, state: State) -> Step:
    """Choice: the first rule that holds; its Assign takes the place of the state's own."""
    assert isinstance(state.body, ChoiceBody)
    scope = state.flow.enter(run.scope(thread))
    for rule in state.body.rules:
        if rule.condition.holds(scope):
            return Leave(scope.input, rule.next, rule.flow)
    if state.body.default is None:
        raise Failure(
            "States.NoChoiceMatched",
            "Failed to transition out of the state. The state does not point to a next state.",
            located=True,
        )
    return Leave(scope.input, state.body.default, state.flow)


def fail(run: Run, thread: Thread, state: State) -> Step:
    """Fail: always raises."""
    assert isinstance(state.body, FailBody)
    scope = state.flow.enter(run.scope(thread))
    raise Failure(_text(state.body.error, scope, "ErrorPath"), _text(state.body.cause, scope, "CausePath"))


def _text(source: Literal | Expression | None, scope: Scope, field: str) -> str | None:
    if source is None:
        return None
    value: Json = evaluate(source, scope, field)
    if not isinstance(value, str):
        raise runtime(f"The {field} field must give a string, but it gives {compact(value)}")
    return value
