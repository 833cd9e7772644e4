"""Parallel and Map states: starting threads, joining their results, ending them when one fails."""

from __future__ import annotations

from customlabels.asl.documents import Document, Json, compact
from customlabels.asl.execution import Thread
from customlabels.asl.expressions import Scope, read_field
from customlabels.asl.failures import runtime
from customlabels.asl.machines import MapBody, ParallelBody, State
from customlabels.asl.run import Block, Leave, Run, Step
from customlabels.asl.tasks import whole_number

__all__ = ["child_ended", "child_failed", "start_map", "start_parallel"]

MAX_INLINE = 40  # iterations of an inline Map that run at once when it sets no limit
ABORTED_KINDS = ("Task", "Wait", "Parallel", "Map")  # the kinds of state whose abortion is an event


def start_parallel(run: Run, thread: Thread, state: State) -> Step:
    """Start all branches with the same input."""
    assert isinstance(state.body, ParallelBody)
    text = state.flow.arguments(state.flow.enter(run.scope(thread))).text
    run.advance(thread, "ParallelStateStarted")
    _reset(thread, len(state.body.branches))
    for index, branch in enumerate(state.body.branches):
        run.spawn(thread, index, branch, text, thread.last)
    thread.started_children = thread.total_children
    return Block()


def start_map(run: Run, thread: Thread, state: State) -> Step:
    """Start as many iterations as may run at once."""
    assert isinstance(state.body, MapBody)
    scope = state.flow.enter(run.scope(thread))
    items = _items(run, thread, state)
    limit = whole_number("MaxConcurrency", state.body.max_concurrency, scope, 0)
    run.advance(thread, "MapStateStarted", {"length": len(items)})
    _reset(thread, len(items))
    if not items:
        run.emit("MapStateSucceeded", thread.last)
        return Leave(Document(text="[]"), state.next, state.flow)
    for _ in range(min(limit or MAX_INLINE, len(items))):
        _start_iteration(run, thread, state, thread.last)
    return Block()


def _reset(thread: Thread, total: int) -> None:
    thread.phase = "children"
    thread.results, thread.started_children, thread.total_children = {}, 0, total


def _items(run: Run, thread: Thread, state: State) -> list[Json]:
    assert isinstance(state.body, MapBody)
    if thread.id not in run.items:
        path = state.body.items
        value = read_field(path, state.flow.enter(run.scope(thread)))
        if not isinstance(value, list):
            raise runtime(f'Reference path "{path.text}" must point to array.')
        run.items[thread.id] = value
    return run.items[thread.id]


def _start_iteration(run: Run, thread: Thread, state: State, previous: int) -> None:
    assert isinstance(state.body, MapBody)
    index = thread.started_children
    item = [index, _items(run, thread, state)[index]]
    named = {"name": state.name, "index": index}
    started = run.emit("MapIterationStarted", previous, named)
    scope: Scope = state.flow.enter(run.scope(thread, item=item))
    value = item[1] if state.body.selector is None else state.body.selector.evaluate(scope)
    child = run.spawn(thread, index, state.body.processor, compact(value), started)
    child.item = item
    thread.started_children += 1


def child_ended(run: Run, thread: Thread, state: State, child: Thread, output: str) -> Step:
    """A branch or iteration ended well: start the next one, or join the results when it was the last."""
    thread.results[str(child.index)] = output
    last = previous = child.last
    if state.kind == "Map":
        last = run.emit("MapIterationSucceeded", previous, {"name": state.name, "index": child.index})
        if thread.started_children < thread.total_children:
            _start_iteration(run, thread, state, previous)
    if len(thread.results) < thread.total_children:
        return Block()
    run.emit(f"{state.kind}StateSucceeded", last)
    thread.last = last  # the summary event is nobody's predecessor
    joined = ",".join(thread.results[str(index)] for index in range(thread.total_children))
    return Leave(Document(text=f"[{joined}]"), state.next, state.flow)


def child_failed(run: Run, thread: Thread, state: State, failed: Thread) -> None:
    """A branch or iteration failed: the others are aborted, and all of them are forgotten."""
    cause = failed.last
    if state.kind == "Map":
        run.emit("MapIterationFailed", cause, {"name": state.name, "index": failed.index})
    if run.state(failed).kind in ("Task", "Wait") and failed.phase != "enter":
        run.emit(f"{run.state(failed).kind}StateAborted", cause)
    for child in run.children(thread):
        if child.id != failed.id:
            if state.kind == "Map":
                run.emit("MapIterationAborted", cause, {"name": state.name, "index": child.index})
            _abort(run, child, cause)
    for child in run.children(thread):
        run.drop(child)
    thread.last = cause


def _abort(run: Run, thread: Thread, cause: int) -> None:
    state = run.state(thread)
    for child in run.children(thread):
        if state.kind == "Map":
            run.emit("MapIterationAborted", cause, {"name": state.name, "index": child.index})
        _abort(run, child, cause)
    if state.kind in ABORTED_KINDS and thread.phase != "enter":
        run.emit(f"{state.kind}StateAborted", cause)
