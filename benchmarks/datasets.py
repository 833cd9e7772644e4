"""What a dataset of the largest size costs: made, copied, looked through, changed; and a list of versions.

    [CUSTOMLABELS_DATABASE_URL=...] python benchmarks/datasets.py [LINES]

A real server in a home of its own, asked by boto3. While the dataset is made, an execution goes on; its
longest pause is told. Memory is the server's largest resident size until then.

Answers are told as median / what 99 of 100 stay below: from a request's leaving to its answer's arrival, and
with what boto3 does before and after. All kinds of pages are asked for in turn, and between them an empty
list and a bit of counting without any server: what these two vary by, the machine does.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import boto3
from botocore.session import Session

from customlabels.app import models_folder, served

COMMAND = Path(sys.executable).with_name("customlabels")
LINES = 250_000
LABELS = 100
ROUNDS = 1000  # of pages by each filter: ten answers lie beyond what 99 of 100 stay below
VERSIONS = 100
KEYS = {"aws_access_key_id": "local", "aws_secret_access_key": "local", "region_name": "us-east-1"}
BUCKET = "images-of-mine"
FILTERS: dict[str, dict[str, Any]] = {
    "no filter": {},
    "ContainsLabels, one": {"ContainsLabels": ["label 7"]},
    "ContainsLabels, ten": {"ContainsLabels": [f"label {number}" for number in range(10)]},
    "Labeled": {"Labeled": True},
    "not Labeled": {"Labeled": False},
    "HasErrors": {"HasErrors": True},
    "SourceRefContains, many": {"SourceRefContains": "photos/"},
    "SourceRefContains, one": {"SourceRefContains": "/00249999."},
    "SourceRefContains, none": {"SourceRefContains": "nowhere"},
    "SourceRefContains, few": {"SourceRefContains": "999"},
}


def main() -> None:
    """Print the table."""
    lines = int(sys.argv[1]) if len(sys.argv) > 1 else LINES
    with tempfile.TemporaryDirectory() as name, server(Path(name)) as (pid, client):
        folder = Path(name) / BUCKET
        write_manifest(folder, lines)
        client("customlabels").put_bucket(Name=BUCKET, Folder=str(folder))
        show("", "", "goal", "with boto3")
        measure_datasets(pid, client, lines)
        measure_versions(client)


def measure_datasets(pid: int, client: Callable[[str], Any], lines: int) -> None:
    """Made, copied, looked through, distributed."""
    rekognition = client("rekognition")
    run = start_execution(client("stepfunctions"))
    project = rekognition.create_project(ProjectName="first")["ProjectArn"]
    source = {"GroundTruthManifest": {"S3Object": {"Bucket": BUCKET, "Name": "all.manifest"}}}
    begun = time.perf_counter()
    made = rekognition.create_dataset(ProjectArn=project, DatasetType="TRAIN", DatasetSource=source)
    train = made["DatasetArn"]
    wait_for(rekognition, train)
    show(f"{lines:,} lines: created", f"{time.perf_counter() - begun:.1f} s", "30 s")
    show("largest memory of the server", f"{largest_memory(pid):.0f} MB", "400 MB")
    show("longest pause of an execution meanwhile", f"{longest_pause(client, run):.2f} s", "")

    other = rekognition.create_project(ProjectName="second")["ProjectArn"]
    begun = time.perf_counter()
    copied = {"ProjectArn": other, "DatasetType": "TRAIN", "DatasetSource": {"DatasetArn": train}}
    copy = rekognition.create_dataset(**copied)["DatasetArn"]
    wait_for(rekognition, copy)
    show("copied", f"{time.perf_counter() - begun:.2f} s", "1 s")
    pages = {f"page, {title}": pages_of(rekognition, train, each) for title, each in FILTERS.items()}
    show_answers(rekognition, pages, "p99 25 ms")
    test = rekognition.create_dataset(ProjectArn=project, DatasetType="TEST")["DatasetArn"]
    begun = time.perf_counter()
    rekognition.distribute_dataset_entries(Datasets=[{"Arn": train}, {"Arn": test}])
    wait_for(rekognition, train)
    show("distributed", f"{time.perf_counter() - begun:.1f} s", "")
    change = json.dumps(line(1, "changed")).encode()
    begun = time.perf_counter()
    rekognition.update_dataset_entries(DatasetArn=train, Changes={"GroundTruth": change})
    wait_for(rekognition, train)
    show("updated by one line", f"{time.perf_counter() - begun:.1f} s", "")
    show("largest memory of the server", f"{largest_memory(pid):.0f} MB", "400 MB")


def measure_versions(client: Callable[[str], Any]) -> None:
    """A list of versions; their trainings find no manifest, which makes them quick."""
    rekognition = client("rekognition")
    project = rekognition.create_project(ProjectName="many")["ProjectArn"]
    nowhere = {"GroundTruthManifest": {"S3Object": {"Bucket": BUCKET, "Name": "nowhere.manifest"}}}
    for number in range(VERSIONS):
        rekognition.create_project_version(
            ProjectArn=project,
            VersionName=f"v{number}",
            OutputConfig={"S3Bucket": BUCKET, "S3KeyPrefix": "out"},
            TrainingData={"Assets": [nowhere]},
            TestingData={"AutoCreate": True},
        )

    def listed() -> set[str]:
        found = rekognition.describe_project_versions(ProjectArn=project)["ProjectVersionDescriptions"]
        return {version["Status"] for version in found}

    while listed() != {"TRAINING_FAILED"}:
        time.sleep(0.2)
    show_answers(rekognition, {f"DescribeProjectVersions, {VERSIONS} of them": listed}, "10 ms")


def pages_of(rekognition: Any, dataset: str, filters: dict[str, Any]) -> Callable[[], object]:
    """What asks for the next page, and from the start again once there is no more."""
    token: dict[str, str] = {}

    def ask() -> None:
        nonlocal token
        page = rekognition.list_dataset_entries(DatasetArn=dataset, **filters, **token)
        token = {"NextToken": page["NextToken"]} if "NextToken" in page else {}

    return ask


def show_answers(rekognition: Any, asked: dict[str, Callable[[], object]], goal: str) -> None:
    """Ask for everything in turn, ROUNDS times, and tell how long the answers took."""
    moments = {"before-send": 0.0, "before-parse": 0.0}
    for moment in moments:
        note = partial(noted, moments, moment)
        rekognition.meta.events.register(f"{moment}.rekognition", note, unique_id=f"noted {moment}")
    references: dict[str, Callable[[], object]] = {
        "reference: an empty list": lambda: rekognition.describe_projects(ProjectNames=["nobody"]),
        "reference: no server": lambda: sum(range(100_000)),
    }
    answered: dict[str, list[float]] = defaultdict(list)
    ended: dict[str, list[float]] = defaultdict(list)
    for _ in range(ROUNDS):
        for title, ask in (asked | references).items():
            moments["before-parse"] = moments["before-send"]
            ended[title].append(timed(ask))
            answered[title].append(moments["before-parse"] - moments["before-send"])
    for title in ended:
        show(title, spread(answered[title]), "" if title in references else goal, spread(ended[title]))


def noted(moments: dict[str, float], moment: str, **_event: Any) -> None:
    """Note when a request leaves, and when its answer has come."""
    moments[moment] = time.perf_counter()


def spread(seconds: list[float]) -> str:
    """The median and what 99 of 100 stay below."""
    ordered = sorted(seconds)
    return f"{1e3 * ordered[len(ordered) // 2]:.1f} / {1e3 * ordered[int(len(ordered) * 0.99)]:.1f} ms"


def timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def show(title: str, figure: str, goal: str, with_client: str = "") -> None:
    print(f"{title:42} {figure:>18} {goal:>12} {with_client:>20}", flush=True)


def line(number: int, label: str) -> dict[str, Any]:
    """A line; every thousandth has no label, every other thousandth an error."""
    metadata = {
        "class-name": label,
        "confidence": 1,
        "human-annotated": "yes",
        "creation-date": "2026-11-23T08:00:00",
        "type": "groundtruth/image-classification",
        "job-name": "labeling-job/all",
    }
    value: dict[str, Any] = {"source-ref": f"s3://{BUCKET}/photos/{number:08}.jpg"}
    if number % 1000 == 1:
        return value
    return value | {"label": "x" if number % 1000 == 2 else 0, "label-metadata": metadata}


def write_manifest(folder: Path, lines: int) -> None:
    folder.mkdir()
    with (folder / "all.manifest").open("w") as file:
        for number in range(lines):
            file.write(json.dumps(line(number, f"label {number % LABELS}")) + "\n")


def wait_for(rekognition: Any, dataset: str) -> None:
    """Until the operation on the dataset has ended, well."""
    while True:
        described = rekognition.describe_dataset(DatasetArn=dataset)["DatasetDescription"]
        if not described["Status"].endswith("_IN_PROGRESS"):
            assert described["StatusMessageCode"] == "SUCCESS", described
            return
        time.sleep(0.02)


def start_execution(states: Any) -> str:
    """An execution that does something all the time."""
    again = {"Variable": "$.end", "IsPresent": False, "Next": "Wait"}
    loop = {
        "Wait": {"Type": "Wait", "Seconds": 1, "Next": "Choice"},
        "Choice": {"Type": "Choice", "Choices": [again], "Default": "End"},
        "End": {"Type": "Succeed"},
    }
    machine = states.create_state_machine(
        name="busy",
        definition=json.dumps({"StartAt": "Wait", "States": loop}),
        roleArn="arn:aws:iam::123456789012:role/any",
    )
    return str(states.start_execution(stateMachineArn=machine["stateMachineArn"])["executionArn"])


def longest_pause(client: Callable[[str], Any], run: str) -> float:
    """The longest time between two events of the execution, less the shortest wait, in seconds."""
    states = client("stepfunctions")
    pages = states.get_paginator("get_execution_history").paginate(executionArn=run)
    times = [event["timestamp"].timestamp() for page in pages for event in page["events"]]
    states.stop_execution(executionArn=run)
    return float(max(after - before for before, after in pairwise(times))) - 0.25


def largest_memory(pid: int) -> float:
    """The largest resident size of the process so far, in MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1000


@contextmanager
def server(folder: Path) -> Iterator[tuple[int, Callable[[str], Any]]]:
    """A server in the foreground: its process, and what makes boto3 clients of it."""
    home = folder / "home"
    settings = {"CUSTOMLABELS_HOME": str(home), "CUSTOMLABELS_PORT": "0", "CUSTOMLABELS_WAIT_SCALE": "0"}
    log = (folder / "server.log").open("wb")
    process = subprocess.Popen([COMMAND, "serve"], env=os.environ | settings, stderr=log)
    try:
        while not ((found := served(home)) and found.url):
            assert process.poll() is None, (folder / "server.log").read_text()
            time.sleep(0.05)
        core = Session()
        core.get_component("data_loader").search_paths.append(str(models_folder()))
        session, url = boto3.session.Session(botocore_session=core), found.url
        yield process.pid, lambda name: session.client(name, endpoint_url=url, **KEYS)
    finally:
        process.terminate()
        process.wait()
        log.close()


if __name__ == "__main__":
    main()
