"""What is going on: the server, trainings, units and figures; for the command line and the console."""

from __future__ import annotations

import os
from dataclasses import fields
from typing import Any

import orjson
from sqlalchemy import select

from customlabels.operations.dispatch import Call, Response, operation, writing
from customlabels.operations.refusals import in_use, not_found
from customlabels.operations.rows import version_row
from customlabels.storage import Transaction, schema
from customlabels.training import Progress

MOST_EXECUTIONS = 100
versions, executions = schema.versions, schema.executions


@operation("customlabels", "DescribeServer")
def describe_server(call: Call) -> Response:
    """What this server is and what it has under way."""
    open_runs = select(executions.c.arn).where(executions.c.status == "RUNNING")
    up = select(versions.c.arn).where(versions.c.status.in_(("STARTING", "RUNNING", "STOPPING")))
    with call.parts.records.read() as reading:
        newest = open_runs.order_by(executions.c.started_at.desc()).limit(MOST_EXECUTIONS)
        return {
            "Version": call.parts.version,
            "Home": str(call.parts.home),
            "ProcessId": os.getpid(),
            "StartedTimestamp": call.parts.started_at,
            "RunningExecutions": list(reading.execute(newest).scalars()),
            "OpenJobs": call.parts.jobs.open_work(reading),
            "RunningVersions": list(reading.execute(up.order_by(versions.c.arn)).scalars()),
        }


@operation("customlabels", "DescribeTraining")
def describe_training(call: Call) -> Response:
    """How far the training of a version is."""
    arn = call.params["ProjectVersionArn"]
    with call.parts.records.read() as reading:
        row = version_row(reading, call, arn)
        job = call.parts.jobs.progress_of(reading, arn)
    if job is None:
        raise not_found(f"{arn} was not trained here")
    answer = {
        "ProjectVersionArn": arn,
        "Status": row.status,
        "StatusMessage": row.status_message,
        "State": job.status,
        "Attempt": job.attempt,
        "CancelRequested": job.cancel_requested,
        "CreationTimestamp": job.created_at,
        "StartTimestamp": job.started_at,
        "EndTimestamp": job.ended_at,
    }
    names = (member.name for member in fields(Progress))
    answer |= {name.title().replace("_", ""): job.report.get(name) for name in names}
    curve = job.report.get("curve", [])
    points = [dict(zip(("Seconds", "TrainLoss", "ValidationF1"), point, strict=True)) for point in curve]
    return _present(answer | {"Curve": [_present(point) for point in points]})


@writing("customlabels", "CancelTraining")
def cancel_training(tx: Transaction, call: Call) -> None:
    """Ask a training to end; the version becomes TRAINING_FAILED soon after."""
    row = version_row(tx, call)
    if row.status != "TRAINING_IN_PROGRESS":
        raise in_use(f"{row.arn} is {row.status}; there is no training to cancel")
    call.parts.jobs.request_cancel(tx, row.arn)


@operation("customlabels", "ListUnits")
async def list_units(call: Call) -> Response:
    """The processes that serve versions, with their traffic; on the loop, where their state is kept."""
    found = []
    for version in call.parts.units.status():
        units = [
            {"ProcessId": unit.pid, "State": unit.state, "Requests": unit.served} for unit in version.units
        ]
        described = {
            "ProjectVersionArn": version.version,
            "Status": version.state,
            "MaxInferenceUnits": version.max_units,
            "Units": [_present(unit) for unit in units],
            "Requests": version.served,
            "Queued": version.queued,
            "InFlight": version.in_flight,
            "Refused": version.refused,
            "Failed": version.failed,
            "IdleSeconds": version.idle_seconds,
            "StopsAfterSeconds": version.stops_after_seconds,
            "LatencyP50Seconds": version.p50_seconds,
            "LatencyP99Seconds": version.p99_seconds,
        }
        found.append(_present(described))
    return {"Versions": found}


@operation("customlabels", "DescribeEvaluation")
def describe_evaluation(call: Call) -> Response:
    """The figures of a trained version, honest and as AWS would report them."""
    with call.parts.records.read() as reading:
        row = version_row(reading, call)
    if row.evaluation is None:
        raise in_use(f"{row.arn} is {row.status}: it has no evaluation")
    summary = orjson.loads(row.evaluation)
    told, ours = summary["EvaluationDetails"], summary["CustomLabels"]
    labels = [
        {"Label": each["Label"], "TestImages": each["NumberOfTestingImages"], **each["Metrics"]}
        for each in summary["LabelEvaluationResults"]
    ]
    return {
        "ProjectVersionArn": row.arn,
        "TrainingImages": told["NumberOfTrainingImages"],
        "TestingImages": told["NumberOfTestingImages"],
        "Honest": _figures(summary["AggregatedEvaluationResults"], ours),
        "TestTuned": _figures(ours["TestTuned"], ours["TestTuned"]),
        "Labels": labels,
    }


def _figures(means: dict[str, Any], provenance: dict[str, Any]) -> Response:
    interval = provenance["F1ScoreInterval"]
    return {
        "F1Score": means["F1Score"],
        "Precision": means["Precision"],
        "Recall": means["Recall"],
        "F1Low": interval["Low"],
        "F1High": interval["High"],
        "Level": interval["Level"],
        "Protocol": provenance["Protocol"],
    }


def _present(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}
