"""Commands on data: check, sample; and a user's images as source datasets for a run."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from customlabels import training
from customlabels.cli.endpoint import Endpoint, connect
from customlabels.cli.exits import DataInvalid, Exit, UsageError
from customlabels.cli.looking import project_arn
from customlabels.cli.printing import said_if_long, say, tell
from customlabels.datasets import Findings, Problem, Source, bucket_name, check, open_source, split_ref
from customlabels.settings import Settings
from customlabels.storage import Objects

MANIFESTS_BUCKET = "customlabels-manifests"
OUTPUT_BUCKET = "customlabels-output"
SHOWN_BY_RULE = 3
POLL_SECONDS = 0.1
TRAIN_ON = "train on it:  customlabels run --train {0}/train.manifest --test {0}/test.manifest"


@dataclass(frozen=True)
class SourceData:
    """The two sides of a run's data: each files of this machine, a manifest at s3://, or a dataset ARN."""

    project: str
    train: Source | str
    test: Source | str

    def register(self, endpoint: Endpoint) -> tuple[str, str]:
        """The ARNs of both source datasets, created where they are not there yet.

        The source project is named by the data's digest, so the same data is registered once and two runs
        with different data never touch each other's.
        """
        sides = {"TRAIN": self.train, "TEST": self.test}
        arns = {kind: side for kind, side in sides.items() if isinstance(side, str) and _is_arn(side)}
        sources = {kind: side for kind, side in sides.items() if kind not in arns}
        if sources:
            manifests = {
                kind: _keep_manifest(endpoint, fetched(endpoint, side))
                if isinstance(side, str)
                else _put_manifest(endpoint, side)
                for kind, side in sources.items()
            }
            digest = hashlib.sha256("".join(sorted(manifests.values())).encode()).hexdigest()[:10]
            project_arn = _project(endpoint, f"{self.project[:200]}-source-{digest}")
            for kind, key in manifests.items():
                arns[kind] = _dataset(endpoint, project_arn, kind, key)
            _wait_complete(endpoint, [arns[kind] for kind in manifests])
        return arns["TRAIN"], arns["TEST"]


def register_alone(source: Source, project: str) -> str:
    """The ARN of a project's training dataset with the data of a source; DataInvalid where it has another."""
    endpoint = connect(Settings.from_environment())
    arn = _project(endpoint, project)
    if "TRAIN" in _datasets(endpoint, arn):
        raise UsageError(f"project {project} has a training dataset already; choose another name")
    made = _dataset(endpoint, arn, "TRAIN", _put_manifest(endpoint, source))
    _wait_complete(endpoint, [made])
    return made


def source_datasets(train: str, test: str, project: str, *, leave_out: bool) -> SourceData:
    """Read and check both sides before anything is started; raises UsageError or DataInvalid.

    leave_out: train without the images and lines that cannot be used, rather than refuse them.
    """
    places = {side: existing(side) for side in (train, test) if not is_remote(side)}
    findings = looked_at(list(places.values()))
    for line in told_by_rule(findings.warnings):
        say(line)
    refused = findings.errors if leave_out else (*findings.errors, *findings.unusable)
    if refused:
        raise DataInvalid(_all_problems(refused, findings))
    train_side, test_side = (open_source(places[side]) if side in places else side for side in (train, test))
    return SourceData(project or _project_name(train), train_side, test_side)


def _is_arn(side: str) -> bool:
    return side.startswith("arn:")


def is_remote(side: str) -> bool:
    """Whether the server has the data: it checks them itself."""
    return side.startswith(("arn:", "s3://"))


def looked_at(sources: Sequence[Path]) -> Findings:
    """Every problem of the data, as `customlabels.datasets.check` finds it; says so where that takes long."""
    with said_if_long("looking at each image, and which are alike: a minute for 10,000 or so"):
        return check(sources)


def existing(text: str) -> Path:
    """The absolute path of a file or folder that is there; raises UsageError."""
    path = Path(text).expanduser()
    if not path.exists():
        raise UsageError(f"{text}: there is no such file or folder")
    return path.absolute()


def _all_problems(refused: Sequence[Problem], findings: Findings) -> str:
    shown = told_by_rule(refused)
    if not findings.errors:
        shown.append("  to train without them, add --leave-out")
    return "\n".join(["the data cannot be used as it is:", *shown])


def told_by_rule(problems: Sequence[Problem]) -> list[str]:
    """Lines for people: the first problems of each rule, and how many more there are."""
    groups: dict[tuple[str, str], list[Problem]] = {}
    for problem in problems:
        groups.setdefault((problem.severity, problem.rule), []).append(problem)
    lines = []
    for (severity, rule), found in groups.items():
        lines += [f"  {severity} {rule}: {problem}" for problem in found[:SHOWN_BY_RULE]]
        if len(found) > SHOWN_BY_RULE:
            more = len(found) - SHOWN_BY_RULE
            lines.append(f"  {severity} {rule}: ... and {more} more: `customlabels check --json` lists all")
    return lines


def _project_name(train: str) -> str:
    """A name from the place of the training data: `clothing` for .../clothing/train."""
    if _is_arn(train):  # whose own project may not be trained: it holds the source
        return f"{train.split('/')[1][:200]}-pipeline"
    path = Path(train.removeprefix("s3:/")).absolute()
    generic = {"train", "training", "images", "data"}
    stem = path.stem if path.is_file() or train.startswith("s3://") else path.name
    name = path.parent.name if stem.lower() in generic else stem
    return re.sub(r"[^a-zA-Z0-9_.\-]+", "-", name).strip("-.")[:200] or "images"


def fetched(endpoint: Endpoint, address: str) -> bytes:
    """The object at s3://BUCKET/KEY as it is now."""
    bucket, key = split_ref(address)
    text: bytes = endpoint.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    return text


def _put_manifest(endpoint: Endpoint, source: Source) -> str:
    """Register the images' folder and write their manifest into our own bucket; returns its key."""
    bucket = bucket_name(source.root)
    endpoint.customlabels.put_bucket(Name=bucket, Folder=str(source.root))
    return _keep_manifest(endpoint, "".join(f"{line}\n" for line in source.lines(bucket)).encode())


def _keep_manifest(endpoint: Endpoint, text: bytes) -> str:
    folder = endpoint.settings.manifests_folder
    own_bucket(endpoint, MANIFESTS_BUCKET, folder)
    key = f"{hashlib.sha256(text).hexdigest()[:32]}.manifest"
    # A name that is its content's digest: written once, whole, and the same for the same data.
    Objects({MANIFESTS_BUCKET: folder}.get).write(MANIFESTS_BUCKET, key, text)
    return key


def own_bucket(endpoint: Endpoint, name: str, folder: Path) -> None:
    """Register a bucket inside the home, its folder made where it is not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    endpoint.customlabels.put_bucket(Name=name, Folder=str(folder))


def _project(endpoint: Endpoint, name: str) -> str:
    try:
        return str(endpoint.rekognition.create_project(ProjectName=name)["ProjectArn"])
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceInUseException":
            raise
    return project_arn(endpoint, name)


def _dataset(endpoint: Endpoint, project_arn: str, kind: str, key: str) -> str:
    """The source dataset of one type; one that failed before is made anew."""
    source = {"GroundTruthManifest": {"S3Object": {"Bucket": MANIFESTS_BUCKET, "Name": key}}}
    existing = _datasets(endpoint, project_arn).get(kind)
    if existing and existing["Status"] == "CREATE_FAILED":
        endpoint.rekognition.delete_dataset(DatasetArn=existing["DatasetArn"])
        existing = None
    if existing:
        return str(existing["DatasetArn"])
    try:
        answer = endpoint.rekognition.create_dataset(
            ProjectArn=project_arn, DatasetType=kind, DatasetSource=source
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceAlreadyExistsException":
            raise
        return str(_datasets(endpoint, project_arn)[kind]["DatasetArn"])  # another run was a moment faster
    return str(answer["DatasetArn"])


def _datasets(endpoint: Endpoint, project_arn: str) -> dict[str, dict[str, Any]]:
    name = project_arn.split("/")[1]
    found = endpoint.rekognition.describe_projects(ProjectNames=[name])["ProjectDescriptions"]
    return {dataset["DatasetType"]: dataset for one in found for dataset in one["Datasets"]}


def _wait_complete(endpoint: Endpoint, arns: Sequence[str]) -> None:
    for arn in arns:
        while True:
            described = endpoint.rekognition.describe_dataset(DatasetArn=arn)["DatasetDescription"]
            if described["Status"] == "CREATE_COMPLETE":
                break
            if described["Status"] == "CREATE_FAILED":
                raise DataInvalid(f"{arn}: {described['StatusMessage']}")
            time.sleep(POLL_SECONDS)


def write_sample(name: str, to: Path, *, as_json: bool) -> Exit:
    """Write a data set into a new folder and register it as a bucket."""
    folder = to.expanduser().absolute()
    bucket = bucket_name(folder)
    counts = training.write_sample(name, folder, bucket)
    connect(Settings.from_environment()).customlabels.put_bucket(Name=bucket, Folder=str(folder))
    line = f"{folder}: {counts['train']} training images, {counts['test']} test images; bucket s3://{bucket}"
    told = {"Folder": str(folder), "Bucket": bucket, "Images": counts}
    return tell(told, line, advice=TRAIN_ON.format(to), as_json=as_json)
