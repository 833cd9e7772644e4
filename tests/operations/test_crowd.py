"""32 clients at once, on one server: no error that the models do not explain, and all ends consistent."""

from __future__ import annotations

import os
import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, func, make_url, select
from tests.operations.world import OUTPUT_CONFIG, World, manifest_line

from customlabels.errors import ServiceError
from customlabels.storage import schema

CLIENTS = 32
SECONDS = float(os.environ.get("CUSTOMLABELS_TEST_CROWD_SECONDS", "20"))
NAMES = tuple("abcdefgh")
RARE_SHARE = 0.05


@pytest.fixture(params=["sqlite", "postgresql"])
def crowded(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """A world on SQLite, and on the server that CUSTOMLABELS_TEST_POSTGRES names."""
    if request.param == "sqlite":
        world = World(tmp_path)
        yield world
        world.close()
        return
    server = os.environ.get("CUSTOMLABELS_TEST_POSTGRES")
    if not server:
        pytest.skip("CUSTOMLABELS_TEST_POSTGRES names no server: PostgreSQL is not tested")
    name = f"crowd_{uuid.uuid4().hex}"
    administrator = create_engine(server, isolation_level="AUTOCOMMIT")
    with administrator.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    world = World(tmp_path, url=make_url(server).set(database=name).render_as_string(hide_password=False))
    yield world
    world.close()
    with administrator.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    administrator.dispose()


class Client(threading.Thread):
    """Somebody who makes, changes, looks and deletes, without regard for the others."""

    def __init__(self, world: World, number: int, until: float) -> None:
        super().__init__(daemon=True)
        self._world, self._dice, self._until = world, random.Random(number), until
        self.done: Counter[str] = Counter()
        self.fault: BaseException | None = None

    def run(self) -> None:
        try:
            while time.monotonic() < self._until:
                self._act()
        except BaseException as error:  # noqa: BLE001 - told by the test
            self.fault = error

    def _act(self) -> None:
        acts = RARE_ACTS if self._dice.random() < RARE_SHARE else ACTS
        name, request = self._dice.choice(acts)(self)
        try:
            self._world.rekognition(name, **request)
            self.done[name] += 1
        except ServiceError as refusal:  # one that the model lists, or the world raises AssertionError
            self.done[f"{name} {refusal.code}"] += 1

    def pick(self, *values: Any) -> Any:
        return self._dice.choice(values)

    def project(self) -> str:
        found = self._world.rekognition("DescribeProjects", ProjectNames=[self.pick(*NAMES)])
        arns = [each["ProjectArn"] for each in found["ProjectDescriptions"]]
        return str((arns or ["arn:aws:rekognition:eu-west-1:111122223333:project/none/1"])[0])

    def dataset(self) -> str:
        found = self._world.rekognition("DescribeProjects")["ProjectDescriptions"]
        arns = [dataset["DatasetArn"] for each in found for dataset in each["Datasets"]]
        return str(self.pick(*arns) if arns else f"{self.project().rpartition('/')[0]}/dataset/train/1")

    def version(self) -> str:
        asked = {"ProjectArn": self.project()}
        try:
            found = self._world.rekognition("DescribeProjectVersions", **asked)["ProjectVersionDescriptions"]
        except ServiceError:
            found = []
        nothing = f"{asked['ProjectArn'].rpartition('/')[0]}/version/v/1"
        return str(self.pick(*(each["ProjectVersionArn"] for each in found)) if found else nothing)

    def source(self) -> dict[str, Any]:
        manifest = {"GroundTruthManifest": {"S3Object": {"Bucket": "images-of-mine", "Name": "m"}}}
        return dict(
            self.pick({}, {"DatasetSource": manifest}, {"DatasetSource": {"DatasetArn": self.dataset()}})
        )

    def change(self) -> bytes:
        return manifest_line(self._dice.randrange(60), self.pick("cat", "dog", "owl")).encode()

    def sides(self) -> list[dict[str, str]]:
        found = self._world.rekognition("DescribeProjects", ProjectNames=[self.pick(*NAMES)])
        arns = [each["DatasetArn"] for one in found["ProjectDescriptions"] for each in one["Datasets"]]
        return [{"Arn": arn} for arn in (arns if len(arns) == 2 else [self.dataset(), self.dataset()])]

    def copied(self) -> dict[str, Any]:
        version = self.version()
        found = self._world.rekognition("DescribeProjects", ProjectNames=[version.split("/")[1]])
        source = [each["ProjectArn"] for each in found["ProjectDescriptions"]] or [self.project()]
        target = {"DestinationProjectArn": self.project(), "VersionName": self.pick("x", "y")}
        return {
            "SourceProjectArn": source[0],
            "SourceProjectVersionArn": version,
            "OutputConfig": OUTPUT_CONFIG,
        } | target


ACTS: tuple[Any, ...] = (
    lambda c: ("CreateProject", {"ProjectName": c.pick(*NAMES)}),
    lambda c: ("DescribeProjects", {}),
    lambda c: (
        "CreateDataset",
        {"ProjectArn": c.project(), "DatasetType": c.pick("TRAIN", "TEST")} | c.source(),
    ),
    lambda c: ("DescribeDataset", {"DatasetArn": c.dataset()}),
    lambda c: ("ListDatasetEntries", {"DatasetArn": c.dataset(), "ContainsLabels": ["cat"]}),
    lambda c: ("ListDatasetLabels", {"DatasetArn": c.dataset()}),
    lambda c: ("DistributeDatasetEntries", {"Datasets": c.sides()}),
    lambda c: (
        "CreateProjectVersion",
        {"ProjectArn": c.project(), "VersionName": c.pick("v", "w"), "OutputConfig": OUTPUT_CONFIG},
    ),
    lambda c: ("CopyProjectVersion", c.copied()),
    lambda c: ("StartProjectVersion", {"ProjectVersionArn": c.version(), "MinInferenceUnits": 1}),
    lambda c: ("StopProjectVersion", {"ProjectVersionArn": c.version()}),
    lambda c: ("TagResource", {"ResourceArn": c.project(), "Tags": {c.pick("k", "l"): "v"}}),
)
# What takes things away, or keeps a dataset busy: done often, little would be left to act on.
RARE_ACTS: tuple[Any, ...] = (
    lambda c: ("DeleteProject", {"ProjectArn": c.project()}),
    lambda c: ("UpdateDatasetEntries", {"DatasetArn": c.dataset(), "Changes": {"GroundTruth": c.change()}}),
    lambda c: ("DeleteDataset", {"DatasetArn": c.dataset()}),
    lambda c: ("DeleteProjectVersion", {"ProjectVersionArn": c.version()}),
)


@pytest.mark.torture
@pytest.mark.timeout(600)
def test_a_crowd_gets_only_answers_that_the_models_explain(crowded: World) -> None:
    crowded.put_manifest("m", [manifest_line(at) for at in range(40)])
    crowded.start_jobs()
    until = time.monotonic() + SECONDS
    clients = [Client(crowded, number, until) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    for client in clients:
        client.join(SECONDS + 120)
    faults = [client.fault for client in clients if client.fault]
    assert not faults, faults[0]
    assert not any(client.is_alive() for client in clients)
    crowded.until(lambda: crowded.open_jobs() == 0, 120)

    done = sum((client.done for client in clients), Counter())
    print(f"\n{sum(done.values())} calls: {dict(done.most_common())}")
    for name in ("CreateDataset", "UpdateDatasetEntries", "DistributeDatasetEntries", "CopyProjectVersion"):
        assert done[name], f"{name} never succeeded, so nothing is told about it"
    consistent(crowded)


def consistent(world: World) -> None:
    """Nothing is under way, figures are those of the rows, and nobody's rows are left."""
    datasets, versions, revisions = schema.datasets, schema.versions, schema.revisions
    with world.records.read() as reading:
        for table in (datasets, versions):
            statuses = set(reading.execute(select(table.c.status)).scalars())
            assert not {
                each for each in statuses if each.endswith("_IN_PROGRESS") or each.endswith("ING")
            } - {"RUNNING"}
        pointed = set(reading.execute(select(datasets.c.revision_id)).scalars())
        for column in (versions.c.train_revision_id, versions.c.test_revision_id):
            pointed |= set(reading.execute(select(column)).scalars())
        figures = dict(reading.execute(select(revisions.c.id, revisions.c.total_entries)).all())
        assert figures.keys() == pointed - {None}
        for table in (schema.entries, schema.entry_labels, schema.ref_texts, schema.entry_sets):
            assert set(reading.execute(select(table.c.revision_id).distinct()).scalars()) <= pointed
        counted = select(schema.entries.c.revision_id, func.count()).group_by(schema.entries.c.revision_id)
        assert dict(reading.execute(counted).all()) == {id: count for id, count in figures.items() if count}
        assert not reading.execute(select(func.count()).select_from(schema.payloads)).scalar()
        served = set(reading.execute(select(versions.c.arn).where(versions.c.status == "RUNNING")).scalars())
    assert set(world.units.up) == served
