"""The third service: what is going on."""

import os

import boto3
import pytest
from tests.operations.world import World

from customlabels.app import models_folder


def test_a_real_client_is_made_from_our_model() -> None:
    session = boto3.Session("key", "secret", region_name="eu-west-1")
    session._session.get_component("data_loader").search_paths.append(str(models_folder()))

    client = session.client("customlabels", endpoint_url="http://127.0.0.1:4577")

    assert client.meta.service_model.metadata["targetPrefix"] == "CustomLabelsService"
    assert hasattr(client, "describe_training")


def test_the_server_tells_what_it_has_under_way(world: World) -> None:
    arn = world.trained()
    idle = world.customlabels("DescribeServer")
    world.rekognition("StartProjectVersion", ProjectVersionArn=arn, MinInferenceUnits=1)
    busy = world.customlabels("DescribeServer")

    assert (idle["ProcessId"], idle["Home"], idle["Version"]) == (os.getpid(), str(world.home), "0.1.0")
    assert (idle["OpenJobs"], idle["RunningVersions"], idle["RunningExecutions"]) == (0, [], [])
    assert busy["RunningVersions"] == [arn]


def test_a_training_tells_its_progress_and_can_be_cancelled(world: World) -> None:
    project = world.project()
    world.dataset(project, "TRAIN")
    world.trainer.gate.clear()
    arn = world.train(project)
    world.until(lambda: "Stage" in world.customlabels("DescribeTraining", ProjectVersionArn=arn))

    told = world.customlabels("DescribeTraining", ProjectVersionArn=arn)
    world.customlabels("CancelTraining", ProjectVersionArn=arn)
    asked = world.customlabels("DescribeTraining", ProjectVersionArn=arn)
    world.settle()

    assert (told["Status"], told["State"], told["Stage"]) == ("TRAINING_IN_PROGRESS", "RUNNING", "learning")
    assert (told["ValidationF1"], told["SecondsLeft"], told["Attempt"]) == (0.5, 3.0, 1)
    assert asked["CancelRequested"] is True
    assert world.customlabels("DescribeTraining", ProjectVersionArn=arn)["State"] == "CANCELLED"
    assert world.version(arn)["Status"] == "TRAINING_FAILED"
    assert world.version(arn)["StatusMessage"] == "The training was cancelled."
    assert world.refusal("CancelTraining", "customlabels", ProjectVersionArn=arn) == "ResourceInUseException"


def test_options_are_for_the_next_version_of_the_name_only(world: World) -> None:
    names = {"ProjectName": "animals", "VersionName": "v1"}
    world.customlabels("PutTrainingOptions", **names, Seed=1, BudgetSeconds=600.0)
    world.customlabels("PutTrainingOptions", **names, Seed=7, BudgetSeconds=60.0)
    arn = world.trained()
    world.rekognition("DeleteProjectVersion", ProjectVersionArn=arn)
    world.train(world.project_of(arn))
    world.settle()

    first, second = world.trainer.specs
    assert (first.seed, first.budget_seconds) == (7, 60.0)
    assert (second.seed, second.budget_seconds) == (0, None)


def test_units_are_listed_with_their_traffic(world: World) -> None:
    arn = world.trained()
    assert world.customlabels("ListUnits") == {"Versions": []}
    world.rekognition("StartProjectVersion", ProjectVersionArn=arn, MinInferenceUnits=1)
    world.settle()

    (version,) = world.customlabels("ListUnits")["Versions"]

    assert (version["ProjectVersionArn"], version["Requests"]) == (arn, 4)
    assert version["Units"][0] == {"ProcessId": 123, "State": "IDLE", "Requests": 4}
    assert "LatencyP99Seconds" not in version


def test_an_evaluation_tells_the_honest_figures_beside_the_tuned_ones(world: World) -> None:
    arn = world.trained()

    told = world.customlabels("DescribeEvaluation", ProjectVersionArn=arn)

    assert (told["TrainingImages"], told["TestingImages"]) == (6, 4)
    assert told["Honest"]["F1Low"] <= told["Honest"]["F1Score"] <= told["Honest"]["F1High"]
    assert told["Honest"]["Protocol"] != told["TestTuned"]["Protocol"]
    assert {label["Label"] for label in told["Labels"]} == {"cat", "dog"}


def test_a_version_without_a_training_has_no_evaluation(world: World) -> None:
    world.trainer.refusal = RuntimeError("no")
    arn = world.trained()

    assert (
        world.refusal("DescribeEvaluation", "customlabels", ProjectVersionArn=arn) == "ResourceInUseException"
    )
    unknown = arn + "1"
    for name in ("DescribeEvaluation", "DescribeTraining", "CancelTraining"):
        assert world.refusal(name, "customlabels", ProjectVersionArn=unknown) == "ResourceNotFoundException"


@pytest.fixture(autouse=True)
def _no_region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
