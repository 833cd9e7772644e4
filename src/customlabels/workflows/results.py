"""What the end of child executions gives: to the task that started one and waits, or to a map run.

Layer: workflows. The result of a task is the description of the execution under the names that the States
Language shows; `.sync` has its data as texts, `.sync:2` as values. A map run gives its children's outputs, or
objects that hold them, whose keys follow from its name: writing them again after a crash changes nothing.
"""

import json
from collections.abc import Sequence
from typing import Any

from customlabels.asl import MAP_RUN, Failure, data_limit
from customlabels.storage import Objects, StorageError
from customlabels.workflows.journal import Execution
from customlabels.workflows.map_runs import MapRun
from customlabels.workflows.redriving import redrive_status
from customlabels.workflows.task_runs import Outcome

FILES = {"SUCCEEDED": ("SUCCEEDED",), "FAILED": ("FAILED", "TIMED_OUT"), "PENDING": ("ABORTED",)}


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


def write(objects: Objects, run: MapRun, ended: Sequence[Any], most_bytes: int) -> str:
    """The output of the Map state, a JSON text; objects are written where the plan has a Writer.

    ended: the rows of the children's executions, in order. Raises Failure.
    """
    said = run.plan["Writer"] or {"Resource": "", "Parameters": {}, "Config": {}}
    form = said["Config"].get("Transformation") or ("NONE" if said["Resource"] else "COMPACT")
    good = [row for row in ended if row.status == "SUCCEEDED"]
    if not said["Resource"]:
        text = f"[{','.join(_texts(good, form))}]"
        if len(text) > most_bytes:
            raise data_limit(MAP_RUN)
        return text
    try:
        return _put(objects, run, said, form, ended)
    except (StorageError, KeyError) as error:
        raise Failure("States.ResultWriterFailed", f"The results could not be written: {error}") from error


def _put(objects: Objects, run: MapRun, said: dict[str, Any], form: str, ended: Sequence[Any]) -> str:
    bucket, prefix = said["Parameters"]["Bucket"], said["Parameters"].get("Prefix", "")
    folder = "/".join(part for part in (prefix.strip("/"), run.arn.rpartition(":")[2]) if part)
    lines = said["Config"].get("OutputType") == "JSONL"
    told: dict[str, list[dict[str, Any]]] = {}
    for name, statuses in FILES.items():
        rows = [row for row in ended if row.status in statuses]
        texts = _texts(rows, form if name == "SUCCEEDED" else "NONE")
        told[name] = []
        if texts:
            data = ("\n".join(texts) if lines else f"[{','.join(texts)}]").encode()
            key = f"{folder}/{name}_0.{'jsonl' if lines else 'json'}"
            objects.write(bucket, key, data)
            told[name].append({"Key": key, "Size": len(data)})
    manifest = {"DestinationBucket": bucket, "MapRunArn": run.arn, "ResultFiles": told}
    objects.write(bucket, f"{folder}/manifest.json", json.dumps(manifest).encode())
    details = {"Bucket": bucket, "Key": f"{folder}/manifest.json"}
    return json.dumps({"MapRunArn": run.arn, "ResultWriterDetails": details}, separators=(",", ":"))


def _texts(rows: Sequence[Any], form: str) -> list[str]:
    if form == "NONE":
        return [json.dumps(described(row), separators=(",", ":")) for row in rows]
    if form == "COMPACT":
        return [row.output for row in rows]
    flat: list[str] = []
    for row in rows:
        value = json.loads(row.output)
        values = value if isinstance(value, list) else [value]
        flat += [json.dumps(one, separators=(",", ":")) for one in values]
    return flat
