"""Models in service, as a user sees them: started, asleep, compared, promoted, taken away, watched."""

import json
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from tests.journeys.conftest import Deployed
from tests.journeys.stage import Finished, Home, lines_until, until


@pytest.fixture
def two(answering: Deployed, rejected: Finished) -> tuple[Deployed, str]:
    """A model in service, and a second version that is trained but was rejected."""
    return answering, rejected.json["ProjectVersionArn"]


def asked(two: tuple[Deployed, str], model: str = "colours") -> Any:
    image = two[0].test / "red" / "00.png"
    return two[0].home.typed("detect", model, image, "--json")


def test_an_export_answers_the_whole_test_set_as_the_service_does(
    two: tuple[Deployed, str], tmp_path: Path
) -> None:
    done = two[0].home.typed("export", two[0].version, "--to", tmp_path / "taken", "--json")

    assert done.code == 0, done.err
    assert done.json["Good"] is True
    assert (done.json["Images"], done.json["Different"]) == (18, 0)
    assert done.json["LargestDifference"] < 1
    names = ["comparison.json", "labels.txt", "model.json", "model.onnx", "server.py"]
    assert sorted(file.name for file in (tmp_path / "taken").iterdir()) == names
    again = two[0].home.typed("export", two[0].version, "--to", tmp_path / "taken")
    assert (again.code, "is there already" in again.err) == (2, True)


def test_the_exported_server_runs_where_this_program_is_not(
    two: tuple[Deployed, str], tmp_path: Path
) -> None:
    home, place = two[0].home, tmp_path / "taken"
    assert home.typed("export", two[0].version, "--to", place).code == 0
    image = (two[0].test / "blue" / "00.png").read_bytes()
    program = (
        "import sys; sys.modules['customlabels'] = None\n"
        "import server, json, onnxruntime\n"
        "session = onnxruntime.InferenceSession('model.onnx')\n"
        "card = json.load(open('model.json'))\n"
        "print(json.dumps(server.answer(session, card, sys.stdin.buffer.read())))"
    )

    told = subprocess.run(
        [sys.executable, "-c", program], cwd=place, input=image, capture_output=True, check=True
    )

    assert json.loads(told.stdout)[0]["Name"] == "blue"


def test_status_tells_units_latency_idleness_and_what_aws_would_cost(two: tuple[Deployed, str]) -> None:
    assert asked(two).code == 0

    done = two[0].home.typed("status")

    assert all(heading in done.out for heading in ("UNITS", "P50", "P99", "IDLE", "4 USD/h"))
    assert " ms" in done.out
    assert "as of 2026-11-26" in done.err


def page(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return str(answer.read().decode())


def test_the_figures_of_a_model_in_service_are_metrics(two: tuple[Deployed, str]) -> None:
    assert asked(two).code == 0

    text = page(two[0].home.server.url + "/metrics")

    families = text_string_to_metric_families(text)  # type: ignore[no-untyped-call]
    values = {family.name: family.samples[0].value for family in families if family.samples}
    assert values["customlabels_requests"] >= 1
    assert values["customlabels_units"] >= 1


def test_a_server_tells_its_health_and_logs_requests_as_json(home: Home) -> None:
    server = home.started("serve", "--log-json", "--idle-stop", "30m")
    lines_until(server, "customlabels serves http")

    assert page(home.server.url + "/healthz") == "ok\n"
    assert until(lambda: page(home.server.url + "/readyz") == "ready\n", seconds=10)
    home.client("customlabels").list_units()
    server.terminate()
    _, logged = server.communicate(timeout=30)

    lines = [json.loads(line) for line in logged.splitlines() if line.startswith("{")]
    told = [line for line in lines if line.get("operation") == "CustomLabelsService.ListUnits"]
    assert (told[0]["status"], bool(told[0]["request_id"])) == (200, True)


def test_a_version_is_compared_and_promoted_and_no_request_is_refused(two: tuple[Deployed, str]) -> None:
    deployed, newer = two
    home, refused, stop = deployed.home, [], threading.Event()
    rekognition, ours = home.client("rekognition"), home.client("customlabels")
    image = (deployed.test / "red" / "00.png").read_bytes()

    def ask_whatever_is_current() -> None:
        while not stop.is_set():
            arn = json.loads(deployed.current.read_bytes())["ProjectVersionArn"]
            try:
                rekognition.detect_custom_labels(ProjectVersionArn=arn, Image={"Bytes": image})
            except ClientError as error:
                refused.append(str(error))

    def pair() -> Any:
        return ours.list_shadows()["Shadows"][0]

    def status(arn: str) -> str:
        found = ours.list_units()["Versions"]
        return next((one["Status"] for one in found if one["ProjectVersionArn"] == arn), "STOPPED")

    assert home.typed("start", newer).code == 0
    asking = threading.Thread(target=ask_whatever_is_current)
    asking.start()
    try:
        rules = {"SampleShare": 1.0, "CompareAtLeast": 5, "MaxTimesSlower": 1000.0, "MaxDisagreement": 1.0}
        begun = ours.start_shadow(ProjectVersionArn=newer, **rules)
        assert begun["OlderVersionArn"] == deployed.version
        assert until(lambda: pair()["Compared"] >= 5, seconds=60)
        assert home.typed("shadow", newer).out.startswith("SHADOW")

        promoted = home.typed("promote", newer)

        assert promoted.code == 0, promoted.err
        assert json.loads(deployed.current.read_bytes())["ProjectVersionArn"] == newer
        assert asked(two).json["ProjectVersionArn"] == newer
        assert until(lambda: pair()["Status"] == "PROMOTED", seconds=60)
        assert until(lambda: status(deployed.version) == "STOPPED", seconds=60)
    finally:
        stop.set()
        asking.join()
    assert refused == []
    for command in (("promote", deployed.version), ("shadow", deployed.version, "--end"), ("stop", newer)):
        assert home.typed(*command).code == 0  # as other stories expect it


def test_a_model_that_sleeps_is_woken_by_a_request(two: tuple[Deployed, str]) -> None:
    home = two[0].home
    model = two[0].version
    home.typed("stop", model)
    assert until(lambda: model not in home.typed("status").out, seconds=30)

    started = home.typed("start", model, "--idle-stop", "1s", "--wake")
    assert started.code == 0, started.err
    assert until(lambda: "asleep" in home.typed("status").out, seconds=30)

    assert asked(two, model).json["Results"][0]["CustomLabels"][0]["Name"] == "red"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("start", "colours", "--wake"), "say when, by --idle-stop 30m"),
        (("start", "nothing"), "there is no project of this name"),
        (("start", "colours", "--idle-stop", "soon"), "is no duration"),
        (("promote", "colours/none"), "there is no such version"),
    ],
)
def test_what_cannot_be_is_said(two: tuple[Deployed, str], arguments: tuple[str, ...], told: str) -> None:
    done = two[0].home.typed(*arguments)

    assert done.code == 2
    assert told in done.err
