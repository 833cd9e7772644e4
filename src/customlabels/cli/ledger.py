"""`history`, `rollback` and `approve --override`: what is in service, and changes of it by hand.

Layer: cli. A version is started, waited for, named in current.json, and only then are the others stopped: cut
off anywhere, at least one version serves, and the same command once more brings it to its end.
"""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import Any

from customlabels.cli.endpoint import Endpoint, connect
from customlabels.cli.exits import Exit, UsageError
from customlabels.cli.following import execution_result
from customlabels.cli.looking import versions_of
from customlabels.cli.printing import print_json, print_table, say, show, tell
from customlabels.pipeline import current_key
from customlabels.settings import Settings

POLL_SECONDS, START_SECONDS = 0.3, 300.0


def show_ledger(project: str, at: datetime | None, holds: str, *, as_json: bool) -> Exit:
    """The ledger of a project; FAILED where it was tampered with.

    holds: a digest that was noted before: without it entries were cut off at the end, or all written anew
    """
    told = _history(connect(Settings.from_environment()), project, at)
    if told["Intact"] and holds and holds not in [entry["Digest"] for entry in told["Entries"]]:
        told |= {"Intact": False, "Problem": f"no entry has the digest {holds}"}
    if as_json:
        print_json(told)
    else:
        print_table(("WHEN", "WHAT", "VERSION", "F1", "BY"), map(_row, told["Entries"]))
        when = f"{at:%Y-%m-%d %H:%M}: " if at else ""
        if told["Entries"]:
            show(f"digest of the newest: {told['Entries'][0]['Digest']}")
        show(f"{when}in service: {', '.join(told['Serving']) or 'nothing'}")
    if not told["Intact"]:
        say(f"customlabels: the record was tampered with: {told['Problem']}")
    return Exit.DONE if told["Intact"] else Exit.FAILED


def _row(entry: dict[str, Any]) -> tuple[str, ...]:
    run = entry.get("ExecutionArn", "").rpartition(":")[2]
    by = ", ".join(filter(None, (run and f"run {run}", entry.get("Reason")))) or "a request"
    when = f"{entry['Timestamp'].astimezone():%Y-%m-%d %H:%M:%S}"
    version = entry["ProjectVersionArn"].split("/")[3]
    return when, entry["Action"], version, f"{entry.get('F1Score', float('nan')):.4f}", by


def _history(endpoint: Endpoint, project: str, at: datetime | None = None) -> dict[str, Any]:
    asked: dict[str, Any] = {"ProjectName": project} | ({"At": at} if at else {})
    pages = [endpoint.customlabels.list_service_history(**asked)]
    while "NextToken" in pages[-1]:
        token = {"NextToken": pages[-1]["NextToken"]}
        pages.append(endpoint.customlabels.list_service_history(**asked, **token))
    entries = [entry for page in pages for entry in page["Entries"]]
    if not entries and at is None:
        raise UsageError(f"{project}: no version of a project of this name was ever in service")
    kept = {name: value for name, value in pages[0].items() if name not in ("NextToken", "ResponseMetadata")}
    return kept | {"Entries": entries}


def roll_back(project: str, reason: str, *, as_json: bool) -> Exit:
    """Put the version that served before the last one into service, then stop the others."""
    endpoint = connect(Settings.from_environment())
    before = _history(endpoint, project).get("Before")
    if before is None:
        raise UsageError(f"{project}: no version served before the last one, or it was deleted")
    return _into_service(endpoint, before, {"Reason": reason}, as_json=as_json)


def override_run(run: str, reason: str, *, override: bool, as_json: bool) -> Exit:
    """Put the version of a run that was rejected, or is undecided, into service."""
    if not (override and reason):
        raise UsageError("against the gate's verdict it takes both: --override --reason TEXT")
    endpoint = connect(Settings.from_environment())
    arn = endpoint.execution_arn(run)
    result = execution_result(endpoint.states.describe_execution(executionArn=arn))
    if result.get("Decision") not in ("REJECTED", "UNDECIDED"):
        said = result.get("Decision", result["Status"])
        raise UsageError(f"{run} is {said}: there is no verdict to override")
    words = f"{result['Decision']} overridden: {reason}"
    asked = {"Reason": words, "ExecutionArn": arn}
    return _into_service(endpoint, result["ProjectVersionArn"], asked, as_json=as_json)


def _into_service(endpoint: Endpoint, arn: str, asked: dict[str, Any], *, as_json: bool) -> Exit:
    project = arn.split("/")[1]
    if _status_after(endpoint, arn, "STOPPING") != "RUNNING":
        endpoint.customlabels.put_into_service(ProjectVersionArn=arn, **asked)
    status = _status_after(endpoint, arn, "STARTING")
    if status != "RUNNING":
        raise UsageError(f"{arn} is {status}; what served before still does")
    others = [one for one, at in _versions(endpoint, project).items() if one != arn and at == "RUNNING"]
    _name_current(endpoint, arn, others[0] if others else "")
    for other in others:
        endpoint.rekognition.stop_project_version(ProjectVersionArn=other)
    lines = f"in service  {arn}", *(f"stopped     {other}" for other in others)
    return tell({"ProjectVersionArn": arn, "Status": status, "Stopped": others}, *lines, as_json=as_json)


def _status_after(endpoint: Endpoint, arn: str, passing: str) -> str:
    """The status of a version once it is no longer `passing`, or when the time for that is over."""
    deadline = time.monotonic() + START_SECONDS
    while (status := _versions(endpoint, arn.split("/")[1])[arn]) == passing and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    return status


def _versions(endpoint: Endpoint, project: str) -> dict[str, str]:
    """The status of each version of a project."""
    return {one["ProjectVersionArn"]: one["Status"] for one in versions_of(endpoint, project)}


def _name_current(endpoint: Endpoint, arn: str, replaces: str) -> None:
    """Name the version in current.json of the bucket and prefix that it was trained into by the pipeline."""
    project, version = arn.split("/")[1:4:2]
    own = next(one for one in versions_of(endpoint, project) if one["ProjectVersionArn"] == arn)
    place = own["OutputConfig"]
    told = {
        "ProjectName": project,
        "VersionName": version,
        "ProjectVersionArn": arn,
        "Replaces": replaces,
        "Execution": "",
        "Since": datetime.now(UTC).isoformat(),
    }
    prefix = place.get("S3KeyPrefix", "").rstrip("/").removesuffix(f"/{project}/{version}")
    endpoint.s3.put_object(
        Bucket=place["S3Bucket"],
        Key=current_key(prefix, project),
        Body=json.dumps(told).encode(),
        ContentType="application/json",
    )
