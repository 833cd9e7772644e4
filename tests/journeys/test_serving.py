"""Models in service, as a user sees them: started, asleep, compared, promoted, taken away, watched."""

import json
import shutil
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from tests.journeys.conftest import Deployed
from tests.journeys.stage import BUDGET, draw, home_in, until


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Deployed, str]]:
    """A model in service, and a second version that is trained but rejected; requests are logged as JSON."""
    folder = tmp_path_factory.mktemp("two")
    train, test = draw(folder / "colours" / "train", 12), draw(folder / "colours" / "test", 6)
    with home_in(folder, CUSTOMLABELS_LOG="json") as home:
        first = home.typed("run", "--train", train, "--test", test, *BUDGET)
        assert first.code == 0, first.err
        deployed = Deployed(home, train, test, first)
        second = home.typed(*deployed.run("--min-f1", "1", "--seed", "1", "--json"))
        assert second.code == 3, second.err
        yield deployed, second.json["ProjectVersionArn"]


def asked(two: tuple[Deployed, str], model: str = "colours") -> Any:
    image = two[0].test / "red" / "00.png"
    return two[0].home.typed("detect", model, image, "--json")


def test_an_export_answers_the_whole_test_set_as_the_service_does(
    two: tuple[Deployed, str], tmp_path: Path
) -> None:
    done = two[0].home.typed("export", "colours", "--to", tmp_path / "taken", "--json")

    assert done.code == 0, done.err
    assert done.json["Good"] is True
    assert (done.json["Images"], done.json["Different"]) == (18, 0)
    assert done.json["LargestDifference"] < 1
    names = ["comparison.json", "labels.txt", "model.json", "model.onnx", "server.py"]
    assert sorted(file.name for file in (tmp_path / "taken").iterdir()) == names
    again = two[0].home.typed("export", "colours", "--to", tmp_path / "taken")
    assert (again.code, "is there already" in again.err) == (2, True)


def test_the_exported_server_runs_where_this_program_is_not(
    two: tuple[Deployed, str], tmp_path: Path
) -> None:
    home, place = two[0].home, tmp_path / "taken"
    assert home.typed("export", "colours", "--to", place).code == 0
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
    shutil.rmtree(place)


def test_status_tells_units_latency_idleness_and_what_aws_would_cost(two: tuple[Deployed, str]) -> None:
    assert asked(two).code == 0

    done = two[0].home.typed("status")

    assert all(heading in done.out for heading in ("UNITS", "P50", "P99", "IDLE", "4 USD/h"))
    assert " ms" in done.out
    assert "as of 2026-11-26" in done.err


def test_the_server_tells_its_health_and_figures_and_logs_requests_as_json(two: tuple[Deployed, str]) -> None:
    home = two[0].home
    assert asked(two).code == 0

    def page(path: str) -> str:
        with urllib.request.urlopen(home.server.url + path, timeout=10) as answer:
            return str(answer.read().decode())

    families = text_string_to_metric_families(page("/metrics"))  # type: ignore[no-untyped-call]
    values = {family.name: family.samples[0].value for family in families if family.samples}

    assert (page("/healthz"), page("/readyz")) == ("ok\n", "ready\n")
    assert values["customlabels_requests"] >= 1
    assert values["customlabels_answer_seconds"] >= 0
    lines = [
        json.loads(line) for line in (home.path / "server.log").read_text().splitlines() if line[0] == "{"
    ]
    told = [line for line in lines if line.get("operation") == "RekognitionService.DetectCustomLabels"]
    assert told[-1]["status"] == 200
    assert told[-1]["request_id"]


def test_a_version_is_compared_promoted_and_no_request_is_refused_meanwhile(
    two: tuple[Deployed, str],
) -> None:
    deployed, newer = two
    home, refused, stop = deployed.home, [], threading.Event()
    client = home.client("rekognition")
    current = home.path / "buckets/customlabels-output/custom-labels/colours/current.json"
    image = (deployed.test / "red" / "00.png").read_bytes()

    def ask_whatever_is_current() -> None:
        while not stop.is_set():
            arn = json.loads(current.read_bytes())["ProjectVersionArn"]
            try:
                client.detect_custom_labels(ProjectVersionArn=arn, Image={"Bytes": image})
            except client.exceptions.ClientError as error:
                refused.append(str(error))

    asking = threading.Thread(target=ask_whatever_is_current)
    asking.start()
    try:
        begun = home.typed("shadow", newer, "--sample", "100", "--compare", "5", "--json")
        assert begun.code == 0, begun.err
        assert begun.json["Shadow"]["OlderVersionArn"] == deployed.version

        def compared() -> bool:
            return bool(home.typed("shadow", newer, "--json").json["Shadow"]["Compared"] >= 5)

        assert until(compared, seconds=60)
        promoted = home.typed("promote", newer)
        assert promoted.code == 0, promoted.err
        assert json.loads(current.read_bytes())["ProjectVersionArn"] == newer
        assert asked(two).json["ProjectVersionArn"] == newer

        assert until(
            lambda: "PROMOTED" in home.typed("shadow", newer, "--end").out or _ended(home), seconds=1
        )
        assert home.typed("stop", deployed.version).code == 0
        time.sleep(2)
    finally:
        stop.set()
        asking.join()
    assert refused == []


def _ended(home: Any) -> bool:
    return home.client("customlabels").list_shadows()["Shadows"][0]["Status"] in ("ENDED", "PROMOTED")


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
