"""Map runs: the calls of Step Functions on distributed Maps under way."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from operator import attrgetter
from typing import Any

from customlabels.errors import ServiceError
from customlabels.operations.dispatch import Call, Response, operation
from customlabels.operations.pages import STATES, one_page
from customlabels.operations.refusals import invalid_request
from customlabels.operations.states_arns import own_arn, own_execution
from customlabels.workflows import Listed, MapRun

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
    arn = own_execution(call)
    call.parts.executions.describe(arn)
    look = partial(call.parts.map_runs.of_execution, arn)
    return one_page(call, STATES, "mapRuns", look, _listed, attrgetter("started_at", "arn"))


@operation("stepfunctions", "DescribeMapRun")
def describe_map_run(call: Call) -> Response:
    """A map run with how many children, and items in them, have which status."""
    run = _own(call)
    tally = call.parts.map_runs.tally(run.arn)
    return {
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
        "stopDate": run.stopped_at,
    }


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
        raise invalid_request(f"One of these is needed: {', '.join(names)}")
    if not call.parts.map_runs.update(run.arn, given):
        raise invalid_request(f"The map run is {run.status}; only one that runs changes")
    return {}


def children_of_map_run(call: Call) -> Callable[[int, Any], list[Listed]]:
    """For ListExecutions: what looks up so many children of the map run from a place on."""
    run, status = _own(call), call.params.get("statusFilter")
    return partial(call.parts.map_runs.children, run, status)


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
