"""The whole way by other clients than boto3: the AWS CLI, and the SDK for JavaScript.

`make clients` installs both into `.clients`; without them these stories are skipped.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.journeys.stage import LONGEST_SECONDS, Home, draw, until

CLIENTS = Path(__file__).parents[2] / ".clients"
AWS = CLIENTS / "awscli" / "bin" / "aws"
ROLE = "arn:aws:iam::123456789012:role/any"
ONE_STATE = {"StartAt": "Done", "States": {"Done": {"Type": "Pass", "End": True}}}


def environment(home: Home) -> dict[str, str]:
    """What a user sets: one address for all services, a key, a region."""
    return home.environment | {
        "AWS_ENDPOINT_URL": home.server.url,
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_PAGER": "",
    }


def ran(home: Home, *command: str | Path) -> str:
    """What a command prints, once it has ended well."""
    ended = subprocess.run(
        list(map(str, command)),
        env=environment(home),
        capture_output=True,
        text=True,
        timeout=LONGEST_SECONDS,
        check=False,
        cwd=home.path.parent,
    )
    assert ended.returncode == 0, f"{command}\n{ended.stderr}\n{ended.stdout}"
    return ended.stdout


def quick_training(home: Home, project: str) -> None:
    """The one call that AWS does not have: without it a training takes what it needs, which is minutes."""
    home.client("customlabels").put_training_options(ProjectName=project, VersionName="v1", BudgetSeconds=5)


def manifest(folder: Path, split: str, bucket: str) -> str:
    """Ground Truth lines for folders of labels."""
    labels = sorted(each.name for each in (folder / split).iterdir())
    lines = []
    for image in sorted((folder / split).rglob("*.png")):
        label = image.parent.name
        metadata = {
            "class-name": label,
            "confidence": 1,
            "type": "groundtruth/image-classification",
            "human-annotated": "yes",
            "creation-date": "2026-01-01T00:00:00",
            "job-name": "labeling-job/x",
        }
        place = f"s3://{bucket}/{image.relative_to(folder)}"
        lines.append(
            json.dumps({"source-ref": place, "colour": labels.index(label), "colour-metadata": metadata})
        )
    return "\n".join(lines)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for split, count in (("train", 12), ("test", 6)):
        draw(tmp_path / "images" / split, count)
    return tmp_path / "images"


def test_the_sdk_for_javascript_goes_the_whole_way(served: Home, images: Path) -> None:
    node = shutil.which("node")
    if node is None or not (CLIENTS / "node_modules").is_dir():
        pytest.skip("no node, or no .clients/node_modules (make clients): JavaScript is not tested")
    quick_training(served, "js-journey")

    found = json.loads(ran(served, node, Path(__file__).parent / "clients" / "journey.js", CLIENTS, images))

    assert found["groups"] == ["train/blue/", "train/green/", "train/red/"]
    assert found["f1"] > 0.8
    assert found["labels"] == ["red", "red"]
    assert json.loads(found["output"]) == {"a": 1}
    assert (found["refused"], found["kept"]) == ("BucketNotEmpty", False)
    assert found["others"] == {
        "datasets": 2,
        "page": [2, True],
        "labels": ["blue", "green", "red"],
        "tags": {"b": "2"},
        "policies": ["copies"],
        "left": 29,
    }


@pytest.fixture
def aws(served: Home) -> Callable[..., Any]:
    """The AWS CLI, its output parsed where it is JSON."""
    if not os.access(AWS, os.X_OK):
        pytest.skip("no .clients/awscli (make clients): the AWS CLI is not tested")

    def run(*arguments: str | Path) -> Any:
        out = ran(served, AWS, *arguments)
        return json.loads(out) if out.startswith(("{", "[", '"')) else out

    return run


def test_the_aws_cli_goes_the_whole_way(served: Home, images: Path, aws: Callable[..., Any]) -> None:
    for split in ("train", "test"):
        (images / f"{split}.manifest").write_text(manifest(images, split, "cli-images"))
    aws("s3", "mb", "s3://cli-images")
    aws("s3", "sync", images, "s3://cli-images", "--only-show-errors")
    assert "train.manifest" in aws("s3", "ls", "s3://cli-images")
    quick_training(served, "cli-journey")

    rekognition = "rekognition"
    project = aws(rekognition, "create-project", "--project-name", "cli-journey")["ProjectArn"]
    datasets = []
    for kind in ("TRAIN", "TEST"):
        place = {"S3Object": {"Bucket": "cli-images", "Name": f"{kind.lower()}.manifest"}}
        source = json.dumps({"GroundTruthManifest": place})
        made = ("--project-arn", project, "--dataset-type", kind, "--dataset-source", source)
        datasets.append(aws(rekognition, "create-dataset", *made)["DatasetArn"])

    # To look again and again is boto3's: a process of the CLI takes a second of what a training needs.
    looks = served.client(rekognition)

    def ready() -> bool:
        described = [looks.describe_dataset(DatasetArn=each)["DatasetDescription"] for each in datasets]
        return {each["Status"] for each in described} == {"CREATE_COMPLETE"}

    assert until(ready)
    told = [aws(rekognition, "describe-dataset", "--dataset-arn", each) for each in datasets]
    assert {each["DatasetDescription"]["Status"] for each in told} == {"CREATE_COMPLETE"}
    output = "S3Bucket=cli-images,S3KeyPrefix=results"
    named = ("--project-arn", project, "--version-name", "v1")
    made = aws(rekognition, "create-project-version", *named, "--output-config", output)
    version = ("--project-version-arn", made["ProjectVersionArn"])

    def status(wanted: str) -> bool:
        (described,) = looks.describe_project_versions(ProjectArn=project)["ProjectVersionDescriptions"]
        assert not described["Status"].endswith("FAILED"), described
        if described["Status"] != wanted:
            return False
        found = aws(rekognition, "describe-project-versions", "--project-arn", project)
        (told,) = found["ProjectVersionDescriptions"]
        return bool(told["Status"] == wanted)

    assert until(lambda: status("TRAINING_COMPLETED"))
    aws(rekognition, "start-project-version", *version, "--min-inference-units", "1")
    assert until(lambda: status("RUNNING"))
    image = "S3Object={Bucket=cli-images,Name=test/red/00.png}"
    labels = aws(rekognition, "detect-custom-labels", *version, "--image", image)["CustomLabels"]
    assert labels[0]["Name"] == "red"
    aws(rekognition, "stop-project-version", *version)
    assert until(lambda: status("STOPPED"))

    aws("s3", "cp", "s3://cli-images/results", images / "results", "--recursive", "--only-show-errors")
    (summary,) = (images / "results").glob("EvaluationResultSummary-*")
    assert json.loads(summary.read_text())["AggregatedEvaluationResults"]["F1Score"] > 0.8
    aws(rekognition, "delete-project-version", *version)
    for dataset in datasets:
        aws(rekognition, "delete-dataset", "--dataset-arn", dataset)
    aws(rekognition, "delete-project", "--project-arn", project)
    aws("s3", "rb", "s3://cli-images", "--force")
    assert "cli-images" not in aws("s3", "ls")


def test_the_aws_cli_copies_moves_and_lists_like_files(aws: Callable[..., Any], tmp_path: Path) -> None:
    large = tmp_path / "large file+%é.bin"
    large.write_bytes(bytes(range(256)) * 40_000)  # in parts: the CLI begins them at 8 MB
    aws("s3", "mb", "s3://cli-files")

    aws("s3", "cp", large, "s3://cli-files/a b/large+é.bin", "--metadata", "who=me", "--only-show-errors")
    aws("s3", "cp", "s3://cli-files/a b/large+é.bin", "s3://cli-files/copy.bin", "--only-show-errors")
    aws("s3", "mv", "s3://cli-files/copy.bin", "s3://cli-files/moved.bin", "--only-show-errors")
    aws("s3", "cp", "s3://cli-files/moved.bin", tmp_path / "back.bin", "--only-show-errors")

    assert (tmp_path / "back.bin").read_bytes() == large.read_bytes()
    head = aws("s3api", "head-object", "--bucket", "cli-files", "--key", "a b/large+é.bin")
    assert (head["ContentLength"], head["Metadata"]) == (10_240_000, {"who": "me"})
    part = ("s3api", "get-object", "--bucket", "cli-files", "--key", "moved.bin", "--range", "bytes=1-3")
    assert aws(*part, tmp_path / "part")["ContentRange"] == "bytes 1-3/10240000"
    listed = aws("s3", "ls", "s3://cli-files", "--recursive")
    assert [line.split(maxsplit=3)[3] for line in listed.splitlines()] == ["a b/large+é.bin", "moved.bin"]
    assert aws("s3api", "list-multipart-uploads", "--bucket", "cli-files").get("Uploads", []) == []
    aws("s3", "rm", "s3://cli-files", "--recursive", "--only-show-errors")
    aws("s3", "rb", "s3://cli-files")


def test_the_aws_cli_starts_an_execution_and_describes_it(aws: Callable[..., Any]) -> None:
    states = "stepfunctions"
    definition = ("--definition", json.dumps(ONE_STATE), "--role-arn", ROLE)
    machine = aws(states, "create-state-machine", "--name", "cli", *definition)["stateMachineArn"]
    started = aws(states, "start-execution", "--state-machine-arn", machine, "--input", '{"a": 1}')

    def ended() -> Any:
        described = aws(states, "describe-execution", "--execution-arn", started["executionArn"])
        return described if described["status"] != "RUNNING" else None

    found = until(ended)
    assert (found["status"], json.loads(found["output"])) == ("SUCCEEDED", {"a": 1})
    aws(states, "delete-state-machine", "--state-machine-arn", machine)
