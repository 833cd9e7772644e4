"""Executions that a task started and waits for: what their end means to it.

Layer: workflows. Pure. The task's result is the description of the execution under the names that the
States Language shows; `.sync` has its data as texts, `.sync:2` as values.
"""

import json
from typing import Any

from customlabels.workflows.journal import Execution
from customlabels.workflows.redriving import redrive_status
from customlabels.workflows.task_runs import Outcome


def outcome_of(child: Execution | None, resource: str) -> Outcome:
    """The outcome of the task that waited for `child`, which has ended; None: it was deleted meanwhile."""
    if child is None:
        return Outcome(
            error="States.TaskFailed", cause="The execution that was awaited does not exist anymore"
        )
    status, reason = redrive_status(child, child.stopped_at or 0.0)
    values = {
        "RedriveCount": child.redrive_count,
        "RedriveStatus": status,
        "RedriveStatusReason": reason,
    }
    if resource.endswith(".sync:2"):
        values |= {"Input": json.loads(child.input), "Output": json.loads(child.output or "null")}
    members = sorted(described(child, **values).items())
    text = json.dumps(dict(members), separators=(",", ":"), ensure_ascii=False)
    if child.status == "SUCCEEDED":
        return Outcome(output=text)
    return Outcome(error="States.TaskFailed", cause=text)


def described(child: Any, **more: Any) -> dict[str, Any]:
    """An execution, or a row with its columns, under the names of the States Language; `more` members too."""
    members = {
        "Cause": child.cause,
        "Error": child.error,
        "ExecutionArn": child.arn,
        "Input": child.input,
        "InputDetails": {"Included": True},
        "Name": child.name,
        "Output": child.output,
        "OutputDetails": None if child.output is None else {"Included": True},
        "StartDate": round(child.started_at * 1000),
        "StateMachineArn": child.machine_arn,
        "Status": child.status,
        "StopDate": round((child.stopped_at or child.started_at) * 1000),
    }
    return {name: value for name, value in (members | more).items() if value is not None}
