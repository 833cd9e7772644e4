"""Custom Labels, S3, SNS and the judge in memory, what the workflow uses; botocore checks what comes in."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import botocore.session
from botocore import xform_name
from botocore.validate import ParamValidator
from tests.pipeline.driver import CallRefused

BASE = "arn:aws:rekognition:eu-west-1:123456789012:project/"
Handler: TypeAlias = Callable[[dict[str, Any]], dict[str, Any]]
STARTABLE = {"TRAINING_COMPLETED", "COPYING_COMPLETED", "STOPPED", "FAILED"}

_SESSION = botocore.session.get_session()
MODELS = {name: _SESSION.get_service_model(name) for name in ("rekognition", "s3", "sns", "lambda")}
BODIES = {"Body", "Message", "Payload"}  # an object here is sent as its JSON text


def judged(decision: str, *reasons: str) -> dict[str, Any]:
    """What the judge answers."""
    return {
        "Decision": decision,
        "Reasons": list(reasons or ["As said."]),
        "Judgement": "s3://results/j.json",
    }


@dataclass
class Version:
    """A model version; `next` holds the statuses that the coming looks at it will find."""

    name: str
    arn: str
    status: str
    f1_score: Any = 0.9
    next: list[str] = field(default_factory=list)
    message: str | None = "The model is as its status says."

    def describe(self) -> dict[str, Any]:
        """As DescribeProjectVersions lists it."""
        about = {"ProjectVersionArn": self.arn, "Status": self.status}
        about |= {} if self.message is None else {"StatusMessage": self.message}
        trained = self.status in STARTABLE | {"STARTING", "RUNNING", "STOPPING"}
        return about | (
            {"EvaluationResult": {"F1Score": self.f1_score}} if trained and self.f1_score is not None else {}
        )


@dataclass
class FakeAws:
    """One account with one project at most.

    training, hosting, copying: the statuses that looks will find    deleting: looks until a dataset is gone
    entries: of the test dataset    judgement: what the judge says    answer: of the person who is asked
    patches: operations that answer otherwise
    """

    training: list[str] = field(default_factory=lambda: ["TRAINING_IN_PROGRESS", "TRAINING_COMPLETED"])
    hosting: list[str] = field(default_factory=lambda: ["STARTING", "RUNNING"])
    copying: list[str] = field(default_factory=lambda: ["CREATE_IN_PROGRESS", "CREATE_COMPLETE"])
    deleting: int = 1
    f1_score: Any = 0.9
    entries: tuple[str, ...] = (json.dumps({"source-ref": "s3://images/test/a b/1.png", "label": 0}),)
    judgement: Any = field(default_factory=lambda: judged("DEPLOYED"))
    answer: Any = field(default_factory=lambda: {"Approved": True})
    project: str | None = None
    datasets: dict[str, list[str]] = field(default_factory=dict)
    versions: list[Version] = field(default_factory=list)
    objects: dict[str, Any] = field(default_factory=dict)
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    clock: int = 1_800_000_000_000
    patches: dict[str, Handler] = field(default_factory=dict)

    def call(self, service: str, operation: str, params: dict[str, Any]) -> dict[str, Any]:
        """Answer a call; CallRefused with the operation's own errors."""
        model = MODELS[service].operation_model(operation[0].upper() + operation[1:])
        shown = params | {name: json.dumps(params[name]) for name in BODIES & params.keys()}
        report = ParamValidator().validate(shown, model.input_shape).generate_report()
        assert not report, f"{operation}: {report}"
        self.calls.append((operation, params))
        name = xform_name(operation)
        handler: Handler = self.patches.get(name) or getattr(self, name)
        return handler(params)

    def with_version(self, name: str, status: str, **more: Any) -> FakeAws:
        """The account with one more version, newer than the others."""
        self.project = self.project or f"{BASE}demo/1"
        self.versions.insert(0, Version(name, f"{BASE}demo/version/{name}/{self._tick()}", status, **more))
        return self

    def with_datasets(self) -> FakeAws:
        """The account with a project that has the copies of an earlier run."""
        self.project = self.project or f"{BASE}demo/1"
        self.datasets = {f"{BASE}demo/dataset/{kind}/1": ["CREATE_COMPLETE"] for kind in ("train", "test")}
        return self

    def running(self) -> list[str]:
        """Names of the versions that cost money by the hour."""
        return sorted(version.name for version in self.versions if version.status in {"STARTING", "RUNNING"})

    def version(self, arn: str) -> Version:
        """The version, or ResourceNotFoundException."""
        for version in self.versions:
            if version.arn == arn:
                return version
        raise CallRefused("Rekognition.ResourceNotFoundException")

    def create_project(self, params: dict[str, Any]) -> dict[str, Any]:
        if self.project:
            raise CallRefused("Rekognition.ResourceInUseException")
        self.project = f"{BASE}{params['ProjectName']}/{self._tick()}"
        return {"ProjectArn": self.project}

    def describe_projects(self, params: dict[str, Any]) -> dict[str, Any]:
        if self.project is None:
            return {"ProjectDescriptions": []}
        datasets = [{"DatasetArn": arn, "Status": statuses[0]} for arn, statuses in self.datasets.items()]
        return {
            "ProjectDescriptions": [{"ProjectArn": self.project, "Status": "CREATED", "Datasets": datasets}]
        }

    def create_dataset(self, params: dict[str, Any]) -> dict[str, Any]:
        kind = params["DatasetType"].lower()
        if any(f"/dataset/{kind}/" in arn for arn in self.datasets):
            raise CallRefused("Rekognition.ResourceAlreadyExistsException")
        arn = f"{BASE}demo/dataset/{kind}/{self._tick()}"
        self.datasets[arn] = list(self.copying)
        return {"DatasetArn": arn}

    def describe_dataset(self, params: dict[str, Any]) -> dict[str, Any]:
        statuses = self.datasets.get(params["DatasetArn"])
        if statuses is None or statuses == ["gone"]:
            self.datasets.pop(params["DatasetArn"], None)
            raise CallRefused("Rekognition.ResourceNotFoundException")
        status = statuses.pop(0) if len(statuses) > 1 else statuses[0]
        return {"DatasetDescription": {"Status": status, "StatusMessage": "The manifest file is empty."}}

    def delete_dataset(self, params: dict[str, Any]) -> dict[str, Any]:
        if params["DatasetArn"] not in self.datasets:
            raise CallRefused("Rekognition.ResourceNotFoundException")
        self.datasets[params["DatasetArn"]] = ["DELETE_IN_PROGRESS"] * self.deleting + ["gone"]
        return {}

    def create_project_version(self, params: dict[str, Any]) -> dict[str, Any]:
        if any(version.name == params["VersionName"] for version in self.versions):
            raise CallRefused("Rekognition.ResourceInUseException")
        self.with_version(
            params["VersionName"], "TRAINING_IN_PROGRESS", f1_score=self.f1_score, next=list(self.training)
        )
        return {"ProjectVersionArn": self.versions[0].arn}

    def describe_project_versions(self, params: dict[str, Any]) -> dict[str, Any]:
        names = params.get("VersionNames")
        found = [version for version in self.versions if names is None or version.name in names]
        for version in found if names else ():
            version.status = version.next.pop(0) if version.next else version.status
        return {"ProjectVersionDescriptions": [version.describe() for version in found]}

    def start_project_version(self, params: dict[str, Any]) -> dict[str, Any]:
        version = self.version(params["ProjectVersionArn"])
        if version.status not in STARTABLE:
            raise CallRefused("Rekognition.ResourceInUseException")
        version.status, version.next = "STARTING", list(self.hosting)
        return {"Status": "STARTING"}

    def stop_project_version(self, params: dict[str, Any]) -> dict[str, Any]:
        version = self.version(params["ProjectVersionArn"])
        if version.status not in {"STARTING", "RUNNING"}:
            raise CallRefused("Rekognition.InvalidParameterException")
        version.status, version.next = "STOPPED", []
        return {"Status": "STOPPING"}

    def list_dataset_entries(self, params: dict[str, Any]) -> dict[str, Any]:
        return {"DatasetEntries": list(self.entries)[: params["MaxResults"]]}

    def detect_custom_labels(self, params: dict[str, Any]) -> dict[str, Any]:
        if self.version(params["ProjectVersionArn"]).status != "RUNNING":
            raise CallRefused("Rekognition.ResourceNotReadyException")
        return {"CustomLabels": []}

    def invoke(self, params: dict[str, Any]) -> dict[str, Any]:
        return {"StatusCode": 200, "Payload": self.judgement}

    def publish(self, params: dict[str, Any]) -> dict[str, Any]:
        return {"MessageId": "1"}

    def get_object(self, params: dict[str, Any]) -> dict[str, Any]:
        key = f"{params['Bucket']}/{params['Key']}"
        if key not in self.objects:
            raise CallRefused("S3.NoSuchKeyException")
        return {"Body": json.dumps(self.objects[key]), "ContentLength": 1}

    def put_object(self, params: dict[str, Any]) -> dict[str, Any]:
        self.objects[f"{params['Bucket']}/{params['Key']}"] = params["Body"]
        return {"ETag": '"made-up"'}

    def _tick(self) -> int:
        self.clock += 1
        return self.clock
