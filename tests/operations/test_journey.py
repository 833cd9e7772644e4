"""The whole way with the real trainer and real units: drawn images in, an answer about one of them out."""

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image, ImageDraw
from tests.operations.world import IMAGES, SERVICES, World, manifest_line

from customlabels.operations import Dispatcher, ServiceTasks, job_handlers, note_failures
from customlabels.serving import Supervisor
from customlabels.training import train

pytest.importorskip("torch")
BUDGET_SECONDS = 5.0


def drawn(at: int) -> bytes:
    """A round `cat` or a square `dog`, a little elsewhere each time."""
    image = Image.new("RGB", (64, 64), (20 + 5 * (at % 7), 30, 40))
    left, top = 8 + at % 5, 6 + at % 9
    draw = ImageDraw.Draw(image)
    shape = (left, top, left + 40, top + 40)
    if at % 2 == 0:
        draw.ellipse(shape, fill=(220, 120, 60))
    else:
        draw.rectangle(shape, fill=(60, 160, 230))
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def real(world: World) -> Iterator[World]:
    """The world with the trainer and the supervisor that a server has."""
    units = Supervisor(note_failures(world.records))
    world.parts = replace(world.parts, train=train, units=units)
    world.handlers.update(job_handlers(world.parts))
    world.dispatcher.close()
    world.dispatcher = Dispatcher(world.parts)
    world.tasks = ServiceTasks(world.dispatcher, SERVICES, {})
    yield world
    world.loop.run(units.close())


def test_drawn_images_are_trained_on_served_and_recognised(real: World, tmp_path: Path) -> None:
    for at in range(40):
        real.objects.write(IMAGES, f"{at}.png", drawn(at))
    project = real.project("shapes")
    for kind, numbers in (("TRAIN", range(30)), ("TEST", range(30, 40))):
        source = real.put_manifest(f"{kind}.manifest", [manifest_line(at) for at in numbers])
        real.rekognition("CreateDataset", ProjectArn=project, DatasetType=kind, DatasetSource=source)
    real.settle()
    names = {"ProjectName": "shapes", "VersionName": "v1"}
    real.customlabels("PutTrainingOptions", **names, Seed=1, BudgetSeconds=BUDGET_SECONDS)

    arn = real.train(project)
    real.until(lambda: real.version(arn)["Status"] != "TRAINING_IN_PROGRESS", seconds=180)
    trained = real.version(arn)
    assert trained["Status"] == "TRAINING_COMPLETED", trained["StatusMessage"]
    figures = real.customlabels("DescribeEvaluation", ProjectVersionArn=arn)
    real.rekognition("StartProjectVersion", ProjectVersionArn=arn, MinInferenceUnits=1)
    real.until(lambda: real.version(arn)["Status"] != "STARTING", seconds=60)
    assert real.version(arn)["Status"] == "RUNNING", real.version(arn)["StatusMessage"]
    answer = real.rekognition(
        "DetectCustomLabels", ProjectVersionArn=arn, Image={"Bytes": drawn(2)}, MinConfidence=0.0
    )
    units = real.customlabels("ListUnits")["Versions"]
    real.rekognition("StopProjectVersion", ProjectVersionArn=arn)
    real.until(lambda: real.version(arn)["Status"] != "STOPPING", seconds=60)

    assert figures["Honest"]["F1Score"] == pytest.approx(trained["EvaluationResult"]["F1Score"], abs=1e-6)
    assert figures["TestingImages"] == 10
    assert {label["Name"] for label in answer["CustomLabels"]} == {"cat", "dog"}
    assert [unit["Requests"] for unit in units[0]["Units"]] >= [1]
    assert real.version(arn)["Status"] == "STOPPED"
