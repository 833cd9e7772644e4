"""DetectCustomLabels."""

from typing import Any

import pytest
from tests.operations.world import IMAGES, World

from customlabels.images import ImageTooLarge, InvalidImageFormat
from customlabels.inference import Found
from customlabels.serving import DetectionFailed, Overloaded


@pytest.fixture
def running(world: World) -> str:
    arn = world.trained()
    world.rekognition("StartProjectVersion", ProjectVersionArn=arn, MinInferenceUnits=1)
    world.settle()
    return arn


def test_an_image_is_answered_with_its_labels(world: World, running: str) -> None:
    answer = world.rekognition(
        "DetectCustomLabels",
        ProjectVersionArn=running,
        Image={"Bytes": b"png"},
        MinConfidence=10.0,
        MaxResults=3,
    )

    assert answer == {"CustomLabels": [{"Name": "cat", "Confidence": 87.5}]}
    assert world.units.asked == [(b"png", 10.0, 3)]


def test_an_image_may_lie_in_a_bucket(world: World, running: str) -> None:
    world.objects.write(IMAGES, "x.png", b"from a bucket")
    place = {"S3Object": {"Bucket": IMAGES, "Name": "x.png"}}

    world.rekognition("DetectCustomLabels", ProjectVersionArn=running, Image=place)

    assert world.units.asked == [(b"from a bucket", None, None)]


def test_a_version_that_does_not_run_is_not_ready(world: World) -> None:
    request: dict[str, Any] = {"ProjectVersionArn": world.trained(), "Image": {"Bytes": b"png"}}

    assert world.refusal("DetectCustomLabels", **request) == "ResourceNotReadyException"
    unknown = request | {"ProjectVersionArn": request["ProjectVersionArn"] + "1"}
    assert world.refusal("DetectCustomLabels", **unknown) == "ResourceNotFoundException"


@pytest.mark.parametrize(
    ("image", "code"),
    [
        ({}, "InvalidParameterException"),
        ({"Bytes": b"x", "S3Object": {"Bucket": IMAGES, "Name": "x"}}, "InvalidParameterException"),
        ({"S3Object": {"Bucket": IMAGES, "Name": "none"}}, "InvalidS3ObjectException"),
        ({"S3Object": {"Bucket": "no-such-bucket", "Name": "none"}}, "InvalidS3ObjectException"),
        ({"S3Object": {"Bucket": IMAGES}}, "InvalidS3ObjectException"),
        ({"Bytes": b"x" * (4 * 2**20 + 1)}, "ImageTooLargeException"),
    ],
)
def test_images_that_cannot_be_had_are_refused(
    world: World, running: str, image: dict[str, Any], code: str
) -> None:
    assert world.refusal("DetectCustomLabels", ProjectVersionArn=running, Image=image) == code


@pytest.mark.parametrize(
    ("refusal", "code"),
    [
        (Overloaded("every unit is busy"), "ProvisionedThroughputExceededException"),
        (DetectionFailed("twice"), "InternalServerError"),
        (ImageTooLarge("large"), "ImageTooLargeException"),
        (InvalidImageFormat("no image"), "InvalidImageFormatException"),
    ],
)
def test_what_the_units_refuse_has_the_services_code(
    world: World, running: str, refusal: Exception, code: str
) -> None:
    world.units.detection_refusal = refusal

    assert world.refusal("DetectCustomLabels", ProjectVersionArn=running, Image={"Bytes": b"x"}) == code


def test_a_box_is_answered_with_its_geometry(
    world: World, running: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def detect(*_: Any) -> list[Found]:
        return [Found("cat", 87.5, (0.25, 0.5, 0.125, 0.375))]

    monkeypatch.setattr(world.units, "detect", detect)

    answer = world.rekognition("DetectCustomLabels", ProjectVersionArn=running, Image={"Bytes": b"png"})

    box = {"Left": 0.25, "Top": 0.5, "Width": 0.125, "Height": 0.375}
    assert answer["CustomLabels"] == [{"Name": "cat", "Confidence": 87.5, "Geometry": {"BoundingBox": box}}]
