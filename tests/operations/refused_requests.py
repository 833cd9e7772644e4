"""For each operation of Custom Labels and each error that its model lists: a request that provokes it.

What every operation may raise (the common six) is not listed. NEVER says which modelled errors this server
has no occasion for, and why.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import update
from tests.operations.world import ACCOUNT, IMAGES, OUTPUT_CONFIG, REGION, SERVICES, World, manifest_line

from customlabels.operations import Limits
from customlabels.storage import schema

COMMON = {
    "AccessDeniedException",
    "InternalServerError",
    "InvalidParameterException",
    "ProvisionedThroughputExceededException",
    "ThrottlingException",
}
OPERATIONS = (
    "CopyProjectVersion",
    "CreateDataset",
    "CreateProject",
    "CreateProjectVersion",
    "DeleteDataset",
    "DeleteProject",
    "DeleteProjectPolicy",
    "DeleteProjectVersion",
    "DescribeDataset",
    "DescribeProjectVersions",
    "DescribeProjects",
    "DetectCustomLabels",
    "DistributeDatasetEntries",
    "ListDatasetEntries",
    "ListDatasetLabels",
    "ListProjectPolicies",
    "ListTagsForResource",
    "PutProjectPolicy",
    "StartProjectVersion",
    "StopProjectVersion",
    "TagResource",
    "UntagResource",
    "UpdateDatasetEntries",
)
LIMITS = Limits(projects=3, versions=2, policies=1, running_versions=1, trainings=1, inference_units=2)
FORGED = {"NextToken": "bm90IG91cnM="}
POLICY = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*",'
    '"Action":"rekognition:CopyProjectVersion","Resource":"*"}]}'
)
Request = dict[str, Any]
GONE = f"arn:aws:rekognition:{REGION}:{ACCOUNT}:project/gone"
NO_PROJECT, NO_VERSION = f"{GONE}/1700000000000", f"{GONE}/version/v1/1700000000000"
NO_DATASET = {"DatasetArn": f"{GONE}/dataset/train/1700000000000"}


def modelled(operation: str) -> set[str]:
    """The errors of an operation besides the common ones."""
    return {shape.name for shape in SERVICES["rekognition"].operation(operation).error_shapes} - COMMON


@dataclass(frozen=True)
class Stage:
    """What requests are about. Jobs do not run by themselves: what is begun stays under way."""

    world: World

    @property
    def project(self) -> Request:
        return {"ProjectArn": self.world.project()}

    @property
    def dataset(self) -> Request:
        return {"DatasetArn": self.world.dataset(self.world.project(), "TRAIN")}

    @property
    def busy_dataset(self) -> Request:
        source = self.world.put_manifest("busy.manifest", [manifest_line(0)])
        made = self.creation | {"DatasetSource": source}
        return dict(self.world.rekognition("CreateDataset", **made))

    @property
    def creation(self) -> Request:
        return {"ProjectArn": self.world.project(), "DatasetType": "TRAIN"}

    @property
    def version(self) -> Request:
        return {"ProjectVersionArn": self.world.trained()}

    def version_that_is(self, status: str) -> Request:
        version = self.version
        with self.world.records.write() as tx:
            tx.execute(update(schema.versions).values(status=status))
        return version

    def training(self, name: str = "v2", status: str = "TRAINING_COMPLETED") -> Request:
        """A request to train in the project of another version, `v1`."""
        version = self.version_that_is(status)["ProjectVersionArn"]
        return {
            "ProjectArn": self.world.project_of(version),
            "VersionName": name,
            "OutputConfig": OUTPUT_CONFIG,
        }

    def copy(self, name: str = "v2") -> Request:
        """A request to copy a trained version, `v1`, within its project."""
        version = self.version["ProjectVersionArn"]
        project = self.world.project_of(version)
        ends = {"SourceProjectArn": project, "DestinationProjectArn": project}
        return ends | {
            "SourceProjectVersionArn": version,
            "VersionName": name,
            "OutputConfig": OUTPUT_CONFIG,
        }

    @property
    def policy(self) -> Request:
        """A request to put a policy that the project has already."""
        put = self.project | {"PolicyName": "p", "PolicyDocument": POLICY}
        return self.after("PutProjectPolicy", put)

    @property
    def named_policy(self) -> Request:
        return {name: value for name, value in self.policy.items() if name != "PolicyDocument"}

    @property
    def distribution(self) -> Request:
        """A request to distribute a dataset that is being created."""
        train = self.busy_dataset["DatasetArn"]
        [project] = self.world.rekognition("DescribeProjects")["ProjectDescriptions"]
        made = {"ProjectArn": project["ProjectArn"], "DatasetType": "TEST"}
        test = self.world.rekognition("CreateDataset", **made)["DatasetArn"]
        return {"Datasets": [{"Arn": train}, {"Arn": test}]}

    def after(self, operation: str, request: Request) -> Request:
        """The same request once more."""
        self.world.rekognition(operation, **request)
        return request

    def tags(self, start: int, end: int) -> Request:
        """A request to tag a project."""
        arn = self.world.project()
        return {"ResourceArn": arn, "Tags": {f"k{number}": "" for number in range(start, end)}}

    def image(self, key: str, data: bytes) -> Request:
        """A request to look at an object, by a version that runs."""
        self.world.objects.write(IMAGES, key, data)
        return self.running | {"Image": {"S3Object": {"Bucket": IMAGES, "Name": key}}}

    @property
    def running(self) -> Request:
        version = self.version
        self.world.rekognition("StartProjectVersion", **version, MinInferenceUnits=1)
        self.world.settle()
        return version


def _foreign_format(stage: Stage) -> Request:
    from customlabels.images import InvalidImageFormat

    stage.world.units.detection_refusal = InvalidImageFormat("not a JPEG or PNG file")
    return stage.image("a.gif", b"GIF89a")


CHANGES = {"Changes": {"GroundTruth": manifest_line(1).encode()}}
NOWHERE = {"S3Object": {"Bucket": IMAGES, "Name": "nowhere"}}
MISSING = "ResourceNotFoundException"
IN_USE = "ResourceInUseException"
NOT_READY = "ResourceNotReadyException"
LIMIT = "LimitExceededException"
QUOTA = "ServiceQuotaExceededException"
TOKEN = "InvalidPaginationTokenException"
REVISION = "InvalidPolicyRevisionIdException"

REFUSED: dict[tuple[str, str], Callable[[Stage], Request]] = {
    ("CopyProjectVersion", MISSING): lambda s: s.copy() | {"SourceProjectVersionArn": NO_VERSION},
    ("CopyProjectVersion", IN_USE): lambda s: s.copy("v1"),
    ("CopyProjectVersion", QUOTA): lambda s: s.after("CopyProjectVersion", s.copy()) | {"VersionName": "v3"},
    ("CreateDataset", "InvalidS3ObjectException"): lambda s: (
        s.creation | {"DatasetSource": {"GroundTruthManifest": NOWHERE}}
    ),
    ("CreateDataset", "ResourceAlreadyExistsException"): lambda s: s.after("CreateDataset", s.creation),
    ("CreateDataset", MISSING): lambda s: s.creation | {"DatasetSource": NO_DATASET},
    ("CreateProject", IN_USE): lambda s: s.after("CreateProject", {"ProjectName": "a"}),
    ("CreateProject", LIMIT): lambda s: (
        s.after("CreateProject", {"ProjectName": "a"})
        and s.after("CreateProject", {"ProjectName": "b"})
        and s.after("CreateProject", {"ProjectName": "c"})
        and {"ProjectName": "d"}
    ),
    ("CreateProjectVersion", IN_USE): lambda s: s.training("v1"),
    ("CreateProjectVersion", MISSING): lambda s: s.training() | {"ProjectArn": NO_PROJECT},
    ("CreateProjectVersion", QUOTA): lambda s: (
        s.after("CreateProjectVersion", s.training()) | {"VersionName": "v3"}
    ),
    ("CreateProjectVersion", LIMIT): lambda s: s.training(status="TRAINING_IN_PROGRESS"),
    ("DeleteDataset", IN_USE): lambda s: s.busy_dataset,
    ("DeleteDataset", MISSING): lambda s: NO_DATASET,
    ("DeleteProject", IN_USE): lambda s: {"ProjectArn": s.training()["ProjectArn"]},
    ("DeleteProject", MISSING): lambda s: {"ProjectArn": NO_PROJECT},
    ("DeleteProjectPolicy", REVISION): lambda s: s.named_policy | {"PolicyRevisionId": "0"},
    ("DeleteProjectPolicy", MISSING): lambda s: s.named_policy | {"PolicyName": "q"},
    ("DeleteProjectVersion", IN_USE): lambda s: s.version_that_is("RUNNING"),
    ("DeleteProjectVersion", MISSING): lambda s: {"ProjectVersionArn": NO_VERSION},
    ("DescribeDataset", MISSING): lambda s: NO_DATASET,
    ("DescribeProjectVersions", TOKEN): lambda s: s.project | FORGED,
    ("DescribeProjectVersions", MISSING): lambda s: {"ProjectArn": NO_PROJECT},
    ("DescribeProjects", TOKEN): lambda s: FORGED,
    ("DetectCustomLabels", "ImageTooLargeException"): lambda s: s.image("a.png", bytes(16 * 2**20)),
    ("DetectCustomLabels", "InvalidImageFormatException"): _foreign_format,
    ("DetectCustomLabels", "InvalidS3ObjectException"): lambda s: s.running | {"Image": NOWHERE},
    ("DetectCustomLabels", MISSING): lambda s: {"ProjectVersionArn": NO_VERSION, "Image": NOWHERE},
    ("DetectCustomLabels", NOT_READY): lambda s: s.version | {"Image": NOWHERE},
    ("DistributeDatasetEntries", MISSING): lambda s: {
        "Datasets": [{"Arn": NO_DATASET["DatasetArn"]}, {"Arn": NO_DATASET["DatasetArn"]}]
    },
    ("DistributeDatasetEntries", NOT_READY): lambda s: s.distribution,
    ("ListDatasetEntries", TOKEN): lambda s: s.dataset | FORGED,
    ("ListDatasetEntries", MISSING): lambda s: NO_DATASET,
    ("ListDatasetEntries", NOT_READY): lambda s: s.busy_dataset,
    ("ListDatasetLabels", TOKEN): lambda s: s.dataset | FORGED,
    ("ListDatasetLabels", MISSING): lambda s: NO_DATASET,
    ("ListDatasetLabels", NOT_READY): lambda s: s.busy_dataset,
    ("ListProjectPolicies", TOKEN): lambda s: s.project | FORGED,
    ("ListProjectPolicies", MISSING): lambda s: {"ProjectArn": NO_PROJECT},
    ("ListTagsForResource", MISSING): lambda s: {"ResourceArn": NO_VERSION},
    ("PutProjectPolicy", REVISION): lambda s: s.policy | {"PolicyRevisionId": "0"},
    ("PutProjectPolicy", "MalformedPolicyDocumentException"): lambda s: s.policy | {"PolicyDocument": "{}"},
    ("PutProjectPolicy", "ResourceAlreadyExistsException"): lambda s: s.policy,
    ("PutProjectPolicy", MISSING): lambda s: s.policy | {"ProjectArn": NO_PROJECT},
    ("PutProjectPolicy", QUOTA): lambda s: s.policy | {"PolicyName": "q"},
    ("StartProjectVersion", LIMIT): lambda s: s.version | {"MinInferenceUnits": 3},
    ("StartProjectVersion", IN_USE): lambda s: s.version_that_is("STARTING") | {"MinInferenceUnits": 1},
    ("StartProjectVersion", MISSING): lambda s: {
        "ProjectVersionArn": NO_VERSION,
        "MinInferenceUnits": 1,
    },
    ("StopProjectVersion", MISSING): lambda s: {"ProjectVersionArn": NO_VERSION},
    ("TagResource", MISSING): lambda s: {"ResourceArn": NO_VERSION, "Tags": {}},
    ("TagResource", QUOTA): lambda s: s.after("TagResource", s.tags(0, 200)) | {"Tags": {"one": "more"}},
    ("UntagResource", MISSING): lambda s: {"ResourceArn": NO_VERSION, "TagKeys": []},
    ("UpdateDatasetEntries", IN_USE): lambda s: s.busy_dataset | CHANGES,
    ("UpdateDatasetEntries", MISSING): lambda s: NO_DATASET | CHANGES,
}

ROWS = "datasets cost disk alone; sizes are limited by the manifest's rules, when it is read"
NEVER: dict[tuple[str, str], str] = {
    ("CopyProjectVersion", LIMIT): "copies queue up",
    ("CreateDataset", LIMIT): ROWS,
    ("DeleteDataset", LIMIT): "deletions are done at once",
    ("DetectCustomLabels", LIMIT): "a full queue is ProvisionedThroughputExceededException",
    ("ListDatasetEntries", IN_USE): "what is in place can be read during an update",
    ("ListDatasetLabels", IN_USE): "what is in place can be read during an update",
    ("PutProjectPolicy", LIMIT): "the number of policies is a quota",
    ("StopProjectVersion", IN_USE): "a version that does not run is InvalidParameterException",
    ("UpdateDatasetEntries", LIMIT): ROWS,
}
