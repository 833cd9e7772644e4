"""Map runs: the calls of Step Functions on distributed Maps under way."""

from __future__ import annotations

from typing import Any

from customlabels.errors import ServiceError
from customlabels.operations.dispatch import Call, Response, operation
from customlabels.operations.pages import page_start, page_token
from customlabels.operations.states_arns import own_arn
from customlabels.workflows import Listed, MapRun

__all__ = ["children_of_map_run"]

# What the service counts, by the status of a child's execution here.
COUNTED = {
    "PENDING": "pending",
    "RUNNING": "running",
    "SUCCEEDED": "succeeded",
    "FAILED": "failed",
    "TIMED_OUT": "timedOut",
    "ABORTED": "aborted",
}


@operation("stepfunctions", "ListMapRuns")
def list_map_runs(call: Call) -> Response:
    """The map runs of an execution, newest first."""
    params = call.params
    arn: str = params["executionArn"]
    missing = ServiceError("ExecutionDoesNotExist", f"Execution Does Not Exist: '{arn}'")
    call.parts.executions.describe(own_arn(call, arn, "execution", missing))
    start = page_start(call, params, params.get("nextToken"), "InvalidToken")
    size = params.get("maxResults") or 100
    found = call.parts.map_runs.of_execution(arn, size + 1, tuple(start) if start else None)
    answer: Response = {"mapRuns": [_listed(run) for run in found[:size]]}
    if len(found) > size:
        answer["nextToken"] = page_token(call, params, [found[size - 1].started_at, found[size - 1].arn])
    return answer


@operation("stepfunctions", "DescribeMapRun")
def describe_map_run(call: Call) -> Response:
    """A map run with how many children, and items in them, have which status."""
    run = _own(call)
    tally = call.parts.map_runs.tally(run.arn)
    answer = {
        "mapRunArn": run.arn,
        "executionArn": run.execution_arn,
        # The service has no word for the time in which the items are read.
        "status": "RUNNING" if run.status == "READING" else run.status,
        "startDate": run.started_at,
        "maxConcurrency": run.max_concurrency,
        "toleratedFailureCount": run.tolerated_count or 0,
        "toleratedFailurePercentage": run.tolerated_percentage or 0.0,
        "itemCounts": _counts(tally.items, run),
        "executionCounts": _counts(tally.children, run),
    }
    return answer | ({} if run.stopped_at is None else {"stopDate": run.stopped_at})


@operation("stepfunctions", "UpdateMapRun")
def update_map_run(call: Call) -> Response:
    """Change the limits of a map run that runs; what is left out stays as it is."""
    params = call.params
    run = _own(call)
    names = {
        "maxConcurrency": "max_concurrency",
        "toleratedFailureCount": "tolerated_count",
        "toleratedFailurePercentage": "tolerated_percentage",
    }
    given = {column: params[name] for name, column in names.items() if name in params}
    if not given:
        raise ServiceError("ValidationException", f"One of these is needed: {', '.join(names)}")
    if not call.parts.map_runs.update(run.arn, given):
        raise ServiceError("ValidationException", f"The map run is {run.status}; only one that runs changes")
    return {}


def children_of_map_run(call: Call) -> tuple[list[Listed], Any]:
    """The page of ListExecutions for a map run: its children, and where the next page begins or None."""
    params = call.params
    run = _own(call)
    start = page_start(call, params, params.get("nextToken"), "InvalidToken")
    size = params.get("maxResults") or 100
    after = tuple(start) if start else None
    found = call.parts.map_runs.children(run, params.get("statusFilter"), size + 1, after)
    place = [found[size - 1].started_at, found[size - 1].arn] if len(found) > size else None
    return found[:size], place


def _own(call: Call) -> MapRun:
    arn: str = call.params["mapRunArn"]
    missing = ServiceError("ResourceNotFound", f"Resource not found: '{arn}'")
    run = call.parts.map_runs.find(own_arn(call, arn, "mapRun", missing))
    if run is None:
        raise missing
    return run


def _listed(run: MapRun) -> dict[str, Any]:
    listed = {
        "executionArn": run.execution_arn,
        "mapRunArn": run.arn,
        "stateMachineArn": run.plan["MachineArn"],
        "startDate": run.started_at,
    }
    return listed | ({} if run.stopped_at is None else {"stopDate": run.stopped_at})


def _counts(by_status: dict[str, int], run: MapRun) -> dict[str, int]:
    counts = {name: by_status.get(status, 0) for status, name in COUNTED.items()}
    written = counts["succeeded"] if run.status == "SUCCEEDED" else 0
    return counts | {"total": sum(by_status.values()), "resultsWritten": written}
