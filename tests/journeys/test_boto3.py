"""The whole way by an unmodified boto3 client: from an empty account to answers, and back to nothing."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.journeys.stage import Home, draw, until

QUICK = {"Delay": 0.2, "MaxAttempts": 1200}
BUCKET, OUTPUT = "journey-images", "journey-output"


def manifest(images: Path, root: Path) -> bytes:
    """Ground Truth lines for folders of labels, as its labelling jobs write them."""
    labels = sorted(folder.name for folder in images.iterdir())
    lines = []
    for image in sorted(images.rglob("*.png")):
        label = image.parent.name
        metadata = {
            "class-name": label,
            "confidence": 0.94,
            "type": "groundtruth/image-classification",
            "human-annotated": "yes",
            "creation-date": "2026-01-01T00:00:00",
            "job-name": "labeling-job/colours",
        }
        line = {
            "source-ref": f"s3://{BUCKET}/{image.relative_to(root)}",
            "colour": labels.index(label),
            "colour-metadata": metadata,
        }
        lines.append(json.dumps(line))
    return "\n".join(lines).encode()


@dataclass
class Trained:
    """A project that was made call by call, with one trained version."""

    rekognition: Any
    folder: Path
    project: str
    datasets: dict[str, str]
    version: str

    def describe(self) -> dict[str, Any]:
        """The version, as it is now."""
        [found] = self.rekognition.describe_project_versions(ProjectArn=self.project)[
            "ProjectVersionDescriptions"
        ]
        return dict(found)


@pytest.fixture(scope="module")
def trained(served: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trained]:
    """Project, datasets from manifests in a bucket, a version that is trained."""
    folder = tmp_path_factory.mktemp("journey")
    output = tmp_path_factory.mktemp("output")
    for split, images in (("train", 12), ("test", 6)):
        draw(folder / split, images)
        (folder / f"{split}.manifest").write_bytes(manifest(folder / split, folder))
    for name, place in ((BUCKET, folder), (OUTPUT, output)):
        assert served.typed("bucket", "add", name, place).code == 0
    rekognition = served.client("rekognition")
    project = rekognition.create_project(ProjectName="journey")["ProjectArn"]
    datasets = {}
    for kind in ("TRAIN", "TEST"):
        source = {"GroundTruthManifest": {"S3Object": {"Bucket": BUCKET, "Name": f"{kind.lower()}.manifest"}}}
        datasets[kind] = rekognition.create_dataset(
            ProjectArn=project, DatasetType=kind, DatasetSource=source
        )["DatasetArn"]
    complete = ["CREATE_COMPLETE", "CREATE_COMPLETE"]
    assert until(
        lambda: [dataset_status(rekognition, arn) for arn in datasets.values()] == complete, seconds=20
    )
    # The one call that AWS does not have: without it the training takes what it needs, which is minutes.
    names = {"ProjectName": "journey", "VersionName": "v1"}
    served.client("customlabels").put_training_options(**names, BudgetSeconds=5)
    version = rekognition.create_project_version(
        ProjectArn=project,
        VersionName="v1",
        OutputConfig={"S3Bucket": OUTPUT, "S3KeyPrefix": "results"},
        Tags={"team": "vision"},
    )["ProjectVersionArn"]
    waiter = rekognition.get_waiter("project_version_training_completed")
    waiter.wait(ProjectArn=project, VersionNames=["v1"], WaiterConfig=QUICK)
    yield Trained(rekognition, folder, project, datasets, version)
    rekognition.close()


def dataset_status(rekognition: Any, arn: str) -> str:
    """The status that DescribeDataset tells."""
    return str(rekognition.describe_dataset(DatasetArn=arn)["DatasetDescription"]["Status"])


def refusal(call: Any, **members: Any) -> str:
    """The code with which a call is refused; one that its operation's model, or the protocol, has."""
    with pytest.raises(ClientError) as refused:
        call(**members)
    assert refused.value.response["Error"]["Message"]
    return str(refused.value.response["Error"]["Code"])


def test_a_trained_version_tells_its_score_and_where_its_documents_are(trained: Trained) -> None:
    described = trained.describe()
    summary = described["EvaluationResult"]["Summary"]["S3Object"]

    assert described["Status"] == "TRAINING_COMPLETED"
    assert described["EvaluationResult"]["F1Score"] > 0.8
    assert summary["Name"].startswith("results/EvaluationResultSummary-journey-v1")
    assert described["TrainingEndTimestamp"] > described["CreationTimestamp"]
    tags = trained.rekognition.list_tags_for_resource(ResourceArn=trained.version)["Tags"]
    assert tags == {"team": "vision"}


def test_a_dataset_gives_back_the_lines_of_its_manifest(trained: Trained) -> None:
    stats = trained.rekognition.describe_dataset(DatasetArn=trained.datasets["TRAIN"])["DatasetDescription"]
    pages = trained.rekognition.get_paginator("list_dataset_entries").paginate(
        DatasetArn=trained.datasets["TRAIN"], PaginationConfig={"PageSize": 7}
    )
    entries = [json.loads(entry) for page in pages for entry in page["DatasetEntries"]]

    assert stats["DatasetStats"]["TotalEntries"] == 36
    assert len({entry["source-ref"] for entry in entries}) == 36
    listed = trained.rekognition.list_dataset_labels(DatasetArn=trained.datasets["TRAIN"])
    assert {label["LabelName"] for label in listed["DatasetLabelDescriptions"]} == {"red", "green", "blue"}


def test_what_is_refused_carries_a_code_of_its_model(trained: Trained) -> None:
    rekognition, nobody = trained.rekognition, trained.version[:-3] + "000"
    place = {"GroundTruthManifest": {"S3Object": {"Bucket": "no-such-bucket", "Name": "x"}}}

    assert refusal(rekognition.create_project, ProjectName="journey") == "ResourceInUseException"
    assert refusal(rekognition.create_project, ProjectName="a b") == "ValidationException"
    assert refusal(
        rekognition.create_dataset, ProjectArn=trained.project, DatasetType="TEST", DatasetSource=place
    ) in ("ResourceAlreadyExistsException", "InvalidS3ObjectException")
    image = {"Bytes": (trained.folder / "test/red/00.png").read_bytes()}
    assert (
        refusal(rekognition.detect_custom_labels, ProjectVersionArn=nobody, Image=image)
        == "ResourceNotFoundException"
    )
    assert refusal(rekognition.delete_project, ProjectArn=trained.project) == "ResourceInUseException"
    assert refusal(rekognition.describe_projects, NextToken="not ours") == "InvalidPaginationTokenException"


def test_a_version_is_started_asked_stopped_and_deleted_with_all_around_it(trained: Trained) -> None:
    rekognition, arn = trained.rekognition, trained.version
    red = (trained.folder / "test/red/00.png").read_bytes()
    assert (
        refusal(rekognition.detect_custom_labels, ProjectVersionArn=arn, Image={"Bytes": red})
        == "ResourceNotReadyException"
    )

    rekognition.start_project_version(ProjectVersionArn=arn, MinInferenceUnits=1)
    running = rekognition.get_waiter("project_version_running")
    running.wait(ProjectArn=trained.project, VersionNames=["v1"], WaiterConfig=QUICK)
    in_service = trained.describe()

    def detect(**members: Any) -> list[tuple[str, float]]:
        given = {"Image": {"Bytes": red}} | members
        answer = rekognition.detect_custom_labels(ProjectVersionArn=arn, **given)
        return [(label["Name"], label["Confidence"]) for label in answer["CustomLabels"]]

    by_bytes = detect()
    by_object = detect(Image={"S3Object": {"Bucket": BUCKET, "Name": "test/red/00.png"}})
    everything = detect(MinConfidence=0)
    first = detect(MinConfidence=0, MaxResults=1)

    assert (in_service["Status"], in_service["MinInferenceUnits"]) == ("RUNNING", 1)
    assert by_bytes[0][0] == "red"
    assert by_object == by_bytes
    assert {name for name, _confidence in everything} == {"red", "green", "blue"}
    assert [confidence for _name, confidence in everything] == sorted(
        (confidence for _name, confidence in everything), reverse=True
    )
    assert first == everything[:1]
    nothing_there = {"S3Object": {"Bucket": BUCKET, "Name": "test/red/99.png"}}
    asked = {"ProjectVersionArn": arn}
    assert (
        refusal(rekognition.detect_custom_labels, **asked, Image=nothing_there) == "InvalidS3ObjectException"
    )
    assert (
        refusal(rekognition.detect_custom_labels, **asked, Image={"Bytes": b"text"})
        == "InvalidImageFormatException"
    )
    assert refusal(rekognition.delete_project_version, ProjectVersionArn=arn) == "ResourceInUseException"

    assert rekognition.stop_project_version(ProjectVersionArn=arn)["Status"] == "STOPPING"
    assert until(lambda: trained.describe()["Status"] == "STOPPED", seconds=30)
    rekognition.delete_project_version(ProjectVersionArn=arn)
    assert until(
        lambda: (
            not rekognition.describe_project_versions(ProjectArn=trained.project)[
                "ProjectVersionDescriptions"
            ]
        )
    )
    for dataset in trained.datasets.values():
        rekognition.delete_dataset(DatasetArn=dataset)
    assert until(
        lambda: not any(still_there(rekognition, each) for each in trained.datasets.values()), seconds=20
    )
    rekognition.delete_project(ProjectArn=trained.project)
    assert until(
        lambda: not rekognition.describe_projects(ProjectNames=["journey"])["ProjectDescriptions"], seconds=20
    )

    assert (
        refusal(rekognition.describe_project_versions, ProjectArn=trained.project)
        == "ResourceNotFoundException"
    )
    assert refusal(rekognition.stop_project_version, ProjectVersionArn=arn) == "ResourceNotFoundException"
    again = rekognition.create_project(ProjectName="journey")["ProjectArn"]
    assert again != trained.project
    rekognition.delete_project(ProjectArn=again)


def still_there(rekognition: Any, dataset: str) -> bool:
    """Whether a dataset that is being deleted can still be described; "not found" is the only sign."""
    try:
        rekognition.describe_dataset(DatasetArn=dataset)
    except rekognition.exceptions.ResourceNotFoundException:
        return False
    return True


def test_a_training_whose_images_are_all_broken_fails_with_the_words_of_the_service(
    served: Home, tmp_path: Path
) -> None:
    for split in ("train", "test"):
        draw(tmp_path / split, 4, labels=("red", "green"))
    (tmp_path / "train.manifest").write_bytes(manifest(tmp_path / "train", tmp_path))
    for image in (tmp_path / "train").rglob("*.png"):
        image.write_bytes(b"no image")
    served.typed("bucket", "add", "broken-images", tmp_path)
    rekognition = served.client("rekognition")
    project = rekognition.create_project(ProjectName="broken")["ProjectArn"]
    lines = (tmp_path / "train.manifest").read_text().replace(f"s3://{BUCKET}/", "s3://broken-images/")
    (tmp_path / "train.manifest").write_text(lines)
    place = {"GroundTruthManifest": {"S3Object": {"Bucket": "broken-images", "Name": "train.manifest"}}}
    rekognition.create_project_version(
        ProjectArn=project,
        VersionName="v1",
        OutputConfig={"S3Bucket": "broken-images", "S3KeyPrefix": "results"},
        TrainingData={"Assets": [place]},
        TestingData={"AutoCreate": True},
    )

    def version() -> dict[str, Any]:
        found = rekognition.describe_project_versions(ProjectArn=project)["ProjectVersionDescriptions"]
        return dict(found[0])

    assert until(lambda: version()["Status"] != "TRAINING_IN_PROGRESS")
    failed = version()
    rekognition.close()
    assert failed["Status"] == "TRAINING_FAILED"
    assert "manifest" in failed["StatusMessage"] or "images" in failed["StatusMessage"]
    assert "EvaluationResult" not in failed
    told = failed["ManifestSummary"]["S3Object"]
    assert (
        json.loads((tmp_path / told["Name"]).read_text())["statistics"]["training"]["valid_json_lines"] == 0
    )
