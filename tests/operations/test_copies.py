"""Copies of versions: what they keep, what refuses them, what they survive."""

from typing import Any

import pytest
from sqlalchemy import select, update
from tests.operations.world import OUTPUT, OUTPUT_CONFIG, World

from customlabels.operations import Limits
from customlabels.storage import schema


def request(world: World, version: str, target: str, name: str = "copy") -> dict[str, Any]:
    return {
        "SourceProjectArn": world.project_of(version),
        "SourceProjectVersionArn": version,
        "DestinationProjectArn": target,
        "VersionName": name,
        "OutputConfig": {"S3Bucket": OUTPUT, "S3KeyPrefix": "copies"},
    }


def test_a_copy_keeps_figures_documents_and_model_and_outlives_its_source(world: World) -> None:
    version = world.trained()
    asked = request(world, version, world.project("other"))

    arn = world.rekognition("CopyProjectVersion", **asked, Tags={"stage": "live"})["ProjectVersionArn"]
    before = world.version(arn)
    deleting = world.refusal("DeleteProjectVersion", ProjectVersionArn=version)
    world.settle()
    world.rekognition("DeleteProjectVersion", ProjectVersionArn=version)
    world.settle()
    after = world.version(arn)

    assert (before["Status"], deleting) == ("COPYING_IN_PROGRESS", "ResourceInUseException")
    assert (after["Status"], after["StatusMessage"]) == ("COPYING_COMPLETED", "The model is ready to run.")
    assert after["SourceProjectVersionArn"] == version
    assert after["EvaluationResult"]["F1Score"] == 0.9
    summary = after["EvaluationResult"]["Summary"]["S3Object"]
    assert summary == {"Bucket": OUTPUT, "Name": "copies/EvaluationResultSummary-other-copy.json"}
    assert version.encode() in world.objects.read(OUTPUT, summary["Name"])
    assert world.customlabels("DescribeEvaluation", ProjectVersionArn=arn)["TestingImages"] == 4
    assert world.rekognition("ListTagsForResource", ResourceArn=arn) == {"Tags": {"stage": "live"}}
    world.rekognition("StartProjectVersion", ProjectVersionArn=arn, MinInferenceUnits=1)
    world.settle()
    assert world.version(arn)["Status"] == "RUNNING"
    assert not list((world.home / "work").iterdir())


def test_a_copy_that_was_cut_off_after_its_rename_ends(world: World) -> None:
    version = world.trained()
    asked = request(world, version, world.project("other"))
    arn = world.rekognition("CopyProjectVersion", **asked)["ProjectVersionArn"]
    world.settle()
    with world.records.write() as tx:
        again = {"status": "COPYING_IN_PROGRESS", "folder": None}
        tx.execute(update(schema.versions).where(schema.versions.c.arn == arn).values(again))
        world.jobs.submit(tx, kind="copy", subject=arn, spec={})

    world.settle()

    assert world.version(arn)["Status"] == "COPYING_COMPLETED"


def test_a_copy_without_its_source_or_its_bucket_fails_with_the_reason(world: World) -> None:
    version = world.trained()
    asked = request(world, version, world.project("other"))
    with world.records.read() as reading:
        folder = reading.execute(select(schema.versions.c.folder)).scalar_one()
    (world.home / folder).rename(world.home / "elsewhere")

    arn = world.rekognition("CopyProjectVersion", **asked)["ProjectVersionArn"]
    world.settle()
    described = world.version(arn)

    assert described["Status"] == "COPYING_FAILED"
    assert described["StatusMessage"].startswith(f"The model of {version} is not in")
    starting = {"ProjectVersionArn": arn, "MinInferenceUnits": 1}
    assert world.refusal("StartProjectVersion", **starting) == "InvalidParameterException"
    assert world.rekognition("DeleteProjectVersion", ProjectVersionArn=arn) == {"Status": "DELETING"}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"VersionName": "v1"}, "ResourceInUseException"),
        ({"OutputConfig": {"S3Bucket": "not-registered"}}, "InvalidParameterException"),
        ({"OutputConfig": {}}, "InvalidParameterException"),
        ({"SourceProjectArn": "other"}, "InvalidParameterException"),
        ({"SourceProjectVersionArn": "unknown"}, "ResourceNotFoundException"),
        ({"DestinationProjectArn": "unknown"}, "ResourceNotFoundException"),
        ({"SourceProjectArn": "foreign"}, "AccessDeniedException"),
    ],
)
def test_copies_that_cannot_be_made_are_refused_at_once(
    world: World, changes: dict[str, Any], code: str
) -> None:
    version = world.trained()
    project = world.project_of(version)
    named = {
        "other": world.project("other"),
        "unknown": version.replace("/v1/", "/v9/"),
        "foreign": project.replace("111122223333", "444455556666"),
    }
    if changes.get("DestinationProjectArn") == "unknown":
        named["unknown"] = project.replace("/animals/", "/gone/")
    told = {
        member: named.get(value, value) if isinstance(value, str) else value
        for member, value in changes.items()
    }

    assert world.refusal("CopyProjectVersion", **request(world, version, project) | told) == code


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("TRAINING_IN_PROGRESS", "ResourceInUseException"),
        ("STARTING", "ResourceInUseException"),
        ("TRAINING_FAILED", "InvalidParameterException"),
        ("COPYING_FAILED", "InvalidParameterException"),
    ],
)
def test_only_a_version_that_was_trained_is_copied(world: World, status: str, code: str) -> None:
    version = world.trained()
    asked = request(world, version, world.project("other"))
    with world.records.write() as tx:
        tx.execute(update(schema.versions).values(status=status))

    assert world.refusal("CopyProjectVersion", **asked) == code


def test_trainings_queue_up_to_a_limit(tmp_path: Any) -> None:
    world = World(tmp_path, Limits(trainings=2))
    try:
        project = world.project()
        world.dataset(project, "TRAIN")
        world.trainer.gate.clear()
        for name in ("v1", "v2"):
            world.train(project, name)
        third: dict[str, Any] = {"ProjectArn": project, "VersionName": "v3", "OutputConfig": OUTPUT_CONFIG}

        refused = world.refusal("CreateProjectVersion", **third)
        world.trainer.gate.set()
        world.settle()

        assert refused == "LimitExceededException"
        assert world.rekognition("CreateProjectVersion", **third)
    finally:
        world.close()
