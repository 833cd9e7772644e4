"""The judge: from documents in a bucket to a judgement in it, on folders and on S3."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pytest
from tests.emulator import emulated_aws
from typer.main import get_command

from customlabels.app.functions import judge_function
from customlabels.cli.program import app
from customlabels.errors import InvalidInput
from customlabels.evaluation import (
    OUT_OF_FOLD,
    RULES,
    Predictions,
    evaluate,
    evaluate_test_tuned,
    prediction_line,
    summary,
)
from customlabels.operations import FunctionContext, OwnObjects
from customlabels.pipeline import JUDGE_FUNCTION, S3, definition, local_substitutions
from customlabels.pipeline.judge import handler, judged
from customlabels.pipeline.judge_documents import Documents
from customlabels.pipeline.judge_objects import Bucket
from customlabels.pipeline.judge_wear import Note, versions_judged
from customlabels.storage import Objects

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ARN = "arn:aws:rekognition:eu-west-1:111122223333:project/pets/version/{}/1"
HALF = np.array([0.5, 0.5])


@pytest.fixture
def objects(tmp_path: Path) -> OwnObjects:
    folders = {"results": tmp_path / "results"}
    folders["results"].mkdir()
    return OwnObjects(Objects(folders.get, None, tmp_path / "attributes"), lambda bucket: bucket == "results")


def leave(objects: Bucket, version: str, right: float, images: int = 40, ours: bool = True) -> dict[str, Any]:
    """Write what a training would; returns the version as it is described."""
    dice = np.random.default_rng(sum(version.encode()))
    true = np.arange(images) % 2
    said = np.where(dice.random(images) < right, true, 1 - true)
    predictions = Predictions(("cat", "dog"), np.eye(2)[said], np.eye(2, dtype=bool)[true])
    honest = evaluate(predictions, HALF, OUT_OF_FOLD, seed=0, resamples=200)
    told = summary(honest, evaluate_test_tuned(predictions, 0, 200), ARN.format(version), NOW, 9)
    documents: dict[str, list[Any]] = {
        "TestingGroundTruth": [
            prediction_line(predictions, row, f"s3://images/{row}.png", HALF, NOW) for row in range(images)
        ],
        "TrainingGroundTruth": [{"source-ref": f"s3://images/train-{row}.png"} for row in range(3)],
    }
    if ours:
        evidence = {"Leaked": [], "LatencyMilliseconds": 3.5, "ModelMegabytes": 4.0}
        documents["Evidence"] = [evidence]
    else:
        del told["CustomLabels"]
    for kind, lines in (documents | {"EvaluationResultSummary": [told]}).items():
        text = "\n".join(map(json.dumps, lines))
        objects.write("results", f"out/pets/{version}/{kind}-pets-{version}.json", text.encode())
    key = f"out/pets/{version}/EvaluationResultSummary-pets-{version}.json"
    place = {"S3Object": {"Bucket": "results", "Name": key}}
    return {
        "ProjectVersionArn": ARN.format(version),
        "EvaluationResult": {"F1Score": honest.f1, "Summary": place},
    }


def event(version: dict[str, Any], current: str = "", **rules: Any) -> dict[str, Any]:
    name = version["ProjectVersionArn"].split("/")[3]
    place = {"OutputBucket": "results", "OutputPrefix": "out", "ProjectName": "pets", "VersionName": name}
    return {
        "Config": place | rules,
        "Version": version,
        "Current": {"ProjectVersionArn": ARN.format(current), "VersionName": current} if current else {},
        "ExecutionArn": "arn:aws:states:eu-west-1:111122223333:execution:pipeline:run",
        "Judgement": {"Bucket": "results", "Key": f"out/pets/{name}/judgement.json"},
    }


def test_a_judgement_is_written_whole_and_answered_in_short(objects: OwnObjects) -> None:
    said = judged(event(leave(objects, "v1", 1.0), F1LowerBound=0.8, MaxModelMegabytes=5), objects)

    assert said["Decision"] == "DEPLOYED"
    assert said["Judgement"] == "s3://results/out/pets/v1/judgement.json"
    written = json.loads(objects.read("results", "out/pets/v1/judgement.json") or b"")
    assert written["Decision"] == said["Decision"]
    assert written["Reasons"] == said["Reasons"]
    assert [rule["Rule"] for rule in written["Rules"]] == ["F1Threshold", "F1LowerBound", "MaxModelMegabytes"]
    assert all(rule["Margin"] >= 0 and rule["Outcome"] == "PASSES" for rule in written["Rules"])
    assert [label["Label"] for label in written["Labels"]] == ["cat", "dog"]
    assert written["TestSet"]["Images"] == 40


def test_a_small_lucky_test_set_is_undecided_by_its_bound(objects: OwnObjects) -> None:
    said = judged(event(leave(objects, "v1", 1.0, images=6), F1LowerBound=0.85), objects)

    assert said["Decision"] == "UNDECIDED"
    assert "more of cat" in said["Reasons"][-1]


def test_a_version_is_compared_with_the_one_in_service_on_the_same_images(objects: OwnObjects) -> None:
    leave(objects, "v1", 0.6)
    rules: dict[str, Any] = {"F1Threshold": 0.5, "BetterThanDeployed": True}

    better = judged(event(leave(objects, "v2", 1.0), current="v1", **rules), objects)
    equal = judged(event(leave(objects, "v3", 0.6), current="v1", **rules), objects)
    same = judged(event(leave(objects, "v1", 0.95), current="v1", **rules), objects)

    assert better["Decision"] == "DEPLOYED"
    assert "on the same 40 images" in " ".join(better["Reasons"])
    assert equal["Decision"] in ("REJECTED", "UNDECIDED")
    assert "the version in service is this one" in " ".join(same["Reasons"])


def test_a_version_in_service_without_documents_is_reported(objects: OwnObjects) -> None:
    said = judged(event(leave(objects, "v2", 1.0), current="v1", BetterThanDeployed=True), objects)

    assert said["Decision"] == "DEPLOYED"
    assert "out/pets/v1/EvaluationResultSummary-pets-v1.json" in " ".join(said["Reasons"])


def test_what_aws_does_not_tell_is_said_rule_by_rule(objects: OwnObjects) -> None:
    version = leave(objects, "v1", 1.0, ours=False)
    rules: dict[str, Any] = {"ForbidLeakage": True, "MaxLatencyMilliseconds": 9, "MaxModelMegabytes": 9}

    said = judged(event(version, **rules), objects)

    written = json.loads(objects.read("results", "out/pets/v1/judgement.json") or b"")
    assert {rule["Rule"]: rule["Outcome"] for rule in written["Rules"]} == {
        "F1Threshold": "PASSES",
        "ForbidLeakage": "PASSES",
        "MaxLatencyMilliseconds": "FAILS",
        "MaxModelMegabytes": "FAILS",
    }
    assert said["Decision"] == "REJECTED"
    assert written["Protocol"] == "test-tuned thresholds"
    assert "by their names alone" in " ".join(said["Reasons"])


def test_a_test_image_of_the_training_set_is_found_by_its_name(objects: OwnObjects) -> None:
    version = leave(objects, "v1", 1.0, ours=False)
    key = "out/pets/v1/TrainingGroundTruth-pets-v1.json"
    objects.write("results", key, b'{"source-ref":"s3://images/7.png"}\n')

    said = judged(event(version, ForbidLeakage=True), objects)

    assert said["Decision"] == "REJECTED"
    assert "s3://images/7.png" in said["Reasons"][0]


def decide(objects: Bucket, version: dict[str, Any], decision: str = "DEPLOYED") -> None:
    """Leave the record of a run that asked no judge."""
    name = version["ProjectVersionArn"].split("/")[3]
    told: dict[str, Any] = {"Decision": decision} | ({"Version": version} if decision != "FAILED" else {})
    objects.write("results", f"out/pets/{name}/decision.json", json.dumps(told).encode())


def written(objects: Bucket, version: str) -> dict[str, Any]:
    """The judgement of a version."""
    told: dict[str, Any] = json.loads(objects.read("results", f"out/pets/{version}/judgement.json") or b"")
    return told


def test_versions_are_counted_by_test_set_and_each_only_once(objects: OwnObjects) -> None:
    bounds = []
    for name in ("v1", "v1", *(f"v{number}" for number in range(2, 11))):
        judged(event(leave(objects, name, 0.97, images=60), F1LowerBound=0.9), objects)
        bounds.append(written(objects, name)["TestSet"]["Versions"])
    judged(event(leave(objects, "v11", 0.97, images=58), F1LowerBound=0.9), objects)

    assert bounds == [1, 1, *range(2, 11)]
    assert any("has judged 10 versions" in warning for warning in written(objects, "v10")["Warnings"])
    assert written(objects, "v11")["TestSet"]["Versions"] == 1


def test_the_same_version_is_less_sure_the_more_its_test_set_has_judged(objects: OwnObjects) -> None:
    version = leave(objects, "v1", 0.97, images=300)
    judged(event(version, F1LowerBound=0.9), objects)
    alone = written(objects, "v1")["F1LowerBound"]
    judged(event(leave(objects, "v2", 0.97, images=300), F1LowerBound=0.9), objects)

    judged(event(version, F1LowerBound=0.9), objects)

    assert written(objects, "v1")["F1LowerBound"] < alone


def test_runs_that_asked_no_judge_count_by_what_they_left(objects: OwnObjects) -> None:
    for name, images, decision in (
        ("plain", 40, "DEPLOYED"),
        ("worse", 40, "REJECTED"),
        ("elsewhere", 38, "DEPLOYED"),
        ("broken", 40, "FAILED"),
    ):
        decide(objects, leave(objects, name, 0.9, images), decision)
    objects.write("results", "out/pets/odd/decision.json", b"no JSON")
    rules: dict[str, Any] = {"MinLabelF1": 0.1}

    judged(event(leave(objects, "v1", 1.0), **rules), objects)
    noted = [key.rpartition("/")[2] for key in objects.keys("results", "out/test-sets/")]
    shutil.rmtree(objects.objects.path("results", "out/pets/plain") or "")
    judged(event(leave(objects, "v2", 1.0), **rules), objects)

    assert [written(objects, name)["TestSet"]["Versions"] for name in ("v1", "v2")] == [3, 4]
    assert sorted(noted) == ["elsewhere.json", "plain.json", "v1.json", "worse.json"]


def test_many_evaluations_are_read_little_by_little(objects: OwnObjects) -> None:
    for number in range(4):
        decide(objects, leave(objects, f"v{number}", 0.9))
    digest = Documents.of_version(objects, leave(objects, "v9", 0.9)).recorded().digest

    def counted(note: Note | None) -> int:
        return versions_judged(objects, ("results", "out"), ("pets", "v9"), digest, note, most=3)

    assert [counted(None), counted(None)] == [4, 4]
    assert [counted(objects.write), counted(objects.write)] == [4, 5]


def test_missing_documents_and_unreadable_rules_are_named(objects: OwnObjects) -> None:
    version = leave(objects, "v1", 1.0)
    with pytest.raises(InvalidInput, match="MinLabelF1 is 'x'"):
        judged(event(version, MinLabelF1="x"), objects)
    version["EvaluationResult"]["Summary"]["S3Object"]["Name"] = "gone/EvaluationResultSummary-a-b.json"

    with pytest.raises(InvalidInput, match=r"gone/TestingGroundTruth-a-b\.json"):
        judged(event(version), objects)


def test_nobody_is_judged_by_anothers_bucket(tmp_path: Path) -> None:
    objects = Objects({"results": tmp_path}.get, None, tmp_path / "attributes")
    version = leave(OwnObjects(objects, lambda _bucket: True), "v1", 1.0)
    judge = judge_function(objects, lambda account, _bucket: account == "111122223333")[JUDGE_FUNCTION]

    assert (
        judge(event(version), FunctionContext(JUDGE_FUNCTION, "t", "111122223333"))["Decision"] == "DEPLOYED"
    )
    with pytest.raises(InvalidInput, match="may not use bucket results"):
        judge(event(version), FunctionContext(JUDGE_FUNCTION, "t", "999999999999"))


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3]:
    """S3 as boto3 finds it in its environment: an emulator of it."""
    with emulated_aws() as url:
        for name, value in {
            "AWS_ENDPOINT_URL_S3": url,
            "AWS_ACCESS_KEY_ID": "k",
            "AWS_SECRET_ACCESS_KEY": "s",
            "AWS_DEFAULT_REGION": "us-east-1",
        }.items():
            monkeypatch.setenv(name, value)
        boto3.client("s3").create_bucket(Bucket="results")
        yield S3()


def test_the_function_of_lambda_judges_from_s3(s3: S3) -> None:
    version = leave(s3, "v1", 1.0, ours=False)

    decide(s3, leave(s3, "plain", 1.0, ours=False))

    said = [handler(event(version, F1LowerBound=0.8), None) for _ in range(2)]

    assert [each["Decision"] for each in said] == ["DEPLOYED", "DEPLOYED"]
    assert written(s3, "v1")["TestSet"]["Versions"] == 2
    assert s3.read("results", "nothing") is None
    with pytest.raises(InvalidInput, match="s3://absent/nothing: An error"):
        s3.read("absent", "nothing")
    with pytest.raises(InvalidInput, match="s3://absent/page: An error"):
        s3.write("absent", "page", b"")


def test_the_judge_needs_numpy_and_boto3_and_no_more() -> None:
    """As it is packed for Lambda: nothing of the server may be asked for."""
    program = "import customlabels.pipeline.judge, sys; print(sorted(sys.modules))"

    said = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)

    for absent in ("torch", "sqlalchemy", "PIL", "onnxruntime", "starlette", "yaml", "customlabels.storage"):
        assert f"'{absent}'" not in said.stdout


def test_the_rules_are_those_of_the_workflow_and_of_the_command_line() -> None:
    states = definition(local_substitutions())["States"]
    defaults = states["Defaults"]["Parameters"]
    run = get_command(app).commands["run"]  # type: ignore[attr-defined]
    flags = {flag for option in run.params for flag in option.opts}

    for rule in RULES:
        assert rule.flag in flags
        assert rule.name == "F1Threshold" or defaults[rule.name] == rule.default
    asked = json.dumps(states["Further rules?"])
    further = {rule.name for rule in RULES} - {"F1Threshold", "DeployedMargin"}
    assert {name for name in further if f"$.Config.{name}" in asked} == further
