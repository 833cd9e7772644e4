"""Commands about models in service: start, shadow, promote, export."""

from __future__ import annotations

import importlib.util
import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from customlabels.cli.data import fetched
from customlabels.cli.durations import seconds_of
from customlabels.cli.endpoint import Endpoint, connect
from customlabels.cli.exits import Exit, UsageError
from customlabels.cli.looking import versions_of
from customlabels.cli.printing import print_json, show, tell
from customlabels.settings import Settings

START_SECONDS = 120.0
POLL_SECONDS = 0.1
MOST_DIFFERENT = 0.01  # of the test images, answered otherwise by an export that is called good


def start_model(model: str, units: int, max_units: int, idle_stop: str, *, wake: bool, as_json: bool) -> Exit:
    """Put a version into service, and wait until it answers."""
    seconds = 0.0 if idle_stop == "off" else seconds_of(idle_stop) if idle_stop else None
    idle = {} if seconds is None else {"IdleStopSeconds": seconds}
    if wake and not seconds:
        raise UsageError("--wake is for a model that sleeps: say when, by --idle-stop 30m")
    endpoint = connect(Settings.from_environment())
    version = _version(endpoint, model)
    arn = version["ProjectVersionArn"]
    if version["Status"] == "RUNNING":
        raise UsageError(f"{arn} is in service already; `customlabels stop` it to start it otherwise")
    endpoint.customlabels.put_serving_options(ProjectVersionArn=arn, Wake=wake, **idle)
    _start(endpoint, arn, MinInferenceUnits=units, **({"MaxInferenceUnits": max_units} if max_units else {}))
    told = {"ProjectVersionArn": arn, "Status": "RUNNING"}
    return tell(told, f"in service: {arn}", as_json=as_json)


def shadow_model(
    model: str, sample: float, answer: float, compare: int, *, promote: bool, end: bool, as_json: bool
) -> Exit:
    """Compare a version with the one in service on live calls, or end that, or tell how it stands."""
    endpoint = connect(Settings.from_environment())
    version = _version(endpoint, model)
    arn = version["ProjectVersionArn"]
    if end:
        endpoint.customlabels.end_shadow(ProjectVersionArn=arn)
    pairs = [one for one in endpoint.customlabels.list_shadows()["Shadows"] if arn == one["NewerVersionArn"]]
    if not end and not (pairs and pairs[0]["Status"] in ("SHADOW", "WATCHING")):
        if version["Status"] != "RUNNING":
            _start(endpoint, arn, MinInferenceUnits=1)
        rules = {"SampleShare": sample / 100, "AnswerShare": answer / 100, "CompareAtLeast": compare}
        endpoint.customlabels.start_shadow(ProjectVersionArn=arn, AutoPromote=promote, **rules)
        pairs = endpoint.customlabels.list_shadows()["Shadows"]
    kept = endpoint.customlabels.list_disagreements(ProjectVersionArn=arn)["Disagreements"]
    if as_json:
        print_json({"Shadow": pairs[0], "Disagreements": kept})
        return Exit.DONE
    pair = pairs[0]
    show(f"{pair['Status']}  {pair['NewerVersionArn']}  beside  {pair['OlderVersionArn']}")
    show(
        f"  compared {pair['Compared']}, different {pair['Disagreed']}, failed {pair['Failed']} of "
        f"{pair['Asked']}; {1e3 * pair['NewerSeconds']:.0f} ms against {1e3 * pair['OlderSeconds']:.0f} ms"
    )
    if pair.get("Reason"):
        show(f"  {pair['Reason']}")
    for one in kept:
        said = [" ".join(label["Name"] for label in one[side]) or "-" for side in ("Newer", "Older")]
        show(f"  {_address(one['Image'])}  {said[0]} | {said[1]}")
    return Exit.DONE


def promote_model(model: str, *, as_json: bool) -> Exit:
    """Make a version the one that its project's clients are answered by."""
    endpoint = connect(Settings.from_environment())
    version = _version(endpoint, model)
    arn = version["ProjectVersionArn"]
    if version["Status"] != "RUNNING":
        _start(endpoint, arn, MinInferenceUnits=1)
    answer = endpoint.customlabels.promote_version(ProjectVersionArn=arn)
    told = {name: answer[name] for name in ("ProjectVersionArn", "OlderVersionArn") if name in answer}
    older = told.get("OlderVersionArn")
    advice = f"{older} stays up until the new one has proved itself, or takes over again" if older else ""
    return tell(told, f"in service: {arn}", advice=advice, as_json=as_json)


def export_model(model: str, to: Path, *, as_json: bool) -> Exit:
    """Write a model that runs without this program; one that answers as the service does."""
    if to.exists():
        raise UsageError(f"{to} is there already; name a new folder")
    endpoint = connect(Settings.from_environment())
    version = _version(endpoint, model)
    arn = version["ProjectVersionArn"]
    files = endpoint.customlabels.export_project_version(ProjectVersionArn=arn)["Files"]
    unfinished = to.with_name(f".{to.name}.part")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    try:
        for place in files:
            file = unfinished / place["Name"].rpartition("/")[2]
            file.write_bytes(fetched(endpoint, _address(place)))
        figures = _compared(endpoint, version, unfinished)
        good = figures["Different"] <= MOST_DIFFERENT * figures["Images"]
        if good:
            (unfinished / "comparison.json").write_text(json.dumps(figures, indent=1))
            unfinished.rename(to)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    if as_json:
        print_json({"ProjectVersionArn": arn, "Good": good, **figures})
    else:
        show(
            f"{figures['Images']} test images: {figures['Different']} answered differently from the service, "
            f"largest difference of a confidence {figures['LargestDifference']:.4f} points"
        )
        show(
            f"written: {to} (try it: python {to / 'server.py'})"
            if good
            else f"not good: {to} was not written"
        )
    return Exit.DONE if good else Exit.FAILED


def _compared(endpoint: Endpoint, version: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The export beside the service on every image of the version's test set."""
    import onnxruntime

    spec = importlib.util.spec_from_file_location("exported_server", folder / "server.py")
    assert spec is not None
    assert spec.loader is not None
    server = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(server)
    card = json.loads((folder / "model.json").read_text("utf-8"))
    session = onnxruntime.InferenceSession(folder / "model.onnx")
    images = different = 0
    largest = 0.0
    with _in_service(endpoint, version):
        for data in _test_images(endpoint, version):
            ours = endpoint.rekognition.detect_custom_labels(
                ProjectVersionArn=version["ProjectVersionArn"], Image={"Bytes": data}
            )["CustomLabels"]
            theirs = server.answer(session, card, data)
            images += 1
            pairs = list(zip(ours, theirs, strict=False))
            same = len(ours) == len(theirs) and all(one["Name"] == other["Name"] for one, other in pairs)
            different += not same
            if same:
                largest = max(
                    [largest, *(abs(one["Confidence"] - other["Confidence"]) for one, other in pairs)]
                )
    return {"Images": images, "Different": different, "LargestDifference": largest}


def _test_images(endpoint: Endpoint, version: dict[str, Any]) -> Iterator[bytes]:
    """Each image that the version was measured on."""
    asset = version["TestingDataResult"]["Output"]["Assets"][0]["GroundTruthManifest"]["S3Object"]
    for line in fetched(endpoint, _address(asset)).splitlines():
        yield fetched(endpoint, json.loads(line)["source-ref"])


def _address(place: dict[str, str]) -> str:
    return f"s3://{place['Bucket']}/{place['Name']}"


@contextmanager
def _in_service(endpoint: Endpoint, version: dict[str, Any]) -> Iterator[None]:
    """Start a version that does not run, for as long as it is needed."""
    arn, was_running = version["ProjectVersionArn"], version["Status"] == "RUNNING"
    if not was_running:
        _start(endpoint, arn, MinInferenceUnits=1)
    try:
        yield
    finally:
        if not was_running:
            endpoint.rekognition.stop_project_version(ProjectVersionArn=arn)


def _version(endpoint: Endpoint, model: str) -> dict[str, Any]:
    """The description of PROJECT/VERSION or an ARN; of a PROJECT alone the newest version."""
    found = versions_of(endpoint, model)
    if not found:
        raise UsageError(f"{model}: there is no such version")
    return found[0]


def _start(endpoint: Endpoint, arn: str, **units: int) -> None:
    """Start a version and wait until it runs."""
    endpoint.rekognition.start_project_version(ProjectVersionArn=arn, **units)
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        version = _version(endpoint, arn)
        if version["Status"] == "RUNNING":
            return
        if version["Status"] != "STARTING":
            raise UsageError(f"{arn} is {version['Status']}: {version['StatusMessage']}")
        time.sleep(POLL_SECONDS)
    raise UsageError(f"{arn} is still not up after {START_SECONDS:g} s")
