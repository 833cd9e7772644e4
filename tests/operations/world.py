"""A server's parts on a temporary folder: real records, objects, jobs and workflows; a quick trainer.

Every call goes the way of a request: checked against its model, dispatched, its answer held to the model and
its refusal to the operation's list of errors.
"""

import asyncio
import json
import threading
import time
import uuid
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Select

from customlabels.app import models_folder
from customlabels.asl import Rules
from customlabels.errors import ServiceError
from customlabels.evaluation import OUT_OF_FOLD, Predictions, evaluate, evaluate_test_tuned, summary
from customlabels.inference import Found
from customlabels.operations import (
    Dispatcher,
    Limits,
    Parts,
    ServiceTasks,
    account_may_use,
    folder_of,
    job_handlers,
)
from customlabels.serving import NotServing, Shadow, StartFailed, Terms, UnitStatus, VersionStatus
from customlabels.storage import Objects, Records
from customlabels.training import Progress, TrainingCancelled, TrainingFailed, TrainingOutcome, TrainingSpec
from customlabels.wire import Caller, Invocation, check_output, load_services, validate
from customlabels.workflows import (
    Activities,
    Callbacks,
    Executions,
    JobHandler,
    JobPace,
    Jobs,
    MapRuns,
    MockedTasks,
    StateMachines,
    TaskRunner,
    Versions,
    run_task,
)

ACCOUNT, REGION = "111122223333", "eu-west-1"
CALLER = Caller(ACCOUNT, REGION, None)
PROTOCOL = {"ValidationException", "SerializationException", "UnknownOperationException"}
SERVICES = load_services(models_folder())
IMAGES = "images-of-mine"
OUTPUT = "results-of-mine"


@dataclass
class QuickTrainer:
    """Trains nothing; writes what a training would write. `gate`: what a training waits for at its start."""

    f1: float = 0.9
    refusal: Exception | None = None
    specs: list[TrainingSpec] = field(default_factory=list)
    outcomes: list[TrainingOutcome] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)

    def __call__(
        self, spec: TrainingSpec, on_progress: Callable[[Progress], None], cancelled: Callable[[], bool]
    ) -> TrainingOutcome:
        self.specs.append(spec)
        on_progress(Progress("learning", epoch=1, step=2, steps=10, validation_f1=0.5, seconds_left=3.0))
        while not self.gate.wait(0.02):
            if cancelled():
                raise TrainingCancelled("the training was stopped on request")
        if self.refusal is not None:
            raise self.refusal
        artefact = spec.work_folder / "artefact"
        artefact.mkdir(exist_ok=True)
        (artefact / "model.json").write_text("{}")
        documents = self._documents(spec)
        for kind, document in documents.items():
            place = spec.buckets[spec.output_bucket] / spec.output_key(kind)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(document)
        keys = {kind: spec.output_key(kind) for kind in documents}
        lines = len(spec.train_manifest.read_text().splitlines())
        outcome = TrainingOutcome(
            artefact_folder=artefact,
            f1=self.f1,
            f1_interval=(0.8, 0.95),
            summary_key=keys["EvaluationResultSummary"],
            output_keys=keys,
            seconds=1.6,
            kind="single-label",
            labels=("cat", "dog"),
            training_images=lines,
        )
        self.outcomes.append(outcome)
        return outcome

    @staticmethod
    def _documents(spec: TrainingSpec) -> dict[str, str]:
        scores = np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.4], [0.3, 0.6]])
        predictions = Predictions(("cat", "dog"), scores, scores > 0.5)
        honest = evaluate(predictions, np.array([0.5, 0.5]), OUT_OF_FOLD, seed=0, resamples=20)
        tuned = evaluate_test_tuned(predictions, seed=0, resamples=20)
        told = summary(honest, tuned, spec.version_arn, datetime.now(UTC), training_images=6)
        sides = ("TrainingGroundTruth", "TestingGroundTruth")
        checked = ("TrainingManifestWithValidation", "TestingManifestWithValidation", "ManifestSummary")
        return {"EvaluationResultSummary": json.dumps(told)} | dict.fromkeys((*sides, *checked), "{}\n")


@dataclass
class FakeUnits:
    """Versions without processes: what was started answers `cat`."""

    refusal: str | None = None
    up: dict[str, tuple[Path, Terms]] = field(default_factory=dict)
    stops: list[tuple[str, bool]] = field(default_factory=list)
    shadows: dict[str, Shadow] = field(default_factory=dict)
    asked: list[tuple[bytes, float | None, int | None]] = field(default_factory=list)
    detection_refusal: Exception | None = None

    async def start(self, version: str, folder: Path, terms: Terms | None = None) -> None:
        if self.refusal is not None:
            raise StartFailed(self.refusal)
        self.up[version] = (folder, terms or Terms())

    async def stop(self, version: str, *, gently: bool = False) -> None:
        self.stops.append((version, gently))
        self.up.pop(version, None)

    def answers(self, version: str) -> bool:
        return version in self.up

    def watch(self, shadow: Shadow) -> None:
        self.shadows[shadow.pair.live] = shadow

    def unwatch(self, live: str) -> None:
        self.shadows.pop(live, None)

    def shadow(self, live: str) -> Shadow | None:
        return self.shadows.get(live)

    async def detect(
        self, version: str, image: bytes, min_confidence: float | None = None, max_results: int | None = None
    ) -> list[Found]:
        if version not in self.up:
            raise NotServing(f"{version} is not running")
        if self.detection_refusal is not None:
            raise self.detection_refusal
        self.asked.append((image, min_confidence, max_results))
        return [Found("cat", 87.5)]

    def status(self) -> list[VersionStatus]:
        units = (UnitStatus(123, "IDLE", 4), UnitStatus(None, "DOWN", 0))
        return [
            VersionStatus(arn, "RUNNING", units, terms.max_units, 0, 0, 4, 0.01, None)
            for arn, (_folder, terms) in self.up.items()
        ]


class Loop:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def close(self) -> None:
        async def end() -> None:
            await asyncio.get_running_loop().shutdown_default_executor()

        self.run(end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class World:
    """One home, and the calls of its user. Jobs run once `start_jobs` was called, or by `settle`."""

    def __init__(self, folder: Path, limits: Limits | None = None, url: str = "", trainings: int = 4) -> None:
        self.folder = folder
        self.home = folder / "home"
        for name in (IMAGES, OUTPUT):
            (folder / name).mkdir(parents=True, exist_ok=True)
        self.loop = Loop()
        self.records = Records.open(url or f"sqlite:///{self.home / 'records.db'}")
        self.objects = Objects(folder_of(self.records), None, self.home / "attributes")
        self.rules = Rules()
        self.trainer = QuickTrainer()
        self.trainer.gate.set()
        self.units = FakeUnits()
        self.handlers: dict[str, JobHandler] = {}
        self.jobs = Jobs(
            self.records,
            self.handlers,
            f"test-{uuid.uuid4()}",
            time.time,
            lambda: uuid.uuid4().hex,
            JobPace({"train": trainings}, poll_seconds=0.05),
        )
        self.parts = Parts(
            records=self.records,
            objects=self.objects,
            jobs=self.jobs,
            executions=Executions(self.records, self.rules, time.time),
            machines=StateMachines(self.records, time.time, lambda: uuid.uuid4().hex),
            versions=Versions(self.records, time.time),
            callbacks=Callbacks(self.records, time.time),
            activities=Activities(self.records, self.rules, time.time),
            map_runs=MapRuns(
                self.records,
                self.objects,
                self.rules,
                time.time,
                lambda account, bucket: account_may_use(self.parts, account, bucket),
            ),
            units=self.units,
            train=self.trainer,
            run_on_loop=self.loop.run,
            services=SERVICES,
            rules=Rules(wait_scale=0, wait_floor_seconds=0),
            run_task=lambda task: run_task(self.tasks, task),
            home=self.home,
            mock_file=self.folder / "mocks.json",
            version="0.1.0",
            started_at=time.time(),
            limits=limits or Limits(),
        )
        self.handlers.update(job_handlers(self.parts))
        self.dispatcher = Dispatcher(self.parts)
        self.tasks: TaskRunner = MockedTasks(self.records, ServiceTasks(self.dispatcher, SERVICES, {}))
        self._started = False
        self.customlabels("PutBucket", Name=IMAGES, Folder=str(folder / IMAGES))
        self.customlabels("PutBucket", Name=OUTPUT, Folder=str(folder / OUTPUT))

    def call(
        self,
        service: str,
        name: str,
        params: dict[str, Any],
        token: str | None = None,
        caller: Caller = CALLER,
    ) -> dict[str, Any]:
        """The answer to a request; a refusal must be one that the operation's model lists."""
        operation = SERVICES.shape_only(service).operation(name)
        invocation = Invocation(service, name, validate(operation, params), caller, str(uuid.uuid4()), token)
        try:
            answer = self.dispatcher.call(invocation)
        except ServiceError as refusal:
            modelled = {shape.name for shape in operation.error_shapes} | PROTOCOL
            if refusal.code not in modelled:
                raise AssertionError(f"{name} may not raise {refusal}") from refusal
            raise
        check_output(operation, answer)
        return answer

    def rekognition(self, operation: str, /, *, token: str | None = None, **params: Any) -> dict[str, Any]:
        return self.call("rekognition", operation, params, token)

    def states(self, operation: str, /, **params: Any) -> dict[str, Any]:
        return self.call("stepfunctions", operation, params)

    def customlabels(self, operation: str, /, **params: Any) -> dict[str, Any]:
        return self.call("customlabels", operation, params)

    def refusal(self, operation: str, service: str = "rekognition", /, **params: Any) -> str:
        """The code with which a request is refused."""
        with pytest.raises(ServiceError) as refused:
            self.call(service, operation, params)
        assert refused.value.message
        return refused.value.code

    def start_jobs(self) -> None:
        if not self._started:
            self._started = True
            self.jobs.start()

    def settle(self) -> None:
        """Let all jobs run to their end."""
        self.start_jobs()
        self.until(lambda: self.open_jobs() == 0)

    def open_jobs(self) -> int:
        with self.records.read() as reading:
            return self.jobs.open_work(reading)

    def scalar(self, query: Select[Any]) -> Any:
        """The one value of a query."""
        with self.records.read() as reading:
            return reading.execute(query).scalar_one()

    @staticmethod
    def until(reached: Callable[[], bool], seconds: float = 20) -> None:
        end = time.monotonic() + seconds
        while not reached():
            assert time.monotonic() < end, "it did not come about in time"
            time.sleep(0.01)

    def close(self) -> None:
        self.jobs.close()
        self.dispatcher.close()
        self.loop.close()
        self.records.close()

    # ------------------------------------------------------------ what most tests begin with

    def put_manifest(self, key: str, lines: list[str]) -> dict[str, Any]:
        """A manifest object; the DatasetSource that names it."""
        self.objects.write(IMAGES, key, "".join(f"{each}\n" for each in lines).encode())
        return {"GroundTruthManifest": {"S3Object": {"Bucket": IMAGES, "Name": key}}}

    def project(self, name: str = "animals") -> str:
        return str(self.rekognition("CreateProject", ProjectName=name)["ProjectArn"])

    def dataset(self, project: str, kind: str, count: int = 6) -> str:
        """A complete dataset of `count` images."""
        source = self.put_manifest(f"{kind}-{count}.manifest", [manifest_line(at) for at in range(count)])
        answer = self.rekognition("CreateDataset", ProjectArn=project, DatasetType=kind, DatasetSource=source)
        self.settle()
        return str(answer["DatasetArn"])

    def train(self, project: str, name: str = "v1", **params: Any) -> str:
        answer = self.rekognition(
            "CreateProjectVersion", ProjectArn=project, VersionName=name, OutputConfig=OUTPUT_CONFIG, **params
        )
        return str(answer["ProjectVersionArn"])

    def trained(self, name: str = "animals") -> str:
        """The ARN of a trained version."""
        project = self.project(name)
        self.dataset(project, "TRAIN")
        self.dataset(project, "TEST", 4)
        arn = self.train(project)
        self.settle()
        return arn

    def version(self, arn: str) -> dict[str, Any]:
        """A version's description."""
        name = arn.split("/")[3]
        found = self.rekognition(
            "DescribeProjectVersions", ProjectArn=self.project_of(arn), VersionNames=[name]
        )
        (described,) = found["ProjectVersionDescriptions"]
        assert described["StatusMessage"]
        return dict(described)

    def project_of(self, arn: str) -> str:
        found = self.rekognition("DescribeProjects", ProjectNames=[arn.split("/")[1]])
        return str(found["ProjectDescriptions"][0]["ProjectArn"])

    def described_dataset(self, arn: str) -> dict[str, Any]:
        return dict(self.rekognition("DescribeDataset", DatasetArn=arn)["DatasetDescription"])


OUTPUT_CONFIG = {"S3Bucket": OUTPUT, "S3KeyPrefix": "runs/"}
FAILURE = TrainingFailed("ERROR_MANIFEST_TOO_FEW_LABELS", "The manifest file has too few labels.")
FAILURE_WITH_DOCUMENTS = TrainingFailed(
    "ERROR_MANIFEST_TOO_FEW_LABELS",
    "The manifest file has too few labels.",
    output_keys={"ManifestSummary": "runs/ManifestSummary-animals-v1.json"},
)


def manifest_line(at: int, label: str | None = None, bucket: str = IMAGES) -> str:
    """A line that gives image `at` a label, `cat` and `dog` by turns."""
    name = label or ("cat", "dog")[at % 2]
    metadata = {
        "class-name": name,
        "confidence": 1,
        "human-annotated": "yes",
        "creation-date": "2026-11-23T08:00:00",
        "type": "groundtruth/image-classification",
    }
    return json.dumps({"source-ref": f"s3://{bucket}/{at}.png", "label": 0, "label-metadata": metadata})
