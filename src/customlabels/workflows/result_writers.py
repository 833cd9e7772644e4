"""What a map run gives: the outputs of its children, or objects that hold them.

Layer: workflows. Objects have keys that follow from the map run's name, so writing them again after a crash
changes nothing.
"""

import json
from collections.abc import Sequence
from typing import Any

from customlabels.asl import MAP_RUN, Failure, data_limit
from customlabels.storage import Objects, StorageError
from customlabels.workflows.map_runs import MapRun
from customlabels.workflows.nested import described

FILES = {"SUCCEEDED": ("SUCCEEDED",), "FAILED": ("FAILED", "TIMED_OUT"), "PENDING": ("ABORTED",)}


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
