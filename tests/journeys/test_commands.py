"""The `customlabels` command as its users type it, from the first run to the end of the server."""

import json
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pytest
from tests.journeys.conftest import Deployed
from tests.journeys.stage import BUDGET, Finished, draw, ended, lines_until, until

ASK = Path(__file__).parents[2] / "examples" / "ask.py"


@dataclass(frozen=True)
class Evening:
    """Three runs side by side in one home, and what every command of it said."""

    interrupted: Finished
    detached: Finished
    same_project: Finished
    meanwhile: Finished
    first_followed: Finished
    second_followed: Finished


@pytest.fixture(scope="module")
def evening(deployed: Deployed, tmp_path_factory: pytest.TempPathFactory) -> Evening:
    """Another project's run, changed data for the same project behind it, and a third that is in the way."""
    home, folder = deployed.home, tmp_path_factory.mktemp("evening")
    labels = ("red", "green", "yellow")
    changed = (
        "--train",
        draw(folder / "new" / "train", 12, labels),
        "--test",
        draw(folder / "new" / "test", 6, labels),
    )
    other = ("--train", draw(folder / "lamps" / "train", 12, labels[:2], seed=3), "--test", deployed.test)

    # One training at a time: the second one waits for the first, and its project is busy for that long.
    detached = home.typed("run", *other, "--name", "lamps", "--detach", "--json", *BUDGET)
    first = home.started("run", *changed, "--project", "colours", "--name", "changed", *BUDGET)
    seen = lines_until(first, "Look at training")
    first.send_signal(signal.SIGINT)
    interrupted = ended(first)
    meanwhile = home.typed("detect", "colours", deployed.test / "blue" / "00.png")
    same_project = home.typed(*deployed.run())
    return Evening(
        Finished(interrupted.code, interrupted.out, seen + interrupted.err),
        detached,
        same_project,
        meanwhile,
        home.typed("follow", "changed"),
        home.typed("follow", "lamps", "--json"),
    )


def statuses(deployed: Deployed, project: str) -> dict[str, str]:
    """The status of each version of a project, by its ARN."""
    rekognition = deployed.home.client("rekognition")
    [found] = rekognition.describe_projects(ProjectNames=[project])["ProjectDescriptions"]
    versions = rekognition.describe_project_versions(ProjectArn=found["ProjectArn"])[
        "ProjectVersionDescriptions"
    ]
    rekognition.close()
    return {version["ProjectVersionArn"]: version["Status"] for version in versions}


# ------------------------------------------------------------ the first run


def test_a_good_model_is_deployed_and_the_next_command_is_named(deployed: Deployed) -> None:
    first = deployed.first

    assert first.code == 0, first.err
    assert first.out.startswith("DEPLOYED  F1 ")
    assert "customlabels detect colours IMAGE" in first.err
    for state in ("Copy datasets", "Train", "Start", "Name in service"):
        assert f"s  {state}\n" in first.err


def test_afterwards_a_new_process_with_plain_boto3_is_answered(deployed: Deployed) -> None:
    image = deployed.test / "green" / "02.png"
    environment = deployed.home.environment | {"AWS_ENDPOINT_URL": deployed.home.server.url}

    asked = subprocess.run(
        [sys.executable, ASK, "colours", image], env=environment, capture_output=True, text=True, check=False
    )

    assert asked.returncode == 0, asked.stderr
    assert ": green " in asked.stdout


@pytest.mark.usefixtures("rejected")
def test_a_model_is_asked_by_its_project_its_version_and_its_arn(deployed: Deployed) -> None:
    image = deployed.test / "red" / "01.png"
    version = deployed.version.split("/")[3]

    by_project = deployed.home.typed("detect", "colours", image, image)
    by_version = deployed.home.typed("detect", f"colours/{version}", image, "--json")
    by_arn = deployed.home.typed(
        "detect", deployed.version, image, "--min-confidence", "0", "--max-results", "2", "--json"
    )

    assert by_project.code == 0, by_project.err
    assert [line.split()[1] for line in by_project.out.splitlines()] == ["red", "red"]
    assert by_version.json["ProjectVersionArn"] == deployed.version
    [result] = by_arn.json["Results"]
    assert result["CustomLabels"][0]["Name"] == "red"
    assert len(result["CustomLabels"]) == 2


def test_status_lists_runs_and_the_model_in_service(deployed: Deployed) -> None:
    listed = deployed.home.typed("status", "--json").json
    name = listed["Runs"][-1]["Name"]
    one = deployed.home.typed("status", name)

    assert listed["Endpoint"] == deployed.home.server.url
    assert listed["Runs"][-1]["Status"] == "SUCCEEDED"
    assert one.code == 0
    assert one.out == deployed.first.out
    assert name in deployed.home.typed("status").out


# ------------------------------------------------------------ the gate says no


def test_a_model_below_the_threshold_is_rejected_and_the_old_one_stays(
    deployed: Deployed, rejected: Finished
) -> None:
    said = rejected.json
    refused = deployed.home.typed(
        "detect", f"colours/{said['ProjectVersionArn'].split('/')[3]}", deployed.test / "red" / "00.png"
    )

    assert rejected.code == 3
    assert (said["Decision"], said["Status"], said["F1Threshold"]) == ("REJECTED", "SUCCEEDED", 1.0)
    assert "not above the threshold" in said["Reasons"][0]
    assert said["ProjectVersionArn"] != deployed.version
    assert (refused.code, "in service" in refused.err) == (2, True)


def test_a_rejected_run_has_a_report_that_says_why(
    deployed: Deployed, rejected: Finished, tmp_path: Path
) -> None:
    said = rejected.json
    again = deployed.home.typed("report", said["Name"], "--to", tmp_path / "why.html")
    told = deployed.home.typed("report", said["ProjectVersionArn"], "--json")

    page = Path(url2pathname(urlsplit(said["ReportPage"]).path))
    assert page.name == "report.html"
    assert ">REJECTED<" in page.read_text()
    assert (again.code, (tmp_path / "why.html").read_text()) == (0, page.read_text())
    assert told.json["Verdict"]["Decision"] == "REJECTED"
    assert told.json["Figures"]["F1Score"] == pytest.approx(said["F1Score"])
    assert deployed.home.typed("report", "no-such-run").code == 2


def test_a_report_of_a_run_elsewhere_is_composed_from_its_bucket_and_put_beside_it(
    deployed: Deployed, rejected: Finished, tmp_path: Path
) -> None:
    bucket, _, key = rejected.json["Report"].removeprefix("s3://").partition("/")
    s3 = deployed.home.client("s3")
    here = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    s3.delete_object(Bucket=bucket, Key=key)
    place = ("--to", tmp_path / "elsewhere.html", "--endpoint-url", deployed.home.server.url)

    told = deployed.home.typed("report", rejected.json["Name"], *place)

    there = s3.get_object(Bucket=bucket, Key=key)
    assert (told.code, told.out.strip(), told.err) == (0, str(tmp_path / "elsewhere.html"), "")
    assert (there["Body"].read(), there["ContentType"]) == (here, "text/html")
    assert (tmp_path / "elsewhere.html").read_bytes() == here


# ------------------------------------------------------------ several runs at once


def test_ctrl_c_leaves_the_run_and_says_how_to_come_back(evening: Evening) -> None:
    assert evening.interrupted.code == 130
    assert "customlabels follow changed" in evening.interrupted.err
    assert evening.first_followed.code == 0, evening.first_followed
    assert evening.first_followed.out.startswith("DEPLOYED")


def test_a_detached_run_says_how_to_watch_it_and_ends_by_itself(evening: Evening) -> None:
    assert evening.detached.code == 0
    assert evening.detached.json["Status"] == "RUNNING"
    assert "customlabels follow lamps" in evening.detached.err
    assert evening.second_followed.json["Decision"] in ("DEPLOYED", "REJECTED")


def test_a_run_in_a_project_that_is_training_fails_and_says_why(evening: Evening) -> None:
    assert evening.same_project.code == 1
    assert "ProjectBusy: A training is in progress" in evening.same_project.out


def test_the_old_model_answers_while_the_new_one_trains_and_is_stopped_after_it(
    deployed: Deployed, evening: Evening
) -> None:
    newest = next(line.split()[1] for line in evening.first_followed.out.splitlines() if "model" in line)

    assert " blue " in evening.meanwhile.out
    assert until(lambda: statuses(deployed, "colours")[deployed.version] == "STOPPED", seconds=30)
    assert statuses(deployed, "colours")[newest] == "RUNNING"


@pytest.mark.usefixtures("evening")
def test_a_run_with_changed_data_trains_on_the_changed_data(deployed: Deployed) -> None:
    rekognition = deployed.home.client("rekognition")
    names = [
        project["ProjectArn"].split("/")[1]
        for project in rekognition.describe_projects()["ProjectDescriptions"]
    ]
    [project] = rekognition.describe_projects(ProjectNames=["colours"])["ProjectDescriptions"]
    entries = {
        dataset["DatasetType"]: rekognition.list_dataset_entries(DatasetArn=dataset["DatasetArn"])[
            "DatasetEntries"
        ]
        for dataset in project["Datasets"]
    }
    rekognition.close()

    assert len([name for name in names if name.startswith("colours-source-")]) == 2
    assert {kind: len(lines) for kind, lines in entries.items()} == {"TRAIN": 36, "TEST": 18}
    labels = {json.loads(line)["label-metadata"]["class-name"] for line in entries["TRAIN"]}
    assert labels == {"red", "green", "yellow"}


# ------------------------------------------------------------ stopping


@pytest.mark.usefixtures("evening")
def test_down_says_what_it_stopped_and_the_next_command_brings_it_back(deployed: Deployed) -> None:
    before = deployed.home.server

    down = deployed.home.typed("down", "--json")
    again = deployed.home.typed("down")
    asked = deployed.home.typed("detect", "colours", deployed.test / "red" / "03.png")

    assert down.json["Stopped"] == before.url
    assert any(":project/colours/version/" in arn for arn in down.json["Versions"])
    assert (again.code, "no server runs" in again.err) == (0, True)
    assert asked.code == 0, asked.err
    assert " red " in asked.out
    assert deployed.home.server.pid != before.pid


@pytest.mark.usefixtures("evening")
def test_a_stopped_model_does_not_answer_any_more(deployed: Deployed) -> None:
    stopped = deployed.home.typed("stop", "colours", "--json")
    refused = deployed.home.typed("detect", "colours", deployed.test / "red" / "03.png")
    again = deployed.home.typed("stop", "colours")

    assert stopped.code == 0, stopped.err
    assert [arn.split("/")[1] for arn in stopped.json["Stopped"]] == ["colours"]
    assert (refused.code, "in service" in refused.err) == (2, True)
    assert (again.code, "no version in service" in again.err) == (2, True)


def test_stopping_a_run_ends_its_training_too(deployed: Deployed) -> None:
    run = deployed.home.started(*deployed.run("--project", "short-lived", "--name", "short"))
    lines_until(run, "Look at training")

    stopped = deployed.home.typed("stop", "short")
    told = ended(run)
    again = deployed.home.typed("stop", "short")

    assert "execution:customlabels-pipeline:short" in stopped.out
    assert "project/short-lived/version/v-short/" in stopped.out
    assert (told.code, "ABORTED" in told.out) == (6, True)
    assert (again.code, "is over" in again.err) == (2, True)
    assert until(lambda: set(statuses(deployed, "short-lived").values()) == {"TRAINING_FAILED"}, seconds=60)


def buckets(deployed: Deployed) -> dict[str, Any]:
    """Each registered bucket's folder."""
    return {
        one["Name"]: one["Folder"] for one in deployed.home.typed("bucket", "list", "--json").json["Buckets"]
    }


def test_buckets_are_added_listed_and_forgotten(deployed: Deployed, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()

    added = deployed.home.typed("bucket", "add", "photos", folder)
    listed = buckets(deployed)
    shown = deployed.home.typed("bucket", "list").out
    removed = deployed.home.typed("bucket", "remove", "photos")

    assert added.code == 0, added.err
    assert listed["photos"] == str(folder)
    assert {"customlabels-manifests", "customlabels-output"} <= listed.keys()
    assert str(folder) in shown
    assert (removed.code, "files are untouched" in removed.out) == (0, True)
    assert "photos" not in buckets(deployed)
    assert folder.is_dir()


def test_check_finds_nothing_in_good_data_and_starts_no_server(deployed: Deployed, tmp_path: Path) -> None:
    home = type(deployed.home)(tmp_path / "untouched")

    plain = home.typed("check", deployed.train, deployed.test)
    as_json = home.typed("check", deployed.train, deployed.test, "--json").json

    assert plain.code == 0, plain
    assert "36 of 36 images usable, 3 labels" in plain.err
    assert (as_json["errors"], as_json["unusable"]) == ([], [])
    assert not home.path.exists()


@pytest.mark.usefixtures("evening")
def test_a_project_in_service_is_deleted_with_everything_in_it(deployed: Deployed) -> None:
    unasked = deployed.home.typed("delete", "lamps")
    done = deployed.home.typed("delete", "lamps", "--yes", "--json")
    again = deployed.home.typed("delete", "lamps", "--yes")

    rekognition = deployed.home.client("rekognition")
    left = rekognition.describe_projects(ProjectNames=["lamps"])["ProjectDescriptions"]
    rekognition.close()

    assert (unasked.code, "--yes" in unasked.err) == (2, True)
    assert done.code == 0, done.err
    assert (done.json["Status"], done.json["Found"]) == ("SUCCEEDED", True)
    assert left == []
    assert (again.code, "no project of this name" in again.err) == (2, True)
