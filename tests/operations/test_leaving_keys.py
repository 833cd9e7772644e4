"""Keys that would lead out of their bucket's folder, wherever a request may name one."""

from typing import Any

import pytest
from tests.operations.world import IMAGES, OUTPUT, World

AWAY = "../secret.manifest"


def manifest(key: str) -> dict[str, Any]:
    return {"GroundTruthManifest": {"S3Object": {"Bucket": IMAGES, "Name": key}}}


def test_a_manifest_or_image_outside_its_bucket_is_no_object(world: World) -> None:
    (world.folder / "secret.manifest").write_text("{}")
    project, version = world.project(), world.trained("other")
    image = {"S3Object": {"Bucket": IMAGES, "Name": AWAY}}

    made = {"ProjectArn": project, "DatasetType": "TRAIN", "DatasetSource": manifest(AWAY)}
    world.rekognition("StartProjectVersion", ProjectVersionArn=version, MinInferenceUnits=1)
    world.settle()

    assert world.refusal("CreateDataset", **made) == "InvalidS3ObjectException"
    assert world.refusal("DetectCustomLabels", ProjectVersionArn=version, Image=image) == (
        "InvalidS3ObjectException"
    )


@pytest.mark.parametrize("prefix", ["..", "../..", "runs/../../out", "."])
def test_no_document_is_written_outside_the_output_bucket(world: World, prefix: str) -> None:
    project = world.project()
    world.dataset(project, "TRAIN")
    output = {"S3Bucket": OUTPUT, "S3KeyPrefix": prefix}

    asked = {"ProjectArn": project, "VersionName": "v", "OutputConfig": output}

    assert world.refusal("CreateProjectVersion", **asked) == "InvalidParameterException"


def test_a_training_does_not_read_a_manifest_outside_its_bucket(world: World) -> None:
    (world.folder / "secret.manifest").write_text("{}")
    data: dict[str, Any] = {"TrainingData": {"Assets": [manifest(AWAY)]}, "TestingData": {"AutoCreate": True}}

    arn = world.train(world.project(), **data)
    world.settle()

    described = world.version(arn)
    assert described["Status"] == "TRAINING_FAILED"
    assert "leaves its bucket" in described["StatusMessage"]
    assert not world.trainer.specs
