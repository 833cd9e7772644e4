"""Executions that a task started and waits for: what their end means to it.

Layer: workflows. Pure. The task's result is the description of the execution under the names that the
States Language shows; `.sync` has its data as texts, `.sync:2` as values.
"""

from __future__ import annotations

import json
from typing import Any

from customlabels.workflows.journal import Execution
from customlabels.workflows.redriving import redrive_status
from customlabels.workflows.task_runs import Outcome

__all__ = ["outcome_of"]


def outcome_of(child: Execution | None, resource: str) -> Outcome:
    """The outcome of the task that waited for `child`, which has ended; None: it was deleted meanwhile."""
    if child is None:
        return Outcome(
            error="States.TaskFailed", cause="The execution that was awaited does not exist anymore"
        )
    described = _described(child, as_values=resource.endswith(".sync:2"))
    text = json.dumps(described, separators=(",", ":"), ensure_ascii=False)
    if child.status == "SUCCEEDED":
        return Outcome(output=text)
    return Outcome(error="States.TaskFailed", cause=text)


def _described(child: Execution, *, as_values: bool) -> dict[str, Any]:
    def data(text: str | None) -> Any:
        return json.loads(text) if as_values and text is not None else text

    status, reason = redrive_status(child, child.stopped_at or 0.0)
    described = {
        "Cause": child.cause,
        "Error": child.error,
        "ExecutionArn": child.arn,
        "Input": data(child.input),
        "InputDetails": {"Included": True},
        "Name": child.name,
        "Output": data(child.output),
        "OutputDetails": None if child.output is None else {"Included": True},
        "RedriveCount": child.redrive_count,
        "RedriveStatus": status,
        "RedriveStatusReason": reason,
        "StartDate": _milliseconds(child.started_at),
        "StateMachineArn": child.machine_arn,
        "Status": child.status,
        "StopDate": _milliseconds(child.stopped_at),
    }
    return {name: value for name, value in described.items() if value is not None}


def _milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1000)
