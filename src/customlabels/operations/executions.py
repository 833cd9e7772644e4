"""Executions: the calls of Step Functions on runs."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import replace
from functools import partial
from operator import attrgetter
from typing import Any

from customlabels.operations.dispatch import Call, Response, operation
from customlabels.operations.machines import own_machine, shown_definition
from customlabels.operations.map_runs import children_of_map_run
from customlabels.operations.mocking import mock_details
from customlabels.operations.pages import STATES, one_page
from customlabels.operations.refusals import invalid_request
from customlabels.operations.states_arns import own_execution
from customlabels.workflows import Execution, Listed, Run, redrive_status

DATA = ("input", "output", "parameters")  # members of an event's details that hold execution data
LONGEST_SYNC = 300.0  # seconds, as long as an express execution may take


@operation("stepfunctions", "StartExecution")
def start_execution(call: Call) -> Response:
    """Begin a run; the same start again, while it runs, is answered with the same run."""
    run = _start(call)
    return {"executionArn": run.arn, "startDate": run.started_at}


@operation("stepfunctions", "StartSyncExecution")
async def start_sync_execution(call: Call) -> Response:
    """Begin a run of an express machine, and answer once it has ended."""
    begun = await asyncio.to_thread(_start, call, only="EXPRESS")
    run = await call.parts.executions.ended(begun.arn, LONGEST_SYNC)
    if run is None:
        run = await asyncio.to_thread(call.parts.executions.stop, begun.arn, "States.Timeout")
    assert run.stopped_at is not None
    milliseconds = round((run.stopped_at - run.started_at) * 1000)
    answer = {
        "executionArn": run.arn,
        "stateMachineArn": run.machine_arn,
        "name": run.name.partition(":")[0],  # of an express run a number of its own follows
        "status": "TIMED_OUT" if run.status == "ABORTED" else run.status,
        "startDate": run.started_at,
        "stopDate": run.stopped_at,
        "error": run.error,
        "cause": run.cause,
        "traceHeader": run.details.get("traceHeader"),
        # As it is billed: by 100 milliseconds and 64 megabytes.
        "billingDetails": {
            "billedMemoryUsedInMB": 64,
            "billedDurationInMilliseconds": max(1, -(-milliseconds // 100)) * 100,
        },
    }
    return answer | _data(run, call)


@operation("stepfunctions", "DescribeExecution")
def describe_execution(call: Call) -> Response:
    """A run with its input, and its output or error once it has ended."""
    run = call.parts.executions.describe(own_execution(call))
    status, reason = redrive_status(run, call.now)
    answer = {
        "error": run.error,
        "cause": run.cause,
        "traceHeader": run.details.get("traceHeader"),
        "redriveStatus": status,
        "redriveStatusReason": reason,
    }
    return _about(run) | answer | _data(run, call)


@operation("stepfunctions", "DescribeStateMachineForExecution")
def describe_state_machine_for_execution(call: Call) -> Response:
    """The definition that a run began with."""
    run = call.parts.executions.describe(own_execution(call))
    machine = run.details.get("machine", {})
    answer = {
        "stateMachineArn": run.machine_arn,
        "name": run.machine_arn.rpartition(":")[2],
        "roleArn": run.role_arn,
        "updateDate": machine.get("updatedAt") or run.started_at,
        "revisionId": machine.get("revisionId"),
    }
    return answer | shown_definition(call, run.definition, machine)


@operation("stepfunctions", "GetExecutionHistory")
def get_execution_history(call: Call) -> Response:
    """The events of a run, oldest first or in reverse."""
    arn, executions = own_execution(call), call.parts.executions
    reverse, whole = call.params.get("reverseOrder", False), call.params.get("includeExecutionData", True)

    def shown(event: Any) -> Response:
        return event.to_api() if whole else _without_data(event.to_api())

    look = partial(executions.history, arn, reverse=reverse)
    return one_page(call, STATES, "events", look, shown, attrgetter("id"))


@operation("stepfunctions", "ListExecutions")
def list_executions(call: Call) -> Response:
    """The runs of a machine, version, alias or map run, newest first."""
    params, executions = call.params, call.parts.executions
    if ("stateMachineArn" in params) == ("mapRunArn" in params):
        raise invalid_request("one of stateMachineArn and mapRunArn is needed")
    if "mapRunArn" in params:
        look = children_of_map_run(call)
    else:
        arn = own_machine(call, params["stateMachineArn"])
        asked = {"REDRIVEN": True, "NOT_REDRIVEN": False}.get(params.get("redriveFilter", ""))
        look = partial(executions.list, arn, params.get("statusFilter"), redriven=asked)
    return one_page(call, STATES, "executions", look, _listed, attrgetter("started_at", "arn"))


@operation("stepfunctions", "RedriveExecution")
def redrive_execution(call: Call) -> Response:
    """Let a run that ended badly go on from where it failed; the same clientToken has one effect."""
    arn = own_execution(call)
    given = call.params.get("clientToken")
    own = replace(call, token=call.token or (given and f"redrive {arn} {given}"))
    known = own.answered()
    if known is not None:
        return known
    at = call.parts.executions.redrive(arn, lambda tx, at: own.keep(tx, {"redriveDate": at}))
    return {"redriveDate": at}


@operation("stepfunctions", "StopExecution")
def stop_execution(call: Call) -> Response:
    """End a run as ABORTED; one that has ended stays as it is."""
    run = call.parts.executions.stop(own_execution(call), call.params.get("error"), call.params.get("cause"))
    return {"stopDate": run.stopped_at}


def _start(call: Call, only: str | None = None) -> Execution:
    """Begin the run that the request asks for. only: the type of machine that may."""
    params = call.params
    named, _, case = params["stateMachineArn"].partition("#")
    arn = own_machine(call, named)
    # A task that starts a run without a name starts the same one when it is run again.
    own_id = str(uuid.UUID(hex=call.token[:32]) if call.token else uuid.uuid4())
    details: dict[str, Any] = {"traceHeader": params["traceHeader"]} if "traceHeader" in params else {}
    if case:
        details |= mock_details(call, arn, case)

    def keep(tx: Any, run: Run) -> None:
        # A task that is run again is answered as the first time, also where the run has ended by then.
        call.keep(tx, {"executionArn": run.arn, "startDate": run.started_at})

    name, text = params.get("name") or own_id, params.get("input", "{}")
    return call.parts.executions.start(arn, name, text, details, keep, own_id, only)


def _listed(run: Listed) -> Response:
    return {name: value for name, value in _about(run).items() if value is not None}


def _about(run: Execution | Listed) -> Response:
    return {
        "executionArn": run.arn,
        "stateMachineArn": run.machine_arn,
        "stateMachineVersionArn": run.details.get("version"),
        "stateMachineAliasArn": run.details.get("alias"),
        "mapRunArn": run.details.get("mapRunArn"),
        "name": run.name,
        "status": run.status,
        "startDate": run.started_at,
        "stopDate": run.stopped_at,
        "redriveCount": run.redrive_count,
        "redriveDate": run.redriven_at,
    }


def _data(run: Execution, call: Call) -> Response:
    """Input and output, unless the request wants none."""
    if call.params.get("includedData", "ALL_DATA") == "METADATA_ONLY":
        return {}
    answer: Response = {"input": run.input, "inputDetails": {"included": True}}
    if run.output is not None:
        answer |= {"output": run.output, "outputDetails": {"included": True}}
    return answer


def _without_data(event: dict[str, Any]) -> dict[str, Any]:
    return {
        name: {key: inner for key, inner in value.items() if key not in DATA}
        if isinstance(value, dict)
        else value
        for name, value in event.items()
    }
