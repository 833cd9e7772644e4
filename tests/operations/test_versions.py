"""Versions: trainings, states, starts and stops."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import func, select, update
from tests.operations.world import (
    ACCOUNT,
    FAILURE,
    FAILURE_WITH_DOCUMENTS,
    IMAGES,
    OUTPUT,
    OUTPUT_CONFIG,
    World,
    manifest_line,
)

from customlabels.operations import Limits, job_handlers, note_failures, revive
from customlabels.storage import schema
from customlabels.workflows import Job


def test_a_version_is_trained_on_the_projects_datasets(world: World) -> None:
    arn = world.trained()
    described = world.version(arn)

    assert described["Status"] == "TRAINING_COMPLETED"
    assert described["StatusMessage"] == "The model is ready to run."
    assert described["EvaluationResult"] == {
        "F1Score": 0.9,
        "Summary": {"S3Object": {"Bucket": OUTPUT, "Name": "runs/EvaluationResultSummary-animals-v1.json"}},
    }
    assert described["BillableTrainingTimeInSeconds"] == 2
    assert described["TrainingDataResult"]["Input"] == {}
    assert described["TestingDataResult"]["Input"] == {"AutoCreate": False}
    assert described["TestingDataResult"]["Output"]["AutoCreate"] is False
    assert described["ManifestSummary"]["S3Object"]["Name"] == "runs/ManifestSummary-animals-v1.json"
    assert described["OutputConfig"] == OUTPUT_CONFIG
    assert "MinInferenceUnits" not in described


def test_the_trainer_gets_the_data_and_its_artefact_is_moved_to_the_models(world: World) -> None:
    arn = world.trained()
    (spec,) = world.trainer.specs

    assert spec.buckets == {IMAGES: world.folder / IMAGES, OUTPUT: world.folder / OUTPUT}
    assert (spec.project_name, spec.version_name, spec.version_arn) == ("animals", "v1", arn)
    with world.records.read() as reading:
        row = reading.execute(select(schema.versions)).one()
    assert (world.home / row.folder / "model.json").is_file()
    assert row.f1_score == 0.9
    assert not spec.work_folder.exists()


def test_the_trainer_is_told_which_buckets_are_other_accounts(world: World) -> None:
    world.parts = replace(world.parts, operator=ACCOUNT)  # as where access keys are set
    world.handlers.update(job_handlers(world.parts))
    theirs = world.home / "buckets" / "444455556666" / "theirs"
    theirs.mkdir(parents=True)
    world.customlabels("PutBucket", Name="theirs", Folder=str(theirs))

    world.trained()

    (spec,) = world.trainer.specs
    assert list(spec.foreign_buckets) == ["theirs"]
    assert "theirs" not in spec.buckets


def test_training_is_visible_at_once_and_before_its_job_begins(world: World) -> None:
    project = world.project()
    world.dataset(project, "TRAIN")
    world.trainer.gate.clear()

    arn = world.train(project)

    assert world.version(arn)["Status"] == "TRAINING_IN_PROGRESS"
    assert (
        world.refusal("StartProjectVersion", ProjectVersionArn=arn, MinInferenceUnits=1)
        == "ResourceInUseException"
    )
    assert world.refusal("DeleteProjectVersion", ProjectVersionArn=arn) == "ResourceInUseException"


def test_a_snapshot_is_trained_whatever_happens_to_the_dataset_afterwards(world: World) -> None:
    project = world.project()
    dataset = world.dataset(project, "TRAIN", 3)
    world.trainer.gate.clear()
    world.train(project)
    world.until(lambda: bool(world.trainer.specs))

    changes = manifest_line(8).encode()
    world.rekognition("UpdateDatasetEntries", DatasetArn=dataset, Changes={"GroundTruth": changes})
    refused = world.refusal("DeleteDataset", DatasetArn=dataset)
    world.trainer.gate.set()
    world.settle()

    assert refused == "ResourceInUseException"
    (spec,) = world.trainer.specs
    assert spec.test_manifest is None
    assert world.described_dataset(dataset)["DatasetStats"]["TotalEntries"] == 4


def test_manifests_given_with_the_request_are_trained_on_and_echoed(world: World) -> None:
    project = world.project()
    asset = world.put_manifest("train.manifest", [manifest_line(at) for at in range(5)])
    params: dict[str, Any] = {"TrainingData": {"Assets": [asset]}, "TestingData": {"AutoCreate": True}}

    arn = world.train(project, **params)
    world.settle()
    described = world.version(arn)

    assert described["Status"] == "TRAINING_COMPLETED"
    assert described["TrainingDataResult"]["Input"] == params["TrainingData"]
    assert described["TestingDataResult"]["Input"] == {"AutoCreate": True}
    assert described["TestingDataResult"]["Output"]["AutoCreate"] is True
    (spec,) = world.trainer.specs
    assert spec.test_manifest is None


ASSET = {"GroundTruthManifest": {"S3Object": {"Bucket": IMAGES, "Name": "x"}}}


@pytest.mark.parametrize(
    "params",
    [
        {"TrainingData": {"Assets": [ASSET]}},
        {"TestingData": {"AutoCreate": True}},
        {"TrainingData": {"Assets": [ASSET]}, "TestingData": {}},
        {"TrainingData": {"Assets": [ASSET]}, "TestingData": {"AutoCreate": True, "Assets": [ASSET]}},
        {"TrainingData": {"Assets": []}, "TestingData": {"AutoCreate": True}},
        {"TrainingData": {"Assets": [{}]}, "TestingData": {"AutoCreate": True}},
        {"FeatureConfig": {"ContentModeration": {"ConfidenceThreshold": 50}}},
        {"OutputConfig": {"S3KeyPrefix": "x"}},
        {"OutputConfig": {"S3Bucket": "not-registered"}},
        {},
    ],
)
def test_trainings_that_cannot_begin_are_refused_and_leave_nothing(
    world: World, params: dict[str, Any]
) -> None:
    project = world.project()
    request = {"ProjectArn": project, "VersionName": "v1", "OutputConfig": OUTPUT_CONFIG, **params}

    assert world.refusal("CreateProjectVersion", **request) == "InvalidParameterException"
    assert world.rekognition("DescribeProjectVersions", ProjectArn=project) == {
        "ProjectVersionDescriptions": []
    }


def test_a_name_is_taken_until_its_version_is_deleted(world: World) -> None:
    arn = world.trained()
    project = world.project_of(arn)
    request: dict[str, Any] = {"ProjectArn": project, "VersionName": "v1", "OutputConfig": OUTPUT_CONFIG}

    assert world.refusal("CreateProjectVersion", **request) == "ResourceInUseException"
    assert world.rekognition("DeleteProjectVersion", ProjectVersionArn=arn) == {"Status": "DELETING"}
    assert world.rekognition("DescribeProjectVersions", ProjectArn=project) == {
        "ProjectVersionDescriptions": []
    }
    world.settle()
    assert not list((world.home / "models").iterdir())
    assert world.rekognition("CreateProjectVersion", **request)["ProjectVersionArn"] != arn
    assert (world.folder / OUTPUT / "runs" / "EvaluationResultSummary-animals-v1.json").exists()


def test_a_dataset_in_the_making_holds_a_training_up(world: World) -> None:
    project = world.project()
    source = world.put_manifest("a.manifest", [manifest_line(0)])
    world.rekognition("CreateDataset", ProjectArn=project, DatasetType="TRAIN", DatasetSource=source)
    request = {"ProjectArn": project, "VersionName": "v1", "OutputConfig": OUTPUT_CONFIG}

    assert world.refusal("CreateProjectVersion", **request) == "ResourceInUseException"


@pytest.mark.parametrize(("refusal", "documents"), [(FAILURE, False), (FAILURE_WITH_DOCUMENTS, True)])
def test_a_training_that_fails_says_why(world: World, refusal: Exception, documents: bool) -> None:
    world.trainer.refusal = refusal

    described = world.version(world.trained())

    assert described["Status"] == "TRAINING_FAILED"
    assert described["StatusMessage"] == "The manifest file has too few labels."
    assert "TrainingEndTimestamp" in described
    assert "EvaluationResult" not in described
    assert ("ManifestSummary" in described) == documents


def test_a_fault_of_ours_is_told_as_the_service_tells_it(world: World) -> None:
    world.trainer.refusal = ZeroDivisionError("oh")

    described = world.version(world.trained())

    assert described["StatusMessage"] == "Amazon Rekognition experienced a service issue."


def test_what_failed_is_swept_with_its_version(world: World) -> None:
    world.trainer.refusal = FAILURE
    arn = world.trained()
    assert list((world.home / "work").iterdir())

    world.rekognition("DeleteProjectVersion", ProjectVersionArn=arn)
    world.settle()

    assert not list((world.home / "work").iterdir())


def test_a_training_that_was_cut_off_after_its_end_is_not_trained_again(world: World) -> None:
    """A cut between the artefact's move and the last transaction leaves the job to be run once more."""
    arn = world.trained()
    with world.records.write() as tx:
        job = tx.execute(select(schema.jobs).where(schema.jobs.c.kind == "train")).one()
        tx.execute(update(schema.versions).values(status="TRAINING_IN_PROGRESS", folder=None))
        work = world.home / "work" / job.id
        work.mkdir(parents=True)
        (work / "train.manifest").write_text("{}\n")
        (work / "test.manifest").write_text("{}\n")
        (work / "outcome.json").write_bytes(orjson.dumps(world.trainer.outcomes[0].to_json()))
        tx.execute(
            update(schema.jobs).where(schema.jobs.c.id == job.id).values(status="RUNNING", lease_until=0.0)
        )
        tx.notify("jobs")
    world.settle()

    assert world.version(arn)["Status"] == "TRAINING_COMPLETED"
    assert len(world.trainer.specs) == 1


def test_a_training_goes_on_in_its_work_folder_after_the_server_went_away(tmp_path: Path) -> None:
    before = World(tmp_path)
    project = before.project()
    before.dataset(project, "TRAIN")
    before.trainer.gate.clear()
    arn = before.train(project)
    before.until(lambda: bool(before.trainer.specs))
    before.close()

    after = World(tmp_path)
    assert after.version(arn)["Status"] == "TRAINING_IN_PROGRESS"
    after.settle()

    assert after.version(arn)["Status"] == "TRAINING_COMPLETED"
    assert after.trainer.specs == before.trainer.specs
    assert after.customlabels("DescribeTraining", ProjectVersionArn=arn)["Attempt"] == 2
    after.close()


def test_versions_come_newest_first_and_in_pages(world: World) -> None:
    project = world.project()
    world.dataset(project, "TRAIN")
    arns = [world.train(project, f"v{number}") for number in range(3)]

    first = world.rekognition("DescribeProjectVersions", ProjectArn=project, MaxResults=2)
    rest = world.rekognition(
        "DescribeProjectVersions", ProjectArn=project, MaxResults=2, NextToken=first["NextToken"]
    )

    pages = first["ProjectVersionDescriptions"] + rest["ProjectVersionDescriptions"]
    assert [each["ProjectVersionArn"] for each in pages] == arns[::-1]
    assert "NextToken" not in rest


# ---------------------------------------------------------------- in service


def test_a_version_starts_and_stops(world: World) -> None:
    arn = world.trained()

    started = world.rekognition(
        "StartProjectVersion", ProjectVersionArn=arn, MinInferenceUnits=1, MaxInferenceUnits=3
    )
    at_once = world.version(arn)
    world.settle()
    running = world.version(arn)
    stopped = world.rekognition("StopProjectVersion", ProjectVersionArn=arn)
    world.settle()

    assert started == {"Status": "STARTING"}
    assert (at_once["Status"], at_once["StatusMessage"]) == ("STARTING", "The model is starting.")
    assert (running["Status"], running["StatusMessage"]) == ("RUNNING", "The model is running.")
    assert (running["MinInferenceUnits"], running["MaxInferenceUnits"]) == (1, 3)
    assert stopped == {"Status": "STOPPING"}
    assert (world.version(arn)["Status"], world.version(arn)["StatusMessage"]) == (
        "STOPPED",
        "The model is ready to run.",
    )
    assert world.units.up == {}


def start(world: World, arn: str, units: int = 1) -> None:
    world.rekognition("StartProjectVersion", ProjectVersionArn=arn, MinInferenceUnits=units)
    world.settle()


def test_what_is_in_service_can_be_neither_started_nor_deleted(world: World) -> None:
    arn = world.trained()
    start(world, arn)

    assert (
        world.refusal("StartProjectVersion", ProjectVersionArn=arn, MinInferenceUnits=1)
        == "ResourceInUseException"
    )
    assert world.refusal("DeleteProjectVersion", ProjectVersionArn=arn) == "ResourceInUseException"


def test_only_what_runs_can_be_stopped(world: World) -> None:
    assert (
        world.refusal("StopProjectVersion", ProjectVersionArn=world.trained()) == "InvalidParameterException"
    )


def test_a_failed_training_cannot_be_started(world: World) -> None:
    world.trainer.refusal = FAILURE
    arn = world.trained()

    refused = world.refusal("StartProjectVersion", ProjectVersionArn=arn, MinInferenceUnits=1)

    assert refused == "InvalidParameterException"


@pytest.mark.parametrize(
    ("units", "code"),
    [
        ({"MinInferenceUnits": 3, "MaxInferenceUnits": 2}, "InvalidParameterException"),
        ({"MinInferenceUnits": 6}, "LimitExceededException"),
    ],
)
def test_units_have_bounds(world: World, units: dict[str, int], code: str) -> None:
    assert world.refusal("StartProjectVersion", ProjectVersionArn=world.trained(), **units) == code


def test_the_number_of_running_versions_is_limited(tmp_path: Path) -> None:
    world = World(tmp_path, Limits(running_versions=1))
    start(world, world.trained("a"))
    other = world.trained("b")

    refused = world.refusal("StartProjectVersion", ProjectVersionArn=other, MinInferenceUnits=1)

    assert refused == "LimitExceededException"
    world.close()


def test_a_version_that_does_not_start_is_failed_with_the_reason_and_may_be_started_again(
    world: World,
) -> None:
    arn = world.trained()
    world.units.refusal = "no memory for a unit"
    start(world, arn)
    failed = world.version(arn)
    world.units.refusal = None
    start(world, arn)

    assert (failed["Status"], failed["StatusMessage"]) == ("FAILED", "no memory for a unit")
    assert world.version(arn)["Status"] == "RUNNING"


def test_the_late_end_of_an_earlier_start_does_not_end_a_later_one(world: World) -> None:
    """Start, stop, start again: the first start's failure arrives last and changes nothing."""
    arn = world.trained()
    world.rekognition("StartProjectVersion", ProjectVersionArn=arn, MinInferenceUnits=1)
    world.rekognition("StopProjectVersion", ProjectVersionArn=arn)
    with world.records.read() as reading:
        first = reading.execute(select(schema.jobs).where(schema.jobs.c.kind == "start")).one()
    world.settle()
    world.rekognition("StartProjectVersion", ProjectVersionArn=arn, MinInferenceUnits=1)

    late = Job(first.id, "start", first.subject, orjson.loads(first.spec), 1, 0, {})
    with world.records.write() as tx:
        world.handlers["start"].failed(late, RuntimeError("was stopped while it was starting"))(tx)

    assert world.version(arn)["Status"] in ("STARTING", "RUNNING")


def test_a_new_server_starts_what_was_running(tmp_path: Path) -> None:
    before = World(tmp_path)
    kept, lost = before.trained("a"), before.trained("b")
    for arn in (kept, lost):
        start(before, arn)
    with before.records.read() as reading:
        folder = reading.execute(
            select(schema.versions.c.folder).where(schema.versions.c.arn == lost)
        ).scalar_one()
    (before.home / folder / "model.json").unlink()
    before.close()

    after = World(tmp_path)
    after.loop.run(revive(after.parts))

    assert after.version(kept)["Status"] == "RUNNING"
    assert list(after.units.up) == [kept]
    assert after.version(lost)["Status"] == "FAILED"
    assert "is not in" in after.version(lost)["StatusMessage"]
    after.close()


def test_a_version_whose_units_are_given_up_is_failed(world: World) -> None:
    arn = world.trained()
    start(world, arn)

    async def give_up() -> None:
        note_failures(world.records)(arn, "no unit comes up any more")

    world.loop.run(give_up())
    world.until(lambda: world.version(arn)["Status"] == "FAILED")

    assert world.version(arn)["StatusMessage"] == "no unit comes up any more"


def test_a_manifest_that_is_no_manifest_fails_the_training_with_the_words_of_the_service(
    world: World,
) -> None:
    project = world.project()
    contents = {
        "picture.manifest": (b"\x89PNG\r\n\x1a", "The manifest file extension or contents are invalid."),
        "empty.manifest": (b"", "The manifest file is empty."),
        "nowhere.manifest": (None, "The manifest file extension or contents are invalid."),
    }
    for key, (data, _words) in contents.items():
        if data is not None:
            world.objects.write(IMAGES, key, data)

    for number, (key, (_data, words)) in enumerate(contents.items()):
        asset = {"GroundTruthManifest": {"S3Object": {"Bucket": IMAGES, "Name": key}}}
        data_of = {"TrainingData": {"Assets": [asset]}, "TestingData": {"AutoCreate": True}}
        arn = world.train(project, f"v{number}", **data_of)
        world.settle()
        described = world.version(arn)

        assert described["Status"] == "TRAINING_FAILED"
        assert described["StatusMessage"].startswith(words)
        assert f"s3://{IMAGES}/{key}" in described["StatusMessage"]
        assert not {"ManifestSummary", "EvaluationResult", "TrainingDataResult"} & described.keys()
    assert not world.trainer.specs


def test_a_manifest_by_the_version_of_its_object_is_refused_rather_than_taken_for_the_latest(
    world: World,
) -> None:
    place = {"Bucket": IMAGES, "Name": "a", "Version": "7"}
    data_of = {"Assets": [{"GroundTruthManifest": {"S3Object": place}}]}
    request: dict[str, Any] = {"ProjectArn": world.project(), "VersionName": "v1"}
    request |= {"OutputConfig": OUTPUT_CONFIG, "TrainingData": data_of, "TestingData": {"AutoCreate": True}}

    assert world.refusal("CreateProjectVersion", **request) == "InvalidParameterException"


def test_a_list_of_versions_does_not_read_their_evaluations(world: World) -> None:
    arn = world.trained()
    with world.records.write() as tx:
        tx.execute(update(schema.versions).values(evaluation="no JSON at all"))

    assert world.version(arn)["EvaluationResult"]["F1Score"] == 0.9


def test_trainings_wait_their_turn_on_the_manifests_of_their_requests(tmp_path: Path) -> None:
    world = World(tmp_path, trainings=1)
    try:
        project = world.project()
        world.trainer.gate.clear()
        world.start_jobs()
        asset = world.put_manifest("m", [manifest_line(at) for at in range(5)])
        data_of = {"TrainingData": {"Assets": [asset]}, "TestingData": {"AutoCreate": True}}
        first, second = (world.train(project, name, **data_of) for name in ("v1", "v2"))
        gathered = select(func.count()).where(
            schema.jobs.c.kind == "gather", schema.jobs.c.status == "SUCCEEDED"
        )
        world.until(lambda: world.scalar(gathered) == 2 and len(world.trainer.specs) == 1)

        world.put_manifest("m", [manifest_line(0)])
        waiting = world.version(second)["Status"]
        world.trainer.gate.set()
        world.settle()

        assert waiting == "TRAINING_IN_PROGRESS"
        assert [outcome.training_images for outcome in world.trainer.outcomes] == [5, 5]
        assert {world.version(arn)["Status"] for arn in (first, second)} == {"TRAINING_COMPLETED"}
        assert not list((world.home / "work").iterdir())
    finally:
        world.close()


def test_a_training_that_waits_can_be_cancelled(tmp_path: Path) -> None:
    world = World(tmp_path, trainings=1)
    try:
        project = world.project()
        world.trainer.gate.clear()
        asset = world.put_manifest("m", [manifest_line(at) for at in range(5)])
        data_of = {"TrainingData": {"Assets": [asset]}, "TestingData": {"AutoCreate": True}}
        arn = world.train(project, "v1", **data_of)

        world.customlabels("CancelTraining", ProjectVersionArn=arn)
        world.settle()

        assert world.version(arn)["Status"] == "TRAINING_FAILED"
        assert world.version(arn)["StatusMessage"] == "The training was cancelled."
    finally:
        world.close()
