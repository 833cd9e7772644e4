"""Redrive: an execution that ended badly goes on from where it failed, in the same history.

Layer: workflows. Pure. What is kept of a failed execution is its snapshot from before the failing state
began, or from before its task ended. What had succeeded stays; tasks that were open or had
failed are asked again, under new tokens, with their retries counted anew.
"""

import copy
from dataclasses import replace

from customlabels.asl import Continue, Decision, Event, Execution, Happening, Machine, Rules, decide
from customlabels.workflows import journal

REDRIVABLE_SECONDS = 14 * 86_400.0
WITH_TASK = ("task", "started", "submitted")  # phases of threads whose task was cancelled by the end


def redrive_status(execution: journal.Execution, now: float) -> tuple[str, str | None]:
    """`REDRIVABLE` or `NOT_REDRIVABLE` at `now` (epoch seconds), and why not."""
    if execution.status in ("RUNNING", "SUCCEEDED"):
        return "NOT_REDRIVABLE", f"Execution is {execution.status} and cannot be redriven"
    if not execution.is_kept:
        return "NOT_REDRIVABLE", "Execution ended in a way that leaves nothing to go on from"
    if now - (execution.stopped_at or 0.0) > REDRIVABLE_SECONDS:
        return "NOT_REDRIVABLE", "Execution is not redrivable because it ended more than 14 days ago"
    return "REDRIVABLE", None


def point_of_failure(
    machine: Machine,
    before: Execution | None,
    happening: Happening,
    decision: Decision,
    conditions: tuple[float, str, Rules],
) -> Execution | None:
    """The last snapshot before the failure, of a decision that ended an execution.

    The decision may have gone through many states: it is made again state by state, which gives the same
    events unless chance had a part in it. Then nothing is kept (None), rather than something else.
    conditions: now, seed and rules of the decision
    """
    now, seed, rules = conditions
    by_state = replace(rules, events_per_decision=1)
    events: list[Event] = []
    while True:
        step = decide(machine, before, happening, now, seed, by_state)
        events += step.events
        if step.state.status != "RUNNING":
            return before if tuple(events) == decision.events else None
        before, happening = step.state, Continue()


def redriven(
    kept: Execution, machine: Machine, last_event: int, count: int, now: float
) -> tuple[Execution, Event]:
    """The execution as it goes on, and the event that tells of it.

    last_event: the id of the newest event    count: how often the execution was redriven, with this time
    """
    event = Event(last_event + 1, last_event, "ExecutionRedriven", now, {"redriveCount": count})
    threads = tuple(copy.copy(thread) for thread in kept.threads)
    again = []
    for thread in threads:
        if thread.phase in WITH_TASK:
            thread.phase, thread.task = "again", None
            again.append(thread.id)
        thread.retries, thread.retry_count = {}, 0
        if thread.id in (*again, *kept.ready):
            thread.last = event.id
    limit = machine.timeout_seconds
    going_on = replace(
        kept,
        threads=threads,
        ready=(*again, *kept.ready),
        next_event=event.id + 1,
        deadline=None if limit is None else now + limit,
        redrive_count=count,
    )
    return going_on, event
