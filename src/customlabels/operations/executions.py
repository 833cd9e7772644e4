"""Executions: the calls of Step Functions on runs."""

from __future__ import annotations

import uuid
from typing import Any

from customlabels.errors import ServiceError
from customlabels.operations.arns import Arn
from customlabels.operations.dispatch import Call, Response, operation
from customlabels.operations.machines import require_own_machine
from customlabels.operations.mocking import mock_details
from customlabels.operations.pages import page_start, page_token

__all__: list[str] = []

DATA = ("input", "output", "parameters")  # members of an event's details that hold execution data


@operation("stepfunctions", "StartExecution")
def start_execution(call: Call) -> Response:
    """Begin a run; the same start again, while it runs, is answered with the same run."""
    params = call.params
    machine, _, case = params["stateMachineArn"].partition("#")
    require_own_machine(call, machine)
    # A task that starts a run without a name starts the same one when it is run again.
    name = params.get("name") or str(uuid.UUID(hex=call.token[:32]) if call.token else uuid.uuid4())
    details: dict[str, Any] = {"traceHeader": params["traceHeader"]} if "traceHeader" in params else {}
    if case:
        details |= mock_details(call, machine, case)
    run = call.parts.executions.start(machine, name, params.get("input", "{}"), details)
    return {"executionArn": run.arn, "startDate": run.started_at}


@operation("stepfunctions", "DescribeExecution")
def describe_execution(call: Call) -> Response:
    """A run with its input, and its output or error once it has ended."""
    run = call.parts.executions.describe(_own_execution(call))
    answer = {
        "executionArn": run.arn,
        "stateMachineArn": run.machine_arn,
        "name": run.name,
        "status": run.status,
        "startDate": run.started_at,
        "stopDate": run.stopped_at,
        "error": run.error,
        "cause": run.cause,
        "traceHeader": run.details.get("traceHeader"),
        "redriveCount": 0,
        "redriveStatus": "NOT_REDRIVABLE",
        "redriveStatusReason": "Redrive is not offered by this server; start a new execution",
    }
    if call.params.get("includedData", "ALL_DATA") == "ALL_DATA":
        answer |= {"input": run.input, "inputDetails": {"included": True}}
        if run.output is not None:
            answer |= {"output": run.output, "outputDetails": {"included": True}}
    return {name: value for name, value in answer.items() if value is not None}


@operation("stepfunctions", "DescribeStateMachineForExecution")
def describe_state_machine_for_execution(call: Call) -> Response:
    """The definition that a run began with."""
    run = call.parts.executions.describe(_own_execution(call))
    return {
        "stateMachineArn": run.machine_arn,
        "name": run.machine_arn.rpartition(":")[2],
        "definition": run.definition,
        "roleArn": run.role_arn,
        "updateDate": run.started_at,
    }


@operation("stepfunctions", "GetExecutionHistory")
def get_execution_history(call: Call) -> Response:
    """The events of a run, oldest first or in reverse."""
    params = call.params
    arn = _own_execution(call)
    after = page_start(call.operation, params, params.get("nextToken"), "InvalidToken")
    size = params.get("maxResults") or 100
    found = call.parts.executions.history(arn, size + 1, after, params.get("reverseOrder", False))
    events = [event.to_api() for event in found[:size]]
    if not params.get("includeExecutionData", True):
        events = [_without_data(event) for event in events]
    answer: Response = {"events": events}
    if len(found) > size:
        answer["nextToken"] = page_token(call.operation, params, found[size - 1].id)
    return answer


@operation("stepfunctions", "ListExecutions")
def list_executions(call: Call) -> Response:
    """The runs of a machine, newest first."""
    params = call.params
    if "stateMachineArn" not in params:
        raise ServiceError("ValidationException", "stateMachineArn is needed; Map Runs are not offered")
    require_own_machine(call, params["stateMachineArn"])
    start = page_start(call.operation, params, params.get("nextToken"), "InvalidToken")
    if params.get("redriveFilter") == "REDRIVEN":
        return {"executions": []}
    size = params.get("maxResults") or 100
    after = tuple(start) if start else None
    found = call.parts.executions.list(params["stateMachineArn"], params.get("statusFilter"), size + 1, after)
    runs = []
    for run in found[:size]:
        ended = {} if run.stopped_at is None else {"stopDate": run.stopped_at}
        runs.append(
            {
                "executionArn": run.arn,
                "stateMachineArn": run.machine_arn,
                "name": run.name,
                "status": run.status,
                "startDate": run.started_at,
                "redriveCount": 0,
            }
            | ended
        )
    answer: Response = {"executions": runs}
    if len(found) > size:
        last = found[size - 1]
        answer["nextToken"] = page_token(call.operation, params, [last.started_at, last.arn])
    return answer


@operation("stepfunctions", "StopExecution")
def stop_execution(call: Call) -> Response:
    """End a run as ABORTED; one that has ended stays as it is."""
    run = call.parts.executions.stop(_own_execution(call), call.params.get("error"), call.params.get("cause"))
    return {"stopDate": run.stopped_at}


def _own_execution(call: Call) -> str:
    """The request's execution; ExecutionDoesNotExist for one of another account."""
    arn: str = call.params["executionArn"]
    try:
        parsed = Arn.parse(arn)
    except ValueError as error:
        raise ServiceError("InvalidArn", f"Invalid Arn: '{arn}'") from error
    if parsed.service != "states" or not parsed.resource.startswith("execution:"):
        raise ServiceError("InvalidArn", f"Invalid Arn: 'Resource type not valid in this context: {arn}'")
    if parsed.account != call.caller.account:
        raise ServiceError("ExecutionDoesNotExist", f"Execution Does Not Exist: '{arn}'")
    return arn


def _without_data(event: dict[str, Any]) -> dict[str, Any]:
    return {
        name: {key: inner for key, inner in value.items() if key not in DATA}
        if isinstance(value, dict)
        else value
        for name, value in event.items()
    }
