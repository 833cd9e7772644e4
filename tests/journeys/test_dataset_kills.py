"""kill -9 of the server while a dataset is made, changed, distributed, copied or deleted: old or new."""

from __future__ import annotations

import json
import random
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from tests.journeys.killing import Server, until
from tests.journeys.stage import home_in

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc")

BUCKET = "killed-images"
LINES = 6_000
CHANGED = 2_000
LONGEST_SECONDS = 90.0
KILLS = pytest.mark.parametrize(
    "kills", [pytest.param(1, id="once"), pytest.param(12, id="often", marks=pytest.mark.torture)]
)


def line(number: int, label: str) -> str:
    metadata = {
        "class-name": label,
        "confidence": 1,
        "type": "groundtruth/image-classification",
        "human-annotated": "yes",
        "creation-date": "2026-01-01T00:00:00",
    }
    return json.dumps({"source-ref": f"s3://{BUCKET}/{number}.jpg", "label": 1, "label-metadata": metadata})


@dataclass
class Story:
    """A server with one project, and somebody who kills it while it works."""

    server: Server
    chance: random.Random
    project: str = ""

    @property
    def rekognition(self) -> Any:
        return self.server.client("rekognition")

    def interrupted(self, kills: int, call: Callable[..., Any], *datasets: str, longest: float = 0.5) -> None:
        """Make the call, kill the server so many times, see its effect on the datasets come to an end.

        longest: seconds between a start and a kill
        """
        call()
        for _ in range(kills):
            time.sleep(self.chance.uniform(0, longest))
            self.server.kill()
            self.server.start()
        for dataset in datasets:
            until(partial(self.ended, dataset), LONGEST_SECONDS, f"{dataset} does not end")

    def status(self, dataset: str) -> str:
        described = self.rekognition.describe_dataset(DatasetArn=dataset)["DatasetDescription"]
        assert described["StatusMessageCode"] == "SUCCESS", described
        return str(described["Status"])

    def ended(self, dataset: str) -> bool:
        return not self.status(dataset).endswith("_IN_PROGRESS")

    def content(self, dataset: str) -> dict[str, str]:
        """Label by address, as the API gives it, which must be what the figures say."""
        pages = self.rekognition.get_paginator("list_dataset_entries").paginate(DatasetArn=dataset)
        entries = [json.loads(each) for page in pages for each in page["DatasetEntries"]]
        described = self.rekognition.describe_dataset(DatasetArn=dataset)["DatasetDescription"]
        stats = described["DatasetStats"]
        assert stats["TotalEntries"] == stats["LabeledEntries"] == len(entries)
        content = {each["source-ref"]: each["label-metadata"]["class-name"] for each in entries}
        assert len(content) == len(entries)
        return content

    def gone(self, dataset: str) -> bool:
        try:
            self.rekognition.describe_dataset(DatasetArn=dataset)
        except self.rekognition.exceptions.ResourceNotFoundException:
            return True
        return False

    def swept(self) -> bool:
        """Whether nothing is left in the records of what no dataset has."""
        rows = self.server.rows
        if rows("SELECT id FROM jobs WHERE status IN ('QUEUED', 'RUNNING')"):
            return False
        kept = {row["revision_id"] for row in rows("SELECT revision_id FROM datasets")} - {None}
        tables = ("entries", "entry_labels", "ref_texts", "entry_sets")
        held = {row["id"] for row in rows("SELECT id FROM revisions")}
        for table in tables:
            held |= {row["revision_id"] for row in rows(f"SELECT DISTINCT revision_id FROM {table}")}
        return held == kept


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    """A server of its own home, a bucket with a manifest."""
    images = tmp_path / "images"
    images.mkdir()
    lines = (line(number, f"label {number % 7}") for number in range(LINES))
    (images / "all.manifest").write_text("\n".join(lines))
    with home_in(tmp_path) as home:
        server = Server(home)
        server.start()
        server.client("customlabels").put_bucket(Name=BUCKET, Folder=str(images))
        story = Story(server, random.Random(7))
        story.project = story.rekognition.create_project(ProjectName="killed")["ProjectArn"]
        yield story
        server.end()


@KILLS
def test_a_dataset_is_whole_whenever_its_server_was_killed(story: Story, kills: int) -> None:
    source = {"GroundTruthManifest": {"S3Object": {"Bucket": BUCKET, "Name": "all.manifest"}}}
    other = story.rekognition.create_project(ProjectName="other")["ProjectArn"]
    made = {"ProjectArn": story.project, "DatasetType": "TRAIN", "DatasetSource": source}
    train = story.rekognition.create_dataset(**made)["DatasetArn"]
    test = story.rekognition.create_dataset(ProjectArn=story.project, DatasetType="TEST")["DatasetArn"]

    story.interrupted(kills, lambda: None, train)
    created = story.content(train)
    changes = "\n".join(line(number, "changed") for number in range(LINES - CHANGED, LINES + 10)).encode()
    update = {"DatasetArn": train, "Changes": {"GroundTruth": changes}}
    story.interrupted(kills, lambda: story.rekognition.update_dataset_entries(**update), train)
    updated = story.content(train)
    pair = [{"Arn": train}, {"Arn": test}]
    story.interrupted(kills, lambda: story.rekognition.distribute_dataset_entries(Datasets=pair), train, test)
    kept, moved = story.content(train), story.content(test)
    copies = {"ProjectArn": other, "DatasetType": "TRAIN", "DatasetSource": {"DatasetArn": train}}
    arns: list[str] = []
    story.interrupted(
        kills, lambda: arns.append(story.rekognition.create_dataset(**copies)["DatasetArn"]), *arns
    )
    [copy] = arns
    copied = story.content(copy)
    story.interrupted(kills, lambda: story.rekognition.delete_dataset(DatasetArn=train))

    assert created == {f"s3://{BUCKET}/{number}.jpg": f"label {number % 7}" for number in range(LINES)}
    changed = range(LINES - CHANGED, LINES + 10)
    assert updated == created | {f"s3://{BUCKET}/{number}.jpg": "changed" for number in changed}
    assert kept | moved == updated
    assert not kept.keys() & moved.keys()
    assert len(moved) == round(0.2 * len(updated))
    assert copied == kept
    assert story.gone(train)
    until(story.swept, LONGEST_SECONDS, "what was deleted is not swept")
    assert story.content(copy) == kept


@KILLS
def test_a_copy_of_a_version_is_whole_whenever_its_server_was_killed(story: Story, kills: int) -> None:
    source = f"{story.project.rpartition('/')[0]}/version/v1/1700000000000"
    story.server.end()
    model = story.server.home.path / "models" / "of-v1"
    model.mkdir(parents=True)
    for name in ("model.json", "model.onnx", "weights.safetensors"):
        (model / name).write_bytes(story.chance.randbytes(20_000_000))
    row = (source, story.project, "v1", "STOPPED", "ready", 0.0, 0.5, "models/of-v1", "{}")
    with closing(sqlite3.connect(story.server.home.path / "records.db")) as records, records:
        columns = "arn, project_arn, name, status, status_message, created_at, f1_score, folder, details"
        records.execute(f"INSERT INTO versions ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
    story.server.start()
    ends = {"SourceProjectArn": story.project, "DestinationProjectArn": story.project}
    place = {"SourceProjectVersionArn": source, "OutputConfig": {"S3Bucket": BUCKET}}

    for number in range(kills):
        name = f"copy{number}"
        copy = partial(story.rekognition.copy_project_version, **ends, **place, VersionName=name)
        story.interrupted(1, copy, longest=0.2)

    asked = {"ProjectArn": story.project, "VersionNames": [f"copy{number}" for number in range(kills)][:10]}

    def statuses() -> set[str]:
        found = story.rekognition.describe_project_versions(**asked)["ProjectVersionDescriptions"]
        return {each["Status"] for each in found}

    until(lambda: statuses() == {"COPYING_COMPLETED"}, LONGEST_SECONDS, "a copy does not end")
    until(lambda: not list((model.parents[1] / "work").glob("*")), LONGEST_SECONDS, "work is left over")
    contents = [
        {file.name: file.read_bytes() for file in folder.iterdir()} for folder in model.parent.iterdir()
    ]
    assert len(contents) == kills + 1
    assert all(content == contents[0] for content in contents)


@pytest.mark.torture
def test_a_request_that_a_kill_cuts_off_has_its_effect_or_none(story: Story) -> None:
    source = {"GroundTruthManifest": {"S3Object": {"Bucket": BUCKET, "Name": "all.manifest"}}}
    made = {"ProjectArn": story.project, "DatasetType": "TRAIN", "DatasetSource": source}
    train = story.rekognition.create_dataset(**made)["DatasetArn"]
    until(lambda: story.ended(train), LONGEST_SECONDS, "the dataset is not created")
    before = "label 0"
    for number in range(20):
        killer = threading.Timer(story.chance.uniform(0, 0.05), story.server.kill)
        change = {"GroundTruth": line(0, f"change {number}").encode()}
        killer.start()
        try:
            story.rekognition.update_dataset_entries(DatasetArn=train, Changes=change)
        except (BotoCoreError, ClientError):
            may_be = [before, f"change {number}"]
        else:
            may_be = [f"change {number}"]
        killer.join()
        story.server.start()
        until(lambda: story.ended(train), LONGEST_SECONDS, "the update does not end")
        before = story.content(train)[f"s3://{BUCKET}/0.jpg"]
        assert before in may_be
